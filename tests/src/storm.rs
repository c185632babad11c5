//! Storms: generated scripts. Which kinds of fault exist at all is drawn first, then where they strike; at the end
//! everything heals and a long quiet time follows, so that liveness may be judged.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use strum::VariantArray as _;
use unplug::fault::{Address, Dir, Fault, FaultKind, Scope, Side};
use unplug::history::{Event, History};
use unplug::judge::WorldName;
use unplug::plan::Plan;
use unplug::scenario::{
    Action, Anchor, Client, Do, Edge, Expect, Link, Machine, Method, Mock, Scenario, Server, Step, Trigger,
    Variant, When,
};

use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;

/// The names of clients, in order.
const CLIENTS: [&str; 4] = ["laptop", "desktop", "tablet", "phone"];
const SERVER: &str = "executor";
const ISSUER: &str = "registry";
/// Faults strike before this.
const STORM: Duration = Duration::from_secs(40);
/// What may take longest afterwards: a recovery window, an answer that is overdue, a lease that ends.
const QUIET: Duration = Duration::from_secs(180);
/// Then processes are ended.
const END: Duration = Duration::from_secs(150);
/// A script has no more faults than this.
pub const FAULTS_MAX: usize = 6;

/// Draws a script for so many clients, all of one policy, against one server.
///
/// Each client starts a process of the same name and writes to it at the same times, so that equal request ids are in
/// flight on all connections.
pub fn storm(clients: usize, policy: &'static str, version: &'static str) -> impl Strategy<Value = Scenario> {
    storm_of(FaultKind::VARIANTS.to_vec(), clients, policy, version)
}

/// The same of these kinds of fault only.
pub fn storm_of(
    kinds: Vec<FaultKind>,
    clients: usize,
    policy: &'static str,
    version: &'static str,
) -> impl Strategy<Value = Scenario> {
    let most = kinds.len();
    let kinds = subsequence(kinds, 1..=most);
    let writes = vec(millis(300, 30_000), 1..6);
    kinds
        .prop_flat_map(move |kinds| vec(strike(kinds, clients), 0..=FAULTS_MAX))
        .prop_flat_map(move |faults| (Just(faults), writes.clone()))
        .prop_map(move |(faults, writes)| script(clients, policy, version, faults, &writes))
}

/// The script without what strikes after the healing: an anchor may come late, and then nothing heals what it sets off.
pub fn calm_after_the_storm(mut scenario: Scenario, world: WorldName, seed: Seed) -> (Scenario, History) {
    loop {
        let plan = Plan::new("storm", &variant(scenario.clone()));
        let history = (world.world())(&plan, seed).history;
        let late = history
            .entries
            .iter()
            .filter(|entry| Time::ZERO + STORM < entry.t)
            .find_map(|entry| {
                if let Event::Fault { fault, .. } = &entry.event {
                    Some(fault.clone())
                } else {
                    None
                }
            });
        let Some(late) = late else {
            return (scenario, history);
        };
        scenario
            .steps
            .retain(|step| step.action != Action::Fault(late.clone()));
    }
}

/// The script as it stands, ready for [`unplug::plan::Plan::new`].
pub fn variant(scenario: Scenario) -> Variant {
    Variant {
        case: String::new(),
        scenario,
    }
}

fn script(clients: usize, policy: &str, version: &str, faults: Vec<Step>, writes: &[Duration]) -> Scenario {
    let step = |at, client: &str, action| Step {
        name: None,
        trigger: Trigger::At(at),
        client: Some(client.to_owned()),
        action: Action::Do(action),
    };
    let process = || "sh".to_owned();
    let mut steps = Vec::new();
    for client in &CLIENTS[..clients] {
        let start = Do::Start {
            process: process(),
            program: "cat".to_owned(),
            args: Vec::new(),
            stdin: true,
        };
        steps.push(step(Duration::ZERO, client, start));
        for (n, at) in writes.iter().enumerate() {
            steps.push(step(
                *at,
                client,
                Do::Write {
                    process: process(),
                    data: format!("{client} {n}\n"),
                },
            ));
        }
    }
    steps.extend(faults);
    for client in &CLIENTS[..clients] {
        steps.push(step(END, client, Do::Terminate { process: process() }));
    }
    steps.push(Step {
        name: None,
        trigger: Trigger::At(STORM),
        client: None,
        action: Action::Fault(Fault::Heal),
    });
    Scenario {
        title: "A storm".to_owned(),
        why: "Found by a property test.".to_owned(),
        source: Vec::new(),
        until: STORM + QUIET,
        link: Link {
            tcp_timeout: Duration::from_secs(60),
            ..Link::default()
        },
        clients: CLIENTS[..clients]
            .iter()
            .map(|name| Client {
                name: (*name).to_owned(),
                machine: Machine::Exec,
                policy: policy.to_owned(),
                to: SERVER.to_owned(),
                bug: None,
            })
            .collect(),
        servers: vec![
            Server {
                version: Some(version.to_owned()),
                issuer: Some(ISSUER.to_owned()),
                ..Server::new(SERVER, Mock::Exec)
            },
            Server::new(ISSUER, Mock::Issuer),
        ],
        steps,
        expect: Expect::default(),
        cases: Vec::new(),
    }
}

