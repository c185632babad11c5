//! How a client's attempts to connect follow each other, as far as a history tells.

use std::time::Duration;

use unplug_reconnect::id::{ConnId, Purpose};
use unplug_reconnect::policy::{Policy, Recovery, Retry, Reuse, SessionMode, StillAttached};
use unplug_reconnect::time::Time;

use super::handles::{clients, downed};
use super::retries::policy;
use crate::fault::Fault;
use crate::history::{DialError, Dir, Entry, Event, History, Host, Kind, ResumeRefusal, Role};

/// The way from no connection to a usable one, over as many attempts as it takes.
#[derive(Default)]
pub(super) struct Effort {
    /// Whether a session is to be resumed.
    pub(super) resumes: bool,
    /// When its first attempt began.
    pub(super) began: Option<Time>,
    /// Attempts begun.
    pub(super) attempts: u32,
    /// The connection or the request to the issuer of the attempt that is under way.
    conn: Option<ConnId>,
    /// Whether the issuer gave out a URL for it.
    granted: bool,
    /// What the next attempt comes after.
    after: Option<After>,
    /// Whether the attempt under way was told that the session is still attached elsewhere.
    still_attached: bool,
    /// When such a refusal last began the window anew.
    pub(super) extended: Option<Time>,
    /// Whether an attempt was refused in a way that may begin the backoff anew.
    pub(super) uneven: bool,
    /// Whether a fresh URL was tried at once after a 401 (exec-server sheet, 8).
    refreshed: bool,
    /// When the client first asked for the URL of the attempt under way, if its policy bounds that.
    pub(super) url_began: Option<Time>,
    /// How often it asked again since.
    pub(super) url_retries: u32,
}

/// The end of an attempt, or the loss of a usable connection.
#[derive(Clone, Copy)]
pub(super) struct After {
    pub(super) conn: ConnId,
    pub(super) t: Time,
    pub(super) what: Ended,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
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
pub(super) struct Begun<'a> {
    pub(super) who: usize,
    pub(super) conn: ConnId,
    pub(super) t: Time,
    pub(super) policy: &'a Policy,
    pub(super) retry: Retry,
    pub(super) effort: &'a Effort,
    pub(super) after: Option<After>,
}

/// One client.
struct Client<'a> {
    policy: &'a Policy,
    up: Option<ConnId>,
    effort: Option<Effort>,
    /// The longest lease of a server in this run.
    longest_lease: Duration,
    /// Its process stood still: nothing can be said about its timers.
    stalled: bool,
}

/// The efforts of all clients, as far as a history was read.
pub(super) struct Efforts<'a> {
    history: &'a History,
    dialers: Vec<usize>,
    clients: Vec<Option<Client<'a>>>,
}

impl<'a> Efforts<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let lease = |host: &Host| match host.role {
            Role::ExecServer { lease, .. } => Some(lease),
            Role::Script | Role::Client { .. } | Role::Issuer => None,
        };
        let longest_lease = history
            .header
            .hosts
            .iter()
            .filter_map(lease)
            .max()
            .unwrap_or_default();
        let client = |who| {
            policy(history, who).map(|policy| Client {
                policy,
                longest_lease,
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
    pub(super) fn read(&mut self, entry: &Entry) -> Option<Begun<'_>> {
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
        // A first connection may ask for its URL more than once in one attempt.
        let phased = self.policy.credential.first_connect.is_some() && !effort.resumes;
        let asked_for_url = |after: After| after.conn.purpose() == Purpose::Fetch;
        let asks_again = phased && effort.url_began.is_some() && after.is_some_and(asked_for_url);
        if asks_again {
            effort.url_retries += 1;
        } else {
            effort.url_began = phased.then_some(t);
            effort.url_retries = 0;
        }
        if !asks_again && after.is_none_or(|after| after.what != Ended::Stale) {
            effort.attempts += 1;
        }
        let resumes = self.policy.recovery.filter(|_| effort.resumes);
        let retry = resumes.map_or(self.policy.startup, |recovery| Retry {
            window: window(&recovery, self.longest_lease),
            ..recovery.retry
        });
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
        if let Event::Attached { resumed: true, .. } = event
            && let Some(effort) = &mut self.effort
            && self.policy.recovery.as_ref().is_some_and(extends)
        {
            effort.extended = Some(t);
        } else if let Event::Ready { conn } = event {
            self.up = Some(*conn);
            self.effort = None;
        } else if let Event::GaveUp { .. } = event {
            self.up = None;
            self.effort = None;
        } else if let Event::Closed { conn, .. } | Event::Hangup { conn, .. } = event {
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
        if effort.still_attached && self.policy.recovery.as_ref().is_some_and(extends) {
            effort.extended = Some(t);
        }
        effort.uneven |= effort.still_attached || conn.purpose() == Purpose::Fetch;
    }
}

/// Whether a policy's window begins anew while the lease of a session does not run.
fn extends(recovery: &Recovery) -> bool {
    recovery.still_attached == StillAttached::ExtendWindow
}

/// The window against the servers of a run: those that keep sessions for longer describe themselves.
fn window(recovery: &Recovery, longest_lease: Duration) -> Duration {
    let described = recovery.described_window;
    let described = described.filter(|window| *window < longest_lease);
    described.unwrap_or(recovery.retry.window)
}
