//! The words of a timeline: how a line, a call and a payload read.

use unplug_reconnect::id::{ConnId, UrlId};
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{Chunk, method};

use crate::history::{Call, Truth};

/// No more of a payload than this is shown.
const DATA_MAX: usize = 24;

/// What a line says.
pub(super) enum Text {
    Plain(String),
    /// Attempts that ended in the same way.
    Attempts {
        first: ConnId,
        last: ConnId,
        times: u32,
        until: Time,
        end: String,
    },
    /// Signed URLs, one after the other.
    Signed {
        first: UrlId,
        last: UrlId,
        until: Time,
    },
    /// Output in sequence.
    Chunks {
        verb: &'static str,
        process: String,
        first: u64,
        last: u64,
        bytes: usize,
        data: Chunk,
        until: Time,
    },
}

impl Text {
    pub(super) fn show(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Signed { first, last, .. } if first == last => format!("signs {first}"),
            Self::Signed { first, last, until } => format!("signs {first} … {last} (until {until})"),
            Self::Attempts {
                first, times: 1, end, ..
            } => format!("dial {first}: {end}"),
            Self::Attempts {
                first,
                last,
                times,
                until,
                end,
            } => {
                format!("dial {first} … {last}: {end} ({times} times, until {until})")
            }
            Self::Chunks {
                verb,
                process,
                first,
                last,
                data,
                ..
            } if first == last => match *verb {
                "prints" => format!("{process} prints #{first} {}", show(data)),
                _ => format!("{verb} #{first} of {process} {}", show(data)),
            },
            Self::Chunks {
                verb,
                process,
                first,
                last,
                bytes,
                until,
                ..
            } => match *verb {
                "prints" => format!("{process} prints #{first} … #{last} ({bytes} bytes, until {until})"),
                _ => format!("{verb} #{first} … #{last} of {process} ({bytes} bytes, until {until})"),
            },
        }
    }
}

/// A call as its caller would name it: `write w1 of sh`.
pub(super) fn name(call: &Call) -> String {
    let verb = verb(&call.method);
    let about = call.process.as_ref().map(ToString::to_string);
    let about = about.as_ref().or(call.about.as_ref());
    match (call.write, about) {
        (Some(write), Some(about)) => format!("{verb} {write} of {about}"),
        (None, Some(about)) => format!("{verb} {about}"),
        (_, None) => verb.to_owned(),
    }
}

/// A method as a caller would name it.
pub(super) fn verb(method: &str) -> &str {
    match method {
        method::HTTP => "http",
        _ => method.split_once('/').map_or(method, |(_, verb)| verb),
    }
}

/// The first cause in a chain of them; the whole chain stands once, where a client gives up.
pub(super) fn cause(why: &str) -> &str {
    why.split("; ").next().unwrap_or(why)
}

pub(super) const fn told(truth: Truth) -> &'static str {
    match truth {
        Truth::Applied => "is applied",
        Truth::NotApplied => "is not applied",
        Truth::Ambiguous => "is ambiguous",
    }
}

pub(super) fn show(data: &Chunk) -> String {
    let text = String::from_utf8_lossy(data.bytes());
    if text.chars().count() <= DATA_MAX {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(DATA_MAX).collect();
    format!("{head:?}… ({} bytes)", data.len())
}
