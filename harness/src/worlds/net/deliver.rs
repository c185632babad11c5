//! What arrives: one half of a parcel, then the other, then what it means to the host at that end.

use std::sync::Arc;

use unplug_reconnect::transport::CloseReason;

use super::conn::{Load, Progress};
use super::{Carrier, Class, Ev, Net, Opened, Over};
use crate::fault::{Dir, Side};
use crate::history::{Event, Frame, Kind};
use crate::host::{Input, Payload, bare_frame};
use crate::plan::Edge;

impl<C: Carrier> Net<C> {
    /// The receiver gets the head of a flow: first one half of it, then the other.
    pub(super) fn receive(&mut self, conn: usize, dir: Dir) -> Opened {
        let flow = self.conns[conn].flow(dir);
        let Some(head) = flow.queue.front() else {
            return Opened::Done;
        };
        let (sent, version) = (head.sent, flow.version);
        if let Load::Frame { frame, .. } = &head.load {
            let frame = Arc::clone(frame);
            self.conns[conn].admit_half(dir);
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
        let flow = self.conns[conn].flow_mut(dir);
        let Some(parcel) = flow.queue.pop_front() else {
            return Opened::Done;
        };
        flow.bytes = flow.bytes.saturating_sub(parcel.bytes);
        self.plan_arrival(conn, dir);
        self.check_window(conn, dir);
        if let Some(bytes) = parcel.torn {
            C::admit_torn(&mut self.conns[conn].line, dir, &parcel, bytes);
            self.reset(conn);
            return Opened::Done;
        }
        if matches!(parcel.load, Load::Upgrade(_) | Load::Answer(_)) {
            self.note_upgrade(conn, dir, Edge::Delivered);
        }
        C::hand_over(self, conn, dir, parcel)
    }

    /// What arrived means this to the host at this end.
    pub(in crate::worlds) fn deliver(&mut self, conn: usize, dir: Dir, load: Load) {
        let side = dir.receiver();
        match load {
            Load::Frame { frame, payload } => self.deliver_frame(conn, dir, frame, payload),
            Load::Upgrade(url) => self.on_upgrade(conn, url),
            Load::Answer(status) => self.on_upgrade_answered(conn, status),
            Load::Close { code, .. } => {
                let end = Over::Closed(CloseReason::CloseFrame(code));
                self.on_told(conn, side, end);
                let at = self.now + self.latency(conn);
                let side = dir.sender();
                self.schedule(at, Class::Delivery, Ev::Told { conn, side, end });
            }
            Load::Fin => self.on_told(conn, side, Over::Closed(CloseReason::Fin)),
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
            // WebSocket libraries answer a ping by themselves.
            self.send(host, id, Arc::new(bare_frame(Kind::Pong, "pong")), Payload::Pong);
        }
        if self.conns[conn].progress != Progress::Open && side == Side::Client {
            return;
        }
        if !self.stations[host].alive {
            return; // It lost its power while the frame was delivered.
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
}
