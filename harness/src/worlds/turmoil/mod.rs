//! The turmoil world: the same hosts on turmoil's simulated TCP, speaking real WebSocket frames and HTTP.
//!
//! turmoil's are the hosts (each with a tokio runtime of its own, crashed and bounced by turmoil), the TCP streams that
//! carry every byte, and the clock that the driver follows. Third-party code stands at both ends of each stream:
//! tokio-tungstenite for sessions, hyper for requests to the issuer; what a host is told is what they made of bytes.
//! Ours is what a network does to bytes: turmoil has no retransmission, no reset, no window in bytes, and tells of a
//! crash what nobody could know (style sheet, section 5). So silence, loss, ends and slowness are made in the pipe
//! between library and stream, and turmoil's own `hold` and `partition` are not used.
//!
//! A tick of turmoil says when things are carried out. What is written down carries the moment at which it was to
//! happen, so a history is as exact as the fast world's, and the order of events is the same.
//!
//! `carrier` brings the network's parcels to bytes and back, `turns` says whose turn it is, `host_task` is the loop
//! around a host, `port` and `pipe` are the end of a connection, `line` is the control block beside it, `wire` is what
//! stands on it, and `sim` drives turmoil. Only `crash` and `bounce` use verbs of turmoil's own, after all links to the
//! host are cut: turmoil would let a dying host say goodbye.

mod agenda;
mod carrier;
mod host_task;
mod line;
mod pipe;
mod port;
mod sim;
#[cfg(test)]
mod tests;
mod turns;
mod wire;

use unplug_reconnect::seed::Seed;

use crate::plan::Plan;
use crate::worlds::Run;

/// The name of this world in histories and on the command line.
pub const NAME: &str = "turmoil";

/// Runs a plan to its end.
pub fn run(plan: &Plan, seed: Seed) -> Run {
    sim::run(plan, seed)
}
