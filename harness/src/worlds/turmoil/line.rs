//! The control block of a connection, which the tasks at both of its ends share.
//!
//! The bytes of a connection travel through turmoil's TCP. Beside them, in the same order, travel the parcels of the
//! network, each with the place of its bytes in the stream. A receiver may read only as far as parcels have arrived.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::Waker;

use tokio::sync::Notify;
use unplug_reconnect::time::Time;

use super::carrier::Tcp;
use super::wire::{Heard, Item};
use crate::fault::{Dir, Side};
use crate::worlds::net::Parcel;

/// One direction of a connection, as bytes.
#[derive(Default)]
pub(super) struct Stream {
    /// What arrived last, and when: the receiver's library is reading it.
    pub(super) landing: Option<(Parcel<Tcp>, Time)>,
    /// The parcel whose bytes the sender's library writes right now.
    pub(super) writing: Option<u64>,
    /// How many bytes were written, and how many of them when the last parcel was complete.
    pub(super) written: u64,
    complete: u64,
    /// How far the receiver may read, and how far it has.
    pub(super) allowed: u64,
    pub(super) taken: u64,
    /// Behind what may be read lies the end of the stream.
    pub(super) eof: bool,
    /// The receiver's library waits for more.
    pub(super) reader: Option<Waker>,
}

impl Stream {
    fn wake(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    /// Whether a read gets anywhere.
    pub(super) const fn is_readable(&self) -> bool {
        self.taken < self.allowed || self.eof
    }

    /// The sender's library has written all of a message: which parcel it is, and where its bytes lie.
    pub(super) fn complete(&mut self) -> Option<(u64, (u64, u64))> {
        if self.written == self.complete {
            return None;
        }
        let id = self.writing.take()?;
        let start = std::mem::replace(&mut self.complete, self.written);
        Some((id, (start, self.written)))
    }
}

/// One end: its socket, and the task that keeps it (its port).
#[derive(Debug)]
pub(super) struct Endpoint {
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

impl Endpoint {
    /// The port is to write this.
    pub(super) fn queue(&mut self, item: Item, parcel: Option<u64>) {
        self.items.push_back((item, parcel));
        self.bell.notify_one();
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
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

/// Both ends and both directions of a connection.
#[derive(Default)]
pub(super) struct Line {
    /// The status with which the server's library is to answer the upgrade.
    pub(super) answered: Option<u16>,
    endpoints: [Endpoint; 2],
    streams: [Stream; 2],
}

impl Line {
    pub(super) const fn endpoint(&mut self, side: Side) -> &mut Endpoint {
        &mut self.endpoints[side as usize]
    }

    pub(super) const fn stream_mut(&mut self, dir: Dir) -> &mut Stream {
        &mut self.streams[dir as usize]
    }

    /// This end's library finds out by an error that it has no socket any more.
    pub(super) fn break_off(&mut self, side: Side, why: io::ErrorKind) {
        self.endpoint(side).broken.get_or_insert(why);
        self.stream_mut(side.sends().back()).wake();
    }

    /// The receiver in this direction may read this far.
    pub(super) fn allow(&mut self, dir: Dir, up_to: u64) {
        let stream = self.stream_mut(dir);
        stream.allowed = stream.allowed.max(up_to);
        stream.wake();
        self.endpoint(dir.receiver()).bell.notify_one();
    }

    /// The end of the stream has arrived at the receiver in this direction.
    pub(super) fn reach_end(&mut self, dir: Dir) {
        let stream = self.stream_mut(dir);
        stream.eof = true;
        stream.wake();
        self.endpoint(dir.receiver()).bell.notify_one();
    }
}
