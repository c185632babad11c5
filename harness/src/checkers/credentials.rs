//! Signed URLs: one for each dial, none after its time, and never shown. Vacuous where there is no issuer.

use std::collections::{BTreeMap, BTreeSet};

use unplug_reconnect::id::{ConnId, Purpose, UrlId};
use unplug_reconnect::time::Time;

use super::Verdict;
use super::words::Named;
use crate::fault::Fault;
use crate::history::{Event, History, Role};

fn has_issuer(history: &History) -> bool {
    history.header.hosts.iter().any(|host| host.role == Role::Issuer)
}

/// A signed URL must not be dialed twice: it is good for one dial, and the next one is turned away.
pub(super) fn fresh_credential_per_dial(history: &History) -> Verdict {
    let mut used: BTreeMap<UrlId, ConnId> = BTreeMap::new();
    for entry in &history.entries {
        if let Event::Dial {
            conn, url: Some(url), ..
        } = &entry.event
            && let Some(other) = used.insert(*url, *conn)
        {
            let client = history.name(entry.who);
            return Verdict::Fail(format!(
                "{client} dialed {conn} with {url}, which {other} had used"
            ));
        }
    }
    Verdict::held(has_issuer(history) && 1 < used.len())
}

/// A server must let nobody in with a signed URL that has expired: whoever finds one in a log could use it.
///
/// Once a wall clock has jumped, a URL's end is no moment of the run any more: those that are issued then do not count.
pub(super) fn expired_credential_refused(history: &History) -> Verdict {
    let mut expires: BTreeMap<UrlId, Time> = BTreeMap::new();
    let mut dialed: BTreeMap<ConnId, UrlId> = BTreeMap::new();
    let (mut jumped, mut tested) = (false, false);
    for entry in &history.entries {
        if let Event::Issued { url, expires: at, .. } = &entry.event {
            if !jumped {
                expires.insert(*url, *at);
            }
        } else if let Event::Dial {
            conn, url: Some(url), ..
        } = &entry.event
        {
            dialed.insert(*conn, *url);
        } else if let Event::Fault {
            fault: Fault::ExpireUrl { .. },
            ..
        } = &entry.event
        {
            expires.values_mut().for_each(|at| *at = (*at).min(entry.t));
        } else if let Event::Fault {
            fault: Fault::ClockJump { .. },
            ..
        } = &entry.event
        {
            jumped = true;
            expires.clear();
        } else if let Event::Accepted { conn, .. } | Event::TurnedAway { conn, .. } = &entry.event {
            let Some(url) = dialed.get(conn) else { continue };
            let Some(at) = expires.get(url).filter(|at| **at < entry.t) else {
                continue;
            };
            tested = true;
            if let Event::Accepted { .. } = &entry.event {
                let server = history.name(entry.who);
                return Verdict::Fail(format!(
                    "{server} accepted {conn} with {url}, which had expired at {at}"
                ));
            }
        }
    }
    Verdict::held(tested)
}

/// A client must have one request to its issuer in flight at a time: an issuer that is overloaded stays so otherwise.
pub(super) fn single_flight_refresh(history: &History) -> Verdict {
    let mut in_flight: Vec<Option<ConnId>> = vec![None; history.header.hosts.len()];
    let mut tested = false;
    for entry in &history.entries {
        let flight = &mut in_flight[entry.who];
        if let Event::Dial { conn, .. } = &entry.event {
            if conn.purpose() != Purpose::Fetch {
                continue;
            }
            tested = true;
            if let Some(other) = flight.replace(*conn) {
                let client = history.name(entry.who);
                return Verdict::Fail(format!(
                    "{client} asked its issuer on {conn} while {other} was in flight"
                ));
            }
        } else if let Event::Credential { conn, .. }
        | Event::Delivered { conn, .. }
        | Event::DialFailed { conn, .. }
        | Event::Hangup { conn, .. }
        | Event::Closed { conn, .. } = &entry.event
        {
            if *flight == Some(*conn) {
                *flight = None;
            }
        } else if let Event::CredentialLost { .. } = &entry.event {
            *flight = None;
        }
    }
    Verdict::held(tested)
}

/// A client that was refused for good must not ask its issuer again: the answer will not change, and asking may lock the
/// account.
pub(super) fn no_refresh_after_permanent_failure(history: &History) -> Verdict {
    let mut lost = BTreeSet::new();
    for entry in &history.entries {
        if let Event::CredentialLost { .. } = &entry.event {
            lost.insert(entry.who);
        } else if let Event::Dial { conn, .. } = &entry.event
            && conn.purpose() == Purpose::Fetch
            && lost.contains(&entry.who)
        {
            let client = history.name(entry.who);
            return Verdict::Fail(format!(
                "{client} asked its issuer on {conn} after it was refused for good"
            ));
        }
    }
    Verdict::held(!lost.is_empty())
}

/// No text that people or logs get to see may show the query of a signed URL: it opens the session to every reader.
pub(super) fn no_secret_in_history(history: &History) -> Verdict {
    let mut tested = false;
    for entry in &history.entries {
        let (text, place) = if let Event::GaveUp { why } = &entry.event {
            (why, "the reason why it gave up".to_owned())
        } else if let Event::CredentialLost { why } = &entry.event {
            (why, "the reason why it has no credentials".to_owned())
        } else if let Event::Hangup { conn, why } = &entry.event {
            (why, format!("the reason why it hung up {conn}"))
        } else if let Event::Lost { process, why } = &entry.event {
            (why, format!("the reason why it lost {process}"))
        } else if let Event::Settled {
            call, why: Some(why), ..
        } = &entry.event
        {
            (why, format!("what became of {}", Named(call)))
        } else {
            continue;
        };
        tested = true;
        if shows_a_secret(text) {
            let client = history.name(entry.who);
            return Verdict::Fail(format!("{client} showed the query of a signed URL in {place}"));
        }
    }
    Verdict::held(tested && has_issuer(history))
}

fn shows_a_secret(text: &str) -> bool {
    let has_query = |url: &str| url.split_whitespace().next().is_some_and(|url| url.contains('?'));
    ["sig=", "?sig", "token="]
        .into_iter()
        .any(|mark| text.contains(mark))
        || text.split("://").skip(1).any(has_query)
}
