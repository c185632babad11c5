//! How things travel: sent, delayed, lost and sent again, until they arrive.
//!
//! Bytes within a direction never reorder; a loss is a delay, as TCP makes it one.

use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::id::ConnId;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::CloseReason;

use super::conn::{Conn, End, Load, Parcel};
use super::tcp::{WINDOW, retransmission, transfer};
use super::{Carrier, Class, Ev, Net, Opened, Over};
use crate::fault::{Dir, Side};
use crate::history::{Event, Frame, Kind};
use crate::host::{Input, Payload};
use crate::plan::Edge;
use crate::stage::Moment;

/// What a fault does to the one frame at its anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Pass,
    Drop,
    Duplicate,
    /// Only so many bytes get through.
    Tear(u64),
}

impl<C: Carrier> Net<C> {
    /// A host sends a frame.
    pub(super) fn send(&mut self, host: usize, id: ConnId, frame: Arc<Frame>, payload: Payload) {
        let Some(&conn) = self.by_id.get(&id) else { return };
        let side = self.side(conn, host);
        if self.conns[conn].end(side) != End::Open {
            return;
        }
        let dir = side.sends();
        self.fate = Fate::Pass;
        let event = Event::Sent {
            conn: id,
            dir,
            frame: Arc::clone(&frame),
        };
        self.stage.record(self.now, host, event);
        // The moments come before the frame gets in: a fault there still catches it.
        if matches!(frame.kind, Kind::Response | Kind::Error) {
            self.note(conn, Dir::C2s, &frame, Edge::Answered);
        }
        self.note(conn, dir, &frame, Edge::Sent);
        if self.conns[conn].flow(dir).cut {
            // Behind an end that a fault made up nothing is acknowledged: if the host is not told, TCP gives up.
            let at = self.now + self.paths[&self.conns[conn].client].quality.tcp_timeout;
            let end = Over::Closed(CloseReason::TcpTimeout);
            self.schedule(at, Class::News, Ev::Told { conn, side, end });
        }
        self.ship_to_its_fate(conn, dir, Load::Frame { frame, payload });
        self.check_window(conn, dir);
    }

    /// Puts what stands at an anchor where a fault may just have struck on its way.
    pub(super) fn ship_to_its_fate(&mut self, conn: usize, dir: Dir, load: Load) {
        match std::mem::replace(&mut self.fate, Fate::Pass) {
            Fate::Drop => {
                let (packed, _) = C::pack(&load, dir);
                C::forgo(&mut self.conns[conn].line, dir, packed);
            }
            Fate::Duplicate if load.has_copies() => {
                self.ship(conn, dir, load.clone());
                self.ship(conn, dir, load);
            }
            Fate::Pass | Fate::Duplicate => self.ship(conn, dir, load),
            Fate::Tear(bytes) => {
                self.ship(conn, dir, load);
                let flow = self.conns[conn].flow_mut(dir);
                if let Some(parcel) = flow.queue.back_mut() {
                    parcel.torn = Some(bytes);
                }
                flow.cut = true;
            }
        }
    }

    /// A moment of a frame: a step of the script may have waited for it.
    pub(super) fn note(&mut self, conn: usize, dir: Dir, frame: &Frame, edge: Edge) {
        let Conn { client, id, .. } = self.conns[conn];
        self.stage.moment(
            self.now,
            Moment {
                conn: Some(id),
                client,
                method: &frame.method,
                dir,
                edge,
            },
        );
        self.play();
    }

    /// Puts something on its way.
    pub(super) fn ship(&mut self, conn: usize, dir: Dir, load: Load) {
        if self.conns[conn].flow(dir).cut {
            return;
        }
        let (packed, bytes) = C::pack(&load, dir);
        let latency = self.latency(conn) + self.jitter(conn, dir);
        let bandwidth = self.paths[&self.conns[conn].client].quality.bandwidth;
        let now = self.now;
        let flow = self.conns[conn].flow_mut(dir);
        let passed = bandwidth.map_or(now, |rate| flow.busy_until.max(now) + transfer(bytes, rate));
        flow.busy_until = passed;
        let due = (passed + latency).max(flow.last_due);
        flow.last_due = due;
        flow.sends += 1;
        flow.bytes += bytes;
        flow.cut = matches!(load, Load::Fin | Load::Close { .. });
        let id = flow.sends;
        flow.queue.push_back(Parcel {
            id,
            load,
            tag: C::Tag::default(),
            bytes,
            first_sent: now,
            sent: now,
            due,
            buffered: false,
            torn: None,
        });
        let alone = flow.queue.len() == 1;
        C::send(&mut self.conns[conn].line, dir, id, packed);
        if alone {
            self.plan_arrival(conn, dir);
        }
    }

