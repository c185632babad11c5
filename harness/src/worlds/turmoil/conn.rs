//! Connections of the turmoil world: the control block that both ends of a connection share.
//!
//! The bytes of a connection travel through turmoil's TCP. Beside them, in the same order, travels what the history
//! needs to know of them: one parcel for each message, with the place of its bytes in the stream. A receiver may read
//! only as far as parcels have arrived.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;
use unplug_reconnect::id::ConnId;
use unplug_reconnect::time::Time;

use super::wire::{Heard, Item};
use crate::fault::{Dir, Side};
use crate::history::Frame;
use crate::worlds::{End, Progress};

/// What a parcel is.
#[derive(Clone, Debug)]
pub(super) enum Cargo {
    /// A request for a WebSocket upgrade.
    Upgrade,
    /// The answer to it.
    UpgradeReply,
    /// A message that the history knows.
    Frame(Arc<Frame>),
    /// A WebSocket close frame, behind which the sender is gone.
    CloseFrame(u16),
    /// The end of the stream.
    Fin,
}

/// One message on its way, and its fate.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    /// Counts the parcels of its direction.
    pub(super) id: u64,
    pub(super) cargo: Cargo,
    /// How many bytes it was expected to have: what windows and bandwidths reckon with.
    pub(super) bytes: usize,
    /// Where its bytes lie in the stream, once they are written.
    pub(super) wire: Option<(u64, u64)>,
    /// When it was handed to TCP.
    pub(super) first_sent: Time,
    /// When TCP last sent it.
    pub(super) sent: Time,
    /// When it arrives, if nothing happens to it.
    pub(super) due: Time,
    /// It lies in the receiver's buffer and waits to be read.
    pub(super) buffered: bool,
    /// Only so many bytes of it arrive; then the connection is reset.
    pub(super) torn: Option<u64>,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) queue: VecDeque<Parcel>,
    /// What arrived last and is being read by the receiver's library.
    pub(super) landing: Option<(Parcel, Time)>,
    pub(super) bytes: usize,
    /// Nothing gets in any more; what is on its way goes on.
    pub(super) cut: bool,
    /// Nothing gets through any more, and nobody is told.
    pub(super) void: bool,
    /// The head was lost; TCP sends it again when it may get through.
    pub(super) parked: bool,
    pub(super) congested: bool,
    pub(super) last_due: Time,
    /// When the link has passed on the bytes before.
    pub(super) busy_until: Time,
    /// When the receiver has read the bytes before.
    pub(super) read_until: Time,
    /// Arrivals planned under an older version are void.
    pub(super) version: u32,
    pub(super) sends: u64,
    /// The parcel whose bytes the sender's library writes right now.
    pub(super) writing: Option<u64>,
    /// How many bytes were written, and how many of them when the last parcel was complete.
    pub(super) written: u64,
    pub(super) complete: u64,
    /// How far the receiver may read, and how far it has.
    pub(super) allowed: u64,
    pub(super) taken: u64,
    /// Behind what may be read lies the end of the stream.
    pub(super) eof: bool,
    /// The receiver's library waits for more.
    pub(super) reader: Option<Waker>,
}

impl Flow {
    fn wake(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    /// Whether a read gets anywhere.
    pub(super) const fn is_readable(&self) -> bool {
        self.taken < self.allowed || self.eof
    }

    /// The sender's library has written all of a message.
    pub(super) fn complete(&mut self) {
        if self.written == self.complete {
            return;
        }
        let Some(id) = self.writing.take() else { return };
        if let Some(parcel) = self.queue.iter_mut().find(|parcel| parcel.id == id) {
            parcel.wire = Some((self.complete, self.written));
        }
        self.complete = self.written;
    }
}

/// One end: its socket, and the task that keeps it (its port).
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) end: End,
    /// How reads and writes fail from now on.
    pub(super) broken: Option<io::ErrorKind>,
    /// What the port is to write, with the parcels that carry it.
    pub(super) items: VecDeque<(Item, Option<u64>)>,
    /// What the port has understood.
    pub(super) heard: VecDeque<Heard>,
    /// Rings when the port has something to do.
    pub(super) bell: Rc<Notify>,
    /// Rings when the host gives this end up. A bell wakes one who waits, so nobody else waits for this one.
    pub(super) knell: Rc<Notify>,
    pub(super) port: Port,
    /// The dialer's ports are counted: a lost SYN is followed by another one, from another port.
    pub(super) ports: u32,
}

