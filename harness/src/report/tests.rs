//! What no scenario brings about: a world that panics, and one that is not deterministic.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::scenario::library;
use crate::worlds::fast;
use crate::{plan, presets};

#[track_caller]
fn finish(world: World) -> (Outcome, String) {
    let source = library::built_in()
        .into_iter()
        .find(|source| source.name == "exec/wifi_blip")
        .unwrap();
    let variants = source.parse(&presets::names()).unwrap().variants();
    let job = Job {
        source: &source,
        variant: &variants[0],
        world: WorldName::Fast,
        seed: SEED,
    };
    let finished = job.finish_in(world, true);
    (finished.outcome(), screen::screen(&finished))
}

#[test]
fn a_run_that_is_as_expected_has_nothing_to_show() {
    let (outcome, screen) = finish(fast::run);
    assert_eq!(outcome, Outcome::AsExpected);
    assert_eq!(screen, "as expected   exec/wifi_blip   world fast   seed 42\n");
}

#[test]
fn a_panic_is_a_violation_and_ends_nothing_else() {
    fn panics(_: &plan::Plan, seed: Seed) -> Run {
        panic!("illegal move with seed {seed}")
    }
    let (outcome, screen) = finish(panics);
    assert_eq!(outcome, Outcome::Violated);
    assert!(
        screen.starts_with("FAIL panic   exec/wifi_blip   world fast   seed 42"),
        "{screen}"
    );
    assert!(screen.contains("illegal move with seed 42"), "{screen}");
}

#[test]
fn a_world_that_is_not_deterministic_is_caught() {
    fn draws_elsewhere(plan: &plan::Plan, seed: Seed) -> Run {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        fast::run(plan, Seed(seed.0 + RUNS.fetch_add(1, Ordering::Relaxed)))
    }
    let (outcome, screen) = finish(draws_elsewhere);
    assert_eq!(outcome, Outcome::Nondeterministic);
    assert!(
        screen.starts_with("NONDETERMINISTIC   exec/wifi_blip"),
        "{screen}"
    );
    assert!(
        screen.contains("the same seed gave two histories; they part at line 1\n"),
        "{screen}"
    );
}

#[test]
fn a_path_with_a_space_survives_a_shell() {
    assert_eq!(quoted("exec/wifi_blip"), "exec/wifi_blip");
    assert_eq!(quoted("my runs/it's.toml"), r"'my runs/it'\''s.toml'");
}

#[test]
fn nondeterminism_outweighs_all_and_stale_outweighs_inconclusive() {
    use Outcome::{AsExpected, Inconclusive, Nondeterministic, Stale, Violated};
    let mut outcomes = [Nondeterministic, Stale, AsExpected, Violated, Inconclusive];
    outcomes.sort();
    assert_eq!(outcomes.map(Outcome::exit_code), [0, 2, 4, 1, 3]);
}
