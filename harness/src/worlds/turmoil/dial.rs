//! How connections of the turmoil world begin and end.
//!
//! turmoil gives the SYN-ACK away for free and refuses at once what it cannot deliver, so a dial here waits for what it
//! costs on a real network: one round trip for TCP, one for the upgrade, and a lost SYN is repeated.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::id::{ConnId, Purpose};
use unplug_reconnect::transport::{CloseReason, DialError};

use super::agenda::Class;
use super::conn::{Cargo, Conn};
use super::travel::Fate;
use super::wire::Item;
use super::world::{Begin, Letter, Over, World};
use crate::fault::{Dir, Side};
use crate::host::{Input, UPGRADE};
use crate::plan::Edge;
use crate::stage::Moment;
use crate::worlds::{End, Progress, SYN_RETRIES, SYN_RTO};

impl World {
    pub(super) fn dial(&mut self, client: usize, id: ConnId, server: usize, url: Option<Arc<str>>) {
        let path = &self.paths[&client];
        let most = u64::try_from(path.reorder.as_millis()).unwrap_or(u64::MAX - 1);
        let draw = self.seed.of("reorder").draw(self.conns.len() as u64) % (most + 1);
        let conn = self.conns.len();
        self.conns
            .push(Conn::new(id, client, server, url, Duration::from_millis(draw)));
        self.by_id.insert(id, conn);
        if self.stations[client].link_down {
            let end = Over::DialFailed(DialError::Unreachable);
            self.post_end(self.now, Class::News, conn, Side::Client, end);
        } else {
            self.on_syn(conn, 0);
        }
    }

    /// An end is to learn that its connection, or its dial, is over.
    pub(super) fn post_end(
        &mut self,
        at: unplug_reconnect::time::Time,
        class: Class,
        conn: usize,
        side: Side,
        end: Over,
    ) {
        let host = self.conns[conn].host(side);
        self.post(at, class, host, Letter::Told { conn, side, end });
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
            let end = Over::DialFailed(DialError::Refused);
            self.post_end(self.now + there, Class::News, conn, Side::Client, end);
        } else if !lost {
            self.begin(conn);
            self.post(
                self.now + there,
                Class::Delivery,
                client,
                Letter::Established { conn },
            );
        } else if attempt < SYN_RETRIES {
            let letter = Letter::Syn {
                conn,
                attempt: attempt + 1,
            };
            self.post(repeat, Class::Delivery, client, letter);
        } else {
            let end = Over::DialFailed(DialError::TimedOut);
            self.post_end(repeat, Class::News, conn, Side::Client, end);
        }
    }

    /// The SYN gets through: turmoil connects. A port of an earlier SYN is given up.
    fn begin(&mut self, conn: usize) {
        let Conn { client, server, .. } = self.conns[conn];
        let endpoint = self.conns[conn].endpoint(Side::Client);
        endpoint.ports += 1;
        endpoint.bell.notify_one();
        let port = endpoint.ports;
        self.stations[client].begins.push(Begin { conn, port, server });
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
            let letter = Letter::Syn { conn, attempt: 1 };
            self.post(self.now + SYN_RTO, Class::Delivery, client, letter);
            return;
        }
        match id.purpose() {
            Purpose::Session => {
                self.conns[conn].progress = Progress::Upgrading;
                self.fate = Fate::Pass;
                self.note_upgrade(conn, Dir::C2s, Edge::Sent);
                self.ship_to_its_fate(conn, Dir::C2s, Cargo::Upgrade, Item::Upgrade);
            }
            Purpose::Fetch => {
                self.conns[conn].progress = Progress::Open;
                self.conns[conn].accepted = true;
                self.conns[conn].endpoint(Side::Client).bell.notify_one();
                self.tell(client, Input::Dialed(id));
            }
        }
    }

    /// A server's library has read a request for an upgrade and wants its answer; none if there is to be none.
    pub(super) fn on_upgrade(&mut self, conn: usize, url: Option<Arc<str>>) -> Option<u16> {
        let Conn {
            client, server, id, ..
        } = self.conns[conn];
        let at = self.conns[conn].flow(Dir::C2s).landing.as_ref()?.1;
        self.clock(server, at);
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
        self.conns[conn].answered.take()
    }

    pub(super) fn answer_upgrade(&mut self, id: ConnId, status: u16) {
        let Some(&conn) = self.by_id.get(&id) else { return };
        self.conns[conn].accepted = status == 101;
        self.note_upgrade(conn, Dir::C2s, Edge::Applied);
        self.fate = Fate::Pass;
        self.note_upgrade(conn, Dir::C2s, Edge::Answered);
        self.note_upgrade(conn, Dir::S2c, Edge::Sent);
        self.ship_to_its_fate(conn, Dir::S2c, Cargo::UpgradeReply, Item::Answer(status));
        if status != 101 {
            self.ship(conn, Dir::S2c, Cargo::Fin, Item::Fin);
            self.conns[conn].leave(Side::Server);
        }
    }

    pub(super) fn on_upgrade_reply(&mut self, conn: usize, status: u16) {
        let Conn { client, id, .. } = self.conns[conn];
        if status == 101 {
            self.conns[conn].progress = Progress::Open;
            self.tell(client, Input::Dialed(id));
            self.note_upgrade(conn, Dir::C2s, Edge::Settled);
        } else {
            self.on_told(conn, Side::Client, Over::DialFailed(DialError::Status(status)));
        }
    }

    pub(super) fn note_upgrade(&mut self, conn: usize, dir: Dir, edge: Edge) {
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
        let side = if self.conns[conn].client == host {
            Side::Client
        } else {
            Side::Server
        };
        if self.conns[conn].end(side) == End::Open {
            self.conns[conn].leave(side);
            // Where TCP was not established there is nothing to say goodbye on.
            if self.conns[conn].progress != Progress::Connecting {
                self.ship(conn, side.sends(), Cargo::Fin, Item::Fin);
            }
        }
    }

    /// An end learns that its connection is over.
    pub(super) fn on_told(&mut self, conn: usize, side: Side, end: Over) {
        if self.conns[conn].end(side) != End::Open {
            return;
        }
        let host = self.conns[conn].host(side);
        if self.stations[host].alive && self.now < self.stations[host].stalled_until {
            let at = self.stations[host].stalled_until;
            self.post_end(at, Class::News, conn, side, end);
            return;
        }
        let told = self.conns[conn].is_told(side);
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
            self.conns[conn].leave(side);
            self.ship(conn, side.sends(), Cargo::Fin, Item::Fin);
        } else {
            self.conns[conn].break_off(side, error_kind(end));
        }
        if told {
            self.tell(host, input);
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
