//! What all parts of one server share: its connections, its deadlines, and what it has to say.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use unplug_reconnect::id::ConnId;
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{Chunk, Decoded, Message, Notification, Reply};
use unplug_reconnect::wire::rpc::{RequestId, RpcError};

use super::bug::{ANSWER_DELAY, Bug};
use super::fs::Open;
use super::http::Exchange;
use super::news::News;
use super::preset::{Dispatch, Preset};
use super::session::{Place, SessionKey};
use super::shuffle::Shuffle;
use super::timers::{Key, Timers};
use super::{Delays, Origin, Output};

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    /// The session that its `initialize` opened or resumed.
    pub(super) session: Option<SessionKey>,
    /// Whether `initialized` came.
    pub(super) initialized: bool,
    /// Whether the transport takes nothing more for now.
    pub(super) congested: bool,
    /// How many of its requests are long polls that wait.
    pub(super) parked: u32,
    /// Received, and not looked at yet.
    pub(super) inbox: VecDeque<Decoded>,
    /// Said, and not sent because of congestion. Bounded, because nothing is begun for a congested connection: it holds
    /// the ends of long polls and of processes, and what a planted bug held back.
    pub(super) outbox: VecDeque<(Message, Option<Origin>)>,
    /// The answer to `initialize`, while it takes its time.
    pub(super) greeting: Option<(Time, Origin, Reply)>,
    /// HTTP requests that were made for it and whose bodies have not ended. They are cancelled with it (sheet 3).
    pub(super) exchanges: Vec<Exchange>,
    /// Files that are open on it. They are closed with it.
    pub(super) open_files: Open,
    pub(super) ping_at: Time,
    pub(super) armed: Option<Time>,
}

impl Conn {
    pub(super) fn new(ping_at: Time) -> Self {
        Self {
            session: None,
            initialized: false,
            congested: false,
            parked: 0,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            greeting: None,
            exchanges: Vec::new(),
            open_files: Open::new(),
            ping_at,
            armed: None,
        }
    }
}

/// An answer that [`Bug::AnswerOnCurrentConnection`] holds back.
#[derive(Debug)]
pub(super) struct LateAnswer {
    pub(super) due: Time,
    pub(super) session: SessionKey,
    pub(super) origin: Origin,
    pub(super) message: Message,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) preset: Preset,
    pub(super) bug: Option<Bug>,
    pub(super) conns: BTreeMap<ConnId, Conn>,
    pub(super) timers: Timers,
    pub(super) outputs: VecDeque<Output>,
    /// Connections whose inbox may be worth another look.
    pub(super) unblocked: Vec<ConnId>,
    pub(super) late_answers: VecDeque<LateAnswer>,
    pub(super) late_armed: Option<Time>,
    pub(super) delays: Delays,
    /// Notifications that others may overtake.
    pub(super) shuffle: Shuffle,
    /// Of [`Bug::LeakBody`].
    pub(super) stray_bodies: Vec<(SessionKey, Exchange)>,
    /// Kept for its memory; empty between uses.
    pub(super) says: Vec<Chunk>,
}

impl Shared {
    pub(super) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(super) fn news(&mut self, news: News) {
        self.outputs.push_back(Output::News(news));
    }

    /// The server has acted on a request and is about to answer it, or to let it wait.
    pub(super) fn applied(&mut self, origin: &Origin) {
        self.news(News::Applied {
            conn: origin.conn,
            request: Some(origin.request.clone()),
            method: origin.method.clone(),
        });
    }

    /// Sends, or keeps for when the connection has room. To a connection that is gone, nothing is sent.
    pub(super) fn send(&mut self, conn: ConnId, message: Message, answers: Option<Origin>) {
        match self.conns.get_mut(&conn) {
            None => {}
            Some(state) if state.congested => state.outbox.push_back((message, answers)),
            Some(_) => self.outputs.push_back(Output::Send {
                conn,
                message,
                answers,
            }),
        }
    }

    pub(super) fn notify(&mut self, conn: Option<ConnId>, notification: Notification, now: Time) {
        let Some(conn) = conn else { return };
        let message = Message::Notification(notification);
        if self.delays.shuffle.is_zero() {
            self.send(conn, message, None);
        } else {
            let delays = self.delays;
            self.shuffle.hold(conn, message, now, delays.shuffle);
            self.shuffle.arm(&mut self.timers);
        }
    }

