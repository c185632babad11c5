//! What all hosts of a run share: the stage, the agendas, the hosts and the control blocks of their connections.
//!
//! turmoil runs every host on one thread, so a `RefCell` is all the locking there is. Time is exact: whatever happens
//! carries the moment at which it was to happen, and a tick of turmoil only says when it is carried out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use unplug_reconnect::id::ConnId;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::{CloseReason, DialError};

use super::agenda::{Agenda, Class, Key};
use super::conn::Conn;
use super::{NAME, faults, travel};
use crate::fault::{Dir, Side};
use crate::history::Event;
use crate::host::{Effect, Host, Input};
use crate::plan::{Action, LinkPlan, Plan};
use crate::stage::{Due, SCRIPT, Stage};
use crate::worlds::Run;

/// The world as its hosts hold it.
pub(super) type Shared = Rc<RefCell<World>>;

/// A run that does more than this is stopped: no script means to.
const THINGS_MAX: u64 = 2_000_000;

/// What a host opens, at its time.
#[derive(Clone, Debug)]
pub(super) enum Letter {
    Input(Input),
    Syn { conn: usize, attempt: u32 },
    Established { conn: usize },
    Arrive { conn: usize, dir: Dir, version: u32 },
    Read { conn: usize, dir: Dir },
    Told { conn: usize, side: Side, end: Over },
    Wake,
}

/// What the driver does, at its time.
#[derive(Debug)]
pub(super) enum Errand {
    Step(Due),
    Heal {
        fault: usize,
    },
    TcpTimeout {
        conn: usize,
        dir: Dir,
        first_sent: Time,
    },
    /// A letter to a host that is away.
    Letter {
        host: usize,
        letter: Letter,
    },
}

/// How an end learns that its connection, or its dial, is over.
#[derive(Clone, Copy, Debug)]
pub(super) enum Over {
    Closed(CloseReason),
    DialFailed(DialError),
}

/// What opening a letter leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// Nothing more.
    Done,
    /// Bytes have arrived; the port says what they mean.
    Bytes { conn: usize, dir: Dir },
    /// The sender's library has not written them yet.
    Unwritten { conn: usize, dir: Dir },
}

/// A task that a host is to begin: the dialer's end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    pub(super) conn: usize,
    pub(super) port: u32,
    pub(super) server: usize,
}

/// What only turmoil's driver can do to a host.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verb {
    Crash(usize),
    Bounce(usize),
}

/// A host and the state of its network.
pub(super) struct Station {
    pub(super) host: Host,
    pub(super) alive: bool,
    pub(super) link_down: bool,
    pub(super) stalled_until: Time,
    /// How fast it reads.
    pub(super) reads: Option<u64>,
    pub(super) refuses: bool,
    pub(super) hangs: bool,
    pub(super) reject_upgrades: (u32, u16),
    pub(super) hang_upgrades: u32,
    pub(super) wake_at: Option<Time>,
    pub(super) agenda: Agenda<Letter>,
    /// The letter that it is reading.
    pub(super) reading: Option<Key>,
    /// When it read its last letter: its time never runs backwards.
    clock: Time,
    /// Rings when it has something to do.
    pub(super) bell: Rc<Notify>,
    pub(super) begins: Vec<Begin>,
}

/// The links between a client and its servers.
pub(super) struct Path {
    /// By direction.
    pub(super) silent: [bool; 2],
    pub(super) silenced_at: [Option<Time>; 2],
    pub(super) quality: LinkPlan,
    pub(super) reorder: Duration,
}

/// See the module's documentation.
pub(super) struct World {
    pub(super) plan: Rc<Plan>,
    pub(super) seed: Seed,
    pub(super) now: Time,
    /// What lies before it may be carried out now.
    horizon: Key,
    /// Nothing that a host does reaches another one sooner, but for faults.
    lookahead: Duration,
    counted: u64,
    errands: Agenda<Errand>,
    pub(super) stage: Stage,
    pub(super) stations: Vec<Station>,
    /// By client host.
    pub(super) paths: BTreeMap<usize, Path>,
    pub(super) conns: Vec<Conn>,
    pub(super) by_id: BTreeMap<ConnId, usize>,
    pub(super) faults: Vec<faults::Active>,
    /// What a fault at this very moment does to the frame that is being sent.
    pub(super) fate: travel::Fate,
    pub(super) verbs: Vec<Verb>,
}

impl World {
    pub(super) fn new(plan: Rc<Plan>, seed: Seed, lookahead: Duration) -> Self {
        let stations = (0..plan.hosts.len())
            .map(|index| Station::new(Host::new(&plan, index, seed)))
            .collect();
        let paths = plan
            .clients()
            .map(|(client, ..)| (client, Path::new(plan.link)))
            .collect();
        let mut world = Self {
            seed,
            now: Time::ZERO,
            horizon: Key::behind(Time::ZERO),
            lookahead,
            counted: 0,
            errands: Agenda::new(),
            stage: Stage::new(&plan, NAME, seed),
            stations,
            paths,
            conns: Vec::new(),
            by_id: BTreeMap::new(),
            faults: Vec::new(),
            fate: travel::Fate::Pass,
            verbs: Vec::new(),
            plan,
        };
        world.play();
        world
    }

