//! The client of a remote exec server: one logical session, whatever happens to its connections
//! (exec-server sheet, 5 to 7).
//!
//! A caller asks for operations by [`CallId`] and is told one of three truths about each: applied, not applied, or
//! ambiguous. In between the machine dials, attaches to its session, fills the gaps in the output of its processes,
//! and sends again what its [`Policy`] says is safe to send again. It keeps the contract of every machine (see the
//! crate's documentation).
//!
//! Where to look: `state` for the states and their edges, `connect` for the way to a usable connection, `calls` for
//! what callers asked, `loss` for what becomes of it without an answer and `leave` without a caller, `handle` for one process (its stdin outbox
//! and its output cursor), `body` for what streams back from an HTTP request.

mod body;
mod calls;
mod connect;
mod cursor;
mod handle;
mod leave;
mod loss;
mod outbox;
mod state;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::id::{CallId, ConnId, ConnIds, ProcessId, SessionId, WriteId};
use crate::policy::Policy;
use crate::seed::Seed;
use crate::time::Time;
use crate::transport::{DialError, Truth};
use crate::wire::exec::{Chunk, FsRequest, Message, Notification, Reply, Stream, method};
use crate::wire::rpc::RequestId;
use crate::words::shortened;

use calls::Waiting;
use handle::Handle;
use state::State;
pub use state::{EDGES, Phase, dot};

/// What a caller can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// `process/start`
    Start {
        /// Names the process; not in use in this session.
        process: ProcessId,
        /// Program and arguments.
        argv: Vec<String>,
        /// Where it runs: an absolute path.
        cwd: String,
        /// Whether it gets a pipe for its stdin.
        stdin: bool,
    },
    /// `process/write`
    Write {
        /// To this process.
        process: ProcessId,
        /// The bytes.
        data: Chunk,
    },
    /// `process/read`
    Read {
        /// Of this process.
        process: ProcessId,
        /// The cursor.
        after_seq: Option<u64>,
        /// How long the server may wait for something to return.
        wait: Duration,
    },
    /// `process/signal`
    Signal {
        /// To this process.
        process: ProcessId,
    },
    /// `process/terminate`
    Terminate {
        /// This process.
        process: ProcessId,
    },
    /// `http/request`
    Http {
        /// The HTTP method.
        verb: String,
        /// An absolute URL.
        url: String,
        /// How long the server may take to answer. None: as long as it likes.
        timeout: Option<Duration>,
        /// Whether the body streams back, as [`News::BodyPart`] until [`News::BodyEnded`].
        stream: bool,
        /// Whether the caller reads that body as it comes. If not, it waits for [`Input::Reads`].
        reading: bool,
    },
    /// `environment/info`
    Info,
    /// `environment/status`
    Status,
    /// `fs/…`
    Fs(FsRequest),
}

impl Op {
    /// Whether its caller wants to know what the answer says, and not only that there is one.
    const fn is_made_for_its_answer(&self) -> bool {
        match self {
            Self::Http { .. } | Self::Info | Self::Status | Self::Fs(_) => true,
            // The output of a process reaches its subscribers, whoever asks for it.
            Self::Start { .. }
            | Self::Write { .. }
            | Self::Read { .. }
            | Self::Signal { .. }
            | Self::Terminate { .. } => false,
        }
    }

    /// From now on the body is read as it comes.
    fn read_at_once(&mut self) {
        if let Self::Http { reading, .. } = self {
            *reading = true;
        }
    }

    /// The process that it is about, if it is about one.
    pub const fn process(&self) -> Option<&ProcessId> {
        match self {
            Self::Start { process, .. }
            | Self::Write { process, .. }
            | Self::Read { process, .. }
            | Self::Signal { process }
            | Self::Terminate { process } => Some(process),
            Self::Http { .. } | Self::Info | Self::Status | Self::Fs(_) => None,
        }
    }

