//! How a client's attempts to connect follow each other, against its policy.

use std::time::Duration;

use unplug_reconnect::backoff::Backoff;
use unplug_reconnect::id::{ConnId, Purpose};
use unplug_reconnect::policy::{Policy, Recovery, Retry, Reuse, SessionMode, StillAttached};
use unplug_reconnect::time::Time;

use super::Verdict;
use super::handles::{clients, downed};
use super::retries::policy;
use super::words::length;
use crate::fault::Fault;
use crate::history::{DialError, Dir, Entry, Event, History, Kind, ResumeRefusal};

/// How early an attempt may begin: the grain of timers.
const EARLY: Duration = Duration::from_millis(1);
/// How late an attempt may begin: worlds with ticks are coarse.
const LATE: Duration = Duration::from_millis(25);
/// Backoffs are at their cap by this delay.
const CAPPED: u32 = 64;

/// The way from no connection to a usable one, over as many attempts as it takes.
#[derive(Default)]
struct Effort {
    /// Whether a session is to be resumed.
    resumes: bool,
    /// When its first attempt began.
    began: Option<Time>,
    /// Attempts begun.
    attempts: u32,
    /// The connection or the request to the issuer of the attempt that is under way.
    conn: Option<ConnId>,
    /// Whether the issuer gave out a URL for it.
    granted: bool,
    /// What the next attempt comes after.
    after: Option<After>,
    /// Whether the attempt under way was told that the session is still attached elsewhere.
    still_attached: bool,
    /// When such a refusal last began the window anew.
    extended: Option<Time>,
    /// Whether an attempt was refused in a way that may begin the backoff anew.
    uneven: bool,
    /// Whether a fresh URL was tried at once after a 401 (exec-server sheet, 8).
    refreshed: bool,
}

/// The end of an attempt, or the loss of a usable connection.
#[derive(Clone, Copy)]
struct After {
    conn: ConnId,
    t: Time,
    what: Ended,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// A usable connection was lost.
    Lost,
    /// An attempt failed.
    Failed,
    /// The issuer gave out no URL; its client learned that a little later.
    Refused,
    /// A URL was too old: a fresh one is worth a try at once.
    Stale,
}

/// An attempt begins.
struct Begun<'a> {
    who: usize,
    conn: ConnId,
    t: Time,
    policy: &'a Policy,
    retry: Retry,
    effort: &'a Effort,
    after: Option<After>,
}

/// One client.
struct Client<'a> {
    policy: &'a Policy,
    up: Option<ConnId>,
    effort: Option<Effort>,
    /// Its process stood still: nothing can be said about its timers.
    stalled: bool,
}

/// The efforts of all clients, as far as a history was read.
struct Efforts<'a> {
    history: &'a History,
    dialers: Vec<usize>,
    clients: Vec<Option<Client<'a>>>,
}

impl<'a> Efforts<'a> {
    fn new(history: &'a History) -> Self {
        let client = |who| {
            policy(history, who).map(|policy| Client {
                policy,
                up: None,
                effort: None,
                stalled: false,
            })
        };
        let clients_by_host = (0..history.header.hosts.len()).map(client).collect();
        Self {
            history,
            dialers: clients(history),
            clients: clients_by_host,
        }
    }

    /// Reads one entry and says which attempt begins in it, if one does.
    fn read(&mut self, entry: &Entry) -> Option<Begun<'_>> {
        if let Event::ResumeRefused { conn, .. } | Event::IssueRefused { conn, .. } = &entry.event {
            let who = *self.dialers.get(conn.client() as usize)?;
            let effort = self.clients[who]
                .as_mut()?
                .effort
                .as_mut()
                .filter(|effort| effort.conn == Some(*conn))?;
            if let Event::ResumeRefused {
                why: ResumeRefusal::StillAttached,
                ..
            } = &entry.event
            {
                effort.still_attached = true;
            } else if let Event::IssueRefused { .. } = &entry.event {
                effort.after = Some(After {
                    conn: *conn,
                    t: entry.t,
                    what: Ended::Refused,
                });
                effort.uneven = true;
            }
            return None;
        }
        if let Event::Fault { fault, .. } = &entry.event {
            self.on_fault(fault);
            return None;
        }
        let client = self.clients[entry.who].as_mut()?;
        if let Event::Dial { conn, .. } = &entry.event {
            return client.on_dial(entry.who, *conn, entry.t);
        }
        client.on_news(&entry.event, entry.t);
        None
    }

    fn on_fault(&mut self, fault: &Fault) {
        let stalled = if let Fault::Stall { host, .. } = fault {
            Some(host.as_str())
        } else {
            downed(fault)
        };
        let Some(host) = stalled else { return };
        for (who, client) in self.clients.iter_mut().enumerate() {
            if let Some(client) = client.as_mut().filter(|_| self.history.name(who) == host) {
                client.stalled = true;
            }
        }
    }
}

