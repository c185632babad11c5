//! The network of every world: hosts, links, connections, what is on its way, and what faults do to all of it.
//!
//! [`Net`] says what arrives where and when; a [`Carrier`] brings it there. The fast world's carrier is a heap, and what
//! is sent stays what it is. The turmoil world's is a simulated TCP: what is sent becomes bytes, and what arrives is what
//! a library at the other end makes of them. So both worlds have one network, and a fault means the same in both.
//!
//! `conn` holds connections, `dial` opens and ends them, `travel` moves what is on its way, `deliver` hands over what has
//! arrived, and `faults` alone says what a fault does.

mod conn;
mod deliver;
mod dial;
mod faults;
mod tcp;
mod travel;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use unplug_reconnect::id::ConnId;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::{CloseReason, DialError};

use super::Run;
use crate::fault::{Dir, Side};
use crate::history::Event;
use crate::host::{Effect, Host, Input};
use crate::plan::{Action, LinkPlan, Plan};
use crate::stage::{Due, SCRIPT, Stage};

pub(super) use conn::{Conn, End, Load, Parcel, Progress};

/// What brings things from one end of a connection to the other, and keeps what is to happen in order.
pub(super) trait Carrier: Sized {
    /// The name of the world in histories.
    const NAME: &'static str;
    /// What the carrier keeps beside each connection.
    type Line: Default;
    /// What it makes of a load in order to carry it.
    type Packed;
    /// What it notes on each parcel.
    type Tag: Default;

    /// This is to happen at that moment, to this host; to the network itself if none.
    fn schedule(&mut self, at: Time, class: Class, host: Option<usize>, event: Ev);

    /// Makes something of a load that it can carry; with it, how many bytes that has.
    fn pack(load: &Load, dir: Dir) -> (Self::Packed, usize);

    /// The sender hands over the parcel with this number.
    fn send(line: &mut Self::Line, dir: Dir, parcel: u64, packed: Self::Packed);

    /// What the sender hands over is lost before it gets in.
    fn forgo(line: &mut Self::Line, dir: Dir, packed: Self::Packed);

    /// Everything that the sender has handed over and that is not on its way yet is lost.
    fn clear(line: &mut Self::Line, dir: Dir);

    /// A dial gets through to its server.
    fn connect(net: &mut Net<Self>, conn: usize);

    /// The dialer learns that TCP is established.
    fn established(line: &mut Self::Line);

    /// Whether the sender has let go of all of a parcel.
    fn is_sent(parcel: &Parcel<Self>) -> bool;

    /// The receiver may read the beginning of a parcel: half of it, or so many bytes if that is less.
    fn admit_half(line: &mut Self::Line, dir: Dir, parcel: &Parcel<Self>);

    /// The receiver may read so many bytes of a parcel, and never more.
    fn admit_torn(line: &mut Self::Line, dir: Dir, parcel: &Parcel<Self>, bytes: u64);

    /// A parcel has arrived: brings about [`Net::deliver`], now or when the receiver has made sense of it.
    fn hand_over(net: &mut Net<Self>, conn: usize, dir: Dir, parcel: Parcel<Self>) -> Opened;

    /// The host at this end has no socket any more.
    fn left(line: &mut Self::Line, side: Side);

    /// It lost it like this.
    fn broken(line: &mut Self::Line, side: Side, end: Over);

    /// A host loses its power. Its connections are cut by now.
    fn crash(&mut self, host: usize);

    /// It starts anew.
    fn restart(&mut self, host: usize);
}

/// What is handled first at one moment. The script comes before what it aims at; deliveries come before deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Script,
    News,
    Delivery,
    Deadline,
}

/// Something that is to happen.
#[derive(Debug)]
pub(super) enum Ev {
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
pub(super) enum Over {
    Closed(CloseReason),
    DialFailed(DialError),
}

/// What comes of something that has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// Nothing more.
    Done,
    /// Bytes have arrived; a library at this end says what they mean.
    Bytes { conn: usize, dir: Dir },
    /// The sender's library has not let go of them yet.
    Unsent { conn: usize, dir: Dir, version: u32 },
}

