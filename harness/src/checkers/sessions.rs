//! How long processes and sessions live.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use unplug_reconnect::id::{ConnId, ProcessId, Purpose, SessionNumber};
use unplug_reconnect::policy::SessionMode;
use unplug_reconnect::time::Time;

use super::Verdict;
use super::handles::{Handles, is_client};
use super::leases::{Lease, Leases};
use super::outages::Outages;
use super::reading::Reading;
use super::retries::policy;
use super::words::ends_a_process;
use crate::fault::Fault;
use crate::history::{Dir, Entry, Event, History, Kind, Role};

/// The exit codes of a process that its server terminated (exec-server sheet, table 1).
const TERMINATED: [i32; 2] = [-1, 137];

/// How late a server may act on a deadline: worlds with ticks are coarse.
const LATE: Duration = Duration::from_millis(25);

/// A process must outlive its connection for as long as the lease of its session runs: the build that an agent started
/// must still be there after a blip.
///
/// Excused are a crash of the server, the process's own exit, a `terminate` or `signal`, the end of a full lease, output
/// that the server threw away before the client got it, and an outage that outlasts the lease, or the whole window of
/// a client whose window is about as long as the lease: nobody could have come back in time.
/// Nothing in a history says why a process exited: one that is terminated while nobody is attached, without having been
/// told to, counts as killed.
pub(super) fn process_survives(history: &History) -> Verdict {
    let mut survival = Survival {
        history,
        handles: Handles::new(history),
        leases: Leases::default(),
        excused: BTreeSet::new(),
        exits: Vec::new(),
        killed: Vec::new(),
        outages: Outages::new(history),
        suspects: Vec::new(),
        tested: false,
    };
    for entry in &history.entries {
        if let Some(why) = survival.read(entry) {
            return Verdict::Fail(why);
        }
    }
    Verdict::held(survival.tested)
}