/// How far the task at an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// It has not begun to listen.
    Coming,
    /// It keeps the socket.
    Live,
    /// It is gone.
    Ended,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) id: ConnId,
    pub(super) client: usize,
    pub(super) server: usize,
    pub(super) url: Option<Arc<str>>,
    pub(super) progress: Progress,
    /// The server's host knows of it.
    pub(super) accepted: bool,
    /// The status with which the server's library is to answer the upgrade.
    pub(super) answered: Option<u16>,
    endpoints: [Endpoint; 2],
    flows: [Flow; 2],
    /// Its own share of slowness.
    pub(super) extra: Duration,
}

impl Conn {
    pub(super) fn new(
        id: ConnId,
        client: usize,
        server: usize,
        url: Option<Arc<str>>,
        extra: Duration,
    ) -> Self {
        Self {
            id,
            client,
            server,
            url,
            progress: Progress::Connecting,
            accepted: false,
            answered: None,
            endpoints: [Endpoint::new(), Endpoint::new()],
            flows: [Flow::default(), Flow::default()],
            extra,
        }
    }

    pub(super) const fn host(&self, side: Side) -> usize {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    pub(super) const fn end(&self, side: Side) -> End {
        self.endpoints[side as usize].end
    }

    pub(super) const fn endpoint(&mut self, side: Side) -> &mut Endpoint {
        &mut self.endpoints[side as usize]
    }

    pub(super) const fn flow(&self, dir: Dir) -> &Flow {
        &self.flows[dir as usize]
    }

    pub(super) const fn flow_mut(&mut self, dir: Dir) -> &mut Flow {
        &mut self.flows[dir as usize]
    }

    /// Whether the connection can still experience anything.
    pub(super) fn is_live(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.end == End::Open)
            && self.progress != Progress::Connecting
    }

    /// Whether this end has a socket that its host knows of.
    pub(super) fn is_told(&self, side: Side) -> bool {
        self.end(side) == End::Open && (side == Side::Client || self.accepted)
    }

    /// This end's host has no socket any more; what its port has to write, it still writes.
    pub(super) fn leave(&mut self, side: Side) {
        let endpoint = &mut self.endpoints[side as usize];
        endpoint.end = End::Gone;
        endpoint.bell.notify_one();
        endpoint.knell.notify_one();
    }

    /// This end has no socket any more; its library finds out by an error.
    pub(super) fn break_off(&mut self, side: Side, why: io::ErrorKind) {
        self.leave(side);
        self.endpoints[side as usize].broken.get_or_insert(why);
        self.flows[side.sends().back() as usize].wake();
    }

    /// The receiver in this direction may read this far.
    pub(super) fn allow(&mut self, dir: Dir, up_to: u64) {
        let flow = &mut self.flows[dir as usize];
        flow.allowed = flow.allowed.max(up_to);
        flow.wake();
        self.endpoints[dir.receiver() as usize].bell.notify_one();
    }

    /// The end of the stream has arrived at the receiver in this direction.
    pub(super) fn reach_end(&mut self, dir: Dir) {
        self.flows[dir as usize].eof = true;
        self.flows[dir as usize].wake();
        self.endpoints[dir.receiver() as usize].bell.notify_one();
    }
}

impl Endpoint {
    fn new() -> Self {
        Self {
            end: End::Open,
            broken: None,
            items: VecDeque::new(),
            heard: VecDeque::new(),
            bell: Rc::new(Notify::new()),
            knell: Rc::new(Notify::new()),
            port: Port::Coming,
            ports: 0,
        }
    }
}
