//! How failures word what they found.

use std::fmt;
use std::time::Duration;

use unplug_reconnect::id::ConnId;
use unplug_reconnect::wire::exec::method;
use unplug_reconnect::wire::rpc::RequestId;

use crate::history::{Call, Frame, Label};

/// A call as its caller knows it: `w1`, or `k3 (process/start)`.
pub(super) struct Named<'a>(pub(super) &'a Call);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.write {
            Some(write) => write!(f, "{write}"),
            None => write!(f, "{} ({})", self.0.call, self.0.method),
        }
    }
}

/// A request by what it was about: `w1`, or `r3 of c1 (process/read)`.
pub(super) struct Request<'a>(
    pub(super) ConnId,
    pub(super) &'a RequestId,
    pub(super) Option<&'a Frame>,
);

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(conn, request, frame) = self;
        match frame {
            Some(Frame {
                write: Some(write), ..
            }) => write!(f, "{write}"),
            Some(Frame { method, .. }) => write!(f, "{request} of {conn} ({method})"),
            None => write!(f, "{request} of {conn}"),
        }
    }
}

/// The beginning of what a process read or printed.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 24;
        let shown = String::from_utf8_lossy(&self.0[..self.0.len().min(SHOWN)]);
        let rest = if SHOWN < self.0.len() { "…" } else { "" };
        write!(f, "{shown:?}{rest}")
    }
}

/// `once`, `twice`, `3 times`.
pub(super) struct Times(pub(super) usize);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("once"),
            2 => f.write_str("twice"),
            n => write!(f, "{n} times"),
        }
    }
}

/// `1s 500ms`.
pub(super) fn length(length: Duration) -> impl fmt::Display {
    humantime::format_duration(length)
}

/// Whether a request of this method ends a process.
pub(super) fn ends_a_process(name: &Label) -> bool {
    name == method::TERMINATE || name == method::SIGNAL
}
