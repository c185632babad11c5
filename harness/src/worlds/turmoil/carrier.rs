//! turmoil's TCP as a carrier: what is sent becomes bytes that a library writes, and what arrives is what a library at
//! the other end makes of them.
//!
//! Every host has an agenda of its own, because turmoil runs each of them as a task of its own; what happens to the
//! network itself, and to a host that is away, is on the driver's. turmoil runs every host on one thread, so a
//! `RefCell` is all the locking there is. Time is exact: whatever happens carries the moment at which it was to happen,
//! and a tick of turmoil only says when it is carried out.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::CloseReason;

use super::NAME;
use super::agenda::{Agenda, Key};
use super::line::Line;
use super::wire::{Heard, Item};
use crate::fault::{Dir, Side};
use crate::worlds::net::{Carrier, Class, Ev, Load, Net, Opened, Over, Parcel};

/// The network of this world.
pub(super) type World = Net<Tcp>;

/// The world as its hosts hold it.
pub(super) type Shared = Rc<RefCell<World>>;

/// Something that is to happen: to the network, or in this world alone.
#[derive(Debug)]
pub(super) enum Letter {
    Net(Ev),
    /// The receiver's library may read what has arrived.
    Read {
        conn: usize,
        dir: Dir,
    },
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

/// A host as a task of turmoil.
#[derive(Debug)]
pub(super) struct Desk {
    /// It has no power: the driver opens its letters.
    pub(super) away: bool,
    pub(super) agenda: Agenda<Letter>,
    /// The letter that it is reading.
    pub(super) reading: Option<Key>,
    /// When it read its last letter: its time never runs backwards.
    pub(super) clock: Time,
    /// Rings when it has something to do.
    pub(super) bell: Rc<Notify>,
    pub(super) begins: Vec<Begin>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Tcp {
    /// What lies before it may be carried out now.
    pub(super) horizon: Key,
    /// How long a host waits for its library to make a message of bytes that have arrived, in turmoil's time: they may
    /// still be on turmoil's way. A library that makes nothing of them must not stop the host for good.
    pub(super) patience: Duration,
    pub(super) counted: u64,
    /// The driver's agenda, with the host that a letter is for, if it is away.
    pub(super) errands: Agenda<(Option<usize>, Letter)>,
    pub(super) desks: Vec<Desk>,
    pub(super) verbs: Vec<Verb>,
}

impl Tcp {
    pub(super) fn new(hosts: usize, patience: Duration) -> Self {
        Self {
            horizon: Key::behind(Time::ZERO),
            patience,
            counted: 0,
            errands: Agenda::new(),
            desks: (0..hosts).map(|_| Desk::new()).collect(),
            verbs: Vec::new(),
        }
    }

