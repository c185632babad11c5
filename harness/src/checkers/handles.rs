//! Which start a process belongs to: clients may use a process id again, in one session or in two.

use std::collections::BTreeMap;

use unplug_reconnect::id::{CallId, ConnId, ProcessId, SessionNumber};
use unplug_reconnect::wire::exec::method;

use crate::fault::Fault;
use crate::history::{Call, Dir, Entry, Event, Frame, History, Role, Truth};

/// One process as its client knows it: from the call that starts it to the word that it is closed or lost.
#[derive(Debug)]
pub(super) struct Handle<'a> {
    /// The host whose process it is.
    pub(super) client: usize,
    /// Its name.
    pub(super) process: &'a ProcessId,
    /// The call that starts it. None: the history does not say.
    start: Option<CallId>,
    /// What the caller of the start was told.
    pub(super) told: Option<Truth>,
    /// Where it was to be started.
    pub(super) session: Option<SessionNumber>,
    /// Whether the server got the request that starts it.
    requested: bool,
    /// Whether the server has started it.
    pub(super) started: bool,
    /// Whether it has exited, or its session or its server is gone.
    pub(super) ended: bool,
    /// Whether its server crashed.
    pub(super) crashed: bool,
    /// Whether its client was told that nothing more comes from it.
    pub(super) closed: bool,
    /// Whether its client was told that it is lost.
    pub(super) lost: bool,
}

impl Handle<'_> {
    /// Whether the server runs it.
    pub(super) const fn runs(&self) -> bool {
        self.started && !self.ended
    }

    /// Whether its client was told that it has it, and not since that it has it no more.
    pub(super) fn is_held(&self) -> bool {
        !self.lost && !self.closed && self.is_known()
    }

    /// Whether its client was told that it was started.
    pub(super) fn is_known(&self) -> bool {
        self.start.is_none() || self.told == Some(Truth::Applied)
    }

    /// Whether this is the call that starts it.
    pub(super) fn is_started_by(&self, call: CallId) -> bool {
        self.start == Some(call)
    }

    /// Whether its client can reach it no more: it was lost, or the client never knew that it was started.
    pub(super) const fn is_out_of_reach(&self) -> bool {
        self.lost || matches!(self.told, Some(Truth::Ambiguous | Truth::NotApplied))
    }
}

/// A session by the books of its server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// The client that opened it.
    pub(super) client: usize,
    /// The server that keeps it.
    pub(super) server: usize,
}