/// A host and the state of its network.
pub(super) struct Station {
    pub(super) host: Host,
    pub(super) alive: bool,
    pub(super) stalled_until: Time,
    link_down: bool,
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

/// See the module's documentation.
pub(super) struct Net<C: Carrier> {
    pub(super) plan: Rc<Plan>,
    pub(super) seed: Seed,
    pub(super) now: Time,
    pub(super) carrier: C,
    pub(super) stations: Vec<Station>,
    pub(super) conns: Vec<Conn<C>>,
    stage: Stage,
    /// By client host.
    paths: BTreeMap<usize, Path>,
    by_id: BTreeMap<ConnId, usize>,
    faults: Vec<faults::Active>,
    /// What issuers have told those who honour their URLs, with the issuer: a server that starts anew hears it again.
    decrees: Vec<(usize, Input)>,
    /// What a fault at this very moment does to the frame that is being sent.
    fate: travel::Fate,
}

impl<C: Carrier> Net<C> {
    /// All hosts, and no connection yet. What the script does at the beginning is scheduled.
    pub(super) fn new(plan: Rc<Plan>, seed: Seed, carrier: C) -> Self {
        let stations = (0..plan.hosts.len())
            .map(|index| Station::new(Host::new(&plan, index, seed)))
            .collect();
        let paths = plan
            .clients()
            .map(|(client, ..)| (client, Path::new(plan.link)))
            .collect();
        let mut net = Self {
            seed,
            now: Time::ZERO,
            carrier,
            stations,
            conns: Vec::new(),
            stage: Stage::new(&plan, C::NAME, seed),
            paths,
            by_id: BTreeMap::new(),
            faults: Vec::new(),
            decrees: Vec::new(),
            fate: travel::Fate::Pass,
            plan,
        };
        net.play();
        net
    }

    /// Something happens now.
    pub(super) fn step(&mut self, event: Ev) -> Opened {
        match event {
            Ev::Step(due) => self.fire(due),
            Ev::Input { host, input } => self.tell(host, *input),
            Ev::Syn { conn, attempt } => self.on_syn(conn, attempt),
            Ev::Established { conn } => self.on_established(conn),
            Ev::Arrive { conn, dir, version } => return self.on_arrive(conn, dir, version),
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
        Opened::Done
    }

    /// The run is over.
    pub(super) fn finish(mut self, runaway: Option<u64>) -> Run {
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

    fn schedule(&mut self, at: Time, class: Class, event: Ev) {
        let host = match &event {
            Ev::Step(_) | Ev::TcpTimeout { .. } | Ev::Heal { .. } => None,
            Ev::Input { host, .. } | Ev::Wake { host } => Some(*host),
            Ev::Syn { conn, .. } | Ev::Established { conn } => Some(self.conns[*conn].client),
            Ev::Arrive { conn, dir, .. } => Some(self.conns[*conn].host(dir.receiver())),
            Ev::Told { conn, side, .. } => Some(self.conns[*conn].host(*side)),
        };
        self.carrier.schedule(at, class, host, event);
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
        let input = Box::new(input);
        self.schedule(at, class, Ev::Input { host, input });
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
            self.schedule(at, Class::Deadline, Ev::Wake { host });
        } else if deadline.is_none() {
            station.wake_at = None;
        }
    }

    /// Writes down a fact and carries out what it sets off.
    fn record(&mut self, who: usize, event: Event) {
        self.stage.record(self.now, who, event);
        self.play();
    }

    /// Carries out the steps that are due now, and schedules the later ones.
    fn play(&mut self) {
        while let Some(due) = self.stage.take_due() {
            if due.at <= self.now && Time::ZERO < self.now {
                self.fire(due);
            } else {
                self.schedule(due.at, Class::Script, Ev::Step(due));
            }
        }
    }

    fn fire(&mut self, due: Due) {
        let plan = Rc::clone(&self.plan);
        match &plan.steps[due.step].action {
            // A host may be in the middle of something: it hears of the call right after.
            Action::Do {
                client,
                task,
                leaves_after,
            } => {
                let input = Input::Do {
                    task: task.clone(),
                    leaves_after: *leaves_after,
                };
                self.tell_at(self.now, Class::Script, *client, input);
            }
            Action::Fault { fault, client } => {
                let conn = due.conn.and_then(|conn| self.by_id.get(&conn).copied());
                let aim = faults::Aim {
                    client: *client,
                    conn,
                };
                let event = Event::Fault {
                    fault: fault.clone(),
                    conn: due.conn,
                };
                self.stage.record(self.now, SCRIPT, event);
                self.strike(fault, aim);
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
            stalled_until: Time::ZERO,
            link_down: false,
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