struct Survival<'a> {
    history: &'a History,
    handles: Handles<'a>,
    leases: Leases,
    /// Processes that somebody asked to end.
    excused: BTreeSet<(SessionNumber, &'a ProcessId)>,
    /// Processes that the script ended.
    exits: Vec<&'a str>,
    /// Processes that were terminated without a word, and when.
    killed: Vec<(SessionNumber, &'a ProcessId, Time)>,
    /// What keeps clients away.
    outages: Outages<'a>,
    /// What was lost during an outage: no good reason, unless the outage outlasts the lease.
    suspects: Vec<(SessionNumber, String)>,
    tested: bool,
}

impl<'a> Survival<'a> {
    fn read(&mut self, entry: &'a Entry) -> Option<String> {
        let about = self.handles.read(entry);
        self.leases.read(self.history, entry);
        if self.outages.read(entry) {
            return self.suspects.drain(..).next().map(|(_, why)| why);
        }
        if let Event::Lost { .. } = &entry.event {
            self.tested = true;
            let index = about?;
            return self
                .on_lost(index, entry.t)
                .and_then(|why| self.suspect(index, why));
        }
        if let Event::GaveUp { .. } = &entry.event {
            let held = |index: &usize| {
                self.handles.all[*index].client == entry.who && self.handles.all[*index].is_held()
            };
            let held: Vec<_> = (0..self.handles.all.len()).filter(held).collect();
            return held.into_iter().find_map(|index| {
                let why = self.on_lost(index, entry.t)?;
                self.suspect(index, why)
            });
        }
        if let Event::Closed { conn, .. } | Event::Hangup { conn, .. } = &entry.event {
            let session = self
                .leases
                .by_conn
                .get(conn)
                .filter(|_| is_client(self.history, entry.who));
            self.tested |= session.is_some_and(|session| self.handles.has_running(*session));
        } else if let Event::Asked { call, .. } = &entry.event {
            let session = about.and_then(|index| self.handles.all[index].session);
            if let (Some(session), Some(process)) = (session, &call.process)
                && ends_a_process(&call.method)
            {
                self.excused.insert((session, process));
            }
        } else if let Event::Delivered {
            conn,
            dir: Dir::C2s,
            frame,
        } = &entry.event
        {
            if let (Some(session), Some(process)) = (self.leases.by_conn.get(conn), &frame.process)
                && ends_a_process(&frame.method)
            {
                self.excused.insert((*session, process));
            }
        } else if let Event::Fault {
            fault: Fault::Exit { process, .. },
            ..
        } = &entry.event
        {
            self.exits.push(process);
        } else {
            return self.read_books(entry);
        }
        None
    }

    /// Whether a client that loses this process loses it for no good reason.
    fn on_lost(&self, index: usize, now: Time) -> Option<String> {
        let handle = &self.handles.all[index];
        let session = handle.session?;
        let told = handle.is_known();
        if !told || !handle.runs() || self.excused.contains(&(session, handle.process)) {
            return None;
        }
        let server = self.handles.session(session)?.server;
        let lease = if let Role::ExecServer { lease, .. } = self.history.header.hosts[server].role {
            lease
        } else {
            Duration::MAX
        };
        if self.outages.has_gap(handle.client, session, handle.process)
            || self.outages.excuse(handle.client, lease, now)
        {
            return None;
        }
        let server = self.history.name(server);
        let (client, process) = (self.history.name(handle.client), handle.process);
        let until = self.leases.until(session);
        if until.is_some_and(|until| until <= now) {
            return None; // The server has yet to act on the end of the lease, in this very moment.
        }
        let until = until.map(|until| format!(", with a lease until {until}"));
        let until = until.unwrap_or_default();
        Some(format!(
            "{client} lost {process} although {server} still ran it in {session}{until}"
        ))
    }

    /// During an outage it is too early to say: a lease may run out before anybody could have come back, even one that
    /// does not run yet because the server has not noticed. A client that never comes back anyway is not excused by that.
    fn suspect(&mut self, index: usize, why: String) -> Option<String> {
        let session = self.handles.all[index].session?;
        let comes_back = policy(self.history, self.handles.all[index].client)
            .is_some_and(|policy| policy.session == SessionMode::Resume);
        if !self.outages.is_out() || (self.leases.until(session).is_none() && !comes_back) {
            return Some(why);
        }
        self.suspects.push((session, why));
        None
    }

    fn read_books(&mut self, entry: &'a Entry) -> Option<String> {
        if let Event::Detached { session, until, .. } = &entry.event {
            self.tested |= self.handles.has_running(*session);
            let just = |(of, _, at): &&(SessionNumber, &ProcessId, Time)| of == session && *at == entry.t;
            self.killed
                .iter()
                .find(just)
                .map(|(_, process, _)| killed(*session, process, *until))
        } else if let Event::Exited {
            session,
            process,
            code,
            ..
        } = &entry.event
        {
            let excused = self.excused.contains(&(*session, process)) || {
                let name = process.to_string();
                self.exits.iter().any(|exit| **exit == name)
            };
            if excused || !TERMINATED.contains(code) {
                return None;
            }
            self.killed.push((*session, process, entry.t));
            let until = self.leases.until(*session).filter(|until| entry.t < *until)?;
            Some(killed(*session, process, until))
        } else if let Event::SessionExpired { session } = &entry.event {
            let until = self.leases.until(*session);
            self.suspects.retain(|(suspect, _)| suspect != session);
            if until.is_some_and(|until| until <= entry.t + LATE) {
                return None;
            }
            let lease = until.map_or("its connection had ended".to_owned(), |until| {
                format!("its lease was over at {until}")
            });
            Some(format!("{session} expired at {} before {lease}", entry.t))
        } else {
            None
        }
    }
}

fn killed(session: SessionNumber, process: &ProcessId, until: Time) -> String {
    format!(
        "{process} of {session} was killed when its connection ended, although its lease ran until {until}"
    )
}

/// No process may run on that nobody can reach any more, and no session outlive its lease: it holds its files, ports
/// and memory for ever.
///
/// A process whose lease still runs at the end of the run does not count.
pub(super) fn no_orphan(reading: &Reading<'_>) -> Verdict {
    let (history, handles) = (reading.history, &reading.pipes.handles);
    let mut leases = Leases::default();
    let end = history.header.until;
    for entry in &history.entries {
        leases.read(history, entry);
    }
    let mut tested = false;
    for handle in handles.all.iter().filter(|handle| handle.started) {
        let Some(session) = handle.session else { continue };
        let until = leases.until(session);
        let leased = until.is_some_and(|until| end < until + LATE);
        tested |= handle.is_out_of_reach() && !(handle.runs() && leased);
        if !handle.runs() || leased {
            continue;
        }
        let process = handle.process;
        if handle.is_out_of_reach() {
            let client = history.name(handle.client);
            return Verdict::Fail(format!(
                "{process} still runs in {session}, and {client} cannot reach it"
            ));
        }
        if let Some(until) = until {
            return Verdict::Fail(format!(
                "{process} still runs in {session}, whose lease was over at {until}"
            ));
        }
    }
    Verdict::held(tested)
}

/// A client must speak on its newest connection only, and a session have one connection at a time: what is said on an
/// older one may be acted on after what was said later.
pub(super) fn one_live_generation(history: &History) -> Verdict {
    let mut newest: BTreeMap<u32, ConnId> = BTreeMap::new();
    let mut leases = Leases::default();
    let mut tested = false;
    for entry in &history.entries {
        if let Event::Attached { conn, .. } = &entry.event {
            tested |= newest.insert(conn.client(), *conn).is_some();
        } else if let Event::Sent {
            conn,
            dir: Dir::C2s,
            frame,
        } = &entry.event
        {
            if conn.purpose() == Purpose::Session
                && frame.kind != Kind::Close
                && let Some(newest) = newest.get(&conn.client())
                && conn.generation() < newest.generation()
            {
                let (client, method) = (history.name(entry.who), &frame.method);
                return Verdict::Fail(format!(
                    "{client} sent {method} on {conn} after it had attached {newest}"
                ));
            }
        } else if let Event::SessionResumed { session, conn } = &entry.event
            && let Some(Lease {
                conn: Some(owner),
                gone: false,
                ..
            }) = leases.by_session.get(session)
        {
            return Verdict::Fail(format!("{session} was attached to {owner} and to {conn} at once"));
        }
        leases.read(history, entry);
    }
    Verdict::held(tested)
}
