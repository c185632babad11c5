//! What arrives: the receiver's library may read it, says what it means, and the receiver's host is told.

use std::sync::Arc;

use unplug_reconnect::transport::CloseReason;

use super::agenda::Class;
use super::conn::Cargo;
use super::wire::Heard;
use super::world::{Letter, Opened, Over, World};
use crate::fault::{Dir, Side};
use crate::history::{Event, Frame, Kind};
use crate::host::{Input, Payload, bare_frame};
use crate::plan::Edge;
use crate::worlds::{Progress, WINDOW};

impl World {
    /// The head of a flow has arrived: its bytes may be read, first one half of them, then the other.
    pub(super) fn hand_over(&mut self, conn: usize, dir: Dir) -> Opened {
        let flow = self.conns[conn].flow(dir);
        let Some(head) = flow.queue.front() else {
            return Opened::Done;
        };
        let (sent, version, (start, end)) = (head.sent, flow.version, head.wire.unwrap_or_default());
        if let Cargo::Frame(frame) = &head.cargo {
            let (frame, half) = (Arc::clone(frame), (end - start) / 2);
            let half = head.torn.map_or(half, |torn| half.min(torn));
            self.conns[conn].allow(dir, start + half);
            self.note(conn, dir, &frame, Edge::Half);
            // A fault in the middle of the frame: its second half does not come, or not now.
            if self.conns[conn].flow(dir).version != version {
                return Opened::Done;
            }
            if self.is_lost(conn, dir, sent) {
                self.park(conn, dir);
                return Opened::Done;
            }
        }
        let now = self.now;
        let flow = self.conns[conn].flow_mut(dir);
        let Some(parcel) = flow.queue.pop_front() else {
            return Opened::Done;
        };
        flow.bytes = flow.bytes.saturating_sub(parcel.bytes);
        self.plan_arrival(conn, dir);
        self.check_window(conn, dir);
        if let Some(bytes) = parcel.torn {
            self.conns[conn].allow(dir, end.min(start + bytes));
            self.reset(conn);
            return Opened::Done;
        }
        let is_upgrade = matches!(parcel.cargo, Cargo::Upgrade);
        self.conns[conn].flow_mut(dir).landing = Some((parcel, now));
        if is_upgrade {
            self.note_upgrade(conn, dir, Edge::Delivered);
            let host = self.conns[conn].host(dir.receiver());
            let at = self.stations[host].stalled_until;
            if now < at {
                self.post(at, Class::News, host, Letter::Read { conn, dir });
                return Opened::Done;
            }
        }
        self.read_landed(conn, dir)
    }

    /// The receiver's library reads what has arrived.
    pub(super) fn read_landed(&mut self, conn: usize, dir: Dir) -> Opened {
        let now = self.now;
        let Some((parcel, at)) = &mut self.conns[conn].flow_mut(dir).landing else {
            return Opened::Done;
        };
        *at = now;
        let end = parcel.wire.map(|(_, end)| end);
        self.conns[conn].endpoint(dir.receiver()).heard.clear();
        match end {
            Some(end) => self.conns[conn].allow(dir, end),
            None => self.conns[conn].reach_end(dir),
        }
        Opened::Bytes { conn, dir }
    }

