//! What the transcripts need: commands in, lines out.

mod print;
pub(crate) mod stage;
