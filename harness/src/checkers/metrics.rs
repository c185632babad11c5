//! What a run cost, in numbers: what a table compares policies by.
//!
//! Metrics are to checkers what a price is to a verdict. They read the same history in the same way (which start a
//! process belongs to, which asked write it has read), count everything instead of stopping at the first, and excuse
//! nothing that a policy could not have helped: whoever compares two policies runs both through the same script.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::AddAssign;
use std::time::Duration;

use serde::Serialize;
use unplug_reconnect::id::{CallId, ConnId, Purpose, SessionNumber};
use unplug_reconnect::policy::SessionMode;
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::method;

use super::handles::clients;
use super::outcomes::{Promises, Surrenders};
use super::pipes::{Read, What};
use super::reading::Reading;
use super::retries::policy;
use crate::history::{Entry, Event, History, Truth};

/// What is measured of a run, of all its clients together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// What can be counted.
    pub counts: Counts,
    /// How long outages lasted that came to an end. One begins when either end of a usable connection learns that it is
    /// over, and ends when its client is usable again. Silence that nobody has noticed is none: it shows in `waits`.
    pub outages: Vec<Duration>,
    /// How long callers waited to be told what became of what they asked for.
    pub waits: Vec<Duration>,
}

/// What can be counted, and added up over runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// How often a client left a session that it was attached to: it gave up, or, if its policy opens a fresh session
    /// each time, its connection ended.
    pub sessions_lost: u64,
    /// Processes that a client was told to be lost while their server still ran them.
    pub processes_lost: u64,
    /// What callers were told about their writes.
    pub writes: Outcomes,
    /// How often a process read a write that it had read before.
    pub writes_duplicated: u64,
    /// Writes that callers were told are applied and that no process ever read, with the excuses of the checker
    /// `accepted-means-applied`.
    pub writes_lost: u64,
    /// What callers were told about everything else that they asked for.
    pub calls: Outcomes,
    /// How often a caller was told that an outcome is unknown when its client could have known it.
    pub needless_surrenders: u64,
    /// Dials of exec connections; requests to an issuer do not count.
    pub dials: u64,
    /// The most of these dials that began within one second of one run, of all its clients together.
    pub dials_peak: u64,
    /// Outages that had not come to an end when their run did.
    pub outages_open: u64,
}

/// How often callers were told what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// That it happened.
    pub applied: u64,
    /// That it did not happen.
    pub not_applied: u64,
    /// That nobody can know.
    pub ambiguous: u64,
    /// Nothing, until the run ended.
    pub unsettled: u64,
}

impl Outcomes {
    /// So much was asked for.
    pub const fn asked(&self) -> u64 {
        self.applied + self.not_applied + self.ambiguous + self.unsettled
    }
}

impl AddAssign for Outcomes {
    fn add_assign(&mut self, other: Self) {
        self.applied += other.applied;
        self.not_applied += other.not_applied;
        self.ambiguous += other.ambiguous;
        self.unsettled += other.unsettled;
    }
}

impl AddAssign for Counts {
    /// The peak is the higher one of both.
    fn add_assign(&mut self, other: Self) {
        self.sessions_lost += other.sessions_lost;
        self.processes_lost += other.processes_lost;
        self.writes += other.writes;
        self.writes_duplicated += other.writes_duplicated;
        self.writes_lost += other.writes_lost;
        self.calls += other.calls;
        self.needless_surrenders += other.needless_surrenders;
        self.dials += other.dials;
        self.dials_peak = self.dials_peak.max(other.dials_peak);
        self.outages_open += other.outages_open;
    }
}

/// Measures a run.
pub fn measure(reading: &Reading<'_>) -> Metrics {
    let (history, pipes) = (reading.history, &reading.pipes);
    let mut metrics = Metrics::default();
    let (mut promises, mut surrenders) = (Promises::default(), Surrenders::default());
    let mut meter = Meter::new(history);
    let mut gone = BTreeSet::new();
    for (entry, step) in reading.steps() {
        if let Some(index) = step.about {
            let handle = &pipes.handles.all[index];
            if let Event::Lost { .. } = &entry.event {
                let held = gone.insert(index) && handle.is_known();
                metrics.counts.processes_lost += u64::from(held && handle.started && !step.ended);
            } else if let Event::OutputClosed { .. } = &entry.event {
                gone.insert(index);
            }
        }
        let again = |read: &Read<'_>| matches!(read.what, What::Again(_));
        metrics.counts.writes_duplicated += u64::from(step.read.as_ref().is_some_and(again));
        promises.read(entry, step, pipes);
        let needless = surrenders
            .read(history, entry)
            .is_some_and(|(_, why)| why.is_some());
        metrics.counts.needless_surrenders += u64::from(needless);
        meter.read(entry, &mut metrics);
    }
    let kept = promises.kept(pipes);
    metrics.counts.writes_lost = kept.iter().filter(|(_, kept)| !kept).count() as u64;
    meter.finish(&mut metrics);
    metrics
}