    /// The receiver's library says what it has read; nothing if it does not come to an end with it.
    pub(super) fn land(&mut self, conn: usize, dir: Dir, heard: Option<Heard>) {
        let side = dir.receiver();
        let Some((parcel, at)) = self.conns[conn].flow_mut(dir).landing.take() else {
            return;
        };
        let host = self.conns[conn].host(side);
        if !self.stations[host].alive {
            return;
        }
        self.clock(host, at);
        match (parcel.cargo, heard) {
            (Cargo::Frame(frame), Some(heard)) => match heard.payload() {
                Some(payload) => self.deliver_frame(conn, dir, frame, payload),
                // The library has given the connection up.
                None => self.on_told(conn, side, Over::Closed(CloseReason::Reset)),
            },
            (Cargo::UpgradeReply, Some(Heard::Upgraded(status))) => {
                self.note_upgrade(conn, dir, Edge::Delivered);
                self.on_upgrade_reply(conn, status);
            }
            (Cargo::UpgradeReply, Some(_)) => self.on_told(conn, side, Over::Closed(CloseReason::Reset)),
            (Cargo::CloseFrame(code), heard) => {
                let code = match heard {
                    Some(Heard::Close(code)) => code,
                    Some(_) | None => code,
                };
                let end = Over::Closed(CloseReason::CloseFrame(code));
                self.on_told(conn, side, end);
                let at = self.now + self.latency(conn);
                self.post_end(at, Class::Delivery, conn, dir.sender(), end);
            }
            (Cargo::Fin, _) => self.on_told(conn, side, Over::Closed(CloseReason::Fin)),
            // The library had its answer while it read; or what it read is no message to it.
            (Cargo::Upgrade, _) | (Cargo::UpgradeReply | Cargo::Frame(_), None) => {}
        }
    }

    fn deliver_frame(&mut self, conn: usize, dir: Dir, frame: Arc<Frame>, payload: Payload) {
        let (side, id) = (dir.receiver(), self.conns[conn].id);
        let host = self.conns[conn].host(side);
        let event = Event::Delivered {
            conn: id,
            dir,
            frame: Arc::clone(&frame),
        };
        self.stage.record(self.now, host, event);
        self.note(conn, dir, &frame, Edge::Delivered);
        if matches!(payload, Payload::Ping) {
            // The library has its pong ready; it is written now.
            self.send(host, id, Arc::new(bare_frame(Kind::Pong, "pong")), Payload::Pong);
        }
        if self.conns[conn].progress != Progress::Open && side == Side::Client {
            return;
        }
        let input = Input::Frame { conn: id, payload };
        self.stations[host]
            .host
            .handle(input, self.now, &mut self.stage.names);
        if side == Side::Client {
            // Servers say themselves when they have acted.
            self.note(conn, dir, &frame, Edge::Applied);
        }
        self.drain(host);
    }

    /// Both ends learn at once that their connection is over; what was on its way is lost.
    pub(super) fn reset(&mut self, conn: usize) {
        self.discard(conn, Dir::C2s);
        self.discard(conn, Dir::S2c);
        for side in [Side::Client, Side::Server] {
            self.post_end(
                self.now,
                Class::News,
                conn,
                side,
                Over::Closed(CloseReason::Reset),
            );
        }
    }

    /// A reader goes on reading: what lies in its buffers is delivered.
    pub(super) fn read_on(&mut self, host: usize) {
        for conn in 0..self.conns.len() {
            for dir in [Dir::C2s, Dir::S2c] {
                if self.conns[conn].host(dir.sender().other()) == host {
                    self.plan_arrival(conn, dir);
                }
            }
        }
    }

    /// Tells a sender when its peer's window closes and opens.
    pub(super) fn check_window(&mut self, conn: usize, dir: Dir) {
        let flow = self.conns[conn].flow_mut(dir);
        let (full, empty) = (WINDOW < flow.bytes, flow.bytes * 2 <= WINDOW);
        let turned = (!flow.congested && full) || (flow.congested && empty);
        if !turned {
            return;
        }
        flow.congested = full;
        let (side, id) = (dir.sender(), self.conns[conn].id);
        let input = if full {
            Input::Congested(id)
        } else {
            Input::Writable(id)
        };
        if self.conns[conn].is_told(side) {
            let host = self.conns[conn].host(side);
            self.post(self.now, Class::News, host, Letter::Input(input));
        }
    }

    /// A port says what its library has read.
    pub(super) fn hear(&mut self, conn: usize, side: Side, heard: Heard) {
        let host = self.conns[conn].host(side);
        self.conns[conn].endpoint(side).heard.push_back(heard);
        self.stations[host].bell.notify_one();
    }
}
