//! What a lease is worth, and what it is not.

use std::collections::BTreeMap;

use unplug_reconnect::id::SessionNumber;
use unplug_reconnect::time::Time;

use super::Verdict;
use super::handles::{downed, is_client};
use crate::history::{Event, History};

/// What a server's books say of a session.
struct Lease {
    server: usize,
    /// When it ends, while it runs.
    until: Option<Time>,
    /// Since when nobody can have it any more.
    gone: Option<Gone>,
}

#[derive(Clone, Copy)]
enum Gone {
    Expired(Time),
    Forgotten(Time),
}

/// A session must not be resumed after its lease has ended, nor after its server has lost its memory: what a client
/// would be attached to is not what it left.
pub(super) fn lease_honoured(history: &History) -> Verdict {
    let mut leases: BTreeMap<SessionNumber, Lease> = BTreeMap::new();
    let mut tested = false;
    for entry in &history.entries {
        if let Event::SessionOpened { session, .. } = &entry.event {
            let lease = leases.entry(*session).or_insert(Lease {
                server: entry.who,
                until: None,
                gone: None,
            });
            if let Some(gone) = lease.gone {
                return Verdict::Fail(sentence(history, entry.who, *session, gone, entry.t));
            }
        } else if let Event::SessionResumed { session, .. } = &entry.event
            && let Some(lease) = leases.get_mut(session)
        {
            tested = true;
            let over = lease
                .until
                .take()
                .filter(|until| *until < entry.t)
                .map(Gone::Expired);
            if let Some(gone) = lease.gone.or(over) {
                return Verdict::Fail(sentence(history, entry.who, *session, gone, entry.t));
            }
        } else if let Event::ResumeRefused { session, .. } = &entry.event {
            tested |= leases.contains_key(session);
        } else if let Event::Detached { session, until, .. } = &entry.event {
            leases
                .entry(*session)
                .and_modify(|lease| lease.until = Some(*until));
        } else if let Event::SessionExpired { session } = &entry.event {
            leases
                .entry(*session)
                .and_modify(|lease| lease.gone = Some(Gone::Expired(entry.t)));
        } else if let Event::Fault { fault, .. } = &entry.event
            && let Some(host) = downed(fault)
        {
            let lost = leases
                .values_mut()
                .filter(|lease| history.name(lease.server) == host);
            lost.for_each(|lease| lease.gone = Some(Gone::Forgotten(entry.t)));
        }
    }
    Verdict::held(tested)
}

fn sentence(history: &History, server: usize, session: SessionNumber, gone: Gone, t: Time) -> String {
    let server = history.name(server);
    match gone {
        Gone::Expired(at) => {
            format!("{server} resumed {session} at {t}, although its lease had ended at {at}")
        }
        Gone::Forgotten(at) => {
            format!("{server} resumed {session} at {t}, although it lost its memory at {at}")
        }
    }
}

/// A client must not dial again where nothing was a reason to: what the network hides, it should not show.
///
/// Vacuous unless the scenario says that nothing in it is a reason.
pub(super) fn stays_connected(history: &History) -> Verdict {
    let mut dials: BTreeMap<usize, u32> = BTreeMap::new();
    for entry in history
        .entries
        .iter()
        .filter(|entry| is_client(history, entry.who))
    {
        if let Event::Dial { conn, .. } = &entry.event {
            let dials = dials.entry(entry.who).or_default();
            *dials += 1;
            if history.header.stays_connected && 1 < *dials {
                let client = history.name(entry.who);
                return Verdict::Fail(format!("{client} dialed {conn} at {} without need", entry.t));
            }
        }
    }
    Verdict::held(history.header.stays_connected && !dials.is_empty())
}
