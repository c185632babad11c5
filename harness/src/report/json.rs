//! What the command line says, as JSON: one document for each command. Fields are added and never renamed; a reader
//! that does not know one must ignore it.

use serde::Serialize;

use super::difference::Difference;
use super::{Again, Finished, Outcome, screen, stale};
use crate::checkers::{Judgement, Verdict};
use crate::judge::Answer;
use crate::scenario::library::Source;
use crate::scenario::{Expect, Expected, Refused, Scenario};

/// The version of these documents.
pub const SCHEMA: u32 = 1;

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    scenario: String,
    path: String,
    /// Empty for the script as it stands.
    case: String,
    world: String,
    seed: u64,
    verdict: &'static str,
    /// What is not as expected, in a sentence each.
    problems: Vec<String>,
    expected: Expectation,
    checkers: Vec<Checker>,
    unfired_steps: Vec<Unfired>,
    /// Whether the same seed was tried twice.
    repeated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
    simulated_ms: u128,
    events: usize,
    digest: String,
    replay: String,
}

/// What a scenario says about a case.
#[derive(Clone, Debug, Serialize)]
pub struct Expectation {
    verdict: &'static str,
    fails: Vec<String>,
    recovered_within_ms: Option<u128>,
}

/// What one checker says.
#[derive(Clone, Debug, Serialize)]
struct Checker {
    name: &'static str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// A step that never fired.
#[derive(Clone, Debug, Serialize)]
struct Unfired {
    step: usize,
    line: Option<usize>,
    why: String,
}

impl Run {
    /// Of this run.
    pub fn new(finished: &Finished<'_>) -> Self {
        let (job, judged) = (&finished.job, &finished.judged);
        let scenario = &job.variant.scenario;
        let is_stale = matches!(judged.answer, Answer::Stale(_));
        let unfired = if is_stale {
            stale::unfired(finished)
        } else {
            Vec::new()
        };
        Self {
            scenario: job.source.name.clone(),
            path: job.source.path.clone(),
            case: job.variant.case.clone(),
            world: job.world.to_string(),
            seed: job.seed.0,
            verdict: finished.outcome().into(),
            problems: screen::sentences(finished),
            expected: Expectation::new(&scenario.expect),
            checkers: judged.judgements.iter().map(Checker::new).collect(),
            unfired_steps: unfired
                .into_iter()
                .map(|stale::Unfired { step, line, why }| Unfired { step, line, why })
                .collect(),
            repeated: finished.again != Again::Untried,
            difference: match &finished.again {
                Again::Differs(difference) => Some(difference.clone()),
                Again::Untried | Again::Same => None,
            },
            simulated_ms: scenario.until.as_millis(),
            events: judged.run.history.entries.len(),
            digest: judged.run.history.digest(),
            replay: job.replay(),
        }
    }
}

impl Expectation {
    fn new(expect: &Expect) -> Self {
        let verdict = match (expect.fails(), expect.verdict()) {
            ([_, ..], _) => "fail",
            ([], Expected::Pass) => "pass",
            ([], Expected::Inconclusive) => "inconclusive",
        };
        Self {
            verdict,
            fails: expect.fails().to_vec(),
            recovered_within_ms: expect.recovered_within.map(|length| length.as_millis()),
        }
    }
}

impl Checker {
    fn new(judgement: &Judgement) -> Self {
        let (verdict, why) = match &judgement.verdict {
            Verdict::Pass => ("pass", None),
            Verdict::Vacuous => ("vacuous", None),
            Verdict::Fail(why) => ("fail", Some(why.clone())),
        };
        Self {
            name: judgement.checker.name,
            verdict,
            why,
        }
    }
}

/// How many runs came out how.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Summary {
    /// All that are over.
    pub runs: u64,
    as_expected: u64,
    violated: u64,
    stale: u64,
    inconclusive: u64,
    nondeterministic: u64,
}

impl Summary {
    /// Takes note of a run.
    pub const fn note(&mut self, outcome: Outcome) {
        self.runs += 1;
        *self.count(outcome) += 1;
    }

    const fn count(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::AsExpected => &mut self.as_expected,
            Outcome::Violated => &mut self.violated,
            Outcome::Stale => &mut self.stale,
            Outcome::Inconclusive => &mut self.inconclusive,
            Outcome::Nondeterministic => &mut self.nondeterministic,
        }
    }

    /// So many came out so.
    pub const fn of(mut self, outcome: Outcome) -> u64 {
        *self.count(outcome)
    }
}

/// What `unplug run` says.
#[derive(Clone, Debug, Serialize)]
pub struct RunDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// In order.
    pub runs: Vec<Run>,
    /// How many came out how.
    pub summary: Summary,
    /// Whether some were not made because someone pressed Ctrl-C.
    pub interrupted: bool,
    /// How the program exits.
    pub exit_code: u8,
}

/// What `unplug replay` says.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What came of it.
    pub run: Run,
    /// As people read it, line by line.
    pub timeline: Vec<String>,
    /// How the program exits.
    pub exit_code: u8,
}

/// What `unplug list` says.
#[derive(Clone, Debug, Serialize)]
pub struct ListDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// By name.
    pub scenarios: Vec<Listed>,
    /// How the program exits.
    pub exit_code: u8,
}

/// A scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    name: String,
    path: String,
    title: String,
    why: String,
    source: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Clone, Debug, Serialize)]
struct Case {
    /// Empty for the script as it stands.
    case: String,
    expected: Expectation,
}

impl Listed {
    /// Of this scenario.
    pub fn new(source: &Source, scenario: &Scenario) -> Self {
        let variants = scenario.variants().into_iter();
        Self {
            name: source.name.clone(),
            path: source.path.clone(),
            title: scenario.title.clone(),
            why: scenario.why.clone(),
            source: scenario.source.clone(),
            cases: variants
                .map(|variant| Case {
                    expected: Expectation::new(&variant.scenario.expect),
                    case: variant.case,
                })
                .collect(),
        }
    }
}

/// Why nothing runs.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Everything that is wrong, file by file.
    pub errors: Vec<Problem>,
    /// How the program exits.
    pub exit_code: u8,
}

/// One thing that is wrong with what was asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Problem {
    /// Of which file, if it is a file's.
    pub path: Option<String>,
    /// Where, from 1.
    pub line: Option<usize>,
    /// Where, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What is said beside the place.
    pub label: Option<String>,
    /// What would be right.
    pub help: Option<String>,
}

/// Everything that is wrong with a file.
pub fn problems(refused: &Refused) -> Vec<Problem> {
    let problem = |problem| {
        let (line, column) = refused.place(problem).unzip();
        Problem {
            path: Some(refused.path().to_owned()).filter(|path| !path.is_empty()),
            line,
            column,
            message: problem.message.clone(),
            label: problem.label.clone(),
            help: problem.help.clone(),
        }
    };
    refused.problems().iter().map(problem).collect()
}
