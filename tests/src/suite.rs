//! The suite over scenario files: one test for each scenario, case and world.
//!
//! In the fast world a case is judged, run a second time to the byte, and compared with its golden timeline, which lies
//! beside the scenario. In the turmoil world it is judged, and its events must come in the order of the fast world.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use unplug::history::History;
use unplug::judge::{Judged, WorldName};
use unplug::presets;
use unplug::report::timeline::timeline;
use unplug::report::{Finished, Job, Outcome, SEED, screen};
use unplug::scenario::Variant;
use unplug::scenario::library::{self, Source};

use crate::parity;

/// Lists or runs the suite, as the arguments say.
pub fn main() -> ExitCode {
    let trials: Vec<_> = all().into_iter().flat_map(|case| trials(&case)).collect();
    if trials.is_empty() {
        eprintln!("no scenarios found");
        return ExitCode::FAILURE;
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// One case of a scenario.
#[derive(Clone, Debug)]
pub struct Case {
    /// The scenario.
    pub source: Source,
    /// The case.
    pub variant: Variant,
}

impl Case {
    /// As tests and golden files are named: `exec/wifi_blip@0.134`.
    pub fn name(&self) -> String {
        match self.variant.case.as_str() {
            "" => self.source.name.clone(),
            case => format!("{}@{case}", self.source.name),
        }
    }

    /// Runs and judges it.
    pub fn run(&self, world: WorldName) -> Judged {
        Job {
            source: &self.source,
            variant: &self.variant,
            world,
            seed: SEED,
        }
        .run()
    }
}

/// Every case of every scenario that is built in.
///
/// # Panics
/// If a scenario does not parse, with the message that a user would see.
pub fn all() -> Vec<Case> {
    let names = presets::names();
    let mut cases = Vec::new();
    for source in library::built_in() {
        let scenario = source
            .parse(&names)
            .unwrap_or_else(|refused| panic!("{}", refused.render(false)));
        let case = |variant| Case {
            source: source.clone(),
            variant,
        };
        cases.extend(scenario.variants().into_iter().map(case));
    }
    cases
}

fn trials(case: &Case) -> [Trial; 2] {
    let (fast, turmoil) = (case.clone(), case.clone());
    [
        Trial::test(format!("{}::fast", case.name()), move || in_fast(&fast)),
        Trial::test(format!("{}::turmoil", case.name()), move || in_turmoil(&turmoil)),
    ]
}

fn in_fast(case: &Case) -> Result<(), Failed> {
    let history = as_expected(case, WorldName::Fast)?;
    compare_with_golden(case, &timeline(&history));
    Ok(())
}

fn in_turmoil(case: &Case) -> Result<(), Failed> {
    let history = as_expected(case, WorldName::Turmoil)?;
    let fast = case.run(WorldName::Fast).run.history;
    parity::compare(&fast, &history).map_err(Failed::from)
}

/// Runs a case twice: to the same bytes, and with the answer that its scenario expects.
fn as_expected(case: &Case, world: WorldName) -> Result<History, Failed> {
    let job = Job {
        source: &case.source,
        variant: &case.variant,
        world,
        seed: SEED,
    };
    let finished: Finished<'_> = job.finish(true);
    match finished.outcome() {
        Outcome::AsExpected => Ok(finished.judged.run.history),
        Outcome::Inconclusive | Outcome::Stale | Outcome::Violated | Outcome::Nondeterministic => {
            Err(screen::screen(&finished).into())
        }
    }
}

fn compare_with_golden(case: &Case, timeline: &str) {
    let golden = golden(case);
    let (folder, name) = (golden.parent(), golden.file_name().and_then(|name| name.to_str()));
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(folder.expect("a golden lies in a folder"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.expect("a scenario's name is text"), timeline));
}

/// Where the golden timeline of a case lies, without its ending.
pub fn golden(case: &Case) -> PathBuf {
    scenarios().join(case.name())
}

/// The folder of the scenarios.
pub fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios")
        .canonicalize()
        .expect("the folder is there")
}
