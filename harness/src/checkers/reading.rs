//! A history, read once for all who judge it.
//!
//! Which process an entry is about, and which asked write a process has read in it, is the same for every checker and
//! costs more to find out than to judge. So it is found out once. What a checker needs to know of one moment stands in
//! the [`Step`] of that moment; everything else is as it is at the end of the history.

use super::pipes::{Pipes, Read};
use crate::history::{Entry, Event, History};

/// A history with what its entries mean.
pub struct Reading<'a> {
    pub(super) history: &'a History,
    /// The processes and what was written to them, as they are at the end.
    pub(super) pipes: Pipes<'a>,
    /// By entry.
    steps: Vec<Step<'a>>,
}

/// What one entry means.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    /// The process that it is about, as an index into the handles.
    pub(super) about: Option<usize>,
    /// Whether the process has ended by then; of the outcome of a write, the process that it was for.
    pub(super) ended: bool,
    /// What a process reads in it.
    pub(super) read: Option<Read<'a>>,
}

impl<'a> Reading<'a> {
    /// Reads a history.
    pub fn new(history: &'a History) -> Self {
        let mut pipes = Pipes::new(history);
        let step = |entry: &'a Entry| {
            let (about, read) = pipes.read(entry);
            // A name may be used again before the last write to its first process is settled.
            let written = if let Event::Settled { call, .. } = &entry.event {
                pipes.find(entry.who, call.call).map(|(index, _)| index)
            } else {
                None
            };
            let ended = written
                .or(about)
                .is_some_and(|index| pipes.handles.all[index].ended);
            Step { about, ended, read }
        };
        let steps = history.entries.iter().map(step).collect();
        Self {
            history,
            pipes,
            steps,
        }
    }

    /// Entry by entry.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&'a Entry, &Step<'a>)> {
        self.history.entries.iter().zip(&self.steps)
    }

    /// What processes read, in order.
    pub(super) fn reads(&self) -> impl Iterator<Item = &Read<'a>> {
        self.steps.iter().filter_map(|step| step.read.as_ref())
    }
}
