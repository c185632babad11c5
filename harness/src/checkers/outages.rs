//! What keeps a client from coming back to its session, and what makes it hopeless.

use std::collections::BTreeMap;
use std::time::Duration;

use unplug_reconnect::id::{ConnId, ProcessId, SessionNumber};
use unplug_reconnect::time::Time;

use super::handles::{clients, is_client};
use super::retries::policy;
use crate::fault::Fault;
use crate::history::{Entry, Event, History};

/// A client whose window ends no earlier than this before the lease of its server has done what it can.
const MARGIN: Duration = Duration::from_secs(3);
/// An attempt that begins no more than this and a connect timeout before the end of a window comes too late.
const ATTEMPT: Duration = Duration::from_secs(1);

/// Faults that keep clients away, and how long each client has been without a connection.
pub(super) struct Outages<'a> {
    history: &'a History,
    /// Faults that last now and keep clients away from servers.
    lasting: usize,
    /// Links are slow until everything heals.
    slow: bool,
    /// There was an outage.
    has_been_out: bool,
    /// By client: its first dial since the last outage was over that may still come to something.
    dialed: BTreeMap<usize, Time>,
    /// By the numbers that connections count clients with.
    dialers: Vec<usize>,
    /// Nobody comes back with a signed URL: the issuer gives out nothing more, or two clocks differ so much that every
    /// URL is stale.
    locked: bool,
    /// By client: the connection it can use, and since when it has had none.
    up: BTreeMap<usize, ConnId>,
    down: BTreeMap<usize, Time>,
    /// The last output that the server threw away, and the last that the client got, of each process.
    evicted: BTreeMap<(SessionNumber, &'a ProcessId), u64>,
    got: BTreeMap<(usize, &'a ProcessId), u64>,
}

impl<'a> Outages<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        Self {
            history,
            lasting: 0,
            slow: false,
            has_been_out: false,
            dialed: BTreeMap::new(),
            dialers: clients(history),
            locked: false,
            up: BTreeMap::new(),
            down: BTreeMap::new(),
            evicted: BTreeMap::new(),
            got: BTreeMap::new(),
        }
    }

    /// Whether a client is kept away now.
    pub(super) const fn is_out(&self) -> bool {
        0 < self.lasting || self.slow
    }

    /// Notes what an entry says; whether the last outage is over with it.
    pub(super) fn read(&mut self, entry: &'a Entry) -> bool {
        let was_out = self.is_out();
        if let Event::Fault { fault, .. } = &entry.event {
            self.on_fault(fault);
        } else if let Event::Healed { fault, .. } = &entry.event
            && keeps_away(fault)
        {
            self.lasting = self.lasting.saturating_sub(1);
        } else {
            self.on_news(entry.who, entry.t, &entry.event);
        }
        let over = was_out && !self.is_out();
        if self.is_out() || over {
            self.has_been_out = true;
            self.dialed.clear();
        }
        over
    }

    fn on_fault(&mut self, fault: &Fault) {
        self.lasting += usize::from(keeps_away(fault));
        self.slow |= matches!(fault, Fault::Bandwidth { .. });
        self.slow &= !matches!(fault, Fault::Heal);
        self.locked |= matches!(fault, Fault::Revoke { .. } | Fault::ClockJump { .. });
    }

    fn on_news(&mut self, who: usize, t: Time, event: &'a Event) {
        if let Event::Ready { conn } = event {
            self.up.insert(who, *conn);
            self.down.remove(&who);
        } else if let Event::Closed { conn, .. } | Event::Hangup { conn, .. } = event {
            if !is_client(self.history, who) {
                return;
            }
            if self.up.get(&who) == Some(conn) {
                self.up.remove(&who);
                self.down.insert(who, t);
            } else {
                self.dialed.remove(&who); // It came to nothing.
            }
        } else if let Event::Dial { .. } = event {
            self.dialed.entry(who).or_insert(t);
        } else if let Event::DialFailed { .. } = event {
            self.dialed.remove(&who);
        } else if let Event::IssueRefused { conn, .. } | Event::TurnedAway { conn, .. } = event {
            if let Some(dialer) = self.dialers.get(conn.client() as usize) {
                self.dialed.remove(dialer);
            }
        } else if let Event::Evicted {
            session,
            process,
            seq,
        } = event
        {
            self.evicted.insert((*session, process), *seq);
        } else if let Event::Output { process, seq, .. } = event {
            self.got.insert((who, process), *seq);
        }
    }

    /// Whether output is gone that this client has not got: a process with a gap is lost, and says so.
    pub(super) fn has_gap(&self, who: usize, session: SessionNumber, process: &'a ProcessId) -> bool {
        let got = self.got.get(&(who, process)).copied().unwrap_or_default();
        self.evicted
            .get(&(session, process))
            .is_some_and(|&evicted| got < evicted)
    }

    /// Whether nobody could have done more: no signed URL is worth anything, or the client was kept away until its window
    /// ended and could not begin an attempt in time, and that window is as long as the lease of its server allows.
    pub(super) fn excuse(&self, who: usize, lease: Duration, now: Time) -> bool {
        let Some(policy) = policy(self.history, who) else {
            return false;
        };
        let too_late = |first: &Time| now.since(*first) < policy.connect_timeout + ATTEMPT;
        let kept_away = self.is_out() || self.has_been_out && self.dialed.get(&who).is_none_or(too_late);
        let tried = self.down.get(&who).map(|since| now.since(*since));
        let windows = policy.recovery.iter();
        let windows = windows.flat_map(|it| [Some(it.retry.window), it.described_window]);
        let spent = windows.flatten().filter(|window| tried >= Some(*window)).max();
        self.locked || kept_away && spent.is_some_and(|spent| lease <= spent + MARGIN)
    }
}

/// Whether a fault, while it lasts, keeps a client from coming back.
const fn keeps_away(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Partition { .. }
            | Fault::PartitionOneWay { .. }
            | Fault::LinkDown { .. }
            | Fault::Refuse { .. }
            | Fault::ConnectHang { .. }
            | Fault::SlowReader { .. }
            | Fault::Stall { .. }
    )
}
