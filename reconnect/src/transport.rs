//! What an end of a connection can experience, in words that every machine and every world shares.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a dial came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialError {
    /// Nobody listens.
    Refused,
    /// No answer in time.
    TimedOut,
    /// This host has no network.
    Unreachable,
    /// The upgrade was answered with this HTTP status.
    Status(u16),
    /// The connection ended in the middle of the handshake.
    Cut,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Cut => f.write_str("cut in the handshake"),
        }
    }
}

/// How an end learned that its connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The peer's FIN.
    Fin,
    /// A reset.
    Reset,
    /// A WebSocket close frame with this code.
    CloseFrame(u16),
    /// This host's own network went away.
    NetworkDown,
    /// TCP gave up on data that was never acknowledged.
    TcpTimeout,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fin => f.write_str("fin"),
            Self::Reset => f.write_str("reset"),
            Self::CloseFrame(code) => write!(f, "close frame {code}"),
            Self::NetworkDown => f.write_str("network down"),
            Self::TcpTimeout => f.write_str("tcp timeout"),
        }
    }
}

/// The three truths about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It happened, once.
    Applied,
    /// It did not and will not happen.
    NotApplied,
    /// Nobody on this side can know.
    Ambiguous,
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Applied => "applied",
            Self::NotApplied => "not applied",
            Self::Ambiguous => "ambiguous",
        })
    }
}
