//! How connections begin and end.
//!
//! A dial costs what it costs on a real network: one round trip for TCP, one for the upgrade. A lost SYN is repeated.

use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::id::{ConnId, Purpose};
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::{CloseReason, DialError};

use super::conn::{Conn, End, Load, Progress};
use super::tcp::{SYN_RETRIES, SYN_RTO};
use super::travel::Fate;
use super::{Carrier, Class, Ev, Net, Over};
use crate::fault::{Dir, Side};
use crate::host::{Input, UPGRADE};
use crate::plan::Edge;
use crate::stage::Moment;

impl<C: Carrier> Net<C> {
    pub(super) fn dial(&mut self, client: usize, id: ConnId, server: usize, url: Option<Arc<str>>) {
        let path = &self.paths[&client];
        let most = u64::try_from(path.reorder.as_millis()).unwrap_or(u64::MAX - 1);
        let draw = self.seed.of("reorder").draw(self.conns.len() as u64) % (most + 1);
        let conn = self.conns.len();
        self.conns
            .push(Conn::new(id, client, server, url, Duration::from_millis(draw)));
        self.by_id.insert(id, conn);
        if self.stations[client].link_down {
            self.fail_dial(self.now, conn, DialError::Unreachable);
        } else {
            self.on_syn(conn, 0);
        }
    }

    pub(super) fn on_syn(&mut self, conn: usize, attempt: u32) {
        let Conn {
            client,
            server,
            progress,
            ..
        } = self.conns[conn];
        if progress != Progress::Connecting || self.conns[conn].end(Side::Client) != End::Open {
            return;
        }
        let (there, station) = (self.latency(conn) * 2, &self.stations[server]);
        let path = &self.paths[&client];
        let lost = path.silent.contains(&true) || !station.is_reachable() || station.hangs;
        let repeat = self.now + SYN_RTO * 2_u32.pow(attempt);
        if !lost && station.refuses {
            self.fail_dial(self.now + there, conn, DialError::Refused);
        } else if !lost {
            C::connect(self, conn);
            self.schedule(self.now + there, Class::Delivery, Ev::Established { conn });
        } else if attempt < SYN_RETRIES {
            let attempt = attempt + 1;
            self.schedule(repeat, Class::Delivery, Ev::Syn { conn, attempt });
        } else {
            self.fail_dial(repeat, conn, DialError::TimedOut);
        }
    }

    fn fail_dial(&mut self, at: Time, conn: usize, why: DialError) {
        let (side, end) = (Side::Client, Over::DialFailed(why));
        self.schedule(at, Class::News, Ev::Told { conn, side, end });
    }

    pub(super) fn on_established(&mut self, conn: usize) {
        let Conn {
            client, server, id, ..
        } = self.conns[conn];
        if self.conns[conn].end(Side::Client) != End::Open {
            return;
        }
        // The answer to the SYN can be lost like anything else.
        if self.paths[&client].silent.contains(&true) || !self.stations[server].is_reachable() {
            let again = Ev::Syn { conn, attempt: 1 };
            self.schedule(self.now + SYN_RTO, Class::Delivery, again);
            return;
        }
        match id.purpose() {
            Purpose::Session => {
                self.conns[conn].progress = Progress::Upgrading;
                let url = self.conns[conn].url.clone();
                self.fate = Fate::Pass;
                self.note_upgrade(conn, Dir::C2s, Edge::Sent);
                self.ship_to_its_fate(conn, Dir::C2s, Load::Upgrade(url));
            }
            Purpose::Fetch => {
                self.conns[conn].progress = Progress::Open;
                self.conns[conn].accepted = true;
                C::established(&mut self.conns[conn].line);
                self.tell(client, Input::Dialed(id));
            }
        }
    }

