//! Where two histories of the same seed part: the first event that differs, between its neighbours.

use serde::Serialize;

use crate::history::History;

/// So many events before the first that differs are shown, and as many after it.
const AROUND: usize = 2;

/// The first place at which two histories differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which line of the histories' JSON lines, from 1. The header is the first.
    pub line: usize,
    /// The lines that come before it, in both.
    pub before: Vec<String>,
    /// That line and those after it, of the first run.
    pub first: Vec<String>,
    /// The same of the second run.
    pub second: Vec<String>,
}

impl Difference {
    /// Where two histories differ, if they do.
    pub fn between(first: &History, second: &History) -> Option<Self> {
        if first == second {
            return None;
        }
        let lines = |history: &History| -> Vec<String> {
            String::from_utf8_lossy(&history.to_jsonl())
                .lines()
                .map(str::to_owned)
                .collect()
        };
        let (first, second) = (lines(first), lines(second));
        let at = first.iter().zip(&second).take_while(|(a, b)| a == b).count();
        let after = |lines: &[String]| lines.iter().skip(at).take(1 + AROUND).cloned().collect();
        Some(Self {
            line: at + 1,
            before: first[at.saturating_sub(AROUND)..at].to_vec(),
            first: after(&first),
            second: after(&second),
        })
    }

    /// As people read it: what both say, then each run's own words.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "the same seed gave two histories; they part at line {}",
            self.line
        )];
        lines.extend(self.before.iter().map(|line| format!("  {line}")));
        for (mark, of, own) in [('-', "first", &self.first), ('+', "second", &self.second)] {
            if own.is_empty() {
                lines.push(format!("{mark} (the {of} run ends here)"));
            }
            lines.extend(own.iter().map(|line| format!("{mark} {line}")));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use unplug_reconnect::seed::Seed;
    use unplug_reconnect::time::Time;

    use super::*;
    use crate::history::{Entry, Event, Header, SCHEMA};

    fn history(sentences: &[&str]) -> History {
        let header = Header {
            schema: SCHEMA,
            scenario: String::new(),
            case: String::new(),
            world: String::new(),
            seed: Seed(42),
            until: Time::ZERO,
            hosts: vec![crate::history::Host {
                name: "!".into(),
                role: crate::history::Role::Script,
            }],
            recovered_within: None,
            stays_connected: false,
        };
        let entry = |why: &&str| Entry {
            t: Time::ZERO,
            who: 0,
            event: Event::GaveUp {
                why: (*why).to_owned(),
            },
        };
        History {
            header,
            entries: sentences.iter().map(entry).collect(),
        }
    }

    #[test]
    fn the_first_difference_is_shown_between_its_neighbours() {
        let (first, second) = (
            history(&["a", "b", "c", "d", "e", "f", "g"]),
            history(&["a", "b", "c", "x", "e"]),
        );
        assert_eq!(Difference::between(&first, &first), None);
        let lines = Difference::between(&first, &second).expect("they differ").lines();
        let line =
            |mark, why| format!("{mark} {{\"t\":0,\"who\":\"!\",\"event\":\"gave_up\",\"why\":\"{why}\"}}");
        assert_eq!(
            lines,
            [
                "the same seed gave two histories; they part at line 5".to_owned(),
                line(" ", "b"),
                line(" ", "c"),
                line("-", "d"),
                line("-", "e"),
                line("-", "f"),
                line("+", "x"),
                line("+", "e"),
            ]
        );
    }

    #[test]
    fn a_history_that_ends_early_differs() {
        let lines = Difference::between(&history(&["a", "b"]), &history(&["a"]))
            .expect("they differ")
            .lines();
        assert_eq!(
            lines.last().map(String::as_str),
            Some("+ (the second run ends here)")
        );
    }
}