fn strike(kinds: Vec<FaultKind>, clients: usize) -> impl Strategy<Value = Step> {
    (select(kinds), select(CLIENTS[..clients].to_vec()))
        .prop_flat_map(|(kind, client)| (fault(kind, client), trigger(kind, client), Just(client)))
        .prop_map(|(fault, trigger, client)| Step {
            name: None,
            trigger,
            client: (fault.kind().scope() != Scope::Named).then(|| client.to_owned()),
            action: Action::Fault(fault),
        })
}

fn trigger(kind: FaultKind, client: &'static str) -> BoxedStrategy<Trigger> {
    if kind.scope() == Scope::Frame {
        anchor(client, Just(Edge::Sent).boxed())
            .prop_map(|anchor| Trigger::When(anchor, Duration::ZERO))
            .boxed()
    } else {
        let anchored = anchor(client, select(Edge::VARIANTS.to_vec()).boxed());
        let anchored = (anchored, millis(0, 500)).prop_map(|(anchor, after)| Trigger::When(anchor, after));
        prop_oneof![3 => anchored, 1 => millis(0, 35_000).prop_map(Trigger::At)].boxed()
    }
}

/// The methods that a storm's script makes its clients and servers speak.
fn spoken() -> Vec<Method> {
    let is_unspoken = |name: &str| {
        ["http/", "environment/", "fs/"]
            .iter()
            .any(|family| name.starts_with(family))
    };
    let methods = Method::VARIANTS.iter().copied();
    methods.filter(|method| !is_unspoken(method.into())).collect()
}

fn anchor(client: &'static str, edge: BoxedStrategy<Edge>) -> impl Strategy<Value = When> {
    (
        select(spoken()),
        select(Dir::VARIANTS.to_vec()),
        1..4_u32,
        edge,
        option::weighted(0.2, 1..4_u32),
    )
        .prop_map(move |(method, dir, nth, edge, conn)| {
            let dir = method.only_dir().unwrap_or(dir);
            When::Anchor(Anchor {
                client: Some(client.to_owned()),
                conn,
                method,
                dir,
                nth,
                edge,
            })
        })
}

fn millis(from: u64, to: u64) -> impl Strategy<Value = Duration> + Clone {
    (from..to).prop_map(Duration::from_millis)
}

fn lasting() -> impl Strategy<Value = Option<Duration>> {
    option::weighted(0.8, millis(1, 40_000))
}