    /// The driver's turn, before turmoil takes a step: carries out its errands up to this moment, and lets hosts open
    /// their letters up to the errand that must wait for them. A host that waits for its library holds the others back.
    pub(super) fn advance(&mut self, to: Time) {
        let mut to = to.min(self.plan.until);
        if let Some(slowest) = self.slowest() {
            to = to.min(slowest.at + self.lookahead);
        }
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
        for station in &self.stations {
            if station.agenda.first().is_some_and(|first| first < self.horizon) {
                station.bell.notify_one();
            }
        }
    }

    /// Whether a host has something to do before this.
    fn is_awaited(&self, key: Key) -> bool {
        self.slowest().is_some_and(|first| first < key)
    }

    /// The first thing that any host has to do.
    fn slowest(&self) -> Option<Key> {
        let alive = self.stations.iter().filter(|station| station.alive);
        alive
            .flat_map(|station| station.reading.into_iter().chain(station.agenda.first()))
            .min()
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
            if key < self.horizon {
                station.bell.notify_one();
            }
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

    /// The next letter that a host may open.
    pub(super) fn next_letter(&mut self, host: usize) -> Option<(Key, Letter)> {
        let horizon = self.horizon;
        let station = &mut self.stations[host];
        if !station.alive || THINGS_MAX < self.counted {
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

    /// Tells a host something and lets it act on it.
    pub(super) fn tell(&mut self, host: usize, input: Input) {
        let station = &mut self.stations[host];
        if !station.alive {
            return;
        }
        if self.now < station.stalled_until {
            let at = station.stalled_until;
            self.post(at, Class::News, host, Letter::Input(input));
            return;
        }
        station.host.handle(input, self.now, &mut self.stage.names);
        self.drain(host);
    }

    /// Carries out what a host does, in order: a fault may take effect between any two effects.
    pub(super) fn drain(&mut self, host: usize) {
        while let Some(effect) = self.stations[host].host.poll() {
            match effect {
                Effect::Record(event) => self.record(host, event),
                Effect::Dial { conn, to, url } => self.dial(host, conn, to, url),
                Effect::Send { conn, frame, payload } => self.send(host, conn, frame, payload),
                Effect::Accept(conn) => self.answer_upgrade(conn, 101),
                Effect::TurnAway { conn, status } => self.answer_upgrade(conn, status),
                Effect::Hangup(conn) => self.hang_up(host, conn),
                Effect::Expire { up_to } => self.tell_honouring(host, &Input::ExpireUrlsUpTo(up_to)),
            }
        }
        let station = &mut self.stations[host];
        let deadline = station.host.deadline();
        if let Some(at) = deadline.filter(|_| deadline != station.wake_at) {
            let at = at.max(self.now).max(station.stalled_until);
            station.wake_at = Some(at);
            self.post(at, Class::Deadline, host, Letter::Wake);
        } else if deadline.is_none() {
            station.wake_at = None;
        }
    }

    /// Writes down a fact and carries out what it sets off.
    pub(super) fn record(&mut self, who: usize, event: Event) {
        self.stage.record(self.now, who, event);
        self.play();
    }

    /// Carries out the steps that are due now, and plans the later ones.
    pub(super) fn play(&mut self) {
        while let Some(due) = self.stage.take_due() {
            if due.at <= self.now && Time::ZERO < self.now {
                self.fire(due);
            } else {
                self.plan(due.at, Class::Script, Errand::Step(due));
            }
        }
    }

    fn fire(&mut self, due: Due) {
        let plan = Rc::clone(&self.plan);
        match &plan.steps[due.step].action {
            // A host may be in the middle of something: it hears of the call right after.
            Action::Do { client, task } => {
                let letter = Letter::Input(Input::Do(task.clone()));
                self.post(self.now, Class::Script, *client, letter);
            }
            Action::Fault { fault, client } => {
                let conn = due.conn.and_then(|conn| self.by_id.get(&conn).copied());
                let aimed = faults::Aim {
                    client: *client,
                    conn,
                };
                let event = Event::Fault {
                    fault: fault.clone(),
                    conn: due.conn,
                };
                self.stage.record(self.now, SCRIPT, event);
                self.strike(fault, aimed);
            }
        }
        self.stage.fired(due.step, self.now);
        self.play();
    }

    /// The run is over.
    pub(super) fn finish(mut self) -> Run {
        let runaway = self.runaway();
        self.now = self.plan.until;
        for host in 0..self.stations.len() {
            for event in self.stations[host].host.last_words() {
                self.record(host, event);
            }
        }
        let (mut history, stale) = self.stage.finish();
        // Within a tick one host after another writes; what they write carries its moment.
        history.entries.sort_by_key(|entry| entry.t);
        Run {
            history,
            stale,
            runaway,
        }
    }
}

impl Station {
    fn new(host: Host) -> Self {
        Self {
            host,
            alive: true,
            link_down: false,
            stalled_until: Time::ZERO,
            reads: None,
            refuses: false,
            hangs: false,
            reject_upgrades: (0, 0),
            hang_upgrades: 0,
            wake_at: None,
            agenda: Agenda::new(),
            reading: None,
            clock: Time::ZERO,
            bell: Rc::new(Notify::new()),
            begins: Vec::new(),
        }
    }

    /// Whether packets reach it.
    pub(super) const fn is_reachable(&self) -> bool {
        self.alive && !self.link_down
    }
}

impl Path {
    const fn new(quality: LinkPlan) -> Self {
        Self {
            silent: [false; 2],
            silenced_at: [None; 2],
            quality,
            reorder: Duration::ZERO,
        }
    }
}
