//! Notifications that overtake each other (exec-server sheet, 4.1). Only with [`Delays::shuffle`](super::Delays).

use std::collections::BTreeMap;
use std::time::Duration;

use unplug_reconnect::id::ConnId;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::Message;

use super::timers::{Key, Timers};

/// What waits, by the time at which it is sent and by its place among those of the same time.
#[derive(Debug)]
pub(super) struct Shuffle {
    held: BTreeMap<(Time, u64), (ConnId, Message)>,
    seed: Seed,
    count: u64,
    armed: Option<Time>,
}

impl Shuffle {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            held: BTreeMap::new(),
            seed: seed.of("shuffle"),
            count: 0,
            armed: None,
        }
    }

    /// Keeps a notification for a time that the seed draws, whole milliseconds up to `most`.
    pub(super) fn hold(&mut self, conn: ConnId, message: Message, now: Time, most: Duration) {
        let steps = u64::try_from(most.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let wait = Duration::from_millis(self.seed.draw(self.count) % steps);
        self.held.insert((now + wait, self.count), (conn, message));
        self.count += 1;
    }

    /// The next one whose time has come.
    pub(super) fn next(&mut self, now: Time) -> Option<(ConnId, Message)> {
        let first = self.held.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    pub(super) fn arm(&mut self, timers: &mut Timers) {
        let due = self.held.first_key_value().map(|((due, _), _)| *due);
        timers.set(&mut self.armed, due, || Key::Shuffle);
    }
}
