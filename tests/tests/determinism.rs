//! The same plan with the same seed gives the same bytes: twice, in another process, on many threads at once.

use std::env;
use std::process::Command;
use std::thread;

use unplug::judge::WorldName;
use unplug::plan::Plan;
use unplug_reconnect::seed::Seed;
use unplug_tests::suite;

/// Asks a child process for its digests.
const CHILD: &str = "UNPLUG_CHILD";
const THREADS: usize = 4;

/// One line a run: every scenario in the fast world, a few in the turmoil world.
fn digests() -> Vec<String> {
    let digest = |case: &suite::Case, world: WorldName| {
        format!("{} {world} {}", case.name(), case.run(world).run.history.digest())
    };
    let mut lines = Vec::new();
    for (index, case) in suite::all().iter().enumerate() {
        lines.push(digest(case, WorldName::Fast));
        if index % 10 == 0 {
            lines.push(digest(case, WorldName::Turmoil));
        }
    }
    lines
}

#[test]
#[expect(clippy::print_stdout, reason = "this is how the child tells its digests")]
fn in_another_process() {
    let own = digests();
    if env::var_os(CHILD).is_some() {
        for line in own {
            println!("digest {line}");
        }
        return;
    }
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "in_another_process", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    // The test runner's own words may stand before the first of them, on the same line.
    let told: Vec<_> = told
        .lines()
        .filter_map(|line| line.split_once("digest "))
        .map(|(_, digest)| digest)
        .collect();
    assert_eq!(told, own);
}

#[test]
fn on_many_threads_at_once() {
    let own = digests();
    let others: Vec<_> = (0..THREADS).map(|_| thread::spawn(digests)).collect();
    for other in others {
        assert_eq!(other.join().unwrap(), own);
    }
}

#[test]
fn two_seeds_differ() {
    let mut case = suite::all()
        .into_iter()
        .find(|case| case.name() == "exec/wifi_blip")
        .unwrap();
    // Its backoff has jitter.
    case.variant.scenario.clients[0].policy = "recommended".to_owned();
    let plan = Plan::new(&case.source.name, &case.variant);
    for world in [WorldName::Fast, WorldName::Turmoil] {
        let events = |seed| (world.world())(&plan, Seed(seed)).history.entries;
        assert_eq!(events(1), events(1));
        assert_ne!(events(1), events(2));
    }
}

#[test]
#[expect(
    clippy::assertions_on_constants,
    reason = "how this was built is what is tested"
)]
fn tokio_is_seeded() {
    // A `RUSTFLAGS` in the environment silently replaces `.cargo/config.toml`.
    assert!(
        cfg!(tokio_unstable),
        "build with `--cfg tokio_unstable`, or tokio's own choices are not seeded"
    );
}
