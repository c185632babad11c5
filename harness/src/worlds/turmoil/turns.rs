//! Turns: who does what next.
//!
//! The driver carries out its errands and hosts open their letters in one order, that of what happens. turmoil runs one
//! host after another within a tick, so a host whose turn it is not waits, if need be for the next tick; its letters
//! keep their moments all the same.

use unplug_reconnect::time::Time;

use super::agenda::Key;
use super::carrier::{Desk, Letter, Tcp, World};
use crate::worlds::net::Opened;

/// A run that does more than this is stopped: no script means to.
const THINGS_MAX: u64 = 2_000_000;

impl Tcp {
    /// The first thing that any host has to do, and who it is.
    fn next(&self) -> Option<(Key, &Desk)> {
        let present = self.desks.iter().filter(|desk| !desk.away);
        present
            .filter_map(|desk| Some((desk.first()?, desk)))
            .min_by_key(|(first, _)| *first)
    }

    /// Whether a host has something to do before this.
    fn is_awaited(&self, key: Key) -> bool {
        self.next().is_some_and(|(first, _)| first < key)
    }

    /// Calls the host whose turn it is, if it may go on.
    pub(super) fn call_next(&self) {
        if let Some((_, desk)) = self.next().filter(|(first, _)| *first < self.horizon) {
            desk.bell.notify_one();
        }
    }

    /// Whether nothing is left to do up to this moment.
    pub(super) fn is_through(&self, to: Time) -> bool {
        let behind = Key::behind(to);
        self.errands.first().is_none_or(|next| behind < next) && !self.is_awaited(behind)
    }

    /// How much was done, if it is too much.
    pub(super) fn runaway(&self) -> Option<u64> {
        (THINGS_MAX < self.counted).then_some(self.counted)
    }

    /// The next letter of a host, if it is its turn: hosts open their letters in the order of what happens, so that
    /// within a tick none of them sees what another has yet to do.
    pub(super) fn next_letter(&mut self, host: usize) -> Option<(Key, Letter)> {
        let (horizon, first) = (self.horizon, self.next().map(|(first, _)| first));
        let runaway = self.runaway().is_some();
        let desk = &mut self.desks[host];
        if desk.away || runaway {
            return None;
        }
        if first != desk.agenda.first() {
            self.call_next();
            return None;
        }
        let next = desk.agenda.pop(horizon);
        desk.reading = next.as_ref().map(|(key, _)| *key);
        next
    }
}

impl World {
    /// The driver's turn, before turmoil takes a step: carries out its errands up to this moment, and lets hosts open
    /// their letters up to the errand that must wait for them.
    pub(super) fn advance(&mut self, to: Time) {
        let to = to.min(self.plan.until);
        self.carrier.horizon = loop {
            let Some(next) = self.carrier.errands.first().filter(|next| next.at <= to) else {
                break Key::behind(to);
            };
            if self.carrier.is_awaited(next) || self.carrier.runaway().is_some() {
                break next;
            }
            if let Some((key, (host, letter))) = self.carrier.errands.pop(Key::behind(to)) {
                self.now = key.at;
                match host {
                    Some(host) => self.open(host, key, letter),
                    None => self.happen(letter),
                };
            }
        };
        self.carrier.call_next();
    }

    /// It is this moment for this host.
    pub(super) fn clock(&mut self, host: usize, at: Time) {
        let desk = &mut self.carrier.desks[host];
        desk.clock = desk.clock.max(at);
        self.now = desk.clock;
    }

    /// A host opens a letter.
    pub(super) fn open(&mut self, host: usize, key: Key, letter: Letter) -> Opened {
        self.clock(host, key.at);
        self.happen(letter)
    }

    fn happen(&mut self, letter: Letter) -> Opened {
        match letter {
            Letter::Net(event) => self.step(event),
            Letter::Read { conn, dir } => self.read_landed(conn, dir),
        }
    }
}