    /// A request for an upgrade has reached its server.
    pub(in crate::worlds) fn on_upgrade(&mut self, conn: usize, url: Option<Arc<str>>) {
        let Conn {
            client, server, id, ..
        } = self.conns[conn];
        let station = &mut self.stations[server];
        if 0 < station.hang_upgrades {
            station.hang_upgrades -= 1;
        } else if 0 < station.reject_upgrades.0 {
            station.reject_upgrades.0 -= 1;
            let status = station.reject_upgrades.1;
            self.answer_upgrade(id, status);
        } else {
            let from = client;
            self.tell(server, Input::Upgrade { conn: id, from, url });
        }
    }

    pub(super) fn answer_upgrade(&mut self, id: ConnId, status: u16) {
        let Some(&conn) = self.by_id.get(&id) else { return };
        self.conns[conn].accepted = status == 101;
        self.note_upgrade(conn, Dir::C2s, Edge::Applied);
        self.fate = Fate::Pass;
        self.note_upgrade(conn, Dir::C2s, Edge::Answered);
        self.note_upgrade(conn, Dir::S2c, Edge::Sent);
        self.ship_to_its_fate(conn, Dir::S2c, Load::Answer(status));
        if status != 101 {
            self.ship(conn, Dir::S2c, Load::Fin);
            self.leave(conn, Side::Server);
        }
    }

    pub(super) fn on_upgrade_answered(&mut self, conn: usize, status: u16) {
        let Conn { client, id, .. } = self.conns[conn];
        if status == 101 {
            self.conns[conn].progress = Progress::Open;
            self.tell(client, Input::Dialed(id));
            self.note_upgrade(conn, Dir::C2s, Edge::Settled);
        } else {
            self.on_told(conn, Side::Client, Over::DialFailed(DialError::Status(status)));
        }
    }

    /// A moment of a WebSocket upgrade: a step of the script may have waited for it.
    pub(in crate::worlds) fn note_upgrade(&mut self, conn: usize, dir: Dir, edge: Edge) {
        let Conn { client, id, .. } = self.conns[conn];
        self.stage.moment(
            self.now,
            Moment {
                conn: Some(id),
                client,
                method: UPGRADE,
                dir,
                edge,
            },
        );
        self.play();
    }

    /// A host ends a connection, or a dial.
    pub(super) fn hang_up(&mut self, host: usize, id: ConnId) {
        let Some(&conn) = self.by_id.get(&id) else { return };
        let side = self.side(conn, host);
        if self.conns[conn].end(side) == End::Open {
            self.leave(conn, side);
            // Where TCP was not established there is nothing to say goodbye on.
            if self.conns[conn].progress != Progress::Connecting {
                self.ship(conn, side.sends(), Load::Fin);
            }
        }
    }

    /// Which side of a connection a host is.
    pub(super) fn side(&self, conn: usize, host: usize) -> Side {
        if self.conns[conn].client == host {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// An end learns that its connection is over.
    pub(in crate::worlds) fn on_told(&mut self, conn: usize, side: Side, end: Over) {
        if self.conns[conn].end(side) != End::Open {
            return;
        }
        let host = self.conns[conn].host(side);
        if self.stations[host].alive && self.now < self.stations[host].stalled_until {
            let at = self.stations[host].stalled_until;
            self.schedule(at, Class::News, Ev::Told { conn, side, end });
            return;
        }
        let told = self.conns[conn].is_told(side);
        self.leave(conn, side);
        let Conn { id, progress, .. } = self.conns[conn];
        let input = match end {
            Over::DialFailed(why) => Input::DialFailed(id, why),
            Over::Closed(why) if side == Side::Server || progress == Progress::Open => Input::Closed(id, why),
            Over::Closed(CloseReason::NetworkDown) => Input::DialFailed(id, DialError::Unreachable),
            Over::Closed(_) => Input::DialFailed(id, DialError::Cut),
        };
        // A peer that ends a stream is answered in kind.
        let in_kind = matches!(end, Over::Closed(CloseReason::Fin | CloseReason::CloseFrame(_)));
        if told && in_kind {
            self.ship(conn, side.sends(), Load::Fin);
        } else {
            C::broken(&mut self.conns[conn].line, side, end);
        }
        if told {
            self.tell(host, input);
        }
    }
}
