//! Turns: who does what next.
//!
//! The driver carries out its errands and hosts open their letters in one order, that of what happens. turmoil runs one
//! host after another within a tick, so a host whose turn it is not waits, if need be for the next tick; its letters
//! keep their moments all the same.

use unplug_reconnect::time::Time;

use super::agenda::{Class, Key};
use super::world::{Errand, Letter, Opened, Station, THINGS_MAX, World};
use crate::host::Input;

impl World {
    /// The driver's turn, before turmoil takes a step: carries out its errands up to this moment, and lets hosts open
    /// their letters up to the errand that must wait for them.
    pub(super) fn advance(&mut self, to: Time) {
        let to = to.min(self.plan.until);
        self.horizon = loop {
            let Some(next) = self.errands.first().filter(|next| next.at <= to) else {
                break Key::behind(to);
            };
            if self.is_awaited(next) || self.runaway().is_some() {
                break next;
            }
            if let Some((key, errand)) = self.errands.pop(Key::behind(to)) {
                self.now = key.at;
                self.run_errand(errand, key);
            }
        };
        self.call_next();
    }

    /// Whether a host has something to do before this.
    fn is_awaited(&self, key: Key) -> bool {
        self.slowest().is_some_and(|first| first < key)
    }

    /// The first thing that any host has to do.
    fn slowest(&self) -> Option<Key> {
        let alive = self.stations.iter().filter(|station| station.alive);
        alive.filter_map(Station::first).min()
    }

    /// Calls the host whose turn it is, if it may go on.
    pub(super) fn call_next(&self) {
        let alive = self.stations.iter().filter(|station| station.alive);
        let turn = alive
            .filter_map(|station| Some((station.first()?, station)))
            .min_by_key(|(first, _)| *first);
        if let Some((_, station)) = turn.filter(|(first, _)| *first < self.horizon) {
            station.bell.notify_one();
        }
    }

    /// Whether nothing is left to do up to this moment.
    pub(super) fn is_through(&self, to: Time) -> bool {
        let behind = Key::behind(to.min(self.plan.until));
        self.errands.first().is_none_or(|next| behind < next) && !self.is_awaited(behind)
    }

    /// How much was done, if it is too much.
    pub(super) fn runaway(&self) -> Option<u64> {
        (THINGS_MAX < self.counted).then_some(self.counted)
    }

    fn run_errand(&mut self, errand: Errand, key: Key) {
        match errand {
            Errand::Step(due) => self.fire(due),
            Errand::Heal { fault } => self.heal(fault),
            Errand::TcpTimeout {
                conn,
                dir,
                first_sent,
            } => self.on_tcp_timeout(conn, dir, first_sent),
            Errand::Letter { host, letter } => {
                self.open(host, key, letter);
            }
        }
    }

    fn key(&mut self, at: Time, class: Class) -> Key {
        self.counted += 1;
        Key::new(at, class, self.counted)
    }

    /// Plans an errand of the driver.
    pub(super) fn plan(&mut self, at: Time, class: Class, errand: Errand) {
        let key = self.key(at, class);
        self.errands.insert(key, errand);
    }

    /// Puts a letter on a host's agenda.
    pub(super) fn post(&mut self, at: Time, class: Class, host: usize, letter: Letter) {
        let key = self.key(at, class);
        let station = &mut self.stations[host];
        if station.alive {
            station.agenda.insert(key, letter);
        } else {
            self.errands.insert(key, Errand::Letter { host, letter });
        }
    }

    /// A host is away: the driver opens its letters, as nobody else does.
    pub(super) fn redirect(&mut self, host: usize) {
        let letters = self.stations[host].agenda.take();
        for (key, letter) in letters {
            self.errands.insert(key, Errand::Letter { host, letter });
        }
    }

    /// The next letter of a host, if it is its turn: hosts open their letters in the order of what happens, so that
    /// within a tick none of them sees what another has yet to do.
    pub(super) fn next_letter(&mut self, host: usize) -> Option<(Key, Letter)> {
        let (horizon, slowest) = (self.horizon, self.slowest());
        let station = &mut self.stations[host];
        if !station.alive || THINGS_MAX < self.counted {
            return None;
        }
        if slowest != station.agenda.first() {
            self.call_next();
            return None;
        }
        let next = station.agenda.pop(horizon);
        station.reading = next.as_ref().map(|(key, _)| *key);
        next
    }

    /// It is this moment for this host.
    pub(super) fn clock(&mut self, host: usize, at: Time) {
        let station = &mut self.stations[host];
        station.clock = station.clock.max(at);
        self.now = station.clock;
    }

    /// Opens a letter.
    pub(super) fn open(&mut self, host: usize, key: Key, letter: Letter) -> Opened {
        self.clock(host, key.at);
        match letter {
            Letter::Input(input) => self.tell(host, input),
            Letter::Syn { conn, attempt } => self.on_syn(conn, attempt),
            Letter::Established { conn } => self.on_established(conn),
            Letter::Arrive { conn, dir, version } => return self.on_arrive(conn, dir, version),
            Letter::Read { conn, dir } => return self.read_landed(conn, dir),
            Letter::Told { conn, side, end } => self.on_told(conn, side, end),
            Letter::Wake => {
                // A wake that was planned before the deadline moved is not the one to act on.
                if self.stations[host].wake_at == Some(key.at) {
                    self.stations[host].wake_at = None;
                    self.tell(host, Input::Wake);
                }
            }
        }
        Opened::Done
    }
}