fn fault(kind: FaultKind, client: &'static str) -> BoxedStrategy<Fault> {
    let either = select(vec![client.to_owned(), SERVER.to_owned()]);
    let side = select(Side::VARIANTS.to_vec());
    let dir = select(Dir::VARIANTS.to_vec());
    let (server, issuer) = (SERVER.to_owned(), ISSUER.to_owned());
    match kind {
        FaultKind::Partition => lasting().prop_map(|r#for| Fault::Partition { r#for }).boxed(),
        FaultKind::PartitionOneWay => (dir, lasting())
            .prop_map(|(dir, r#for)| Fault::PartitionOneWay { dir, r#for })
            .boxed(),
        FaultKind::LinkDown => (
            either,
            millis(1, 35_000),
            select(vec![Address::Same, Address::New]),
        )
            .prop_map(|(host, r#for, address)| Fault::LinkDown { host, r#for, address })
            .boxed(),
        FaultKind::Blackhole => Just(Fault::Blackhole).boxed(),
        FaultKind::Reset => Just(Fault::Reset).boxed(),
        FaultKind::Close => Just(Fault::Close).boxed(),
        FaultKind::HalfClose => side.prop_map(|side| Fault::HalfClose { side }).boxed(),
        FaultKind::HalfOpen => side.prop_map(|told| Fault::HalfOpen { told }).boxed(),
        FaultKind::CutFrame => (0..200_u64).prop_map(|bytes| Fault::CutFrame { bytes }).boxed(),
        FaultKind::WsClose => (select(vec![1000, 1001, 1008, 1011, 4000]), side)
            .prop_map(|(code, from)| Fault::WsClose {
                code,
                reason: String::new(),
                from,
            })
            .boxed(),
        FaultKind::Refuse => lasting()
            .prop_map(move |r#for| Fault::Refuse {
                host: server.clone(),
                r#for,
            })
            .boxed(),
        FaultKind::ConnectHang => lasting()
            .prop_map(move |r#for| Fault::ConnectHang {
                host: server.clone(),
                r#for,
            })
            .boxed(),
        FaultKind::RejectUpgrade => (select(vec![401, 403, 404, 429, 503]), 1..5_u32)
            .prop_map(move |(status, times)| Fault::RejectUpgrade {
                host: server.clone(),
                status,
                times,
            })
            .boxed(),
        FaultKind::HangUpgrade => (1..3_u32)
            .prop_map(move |times| Fault::HangUpgrade {
                host: server.clone(),
                times,
            })
            .boxed(),
        FaultKind::Latency => millis(1, 400).prop_map(|to| Fault::Latency { to }).boxed(),
        FaultKind::Jitter => millis(1, 200).prop_map(|up_to| Fault::Jitter { up_to }).boxed(),
        FaultKind::Bandwidth => (500..100_000_u64)
            .prop_map(|bytes_per_second| Fault::Bandwidth { bytes_per_second })
            .boxed(),
        FaultKind::ReorderConnections => millis(1, 300)
            .prop_map(|up_to| Fault::ReorderConnections { up_to })
            .boxed(),
        FaultKind::SlowReader => (either, select(vec![0, 100, 10_000]), lasting())
            .prop_map(|(host, bytes_per_second, r#for)| Fault::SlowReader {
                host,
                bytes_per_second,
                r#for,
            })
            .boxed(),
        FaultKind::DropFrame => Just(Fault::DropFrame).boxed(),
        FaultKind::DuplicateFrame => Just(Fault::DuplicateFrame).boxed(),
        FaultKind::Garbage => (dir, select(vec!["{not json", "[]", "{\"id\":1}"]))
            .prop_map(|(dir, text)| Fault::Garbage {
                dir,
                text: text.to_owned(),
            })
            .boxed(),
        FaultKind::ExpireUrl => Just(Fault::ExpireUrl { issuer }).boxed(),
        FaultKind::Revoke => Just(Fault::Revoke { issuer }).boxed(),
        FaultKind::Throttle => (select(vec![408, 409, 429, 500, 503]), 1..5_u32)
            .prop_map(move |(status, times)| Fault::Throttle {
                host: issuer.clone(),
                status,
                code: (status == 409).then(|| "environment_offline".to_owned()),
                times,
                retry_after: None,
            })
            .boxed(),
        FaultKind::Crash => Just(Fault::Crash { host: server }).boxed(),
        FaultKind::Bounce => millis(1, 10_000)
            .prop_map(move |after| Fault::Bounce {
                host: server.clone(),
                after,
            })
            .boxed(),
        FaultKind::Exit => (0..3_i32)
            .prop_map(move |code| Fault::Exit {
                host: server.clone(),
                process: "sh".to_owned(),
                code,
            })
            .boxed(),
        FaultKind::Stall => (either, millis(1, 20_000))
            .prop_map(|(host, r#for)| Fault::Stall { host, r#for })
            .boxed(),
        FaultKind::ClockJump => (either, millis(1, 600_000), any::<bool>())
            .prop_map(|(host, by, forward)| Fault::ClockJump {
                host,
                ahead: forward.then_some(by),
                behind: (!forward).then_some(by),
            })
            .boxed(),
        FaultKind::Burst => (1..300_u32)
            .prop_map(move |chunks| Fault::Burst {
                host: server.clone(),
                process: "sh".to_owned(),
                chunks,
            })
            .boxed(),
        FaultKind::Heal => Just(Fault::Heal).boxed(),
    }
}
