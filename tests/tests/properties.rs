//! What must hold whatever goes wrong.
//!
//! Method: a storm draws which kinds of fault exist, then up to eight faults on any anchors, also in the middle of a
//! recovery, then healing and a long quiet time. Every checker judges every run: safety over the whole of it, liveness
//! after the quiet time. A failure prints the shrunk script as TOML, ready to save under `scenarios/`. `PROPTEST_CASES`
//! raises the number of cases, `UNPLUG_SEED` moves the whole search elsewhere.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::env;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use unplug::checkers::{self, Verdict};
use unplug::history::History;
use unplug::judge::WorldName;
use unplug::scenario::Scenario;
use unplug_reconnect::seed::Seed;
use unplug_tests::storm::{calm_after_the_storm, prune, storm};

/// Cases in the fast world unless `PROPTEST_CASES` says otherwise.
const FAST_CASES: u32 = 256;
/// Cases in the turmoil world for as many in the fast one.
const TURMOIL_SHARE: u32 = 32;

/// How many runs of a hundred must put a checker to the test, at least: well below what storms reach, and far above
/// nothing.
const FLOORS: &[(&str, u32)] = &[
    ("at-most-once", 50),
    ("in-order", 30),
    ("untorn", 50),
    ("accepted-means-applied", 50),
    ("no-false-certainty", 40),
    ("no-needless-surrender", 5),
    ("no-response-leak", 90),
    ("one-outcome-per-request", 90),
    ("no-cross-session", 50),
    ("gapless-or-declared", 80),
    ("exit-after-output", 70),
    ("closed-once-and-last", 80),
    ("process-survives", 15),
    ("no-orphan", 5),
    ("one-live-generation", 10),
    ("lease-honoured", 15),
    ("backoff-within-policy", 15),
    ("attempts-within-budget", 15),
    ("no-hot-loop", 90),
    ("single-flight-dial", 90),
    ("no-dial-after-terminal", 3),
    ("replay-only-what-is-safe", 5),
    ("fresh-credential-per-dial", 60),
    ("single-flight-refresh", 90),
    ("no-refresh-after-permanent-failure", 0),
    ("expired-credential-refused", 0),
    ("no-secret-in-history", 40),
    ("bounded-queues", 90),
    ("everything-settles", 90),
];

/// What storms cannot put to the test, and why.
const OUT_OF_REACH: &[(&str, &str)] = &[
    ("done-once", "storms do not ask for HTTP yet"),
    ("body-ends-honestly", "storms do not ask for HTTP yet"),
    (
        "stays-connected",
        "a script says that nothing in it is a reason to dial, and a storm is one",
    ),
    (
        "recovered-within",
        "a script says how soon, and a storm may well end a session for good",
    ),
];
/// Storms over clients of one policy, against one version of the server.
struct Campaign {
    policy: &'static str,
    version: &'static str,
    /// The checkers that this pair is known to fail, and does in every campaign.
    known: &'static [&'static str],
    /// Those that it is known to fail once in many storms. None of the others may ever fail.
    rare: &'static [&'static str],
}

const AGAINST_0_142: Campaign = Campaign {
    policy: "recommended",
    version: "0.142",
    known: &[],
    rare: &[],
};

/// What was shipped, each against the server of its version: a lost connection is a lost session, and a signed URL is
/// used for ever (exec-server sheet, 7.1; bug reports, codex#28512 and #28374); a doubled frame is applied twice
/// (exec-server sheet, 5); what a living connection loses is never noticed, and no call has a deadline (10).
const SHIPPED_0_134: Campaign = Campaign {
    policy: "codex-0.134",
    version: "0.134",
    known: &["process-survives", "fresh-credential-per-dial"],
    rare: &[
        "at-most-once",
        "in-order",
        "gapless-or-declared",
        "everything-settles",
        "no-orphan",
    ],
};

const SHIPPED_0_140: Campaign = Campaign {
    policy: "codex-0.140",
    version: "0.140",
    ..SHIPPED_0_134
};

/// A half-open server outlasts the window (exec-server sheet, 7.2, outcomes); pipelined writes pass a lost one.
const SHIPPED_0_142: Campaign = Campaign {
    policy: "codex-0.142",
    version: "0.142",
    known: &["process-survives"],
    rare: &[
        "in-order",
        "gapless-or-declared",
        "everything-settles",
        "no-orphan",
    ],
};

/// And too much behind a hole fails a process that runs on (exec-server sheet, 4.3).
const SHIPPED_0_169: Campaign = Campaign {
    policy: "codex-0.169",
    version: "0.169",
    ..SHIPPED_0_142
};

const AGAINST_0_169: Campaign = Campaign {
    version: "0.169",
    ..AGAINST_0_142
};

#[test]
fn recommended_holds_against_0_142() {
    AGAINST_0_142.run(WorldName::Fast).floors();
}

#[test]
fn recommended_holds_against_0_169() {
    AGAINST_0_169.run(WorldName::Fast).floors();
}

