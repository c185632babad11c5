//! What may pile up.

use super::Verdict;
use crate::history::{BODY_BYTES, Event, History};

/// No more bytes of bodies than that may wait for their readers, whatever a client promises: the bound of real clients
/// since they have one (exec-server sheet, 9).
const BODY_BYTES_MAX: u64 = 16 << 20;

/// No queue may hold more than it promised: one slow peer would take the whole process's memory.
pub(super) fn bounded_queues(history: &History) -> Verdict {
    let mut tested = false;
    for entry in &history.entries {
        let Event::HighWater { queue, most, bound } = &entry.event else {
            continue;
        };
        let host = history.name(entry.who);
        if queue == BODY_BYTES && BODY_BYTES_MAX < *most {
            return Verdict::Fail(format!(
                "the queue {queue} of {host} held {most}, and at most {BODY_BYTES_MAX} is sane"
            ));
        }
        let Some(bound) = bound else { continue };
        tested = true;
        if bound < most {
            return Verdict::Fail(format!(
                "the queue {queue} of {host} held {most}, but promised at most {bound}"
            ));
        }
    }
    Verdict::held(tested)
}
