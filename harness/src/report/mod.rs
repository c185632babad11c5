//! What a person reads: the timeline of a run, the screen of a failure, the table of many runs; and the same as JSON.
//!
//! A [`Job`] is one case of one scenario in one world with one seed. [`Job::finish`] runs it and looks whether the same
//! seed gives the same history; the command line and the tests print what comes of it in the same words.

pub mod compare;
pub mod difference;
mod excerpt;
pub mod json;
pub mod screen;
mod stale;
pub mod table;
#[cfg(test)]
mod tests;
pub mod timeline;

use unplug_reconnect::seed::Seed;

use crate::checkers::Verdict;
use crate::history::History;
use crate::judge::{Answer, Judged, World, WorldName, attempt, judge};
use crate::plan::Plan;
use crate::scenario::Variant;
use crate::scenario::library::{Source, built_in};
use crate::worlds::Run;
use difference::Difference;

/// The seed of whoever names none.
pub const SEED: Seed = Seed(42);

/// One run that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Where the scenario comes from.
    pub source: &'a Source,
    /// The case.
    pub variant: &'a Variant,
    /// Where it runs.
    pub world: WorldName,
    /// What it is drawn from.
    pub seed: Seed,
}

/// A run that is over, and everything that is said about it.
#[derive(Debug)]
pub struct Finished<'a> {
    /// What was run.
    pub job: Job<'a>,
    /// What came of it.
    pub judged: Judged,
    /// What the same seed gave a second time.
    pub again: Again,
}

/// What came of running the same seed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// It was not tried.
    Untried,
    /// The same history.
    Same,
    /// Another one.
    Differs(Difference),
}

/// How a run counts. The later ones outweigh the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// All as the scenario expects.
    AsExpected,
    /// Nothing was put to the test.
    Inconclusive,
    /// A step never fired.
    Stale,
    /// A property was violated, or one that must be violated was not, or the run did not come to an end.
    Violated,
    /// The same seed gave two histories.
    Nondeterministic,
}

impl Outcome {
    /// How `unplug` exits if nothing outweighs it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::AsExpected => 0,
            Self::Violated => 1,
            Self::Inconclusive => 2,
            Self::Nondeterministic => 3,
            Self::Stale => 4,
        }
    }

    /// As tables show it.
    pub const fn shown(self) -> &'static str {
        match self {
            Self::AsExpected => "as expected",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Stale => "STALE",
            Self::Violated => "VIOLATED",
            Self::Nondeterministic => "NONDETERMINISTIC",
        }
    }
}

impl<'a> Job<'a> {
    /// Runs and judges it.
    pub fn run(self) -> Judged {
        self.run_in(self.world.world())
    }

    /// Runs it; and again if that is asked for, or if something is wrong.
    pub fn finish(self, twice: bool) -> Finished<'a> {
        self.finish_in(self.world.world(), twice)
    }

    fn run_in(self, world: World) -> Judged {
        let plan = Plan::new(&self.source.name, self.variant);
        match attempt(world, &plan, self.seed) {
            Ok(run) => judge(run, &self.variant.scenario.expect),
            Err(message) => {
                let header = plan.header(&self.world.to_string(), self.seed);
                let history = History {
                    header,
                    entries: Vec::new(),
                };
                Judged {
                    run: Run {
                        history,
                        stale: Vec::new(),
                        runaway: None,
                    },
                    judgements: Vec::new(),
                    answer: Answer::Panicked(message),
                }
            }
        }
    }

    fn finish_in(self, world: World, twice: bool) -> Finished<'a> {
        let judged = self.run_in(world);
        let twice = match judged.answer {
            Answer::AsExpected => twice,
            Answer::Violated(_) | Answer::Inconclusive | Answer::Stale(_) | Answer::Panicked(_) => true,
            // Two of these would not fit into memory.
            Answer::Runaway(_) => false,
        };
        let again = match twice.then(|| self.run_in(world)) {
            None => Again::Untried,
            Some(second) => match Difference::between(&judged.run.history, &second.run.history) {
                Some(difference) => Again::Differs(difference),
                None => Again::Same,
            },
        };
        Finished {
            job: self,
            judged,
            again,
        }
    }

    /// The options that name this run: `--case 0.134 --world fast --seed 42`.
    fn options(self) -> String {
        let case = match self.variant.case.as_str() {
            "" => String::new(),
            case => format!("--case {case} "),
        };
        format!("{case}--world {} --seed {}", self.world, self.seed)
    }

    /// The command that runs it again.
    pub fn replay(self) -> String {
        let scenario = if built_in().contains(self.source) {
            &self.source.name
        } else {
            &self.source.path
        };
        format!("unplug replay {} {}", quoted(scenario), self.options())
    }

    /// What is run, for headlines.
    pub fn headline(self) -> String {
        let case = match self.variant.case.as_str() {
            "" => String::new(),
            case => format!("case {case}   "),
        };
        format!(
            "{}   {case}world {}   seed {}",
            self.source.name, self.world, self.seed
        )
    }
}

impl Finished<'_> {
    /// How it counts.
    pub const fn outcome(&self) -> Outcome {
        if let Again::Differs(_) = self.again {
            return Outcome::Nondeterministic;
        }
        match self.judged.answer {
            Answer::AsExpected => Outcome::AsExpected,
            Answer::Violated(_) | Answer::Runaway(_) | Answer::Panicked(_) => Outcome::Violated,
            Answer::Inconclusive => Outcome::Inconclusive,
            Answer::Stale(_) => Outcome::Stale,
        }
    }

    /// The checkers that fail, as the scenario says.
    pub fn fails_as_expected(&self) -> Vec<&'static str> {
        let expected = self.job.variant.scenario.expect.fails();
        let failing = self
            .judged
            .judgements
            .iter()
            .filter(|judgement| matches!(judgement.verdict, Verdict::Fail(_)));
        let names = failing.map(|judgement| judgement.checker.name);
        names
            .filter(|name| expected.iter().any(|expected| expected == name))
            .collect()
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-+:=@,".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
