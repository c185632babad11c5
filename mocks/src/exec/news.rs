//! What an exec server did, as its own books say it.

use std::borrow::Cow;

use unplug_reconnect::id::{ConnId, HttpId, ProcessId, SessionId};
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{Chunk, Stream};
use unplug_reconnect::wire::rpc::RequestId;

/// Why a resume was refused (exec-server sheet, 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeRefusal {
    /// The session is attached to another connection.
    StillAttached,
    /// There is no such session (any more).
    Unknown,
}

/// One entry of the ledger, written where the fact becomes true and always before the answer that tells of it.
///
/// Sequence numbers in the ledger are those that the process's events should have. A planted bug that numbers them
/// otherwise on the wire does not change the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A new session.
    SessionOpened {
        /// Which.
        session: SessionId,
        /// On this connection.
        conn: ConnId,
    },
    /// A session goes on, on a new connection.
    SessionResumed {
        /// Which.
        session: SessionId,
        /// On this connection.
        conn: ConnId,
    },
    /// A session does not.
    ResumeRefused {
        /// Which was asked for.
        session: SessionId,
        /// On this connection.
        conn: ConnId,
        /// Why.
        why: ResumeRefusal,
    },
    /// A session lost its connection; its lease runs.
    Detached {
        /// Which.
        session: SessionId,
        /// From this connection.
        conn: ConnId,
        /// When the lease ends.
        until: Time,
    },
    /// A lease ended: the session and its processes are gone.
    SessionExpired {
        /// Which.
        session: SessionId,
    },
    /// The server has acted on a request or notification and answered nothing yet. Refusing is acting too, so every
    /// answer to a request has exactly one of these before it; a long poll has it when it begins to wait.
    Applied {
        /// On this connection.
        conn: ConnId,
        /// Its id, unless it is a notification.
        request: Option<RequestId>,
        /// What was asked.
        method: Cow<'static, str>,
    },
    /// An HTTP request was really made.
    Forwarded {
        /// For a request of this connection.
        conn: ConnId,
        /// Its id there.
        request: RequestId,
        /// How the client names it.
        http: HttpId,
        /// Where to.
        url: String,
    },
    /// The body of an HTTP request that streams has really ended.
    BodyEnded {
        /// On this connection.
        conn: ConnId,
        /// Of which request.
        http: HttpId,
        /// So many bytes came.
        bytes: u64,
        /// Why more should have come.
        error: Option<String>,
    },
    /// A file or a directory was really written, made, or removed.
    FileChanged {
        /// By a request of this connection.
        conn: ConnId,
        /// Its id there.
        request: RequestId,
        /// Its method.
        method: &'static str,
        /// Which.
        path: String,
    },
    /// A process runs.
    ProcessStarted {
        /// In this session.
        session: SessionId,
        /// Which.
        process: ProcessId,
    },
    /// Bytes were really handed to a process.
    Stdin {
        /// In this session.
        session: SessionId,
        /// Which process.
        process: ProcessId,
        /// The `writeId` of the request that brought them, as it came.
        write: Option<String>,
        /// The bytes.
        chunk: Chunk,
    },
    /// A process really wrote this.
    Printed {
        /// In this session.
        session: SessionId,
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
        session: SessionId,
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
        session: SessionId,
        /// Which process.
        process: ProcessId,
        /// Its place in the sequence.
        seq: u64,
    },
    /// The server forgot an ended process.
    ProcessReaped {
        /// In this session.
        session: SessionId,
        /// Which process.
        process: ProcessId,
    },
    /// Retained output was dropped to keep its bound.
    Evicted {
        /// In this session.
        session: SessionId,
        /// Which process.
        process: ProcessId,
        /// The place of what was dropped, as the server numbered it.
        seq: u64,
    },
}
