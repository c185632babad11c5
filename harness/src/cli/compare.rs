//! `unplug compare`.

use std::sync::Arc;

use unplug::compare::{Contender, Sample, VERSIONS};
use unplug::judge::World;
use unplug::plan::Plan;
use unplug::report::Outcome;
use unplug::report::compare::{CompareDocument, Comparison};
use unplug::report::json;
use unplug::scenario::{self, Refused};
use unplug_mocks::exec::Preset;
use unplug_reconnect::policy::Policy;
use unplug_reconnect::seed::Seed;

use super::args::{By, CompareArgs, Format};
use super::load::{self, Loaded, Misfit, Refusal};
use super::run::{counted, seeds_there};
use super::{Failure, INTERRUPTED, out, runner};

/// Runs every script with every policy and every seed, and adds it all up.
pub(crate) fn compare(args: &CompareArgs) -> Result<u8, Failure> {
    let policies = policies(&args.policies)?;
    seeds_there(args.seed, args.seeds)?;
    let loaded = load::all(&args.scenarios)?;
    let work = Work::new(&loaded, &policies, args);
    if args.format == Format::Text {
        out::print(&format!("{}\n\n", work.headline(args)))?;
    }
    let names = loaded.iter().map(|loaded| loaded.source.name.clone()).collect();
    let mut comparison = Comparison::new(work.contenders.clone(), names);
    let complete = runner::all(
        work.count(),
        |index| work.make(index),
        |(contender, scenario, sample)| {
            comparison.tally(contender, scenario).note(&sample);
            true
        },
    )?;
    let exit_code = if complete {
        Outcome::AsExpected.exit_code()
    } else {
        INTERRUPTED
    };
    match args.format {
        Format::Text => out::print(&text(&comparison, args.by, complete))?,
        Format::Json => out::json(&CompareDocument {
            schema: json::SCHEMA,
            world: args.world.to_string(),
            seed: args.seed,
            seeds: args.seeds,
            columns: comparison.columns(),
            interrupted: !complete,
            exit_code,
        })?,
    }
    Ok(exit_code)
}

fn text(comparison: &Comparison, by: Option<By>, complete: bool) -> String {
    let mut text = comparison.text();
    match by {
        None => {}
        Some(By::Scenario) => {
            text.push('\n');
            text.push_str(&comparison.by_scenario());
        }
    }
    if !complete {
        text.push_str("\ninterrupted: columns may lack some runs\n");
    }
    text
}

/// The policies that are asked for, by the names of their columns.
fn policies(words: &[String]) -> Result<Vec<(String, Arc<Policy>)>, Refusal> {
    if let [only] = words {
        return Err(Misfit {
            message: format!("`{only}` alone is nothing to compare"),
            help: "name at least two policies, for example `unplug compare codex-0.142 recommended`"
                .to_owned(),
        }
        .into());
    }
    let mut policies: Vec<(String, Arc<Policy>)> = Vec::new();
    let mut refused: Vec<Refused> = Vec::new();
    for word in words {
        let name = word.strip_suffix(".toml").unwrap_or(word);
        if policies.iter().any(|(other, _)| other == name) {
            return Err(Misfit {
                message: format!("`{name}` is named twice"),
                help: "both columns would be the same: name each policy once".to_owned(),
            }
            .into());
        }
        match scenario::policy(word) {
            Ok(policy) => policies.push((name.to_owned(), policy)),
            Err(problems) => refused.push(problems),
        }
    }
    if refused.is_empty() {
        Ok(policies)
    } else {
        Err(Refusal::Scenarios(refused))
    }
}

/// All runs that are to be made: seed by seed, and within each all scripts with all policies, so that columns can be
/// compared even if someone presses Ctrl-C.
struct Work {
    contenders: Vec<Contender>,
    /// Column, script, and what is run.
    plans: Vec<(usize, usize, Plan)>,
    scenarios: usize,
    world: World,
    seed: u64,
    seeds: u64,
}

impl Work {
    fn new(loaded: &[Loaded], policies: &[(String, Arc<Policy>)], args: &CompareArgs) -> Self {
        let version = Preset::NAMES
            .into_iter()
            .find(|version| args.version.as_deref() == Some(version));
        let contenders: Vec<_> = policies
            .iter()
            .flat_map(|(name, policy)| Contender::of(name, policy, version))
            .collect();
        let mut plans = Vec::new();
        for (scenario, Loaded { source, variants }) in loaded.iter().enumerate() {
            // The first is the script as it stands.
            let script = &variants[0].scenario;
            let of_column = |(column, contender): (usize, &Contender)| {
                (column, scenario, contender.plan(&source.name, script))
            };
            plans.extend(contenders.iter().enumerate().map(of_column));
        }
        Self {
            contenders,
            plans,
            scenarios: loaded.len(),
            world: args.world.world(),
            seed: args.seed,
            seeds: args.seeds,
        }
    }

    const fn count(&self) -> u64 {
        self.plans.len() as u64 * self.seeds
    }

    fn make(&self, index: u64) -> (usize, usize, Sample) {
        let plans = self.plans.len() as u64;
        let (column, scenario, plan) = &self.plans[(index % plans) as usize];
        let seed = Seed(self.seed + index / plans);
        (*column, *scenario, Sample::take(self.world, plan, seed))
    }

    fn headline(&self, args: &CompareArgs) -> String {
        let columns = self.contenders.len() as u64;
        let seeds = match self.seeds {
            1 => format!("seed {}", self.seed),
            seeds => format!("seeds {} to {}", self.seed, self.seed + (seeds - 1)),
        };
        let servers = match &args.version {
            Some(version) => format!("All servers are of {version}."),
            None => format!(
                "A policy named after a version meets the server of that version, any other {}.",
                VERSIONS.join(" and ")
            ),
        };
        format!(
            "{} of {} for each of {}   world {}   {seeds}\n\
             Every script as it stands, without its cases and planted bugs.\n\
             {servers}",
            counted(self.scenarios as u64 * self.seeds, "run"),
            counted(self.scenarios as u64, "scenario"),
            counted(columns, "column"),
            args.world,
        )
    }
}