    /// The method that it becomes.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Start { .. } => method::START,
            Self::Write { .. } => method::WRITE,
            Self::Read { .. } => method::READ,
            Self::Signal { .. } => method::SIGNAL,
            Self::Terminate { .. } => method::TERMINATE,
            Self::Http { .. } => method::HTTP,
            Self::Info => method::INFO,
            Self::Status => method::STATUS,
            Self::Fs(request) => request.method(),
        }
    }
}

/// A fact.
#[derive(Clone, Debug)]
pub enum Input {
    /// A caller asks for something.
    Call {
        /// Names it; not used before.
        call: CallId,
        /// What.
        op: Op,
    },
    /// The caller of an [`Op::Http`] begins to read the body that streams back.
    Reads {
        /// The call.
        call: CallId,
    },
    /// The caller went away before it was told: nobody waits for this call any more. Of a call that was told already, or
    /// that was turned away ([`Output::Full`]), the machine knows nothing, and this changes nothing.
    Leave {
        /// The call.
        call: CallId,
    },
    /// The signed URL for the dial is at hand.
    Granted,
    /// There is no signed URL.
    Denied {
        /// In words.
        why: String,
        /// Whether asking again may help.
        again: bool,
    },
    /// A connection is open, the WebSocket upgrade included.
    Dialed {
        /// Which.
        conn: ConnId,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Which.
        conn: ConnId,
        /// Why.
        why: DialError,
    },
    /// A message came.
    Received {
        /// On which connection.
        conn: ConnId,
        /// What.
        message: Message,
    },
    /// A text frame came that is no message.
    Unreadable {
        /// On which connection.
        conn: ConnId,
    },
    /// The peer gave a sign of life that is no message: a ping or a pong.
    Heard {
        /// On which connection.
        conn: ConnId,
    },
    /// A connection is over.
    Closed {
        /// Which.
        conn: ConnId,
    },
    /// The deadline is reached.
    Wake,
}

impl Input {
    const fn conn(&self) -> Option<ConnId> {
        match self {
            Self::Dialed { conn }
            | Self::DialFailed { conn, .. }
            | Self::Received { conn, .. }
            | Self::Unreadable { conn }
            | Self::Heard { conn }
            | Self::Closed { conn } => Some(*conn),
            Self::Call { .. }
            | Self::Reads { .. }
            | Self::Leave { .. }
            | Self::Granted
            | Self::Denied { .. }
            | Self::Wake => None,
        }
    }
}

/// An order, or news.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Get a signed URL for the next dial. Only where the link needs one.
    Fetch {
        /// How long the request for it may take. None: as long as any other.
        within: Option<Duration>,
    },
    /// Open a connection.
    Dial {
        /// Its id.
        conn: ConnId,
    },
    /// Send a message.
    Send {
        /// On this connection.
        conn: ConnId,
        /// What.
        message: Message,
        /// For which call; none for what the machine does by itself.
        call: Option<CallId>,
    },
    /// Send a WebSocket ping.
    Ping {
        /// On this connection.
        conn: ConnId,
    },
    /// End a connection, or a dial.
    Hangup {
        /// Which.
        conn: ConnId,
        /// In words.
        why: String,
    },
    /// There is no room for this call: the caller keeps it and waits for [`Output::Room`]. Nothing was taken.
    Full {
        /// Names it.
        call: CallId,
        /// What was asked.
        op: Op,
    },
    /// There is room again.
    Room,
    /// Something became true.
    News(News),
}

