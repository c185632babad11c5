//! Judges of a run: each reads a history, and nothing else, and answers pass, vacuous or fail.
//!
//! A checker needs no more than the typed events, so it serves every world. It fails with one sentence about the first
//! violation in the order of the history. Vacuous is an answer of its own: a run that did not put a property to the
//! test says nothing about it.
//!
//! Start at [`ALL`]. One module holds one family. What families share is a [`Reading`] of the history: which start a
//! process belongs to (`handles`), and which asked write a process has read (`pipes`). [`metrics`] counts by the same
//! reading.

mod backpressure;
mod bodies;
mod budget;
mod credentials;
mod efforts;
mod handles;
mod isolation;
mod leases;
mod liveness;
pub mod metrics;
mod outages;
mod outcomes;
mod output;
mod pipes;
mod reading;
mod resumption;
mod retries;
mod sessions;
mod stdin;
mod table;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;

use crate::history::History;

pub use reading::Reading;
pub use table::ALL;

/// What a checker says about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The property was put to the test and held.
    Pass,
    /// The run did not put the property to the test.
    Vacuous,
    /// The property was violated: one sentence about the first violation.
    Fail(String),
}

impl Verdict {
    const fn held(tested: bool) -> Self {
        if tested { Self::Pass } else { Self::Vacuous }
    }
}

/// What a property is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// What processes read, and what callers are told about it.
    Stdin,
    /// That nobody gets what belongs to another.
    Isolation,
    /// What processes print.
    Output,
    /// How long processes and sessions live.
    Sessions,
    /// When and how often a client dials and repeats itself.
    Retries,
    /// Signed URLs.
    Credentials,
    /// Queues.
    Backpressure,
    /// That things come to an end.
    Liveness,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdin => "stdin",
            Self::Isolation => "isolation",
            Self::Output => "output",
            Self::Sessions => "sessions",
            Self::Retries => "retries",
            Self::Credentials => "credentials",
            Self::Backpressure => "backpressure",
            Self::Liveness => "liveness",
        })
    }
}

/// A property of runs.
#[derive(Clone, Copy, Debug)]
pub struct Checker {
    /// How scenarios and reports name it.
    pub name: &'static str,
    /// What it is about.
    pub family: Family,
    /// What holds while it passes, in one sentence.
    pub about: &'static str,
    judge: Judge,
}

/// How a checker judges.
#[derive(Clone, Copy, Debug)]
enum Judge {
    History(fn(&History) -> Verdict),
    Reading(fn(&Reading<'_>) -> Verdict),
}

impl Checker {
    /// Judges a history.
    pub fn judge(&self, reading: &Reading<'_>) -> Verdict {
        match self.judge {
            Judge::History(judge) => judge(reading.history),
            Judge::Reading(judge) => judge(reading),
        }
    }
}

/// What one checker says about one run.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Who says it.
    pub checker: &'static Checker,
    /// What it says.
    pub verdict: Verdict,
}

/// Asks every checker.
pub fn judge(history: &History) -> Vec<Judgement> {
    judge_reading(&Reading::new(history))
}

/// Asks every checker about a history that was read already.
pub fn judge_reading(reading: &Reading<'_>) -> Vec<Judgement> {
    ALL.iter()
        .map(|checker| Judgement {
            checker,
            verdict: checker.judge(reading),
        })
        .collect()
}
