//! The turmoil world.
