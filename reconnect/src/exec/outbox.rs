//! The stdin outbox of one process: what the caller wrote and no answer has settled yet (exec-server sheet, 5).

use std::collections::VecDeque;

use crate::id::{CallId, WriteId};
use crate::wire::exec::Chunk;

/// A write on its way.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) call: CallId,
    pub(super) id: WriteId,
    pub(super) data: Chunk,
    /// How often it was sent, over all connections.
    pub(super) sends: u32,
    /// Whether it is in flight on the connection that is up.
    pub(super) in_flight: bool,
    /// Whether its caller left while it was in flight: nobody is told, and it is never sent again.
    pub(super) left: bool,
}

/// The writes of one process, in the order in which they were asked for.
///
/// Invariant: ids rise from front to back and are never given twice.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    writes: VecDeque<Write>,
    minted: u64,
}

impl Outbox {
    /// Takes in a write and gives it its id.
    pub(super) fn push(&mut self, call: CallId, data: Chunk) -> WriteId {
        self.minted += 1;
        let id = WriteId::new(self.minted);
        self.writes.push_back(Write {
            call,
            id,
            data,
            sends: 0,
            in_flight: false,
            left: false,
        });
        id
    }

    /// The next write to send, if not more than `max` would be in flight with it. It counts as sent.
    pub(super) fn next(&mut self, max: Option<usize>) -> Option<&Write> {
        let in_flight = self.writes.iter().filter(|write| write.in_flight).count();
        if max.is_some_and(|max| max <= in_flight) {
            return None;
        }
        let write = self.writes.iter_mut().find(|write| !write.in_flight)?;
        write.in_flight = true;
        write.sends += 1;
        Some(write)
    }

    /// Takes out a write that was answered. Ids are those of one process; an earlier one of its name had the same.
    pub(super) fn remove(&mut self, call: CallId) -> Option<Write> {
        let at = self.writes.iter().position(|write| write.call == call)?;
        self.writes.remove(at)
    }

    /// The caller of a write leaves. Returns how often it was sent. What is in flight keeps its place until the answer.
    pub(super) fn leave(&mut self, call: CallId) -> Option<u32> {
        let at = self
            .writes
            .iter()
            .position(|write| write.call == call && !write.left)?;
        let write = self.writes.get_mut(at)?;
        write.left = true;
        let (sends, in_flight) = (write.sends, write.in_flight);
        if !in_flight {
            self.writes.remove(at);
        }
        Some(sends)
    }

    /// A write was certainly not looked at: it counts as not sent.
    pub(super) fn take_back(&mut self, call: CallId) {
        let sent = self.writes.iter_mut().find(|write| write.call == call);
        sent.into_iter().for_each(|write| write.sends -= 1);
    }

    /// The connection is gone: what was in flight is to be sent again, with the same id and before anything newer.
    pub(super) fn rewind(&mut self) {
        self.writes.retain(|write| !write.left);
        for write in &mut self.writes {
            write.in_flight = false;
        }
    }

    /// Takes out all writes that somebody waits for.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Write> {
        std::mem::take(&mut self.writes)
            .into_iter()
            .filter(|write| !write.left)
    }

    /// Takes out the writes that were sent, on whatever connection.
    pub(super) fn drain_sent(&mut self) -> impl Iterator<Item = Write> {
        let (sent, unsent) = std::mem::take(&mut self.writes)
            .into_iter()
            .partition(|write| 0 < write.sends);
        self.writes = unsent;
        sent.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_keeps_its_id_and_place_over_a_rewind() {
        let mut outbox = Outbox::default();
        for (call, data) in [(1, "a"), (2, "b"), (3, "c")] {
            outbox.push(CallId::new(call), Chunk::from(data));
        }
        let mut sent = |max| outbox.next(max).map(|write| (write.id.to_string(), write.sends));
        assert_eq!(sent(None), Some(("w1".to_owned(), 1)));
        assert_eq!(sent(Some(1)), None);
        assert_eq!(sent(Some(2)), Some(("w2".to_owned(), 1)));
        outbox.remove(CallId::new(2));
        outbox.rewind();
        let mut sent = |max| outbox.next(max).map(|write| (write.id.to_string(), write.sends));
        assert_eq!(sent(None), Some(("w1".to_owned(), 2)));
        assert_eq!(sent(None), Some(("w3".to_owned(), 1)));
        assert_eq!(sent(None), None);
    }
}
