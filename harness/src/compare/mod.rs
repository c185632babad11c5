//! Policies beside each other: the same scripts with the same seeds, one policy after the other.
//!
//! A [`Contender`] is a policy with the server that it meets; a [`Sample`] is what is kept of one of its runs; a
//! [`Tally`] adds samples up and stays small however many there are. Sums of integers do not depend on the order in
//! which runs end, so neither does a comparison.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use unplug_mocks::exec::Preset;
use unplug_reconnect::policy::Policy;
use unplug_reconnect::seed::Seed;

use crate::checkers::metrics::{Counts, Metrics, measure};
use crate::checkers::{self, Reading, Verdict};
use crate::judge::{World, attempt};
use crate::plan::{HostKind, Plan};
use crate::scenario::{Mock, Scenario, Variant};

/// The servers that a policy meets which was not shipped with one.
pub const VERSIONS: [&str; 2] = ["0.142", "0.169"];

/// A policy and the version of the server that it meets.
#[derive(Clone, Debug)]
pub struct Contender {
    /// What the policy is called.
    pub policy: String,
    /// The version of all exec servers.
    pub version: &'static str,
    numbers: Arc<Policy>,
}

impl Contender {
    /// A policy with each server that it is to meet: `version`, if one is given; or else the one that it was shipped
    /// with, if its name ends in a version, as in `codex-0.134`; or else each of [`VERSIONS`].
    ///
    /// Clients and servers of one release belong together: to a server of 0.142 every write of 0.134 is a mistake, and
    /// nothing could be learned from it about how that client comes back.
    pub fn of(name: &str, policy: &Arc<Policy>, version: Option<&'static str>) -> Vec<Self> {
        let shipped = || {
            Preset::NAMES
                .into_iter()
                .find(|version| name.strip_suffix(version).is_some_and(|rest| rest.ends_with('-')))
        };
        let versions = match version.or_else(shipped) {
            Some(version) => vec![version],
            None => VERSIONS.to_vec(),
        };
        let contender = |version| Self {
            policy: name.to_owned(),
            version,
            numbers: Arc::clone(policy),
        };
        versions.into_iter().map(contender).collect()
    }

    /// The plan of a script as it stands, without its cases and planted bugs, with this policy on all clients and this
    /// version on all exec servers.
    pub fn plan(&self, name: &str, scenario: &Scenario) -> Plan {
        let mut scenario = scenario.clone();
        scenario.cases.clear();
        scenario.clients.iter_mut().for_each(|client| client.bug = None);
        for server in scenario
            .servers
            .iter_mut()
            .filter(|server| server.mock == Mock::Exec)
        {
            server.version = Some(self.version.to_owned());
            server.bug = None;
        }
        let variant = Variant {
            case: String::new(),
            scenario,
        };
        let mut plan = Plan::new(name, &variant);
        for host in &mut plan.hosts {
            if let HostKind::Client { preset, policy, .. } = &mut host.kind {
                preset.clone_from(&self.policy);
                *policy = Arc::clone(&self.numbers);
            }
        }
        plan
    }
}

