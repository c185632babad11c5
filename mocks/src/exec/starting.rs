//! Starts that take their time: a process that is neither there nor not there (exec-server sheet, 2.3, 2.5 and 3).
//!
//! Only with [`Delays::start`](super::Delays). A start that fails is answered at once all the same. A start whose
//! connection ends is cancelled, and leaves its entry behind: the id stays taken until the session ends, or, in a version
//! that can, until somebody terminates it.

use std::collections::BTreeMap;

use unplug_reconnect::id::{ConnId, ProcessId};
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::Reply;
use unplug_reconnect::wire::rpc::{INVALID_REQUEST, RpcError};

use super::Origin;
use super::process::Process;
use super::session::Place;
use super::shared::Shared;
use super::timers::Key;

/// The processes of one session that are starting.
#[derive(Debug, Default)]
pub(super) struct Starting {
    entries: BTreeMap<ProcessId, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// What comes of it; nothing once its request was cancelled.
    pending: Option<Pending>,
    armed: Option<Time>,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) origin: Origin,
    pub(super) process: Process,
    pub(super) reply: Reply,
}

impl Starting {
    /// Whether a process of this id is starting, or was cut while it did.
    pub(super) fn has(&self, id: &ProcessId) -> bool {
        self.entries.contains_key(id)
    }

    /// A start begins, and is over at `due`.
    pub(super) fn begin(&mut self, pending: Pending, due: Time, place: &Place, shared: &mut Shared) {
        shared.park(pending.origin.conn);
        let id = pending.process.id.clone();
        let mut armed = None;
        shared
            .timers
            .set(&mut armed, Some(due), || Key::Process(place.key, id.clone()));
        let pending = Some(pending);
        self.entries.insert(id, Entry { pending, armed });
    }

    /// The time of a start is over.
    pub(super) fn end(&mut self, id: &ProcessId, shared: &mut Shared) -> Option<Pending> {
        let pending = self.entries.remove(id)?.pending?;
        shared.unpark(pending.origin.conn);
        Some(pending)
    }

    /// Somebody terminates it: its start is refused and its id free (sheet 2.5, later versions).
    pub(super) fn terminate(&mut self, id: &ProcessId, place: &Place, shared: &mut Shared, now: Time) {
        let Some(mut entry) = self.entries.remove(id) else {
            return;
        };
        disarm(&mut entry, id, place, shared);
        if let Some(Pending { origin, .. }) = entry.pending {
            shared.unpark(origin.conn);
            shared.applied(&origin);
            let why = RpcError::new(INVALID_REQUEST, format!("process {id} start was cancelled"));
            shared.answer_in(place, origin, Err(why), now);
        }
    }

    /// A connection ended: what was starting for it is cancelled, and its entries stay.
    pub(super) fn cancel(&mut self, conn: ConnId, place: &Place, shared: &mut Shared) {
        for (id, entry) in &mut self.entries {
            if entry
                .pending
                .take_if(|pending| pending.origin.conn == conn)
                .is_some()
            {
                disarm(entry, id, place, shared);
            }
        }
    }

    /// The session ends: what is starting is just dropped (sheet 3).
    pub(super) fn drop_all(&mut self, place: &Place, shared: &mut Shared) {
        for (id, entry) in &mut self.entries {
            disarm(entry, id, place, shared);
        }
        self.entries.clear();
    }
}

fn disarm(entry: &mut Entry, id: &ProcessId, place: &Place, shared: &mut Shared) {
    shared
        .timers
        .set(&mut entry.armed, None, || Key::Process(place.key, id.clone()));
}