    pub(super) fn latency(&self, conn: usize) -> Duration {
        self.paths[&self.conns[conn].client].quality.latency + self.conns[conn].extra
    }

    fn jitter(&self, conn: usize, dir: Dir) -> Duration {
        let jitter = self.paths[&self.conns[conn].client].quality.jitter;
        if jitter.is_zero() {
            return Duration::ZERO;
        }
        let draw = self
            .seed
            .of("jitter")
            .draw((conn as u64) << 33 | (dir as u64) << 32 | self.conns[conn].flow(dir).sends);
        Duration::from_millis(draw % (u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX - 1) + 1))
    }

    /// Plans when the head of a flow arrives; an older plan is void.
    pub(super) fn plan_arrival(&mut self, conn: usize, dir: Dir) {
        let now = self.now;
        let flow = self.conns[conn].flow_mut(dir);
        flow.version += 1;
        let version = flow.version;
        if let Some(head) = flow.queue.front() {
            let at = head.due.max(now);
            self.schedule(at, Class::Delivery, Ev::Arrive { conn, dir, version });
        }
    }

    /// The head of a flow arrives, unless something is in its way.
    pub(in crate::worlds) fn on_arrive(&mut self, conn: usize, dir: Dir, version: u32) -> Opened {
        let flow = self.conns[conn].flow(dir);
        let Some(head) = flow.queue.front().filter(|_| flow.version == version) else {
            return Opened::Done;
        };
        let (sent, buffered, is_sent) = (head.sent, head.buffered, C::is_sent(head));
        let side = dir.receiver();
        let host = self.conns[conn].host(side);
        let is_open = self.conns[conn].end(side) == End::Open;
        if self.is_lost(conn, dir, sent) && !(buffered && is_open) {
            self.park(conn, dir);
        } else if !is_open {
            self.on_dead_socket(conn, dir);
        } else if self.now < self.stations[host].stalled_until {
            let at = self.stations[host].stalled_until;
            self.schedule(at, Class::Delivery, Ev::Arrive { conn, dir, version });
        } else if !is_sent {
            return Opened::Unsent { conn, dir, version };
        } else if self.is_read(conn, dir, host) {
            return self.receive(conn, dir);
        }
        Opened::Done
    }

    /// Whether what was sent in this direction at this moment does not arrive now.
    pub(super) fn is_lost(&self, conn: usize, dir: Dir, sent: Time) -> bool {
        let path = &self.paths[&self.conns[conn].client];
        let host = self.conns[conn].host(dir.receiver());
        let silenced = path.silenced_at[dir as usize].is_some_and(|at| sent <= at);
        path.silent[dir as usize]
            || silenced
            || !self.stations[host].is_reachable()
            || self.conns[conn].flow(dir).void
    }

    /// Whether the receiver has read the head by now; if not, plans when it will have.
    fn is_read(&mut self, conn: usize, dir: Dir, host: usize) -> bool {
        let now = self.now;
        let Some(rate) = self.stations[host].reads else {
            return true;
        };
        let flow = self.conns[conn].flow_mut(dir);
        let Some(head) = flow.queue.front_mut() else {
            return false;
        };
        if rate == 0 {
            head.buffered = true;
            return false; // Planned anew when the receiver reads again.
        }
        if head.buffered {
            return true;
        }
        head.buffered = true;
        head.due = flow.read_until.max(now) + transfer(head.bytes, rate);
        flow.read_until = head.due;
        self.plan_arrival(conn, dir);
        false
    }

    /// What arrived was lost: TCP sends it again, at once or when it may get through.
    pub(super) fn park(&mut self, conn: usize, dir: Dir) {
        let client = self.conns[conn].client;
        let timeout = self.paths[&client].quality.tcp_timeout;
        let flow = self.conns[conn].flow_mut(dir);
        flow.parked = true;
        let Some(head) = flow.queue.front() else { return };
        let first_sent = head.first_sent;
        let event = Ev::TcpTimeout {
            conn,
            dir,
            first_sent,
        };
        self.schedule(first_sent + timeout, Class::News, event);
        self.try_again(conn, dir);
    }

    /// If nothing keeps the head of a parked flow from arriving any more, plans its retransmission.
    fn try_again(&mut self, conn: usize, dir: Dir) {
        let client = self.conns[conn].client;
        let host = self.conns[conn].host(dir.receiver());
        let flow = self.conns[conn].flow(dir);
        if !flow.parked
            || flow.void
            || self.paths[&client].silent[dir as usize]
            || !self.stations[host].is_reachable()
        {
            return;
        }
        let (latency, now) = (self.latency(conn), self.now);
        let flow = self.conns[conn].flow_mut(dir);
        flow.parked = false;
        if let Some(head) = flow.queue.front_mut() {
            let sent = head.first_sent + retransmission(now.since(head.first_sent));
            // What was sent behind it is sent again with it.
            for parcel in &mut flow.queue {
                parcel.sent = sent.max(parcel.sent);
                parcel.due = parcel.due.max(sent + latency);
                flow.last_due = flow.last_due.max(parcel.due);
            }
        }
        self.plan_arrival(conn, dir);
    }

    /// Something healed: whatever was lost may get through now.
    pub(super) fn try_all_again(&mut self) {
        for conn in 0..self.conns.len() {
            self.try_again(conn, Dir::C2s);
            self.try_again(conn, Dir::S2c);
        }
    }

    pub(super) fn on_tcp_timeout(&mut self, conn: usize, dir: Dir, first_sent: Time) {
        let flow = self.conns[conn].flow(dir);
        let head = flow.queue.front();
        if flow.parked && head.is_some_and(|head| head.first_sent == first_sent) {
            self.discard(conn, dir);
            let (side, end) = (dir.sender(), Over::Closed(CloseReason::TcpTimeout));
            self.schedule(self.now, Class::News, Ev::Told { conn, side, end });
        }
    }

    /// What arrives where no socket is, is answered with a reset.
    fn on_dead_socket(&mut self, conn: usize, dir: Dir) {
        self.discard(conn, dir);
        let at = self.now + self.latency(conn);
        let (side, end) = (dir.sender(), Over::Closed(CloseReason::Reset));
        self.schedule(at, Class::Delivery, Ev::Told { conn, side, end });
    }

    /// This end's host has no socket any more. What lies in its buffers unread is answered as what arrives then.
    pub(super) fn leave(&mut self, conn: usize, side: Side) {
        self.conns[conn].leave(side);
        let dir = side.sends().back();
        let head = self.conns[conn].flow(dir).queue.front();
        if head.is_some_and(|head| head.buffered) {
            self.plan_arrival(conn, dir);
        }
    }

    /// The head of a flow never gets in, so it does not arrive.
    pub(in crate::worlds) fn skip(&mut self, conn: usize, dir: Dir) {
        let flow = self.conns[conn].flow_mut(dir);
        if let Some(parcel) = flow.queue.pop_front() {
            flow.bytes = flow.bytes.saturating_sub(parcel.bytes);
        }
        self.plan_arrival(conn, dir);
    }

    /// Everything on its way is lost, and nothing more gets in.
    pub(super) fn discard(&mut self, conn: usize, dir: Dir) {
        let flow = self.conns[conn].flow_mut(dir);
        flow.queue.clear();
        flow.bytes = 0;
        flow.cut = true;
        flow.parked = false;
        flow.version += 1;
        C::clear(&mut self.conns[conn].line, dir);
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
            self.tell_at(self.now, Class::News, host, input);
        }
    }
}
