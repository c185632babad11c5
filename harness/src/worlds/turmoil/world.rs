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
pub(super) const THINGS_MAX: u64 = 2_000_000;

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
    pub(super) clock: Time,
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
    pub(super) horizon: Key,
    /// How long a host waits for its library to make a message of bytes that have arrived, in turmoil's time: they may
    /// still be on turmoil's way. A library that makes nothing of them must not stop the host for good.
    pub(super) patience: Duration,
    pub(super) counted: u64,
    pub(super) errands: Agenda<Errand>,
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
    pub(super) fn new(plan: Rc<Plan>, seed: Seed, patience: Duration) -> Self {
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
            patience,
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
        // A host that lost its power in the middle of its effects performs no more of them.
        while let Some(effect) = self.stations[host]
            .host
            .poll()
            .filter(|_| self.stations[host].alive)
        {
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

    pub(super) fn fire(&mut self, due: Due) {
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

    /// The first thing that it has to do.
    pub(super) fn first(&self) -> Option<Key> {
        self.reading.or_else(|| self.agenda.first())
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
