//! What of a run belongs on the screen of its failure: when it was violated, and what led there.

use unplug_reconnect::time::Time;

use super::timeline::timeline;
use crate::checkers::{Checker, Reading, Verdict};
use crate::history::History;

/// So many lines of the timeline are shown.
const LINES: usize = 12;

/// A beginning of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upto {
    /// So many of its events.
    entries: usize,
    /// When it ends.
    pub(super) at: Time,
}

impl Upto {
    /// The whole history.
    pub(super) fn end(history: &History) -> Self {
        Self {
            entries: history.entries.len(),
            at: history.header.until,
        }
    }

    /// The shortest beginning of which the checker says the same, had the run ended there: its last event is the
    /// violation. The whole history, if only its end is one.
    pub(super) fn violation(history: &History, checker: &Checker, why: &str) -> Self {
        let says_so = |entries: usize| {
            let verdict = checker.judge(&Reading::new(&beginning(history, entries)));
            matches!(verdict, Verdict::Fail(sentence) if sentence == why)
        };
        let (mut fine, mut violated) = (0, history.entries.len());
        if violated == 0 || !says_so(violated) {
            return Self::end(history);
        }
        while fine + 1 < violated {
            let middle = fine.midpoint(violated);
            if says_so(middle) {
                violated = middle;
            } else {
                fine = middle;
            }
        }
        Self {
            entries: violated,
            at: history.entries[violated - 1].t,
        }
    }

    /// The last lines of the timeline up to there, under a headline.
    pub(super) fn excerpt(self, history: &History) -> Vec<String> {
        let text = timeline(&beginning(history, self.entries));
        let lines: Vec<&str> = text.lines().collect();
        if lines.is_empty() {
            return vec!["there is no timeline".to_owned()];
        }
        let shown = lines.len().saturating_sub(LINES);
        let headline = match shown {
            0 => format!("timeline up to {}", self.at),
            _ => format!(
                "timeline up to {} (the last {LINES} of {} lines)",
                self.at,
                lines.len()
            ),
        };
        let lines = lines[shown..].iter().map(|line| format!("  {line}"));
        std::iter::once(headline).chain(lines).collect()
    }
}

/// The history of the run, had it ended after so many events.
fn beginning(history: &History, entries: usize) -> History {
    let mut header = history.header.clone();
    let entries = history.entries[..entries].to_vec();
    if let Some(last) = entries.last() {
        header.until = last.t;
    }
    History { header, entries }
}
