//! How connections of the fast world begin and end.
//!
//! A dial costs what it costs on a real network: one round trip for TCP, one for the upgrade. A lost SYN is repeated.

use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::id::{ConnId, Purpose};
use unplug_reconnect::transport::{CloseReason, DialError};

use super::net::{Cargo, Conn};
use super::queue::Class;
use super::travel::Fate;
use super::{Ev, Over, World};
use crate::fault::{Dir, Side};
use crate::host::{Input, UPGRADE};
use crate::plan::Edge;
use crate::stage::Moment;
use crate::worlds::{End, Progress, SYN_RETRIES, SYN_RTO};

impl World<'_> {
    pub(super) fn dial(&mut self, client: usize, id: ConnId, server: usize, url: Option<Arc<str>>) {
        let path = &self.paths[&client];
        let most = u64::try_from(path.reorder.as_millis()).unwrap_or(u64::MAX - 1);
        let draw = self.seed.of("reorder").draw(self.conns.len() as u64) % (most + 1);
        let conn = self.conns.len();
        self.conns
            .push(Conn::new(id, client, server, url, Duration::from_millis(draw)));
        self.by_id.insert(id, conn);
        if self.stations[client].link_down {
            self.queue.push(
                self.now,
                Class::News,
                Ev::Told {
                    conn,
                    side: Side::Client,
                    end: Over::DialFailed(DialError::Unreachable),
                },
            );
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
        if !lost {
            let (class, event) = if station.refuses {
                (
                    Class::News,
                    Ev::Told {
                        conn,
                        side: Side::Client,
                        end: Over::DialFailed(DialError::Refused),
                    },
                )
            } else {
                (Class::Delivery, Ev::Established { conn })
            };
            self.queue.push(self.now + there, class, event);
        } else if attempt < SYN_RETRIES {
            let next = Ev::Syn {
                conn,
                attempt: attempt + 1,
            };
            self.queue
                .push(self.now + SYN_RTO * 2_u32.pow(attempt), Class::Delivery, next);
        } else {
            let timed_out = Ev::Told {
                conn,
                side: Side::Client,
                end: Over::DialFailed(DialError::TimedOut),
            };
            self.queue
                .push(self.now + SYN_RTO * 2_u32.pow(attempt), Class::News, timed_out);
        }
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
            self.queue
                .push(self.now + SYN_RTO, Class::Delivery, Ev::Syn { conn, attempt: 1 });
            return;
        }
        match id.purpose() {
            Purpose::Session => {
                self.conns[conn].progress = Progress::Upgrading;
                let url = self.conns[conn].url.clone();
                self.fate = Fate::Pass;
                self.note_upgrade(conn, Dir::C2s, Edge::Sent);
                self.ship_to_its_fate(conn, Dir::C2s, Cargo::Upgrade(url), None, 400);
            }
            Purpose::Fetch => {
                self.conns[conn].progress = Progress::Open;
                self.conns[conn].accepted = true;
                self.tell(client, Input::Dialed(id));
            }
        }
    }

    /// An upgrade request reached the server.
    pub(super) fn on_upgrade(&mut self, conn: usize, url: Option<Arc<str>>) {
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
            self.tell(
                server,
                Input::Upgrade {
                    conn: id,
                    from: client,
                    url,
                },
            );
        }
    }

    pub(super) fn answer_upgrade(&mut self, id: ConnId, status: u16) {
        let Some(&conn) = self.by_id.get(&id) else { return };
        self.conns[conn].accepted = status == 101;
        self.note_upgrade(conn, Dir::C2s, Edge::Applied);
        self.fate = Fate::Pass;
        self.note_upgrade(conn, Dir::C2s, Edge::Answered);
        self.note_upgrade(conn, Dir::S2c, Edge::Sent);
        self.ship_to_its_fate(conn, Dir::S2c, Cargo::UpgradeReply(status), None, 200);
        if status != 101 {
            self.ship(conn, Dir::S2c, Cargo::Fin, None, 0);
            *self.conns[conn].end_mut(Side::Server) = End::Gone;
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
            *self.conns[conn].end_mut(side) = End::Gone;
            // Where TCP was not established there is nothing to say goodbye on.
            if self.conns[conn].progress != Progress::Connecting {
                self.ship(conn, side.sends(), Cargo::Fin, None, 0);
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
            self.queue.push(at, Class::News, Ev::Told { conn, side, end });
            return;
        }
        let told = self.conns[conn].is_told(side);
        *self.conns[conn].end_mut(side) = End::Gone;
        let Conn { id, progress, .. } = self.conns[conn];
        let input = match end {
            Over::DialFailed(why) => Input::DialFailed(id, why),
            Over::Closed(why) if side == Side::Server || progress == Progress::Open => Input::Closed(id, why),
            Over::Closed(CloseReason::NetworkDown) => Input::DialFailed(id, DialError::Unreachable),
            Over::Closed(_) => Input::DialFailed(id, DialError::Cut),
        };
        if told {
            // A peer that ends a stream is answered in kind.
            if matches!(end, Over::Closed(CloseReason::Fin | CloseReason::CloseFrame(_))) {
                self.ship(conn, side.sends(), Cargo::Fin, None, 0);
            }
            self.tell(host, input);
        }
    }
}
