//! That things come to an end once the faults have stopped.

use std::collections::BTreeMap;

use unplug_reconnect::id::{CallId, ConnId};
use unplug_reconnect::time::Time;

use super::Verdict;
use super::handles::{clients, downed};
use super::words::{Named, length};
use crate::history::{Call, Entry, Event, History};

/// Every caller must learn what became of its call: one that waits for ever cannot even complain.
///
/// Excused are the callers on a host that crashed.
pub(super) fn everything_settles(history: &History) -> Verdict {
    let mut open: BTreeMap<(usize, CallId), (usize, Time, &Call)> = BTreeMap::new();
    let mut tested = false;
    for (index, entry) in history.entries.iter().enumerate() {
        if let Event::Asked { call, .. } = &entry.event {
            tested = true;
            open.insert((entry.who, call.call), (index, entry.t, call));
        } else if let Event::Settled { call, .. } = &entry.event {
            open.remove(&(entry.who, call.call));
        } else if let Event::Fault { fault, .. } = &entry.event
            && let Some(host) = downed(fault)
        {
            open.retain(|(who, _), _| history.name(*who) != host);
        }
    }
    match open.into_iter().min_by_key(|(_, (index, ..))| *index) {
        Some(((who, _), (_, t, call))) => {
            let (client, name) = (history.name(who), Named(call));
            Verdict::Fail(format!(
                "{client} never learned what became of {name}, asked for at {t}"
            ))
        }
        None => Verdict::held(tested),
    }
}

/// What became of one client's usable connection.
#[derive(Clone, Copy, Default)]
struct Health {
    /// The connection it believes in.
    up: Option<ConnId>,
    /// Whether it ever had a session.
    attached: bool,
    /// Whether it has been without since the last fault was over.
    down: bool,
    /// When it was usable again.
    again: Option<Time>,
}

/// Every client must be usable again soon after the last fault is over, without anybody's help.
///
/// Vacuous if the scenario says not how soon, if nobody lost a connection, or if the run ends before.
pub(super) fn recovered_within(history: &History) -> Verdict {
    let Some(within) = history.header.recovered_within else {
        return Verdict::Vacuous;
    };
    let script = |entry: &Entry| matches!(entry.event, Event::Fault { .. } | Event::Healed { .. });
    let Some(last) = history.entries.iter().rposition(script) else {
        return Verdict::Vacuous;
    };
    let over = history.entries[last].t;
    let dialers = clients(history);
    let mut health = vec![Health::default(); history.header.hosts.len()];
    let mut tested = false;
    for (index, Entry { t, who, event }) in history.entries.iter().enumerate() {
        let after = last < index;
        if let Event::Attached { .. } = event {
            health[*who].attached |= !after;
        } else if let Event::Ready { conn } = event {
            health[*who].up = Some(*conn);
            health[*who].again = health[*who].again.or(after.then_some(*t));
        } else if let Event::GaveUp { .. } = event {
            if health[*who].attached {
                return Verdict::Fail(format!("{} gave up its session at {t}", history.name(*who)));
            }
        } else if let Event::Closed { conn, .. } | Event::Hangup { conn, .. } | Event::Detached { conn, .. } =
            event
        {
            // A client whose server has let go of it is not usable, whatever it believes.
            let client = dialers.get(conn.client() as usize).map(|who| &mut health[*who]);
            if let Some(client) = client.filter(|client| client.up == Some(*conn)) {
                client.up = None;
                client.down |= after;
                tested = true;
            }
        } else if last == index {
            health
                .iter_mut()
                .for_each(|client| client.down = client.up.is_none());
        }
    }
    let due = over + within;
    let waited = |client: &Health| client.attached && client.down;
    for (who, client) in health.iter().enumerate().filter(|(_, client)| waited(client)) {
        if client.again.is_none_or(|again| due < again) {
            if client.again.is_none() && history.header.until < due {
                return Verdict::Vacuous;
            }
            let (client, within) = (history.name(who), length(within));
            return Verdict::Fail(format!(
                "{client} was not usable within {within} of the end of the last fault at {over}"
            ));
        }
    }
    Verdict::held(tested)
}
