//! What faults do to hosts, links and connections. Nothing else in any world knows a fault by name.
//!
//! A fault takes effect at once, at exactly the moment of its anchor.

use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::id::{ProcessId, Purpose};
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::CloseReason;

use super::conn::{End, Load};
use super::travel::Fate;
use super::{Carrier, Class, Ev, Net, Over, Path, Station};
use crate::fault::{Address, Dir, Fault, Side};
use crate::history::{Event, Kind};
use crate::host::{Host, Input, Payload, bare_frame};
use crate::plan::HostKind;
use crate::stage::SCRIPT;

/// Whom a fault is aimed at, where it does not say itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim {
    pub(super) client: Option<usize>,
    pub(super) conn: Option<usize>,
}

/// A fault that lasts.
pub(super) struct Active {
    fault: Fault,
    aim: Aim,
    since: Time,
    over: bool,
}

impl Active {
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other fault silences a link")]
    fn silences(&self, client: usize, dir: Dir) -> bool {
        let silent = match &self.fault {
            Fault::Partition { .. } => true,
            Fault::PartitionOneWay { dir: silent, .. } => *silent == dir,
            _ => false,
        };
        silent && !self.over && self.aim.client.is_none_or(|aimed| aimed == client)
    }
}

impl<C: Carrier> Net<C> {
    /// A fault takes effect.
    pub(super) fn strike(&mut self, fault: &Fault, aim: Aim) {
        match fault {
            Fault::Partition { r#for } => {
                self.silence(aim, &[Dir::C2s, Dir::S2c]);
                self.lasts(fault, aim, *r#for);
            }
            Fault::PartitionOneWay { dir, r#for } => {
                self.silence(aim, &[*dir]);
                self.lasts(fault, aim, *r#for);
            }
            Fault::LinkDown { host, r#for, address } => {
                let host = self.index(host);
                self.link_down(host, *address);
                self.lasts(fault, aim, Some(*r#for));
            }
            Fault::Blackhole => self.each_conn(aim, |world, conn| {
                world.swallow(conn, Dir::C2s);
                world.swallow(conn, Dir::S2c);
            }),
            Fault::Reset => self.each_conn(aim, Self::reset),
            Fault::Close => self.each_conn(aim, |world, conn| {
                world.ship(conn, Dir::C2s, Load::Fin);
                world.ship(conn, Dir::S2c, Load::Fin);
            }),
            Fault::HalfClose { side } => {
                self.each_conn(aim, |world, conn| {
                    world.ship(conn, side.sends(), Load::Fin);
                });
            }
            Fault::HalfOpen { told } => self.each_conn(aim, |world, conn| world.half_open(conn, *told)),
            Fault::WsClose {
                code,
                reason,
                from: side,
            } => self.each_conn(aim, |world, conn| {
                let (code, reason) = (*code, reason.clone());
                world.ship(conn, side.sends(), Load::Close { code, reason });
            }),
            Fault::Garbage { dir, text } => self.each_conn(aim, |world, conn| {
                let frame = Arc::new(bare_frame(Kind::Garbage, "garbage"));
                let payload = Payload::Text(text.clone());
                world.ship(conn, *dir, Load::Frame { frame, payload });
            }),
            Fault::CutFrame { bytes } => self.fate = Fate::Tear(*bytes),
            Fault::DropFrame => self.fate = Fate::Drop,
            Fault::DuplicateFrame => self.fate = Fate::Duplicate,
            Fault::Latency { to } => self.each_path(aim, |path| path.quality.latency = *to),
            Fault::Jitter { up_to } => self.each_path(aim, |path| path.quality.jitter = *up_to),
            Fault::Bandwidth { bytes_per_second } => {
                self.each_path(aim, |path| path.quality.bandwidth = Some(*bytes_per_second));
            }
            Fault::ReorderConnections { up_to } => self.each_path(aim, |path| path.reorder = *up_to),
            Fault::Heal => self.heal_all(),
            Fault::ExpireUrl { .. }
            | Fault::Revoke { .. }
            | Fault::Throttle { .. }
            | Fault::Exit { .. }
            | Fault::ClockJump { .. }
            | Fault::Burst { .. } => self.tell_its_host(fault),
            Fault::Refuse { .. }
            | Fault::ConnectHang { .. }
            | Fault::RejectUpgrade { .. }
            | Fault::HangUpgrade { .. }
            | Fault::SlowReader { .. }
            | Fault::Crash { .. }
            | Fault::Bounce { .. }
            | Fault::Stall { .. } => self.strike_host(fault, aim),
        }
    }

    /// Faults of a host's network or power.
    #[expect(clippy::wildcard_enum_match_arm, reason = "`strike` passes on no others")]
    fn strike_host(&mut self, fault: &Fault, aim: Aim) {
        match fault {
            Fault::Refuse { host, r#for } => {
                self.station(host).refuses = true;
                self.lasts(fault, aim, *r#for);
            }
            Fault::ConnectHang { host, r#for } => {
                self.station(host).hangs = true;
                self.lasts(fault, aim, *r#for);
            }
            Fault::RejectUpgrade { host, status, times } => {
                self.station(host).reject_upgrades = (*times, *status)
            }
            Fault::HangUpgrade { host, times } => self.station(host).hang_upgrades = *times,
            Fault::SlowReader {
                host,
                bytes_per_second,
                r#for,
            } => {
                self.station(host).reads = Some(*bytes_per_second);
                self.lasts(fault, aim, *r#for);
            }
            Fault::Crash { host } => self.crash(host),
            Fault::Bounce { host, after } => {
                self.crash(host);
                self.lasts(fault, aim, Some(*after));
            }
            Fault::Stall { host, r#for } => {
                let until = self.now + *r#for;
                let station = self.station(host);
                station.stalled_until = station.stalled_until.max(until);
                self.lasts(fault, aim, Some(*r#for));
            }
            _ => {}
        }
    }

    /// Faults that a host learns of by itself. Whoever honours an issuer's URLs shares its registry.
    fn tell_its_host(&mut self, fault: &Fault) {
        let Some((host, input)) = told(fault) else { return };
        self.tell_soon(host, input);
        if matches!(fault, Fault::Revoke { .. }) {
            let issuer = self.index(host);
            self.tell_honouring(issuer, &Input::RevokeUrls);
        }
    }

    /// A fault that lasts is over, or everything is.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what does not last has no end")]
    pub(super) fn heal(&mut self, index: usize) {
        let Active {
            fault, since, over, ..
        } = &mut self.faults[index];
        if std::mem::replace(over, true) {
            return;
        }
        let (fault, after) = (fault.clone(), self.now.since(*since));
        match &fault {
            Fault::Partition { .. } | Fault::PartitionOneWay { .. } => self.end_silence(),
            Fault::LinkDown { host, .. } => {
                self.station(host).link_down = self.lasts_still(
                    |other| matches!(other, Fault::LinkDown { host: there, .. } if there == host),
                );
            }
            Fault::Refuse { host, .. } => {
                self.station(host).refuses = self
                    .lasts_still(|other| matches!(other, Fault::Refuse { host: there, .. } if there == host));
            }
            Fault::ConnectHang { host, .. } => {
                self.station(host).hangs = self.lasts_still(
                    |other| matches!(other, Fault::ConnectHang { host: there, .. } if there == host),
                );
            }
            Fault::SlowReader { host, .. } => {
                self.station(host).reads = self.reading_rate(host);
                self.read_on(self.index(host));
            }
            // A host that is bounced again while it is away comes back once, at the last of its ends.
            Fault::Bounce { host, .. } if !self.is_bounced(host) => self.restart(host),
            // A stall ends by itself; the others never began to last.
            _ => {}
        }
        self.record(SCRIPT, Event::Healed { fault, after });
        self.try_all_again();
    }

    fn heal_all(&mut self) {
        for index in 0..self.faults.len() {
            // A restart and the end of a stall come when they come.
            if !matches!(
                self.faults[index].fault,
                Fault::Bounce { .. } | Fault::Stall { .. }
            ) {
                self.heal(index);
            }
        }
        let link = self.plan.link;
        for path in self.paths.values_mut() {
            path.quality = link;
            path.reorder = Duration::ZERO;
        }
        for station in &mut self.stations {
            station.reject_upgrades = (0, 0);
            station.hang_upgrades = 0;
        }
    }

    fn lasts(&mut self, fault: &Fault, aim: Aim, length: Option<Duration>) {
        self.faults.push(Active {
            fault: fault.clone(),
            aim,
            since: self.now,
            over: false,
        });
        if let Some(length) = length {
            let fault = self.faults.len() - 1;
            self.schedule(self.now + length, Class::News, Ev::Heal { fault });
        }
    }

    /// What other silences of the same links last goes on.
    fn end_silence(&mut self) {
        for (client, path) in &mut self.paths {
            for dir in [Dir::C2s, Dir::S2c] {
                path.silent[dir as usize] = self.faults.iter().any(|active| active.silences(*client, dir));
            }
        }
    }

    /// Whether such a fault still lasts.
    fn lasts_still(&self, is_such: impl Fn(&Fault) -> bool) -> bool {
        self.faults
            .iter()
            .any(|active| !active.over && is_such(&active.fault))
    }

    /// Whether a host is to come back later still.
    fn is_bounced(&self, host: &str) -> bool {
        self.lasts_still(|other| matches!(other, Fault::Bounce { host: there, .. } if there == host))
    }

    /// How fast a host reads, as the last of the faults says that still last.
    fn reading_rate(&self, host: &str) -> Option<u64> {
        self.faults.iter().rev().find_map(|active| {
            if let Fault::SlowReader {
                host: slow,
                bytes_per_second,
                ..
            } = &active.fault
                && slow == host
                && !active.over
            {
                Some(*bytes_per_second)
            } else {
                None
            }
        })
    }

    fn silence(&mut self, aim: Aim, dirs: &[Dir]) {
        let now = self.now;
        self.each_path(aim, |path| {
            for &dir in dirs {
                path.silent[dir as usize] = true;
                path.silenced_at[dir as usize] = Some(now);
            }
        });
    }

    fn link_down(&mut self, host: usize, address: Address) {
        self.stations[host].link_down = true;
        for conn in 0..self.conns.len() {
            for side in [Side::Client, Side::Server] {
                if self.conns[conn].host(side) == host && self.conns[conn].end(side) == End::Open {
                    self.tell_end(conn, side, CloseReason::NetworkDown);
                    // The socket is dead from now on, even while its host has not looked.
                    self.conns[conn].flow_mut(side.sends()).cut = true;
                    if address == Address::New {
                        self.swallow(conn, side.other().sends());
                    }
                }
            }
        }
    }

    /// Both ends learn at once that their connection is over; what was on its way is lost.
    pub(super) fn reset(&mut self, conn: usize) {
        self.discard(conn, Dir::C2s);
        self.discard(conn, Dir::S2c);
        self.tell_end(conn, Side::Client, CloseReason::Reset);
        self.tell_end(conn, Side::Server, CloseReason::Reset);
    }

    fn half_open(&mut self, conn: usize, told: Side) {
        self.discard(conn, told.sends());
        self.swallow(conn, told.other().sends());
        self.tell_end(conn, told, CloseReason::Reset);
    }

    /// Nothing gets through in this direction any more, and nobody is told.
    fn swallow(&mut self, conn: usize, dir: Dir) {
        self.conns[conn].flow_mut(dir).void = true;
    }

    fn tell_end(&mut self, conn: usize, side: Side, why: CloseReason) {
        let end = Over::Closed(why);
        self.schedule(self.now, Class::News, Ev::Told { conn, side, end });
    }

    /// A crash says no goodbye: the links are cut first.
    fn crash(&mut self, host: &str) {
        let index = self.index(host);
        let station = &mut self.stations[index];
        station.alive = false;
        station.wake_at = None;
        for conn in 0..self.conns.len() {
            for side in [Side::Client, Side::Server] {
                if self.conns[conn].host(side) == index && self.conns[conn].end(side) == End::Open {
                    // What it has sent by now is on its way.
                    self.conns[conn].flow_mut(side.sends()).cut = true;
                    self.leave(conn, side);
                }
            }
        }
        self.carrier.crash(index);
    }

    fn restart(&mut self, host: &str) {
        let index = self.index(host);
        // Nothing that it drew before may come again, session ids above all.
        let seed = self.seed.of(&format!("restart at {}", self.now));
        self.stations[index].host = Host::new(&self.plan, index, seed);
        self.stations[index].alive = true;
        self.carrier.restart(index);
        for (signer, input) in self.decrees.clone() {
            if self.honours(index, signer) {
                self.tell_at(self.now, Class::News, index, input);
            }
        }
    }

    /// A reader goes on reading: what lies in its buffers is delivered.
    fn read_on(&mut self, host: usize) {
        for conn in 0..self.conns.len() {
            for dir in [Dir::C2s, Dir::S2c] {
                if self.conns[conn].host(dir.receiver()) == host {
                    self.plan_arrival(conn, dir);
                }
            }
        }
    }

    /// Tells everyone who honours the URLs of an issuer.
    pub(super) fn tell_honouring(&mut self, signer: usize, input: &Input) {
        self.decrees.push((signer, input.clone()));
        for host in 0..self.plan.hosts.len() {
            if self.honours(host, signer) {
                self.tell_at(self.now, Class::News, host, input.clone());
            }
        }
    }

    fn honours(&self, host: usize, signer: usize) -> bool {
        matches!(self.plan.hosts[host].kind, HostKind::Exec { issuer: Some(issuer), .. } if issuer == signer)
    }

    fn tell_soon(&mut self, host: &str, input: Input) {
        let host = self.index(host);
        self.tell_at(self.now, Class::News, host, input);
    }

    /// The connections that a fault is aimed at: the one of its anchor, or those that are open.
    fn each_conn(&mut self, aim: Aim, act: impl Fn(&mut Self, usize)) {
        if let Some(conn) = aim.conn {
            act(self, conn);
            return;
        }
        for conn in 0..self.conns.len() {
            let of_client = aim.client.is_none_or(|client| self.conns[conn].client == client);
            if of_client && self.conns[conn].is_live() && self.conns[conn].id.purpose() == Purpose::Session {
                act(self, conn);
            }
        }
    }

    fn each_path(&mut self, aim: Aim, act: impl Fn(&mut Path)) {
        for (client, path) in &mut self.paths {
            if aim.client.is_none_or(|aimed| aimed == *client) {
                act(path);
            }
        }
    }

    fn station(&mut self, host: &str) -> &mut Station {
        let index = self.index(host);
        &mut self.stations[index]
    }

    fn index(&self, host: &str) -> usize {
        self.plan.host(host).expect("a plan names only hosts that it has")
    }
}

/// What a fault has a host learn by itself, whatever its network does: which host, and what.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all others are the business of a network"
)]
fn told(fault: &Fault) -> Option<(&str, Input)> {
    let process = |name: &str| ProcessId::from(name);
    let nanos = |length: &Option<Duration>| length.map_or(0, |length| length.as_nanos().cast_signed());
    match fault {
        Fault::ExpireUrl { issuer } => Some((issuer, Input::ExpireUrls)),
        Fault::Revoke { issuer } => Some((issuer, Input::RevokeUrls)),
        Fault::Throttle {
            host,
            status,
            code,
            times,
            retry_after,
        } => {
            let (status, code, times, retry_after) = (*status, code.clone(), *times, *retry_after);
            Some((
                host,
                Input::Throttle {
                    status,
                    code,
                    times,
                    retry_after,
                },
            ))
        }
        Fault::Exit {
            host,
            process: name,
            code,
        } => Some((
            host,
            Input::Exit {
                process: process(name),
                code: *code,
            },
        )),
        Fault::Burst {
            host,
            process: name,
            chunks,
        } => Some((
            host,
            Input::Burst {
                process: process(name),
                chunks: *chunks,
            },
        )),
        Fault::ClockJump { host, ahead, behind } => {
            Some((host, Input::ClockJump(nanos(ahead) - nanos(behind))))
        }
        _ => None,
    }
}
