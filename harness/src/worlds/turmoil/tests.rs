//! That this world agrees with the fast world: the same scenario, the same facts in the same order at every host.
//!
//! Scenarios are generated: one for each kind of fault, moment and preset. Times are compared too: they are exact here,
//! whatever the tick is, except where they depend on numbers of bytes, of which the fast world has only an estimate.

use std::collections::BTreeMap;
use std::time::Duration;

use strum::VariantArray as _;

use crate::fault::{Fault, FaultKind};
use crate::history::Event;
use crate::plan::{Action, Plan};
use crate::worlds::{Run, fast, turmoil};
use crate::{presets, scenario};
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::CloseReason;
use unplug_reconnect::wire::exec::Chunk;

const SEED: Seed = Seed(7);

/// What every generated scenario begins with.
const SCRIPT: &str = r#"
title = "parity"
why   = "parity"
until = "20s"

[link]
latency = "20ms"

[[client]]
name    = "laptop"
machine = "exec"
policy  = "codex-VERSION"
to      = "executor"

[[server]]
name    = "executor"
mock    = "exec"
version = "VERSION"
issuer  = "registry"

[[server]]
name = "registry"
mock = "issuer"

[[step]]
at = "0s"
do = { start = { process = "sh", program = "echo" } }

[[step]]
at = "1s"
do = { write = { process = "sh", data = "ls\n" } }

[[step]]
at = "8s"
do = { write = { process = "sh", data = "pwd\n" } }
"#;

/// One fault of each kind, as a scenario writes it.
fn fault(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Partition => r#"{ partition = { for = "800ms" } }"#,
        FaultKind::PartitionOneWay => r#"{ partition_one_way = { dir = "s2c", for = "900ms" } }"#,
        FaultKind::LinkDown => r#"{ link_down = { host = "laptop", for = "800ms", address = "new" } }"#,
        FaultKind::Blackhole => r#""blackhole""#,
        FaultKind::Reset => r#""reset""#,
        FaultKind::Close => r#""close""#,
        FaultKind::HalfClose => r#"{ half_close = { side = "server" } }"#,
        FaultKind::HalfOpen => r#"{ half_open = { told = "client" } }"#,
        FaultKind::CutFrame => r#"{ cut_frame = { bytes = 7 } }"#,
        FaultKind::WsClose => r#"{ ws_close = { code = 1012 } }"#,
        FaultKind::Refuse => r#"{ refuse = { host = "executor", for = "3s" } }"#,
        FaultKind::ConnectHang => r#"{ connect_hang = { host = "executor", for = "3s" } }"#,
        FaultKind::RejectUpgrade => r#"{ reject_upgrade = { host = "executor", status = 503 } }"#,
        FaultKind::HangUpgrade => r#"{ hang_upgrade = { host = "executor" } }"#,
        FaultKind::Latency => r#"{ latency = { to = "70ms" } }"#,
        FaultKind::Jitter => r#"{ jitter = { up_to = "30ms" } }"#,
        FaultKind::Bandwidth => r#"{ bandwidth = { bytes_per_second = 3000 } }"#,
        FaultKind::ReorderConnections => r#"{ reorder_connections = { up_to = "30ms" } }"#,
        FaultKind::SlowReader => {
            r#"{ slow_reader = { host = "laptop", bytes_per_second = 300, for = "2s" } }"#
        }
        FaultKind::DropFrame => r#""drop_frame""#,
        FaultKind::DuplicateFrame => r#""duplicate_frame""#,
        FaultKind::Garbage => r#"{ garbage = { dir = "s2c" } }"#,
        FaultKind::ExpireUrl => r#"{ expire_url = { issuer = "registry" } }"#,
        FaultKind::Revoke => r#"{ revoke = { issuer = "registry" } }"#,
        FaultKind::Throttle => {
            r#"{ throttle = { host = "registry", status = 429, times = 2, retry_after = "2s" } }"#
        }
        FaultKind::Crash => r#"{ crash = { host = "executor" } }"#,
        FaultKind::Bounce => r#"{ bounce = { host = "executor", after = "1s" } }"#,
        FaultKind::Exit => r#"{ exit = { host = "executor", process = "sh", code = 3 } }"#,
        FaultKind::Stall => r#"{ stall = { host = "executor", for = "2s" } }"#,
        FaultKind::ClockJump => r#"{ clock_jump = { host = "executor", ahead = "1h" } }"#,
        FaultKind::Burst => r#"{ burst = { host = "executor", process = "sh", chunks = 50 } }"#,
        FaultKind::Heal => r#""heal""#,
    }
}

