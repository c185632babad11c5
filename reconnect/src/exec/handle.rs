//! The client's end of one process.

use super::cursor::{Cursor, Event};
use super::outbox::Outbox;
use super::watch::Watch;
use super::{Exec, News};
use crate::id::ProcessId;
use crate::transport::Truth;

/// What the client knows of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Its start was not sent yet. What a server says about such a process is about an earlier one of that name.
    Unsent,
    /// Its start is not answered.
    Pending,
    /// It was started. Closed or not, it is served until it is lost.
    Live,
    /// The handle is dead, for this reason.
    Lost(String),
}

/// The client's end of one process.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) life: Life,
    pub(super) outbox: Outbox,
    pub(super) cursor: Cursor,
    pub(super) watch: Watch,
}

impl Handle {
    pub(super) fn new() -> Self {
        Self {
            life: Life::Unsent,
            outbox: Outbox::default(),
            cursor: Cursor::default(),
            watch: Watch::default(),
        }
    }

    /// Whether the server can have something to say about it.
    pub(super) const fn is_listening(&self) -> bool {
        match self.life {
            Life::Pending | Life::Live => true,
            Life::Unsent | Life::Lost(_) => false,
        }
    }

    /// Whether a new connection has to catch up with its output.
    pub(super) fn is_recoverable(&self) -> bool {
        self.life == Life::Live && !self.cursor.is_closed()
    }
}

impl Exec {
    /// Hands out what is contiguous.
    pub(super) fn publish(&mut self, process: &ProcessId) {
        let Some(handle) = self.handles.get_mut(process) else {
            return;
        };
        while let Some((seq, event)) = handle.cursor.next() {
            let process = process.clone();
            let news = match event {
                Event::Output(stream, chunk) => News::Output {
                    process,
                    seq,
                    stream,
                    chunk,
                },
                Event::Exited(code) => News::Exited { process, seq, code },
                Event::Closed => News::OutputClosed { process, seq },
            };
            self.outputs.push_back(super::Output::News(news));
        }
    }

    /// Declares the handle of one process dead; the others go on.
    pub(super) fn lose(&mut self, process: &ProcessId, why: String) {
        let Some(handle) = self.handles.get_mut(process) else {
            return;
        };
        if matches!(handle.life, Life::Lost(_)) {
            return;
        }
        let was_live = handle.life == Life::Live && !handle.cursor.is_closed();
        handle.life = Life::Lost(why.clone());
        // Nothing more of it is told, so nothing of it is kept.
        handle.cursor = Cursor::default();
        let writes: Vec<_> = handle.outbox.drain().collect();
        for write in writes {
            let truth = if write.sends == 0 {
                Truth::NotApplied
            } else {
                Truth::Ambiguous
            };
            self.settle(write.call, truth, Some(why.clone()), None);
        }
        self.fail_waiting_for(process, &why);
        if was_live {
            self.news(News::Lost {
                process: process.clone(),
                why,
            });
        }
    }

    /// Declares all handles dead.
    pub(super) fn lose_all(&mut self, why: &str) {
        let processes: Vec<_> = self.handles.keys().cloned().collect();
        for process in processes {
            self.lose(&process, why.to_owned());
        }
    }
}
