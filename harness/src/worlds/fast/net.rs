//! Connections of the fast world: what is on its way, and what either end believes.
//!
//! Frames are never cut into segments here; what only bytes show is for the turmoil world. Bytes within a direction
//! never reorder; a loss is a delay, as TCP makes it one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::id::ConnId;
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{Message, Notification, Reply, Request};

use crate::fault::{Dir, Side};
use crate::history::Frame;
use crate::host::Payload;
use crate::worlds::{End, Progress};

/// What travels.
#[derive(Clone, Debug)]
pub(super) enum Cargo {
    /// A request for a WebSocket upgrade.
    Upgrade(Option<Arc<str>>),
    /// The answer to it: 101, or another HTTP status.
    UpgradeReply(u16),
    /// A frame.
    Frame { payload: Payload },
    /// A WebSocket close frame, behind which the sender is gone.
    CloseFrame(u16),
    /// The end of the stream.
    Fin,
}

/// Something that travels, and its fate.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) cargo: Cargo,
    pub(super) frame: Option<Arc<Frame>>,
    pub(super) bytes: usize,
    /// When it was handed to TCP.
    pub(super) first_sent: Time,
    /// When TCP last sent it.
    pub(super) sent: Time,
    /// When it arrives, if nothing happens to it.
    pub(super) due: Time,
    /// It lies in the receiver's buffer and waits to be read.
    pub(super) buffered: bool,
    /// Only its beginning arrives.
    pub(super) torn: bool,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    pub(super) queue: VecDeque<Parcel>,
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
    ends: [End; 2],
    pipes: [Pipe; 2],
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
            ends: [End::Open; 2],
            pipes: [Pipe::default(), Pipe::default()],
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
        self.ends[side as usize]
    }

    pub(super) const fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    pub(super) const fn pipe(&self, dir: Dir) -> &Pipe {
        &self.pipes[dir as usize]
    }

    pub(super) const fn pipe_mut(&mut self, dir: Dir) -> &mut Pipe {
        &mut self.pipes[dir as usize]
    }

    /// Whether the connection can still experience anything.
    pub(super) fn is_live(&self) -> bool {
        self.ends.contains(&End::Open) && self.progress != Progress::Connecting
    }

    /// Whether this end has a socket that its host knows of.
    pub(super) fn is_told(&self, side: Side) -> bool {
        self.end(side) == End::Open && (side == Side::Client || self.accepted)
    }
}

/// About how many bytes a payload has on the wire: enough for windows and bandwidths, which are never asserted to the
/// byte in this world.
pub(super) fn size(payload: &Payload) -> usize {
    /// A message without its bytes.
    const BARE: usize = 120;
    let base64 = |bytes: usize| bytes.div_ceil(3) * 4;
    match payload {
        Payload::Message(message) => match message {
            Message::Request {
                request: Request::Write(params),
                ..
            } => BARE + base64(params.chunk.len()),
            Message::Notification(Notification::Output(params)) => BARE + base64(params.output.chunk.len()),
            Message::Response {
                reply: Reply::Read(read),
                ..
            } => {
                read.chunks
                    .iter()
                    .map(|output| 60 + base64(output.chunk.len()))
                    .sum::<usize>()
                    + BARE
            }
            Message::Request { .. }
            | Message::Notification(_)
            | Message::Response { .. }
            | Message::Error { .. } => BARE,
        },
        Payload::Text(text) => text.len(),
        Payload::Ping | Payload::Pong => 6,
        Payload::Connect(_) | Payload::ConnectReply { .. } => 400,
    }
}
