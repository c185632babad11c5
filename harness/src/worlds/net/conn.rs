//! Connections: what is on its way, and what either end believes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::id::ConnId;
use unplug_reconnect::time::Time;

use super::Carrier;
use crate::fault::{Dir, Side};
use crate::history::Frame;
use crate::host::Payload;

/// What one end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worlds) enum End {
    /// A live socket.
    Open,
    /// No socket: what arrives is answered with a reset.
    Gone,
}

/// How far the client's dial has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worlds) enum Progress {
    /// TCP is not established.
    Connecting,
    /// The upgrade is not answered.
    Upgrading,
    /// The client may send frames.
    Open,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(in crate::worlds) enum Load {
    /// A request for a WebSocket upgrade.
    Upgrade(Option<Arc<str>>),
    /// The answer to it: 101, or another HTTP status.
    Answer(u16),
    /// A frame.
    Frame { frame: Arc<Frame>, payload: Payload },
    /// A WebSocket close frame, behind which the sender is gone.
    Close { code: u16, reason: String },
    /// The end of the stream.
    Fin,
}

impl Load {
    /// Whether a second copy of it makes sense: handshakes and HTTP have none that a library would take.
    pub(super) const fn has_copies(&self) -> bool {
        match self {
            Self::Frame { payload, .. } => match payload {
                Payload::Message(_) | Payload::Text(_) | Payload::Ping | Payload::Pong => true,
                Payload::Connect(_) | Payload::ConnectReply { .. } => false,
            },
            Self::Close { .. } => true,
            Self::Upgrade(_) | Self::Answer(_) | Self::Fin => false,
        }
    }
}

/// Something on its way, and its fate.
pub(in crate::worlds) struct Parcel<C: Carrier> {
    /// Counts the parcels of its direction.
    pub(in crate::worlds) id: u64,
    pub(in crate::worlds) load: Load,
    pub(in crate::worlds) tag: C::Tag,
    pub(super) bytes: usize,
    /// When it was handed to TCP.
    pub(super) first_sent: Time,
    /// When TCP last sent it.
    pub(super) sent: Time,
    /// When it arrives, if nothing happens to it.
    pub(super) due: Time,
    /// It lies in the receiver's buffer and waits to be read.
    pub(super) buffered: bool,
    /// Only so many bytes of it arrive; then the connection is reset.
    pub(in crate::worlds) torn: Option<u64>,
}

/// One direction of a connection.
pub(in crate::worlds) struct Flow<C: Carrier> {
    pub(in crate::worlds) queue: VecDeque<Parcel<C>>,
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
}

impl<C: Carrier> Flow<C> {
    fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            cut: false,
            void: false,
            parked: false,
            congested: false,
            last_due: Time::ZERO,
            busy_until: Time::ZERO,
            read_until: Time::ZERO,
            version: 0,
            sends: 0,
        }
    }
}

/// One connection.
pub(in crate::worlds) struct Conn<C: Carrier> {
    pub(in crate::worlds) id: ConnId,
    pub(in crate::worlds) client: usize,
    pub(in crate::worlds) server: usize,
    pub(in crate::worlds) url: Option<Arc<str>>,
    pub(in crate::worlds) progress: Progress,
    pub(in crate::worlds) line: C::Line,
    /// The server's host knows of it.
    pub(super) accepted: bool,
    ends: [End; 2],
    flows: [Flow<C>; 2],
    /// Its own share of slowness.
    pub(super) extra: Duration,
}

impl<C: Carrier> Conn<C> {
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
            line: C::Line::default(),
            accepted: false,
            ends: [End::Open; 2],
            flows: [Flow::new(), Flow::new()],
            extra,
        }
    }

    pub(in crate::worlds) const fn host(&self, side: Side) -> usize {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    pub(in crate::worlds) const fn end(&self, side: Side) -> End {
        self.ends[side as usize]
    }

    pub(super) const fn flow(&self, dir: Dir) -> &Flow<C> {
        &self.flows[dir as usize]
    }

    pub(in crate::worlds) const fn flow_mut(&mut self, dir: Dir) -> &mut Flow<C> {
        &mut self.flows[dir as usize]
    }

    /// Whether the connection can still experience anything.
    pub(super) fn is_live(&self) -> bool {
        self.ends.contains(&End::Open) && self.progress != Progress::Connecting
    }

    /// Whether this end has a socket that its host knows of.
    pub(super) fn is_told(&self, side: Side) -> bool {
        self.end(side) == End::Open && (side == Side::Client || self.accepted)
    }

    /// The receiver may read the beginning of the head.
    pub(super) fn admit_half(&mut self, dir: Dir) {
        if let Some(head) = self.flows[dir as usize].queue.front() {
            C::admit_half(&mut self.line, dir, head);
        }
    }

    /// This end's host has no socket any more.
    pub(super) fn leave(&mut self, side: Side) {
        self.ends[side as usize] = End::Gone;
        C::left(&mut self.line, side);
    }
}
