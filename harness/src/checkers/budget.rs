//! When a client may try again, and for how long, by its policy.

use std::time::Duration;

use unplug_reconnect::backoff::Backoff;
use unplug_reconnect::id::Purpose;
use unplug_reconnect::policy::{Policy, SessionMode};

use super::Verdict;
use super::efforts::{After, Begun, Efforts, Ended};
use super::words::length;
use crate::history::History;

/// How early an attempt may begin: the grain of timers.
const EARLY: Duration = Duration::from_millis(1);
/// How late an attempt may begin: worlds with ticks are coarse.
const LATE: Duration = Duration::from_millis(25);
/// Backoffs are at their cap by this delay.
const CAPPED: u32 = 64;

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
            high = high.max(credential.backoff.bounds(failed + self.effort.url_retries).1);
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
        if let Some(first) = policy.credential.first_connect.filter(|_| 0 < effort.url_retries) {
            let asked = effort.url_began.map(|began| t.since(began)).unwrap_or_default();
            if first.retries < effort.url_retries {
                let (retries, max) = (effort.url_retries, first.retries);
                return Verdict::Fail(format!(
                    "{client} asked for a URL again for the {retries}. time on {conn}, but its policy allows {max}"
                ));
            }
            if first.phase + LATE < asked {
                let (asked, phase) = (length(asked), length(first.phase));
                return Verdict::Fail(format!(
                    "{client} asked for a URL on {conn} after it had asked for {asked}, but its policy asks for {phase}"
                ));
            }
            continue;
        }
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
        // A fresh URL after a 401 is the second half of the same attempt, even where one attempt is all.
        let refreshes = after.is_some_and(|after| after.what == Ended::Stale);
        let began = effort.extended.or(effort.began);
        let Some(began) = began.filter(|_| !proactive && !refreshes) else {
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
