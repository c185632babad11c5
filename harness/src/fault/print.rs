//! A fault in a timeline.

use std::fmt;
use std::time::Duration;

use super::{Address, Fault, is_once};

/// The short form of a timeline: `link_down laptop 800ms`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        match self {
            Self::Blackhole
            | Self::Reset
            | Self::Close
            | Self::DropFrame
            | Self::DuplicateFrame
            | Self::Heal => Ok(()),
            Self::Partition { r#for } => write!(f, "{}", Long("", *r#for)),
            Self::PartitionOneWay { dir, r#for } => write!(f, " {dir}{}", Long("", *r#for)),
            Self::LinkDown { host, r#for, address } => {
                write!(f, " {host}{}{}", Long("", Some(*r#for)), with(*address))
            }
            Self::HalfClose { side: whose } | Self::HalfOpen { told: whose } => write!(f, " {whose}"),
            Self::CutFrame { bytes } => write!(f, " {bytes} bytes"),
            Self::WsClose { code, reason, from } if reason.is_empty() => write!(f, " {code} from {from}"),
            Self::WsClose { code, reason, from } => write!(f, " {code} from {from}: {reason}"),
            Self::Refuse { host, r#for } | Self::ConnectHang { host, r#for } => {
                write!(f, " {host}{}", Long("", *r#for))
            }
            Self::RejectUpgrade { host, status, times } => write!(f, " {host} {status}{}", Times(*times)),
            Self::HangUpgrade { host, times } => write!(f, " {host}{}", Times(*times)),
            Self::Latency { to: length }
            | Self::Jitter { up_to: length }
            | Self::ReorderConnections { up_to: length } => write!(f, "{}", Long("", Some(*length))),
            Self::Bandwidth {
                bytes_per_second: rate,
            } => write!(f, " {rate} B/s"),
            Self::SlowReader {
                host,
                bytes_per_second: rate,
                r#for,
            } => {
                write!(f, " {host} {rate} B/s{}", Long("", *r#for))
            }
            Self::Garbage { dir, .. } => write!(f, " {dir}"),
            Self::ExpireUrl { issuer: name } | Self::Revoke { issuer: name } | Self::Crash { host: name } => {
                write!(f, " {name}")
            }
            Self::Throttle {
                host, status, times, ..
            } => write!(f, " {host} {status}{}", Times(*times)),
            Self::Bounce { host, after: length } | Self::Stall { host, r#for: length } => {
                write!(f, " {host}{}", Long("", Some(*length)))
            }
            Self::Exit { host, process, code } => write!(f, " {host} {process} {code}"),
            Self::ClockJump { host, ahead, behind } => {
                write!(f, " {host}{}{}", Long(" ahead", *ahead), Long(" behind", *behind))
            }
            Self::Burst {
                host,
                process,
                chunks,
            } => write!(f, " {host} {process} {chunks} chunks"),
        }
    }
}

const fn with(address: Address) -> &'static str {
    match address {
        Address::Same => "",
        Address::New => ", new address",
    }
}

/// A length behind its words, if there is one.
struct Long(&'static str, Option<Duration>);

impl fmt::Display for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(words, length) = self;
        length.map_or(Ok(()), |length| {
            write!(f, "{words} {}", humantime::format_duration(length))
        })
    }
}

/// How often, unless once.
struct Times(u32);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_once(&self.0) {
            return Ok(());
        }
        write!(f, " x{}", self.0)
    }
}
