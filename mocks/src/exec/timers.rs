//! When the server has to act next.

use std::collections::BTreeSet;

use unplug_reconnect::id::{ConnId, ProcessId};
use unplug_reconnect::time::Time;

use super::session::SessionKey;

/// Whose deadline it is. Each owner has at most one: the earliest of what it waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A program's next act, a kill, the end of a long poll, the end of an ended process's retention.
    Process(SessionKey, ProcessId),
    /// Answers that a planted bug holds back.
    Answers,
    /// Notifications that others may overtake.
    Shuffle,
    /// An answer to `initialize` that takes its time, or the next ping.
    Conn(ConnId),
    /// The end of a lease.
    Session(SessionKey),
}

/// All deadlines, ordered.
///
/// Invariant: an owner whose deadline is in here knows it as `armed`.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Time, Key)>,
}

impl Timers {
    /// Moves the deadline of an owner.
    pub(super) fn set(&mut self, armed: &mut Option<Time>, due: Option<Time>, key: impl FnOnce() -> Key) {
        if *armed == due {
            return;
        }
        let mut entry = (Time::ZERO, key());
        if let Some(old) = *armed {
            entry.0 = old;
            self.due.remove(&entry);
        }
        if let Some(new) = due {
            entry.0 = new;
            self.due.insert(entry);
        }
        *armed = due;
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Takes the earliest deadline out if it has come. Its owner has to forget that it is armed.
    pub(super) fn pop(&mut self, now: Time) -> Option<Key> {
        if self.next().is_none_or(|due| now < due) {
            return None;
        }
        self.due.pop_first().map(|(_, key)| key)
    }
}