impl Client<'_> {
    fn on_dial(&mut self, who: usize, conn: ConnId, t: Time) -> Option<Begun<'_>> {
        if conn.purpose() == Purpose::Fetch && self.policy.credential.refresh.is_some() {
            return None; // Perhaps fetched ahead, for no attempt.
        }
        let effort = self.effort.get_or_insert_default();
        let under_way = effort.conn.is_some() && effort.after.is_none();
        effort.conn = Some(conn);
        effort.granted = false;
        if under_way {
            return None; // The dial for which a URL was fetched.
        }
        let after = effort.after.take();
        effort.still_attached = false;
        effort.began.get_or_insert(t);
        if after.is_none_or(|after| after.what != Ended::Stale) {
            effort.attempts += 1;
        }
        let resumes = self.policy.recovery.filter(|_| effort.resumes);
        let retry = resumes.map_or(self.policy.startup, |recovery| recovery.retry);
        let judged = !self.stalled;
        judged.then_some(Begun {
            who,
            conn,
            t,
            policy: self.policy,
            retry,
            effort,
            after,
        })
    }

    fn on_news(&mut self, event: &Event, t: Time) {
        if let Event::Ready { conn } = event {
            self.up = Some(*conn);
            self.effort = None;
        } else if let Event::GaveUp { .. } = event {
            self.up = None;
            self.effort = None;
        } else if let Event::Closed { conn, .. } | Event::Hangup { conn } = event {
            if self.up == Some(*conn) {
                self.on_lost(*conn, t);
            } else {
                self.on_failed(*conn, t, Ended::Failed);
            }
        } else if let Event::DialFailed { conn, why } = event {
            let stale = *why == DialError::Status(401) && self.policy.credential.reuse == Reuse::Never;
            let first = |effort: &Effort| !effort.resumes && !effort.refreshed;
            let stale = stale && self.effort.as_ref().is_some_and(first);
            self.on_failed(*conn, t, if stale { Ended::Stale } else { Ended::Failed });
        } else if let Event::Credential { conn, .. } = event {
            let effort = self.effort.as_mut().filter(|effort| effort.conn == Some(*conn));
            effort.into_iter().for_each(|effort| effort.granted = true);
        } else if let Event::Delivered {
            conn,
            dir: Dir::S2c,
            frame,
        } = event
            && conn.purpose() == Purpose::Fetch
            && frame.kind == Kind::Error
        {
            self.on_failed(*conn, t, Ended::Failed);
        }
    }

    fn on_lost(&mut self, conn: ConnId, t: Time) {
        self.up = None;
        self.effort = None;
        if self.policy.session == SessionMode::Resume {
            let after = Some(After {
                conn,
                t,
                what: Ended::Lost,
            });
            self.effort = Some(Effort {
                resumes: true,
                after,
                ..Effort::default()
            });
        }
    }

    fn on_failed(&mut self, conn: ConnId, t: Time, what: Ended) {
        let Some(effort) = self.effort.as_mut().filter(|effort| effort.conn == Some(conn)) else {
            return;
        };
        let fetched = effort.granted && conn.purpose() == Purpose::Fetch;
        if fetched || effort.after.is_some_and(|after| after.what != Ended::Refused) {
            return; // The first word counts.
        }
        effort.after = Some(After { conn, t, what });
        effort.refreshed |= what == Ended::Stale;
        let extends = |recovery: &Recovery| {
            recovery.still_attached == StillAttached::ExtendWindow && effort.still_attached
        };
        if self.policy.recovery.as_ref().is_some_and(extends) {
            effort.extended = Some(t);
        }
        effort.uneven |= effort.still_attached || conn.purpose() == Purpose::Fetch;
    }
}

