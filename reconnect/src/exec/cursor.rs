//! The output cursor of one process: what came is published in order, once, and without a hole
//! (exec-server sheet, 4.3 and 4.4).

use std::collections::{BTreeMap, VecDeque};

use crate::policy::{BeyondRead, Limits};
use crate::wire::exec::{Chunk, ReadResult, Stream};
use crate::words::shortened;

/// What has a place in the sequence of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Output(Stream, Chunk),
    Exited(i32),
    Closed,
}

impl Event {
    fn size(&self) -> usize {
        match self {
            Self::Output(_, chunk) => chunk.len(),
            Self::Exited(_) | Self::Closed => 0,
        }
    }
}

/// Puts the events of one process in order.
///
/// Invariant: all sequence numbers up to `published` were handed out, each once; `early` holds larger ones only.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    published: u64,
    early: BTreeMap<u64, Event>,
    early_bytes: usize,
    ready: VecDeque<(u64, Event)>,
    exited: bool,
    closed: bool,
}

impl Cursor {
    /// The last sequence number that was handed out.
    pub(super) const fn published(&self) -> u64 {
        self.published
    }

    /// Whether the end was handed out.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether an event waits for an earlier one.
    pub(super) fn has_hole(&self) -> bool {
        !self.early.is_empty()
    }

    /// Throws away what waits for an earlier event.
    pub(super) fn forget_early(&mut self) {
        self.early.clear();
        self.early_bytes = 0;
    }

    /// Takes in an event. One that was handed out before is dropped, which also removes what came over two
    /// connections.
    ///
    /// # Errors
    /// In words, if too much waits for an earlier event.
    pub(super) fn offer(&mut self, seq: u64, event: Event, limits: &Limits) -> Result<(), String> {
        if seq <= self.published || self.closed || self.early.contains_key(&seq) {
            return Ok(());
        }
        self.early_bytes += event.size();
        self.early.insert(seq, event);
        self.advance();
        // Checked after the advance: the event that is exactly next is always taken.
        if let Some(max) = limits.reorder_events_max.filter(|&max| max < self.early.len()) {
            return Err(format!("process event reorder buffer exceeds {max} entries"));
        }
        if let Some(max) = limits.reorder_bytes_max.filter(|&max| max < self.early_bytes) {
            return Err(format!("process event reorder buffer exceeds {max} bytes"));
        }
        Ok(())
    }

    /// Merges the result of a read with `afterSeq` at [`published`](Self::published) into what came live.
    ///
    /// # Errors
    /// In words, if a hole remains that nothing can fill, or `beyond` is an error and there is output beyond the end
    /// that the read names.
    pub(super) fn recover(&mut self, read: ReadResult, beyond: BeyondRead) -> Result<(), String> {
        if let Some(failure) = read.failure {
            return Err(shortened(failure));
        }
        let target = read.next_seq.saturating_sub(1);
        if self.closed || target <= self.published {
            return Ok(());
        }
        let past_the_end = read.chunks.iter().find(|output| target < output.seq);
        if let Some(output) = past_the_end.filter(|_| beyond == BeyondRead::Error) {
            let beyond = output.seq;
            return Err(format!(
                "process output sequence {beyond} is beyond {target}, where the read ends"
            ));
        }
        let mut run = std::mem::take(&mut self.early);
        self.early_bytes = 0;
        for output in read.chunks {
            if self.published < output.seq {
                run.entry(output.seq)
                    .or_insert(Event::Output(output.stream, output.chunk));
            }
        }
        if read.closed && !matches!(run.entry(target).or_insert(Event::Closed), Event::Closed) {
            return Err(format!(
                "process close sequence {target} conflicts with recovered output"
            ));
        }
        self.fill_exit(&mut run, target, read.exited, read.exit_code)?;
        self.early_bytes = run.values().map(Event::size).sum();
        self.early = run;
        self.advance();
        Ok(())
    }

    /// One hole is allowed if it can only be the exit, which is not among the retained chunks.
    fn fill_exit(
        &self,
        run: &mut BTreeMap<u64, Event>,
        target: u64,
        exited: bool,
        code: Option<i32>,
    ) -> Result<(), String> {
        let gone =
            || format!("process events are no longer retained while recovering through sequence {target}");
        let known = run.range(..=target).count() as u64;
        let holes = target.saturating_sub(self.published).saturating_sub(known);
        match holes {
            0 => Ok(()),
            1 => {
                let exit_known = self.exited || run.values().any(|event| matches!(event, Event::Exited(_)));
                let code = code.filter(|_| exited && !exit_known).ok_or_else(gone)?;
                let hole = (self.published + 1..=target)
                    .find(|seq| !run.contains_key(seq))
                    .ok_or_else(gone)?;
                run.insert(hole, Event::Exited(code));
                Ok(())
            }
            _ => Err(gone()),
        }
    }

