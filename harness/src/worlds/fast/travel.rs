//! How things travel in the fast world: sent, delayed, lost and sent again, delivered.

use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::id::ConnId;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::CloseReason;

use super::net::{Cargo, Conn, Parcel, size};
use super::queue::Class;
use super::{Ev, Over, World};
use crate::fault::{Dir, Side};
use crate::history::{Event, Frame, Kind};
use crate::host::{Input, Payload, bare_frame};
use crate::plan::Edge;
use crate::stage::Moment;
use crate::worlds::{End, Progress, WINDOW, retransmission, transfer};

/// What a fault does to the one frame at its anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Pass,
    Drop,
    Duplicate,
    Tear,
}

impl World<'_> {
    /// A host sends a frame.
    pub(super) fn send(&mut self, host: usize, id: ConnId, frame: Arc<Frame>, payload: Payload) {
        let Some(&conn) = self.by_id.get(&id) else { return };
        let side = if self.conns[conn].client == host {
            Side::Client
        } else {
            Side::Server
        };
        if self.conns[conn].end(side) != End::Open {
            return;
        }
        let dir = side.sends();
        self.fate = Fate::Pass;
        self.stage.record(
            self.now,
            host,
            Event::Sent {
                conn: id,
                dir,
                frame: Arc::clone(&frame),
            },
        );
        // The moments come before the frame gets in: a fault there still catches it.
        if matches!(frame.kind, Kind::Response | Kind::Error) {
            self.note(conn, Dir::C2s, &frame, Edge::Answered);
        }
        self.note(conn, dir, &frame, Edge::Sent);
        if self.conns[conn].pipe(dir).cut {
            // Behind an end that a fault made up nothing is acknowledged: if the host is not told, TCP gives up.
            let at = self.now + self.paths[&self.conns[conn].client].quality.tcp_timeout;
            let end = Over::Closed(CloseReason::TcpTimeout);
            self.queue.push(at, Class::News, Ev::Told { conn, side, end });
        }
        let bytes = size(&payload);
        self.ship_to_its_fate(conn, dir, Cargo::Frame { payload }, Some(frame), bytes);
        self.check_window(conn, dir);
    }

    /// Puts the frame at whose anchor a fault may just have struck on its way.
    pub(super) fn ship_to_its_fate(
        &mut self,
        conn: usize,
        dir: Dir,
        cargo: Cargo,
        frame: Option<Arc<Frame>>,
        bytes: usize,
    ) {
        match std::mem::replace(&mut self.fate, Fate::Pass) {
            Fate::Drop => {}
            Fate::Pass => self.ship(conn, dir, cargo, frame, bytes),
            Fate::Duplicate => {
                self.ship(conn, dir, cargo.clone(), frame.clone(), bytes);
                self.ship(conn, dir, cargo, frame, bytes);
            }
            Fate::Tear => {
                self.ship(conn, dir, cargo, frame, bytes);
                let pipe = self.conns[conn].pipe_mut(dir);
                if let Some(parcel) = pipe.queue.back_mut() {
                    parcel.torn = true;
                }
                pipe.cut = true;
            }
        }
    }

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
    pub(super) fn ship(
        &mut self,
        conn: usize,
        dir: Dir,
        cargo: Cargo,
        frame: Option<Arc<Frame>>,
        bytes: usize,
    ) {
        let pipe = self.conns[conn].pipe(dir);
        if pipe.cut {
            return;
        }
        let latency = self.latency(conn) + self.jitter(conn, dir);
        let bandwidth = self.paths[&self.conns[conn].client].quality.bandwidth;
        let pipe = self.conns[conn].pipe_mut(dir);
        let passed = bandwidth.map_or(self.now, |rate| {
            pipe.busy_until.max(self.now) + transfer(bytes, rate)
        });
        pipe.busy_until = passed;
        let due = (passed + latency).max(pipe.last_due);
        pipe.last_due = due;
        pipe.sends += 1;
        pipe.bytes += bytes;
        pipe.cut = matches!(cargo, Cargo::Fin | Cargo::CloseFrame(_));
        let now = self.now;
        pipe.queue.push_back(Parcel {
            cargo,
            frame,
            bytes,
            first_sent: now,
            sent: now,
            due,
            buffered: false,
            torn: false,
        });
        if pipe.queue.len() == 1 {
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
            .draw((conn as u64) << 33 | (dir as u64) << 32 | self.conns[conn].pipe(dir).sends);
        Duration::from_millis(draw % (u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX - 1) + 1))
    }

    /// Plans when the head of a pipe arrives; an older plan is void.
    pub(super) fn plan_arrival(&mut self, conn: usize, dir: Dir) {
        let now = self.now;
        let pipe = self.conns[conn].pipe_mut(dir);
        pipe.version += 1;
        let version = pipe.version;
        if let Some(head) = pipe.queue.front() {
            let at = head.due.max(now);
            self.queue
                .push(at, Class::Delivery, Ev::Arrive { conn, dir, version });
        }
    }

    pub(super) fn on_arrive(&mut self, conn: usize, dir: Dir, version: u32) {
        if self.conns[conn].pipe(dir).version != version {
            return;
        }
        let Some((sent, buffered)) = self.conns[conn]
            .pipe(dir)
            .queue
            .front()
            .map(|head| (head.sent, head.buffered))
        else {
            return;
        };
        let side = dir.receiver();
        let host = self.conns[conn].host(side);
        if self.is_lost(conn, dir, sent) && !buffered {
            self.park(conn, dir);
        } else if self.conns[conn].end(side) != End::Open {
            self.on_dead_socket(conn, dir);
        } else if self.now < self.stations[host].stalled_until {
            let at = self.stations[host].stalled_until;
            self.queue
                .push(at, Class::Delivery, Ev::Arrive { conn, dir, version });
        } else if self.is_read(conn, dir, host) {
            self.deliver(conn, dir);
        }
    }

    /// Whether what was sent in this direction at this moment does not arrive now.
    fn is_lost(&self, conn: usize, dir: Dir, sent: Time) -> bool {
        let path = &self.paths[&self.conns[conn].client];
        let host = self.conns[conn].host(dir.receiver());
        let silenced = path.silenced_at[dir as usize].is_some_and(|at| sent <= at);
        path.silent[dir as usize]
            || silenced
            || !self.stations[host].is_reachable()
            || self.conns[conn].pipe(dir).void
    }

    /// Whether the receiver has read the head by now; if not, plans when it will have.
    fn is_read(&mut self, conn: usize, dir: Dir, host: usize) -> bool {
        let now = self.now;
        let Some(rate) = self.stations[host].reads else {
            return true;
        };
        let pipe = self.conns[conn].pipe_mut(dir);
        let Some(head) = pipe.queue.front_mut() else {
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
        head.due = pipe.read_until.max(now) + transfer(head.bytes, rate);
        pipe.read_until = head.due;
        self.plan_arrival(conn, dir);
        false
    }

    /// What arrived was lost: TCP sends it again, at once or when it may get through.
    fn park(&mut self, conn: usize, dir: Dir) {
        let client = self.conns[conn].client;
        let timeout = self.paths[&client].quality.tcp_timeout;
        let pipe = self.conns[conn].pipe_mut(dir);
        pipe.parked = true;
        let Some(head) = pipe.queue.front() else { return };
        let first_sent = head.first_sent;
        self.queue.push(
            first_sent + timeout,
            Class::News,
            Ev::TcpTimeout {
                conn,
                dir,
                first_sent,
            },
        );
        self.try_again(conn, dir);
    }

    /// If nothing keeps the head of a parked pipe from arriving any more, plans its retransmission.
    fn try_again(&mut self, conn: usize, dir: Dir) {
        let Conn { client, .. } = self.conns[conn];
        let host = self.conns[conn].host(dir.receiver());
        let pipe = self.conns[conn].pipe(dir);
        if !pipe.parked
            || pipe.void
            || self.paths[&client].silent[dir as usize]
            || !self.stations[host].is_reachable()
        {
            return;
        }
        let (latency, now) = (self.latency(conn), self.now);
        let pipe = self.conns[conn].pipe_mut(dir);
        pipe.parked = false;
        if let Some(head) = pipe.queue.front_mut() {
            let sent = head.first_sent + retransmission(now.since(head.first_sent));
            // What was sent behind it is sent again with it.
            for parcel in &mut pipe.queue {
                parcel.sent = sent.max(parcel.sent);
                parcel.due = parcel.due.max(sent + latency);
                pipe.last_due = pipe.last_due.max(parcel.due);
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
        let pipe = self.conns[conn].pipe(dir);
        let stuck = pipe.parked
            && pipe
                .queue
                .front()
                .is_some_and(|head| head.first_sent == first_sent);
        if stuck {
            self.discard(conn, dir);
            self.on_told(conn, dir.sender(), Over::Closed(CloseReason::TcpTimeout));
        }
    }

    /// What arrives where no socket is, is answered with a reset.
    fn on_dead_socket(&mut self, conn: usize, dir: Dir) {
        self.discard(conn, dir);
        let at = self.now + self.latency(conn);
        let (side, end) = (dir.sender(), Over::Closed(CloseReason::Reset));
        self.queue.push(at, Class::Delivery, Ev::Told { conn, side, end });
    }

    /// Everything on its way is lost, and nothing more gets in.
    pub(super) fn discard(&mut self, conn: usize, dir: Dir) {
        let pipe = self.conns[conn].pipe_mut(dir);
        pipe.queue.clear();
        pipe.bytes = 0;
        pipe.cut = true;
        pipe.parked = false;
        pipe.version += 1;
    }

    fn deliver(&mut self, conn: usize, dir: Dir) {
        let Some(head) = self.conns[conn].pipe(dir).queue.front() else {
            return;
        };
        let (half, sent, version) = (head.frame.clone(), head.sent, self.conns[conn].pipe(dir).version);
        if let Some(frame) = &half {
            self.note(conn, dir, frame, Edge::Half);
            // A fault in the middle of the frame: its second half does not come, or not now.
            if self.conns[conn].pipe(dir).version != version {
                return;
            }
            if self.is_lost(conn, dir, sent) {
                self.park(conn, dir);
                return;
            }
        }
        let pipe = self.conns[conn].pipe_mut(dir);
        let Some(parcel) = pipe.queue.pop_front() else {
            return;
        };
        pipe.bytes = pipe.bytes.saturating_sub(parcel.bytes);
        self.plan_arrival(conn, dir);
        self.check_window(conn, dir);
        if parcel.torn {
            self.reset(conn);
            return;
        }
        let side = dir.receiver();
        match parcel.cargo {
            Cargo::Frame { payload } => {
                if let Some(frame) = parcel.frame {
                    self.deliver_frame(conn, dir, frame, payload);
                }
            }
            Cargo::Upgrade(url) => {
                self.note_upgrade(conn, dir, Edge::Delivered);
                self.on_upgrade(conn, url);
            }
            Cargo::UpgradeReply(status) => {
                self.note_upgrade(conn, dir, Edge::Delivered);
                self.on_upgrade_reply(conn, status);
            }
            Cargo::CloseFrame(code) => {
                self.on_told(conn, side, Over::Closed(CloseReason::CloseFrame(code)));
                let (at, end) = (
                    self.now + self.latency(conn),
                    Over::Closed(CloseReason::CloseFrame(code)),
                );
                self.queue.push(
                    at,
                    Class::Delivery,
                    Ev::Told {
                        conn,
                        side: dir.sender(),
                        end,
                    },
                );
            }
            Cargo::Fin => self.on_told(conn, side, Over::Closed(CloseReason::Fin)),
        }
    }

    fn deliver_frame(&mut self, conn: usize, dir: Dir, frame: Arc<Frame>, payload: Payload) {
        let (side, id) = (dir.receiver(), self.conns[conn].id);
        let host = self.conns[conn].host(side);
        self.stage.record(
            self.now,
            host,
            Event::Delivered {
                conn: id,
                dir,
                frame: Arc::clone(&frame),
            },
        );
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
        self.stations[host].host.handle(
            Input::Frame { conn: id, payload },
            self.now,
            &mut self.stage.names,
        );
        if side == Side::Client {
            // Servers say themselves when they have acted.
            self.note(conn, dir, &frame, Edge::Applied);
        }
        self.drain(host);
    }

    /// Tells a sender when its peer's window closes and opens.
    fn check_window(&mut self, conn: usize, dir: Dir) {
        let pipe = self.conns[conn].pipe_mut(dir);
        let (full, empty) = (WINDOW < pipe.bytes, pipe.bytes * 2 <= WINDOW);
        let turned = (!pipe.congested && full) || (pipe.congested && empty);
        if !turned {
            return;
        }
        pipe.congested = full;
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
