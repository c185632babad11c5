//! The one event heap of the fast world: ordered by time, then by kind, then by who came first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use unplug_reconnect::time::Time;

use crate::worlds::net::Class;

struct Queued<E> {
    at: Time,
    class: Class,
    seq: u64,
    event: E,
}

impl<E> Queued<E> {
    const fn key(&self) -> (Time, Class, u64) {
        (self.at, self.class, self.seq)
    }
}

impl<E> PartialEq for Queued<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Queued<E> {}

impl<E> PartialOrd for Queued<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Queued<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// The heap.
pub(super) struct Queue<E> {
    heap: BinaryHeap<Reverse<Queued<E>>>,
    seq: u64,
}

impl<E> Queue<E> {
    pub(super) fn new() -> Self {
        Self {
            heap: BinaryHeap::with_capacity(64),
            seq: 0,
        }
    }

    pub(super) fn push(&mut self, at: Time, class: Class, event: E) {
        self.seq += 1;
        self.heap.push(Reverse(Queued {
            at,
            class,
            seq: self.seq,
            event,
        }));
    }

    /// The next event, unless it is after `until`.
    pub(super) fn pop(&mut self, until: Time) -> Option<(Time, E)> {
        if self.heap.peek().is_none_or(|Reverse(next)| until < next.at) {
            return None;
        }
        self.heap.pop().map(|Reverse(queued)| (queued.at, queued.event))
    }

    /// How many events were ever pushed.
    pub(super) const fn pushed(&self) -> u64 {
        self.seq
    }
}
