//! Worlds: what runs a plan and writes its history.
//!
//! A world knows hosts, links and faults. It knows no checker. `net` is the network that all worlds share, `fast` and
//! `turmoil` are what carries things through it.

pub mod fast;
mod net;
pub mod turmoil;

use crate::history::History;

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
