//! What can be true of a run: one variant a kind of fact.
//!
//! An event is written where the fact becomes true, by the host it is true for. Server-side facts come from a mock's
//! own books (what a process really read), client-side facts from what a caller was really told.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use unplug_reconnect::id::{CallId, ConnId, HttpId, ProcessId, SessionNumber, UrlId, WriteId};
use unplug_reconnect::time::{Time, length};
pub use unplug_reconnect::transport::{CloseReason, DialError, Truth};
use unplug_reconnect::wire::exec::{Chunk, Stream};
use unplug_reconnect::wire::rpc::RequestId;

pub use crate::fault::Dir;
use crate::fault::Fault;

/// The name of a method, a notification, or a step of a handshake (`upgrade`, `registry/connect`).
pub type Label = Cow<'static, str>;

/// The name of a host.
pub type Name = Arc<str>;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Wants an answer.
    Request,
    /// Wants none.
    Notification,
    /// A result.
    Response,
    /// A refusal.
    Error,
    /// A WebSocket ping.
    Ping,
    /// A WebSocket pong.
    Pong,
    /// A WebSocket close frame.
    Close,
    /// A text frame that is no message.
    Garbage,
}

/// A request by the connection on which it was asked and its id there: the nonce of its answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asked {
    /// Where it was asked.
    pub conn: ConnId,
    /// Its id there.
    pub request: RequestId,
}

/// One frame, decoded; payloads are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// Its method; of an answer, that of its request.
    pub method: Label,
    /// The id that stands in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// For an answer: the request that its sender answered, by the sender's own books.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Asked>,
    /// The process that stands in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessId>,
    /// The write that stands in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<WriteId>,
    /// The cursor of a read, or the sequence number of a notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The call for which a client sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// The HTTP request that stands in it, or that a piece of a body belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpId>,
}

/// Why a resume was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResumeRefusal {
    /// The session is attached to another connection.
    StillAttached,
    /// There is no such session (any more).
    Unknown,
}

/// What a caller asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Names it.
    pub call: CallId,
    /// The method it becomes.
    pub method: Label,
    /// The process it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessId>,
    /// What else it is about: a URL without its query, or a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The idempotency key, if it is a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<WriteId>,
}

/// The queue of bodies that wait for their readers, in bytes: see [`Event::HighWater`].
pub const BODY_BYTES: &str = "body bytes";