    /// Puts a letter on the agenda of a host, or of the driver.
    fn post(&mut self, at: Time, class: Class, host: Option<usize>, letter: Letter) {
        self.counted += 1;
        let key = Key::new(at, class, self.counted);
        match host.map(|host| &mut self.desks[host]).filter(|desk| !desk.away) {
            Some(desk) => desk.agenda.insert(key, letter),
            None => self.errands.insert(key, (host, letter)),
        }
    }
}

impl Desk {
    fn new() -> Self {
        Self {
            away: false,
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
}

impl Carrier for Tcp {
    const NAME: &'static str = NAME;
    type Line = Line;
    type Packed = Item;
    /// Where its bytes lie in the stream, once they are written.
    type Tag = Option<(u64, u64)>;

    fn schedule(&mut self, at: Time, class: Class, host: Option<usize>, event: Ev) {
        self.post(at, class, host, Letter::Net(event));
    }

    fn pack(load: &Load, dir: Dir) -> (Item, usize) {
        let item = Item::of(load);
        let bytes = item.size(dir == Dir::C2s);
        (item, bytes)
    }

    fn send(line: &mut Line, dir: Dir, parcel: u64, item: Item) {
        if let Item::Answer(status) = item {
            line.answered = Some(status);
            line.stream_mut(dir).writing = Some(parcel);
        } else {
            line.endpoint(dir.sender()).queue(item, Some(parcel));
        }
    }

    /// The library must still be rid of the pong that it has ready.
    fn forgo(line: &mut Line, dir: Dir, item: Item) {
        if matches!(item, Item::Pong) {
            line.endpoint(dir.sender()).queue(item, None);
        }
    }

    fn clear(line: &mut Line, dir: Dir) {
        line.endpoint(dir.sender()).items.clear();
    }

    /// turmoil connects. A port of an earlier SYN is given up.
    fn connect(net: &mut World, conn: usize) {
        let (client, server) = (net.conns[conn].client, net.conns[conn].server);
        let endpoint = net.conns[conn].line.endpoint(Side::Client);
        endpoint.ports += 1;
        endpoint.bell.notify_one();
        let port = endpoint.ports;
        net.carrier.desks[client]
            .begins
            .push(Begin { conn, port, server });
    }

    fn established(line: &mut Line) {
        line.endpoint(Side::Client).bell.notify_one();
    }

    fn is_sent(parcel: &Parcel<Self>) -> bool {
        parcel.tag.is_some() || matches!(parcel.load, Load::Fin)
    }

    fn admit_half(line: &mut Line, dir: Dir, parcel: &Parcel<Self>) {
        let (start, end) = parcel.tag.unwrap_or_default();
        let half = (end - start) / 2;
        line.allow(dir, start + parcel.torn.map_or(half, |torn| half.min(torn)));
    }

    fn admit_torn(line: &mut Line, dir: Dir, parcel: &Parcel<Self>, bytes: u64) {
        let (start, end) = parcel.tag.unwrap_or_default();
        line.allow(dir, end.min(start + bytes));
    }

    /// The library that is asked for an upgrade answers at once, so it reads nothing while its host is stalled.
    fn hand_over(net: &mut World, conn: usize, dir: Dir, parcel: Parcel<Self>) -> Opened {
        let is_upgrade = matches!(parcel.load, Load::Upgrade(_));
        net.conns[conn].line.stream_mut(dir).landing = Some((parcel, net.now));
        let host = net.conns[conn].host(dir.receiver());
        let until = net.stations[host].stalled_until;
        if is_upgrade && net.now < until {
            net.carrier
                .post(until, Class::News, Some(host), Letter::Read { conn, dir });
            return Opened::Done;
        }
        net.read_landed(conn, dir)
    }

    fn left(line: &mut Line, side: Side) {
        let endpoint = line.endpoint(side);
        endpoint.bell.notify_one();
        endpoint.knell.notify_one();
    }

    fn broken(line: &mut Line, side: Side, end: Over) {
        line.break_off(side, error_kind(end));
    }

    fn crash(&mut self, host: usize) {
        let desk = &mut self.desks[host];
        desk.away = true;
        desk.reading = None;
        desk.begins.clear();
        for (key, letter) in desk.agenda.take() {
            self.errands.insert(key, (Some(host), letter));
        }
        self.verbs.push(Verb::Crash(host));
    }

    fn restart(&mut self, host: usize) {
        self.desks[host].away = false;
        self.verbs.push(Verb::Bounce(host));
    }
}

impl World {
    /// The receiver's library reads what has arrived.
    pub(super) fn read_landed(&mut self, conn: usize, dir: Dir) -> Opened {
        let now = self.now;
        let line = &mut self.conns[conn].line;
        let Some((parcel, at)) = &mut line.stream_mut(dir).landing else {
            return Opened::Done;
        };
        *at = now;
        let end = parcel.tag.map(|(_, end)| end);
        line.endpoint(dir.receiver()).heard.clear();
        match end {
            Some(end) => line.allow(dir, end),
            None => line.reach_end(dir),
        }
        Opened::Bytes { conn, dir }
    }

    /// The receiver's library says what it has read; nothing if it does not come to an end with it.
    pub(super) fn land(&mut self, conn: usize, dir: Dir, heard: Option<Heard>) {
        let Some((parcel, at)) = self.conns[conn].line.stream_mut(dir).landing.take() else {
            return;
        };
        let host = self.conns[conn].host(dir.receiver());
        if !self.stations[host].alive {
            return;
        }
        self.clock(host, at);
        let understood = match (parcel.load, heard) {
            (Load::Frame { frame, .. }, Some(heard)) => {
                heard.payload().map(|payload| Load::Frame { frame, payload })
            }
            (Load::Answer(_), Some(Heard::Upgraded(status))) => Some(Load::Answer(status)),
            (Load::Close { reason, .. }, Some(Heard::Close(code))) => Some(Load::Close { code, reason }),
            (load @ (Load::Close { .. } | Load::Fin), _) => Some(load),
            (Load::Answer(_), Some(_)) => None,
            // The library had its answer while it read; or what it read is no message to it.
            (Load::Upgrade(_), _) | (Load::Answer(_) | Load::Frame { .. }, None) => return,
        };
        match understood {
            Some(load) => self.deliver(conn, dir, load),
            // The library has given the connection up.
            None => self.on_told(conn, dir.receiver(), Over::Closed(CloseReason::Reset)),
        }
    }

    /// A server's library has read a request for an upgrade and wants its answer; none if there is to be none.
    pub(super) fn answer_library(&mut self, conn: usize, url: Option<Arc<str>>) -> Option<u16> {
        let at = self.conns[conn].line.stream_mut(Dir::C2s).landing.as_ref()?.1;
        self.clock(self.conns[conn].server, at);
        self.on_upgrade(conn, url);
        self.conns[conn].line.answered.take()
    }

    /// A port says what its library has read.
    pub(super) fn hear(&mut self, conn: usize, side: Side, heard: Heard) {
        let host = self.conns[conn].host(side);
        self.conns[conn].line.endpoint(side).heard.push_back(heard);
        self.carrier.desks[host].bell.notify_one();
    }

    /// A library has written all of a message.
    pub(super) fn complete(&mut self, conn: usize, dir: Dir) {
        let conn = &mut self.conns[conn];
        let Some((id, place)) = conn.line.stream_mut(dir).complete() else {
            return;
        };
        let mut parcels = conn.flow_mut(dir).queue.iter_mut();
        if let Some(parcel) = parcels.find(|parcel| parcel.id == id) {
            parcel.tag = Some(place);
        }
    }
}

/// What a socket's user sees when its connection ends like this.
const fn error_kind(end: Over) -> io::ErrorKind {
    match end {
        Over::Closed(why) => match why {
            CloseReason::Fin | CloseReason::CloseFrame(_) => io::ErrorKind::UnexpectedEof,
            CloseReason::Reset => io::ErrorKind::ConnectionReset,
            CloseReason::NetworkDown => io::ErrorKind::NetworkDown,
            CloseReason::TcpTimeout => io::ErrorKind::TimedOut,
        },
        Over::DialFailed(_) => io::ErrorKind::ConnectionRefused,
    }
}
