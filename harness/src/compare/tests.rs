use super::*;
use crate::judge::WorldName;
use crate::presets;
use crate::scenario::library;

fn contenders(name: &str, version: Option<&'static str>) -> Vec<(String, &'static str)> {
    let policy = presets::policy("recommended").unwrap();
    let contenders = Contender::of(name, &policy, version);
    contenders
        .into_iter()
        .map(|contender| (contender.policy, contender.version))
        .collect()
}

#[test]
fn a_policy_meets_the_server_it_was_shipped_with() {
    assert_eq!(
        contenders("codex-0.134", None),
        [("codex-0.134".to_owned(), "0.134")]
    );
    let both = ["0.142", "0.169"].map(|version| ("recommended".to_owned(), version));
    assert_eq!(contenders("recommended", None), both);
    assert_eq!(
        contenders("mine0.134", None).len(),
        2,
        "that is no version of its own"
    );
    assert_eq!(
        contenders("codex-0.134", Some("0.169")),
        [("codex-0.134".to_owned(), "0.169")]
    );
}

#[test]
fn a_plan_has_the_policy_and_the_version_everywhere_and_no_planted_bug() {
    let sources = library::select(&["exec/double_attach".to_owned()]).unwrap();
    let mut scenario = sources[0].parse(&presets::names()).unwrap();
    scenario.servers[0].bug = Some("attach_twice".to_owned());
    scenario.clients[1].bug = Some("forget_session".to_owned());
    let policy = presets::policy("codex-0.134").unwrap();
    let plan = Contender::of("codex-0.134", &policy, None)[0].plan("double_attach", &scenario);
    let mut clients = 0;
    for host in &plan.hosts {
        match &host.kind {
            HostKind::Client {
                preset,
                policy: numbers,
                bug,
                ..
            } => {
                clients += 1;
                assert_eq!((preset.as_str(), numbers, *bug), ("codex-0.134", &policy, None));
            }
            HostKind::Exec { preset, bug, .. } => assert_eq!((preset.name, *bug), ("0.134", None)),
            HostKind::Script | HostKind::Issuer { .. } => {}
        }
    }
    assert_eq!(clients, 2);
}

fn ms(lengths: &[u64]) -> Vec<Duration> {
    lengths.iter().copied().map(Duration::from_millis).collect()
}

#[test]
fn a_quantile_is_a_length_that_occurred() {
    let mut lengths = Lengths::default();
    assert_eq!(lengths.quantile(50), None);
    lengths.note(&ms(&[30, 10, 20, 40]));
    assert_eq!(lengths.quantile(0), Some(Duration::from_millis(10)));
    assert_eq!(lengths.quantile(50), Some(Duration::from_millis(20)));
    assert_eq!(lengths.quantile(51), Some(Duration::from_millis(30)));
    assert_eq!(lengths.quantile(99), Some(Duration::from_millis(40)));
    assert_eq!(lengths.quantile(100), Some(Duration::from_millis(40)));
}

fn sample(ran: Ran, violated: &[&'static str], outage: u64) -> Sample {
    let metrics = Metrics {
        outages: ms(&[outage]),
        ..Metrics::default()
    };
    let violated = violated.to_vec();
    Sample {
        ran,
        violated,
        metrics,
    }
}

#[test]
fn only_a_whole_run_without_a_violation_is_a_pass() {
    let mut tally = Tally::default();
    for ran in [Ran::Whole, Ran::Untested, Ran::Stale, Ran::Away, Ran::Panicked] {
        tally.note(&sample(ran, &[], 1));
    }
    tally.note(&sample(Ran::Whole, &["untorn"], 1));
    tally.note(&sample(Ran::Stale, &["untorn", "in-order"], 1));
    let Tally {
        runs,
        passed,
        violated,
        stale,
        untested,
        runaway,
        panicked,
        ..
    } = tally;
    assert_eq!(
        [runs, passed, violated, stale, untested, runaway, panicked],
        [7, 1, 2, 2, 1, 1, 1]
    );
    assert_eq!(tally.violations, BTreeMap::from([("untorn", 2), ("in-order", 1)]));
}

#[test]
fn sums_of_parts_are_the_sum_of_all() {
    let samples = [
        sample(Ran::Whole, &[], 20),
        sample(Ran::Whole, &["untorn"], 10),
        sample(Ran::Stale, &[], 20),
    ];
    let tally = |samples: &[Sample]| {
        let mut tally = Tally::default();
        samples.iter().for_each(|sample| tally.note(sample));
        tally
    };
    let mut sum = tally(&samples[1..]);
    sum += &tally(&samples[..1]);
    assert_eq!(sum, tally(&samples));
}

#[test]
fn a_run_that_panics_or_does_not_end_is_a_sample() {
    let sources = library::select(&["exec/wifi_blip".to_owned()]).unwrap();
    let scenario = sources[0].parse(&presets::names()).unwrap();
    let policy = presets::policy("recommended").unwrap();
    let plan = Contender::of("recommended", &policy, Some("0.142"))[0].plan("wifi_blip", &scenario);
    let whole = Sample::take(WorldName::Fast.world(), &plan, Seed(42));
    assert_eq!((whole.ran, whole.violated.len()), (Ran::Whole, 0));
    assert_eq!(whole.metrics.counts.writes.applied, 2);
    let panics: World = |_, _| panic!("on purpose");
    assert_eq!(Sample::take(panics, &plan, Seed(42)).ran, Ran::Panicked);
    let runs_away: World = |plan, seed| {
        let run = (WorldName::Fast.world())(plan, seed);
        crate::worlds::Run {
            runaway: Some(1),
            ..run
        }
    };
    assert_eq!(Sample::take(runs_away, &plan, Seed(42)).ran, Ran::Away);
}
