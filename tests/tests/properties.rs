//! What must hold whatever goes wrong.
//!
//! Method: a storm draws which kinds of fault exist, then up to six faults on any anchors, then healing and a long
//! quiet time. Safety is judged over the whole run, liveness after the quiet time. A failure prints the shrunk script as
//! TOML, ready to save under `scenarios/`. `PROPTEST_CASES` raises the number of cases, `UNPLUG_SEED` moves the whole
//! search elsewhere.

use std::cell::Cell;
use std::env;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use strum::VariantArray as _;
use unplug::checkers::{self, Verdict};
use unplug::fault::FaultKind;
use unplug::judge::WorldName;
use unplug::scenario::Scenario;
use unplug_reconnect::seed::Seed;
use unplug_tests::storm::{calm_after_the_storm, storm, storm_of};

/// Cases in the fast world unless `PROPTEST_CASES` says otherwise.
const FAST_CASES: u32 = 256;
/// Cases in the turmoil world for as many in the fast one.
const TURMOIL_SHARE: u32 = 16;

/// A checker must be put to the test once in so many runs, or the storms do not reach it.
const FLOOR: u32 = 20;

/// Every write is read once, in order and whole, or its caller is told that it was not, or that nobody knows.
const STDIN: &[&str] = &[
    "at-most-once",
    "in-order",
    "untorn",
    "accepted-means-applied",
    "no-false-certainty",
    "everything-settles",
];

/// Nobody gets what belongs to another.
const ISOLATION: &[&str] = &["no-response-leak", "no-cross-session", "one-outcome-per-request"];

/// A subscriber gets all that was printed, or is told that the rest is lost.
const OUTPUT: &[&str] = &["gapless-or-declared", "exit-after-output", "closed-once-and-last"];

#[test]
fn stdin_is_delivered_exactly_once() {
    hold(storm(1, "recommended", "0.142"), STDIN, WorldName::Fast, cases());
}

#[test]
fn stdin_is_delivered_exactly_once_in_turmoil() {
    let cases = cases().div_ceil(TURMOIL_SHARE);
    hold(storm(1, "recommended", "0.142"), STDIN, WorldName::Turmoil, cases);
}

#[test]
fn no_response_leaks_between_connections() {
    let storms = (2..=4_usize).prop_flat_map(|clients| storm(clients, "recommended", "0.142"));
    hold(storms, ISOLATION, WorldName::Fast, cases());
}

#[test]
fn no_response_leaks_between_connections_in_turmoil() {
    let storms = (2..=4_usize).prop_flat_map(|clients| storm(clients, "recommended", "0.142"));
    hold(
        storms,
        ISOLATION,
        WorldName::Turmoil,
        cases().div_ceil(TURMOIL_SHARE),
    );
}

#[test]
fn output_is_complete_or_declared_lost() {
    // A middlebox that drops the last notification of all leaves nothing that a client could notice.
    let kinds = FaultKind::VARIANTS
        .iter()
        .copied()
        .filter(|kind| *kind != FaultKind::DropFrame)
        .collect();
    hold(
        storm_of(kinds, 1, "recommended", "0.142"),
        OUTPUT,
        WorldName::Fast,
        cases(),
    );
}

#[test]
fn the_shipped_client_is_safe_if_not_always_live() {
    // A frame that a middlebox drops leaves 0.142 waiting for ever, and pipelined writes may then be reordered.
    let safety = ["at-most-once", "untorn", "accepted-means-applied"];
    hold(
        storm(1, "codex-0.142", "0.142"),
        &safety,
        WorldName::Fast,
        cases(),
    );
}

fn cases() -> u32 {
    env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(FAST_CASES)
}

fn search_seed() -> u64 {
    env::var("UNPLUG_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0)
}

/// Runs storms and asks these checkers; at least one run in [`FLOOR`] must put each of them to the test.
fn hold(storms: impl Strategy<Value = Scenario>, names: &[&str], world: WorldName, cases: u32) {
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(search_seed()),
        failure_persistence: None,
        ..Config::default()
    };
    let tested: Vec<Cell<u32>> = names.iter().map(|_| Cell::new(0)).collect();
    let outcome = TestRunner::new(config).run(&(storms, any::<u64>().no_shrink()), |(scenario, seed)| {
        let (scenario, history) = calm_after_the_storm(scenario, world, Seed(seed));
        for judgement in checkers::judge(&history) {
            let Some(index) = names.iter().position(|name| *name == judgement.checker.name) else {
                continue;
            };
            match judgement.verdict {
                Verdict::Pass => tested[index].set(tested[index].get() + 1),
                Verdict::Vacuous => {}
                Verdict::Fail(why) => {
                    let (checker, toml) = (judgement.checker.name, scenario.to_toml());
                    return Err(TestCaseError::fail(format!(
                        "{checker}: {why}\nseed {seed}\n\n{toml}"
                    )));
                }
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        // The reason ends with the script; the value would say the same at length.
        let why = match error {
            TestError::Abort(reason) | TestError::Fail(reason, _) => reason,
        };
        panic!("search seed {}, world {world}\n{why}", search_seed());
    }
    for (checker, tested) in names.iter().zip(&tested) {
        let tested = tested.get();
        assert!(
            cases / FLOOR <= tested,
            "{checker} was put to the test only {tested} times in {cases}"
        );
    }
}