/// How far times may differ: not at all, unless the kind reckons with bytes, of which `fast` has only an estimate.
fn tolerance(kind: FaultKind) -> Duration {
    match kind {
        FaultKind::Bandwidth | FaultKind::SlowReader => Duration::from_secs(2),
        FaultKind::Partition
        | FaultKind::PartitionOneWay
        | FaultKind::LinkDown
        | FaultKind::Blackhole
        | FaultKind::Reset
        | FaultKind::Close
        | FaultKind::HalfClose
        | FaultKind::HalfOpen
        | FaultKind::CutFrame
        | FaultKind::WsClose
        | FaultKind::Refuse
        | FaultKind::ConnectHang
        | FaultKind::RejectUpgrade
        | FaultKind::HangUpgrade
        | FaultKind::Latency
        | FaultKind::Jitter
        | FaultKind::ReorderConnections
        | FaultKind::DropFrame
        | FaultKind::DuplicateFrame
        | FaultKind::Garbage
        | FaultKind::ExpireUrl
        | FaultKind::Revoke
        | FaultKind::Throttle
        | FaultKind::Crash
        | FaultKind::Bounce
        | FaultKind::Exit
        | FaultKind::Stall
        | FaultKind::ClockJump
        | FaultKind::Burst
        | FaultKind::Heal => Duration::ZERO,
    }
}

/// When faults strike: each edge of a request, and the middle of nothing.
const MOMENTS: [&str; 7] = [
    r#"when = { method = "process/write", dir = "c2s", edge = "sent" }"#,
    r#"when = { method = "process/write", dir = "c2s", edge = "half" }"#,
    r#"when = { method = "process/write", dir = "c2s", edge = "delivered" }"#,
    r#"when = { method = "process/write", dir = "c2s", edge = "applied" }"#,
    r#"when = { method = "process/write", dir = "c2s", edge = "answered" }"#,
    r#"when = { method = "process/write", dir = "c2s", edge = "settled" }"#,
    r#"at = "1003ms""#,
];

fn plan(version: &str, steps: &str) -> Plan {
    let text = format!("{}{steps}", SCRIPT.replace("VERSION", version));
    match scenario::parse("parity", text.as_bytes(), &presets::names()) {
        Ok(scenario) => Plan::new("parity", &scenario.variants()[0]),
        Err(refused) => panic!("{}", refused.render(false)),
    }
}

/// What each host wrote down, in order.
fn by_host(run: &Run) -> BTreeMap<usize, Vec<(Time, String)>> {
    let mut hosts: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for entry in &run.history.entries {
        let event = serde_json::to_string(&entry.event).unwrap();
        hosts.entry(entry.who).or_default().push((entry.t, event));
    }
    hosts
}

/// The same facts in the same order at every host, at the same time but for the tolerance.
#[track_caller]
fn agree(what: &str, plan: &Plan, tolerance: Duration) {
    let (fast, here) = (fast::run(plan, SEED), turmoil::run(plan, SEED));
    assert_eq!(fast.stale, here.stale, "{what}: stale steps");
    let (fast, here) = (by_host(&fast), by_host(&here));
    for (host, fast) in &fast {
        let here = here.get(host).map(Vec::as_slice).unwrap_or_default();
        for (n, (at, event)) in fast.iter().enumerate() {
            let there = here.get(n);
            let same =
                there.is_some_and(|(t, other)| other == event && t.since(*at).max(at.since(*t)) <= tolerance);
            assert!(
                same,
                "{what}: host {host}, event {n}\n fast    {at} {event}\n turmoil {there:?}"
            );
        }
        assert_eq!(fast.len(), here.len(), "{what}: host {host} has more to tell");
    }
}

#[test]
#[expect(
    clippy::assertions_on_constants,
    reason = "it is a constant of the build, which the environment can change"
)]
fn tokio_is_seeded() {
    let why = "without `--cfg tokio_unstable` tokio draws its own seeds; a RUSTFLAGS in the environment replaces ours";
    assert!(cfg!(tokio_unstable), "{why}");
}

#[test]
fn the_tick_follows_the_smallest_latency() {
    let tick = |steps: &str| super::sim::tick(&plan("0.142", steps));
    assert_eq!(tick(""), Duration::from_millis(5));
    let slower = "[[step]]\nat = \"1s\"\nfault = { latency = { to = \"70ms\" } }\n";
    assert_eq!(tick(slower), Duration::from_millis(5));
    let faster = "[[step]]\nat = \"1s\"\nfault = { latency = { to = \"2ms\" } }\n";
    assert_eq!(tick(faster), Duration::from_millis(1));
}

#[test]
fn every_kind_of_fault_strikes_alike() {
    for kind in FaultKind::VARIANTS {
        for moment in MOMENTS {
            let of_a_frame = kind.scope() == crate::fault::Scope::Frame;
            if of_a_frame && !moment.contains("sent") {
                continue;
            }
            let step = format!("\n[[step]]\n{moment}\nfault = {}\n", fault(*kind));
            for version in ["0.142", "0.134"] {
                let plan = plan(version, &step);
                let struck = |step: &crate::plan::StepPlan| matches!(&step.action, Action::Fault { fault, .. } if Fault::kind(fault) == *kind);
                assert!(plan.steps.iter().any(struck), "{kind} is not in its own scenario");
                agree(&format!("{kind} at {moment}, {version}"), &plan, tolerance(*kind));
            }
        }
    }
}