/// One fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    // The transport, as each end experiences it.
    /// A client begins to dial.
    Dial {
        /// The new connection.
        conn: ConnId,
        /// To whom.
        to: Name,
        /// With which signed URL.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<UrlId>,
    },
    /// The client's end is open, the upgrade included.
    Dialed {
        /// Which.
        conn: ConnId,
    },
    /// The client's dial came to nothing.
    DialFailed {
        /// Which.
        conn: ConnId,
        /// Why.
        why: DialError,
    },
    /// The server's end is open, the upgrade included.
    Accepted {
        /// Which.
        conn: ConnId,
        /// From whom.
        from: Name,
    },
    /// The server answered the upgrade with an HTTP status.
    TurnedAway {
        /// Which.
        conn: ConnId,
        /// The status.
        status: u16,
        /// The signed URL that was shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<UrlId>,
    },
    /// A frame was handed to the transport.
    Sent {
        /// On which connection.
        conn: ConnId,
        /// Which way.
        dir: Dir,
        /// What.
        frame: Arc<Frame>,
    },
    /// The receiver has all of a frame.
    Delivered {
        /// On which connection.
        conn: ConnId,
        /// Which way.
        dir: Dir,
        /// What.
        frame: Arc<Frame>,
    },
    /// This host ends a connection.
    Hangup {
        /// Which.
        conn: ConnId,
        /// In its own words.
        why: String,
    },
    /// This host learns that a connection is over.
    Closed {
        /// Which.
        conn: ConnId,
        /// How it learned.
        why: CloseReason,
    },

    // A client machine and its callers.
    /// The machine moved.
    State {
        /// From this state.
        from: Label,
        /// To this one.
        to: Label,
    },
    /// The client's `initialize` succeeded.
    Attached {
        /// On this connection.
        conn: ConnId,
        /// To this session.
        session: SessionNumber,
        /// Whether it was resumed.
        resumed: bool,
    },
    /// The machine is usable on this connection: everything that had to be recovered first, is.
    Ready {
        /// On this connection.
        conn: ConnId,
    },
    /// The client will not try to recover this session any more.
    GaveUp {
        /// In words.
        why: String,
    },
    /// A caller asks for something.
    Asked {
        /// What.
        #[serde(flatten)]
        call: Call,
        /// For a write: the bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<Chunk>,
    },
    /// A caller is told to wait: backpressure.
    Waits {
        /// Which call.
        call: CallId,
    },
    /// A caller goes away before it is told.
    Left {
        /// Which call it does not wait for any more.
        #[serde(flatten)]
        call: Call,
    },
    /// A caller is told what became of its call.
    Settled {
        /// Which call.
        #[serde(flatten)]
        call: Call,
        /// What it is told.
        truth: Truth,
        /// In words, unless it was applied.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// The request by whose answer it was settled, by the client's books; none if the client decided by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Asked>,
    },
    /// A caller is given the answer to a call that was made for its answer, just before the call is settled.
    Told {
        /// Which call.
        call: CallId,
        /// The answer, in short.
        what: String,
    },
    /// A caller has a body to read: the request that it asked for is answered.
    BodyOpened {
        /// Which call.
        call: CallId,
    },
    /// A caller is given a piece of a body.
    BodyPart {
        /// Which call.
        call: CallId,
        /// Its place in the body, from 1.
        seq: u64,
        /// The bytes.
        chunk: Chunk,
    },
    /// A caller is told that nothing more comes of a body.
    BodyEnded {
        /// Which call.
        call: CallId,
        /// Why it is not complete; none if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// A subscriber is given output.
    Output {
        /// Of which process.
        process: ProcessId,
        /// Its place in the sequence.
        seq: u64,
        /// Where the process wrote it to.
        stream: Stream,
        /// The bytes.
        chunk: Chunk,
    },
    /// A subscriber is told that a process exited.
    OutputExited {
        /// Which process.
        process: ProcessId,
        /// Its place in the sequence.
        seq: u64,
        /// The exit code.
        code: i32,
    },
    /// A subscriber is told that nothing more comes.
    OutputClosed {
        /// Which process.
        process: ProcessId,
        /// Its place in the sequence.
        seq: u64,
    },
    /// A subscriber is told that this process is lost to it: the declared end of its output.
    Lost {
        /// Which process.
        process: ProcessId,
        /// In words.
        why: String,
    },
    /// How much piled up in a queue, at most; written when the run ends.
    HighWater {
        /// Which queue.
        queue: Label,
        /// The most that was in it.
        most: u64,
        /// What it promised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bound: Option<u64>,
    },

    // A server's books.
    /// A new session.
    SessionOpened {
        /// Which.
        session: SessionNumber,
        /// On this connection.
        conn: ConnId,
    },
    /// A session goes on, on a new connection.
    SessionResumed {
        /// Which.
        session: SessionNumber,
        /// On this connection.
        conn: ConnId,
    },
    /// A session does not.
    ResumeRefused {
        /// Which was asked for.
        session: SessionNumber,
        /// On this connection.
        conn: ConnId,
        /// Why.
        why: ResumeRefusal,
    },
    /// A session lost its connection; its lease runs.
    Detached {
        /// Which.
        session: SessionNumber,
        /// From this connection.
        conn: ConnId,
        /// When the lease ends.
        until: Time,
    },
    /// A lease ended: the session and its processes are gone.
    SessionExpired {
        /// Which.
        session: SessionNumber,
    },
    /// The server acted on a request or notification; nothing is answered yet.
    Applied {
        /// On this connection.
        conn: ConnId,
        /// What.
        method: Label,
        /// Its id, unless it is a notification.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
    },
    /// An HTTP request was really made.
    Forwarded {
        /// For a request of this connection.
        conn: ConnId,
        /// Its id there.
        request: RequestId,
        /// How the client names it.
        http: HttpId,
        /// Where to, without the query.
        url: String,
    },
    /// The body of a request whose answer streams has really ended.
    OriginEnded {
        /// On this connection.
        conn: ConnId,
        /// Of which request.
        http: HttpId,
        /// So many bytes came.
        bytes: u64,
        /// Why more should have come; none if it was complete.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A file or a directory was really written, made, or removed.
    FileChanged {
        /// By a request of this connection.
        conn: ConnId,
        /// Its id there.
        request: RequestId,
        /// Its method.
        method: Label,
        /// Which.
        path: String,
    },
    /// A process runs.
    ProcessStarted {
        /// In this session.
        session: SessionNumber,
        /// Which.
        process: ProcessId,
    },
    /// A process really read this from its stdin.
    Stdin {
        /// In this session.
        session: SessionNumber,
        /// Which process.
        process: ProcessId,
        /// The write it came with, if the protocol names writes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        write: Option<WriteId>,
        /// The bytes.
        chunk: Chunk,
    },
    /// A process really wrote this.
    Printed {
        /// In this session.
        session: SessionNumber,
        /// Which process.
        process: ProcessId,
        /// Its place in the sequence.
        seq: u64,
        /// Where to.
        stream: Stream,
        /// The bytes.
        chunk: Chunk,
    },
    /// A process exited.
    Exited {
        /// In this session.
        session: SessionNumber,
        /// Which process.
        process: ProcessId,
        /// Its place in the sequence.
        seq: u64,
        /// The exit code.
        code: i32,
    },
    /// A process exited and its streams ended.
    ProcessClosed {
        /// In this session.
        session: SessionNumber,
        /// Which process.
        process: ProcessId,
        /// Its place in the sequence.
        seq: u64,
    },
    /// The server forgot an ended process.
    ProcessReaped {
        /// In this session.
        session: SessionNumber,
        /// Which process.
        process: ProcessId,
    },
    /// Retained output was dropped to keep its bound.
    Evicted {
        /// In this session.
        session: SessionNumber,
        /// Which process.
        process: ProcessId,
        /// The place of what was dropped.
        seq: u64,
    },

    // Credentials.
    /// The issuer signed a URL.
    Issued {
        /// In answer to this request.
        conn: ConnId,
        /// Which.
        url: UrlId,
        /// When it dies, by the issuer's wall clock.
        expires: Time,
    },
    /// The issuer answered with an error.
    IssueRefused {
        /// In answer to this request.
        conn: ConnId,
        /// The HTTP status.
        status: u16,
    },
    /// A client holds a new URL.
    Credential {
        /// From this request.
        conn: ConnId,
        /// Which.
        url: UrlId,
    },
    /// A client learned that there will be no more URLs.
    CredentialLost {
        /// In words.
        why: String,
    },

    // The script.
    /// A fault takes effect.
    Fault {
        /// Which.
        fault: Fault,
        /// The connection it is aimed at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conn: Option<ConnId>,
    },
    /// A fault is over.
    Healed {
        /// Which.
        fault: Fault,
        /// How long it lasted.
        #[serde(with = "length")]
        after: Duration,
    },
}
