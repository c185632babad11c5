//! Wire types: what stands in the messages, and nothing about who sends them when.

pub mod exec;
pub mod registry;
pub mod rpc;
