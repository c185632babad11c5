//! Worlds: what runs a plan and writes its history.
//!
//! A world knows hosts, links and faults. It knows no checker, and it alone says how a fault is brought about: in the
//! file `faults.rs` of each world.

pub mod fast;
pub mod turmoil;

use std::time::Duration;

use unplug_reconnect::id::ProcessId;

use crate::fault::Fault;
use crate::history::History;
use crate::host::Input;

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The whole truth about it.
    pub history: History,
    /// The steps that never fired, by index: the script does not fit the protocol (any more).
    pub stale: Vec<usize>,
    /// The run was stopped because it did not come to an end: it did this many things.
    pub runaway: Option<u64>,
}

/// What one end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A live socket.
    Open,
    /// No socket: what arrives is answered with a reset.
    Gone,
}

/// How far the client's dial has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// TCP is not established.
    Connecting,
    /// The upgrade is not answered.
    Upgrading,
    /// The client may send frames.
    Open,
}

/// TCP's first retransmission comes after this, each further one after twice the time. Linux' lower bound.
const RTO: Duration = Duration::from_millis(200);
/// No two retransmissions are further apart. Linux' upper bound.
const RTO_MAX: Duration = Duration::from_secs(120);
/// A SYN is repeated after this, then after twice the time, and so on.
const SYN_RTO: Duration = Duration::from_secs(1);
/// So often; then the connect fails.
const SYN_RETRIES: u32 = 6;
/// How many bytes a peer may send without being read.
const WINDOW: usize = 64 * 1024;

/// When TCP sends what was sent `after` ago again, counted from the first time: the first retransmission that is not
/// before `not_before`.
fn retransmission(not_before: Duration) -> Duration {
    let (mut at, mut rto) = (RTO, RTO * 2);
    while at < not_before {
        at += rto;
        rto = (rto * 2).min(RTO_MAX);
    }
    at
}

/// How long so many bytes take at so many bytes a second.
fn transfer(bytes: usize, rate: u64) -> Duration {
    Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate.max(1))
}

/// What a fault has a host learn by itself, whatever its network does: which host, and what. The same in every world.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all others are the business of a network"
)]
fn told(fault: &Fault) -> Option<(&str, Input)> {
    let process = |name: &str| ProcessId::from(name);
    let nanos = |length: &Option<Duration>| length.map_or(0, |length| length.as_nanos().cast_signed());
    match fault {
        Fault::ExpireUrl { issuer } => Some((issuer, Input::ExpireUrls)),
        Fault::Revoke { issuer } => Some((issuer, Input::RevokeUrls)),
        Fault::Throttle {
            host,
            status,
            code,
            times,
            retry_after,
        } => {
            let (status, code, times, retry_after) = (*status, code.clone(), *times, *retry_after);
            Some((
                host,
                Input::Throttle {
                    status,
                    code,
                    times,
                    retry_after,
                },
            ))
        }
        Fault::Exit {
            host,
            process: name,
            code,
        } => Some((
            host,
            Input::Exit {
                process: process(name),
                code: *code,
            },
        )),
        Fault::Burst {
            host,
            process: name,
            chunks,
        } => Some((
            host,
            Input::Burst {
                process: process(name),
                chunks: *chunks,
            },
        )),
        Fault::ClockJump { host, ahead, behind } => {
            Some((host, Input::ClockJump(nanos(ahead) - nanos(behind))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retransmissions_double() {
        let at = |millis| retransmission(Duration::from_millis(millis)).as_millis();
        assert_eq!(
            [at(0), at(201), at(601), at(700), at(1401)],
            [200, 600, 1400, 1400, 3000]
        );
    }
}
