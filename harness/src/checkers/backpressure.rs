//! What may pile up.

use super::Verdict;
use crate::history::{Event, History};

/// No queue may hold more than it promised: one slow peer would take the whole process's memory.
pub(super) fn bounded_queues(history: &History) -> Verdict {
    let mut tested = false;
    for entry in &history.entries {
        let Event::HighWater {
            queue,
            most,
            bound: Some(bound),
        } = &entry.event
        else {
            continue;
        };
        tested = true;
        if bound < most {
            let host = history.name(entry.who);
            return Verdict::Fail(format!(
                "the queue {queue} of {host} held {most}, but promised at most {bound}"
            ));
        }
    }
    Verdict::held(tested)
}
