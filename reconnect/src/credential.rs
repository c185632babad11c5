//! The source of signed URLs: one request to the issuer at a time, however many dials ask (exec-server sheet, 8).
//!
//! Keeps the contract of every machine (see the crate's documentation). A URL is a secret: it leaves this machine in
//! [`Output::Granted`] and nowhere else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{ConnId, ConnIds};
use crate::policy::{CredentialPolicy, Reuse};
use crate::time::Time;
use crate::wire::registry::ENVIRONMENT_OFFLINE;
use crate::words::shortened;

/// A fact.
#[derive(Clone, Debug)]
pub enum Input {
    /// A dial needs a URL.
    Wanted {
        /// How long the request for it may take. None: as long as the policy says.
        within: Option<Duration>,
    },
    /// The issuer signed one.
    Issued {
        /// In answer to this request.
        fetch: ConnId,
        /// The URL.
        url: Arc<str>,
    },
    /// The issuer answered with an error.
    Refused {
        /// This request.
        fetch: ConnId,
        /// The HTTP status.
        status: u16,
        /// The code in the body, if there is one.
        code: Option<String>,
    },
    /// The request came to nothing: no connection, or it ended before an answer.
    Unreachable {
        /// This request.
        fetch: ConnId,
    },
    /// The server turned the last granted URL away with 401.
    Rejected,
    /// The deadline is reached.
    Wake,
}

/// An order, or news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the issuer.
    Fetch {
        /// The connection to do it on.
        fetch: ConnId,
    },
    /// Stop waiting for the issuer.
    Abandon {
        /// The connection of the request.
        fetch: ConnId,
    },
    /// A URL for one dial.
    Granted {
        /// The URL.
        url: Arc<str>,
    },
    /// No URL.
    Denied {
        /// In words, without secrets.
        why: String,
        /// Whether asking again may help.
        again: bool,
    },
}

enum State {
    /// Nothing at hand.
    Empty,
    /// One request is under way, whoever asks.
    Fetching { fetch: ConnId, until: Time },
    /// A URL is at hand. `stale_at` is when a proactive policy replaces it.
    Holding { url: Arc<str>, stale_at: Option<Time> },
    /// The issuer said no for good.
    Dead { why: String },
}

/// A source of signed URLs.
///
/// Invariant: at most one request is under way; after a permanent refusal there is never another.
pub struct Credential {
    policy: CredentialPolicy,
    ids: ConnIds,
    state: State,
    wanted: bool,
    outputs: VecDeque<Output>,
}

impl Credential {
    /// A source that has nothing yet. Its requests are made on connections that `ids` names.
    pub fn new(policy: CredentialPolicy, ids: ConnIds) -> Self {
        Self {
            policy,
            ids,
            state: State::Empty,
            wanted: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes in one fact.
    ///
    /// # Panics
    /// If [`poll`](Self::poll) was not drained before.
    pub fn handle(&mut self, input: Input, now: Time) {
        assert!(self.outputs.is_empty(), "drain poll() before the next handle()");
        match input {
            Input::Wanted { within } => self.on_wanted(within, now),
            Input::Issued { fetch, url } if self.is_fetching(fetch) => self.on_issued(url, now),
            Input::Refused { fetch, status, code } if self.is_fetching(fetch) => {
                self.on_refused(status, code.as_deref());
            }
            Input::Unreachable { fetch } if self.is_fetching(fetch) => {
                self.fail("the issuer cannot be reached".to_owned(), true);
            }
            // A late word about a request that was given up.
            Input::Issued { .. } | Input::Refused { .. } | Input::Unreachable { .. } => {}
            Input::Rejected => self.on_rejected(),
            Input::Wake => self.on_wake(now),
        }
    }

    /// The next order or news.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to wake this machine if nothing happens before.
    pub fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Fetching { until, .. } => Some(*until),
            State::Holding { stale_at, .. } => *stale_at,
            State::Empty | State::Dead { .. } => None,
        }
    }

    fn is_fetching(&self, conn: ConnId) -> bool {
        matches!(self.state, State::Fetching { fetch, .. } if fetch == conn)
    }

    fn on_wanted(&mut self, within: Option<Duration>, now: Time) {
        match &mut self.state {
            State::Empty => {
                self.wanted = true;
                self.fetch(within.unwrap_or(self.policy.fetch_timeout), now);
            }
            State::Fetching { until, .. } => {
                self.wanted = true;
                *until = within.map_or(*until, |within| (*until).min(now + within));
            }
            State::Holding { url, .. } => {
                let url = Arc::clone(url);
                self.grant(url, now);
            }
            State::Dead { why } => {
                let why = why.clone();
                self.outputs.push_back(Output::Denied { why, again: false });
            }
        }
    }

    fn on_issued(&mut self, url: Arc<str>, now: Time) {
        let stale_at = self
            .policy
            .refresh
            .map(|refresh| refresh.lifetime.saturating_sub(refresh.window))
            // A URL that is stale on arrival would be replaced without an end.
            .filter(|fresh| !fresh.is_zero())
            .map(|fresh| now + fresh);
        self.state = State::Holding {
            url: Arc::clone(&url),
            stale_at,
        };
        if std::mem::take(&mut self.wanted) {
            self.grant(url, now);
        }
    }

    fn on_refused(&mut self, status: u16, code: Option<&str>) {
        let offline = status == 409 && code == Some(ENVIRONMENT_OFFLINE);
        let again = match status {
            408 | 429 | 500..=599 => true,
            409 => offline && self.policy.offline_is_retryable,
            _ => false,
        };
        let code = code.map(|code| format!(" {code}")).unwrap_or_default();
        self.fail(shortened(format!("the issuer answered {status}{code}")), again);
    }

    fn on_rejected(&mut self) {
        if self.policy.reuse == Reuse::Never && matches!(self.state, State::Holding { .. }) {
            self.state = State::Empty;
        }
    }

    fn on_wake(&mut self, now: Time) {
        match &self.state {
            State::Fetching { fetch, until } if *until <= now => {
                self.outputs.push_back(Output::Abandon { fetch: *fetch });
                self.fail("the issuer did not answer in time".to_owned(), true);
            }
            State::Holding {
                stale_at: Some(stale_at),
                ..
            } if *stale_at <= now => self.fetch(self.policy.fetch_timeout, now),
            // An early wake.
            State::Fetching { .. } | State::Holding { .. } | State::Empty | State::Dead { .. } => {}
        }
    }

    fn fetch(&mut self, within: Duration, now: Time) {
        let fetch = self.ids.mint();
        self.state = State::Fetching {
            fetch,
            until: now + within,
        };
        self.outputs.push_back(Output::Fetch { fetch });
    }

    fn grant(&mut self, url: Arc<str>, now: Time) {
        self.outputs.push_back(Output::Granted { url });
        if self.policy.reuse == Reuse::Never {
            self.state = State::Empty;
            if self.policy.refresh.is_some() {
                self.fetch(self.policy.fetch_timeout, now);
            }
        }
    }

    fn fail(&mut self, why: String, again: bool) {
        self.state = if again {
            State::Empty
        } else {
            State::Dead { why: why.clone() }
        };
        if std::mem::take(&mut self.wanted) {
            self.outputs.push_back(Output::Denied { why, again });
        }
    }
}
