//! unplug pulls the plug on a coding agent's connections, on purpose, at the exact byte that hurts, and says what broke.
//!
//! Data flows one way: a [`scenario`] becomes a [`plan`], a [world](worlds) runs it and writes a [`history`],
//! [`checkers`] judge it, a person reads one screen. A world knows no checker and a checker knows no world; between
//! them stands the history, which is the whole truth about a run. What goes wrong is a [`fault`]: it is defined by what
//! a connection experiences, and each world brings it about in one file.

pub mod checkers;
pub mod client_bug;
pub mod compare;
pub mod fault;
pub mod history;
mod host;
pub mod judge;
pub mod plan;
pub mod presets;
pub mod report;
pub mod scenario;
mod stage;
pub mod worlds;