    /// Notifications have waited long enough. Those of a connection that is gone are dropped.
    pub(super) fn on_shuffled(&mut self, now: Time) {
        while let Some((conn, message)) = self.shuffle.next(now) {
            self.send(conn, message, None);
        }
        self.shuffle.arm(&mut self.timers);
    }

    /// Answers a request on the connection on which it was asked.
    pub(super) fn answer(&mut self, origin: Origin, outcome: Result<Reply, RpcError>) {
        let message = message(origin.request.clone(), outcome);
        self.send(origin.conn, message, Some(origin));
    }

    /// Answers a request about a process of a session.
    pub(super) fn answer_in(
        &mut self,
        place: &Place,
        origin: Origin,
        outcome: Result<Reply, RpcError>,
        now: Time,
    ) {
        if !self.has(Bug::AnswerOnCurrentConnection) {
            return self.answer(origin, outcome);
        }
        self.late_answers.push_back(LateAnswer {
            due: now + ANSWER_DELAY,
            session: place.key,
            message: message(origin.request.clone(), outcome),
            origin,
        });
        if self.late_armed.is_none() {
            self.timers
                .set(&mut self.late_armed, Some(now + ANSWER_DELAY), || Key::Answers);
        }
    }

    /// A long poll of this connection begins to wait.
    pub(super) fn park(&mut self, conn: ConnId) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.parked += 1;
        }
    }

    /// A long poll of this connection waits no more.
    pub(super) fn unpark(&mut self, conn: ConnId) {
        if let Some(state) = self.conns.get_mut(&conn) {
            state.parked = state.parked.saturating_sub(1);
            if !state.inbox.is_empty() {
                self.unblocked.push(conn);
            }
        }
    }

    /// Whether what comes in on this connection has to wait in its inbox.
    pub(super) fn is_busy(&self, conn: &Conn) -> bool {
        conn.congested
            || conn.greeting.is_some()
            || match self.preset.dispatch {
                Dispatch::OneAtATime => 0 < conn.parked,
                Dispatch::Concurrent => false,
            }
    }

    /// Moves a connection's deadline to its next ping, to the answer that takes its time, or to what an origin says.
    pub(super) fn arm_conn(&mut self, conn: ConnId) {
        if let Some(state) = self.conns.get_mut(&conn) {
            let greeting = state.greeting.as_ref().map(|(due, ..)| *due);
            let origins = state
                .exchanges
                .iter()
                .filter(|_| !state.congested)
                .map(Exchange::due);
            let due = greeting.into_iter().chain([state.ping_at]).chain(origins).min();
            self.timers.set(&mut state.armed, due, || Key::Conn(conn));
        }
    }

    /// Forgets a connection and everything that waits for it. In-flight requests end here (sheet 3).
    pub(super) fn forget(&mut self, conn: ConnId) -> Option<Conn> {
        let mut state = self.conns.remove(&conn)?;
        self.timers.set(&mut state.armed, None, || Key::Conn(conn));
        Some(state)
    }
}

fn message(id: RequestId, outcome: Result<Reply, RpcError>) -> Message {
    match outcome {
        Ok(reply) => Message::Response { id, reply },
        Err(error) => Message::Error { id, error },
    }
}

/// The name of a method without a copy, if it is one of the protocol's.
pub(super) fn method_name(request: &unplug_reconnect::wire::exec::Request) -> Cow<'static, str> {
    use unplug_reconnect::wire::exec::{Request, method};
    match request {
        Request::Initialize(_) => Cow::Borrowed(method::INITIALIZE),
        Request::Start(_) => Cow::Borrowed(method::START),
        Request::Read(_) => Cow::Borrowed(method::READ),
        Request::Write(_) => Cow::Borrowed(method::WRITE),
        Request::Signal(_) => Cow::Borrowed(method::SIGNAL),
        Request::Terminate(_) => Cow::Borrowed(method::TERMINATE),
        Request::Http(_) => Cow::Borrowed(method::HTTP),
        Request::Info => Cow::Borrowed(method::INFO),
        Request::Status => Cow::Borrowed(method::STATUS),
        Request::Fs(request) => Cow::Borrowed(request.method()),
        Request::Other { method, .. } => Cow::Owned(method.clone()),
    }
}
