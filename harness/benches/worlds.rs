//! How fast the worlds are. `cargo bench` prints the times; `README.md` beside this file keeps a table of them.
//!
//! Every run here writes its history and asks every checker, unless it says otherwise. The raw turmoil script stands in
//! the same run, so that the figures may be compared as ratios on a noisy machine.

use std::time::Duration;

use divan::{Bencher, black_box};
use unplug::checkers;
use unplug::fault::{Address, Dir, Fault};
use unplug::judge::WorldName;
use unplug::plan::Plan;
use unplug::presets;
use unplug::scenario::library::{self, Source};
use unplug::scenario::{Action, Anchor, Do, Edge, Method, Scenario, Step, Trigger, Variant, When};
use unplug_reconnect::seed::Seed;

fn main() {
    divan::main();
}

/// The first case of `exec/wifi_blip`, and for how long it is to run.
fn blip(until: Duration) -> Scenario {
    let named = |source: &Source| source.name == "exec/wifi_blip";
    let source = library::built_in()
        .into_iter()
        .find(named)
        .expect("the scenario is built in");
    let scenario = source
        .parse(&presets::names())
        .expect("a built-in scenario parses");
    Scenario {
        until,
        cases: Vec::new(),
        ..scenario
    }
}

fn plan(scenario: Scenario) -> Plan {
    Plan::new(
        "bench",
        &Variant {
            case: String::new(),
            scenario,
        },
    )
}

fn write(at: Duration, data: String) -> Step {
    let action = Action::Do(Do::Write {
        process: "sh".to_owned(),
        data,
    });
    Step {
        name: None,
        leaves_after: None,
        trigger: Trigger::At(at),
        client: None,
        action,
    }
}

/// 50 round trips, 800 ms without a network while the last one is answered, a reconnect, 50 more.
fn round_trips() -> Plan {
    let mut scenario = blip(Duration::from_secs(10));
    scenario.steps.truncate(1);
    let at = |from: u64, n: u64| Duration::from_millis(from + 50 * n);
    scenario
        .steps
        .extend((0..50).map(|n| write(at(1_000, n), format!("before {n}\n"))));
    scenario.steps.push(Step {
        name: None,
        leaves_after: None,
        trigger: Trigger::When(
            When::Anchor(Anchor {
                client: None,
                conn: None,
                method: Method::ProcessWrite,
                dir: Dir::C2s,
                nth: 50,
                edge: Edge::Applied,
            }),
            Duration::ZERO,
        ),
        client: None,
        action: Action::Fault(Fault::LinkDown {
            host: "laptop".to_owned(),
            r#for: Duration::from_millis(800),
            address: Address::Same,
        }),
    });
    scenario
        .steps
        .extend((0..50).map(|n| write(at(6_000, n), format!("after {n}\n"))));
    plan(scenario)
}

/// A session with one process in which nothing happens but pings.
fn idle(until: Duration) -> Plan {
    let mut scenario = blip(until);
    scenario.steps.truncate(1);
    plan(scenario)
}

fn judged(bencher: Bencher<'_, '_>, plan: &Plan, world: WorldName) {
    let mut seed = 0;
    bencher.bench_local(|| {
        seed += 1;
        let run = (world.world())(plan, Seed(seed));
        assert!(run.stale.is_empty(), "every step fires");
        black_box(checkers::judge(&run.history))
    });
}

#[divan::bench]
fn blip_of_90_s_in_fast(bencher: Bencher<'_, '_>) {
    judged(bencher, &plan(blip(Duration::from_secs(90))), WorldName::Fast);
}

#[divan::bench]
fn blip_of_90_s_in_fast_unjudged(bencher: Bencher<'_, '_>) {
    let plan = plan(blip(Duration::from_secs(90)));
    bencher.bench_local(|| black_box((WorldName::Fast.world())(&plan, Seed(1))));
}

#[divan::bench(max_time = 10)]
fn blip_of_90_s_in_turmoil(bencher: Bencher<'_, '_>) {
    judged(bencher, &plan(blip(Duration::from_secs(90))), WorldName::Turmoil);
}

#[divan::bench(max_time = 10)]
fn blip_of_90_s_on_raw_turmoil(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| raw::blip(Duration::from_secs(90)));
}

#[divan::bench]
fn round_trips_50_blip_50_in_fast(bencher: Bencher<'_, '_>) {
    judged(bencher, &round_trips(), WorldName::Fast);
}

#[divan::bench]
fn round_trips_50_blip_50_in_fast_unjudged(bencher: Bencher<'_, '_>) {
    let plan = round_trips();
    bencher.bench_local(|| black_box((WorldName::Fast.world())(&plan, Seed(1))));
}

#[divan::bench]
fn two_idle_hours_in_fast(bencher: Bencher<'_, '_>) {
    judged(bencher, &idle(Duration::from_secs(2 * 60 * 60)), WorldName::Fast);
}

/// The blip by hand on turmoil as it comes: its default tick of 1 ms, lines instead of frames, no history, no checkers.
mod raw {
    use std::time::Duration;

    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use turmoil::net::{TcpListener, TcpStream};

    const PORT: u16 = 80;

    pub(super) fn blip(until: Duration) {
        let mut sim = turmoil::Builder::new()
            .simulation_duration(until * 2)
            .min_message_latency(Duration::from_millis(20))
            .max_message_latency(Duration::from_millis(20))
            .rng_seed(1)
            .build();
        sim.host("executor", serve);
        sim.client("laptop", async move {
            let mut stream = connect().await?;
            exchange(&mut stream, "start\n").await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            exchange(&mut stream, "ls\n").await?;
            drop(stream);
            turmoil::hold("laptop", "executor");
            tokio::time::sleep(Duration::from_millis(800)).await;
            turmoil::release("laptop", "executor");
            let mut stream = connect().await?;
            exchange(&mut stream, "resume\n").await?;
            exchange(&mut stream, "ls\n").await?;
            tokio::time::sleep(until.saturating_sub(turmoil::elapsed())).await;
            Ok(())
        });
        sim.run().expect("the script runs to its end");
    }

    async fn serve() -> turmoil::Result {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if write.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    async fn connect() -> std::io::Result<TcpStream> {
        TcpStream::connect(("executor", PORT)).await
    }

    async fn exchange(stream: &mut TcpStream, line: &str) -> std::io::Result<()> {
        stream.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await?;
        assert_eq!(answer, line);
        Ok(())
    }
}
