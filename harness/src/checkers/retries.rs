//! How often a client dials, and what it sends twice.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use unplug_reconnect::id::{CallId, ConnId, Purpose};
use unplug_reconnect::policy::{Policy, ReplayClass};
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::method;

use super::Verdict;
use crate::history::{Dir, Event, Frame, History, Kind, Role};

/// So many dials of one client may begin within a second.
const DIALS_MAX: usize = 20;

/// The policy of a host, if it is a client.
pub(super) fn policy(history: &History, who: usize) -> Option<&Policy> {
    if let Role::Client { policy, .. } = &history.header.hosts[who].role {
        Some(policy)
    } else {
        None
    }
}

/// A client must not dial in a hot loop, whatever its policy says: a fleet of them keeps a server down.
pub(super) fn no_hot_loop(history: &History) -> Verdict {
    let mut dials: Vec<VecDeque<Time>> = vec![VecDeque::new(); history.header.hosts.len()];
    let mut tested = false;
    for entry in &history.entries {
        let Event::Dial { conn, .. } = &entry.event else {
            continue;
        };
        let recent = &mut dials[entry.who];
        tested |= !recent.is_empty();
        if recent.len() == DIALS_MAX
            && let Some(first) = recent.pop_front()
            && entry.t.since(first) < Duration::from_secs(1)
        {
            let (client, often) = (history.name(entry.who), DIALS_MAX + 1);
            return Verdict::Fail(format!(
                "{client} dialed {often} times within one second, at last {conn}"
            ));
        }
        recent.push_back(entry.t);
    }
    Verdict::held(tested)
}

/// A client must have one dial in flight at a time: a second one opens a second session, or fights the first one.
pub(super) fn single_flight_dial(history: &History) -> Verdict {
    let mut in_flight: Vec<Option<ConnId>> = vec![None; history.header.hosts.len()];
    let mut tested = false;
    for entry in &history.entries {
        let flight = &mut in_flight[entry.who];
        if let Event::Dial { conn, .. } = &entry.event {
            if conn.purpose() != Purpose::Session {
                continue;
            }
            tested = true;
            if let Some(other) = flight.replace(*conn) {
                let client = history.name(entry.who);
                return Verdict::Fail(format!(
                    "{client} dialed {conn} while its dial {other} was in flight"
                ));
            }
        } else if let Event::Dialed { conn }
        | Event::DialFailed { conn, .. }
        | Event::Hangup { conn, .. }
        | Event::Closed { conn, .. } = &entry.event
            && *flight == Some(*conn)
        {
            *flight = None;
        }
    }
    Verdict::held(tested)
}

/// A client that has given up must stay quiet until somebody asks for something: nobody is there for a new session.
///
/// Requests to an issuer do not count: a proactive policy keeps a URL at hand all the time.
pub(super) fn no_dial_after_terminal(history: &History) -> Verdict {
    let mut given_up = vec![false; history.header.hosts.len()];
    let mut tested = false;
    for entry in &history.entries {
        if let Event::GaveUp { .. } = &entry.event {
            given_up[entry.who] = true;
            tested = true;
        } else if let Event::Asked { .. } = &entry.event {
            given_up[entry.who] = false;
        } else if let Event::Dial { conn, .. } = &entry.event
            && given_up[entry.who]
            && conn.purpose() == Purpose::Session
        {
            let client = history.name(entry.who);
            return Verdict::Fail(format!(
                "{client} dialed {conn} after it had given up, and nobody had asked"
            ));
        }
    }
    Verdict::held(tested)
}

/// Only what is safe to happen twice may be sent twice: a read with its cursor, and a write with its key. A `start` that
/// is sent again runs a command twice.
pub(super) fn replay_only_what_is_safe(history: &History) -> Verdict {
    let mut sent: BTreeMap<(usize, CallId), (ConnId, &Frame)> = BTreeMap::new();
    let mut cut = false;
    for entry in &history.entries {
        if let Event::Settled { call, .. } = &entry.event {
            sent.remove(&(entry.who, call.call));
        } else if let Event::Closed { conn, .. } | Event::Hangup { conn, .. } = &entry.event {
            cut = cut
                || sent
                    .iter()
                    .any(|((who, _), (on, _))| *who == entry.who && on == conn);
        } else if let Event::Sent {
            conn,
            dir: Dir::C2s,
            frame,
        } = &entry.event
        {
            let (Some(call), Kind::Request) = (frame.call, frame.kind) else {
                continue;
            };
            let Some((_, first)) = sent.insert((entry.who, call), (*conn, frame)) else {
                continue;
            };
            cut = true;
            if let Some(policy) = policy(history, entry.who)
                && let Some(why) = unsafe_to_repeat(policy, first, frame)
            {
                let client = history.name(entry.who);
                let name = frame
                    .write
                    .map_or_else(|| format!("{call} ({})", frame.method), |id| id.to_string());
                return Verdict::Fail(format!("{client} sent {name} again on {conn}, {why}"));
            }
        }
    }
    Verdict::held(cut)
}

/// Why a request must not be sent again.
fn unsafe_to_repeat(policy: &Policy, first: &Frame, again: &Frame) -> Option<String> {
    if again.method != method::READ && again.method != method::WRITE {
        return Some("which may happen twice".to_owned());
    }
    if policy.replay.of(&again.method) == ReplayClass::Never {
        return Some("which its policy does not replay".to_owned());
    }
    if again.method != method::WRITE {
        return None;
    }
    match (first.write, again.write) {
        (_, None) => Some("without a key that keeps it from being applied twice".to_owned()),
        (Some(first), Some(again)) if first == again => None,
        (Some(first), Some(_)) => Some(format!("which it had sent as {first}")),
        (None, Some(_)) => Some("which it had sent without a key".to_owned()),
    }
}
