//! Servers of a coding agent's connections, as sans-I/O machines that do what the published binaries do.
//!
//! Every mock keeps the contract of `unplug-reconnect`'s machines: `handle` one input with the time at which it
//! happened, drain `poll` until `None`, come back at `deadline`. A mock does not know that it is simulated, shares no
//! logic with the clients (only ids, time and wire types), and is held to the exchanges in `contracts/`, which were
//! recorded from the real servers.
//!
//! What a mock did is told as `News`: the ledger that checkers judge by. A `Bug` is a planted mistake that proves a
//! checker; every real test runs with none.

pub mod exec;
pub mod issuer;
