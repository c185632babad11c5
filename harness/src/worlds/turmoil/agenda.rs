//! What is to happen, ordered by time, then by kind, then by who came first.
//!
//! The script comes before what it aims at; deliveries come before deadlines. Every host has an agenda of its own, and
//! so has the driver; all of them share one count, so that any two entries can be compared.

use std::collections::BTreeMap;

use unplug_reconnect::time::Time;

use crate::worlds::net::Class;

/// The place of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) at: Time,
    pub(super) class: Class,
    seq: u64,
}

impl Key {
    pub(super) const fn new(at: Time, class: Class, seq: u64) -> Self {
        Self { at, class, seq }
    }

    /// Before this key lies everything up to and including this moment.
    pub(super) const fn behind(at: Time) -> Self {
        Self::new(at, Class::Deadline, u64::MAX)
    }
}

/// One list of what is to happen.
#[derive(Debug)]
pub(super) struct Agenda<E> {
    entries: BTreeMap<Key, E>,
}

impl<E> Agenda<E> {
    pub(super) const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
        }
    }

    pub(super) fn insert(&mut self, key: Key, entry: E) {
        self.entries.insert(key, entry);
    }

    /// The place of the next entry.
    pub(super) fn first(&self) -> Option<Key> {
        self.entries.first_key_value().map(|(key, _)| *key)
    }

    /// The next entry, if its place is before `horizon`.
    pub(super) fn pop(&mut self, horizon: Key) -> Option<(Key, E)> {
        let first = self.entries.first_entry()?;
        (*first.key() < horizon).then(|| first.remove_entry())
    }

    /// Everything, in order; nothing stays.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Key, E)> + use<E> {
        std::mem::take(&mut self.entries).into_iter()
    }
}