/// What is kept of a run.
#[derive(Clone, Debug)]
pub struct Sample {
    ran: Ran,
    /// The checkers that failed.
    violated: Vec<&'static str>,
    metrics: Metrics,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ran {
    /// All steps fired, and some checker was put to the test.
    Whole,
    /// All steps fired, and no checker was put to the test.
    Untested,
    /// A step never fired.
    Stale,
    /// It was stopped because it did not come to an end.
    Away,
    /// It broke an invariant of the machines or of the harness.
    Panicked,
}

impl Sample {
    /// Makes the run.
    pub fn take(world: World, plan: &Plan, seed: Seed) -> Self {
        let nothing = |ran| Self {
            ran,
            violated: Vec::new(),
            metrics: Metrics::default(),
        };
        let Ok(run) = attempt(world, plan, seed) else {
            return nothing(Ran::Panicked);
        };
        if run.runaway.is_some() {
            return nothing(Ran::Away);
        }
        let reading = Reading::new(&run.history);
        let judgements = checkers::judge_reading(&reading);
        let tested = judgements
            .iter()
            .any(|judgement| judgement.verdict != Verdict::Vacuous);
        let failed = judgements
            .iter()
            .filter(|judgement| matches!(judgement.verdict, Verdict::Fail(_)));
        Self {
            ran: match (run.stale.is_empty(), tested) {
                (false, _) => Ran::Stale,
                (true, true) => Ran::Whole,
                (true, false) => Ran::Untested,
            },
            violated: failed.map(|judgement| judgement.checker.name).collect(),
            metrics: measure(&reading),
        }
    }
}

/// Many runs, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub runs: u64,
    /// Those in which everything fired, something was put to the test, and no checker failed.
    pub passed: u64,
    /// Those in which a checker failed.
    pub violated: u64,
    /// Those in which a step never fired: the script waits for something that this policy never does. They may be
    /// violated, too, and what happened in them counts.
    pub stale: u64,
    /// Those that put no checker to the test.
    pub untested: u64,
    /// Those that did not come to an end. Nothing else of them counts.
    pub runaway: u64,
    /// Those that broke an invariant. Nothing else of them counts.
    pub panicked: u64,
    /// By checker: the runs in which it failed.
    pub violations: BTreeMap<&'static str, u64>,
    /// What was counted.
    pub counts: Counts,
    /// The outages that came to an end.
    pub outages: Lengths,
    /// How long callers waited for the truth.
    pub waits: Lengths,
}

impl Tally {
    /// Takes note of a run.
    pub fn note(&mut self, sample: &Sample) {
        let Sample {
            ran,
            violated,
            metrics,
        } = sample;
        self.runs += 1;
        match ran {
            Ran::Whole => self.passed += u64::from(violated.is_empty()),
            Ran::Untested => self.untested += 1,
            Ran::Stale => self.stale += 1,
            Ran::Away => self.runaway += 1,
            Ran::Panicked => self.panicked += 1,
        }
        self.violated += u64::from(!violated.is_empty());
        for checker in violated {
            *self.violations.entry(checker).or_default() += 1;
        }
        self.counts += metrics.counts;
        self.outages.note(&metrics.outages);
        self.waits.note(&metrics.waits);
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        self.runs += other.runs;
        self.passed += other.passed;
        self.violated += other.violated;
        self.stale += other.stale;
        self.untested += other.untested;
        self.runaway += other.runaway;
        self.panicked += other.panicked;
        for (checker, runs) in &other.violations {
            *self.violations.entry(checker).or_default() += runs;
        }
        self.counts += other.counts;
        self.outages += &other.outages;
        self.waits += &other.waits;
    }
}

/// Lengths of time, counted by their milliseconds: as many numbers as a run has milliseconds at most, however many
/// lengths there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    by_ms: BTreeMap<u64, u64>,
    count: u64,
}

impl Lengths {
    fn note(&mut self, lengths: &[Duration]) {
        for length in lengths {
            let ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
            *self.by_ms.entry(ms).or_default() += 1;
            self.count += 1;
        }
    }

    /// How many there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The shortest length, in whole milliseconds, than which at least `percent` of 100 are not longer. None if there
    /// are none.
    pub fn quantile(&self, percent: u64) -> Option<Duration> {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut below = 0;
        let mut reached = self.by_ms.iter().skip_while(|(_, count)| {
            below += *count;
            below < rank
        });
        reached.next().map(|(ms, _)| Duration::from_millis(*ms))
    }
}

impl AddAssign<&Self> for Lengths {
    fn add_assign(&mut self, other: &Self) {
        for (ms, count) in &other.by_ms {
            *self.by_ms.entry(*ms).or_default() += count;
        }
        self.count += other.count;
    }
}

#[cfg(test)]
mod tests;