/// The processes of a run, as far as its history was read.
pub(super) struct Handles<'a> {
    history: &'a History,
    /// All, in the order in which they were asked for.
    pub(super) all: Vec<Handle<'a>>,
    /// By the numbers that connections count clients with.
    clients: Vec<usize>,
    current: BTreeMap<(usize, &'a ProcessId), usize>,
    started: BTreeMap<(SessionNumber, &'a ProcessId), usize>,
    sessions: BTreeMap<SessionNumber, Session>,
    attached: BTreeMap<ConnId, SessionNumber>,
}

impl<'a> Handles<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        Self {
            history,
            all: Vec::new(),
            clients: clients(history),
            current: BTreeMap::new(),
            started: BTreeMap::new(),
            sessions: BTreeMap::new(),
            attached: BTreeMap::new(),
        }
    }

    /// A session, if it was opened.
    pub(super) fn session(&self, session: SessionNumber) -> Option<Session> {
        self.sessions.get(&session).copied()
    }

    /// The process of this name that runs, or ran last, in a session.
    pub(super) fn of_session(&self, session: SessionNumber, process: &'a ProcessId) -> Option<usize> {
        self.started.get(&(session, process)).copied()
    }

    /// Whether a session has a process that runs.
    pub(super) fn has_running(&self, session: SessionNumber) -> bool {
        self.all
            .iter()
            .any(|handle| handle.session == Some(session) && handle.runs())
    }

    /// Reads one entry and says which process it is about, if it is about one.
    pub(super) fn read(&mut self, entry: &'a Entry) -> Option<usize> {
        let who = entry.who;
        if let Event::Asked { call, .. } = &entry.event {
            self.on_asked(who, call)
        } else if let Event::Settled { call, truth, .. } = &entry.event {
            let index = self.of_client(who, call.process.as_ref()?)?;
            let handle = &mut self.all[index];
            if handle.start == Some(call.call) {
                handle.told = Some(*truth);
            }
            Some(index)
        } else if let Event::Output { process, .. } | Event::OutputExited { process, .. } = &entry.event {
            self.of_client(who, process)
        } else if let Event::OutputClosed { process, .. } = &entry.event {
            let index = self.of_client(who, process)?;
            self.all[index].closed = true;
            Some(index)
        } else if let Event::Lost { process, .. } = &entry.event {
            let index = self.of_client(who, process)?;
            self.all[index].lost = true;
            Some(index)
        } else {
            self.read_books(who, &entry.event)
        }
    }

    fn read_books(&mut self, who: usize, event: &'a Event) -> Option<usize> {
        if let Event::Sent {
            conn,
            dir: Dir::C2s,
            frame,
        } = event
        {
            self.on_start_sent(who, *conn, frame)
        } else if let Event::Delivered {
            conn,
            dir: Dir::C2s,
            frame,
        } = event
        {
            self.on_start_delivered(*conn, frame)
        } else if let Event::Stdin { session, process, .. }
        | Event::Printed { session, process, .. }
        | Event::ProcessClosed { session, process, .. } = event
        {
            self.of_session(*session, process)
        } else if let Event::Attached { conn, session, .. } = event {
            self.attached.insert(*conn, *session);
            None
        } else if let Event::SessionOpened { session, conn } = event {
            let client = *self.clients.get(conn.client() as usize)?;
            self.sessions.insert(*session, Session { client, server: who });
            None
        } else if let Event::ProcessStarted { session, process } = event {
            self.on_started(*session, process)
        } else if let Event::Exited { session, process, .. } = event {
            let index = self.of_session(*session, process)?;
            self.all[index].ended = true;
            Some(index)
        } else if let Event::SessionExpired { session } = event {
            let of_session = |handle: &&mut Handle<'_>| handle.session == Some(*session);
            self.all
                .iter_mut()
                .filter(of_session)
                .for_each(|handle| handle.ended = true);
            None
        } else if let Event::Fault { fault, .. } = event {
            self.on_fault(fault);
            None
        } else {
            None
        }
    }

    /// The process that a client knows by this name, or knew last.
    pub(super) fn of_client(&self, who: usize, process: &'a ProcessId) -> Option<usize> {
        self.current.get(&(who, process)).copied()
    }

    fn on_asked(&mut self, who: usize, call: &'a Call) -> Option<usize> {
        let process = call.process.as_ref()?;
        let starts = call.method == method::START;
        let over = |handle: &Handle<'_>| handle.closed || handle.is_out_of_reach();
        Some(match self.of_client(who, process) {
            Some(index) if !(starts && over(&self.all[index])) => index,
            Some(_) | None => self.add(who, process, starts.then_some(call.call)),
        })
    }

    fn add(&mut self, client: usize, process: &'a ProcessId, start: Option<CallId>) -> usize {
        let index = self.all.len();
        self.all.push(Handle {
            client,
            process,
            start,
            told: None,
            session: None,
            requested: false,
            started: false,
            ended: false,
            crashed: false,
            closed: false,
            lost: false,
        });
        self.current.insert((client, process), index);
        index
    }

    fn on_start_sent(&mut self, who: usize, conn: ConnId, frame: &'a Frame) -> Option<usize> {
        let process = frame.process.as_ref().filter(|_| frame.method == method::START)?;
        let index = self.of_client(who, process)?;
        if self.all[index].start == frame.call {
            self.all[index].session = self.attached.get(&conn).copied();
        }
        Some(index)
    }

    fn on_start_delivered(&mut self, conn: ConnId, frame: &'a Frame) -> Option<usize> {
        if frame.method != method::START || frame.call.is_none() {
            return None;
        }
        let client = *self.clients.get(conn.client() as usize)?;
        let asked = |handle: &Handle<'_>| handle.client == client && handle.start == frame.call;
        let index = self.all.iter().rposition(asked)?;
        self.all[index].requested = true;
        Some(index)
    }

    fn on_started(&mut self, session: SessionNumber, process: &'a ProcessId) -> Option<usize> {
        let client = self.session(session)?.client;
        let fits = |handle: &Handle<'_>| {
            handle.client == client
                && handle.process == process
                && !handle.started
                && handle.session.is_none_or(|asked| asked == session)
        };
        let requested = self
            .all
            .iter()
            .rposition(|handle| handle.requested && fits(handle));
        let index = requested.or_else(|| self.all.iter().rposition(fits));
        let index = index.unwrap_or_else(|| self.add(client, process, None));
        self.all[index].started = true;
        self.all[index].session = Some(session);
        self.started.insert((session, process), index);
        Some(index)
    }

    fn on_fault(&mut self, fault: &Fault) {
        let Some(host) = downed(fault) else { return };
        for handle in &mut self.all {
            let server = handle
                .session
                .and_then(|session| self.sessions.get(&session))
                .map(|it| it.server);
            if server.is_some_and(|server| self.history.name(server) == host) {
                handle.ended = true;
                handle.crashed = true;
            }
        }
    }
}

/// The hosts that are clients, in the order of the header: a connection of client `n` is dialed by the n-th of them.
pub(super) fn clients(history: &History) -> Vec<usize> {
    let hosts = history.header.hosts.iter().enumerate();
    hosts
        .filter(|(_, host)| matches!(host.role, Role::Client { .. }))
        .map(|(index, _)| index)
        .collect()
}

/// The host that loses its memory in a fault.
pub(super) fn downed(fault: &Fault) -> Option<&str> {
    if let Fault::Crash { host } | Fault::Bounce { host, .. } = fault {
        Some(host)
    } else {
        None
    }
}

/// Whether this host is a client, so that what it learns of a connection is what the dialing end learns.
pub(super) fn is_client(history: &History, who: usize) -> bool {
    matches!(history.header.hosts[who].role, Role::Client { .. })
}
