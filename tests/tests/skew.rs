//! Version skew: any client against any server, over the scripts of all scenarios.
//!
//! Goal: whatever the two ends make of each other, no run panics or runs away, and what protects users from harm holds.
//! Method: every script without its planted bug, every shipped policy and ours, every server version, in the fast world.
//! A step that never fires counts for nothing here, because anchors are written for one pair of versions; what a pair is
//! expected to do is said in the scenarios `skew_old_client` and `skew_new_client`.

use std::collections::BTreeSet;

use unplug::checkers::Verdict;
use unplug::judge::{Answer, WorldName};
use unplug::presets;
use unplug::report::{Job, SEED};
use unplug::scenario::{Mock, Scenario, Variant};
use unplug_mocks::exec::Preset;
use unplug_tests::suite;

/// What must hold between any two versions: nobody gets what is another's, nobody is told what is not so, and nobody
/// dials wildly. (What may fail is what an older end cannot do: survive, recover,
/// settle, bound its queues, tell a resend from a write.)
const ALWAYS: &[&str] = &[
    "untorn",
    "accepted-means-applied",
    "no-false-certainty",
    "no-needless-surrender",
    "no-response-leak",
    "one-outcome-per-request",
    "no-cross-session",
    "exit-after-output",
    "closed-once-and-last",
    "one-live-generation",
    "lease-honoured",
    "backoff-within-policy",
    "attempts-within-budget",
    "no-hot-loop",
    "single-flight-dial",
    "no-dial-after-terminal",
    "replay-only-what-is-safe",
    "expired-credential-refused",
    "single-flight-refresh",
    "no-refresh-after-permanent-failure",
    "no-secret-in-history",
];

/// The scripts as they stand, each once and without a planted bug.
fn scripts() -> Vec<suite::Case> {
    let mut seen = BTreeSet::new();
    let mut scripts = suite::all();
    scripts.retain(|case| seen.insert(case.source.name.clone()));
    scripts
}

fn between(scenario: &Scenario, policy: &str, version: &str) -> Scenario {
    let mut scenario = scenario.clone();
    for client in &mut scenario.clients {
        policy.clone_into(&mut client.policy);
        client.bug = None;
    }
    for server in scenario
        .servers
        .iter_mut()
        .filter(|server| server.mock == Mock::Exec)
    {
        server.version = Some(version.to_owned());
        server.bug = None;
    }
    scenario
}

#[test]
fn any_client_meets_any_server() {
    let policies = || presets::policies().filter(|name| !name.starts_with("broken-"));
    let mut wrong = Vec::new();
    let (mut runs, mut tested) = (0_usize, BTreeSet::new());
    for script in scripts() {
        for (policy, version) in policies().flat_map(|policy| Preset::NAMES.map(|version| (policy, version)))
        {
            let variant = Variant {
                case: format!("{policy}+{version}"),
                scenario: between(&script.variant.scenario, policy, version),
            };
            let judged = Job {
                source: &script.source,
                variant: &variant,
                world: WorldName::Fast,
                seed: SEED,
            }
            .run();
            runs += 1;
            let place = format!("{} {policy} against {version}", script.source.name);
            if let Answer::Panicked(why) = &judged.answer {
                wrong.push(format!("{place}: {why}"));
            } else if let Answer::Runaway(events) = judged.answer {
                wrong.push(format!("{place}: runs away after {events} events"));
            }
            for judgement in judged.judgements {
                let name = judgement.checker.name;
                match judgement.verdict {
                    Verdict::Fail(why) if ALWAYS.contains(&name) => {
                        wrong.push(format!("{place}: {name}: {why}"))
                    }
                    Verdict::Fail(_) | Verdict::Pass => {
                        tested.insert(name);
                    }
                    Verdict::Vacuous => {}
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {runs} runs:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let vacuous: Vec<_> = ALWAYS.iter().filter(|name| !tested.contains(**name)).collect();
    assert!(vacuous.is_empty(), "never put to the test: {vacuous:?}");
}