#[test]
fn recommended_holds_in_turmoil() {
    AGAINST_0_142.run(WorldName::Turmoil);
    AGAINST_0_169.run(WorldName::Turmoil);
}

#[test]
fn shipped_clients_fail_as_known_and_not_otherwise() {
    for campaign in [SHIPPED_0_134, SHIPPED_0_140, SHIPPED_0_142, SHIPPED_0_169] {
        let tally = campaign.run(WorldName::Fast);
        for checker in campaign.known {
            let (_, failed) = tally.verdicts.get(checker).copied().unwrap_or_default();
            assert!(0 < failed, "{} never fails {checker}", campaign.policy);
        }
    }
}

#[test]
fn shipped_clients_fail_as_known_in_turmoil() {
    for campaign in [SHIPPED_0_134, SHIPPED_0_142, SHIPPED_0_169] {
        campaign.run(WorldName::Turmoil);
    }
}

#[test]
fn every_checker_has_a_floor_or_is_out_of_reach() {
    let all: BTreeSet<_> = checkers::ALL.iter().map(|checker| checker.name).collect();
    let listed = FLOORS.iter().map(|(name, _)| *name);
    let listed: BTreeSet<_> = listed.chain(OUT_OF_REACH.iter().map(|(name, _)| *name)).collect();
    assert_eq!(listed, all);
}

/// How often each checker passed and failed, over so many runs.
struct Tally {
    cases: u32,
    verdicts: BTreeMap<&'static str, (u32, u32)>,
}

impl Campaign {
    /// Runs the storms. Turmoil takes longer, and gets a share.
    ///
    /// # Panics
    /// If a checker fails that is not known to, with the shrunk script.
    fn run(&self, world: WorldName) -> Tally {
        let cases = match world {
            WorldName::Fast => cases(),
            WorldName::Turmoil => cases().div_ceil(TURMOIL_SHARE),
        };
        let config = Config {
            cases,
            rng_seed: RngSeed::Fixed(search_seed()),
            failure_persistence: None,
            ..Config::default()
        };
        let verdicts = RefCell::new(BTreeMap::<_, (u32, u32)>::new());
        let storms = (storm(1..=4, self.policy, self.version), any::<u64>().no_shrink());
        let outcome = TestRunner::new(config).run(&storms, |(scenario, seed)| {
            let (_, history) = calm_after_the_storm(scenario, world, Seed(seed));
            for judgement in checkers::judge(&history) {
                let mut verdicts = verdicts.borrow_mut();
                let (passed, failed) = verdicts.entry(judgement.checker.name).or_default();
                match judgement.verdict {
                    Verdict::Pass => *passed += 1,
                    Verdict::Vacuous => {}
                    Verdict::Fail(_) => *failed += 1,
                }
            }
            self.surprise(&history)
                .map_or(Ok(()), |why| Err(TestCaseError::fail(why)))
        });
        match outcome {
            Ok(()) => Tally {
                cases,
                verdicts: verdicts.into_inner(),
            },
            Err(TestError::Fail(_, (scenario, seed))) => self.fail(scenario, world, seed),
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    }

    fn is_known(&self, checker: &str) -> bool {
        self.known.iter().chain(self.rare).any(|known| *known == checker)
    }

    /// The first failure that is not known.
    fn surprise(&self, history: &History) -> Option<String> {
        let mut judgements = checkers::judge(history).into_iter();
        judgements.find_map(|judgement| match judgement.verdict {
            Verdict::Fail(why) if !self.is_known(judgement.checker.name) => {
                Some(format!("{}: {why}", judgement.checker.name))
            }
            Verdict::Fail(_) | Verdict::Pass | Verdict::Vacuous => None,
        })
    }

    fn fail(&self, scenario: Scenario, world: WorldName, seed: u64) -> ! {
        let run = |scenario: &Scenario| {
            let (scenario, history) = calm_after_the_storm(scenario.clone(), world, Seed(seed));
            (scenario, self.surprise(&history))
        };
        let (scenario, why) = run(&prune(scenario, |less| run(less).1.is_some()));
        let (search, toml) = (search_seed(), scenario.to_toml());
        let why = why.unwrap_or_else(|| "it fails no more".to_owned());
        panic!("search seed {search}, world {world}, run seed {seed}\n{why}\n\n{toml}");
    }
}

impl Tally {
    /// # Panics
    /// If the storms put a checker to the test too rarely.
    fn floors(&self) {
        for (checker, percent) in FLOORS {
            let (passed, failed) = self.verdicts.get(checker).copied().unwrap_or_default();
            let tested = passed + failed;
            let least = (self.cases * percent).div_euclid(100);
            assert!(
                least <= tested,
                "{checker} was put to the test {tested} times in {}, and {least} is the least",
                self.cases
            );
        }
    }
}

fn cases() -> u32 {
    number("PROPTEST_CASES").unwrap_or(FAST_CASES)
}

fn search_seed() -> u64 {
    number("UNPLUG_SEED").unwrap_or(0)
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok().and_then(|text| text.parse().ok())
}