/// What one client has, as far as the history was read.
#[derive(Clone, Copy, Default)]
struct Client {
    /// The connection it believes in.
    up: Option<ConnId>,
    /// Since when it has had none, after it had one.
    down: Option<Time>,
    /// The session it holds, and the connection on which it attached to it.
    session: Option<(SessionNumber, ConnId)>,
    /// Whether it loses its session with its connection.
    fresh: bool,
}

struct Meter {
    /// By the numbers that connections count clients with.
    dialers: Vec<usize>,
    /// By host.
    clients: Vec<Client>,
    /// When what was asked for: calls that are not settled.
    open: BTreeMap<(usize, CallId), (Time, bool)>,
    /// The dials of the last second.
    recent: VecDeque<Time>,
}

impl Meter {
    fn new(history: &History) -> Self {
        let fresh = |who| policy(history, who).is_some_and(|policy| policy.session == SessionMode::Fresh);
        let client = |who| Client {
            fresh: fresh(who),
            ..Client::default()
        };
        Self {
            dialers: clients(history),
            clients: (0..history.header.hosts.len()).map(client).collect(),
            open: BTreeMap::new(),
            recent: VecDeque::new(),
        }
    }

    fn read(&mut self, entry: &Entry, metrics: &mut Metrics) {
        let Entry { t, who, event } = entry;
        if let Event::Asked { call, .. } = event {
            self.open
                .insert((*who, call.call), (*t, call.method == method::WRITE));
        } else if let Event::Settled { call, truth, .. } = event {
            if let Some((asked, writes)) = self.open.remove(&(*who, call.call)) {
                metrics.waits.push(t.since(asked));
                let outcomes = metrics.outcomes(writes);
                match truth {
                    Truth::Applied => outcomes.applied += 1,
                    Truth::NotApplied => outcomes.not_applied += 1,
                    Truth::Ambiguous => outcomes.ambiguous += 1,
                }
            }
        } else if let Event::Dial { conn, .. } = event {
            if conn.purpose() == Purpose::Session {
                self.on_dial(*t, metrics);
            }
        } else if let Event::Attached { conn, session, .. } = event {
            let before = self.clients[*who].session.replace((*session, *conn));
            metrics.counts.sessions_lost += u64::from(before.is_some_and(|(before, _)| before != *session));
        } else if let Event::Ready { conn } = event {
            let client = &mut self.clients[*who];
            client.up = Some(*conn);
            metrics
                .outages
                .extend(client.down.take().map(|since| t.since(since)));
        } else if let Event::GaveUp { .. } = event {
            let session = self.clients[*who].session.take();
            metrics.counts.sessions_lost += u64::from(session.is_some());
        } else if let Event::Closed { conn, .. } | Event::Hangup { conn, .. } | Event::Detached { conn, .. } =
            event
        {
            self.on_end(*t, *who, *conn, metrics);
        }
    }

    fn on_dial(&mut self, t: Time, metrics: &mut Metrics) {
        metrics.counts.dials += 1;
        self.recent.push_back(t);
        while self
            .recent
            .front()
            .is_some_and(|first| Duration::from_secs(1) <= t.since(*first))
        {
            self.recent.pop_front();
        }
        metrics.counts.dials_peak = metrics.counts.dials_peak.max(self.recent.len() as u64);
    }

    /// One end of a connection learns that it is over.
    fn on_end(&mut self, t: Time, who: usize, conn: ConnId, metrics: &mut Metrics) {
        let Some(&dialer) = self.dialers.get(conn.client() as usize) else {
            return;
        };
        let client = &mut self.clients[dialer];
        if client.up == Some(conn) {
            client.up = None;
            client.down = client.down.or(Some(t));
        }
        // Only the client's own word ends a session that dies with its connection.
        if client.fresh && who == dialer && client.session.is_some_and(|(_, on)| on == conn) {
            client.session = None;
            metrics.counts.sessions_lost += 1;
        }
    }

    fn finish(self, metrics: &mut Metrics) {
        metrics.counts.outages_open =
            self.clients.iter().filter(|client| client.down.is_some()).count() as u64;
        for (_, writes) in self.open.into_values() {
            metrics.outcomes(writes).unsettled += 1;
        }
    }
}

impl Metrics {
    const fn outcomes(&mut self, writes: bool) -> &mut Outcomes {
        if writes {
            &mut self.counts.writes
        } else {
            &mut self.counts.calls
        }
    }
}
