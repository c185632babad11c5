//! The fast world: hosts, links and timers on one event heap that jumps to the next thing that happens.
//!
//! Silence costs nothing here, so seeds go by the million. Frames travel whole: what only bytes show (framing, half
//! frames, partial reads) is for the turmoil world. `net` holds connections, `travel` moves what is on its way, `dial`
//! opens and ends connections, and `faults` alone says what a fault does to them.

mod dial;
mod faults;
mod net;
mod queue;
mod travel;

use std::collections::BTreeMap;
use std::time::Duration;

use unplug_reconnect::id::ConnId;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::{CloseReason, DialError};

use crate::fault::{Dir, Side};
use crate::history::Event;
use crate::host::{Effect, Host, Input};
use crate::plan::{Action, LinkPlan, Plan};
use crate::stage::{Due, SCRIPT, Stage};
use crate::worlds::Run;
use net::Conn;
use queue::{Class, Queue};

/// The name of this world in histories and on the command line.
pub const NAME: &str = "fast";

/// A run that does more than this is stopped: no script means to.
const EVENTS_MAX: u64 = 20_000_000;

/// Runs a plan to its end.
pub fn run(plan: &Plan, seed: Seed) -> Run {
    World::new(plan, seed).run()
}

/// Something on the heap.
enum Ev {
    Step(Due),
    Input { host: usize, input: Box<Input> },
    Syn { conn: usize, attempt: u32 },
    Established { conn: usize },
    Arrive { conn: usize, dir: Dir, version: u32 },
    TcpTimeout { conn: usize, dir: Dir, first_sent: Time },
    Told { conn: usize, side: Side, end: Over },
    Heal { fault: usize },
    Wake { host: usize },
}

/// How an end learns that its connection, or its dial, is over.
#[derive(Clone, Copy, Debug)]
enum Over {
    Closed(CloseReason),
    DialFailed(DialError),
}

/// A host and the state of its network.
struct Station {
    host: Host,
    alive: bool,
    link_down: bool,
    stalled_until: Time,
    /// How fast it reads.
    reads: Option<u64>,
    refuses: bool,
    hangs: bool,
    reject_upgrades: (u32, u16),
    hang_upgrades: u32,
    wake_at: Option<Time>,
}

/// The links between a client and its servers.
struct Path {
    /// By direction.
    silent: [bool; 2],
    silenced_at: [Option<Time>; 2],
    quality: LinkPlan,
    reorder: Duration,
}

struct World<'a> {
    plan: &'a Plan,
    seed: Seed,
    now: Time,
    queue: Queue<Ev>,
    stage: Stage,
    stations: Vec<Station>,
    /// By client host.
    paths: BTreeMap<usize, Path>,
    conns: Vec<Conn>,
    by_id: BTreeMap<ConnId, usize>,
    faults: Vec<faults::Active>,
    /// What a fault at this very moment does to the frame that is being sent.
    fate: travel::Fate,
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan, seed: Seed) -> Self {
        let stations = (0..plan.hosts.len())
            .map(|index| Station::new(Host::new(plan, index, seed)))
            .collect();
        let paths = plan
            .clients()
            .map(|(client, ..)| (client, Path::new(plan.link)))
            .collect();
        let mut world = Self {
            plan,
            seed,
            now: Time::ZERO,
            queue: Queue::new(),
            stage: Stage::new(plan, NAME, seed),
            stations,
            paths,
            conns: Vec::new(),
            by_id: BTreeMap::new(),
            faults: Vec::new(),
            fate: travel::Fate::Pass,
        };
        world.play();
        world
    }

    fn run(mut self) -> Run {
        let mut runaway = None;
        while let Some((at, event)) = self.queue.pop(self.plan.until) {
            self.now = at;
            self.step(event);
            if EVENTS_MAX < self.queue.pushed() {
                runaway = Some(self.queue.pushed());
                break;
            }
        }
        self.now = self.plan.until;
        for host in 0..self.stations.len() {
            for event in self.stations[host].host.last_words() {
                self.record(host, event);
            }
        }
        let (history, stale) = self.stage.finish();
        Run {
            history,
            stale,
            runaway,
        }
    }

    fn step(&mut self, event: Ev) {
        match event {
            Ev::Step(due) => self.fire(due),
            Ev::Input { host, input } => self.tell(host, *input),
            Ev::Syn { conn, attempt } => self.on_syn(conn, attempt),
            Ev::Established { conn } => self.on_established(conn),
            Ev::Arrive { conn, dir, version } => self.on_arrive(conn, dir, version),
            Ev::TcpTimeout {
                conn,
                dir,
                first_sent,
            } => self.on_tcp_timeout(conn, dir, first_sent),
            Ev::Told { conn, side, end } => self.on_told(conn, side, end),
            Ev::Heal { fault } => self.heal(fault),
            Ev::Wake { host } => {
                // A wake that was planned before the deadline moved is not the one to act on.
                if self.stations[host].wake_at == Some(self.now) {
                    self.stations[host].wake_at = None;
                    self.tell(host, Input::Wake);
                }
            }
        }
    }

    /// Tells a host something and lets it act on it.
    fn tell(&mut self, host: usize, input: Input) {
        let station = &mut self.stations[host];
        if !station.alive {
            return;
        }
        if self.now < station.stalled_until {
            let at = station.stalled_until;
            self.tell_at(at, Class::News, host, input);
            return;
        }
        station.host.handle(input, self.now, &mut self.stage.names);
        self.drain(host);
    }

    /// Tells a host something at that time.
    fn tell_at(&mut self, at: Time, class: Class, host: usize, input: Input) {
        self.queue.push(
            at,
            class,
            Ev::Input {
                host,
                input: Box::new(input),
            },
        );
    }

    /// Carries out what a host does, in order: a fault may take effect between any two effects.
    fn drain(&mut self, host: usize) {
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
            self.queue.push(at, Class::Deadline, Ev::Wake { host });
        } else if deadline.is_none() {
            station.wake_at = None;
        }
    }

    /// Writes down a fact and carries out what it sets off.
    fn record(&mut self, who: usize, event: Event) {
        self.stage.record(self.now, who, event);
        self.play();
    }

    /// Carries out the steps that are due now, and plans the later ones.
    fn play(&mut self) {
        while let Some(due) = self.stage.take_due() {
            if due.at <= self.now && Time::ZERO < self.now {
                self.fire(due);
            } else {
                self.queue.push(due.at, Class::Script, Ev::Step(due));
            }
        }
    }

    fn fire(&mut self, due: Due) {
        let plan: &'a Plan = self.plan;
        match &plan.steps[due.step].action {
            // A host may be in the middle of something: it hears of the call right after.
            Action::Do { client, task } => {
                self.tell_at(self.now, Class::Script, *client, Input::Do(task.clone()));
            }
            Action::Fault { fault, client } => {
                let conn = due.conn.and_then(|conn| self.by_id.get(&conn).copied());
                let aimed = faults::Aim {
                    client: *client,
                    conn,
                };
                self.stage.record(
                    self.now,
                    SCRIPT,
                    Event::Fault {
                        fault: fault.clone(),
                        conn: due.conn,
                    },
                );
                self.strike(fault, aimed);
            }
        }
        self.stage.fired(due.step, self.now);
        self.play();
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
        }
    }

    /// Whether packets reach it.
    const fn is_reachable(&self) -> bool {
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
