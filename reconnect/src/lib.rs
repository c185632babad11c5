//! The state machines that unplug tests, and the words that everything around them shares.
//!
//! Every machine keeps one contract:
//! 1. `handle` one input, with the time at which it happened.
//! 2. Drain `poll` until it returns `None`.
//! 3. When `deadline` is reached, handle `Input::Wake`. An early wake does nothing.
//!
//! Nothing here reads a clock, opens a socket, spawns a task, or draws unseeded randomness; a product could ship it.
//! Start at [`exec`], the remote exec client. [`credential`] is its source of signed URLs, [`policy`] the numbers that
//! make it behave like one version or another. The other modules are vocabulary, shared with mocks and harness.

pub mod backoff;
pub mod credential;
pub mod exec;
pub mod id;
pub mod policy;
pub mod seed;
pub mod time;
pub mod transport;
pub mod wire;
mod words;