/// What became true.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The machine moved.
    Moved {
        /// From this phase.
        from: Phase,
        /// To this one.
        to: Phase,
    },
    /// A caller's write got its idempotency key.
    Keyed {
        /// The call.
        call: CallId,
        /// Its key, for all resends.
        write: WriteId,
    },
    /// `initialize` succeeded.
    Attached {
        /// On this connection.
        conn: ConnId,
        /// To this session.
        session: SessionId,
        /// Whether it was resumed.
        resumed: bool,
    },
    /// All that had to be recovered is: the connection is usable.
    Ready {
        /// Which.
        conn: ConnId,
    },
    /// The session will not be tried for any more.
    GaveUp {
        /// In words.
        why: String,
    },
    /// A caller is told what became of its call.
    Settled {
        /// Which.
        call: CallId,
        /// What.
        truth: Truth,
        /// In words, unless applied.
        why: Option<String>,
        /// By the answer to this request on this connection; none if the machine decided by itself.
        by: Option<(ConnId, RequestId)>,
    },
    /// A caller is given the answer to a call that was made for its answer, just before the call is settled.
    Told {
        /// The call.
        call: CallId,
        /// The answer.
        reply: Reply,
    },
    /// A caller has a body to read: the request that it asked for is answered.
    BodyOpened {
        /// The call that asked.
        call: CallId,
    },
    /// A caller is given a piece of the body that it asked for, in order.
    BodyPart {
        /// The call that asked.
        call: CallId,
        /// Its place in the body, from 1.
        seq: u64,
        /// The bytes.
        chunk: Chunk,
    },
    /// Nothing more comes of a body.
    BodyEnded {
        /// The call that asked.
        call: CallId,
        /// Why it is not complete; none if it is.
        why: Option<String>,
    },
    /// Output, in order.
    Output {
        /// Of this process.
        process: ProcessId,
        /// Its place in the sequence.
        seq: u64,
        /// Where the process wrote it to.
        stream: Stream,
        /// The bytes.
        chunk: Chunk,
    },
    /// The process exited.
    Exited {
        /// Which.
        process: ProcessId,
        /// The place in the sequence.
        seq: u64,
        /// The exit code.
        code: i32,
    },
    /// Nothing more comes from this process.
    OutputClosed {
        /// Which.
        process: ProcessId,
        /// The place in the sequence.
        seq: u64,
    },
    /// The handle of this process is dead; the process may or may not be.
    Lost {
        /// Which.
        process: ProcessId,
        /// In words.
        why: String,
    },
}

/// How the link is dialed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// At a fixed address.
    Fixed,
    /// With a signed URL for each dial, asked for by [`Output::Fetch`].
    Signed,
    /// By starting a child and speaking over its pipes, once: a client whose child is gone is gone with it
    /// (exec-server sheet, 7.1 and 7.2).
    Stdio,
}

/// The words of real clients for a connection that ended (exec-server sheet, 7.1).
const DISCONNECTED: &str = "exec-server transport disconnected";

/// The client of one remote exec server.
///
/// Invariant: at most one dial is in flight, and at most one connection is listened to.
/// Invariant: a call that was taken is settled once, or still known to the machine.
pub struct Exec {
    policy: Arc<Policy>,
    seed: Seed,
    link: Link,
    ids: ConnIds,
    state: State,
    /// The session to resume. Outlives connections, not [`Phase::Failed`].
    session: Option<SessionId>,
    /// The server of that session describes its environment.
    described: bool,
    next_request: i64,
    in_flight: BTreeMap<i64, calls::InFlight>,
    waiting: VecDeque<Waiting>,
    handles: BTreeMap<ProcessId, Handle>,
    /// Processes whose start may have happened unseen: they are terminated until the server has answered.
    cleanups: BTreeSet<ProcessId>,
    /// What streams back to callers.
    bodies: body::Bodies,
    /// Calls taken and not yet settled.
    open_calls: usize,
    /// A caller was turned away and waits for room.
    turned_away: bool,
    /// Of [`Link::Stdio`]: why nobody is served any more.
    ended: Option<String>,
    outputs: VecDeque<Output>,
}