/// The wait between two attempts must be one that the policy allows: too short and clients crowd a server that is coming
/// back, too long and callers wait for nothing.
///
/// A client that was stalled is not judged. The first attempt after a loss may begin at once. A policy that opens a
/// fresh session dials when it is asked to, so only the shortest wait counts.
pub(super) fn backoff_within_policy(history: &History) -> Verdict {
    let mut efforts = Efforts::new(history);
    let mut tested = false;
    for entry in &history.entries {
        let Some(begun) = efforts.read(entry) else {
            continue;
        };
        let Some(after) = begun.after.filter(|after| after.what != Ended::Stale) else {
            continue;
        };
        tested = true;
        let wait = begun.t.since(after.t);
        let (shortest, longest) = begun.bounds(after);
        if shortest <= wait + EARLY && longest.is_none_or(|longest| wait <= longest + LATE) {
            continue;
        }
        let failed = if after.what == Ended::Lost {
            "was lost"
        } else {
            "failed"
        };
        let limit = match longest.filter(|longest| *longest < wait) {
            Some(longest) => format!("at most {}", length(longest)),
            None => format!("at least {}", length(shortest)),
        };
        let (client, conn, other, wait) = (history.name(begun.who), begun.conn, after.conn, length(wait));
        return Verdict::Fail(format!(
            "{client} dialed {conn} {wait} after {other} {failed}, but its policy waits {limit}"
        ));
    }
    Verdict::held(tested)
}

impl Begun<'_> {
    /// The shortest wait before this attempt, and the longest one if there is one.
    fn bounds(&self, after: After) -> (Duration, Option<Duration>) {
        let Policy {
            credential,
            connect_timeout,
            initialize_timeout,
            ..
        } = self.policy;
        let backoff = &self.retry.backoff;
        // A proactive client may wait for a URL, and its requests for one are not told from those made ahead.
        let bounded = self.policy.session == SessionMode::Resume && credential.refresh.is_none();
        if after.what == Ended::Lost {
            let longest = longest(backoff) + *connect_timeout + *initialize_timeout;
            return (Duration::ZERO, bounded.then_some(longest));
        }
        let failed = self.effort.attempts.saturating_sub(1);
        let (mut low, mut high) = (
            backoff.bounds(failed.saturating_sub(1)).0,
            backoff.bounds(failed).1,
        );
        if self.effort.uneven {
            low = backoff.bounds(0).0;
        }
        if after.conn.purpose() == Purpose::Fetch {
            low = low.min(credential.backoff.bounds(0).0);
            high = high.max(credential.backoff.bounds(failed).1);
        }
        (low, (bounded && after.what == Ended::Failed).then_some(high))
    }
}

fn longest(backoff: &Backoff) -> Duration {
    backoff.bounds(CAPPED).1
}

/// A client must try no more often and no longer than its policy allows: its callers wait that long for the truth.
pub(super) fn attempts_within_budget(history: &History) -> Verdict {
    let mut efforts = Efforts::new(history);
    let mut tested = false;
    for entry in &history.entries {
        let Some(Begun {
            who,
            conn,
            t,
            policy,
            retry,
            effort,
            after,
        }) = efforts.read(entry)
        else {
            continue;
        };
        tested |= after.is_some();
        let client = history.name(who);
        let attempts_max = if retry.window.is_zero() {
            Some(1)
        } else {
            retry.attempts_max
        };
        if let Some(max) = attempts_max.filter(|max| *max < effort.attempts && effort.extended.is_none()) {
            let attempts = effort.attempts;
            return Verdict::Fail(format!(
                "{client} began attempt {attempts} on {conn}, but its policy allows {max}"
            ));
        }
        let proactive = policy.credential.refresh.is_some() && !effort.resumes;
        let Some(began) = effort.extended.or(effort.began).filter(|_| !proactive) else {
            continue;
        };
        let tried = t.since(began);
        if retry.window + LATE < tried {
            let (tried, window) = (length(tried), length(retry.window));
            return Verdict::Fail(format!(
                "{client} dialed {conn} after it had tried for {tried}, but its policy tries for {window}"
            ));
        }
    }
    Verdict::held(tested)
}
