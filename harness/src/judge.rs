//! From a run to an answer: what the checkers say, and whether that is what the scenario expects.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use strum::{Display, VariantArray};
use unplug_reconnect::seed::Seed;

use crate::checkers::{self, Judgement, Verdict};
use crate::plan::Plan;
use crate::scenario::{Expect, Expected};
use crate::worlds::{self, Run};

/// A run and everything that is said about it.
#[derive(Debug)]
pub struct Judged {
    /// The run.
    pub run: Run,
    /// What each checker says.
    pub judgements: Vec<Judgement>,
    /// The answer.
    pub answer: Answer,
}

/// What a scenario's author wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As expected.
    AsExpected,
    /// A checker fails that must not, or does not fail that must.
    Violated(Vec<Surprise>),
    /// Nothing was put to the test.
    Inconclusive,
    /// Steps that never fired, by index: the script does not fit the protocol.
    Stale(Vec<usize>),
    /// The run was stopped; it did this many things.
    Runaway(u64),
    /// The run broke an invariant of the machines or of the harness: the message of the panic.
    Panicked(String),
}

/// A checker that surprises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surprise {
    /// It fails, and the scenario does not say so.
    Fails {
        /// Which.
        checker: &'static str,
        /// Its sentence.
        why: String,
    },
    /// The scenario says that it fails, and it does not.
    Holds {
        /// Which.
        checker: String,
    },
}

/// Judges a run.
pub fn judge(run: Run, expect: &Expect) -> Judged {
    let judgements = checkers::judge(&run.history);
    let answer = answer(&run, &judgements, expect);
    Judged {
        run,
        judgements,
        answer,
    }
}

fn answer(run: &Run, judgements: &[Judgement], expect: &Expect) -> Answer {
    if let Some(things) = run.runaway {
        return Answer::Runaway(things);
    }
    if !run.stale.is_empty() {
        return Answer::Stale(run.stale.clone());
    }
    let expected = expect.fails();
    let mut surprises = Vec::new();
    for judgement in judgements {
        let checker = judgement.checker.name;
        if let Verdict::Fail(why) = &judgement.verdict
            && !expected.iter().any(|name| name == checker)
        {
            surprises.push(Surprise::Fails {
                checker,
                why: why.clone(),
            });
        }
    }
    let fails = |name: &str| {
        judgements
            .iter()
            .any(|judgement| judgement.checker.name == name && matches!(judgement.verdict, Verdict::Fail(_)))
    };
    surprises.extend(
        expected
            .iter()
            .filter(|name| !fails(name))
            .map(|name| Surprise::Holds {
                checker: name.clone(),
            }),
    );
    if !surprises.is_empty() {
        return Answer::Violated(surprises);
    }
    let tested = judgements
        .iter()
        .any(|judgement| judgement.verdict != Verdict::Vacuous);
    match (tested, expect.verdict()) {
        (true, Expected::Pass) | (false, Expected::Inconclusive) => Answer::AsExpected,
        (true, Expected::Inconclusive) | (false, Expected::Pass) => Answer::Inconclusive,
    }
}

/// A world: runs a plan and writes its history.
pub type World = fn(&Plan, Seed) -> Run;

/// Makes a run. A panic on the way is an answer too: other runs go on.
///
/// # Errors
/// What the panic says.
pub fn attempt(world: World, plan: &Plan, seed: Seed) -> Result<Run, String> {
    catch_unwind(AssertUnwindSafe(|| world(plan, seed))).map_err(|payload| message(payload.as_ref()))
}

/// What a panic says.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words")
        .to_owned()
}

/// A world by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Display, VariantArray, clap::ValueEnum)]
#[strum(serialize_all = "snake_case")]
pub enum WorldName {
    /// One event heap, no ticks.
    Fast,
    /// Simulated TCP with real frames.
    Turmoil,
}

impl WorldName {
    /// The world.
    pub const fn world(self) -> World {
        match self {
            Self::Fast => worlds::fast::run,
            Self::Turmoil => worlds::turmoil::run,
        }
    }
}