impl Exec {
    /// A client that has not dialed yet. It does so when the first call needs a connection.
    pub fn new(policy: Arc<Policy>, link: Link, ids: ConnIds, seed: Seed) -> Self {
        Self {
            policy,
            seed,
            link,
            ids,
            state: State::Idle,
            session: None,
            described: false,
            next_request: 1,
            in_flight: BTreeMap::new(),
            waiting: VecDeque::new(),
            handles: BTreeMap::new(),
            cleanups: BTreeSet::new(),
            bodies: body::Bodies::default(),
            open_calls: 0,
            turned_away: false,
            ended: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes in one fact.
    ///
    /// # Panics
    /// If [`poll`](Self::poll) was not drained before.
    pub fn handle(&mut self, input: Input, now: Time) {
        assert!(self.outputs.is_empty(), "drain poll() before the next handle()");
        if input.conn().is_some_and(|conn| Some(conn) != self.state.conn()) {
            return; // A late word from a connection we have already left.
        }
        match input {
            Input::Call { call, op } => self.on_call(call, op, now),
            Input::Reads { call } => self.on_reads(call),
            Input::Leave { call } => self.on_leave(call, now),
            Input::Granted => self.on_granted(now),
            Input::Denied { why, again } => self.on_denied(why, again, now),
            Input::Dialed { .. } => self.on_dialed(now),
            Input::DialFailed { why, .. } => self.on_dial_failed(why, now),
            Input::Received { conn, message } => {
                self.state.hear(now);
                self.on_message(conn, message, now);
            }
            Input::Unreadable { .. } => self.on_unreadable("malformed JSON", now),
            Input::Heard { .. } => self.state.hear(now),
            Input::Closed { .. } => self.on_closed(now),
            Input::Wake => self.on_wake(now),
        }
        if self.turned_away && self.has_room() {
            self.turned_away = false;
            self.outputs.push_back(Output::Room);
        }
    }

    /// The next order or news.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to wake this machine if nothing happens before.
    pub fn deadline(&self) -> Option<Time> {
        let unanswered = self.in_flight.values().filter_map(|sent| sent.due).min();
        let state = self.state.deadline(self.policy.heartbeat.as_ref());
        [state, unanswered, self.catch_up_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Where the machine stands.
    pub const fn phase(&self) -> Phase {
        self.state.phase()
    }

    fn on_message(&mut self, conn: ConnId, message: Message, now: Time) {
        match message {
            Message::Response { id, reply } => self.on_answer(conn, &id, Ok(reply), now),
            Message::Error { id, error } if self.is_goodbye(&id, &error) => self.on_goodbye(now),
            Message::Error { id, error } if self.is_ungreeted(&id, &error) => {
                self.on_ungreeted(conn, id, error, now)
            }
            Message::Error { id, mut error } => {
                error.message = shortened(error.message);
                self.on_answer(conn, &id, Err(error), now);
            }
            Message::Notification(note) if note.is_malformed() => {
                self.on_unreadable("malformed notification", now)
            }
            Message::Notification(Notification::Body(delta)) => self.on_body(delta, now),
            Message::Notification(note) => self.on_notification(note, now),
            // Nothing that a server asks of this client is known yet; real clients leave such a request unanswered.
            Message::Request { .. } => {}
        }
    }

    fn on_notification(&mut self, note: Notification, now: Time) {
        let (process, seq, event) = match note {
            Notification::Output(params) => {
                let output = params.output;
                (
                    params.process_id,
                    output.seq,
                    cursor::Event::Output(output.stream, output.chunk),
                )
            }
            Notification::Exited(params) => (
                params.process_id,
                params.seq,
                cursor::Event::Exited(params.exit_code),
            ),
            Notification::Closed(params) => (params.process_id, params.seq, cursor::Event::Closed),
            Notification::Initialized | Notification::Body(_) | Notification::Other { .. } => return,
        };
        self.on_event(&process, seq, event, now);
    }

    fn on_wake(&mut self, now: Time) {
        // Only what was asked on a connection that is up is ever due.
        let mut dues = self.in_flight.values().filter_map(|sent| sent.due);
        let overdue = dues.any(|due| due <= now);
        if overdue {
            self.abandon("an answer is overdue", now);
        } else {
            self.on_deadline(now);
            self.catch_up(now);
        }
    }

    fn news(&mut self, news: News) {
        self.outputs.push_back(Output::News(news));
    }

    /// The one door for all moves.
    fn go(&mut self, next: State) {
        let (from, to) = (self.state.phase(), next.phase());
        assert!(
            from == to || EDGES.contains(&(from, to)),
            "illegal move {from} -> {to}"
        );
        self.state = next;
        if from != to {
            self.news(News::Moved { from, to });
        }
    }
}