    fn advance(&mut self) {
        while let Some(event) = self
            .published
            .checked_add(1)
            .and_then(|next| self.early.remove(&next))
        {
            self.published += 1;
            self.early_bytes -= event.size();
            self.exited |= matches!(event, Event::Exited(_));
            self.closed |= matches!(event, Event::Closed);
            self.ready.push_back((self.published, event));
            if self.closed {
                self.forget_early();
            }
        }
    }

    /// The next event to hand out.
    pub(super) fn next(&mut self) -> Option<(u64, Event)> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::exec::OutputChunk;

    fn output(n: u64) -> Event {
        Event::Output(Stream::Stdout, Chunk::from(n.to_string().as_str()))
    }

    fn read(chunks: &[u64], next_seq: u64, exit_code: Option<i32>, closed: bool) -> ReadResult {
        let chunk = |&seq: &u64| OutputChunk {
            seq,
            stream: Stream::Stdout,
            chunk: Chunk::from(seq.to_string().as_str()),
        };
        ReadResult {
            chunks: chunks.iter().map(chunk).collect(),
            next_seq,
            exited: exit_code.is_some(),
            exit_code,
            closed,
            failure: None,
            sandbox_denied: None,
        }
    }

    fn published(cursor: &mut Cursor) -> Vec<u64> {
        std::iter::from_fn(|| cursor.next()).map(|(seq, _)| seq).collect()
    }

    #[test]
    fn one_hole_after_the_exit_is_the_exit() {
        let mut cursor = Cursor::default();
        assert_eq!(
            cursor.recover(read(&[1, 2], 5, Some(3), true), BeyondRead::Keep),
            Ok(())
        );
        assert_eq!(published(&mut cursor), [1, 2, 3, 4]);
        assert!(cursor.is_closed());
    }

    #[test]
    fn a_hole_before_the_exit_cannot_be_recovered() {
        let gone =
            Err("process events are no longer retained while recovering through sequence 3".to_owned());
        assert_eq!(
            Cursor::default().recover(read(&[2, 3], 4, None, false), BeyondRead::Keep),
            gone
        );
        assert_eq!(
            Cursor::default().recover(read(&[3], 4, Some(0), false), BeyondRead::Keep),
            gone
        );
    }

    #[test]
    fn output_where_the_close_must_be_is_a_conflict() {
        let conflict = Err("process close sequence 2 conflicts with recovered output".to_owned());
        assert_eq!(
            Cursor::default().recover(read(&[1, 2], 3, Some(0), true), BeyondRead::Keep),
            conflict
        );
    }

    #[test]
    fn too_much_ahead_of_a_hole_fails_and_the_next_event_is_always_taken() {
        let limits = Limits {
            reorder_events_max: Some(2),
            ..Limits::default()
        };
        let mut cursor = Cursor::default();
        assert_eq!(cursor.offer(2, output(2), &limits), Ok(()));
        assert_eq!(cursor.offer(3, output(3), &limits), Ok(()));
        assert_eq!(cursor.offer(1, output(1), &limits), Ok(()));
        assert_eq!(published(&mut cursor), [1, 2, 3]);
        for seq in [5, 6] {
            assert_eq!(cursor.offer(seq, output(seq), &limits), Ok(()));
        }
        let full = Err("process event reorder buffer exceeds 2 entries".to_owned());
        assert_eq!(cursor.offer(7, output(7), &limits), full);
    }

    #[test]
    fn output_beyond_the_end_of_a_read_waits_or_is_an_error() {
        let mut cursor = Cursor::default();
        let error = Err("process output sequence 3 is beyond 1, where the read ends".to_owned());
        assert_eq!(
            cursor.recover(read(&[1, 3], 2, None, false), BeyondRead::Error),
            error
        );
        assert_eq!(
            cursor.recover(read(&[1, 3], 2, None, false), BeyondRead::Keep),
            Ok(())
        );
        assert_eq!(published(&mut cursor), [1]);
        assert_eq!(cursor.offer(2, output(2), &Limits::default()), Ok(()));
        assert_eq!(published(&mut cursor), [2, 3]);
    }

    #[test]
    fn the_largest_sequence_number_is_no_overflow() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.offer(u64::MAX, output(0), &Limits::default()), Ok(()));
        assert!(
            cursor
                .recover(read(&[u64::MAX], u64::MAX, Some(0), false), BeyondRead::Keep)
                .is_err()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_arrival_order_is_published_in_order_and_once(order in Just((1..=20_u64).collect::<Vec<_>>()).prop_shuffle(),
                                                            again in proptest::collection::vec(1..=20_u64, 0..20)) {
            let mut cursor = Cursor::default();
            for seq in order.into_iter().chain(again) {
                cursor.offer(seq, output(seq), &Limits::default()).unwrap();
            }
            prop_assert_eq!(published(&mut cursor), (1..=20).collect::<Vec<_>>());
        }
    }
}
