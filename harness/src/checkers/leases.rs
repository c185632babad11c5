//! The sessions of all servers, by their own books: which connection each is attached to, and until when its lease
//! runs if it is not.

use std::collections::BTreeMap;

use unplug_reconnect::id::{ConnId, SessionNumber};
use unplug_reconnect::time::Time;

use super::handles::downed;
use crate::history::{Entry, Event, History};

/// The sessions of all servers.
#[derive(Default)]
pub(super) struct Leases {
    pub(super) by_session: BTreeMap<SessionNumber, Lease>,
    pub(super) by_conn: BTreeMap<ConnId, SessionNumber>,
}

/// One session.
pub(super) struct Lease {
    pub(super) server: usize,
    pub(super) conn: Option<ConnId>,
    pub(super) until: Option<Time>,
    pub(super) gone: bool,
}

impl Leases {
    /// Notes what an entry says of sessions.
    pub(super) fn read(&mut self, history: &History, entry: &Entry) {
        if let Event::SessionOpened { session, conn } | Event::SessionResumed { session, conn } = &entry.event
        {
            let lease = Lease {
                server: entry.who,
                conn: Some(*conn),
                until: None,
                gone: false,
            };
            self.by_session.insert(*session, lease);
            self.by_conn.insert(*conn, *session);
        } else if let Event::Detached { session, conn, until } = &entry.event {
            if let Some(lease) = self
                .by_session
                .get_mut(session)
                .filter(|lease| lease.conn == Some(*conn))
            {
                lease.conn = None;
                lease.until = Some(*until);
            }
        } else if let Event::SessionExpired { session } = &entry.event {
            self.by_session
                .entry(*session)
                .and_modify(|lease| lease.gone = true);
        } else if let Event::Fault { fault, .. } = &entry.event
            && let Some(host) = downed(fault)
        {
            let lost = self
                .by_session
                .values_mut()
                .filter(|lease| history.name(lease.server) == host);
            lost.for_each(|lease| lease.gone = true);
        }
    }

    /// When the lease of a session ends, if it runs.
    pub(super) fn until(&self, session: SessionNumber) -> Option<Time> {
        self.by_session.get(&session).and_then(|lease| lease.until)
    }
}