#[test]
fn handshakes_are_cut_alike() {
    for kind in [
        FaultKind::Partition,
        FaultKind::LinkDown,
        FaultKind::Blackhole,
        FaultKind::Reset,
        FaultKind::Close,
        FaultKind::CutFrame,
        FaultKind::DropFrame,
        FaultKind::Stall,
    ] {
        for method in ["upgrade", "registry/connect"] {
            for dir in ["c2s", "s2c"] {
                let when = format!(r#"when = {{ method = "{method}", dir = "{dir}", edge = "sent" }}"#);
                let step = format!("\n[[step]]\n{when}\nfault = {}\n", fault(kind));
                agree(
                    &format!("{kind} at {when}"),
                    &plan("0.142", &step),
                    Duration::ZERO,
                );
            }
        }
    }
}

#[test]
fn a_slow_consumer_backs_up_alike() {
    let steps = r#"
[[step]]
at = "2s"
do = { start = { process = "yes", program = "flood", args = ["400"] } }

[[step]]
at = "2s"
fault = { slow_reader = { host = "laptop", bytes_per_second = 0, for = "6s" } }
"#;
    agree("flood", &plan("0.142", steps), Duration::ZERO);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let step = r#"
[[step]]
at = "2s"
fault = { jitter = { up_to = "30ms" } }

[[step]]
when  = { method = "process/write", dir = "c2s", nth = 2, edge = "applied" }
fault = { bounce = { host = "executor", after = "1s" } }
"#;
    let plan = plan("0.142", step);
    let history = |seed| turmoil::run(&plan, seed).history.to_jsonl();
    assert_eq!(history(Seed(1)), history(Seed(1)));
    assert_ne!(history(Seed(1)), history(Seed(2)));
}

#[test]
fn a_torn_frame_stays_torn() {
    // Half of the frame is through when the silence begins: the library holds half a frame until TCP sends the rest.
    let step = r#"
[[step]]
when  = { method = "process/write", dir = "c2s", nth = 1, edge = "half" }
fault = { partition = { for = "800ms" } }
"#;
    agree("half a frame", &plan("0.142", step), Duration::ZERO);
}

#[test]
fn the_end_of_one_fault_is_not_the_end_of_another() {
    for fault in [
        r#"{ partition = { for = "LENGTH" } }"#,
        r#"{ partition_one_way = { dir = "c2s", for = "LENGTH" } }"#,
        r#"{ slow_reader = { host = "executor", bytes_per_second = 0, for = "LENGTH" } }"#,
    ] {
        let (long, short) = (fault.replace("LENGTH", "6s"), fault.replace("LENGTH", "1s"));
        let step = |at: &str, fault: &str| format!("\n[[step]]\nat = \"{at}\"\nfault = {fault}\n");
        let plan = plan("0.142", &(step("500ms", &long) + &step("1500ms", &short)));
        let run = fast::run(&plan, SEED);
        let applied = run.history.entries.iter().find(
            |entry| matches!(&entry.event, Event::Stdin { chunk, .. } if chunk == &Chunk::from("ls\n")),
        );
        let heals = Time::ZERO + Duration::from_millis(6500);
        assert!(
            applied.is_some_and(|entry| heals <= entry.t),
            "{long}: {applied:?}"
        );
        agree(&long, &plan, Duration::ZERO);
    }
}

#[test]
fn a_host_that_is_bounced_again_while_it_is_away_comes_back_once() {
    let step = |at: &str, after: &str| {
        format!(
            "\n[[step]]\nat = \"{at}\"\nfault = {{ bounce = {{ host = \"executor\", after = \"{after}\" }} }}\n"
        )
    };
    let plan = plan("0.142", &(step("2s", "4s") + &step("3s", "1s")));
    let run = fast::run(&plan, SEED);
    let accepts = |entry: &&crate::history::Entry| matches!(entry.event, Event::Accepted { .. });
    let second = run
        .history
        .entries
        .iter()
        .filter(accepts)
        .nth(1)
        .map(|entry| entry.t);
    assert!(
        second.is_some_and(|at| Time::ZERO + Duration::from_secs(6) <= at),
        "{second:?}"
    );
    agree("two bounces", &plan, Duration::ZERO);
}

#[test]
fn what_lies_unread_when_its_reader_leaves_is_answered_with_a_reset() {
    // Output lies in the client's buffers when its link goes down, and the client knows nothing of it afterwards.
    let steps = r#"
[[step]]
at = "2s"
do = { start = { process = "yes", program = "flood", args = ["4000"] } }

[[step]]
at = "2s"
fault = { slow_reader = { host = "laptop", bytes_per_second = 0 } }

[[step]]
at = "4s"
fault = { link_down = { host = "laptop", for = "1s" } }
"#;
    let plan = plan("0.142", steps);
    let run = fast::run(&plan, SEED);
    let closed = |entry: &crate::history::Entry| {
        matches!(
            entry.event,
            Event::Closed {
                why: CloseReason::Reset,
                ..
            }
        ) && entry.who == plan.host("executor").unwrap()
    };
    assert!(run.history.entries.iter().any(closed), "the server never noticed");
    agree("unread", &plan, Duration::ZERO);
}
