//! What the test targets of this package share: the suite over scenario files, and generated scripts.

pub mod parity;
pub mod storm;
pub mod suite;
