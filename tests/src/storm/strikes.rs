//! What strikes in a storm, and at which moments.

use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use strum::VariantArray as _;
use unplug::fault::{Address, Dir, Fault, FaultKind, Scope, Side};
use unplug::scenario::{Action, Anchor, Edge, Method, Reaches, State, Step, Trigger, When};

use super::{CLIENTS, ISSUER, PROCESSES, SERVER, millis};

/// One fault of these kinds, at a moment of one client.
pub(super) fn strike(kinds: Vec<FaultKind>, clients: usize, heal: Duration) -> impl Strategy<Value = Step> {
    (select(kinds), select(CLIENTS[..clients].to_vec()))
        .prop_flat_map(move |(kind, client)| (fault(kind, client, heal), trigger(kind, client), Just(client)))
        .prop_map(|(fault, trigger, client)| Step {
            name: None,
            leaves_after: None,
            trigger,
            client: (fault.kind().scope() != Scope::Named).then(|| client.to_owned()),
            action: Action::Fault(fault),
        })
}

fn trigger(kind: FaultKind, client: &'static str) -> BoxedStrategy<Trigger> {
    if kind.scope() == Scope::Frame {
        return anchor(client, Just(Edge::Sent).boxed())
            .prop_map(|anchor| Trigger::When(When::Anchor(anchor), Duration::ZERO))
            .boxed();
    }
    let anchored = anchor(client, select(Edge::VARIANTS.to_vec()).boxed());
    let anchored =
        (anchored, millis(0, 500)).prop_map(|(anchor, after)| Trigger::When(When::Anchor(anchor), after));
    let reached = (reaches(client), millis(0, 500)).prop_map(|(state, after)| Trigger::When(state, after));
    prop_oneof![4 => anchored, 1 => reached, 1 => millis(0, 35_000).prop_map(Trigger::At)].boxed()
}

/// A state on the way to a usable connection.
fn reaches(client: &'static str) -> impl Strategy<Value = When> {
    let states = [
        State::Fetching,
        State::Dialing,
        State::Attaching,
        State::Filling,
        State::Up,
        State::Waiting,
    ];
    (select(states.to_vec()), 1..4_u32).prop_map(move |(state, nth)| {
        When::State(Reaches {
            client: Some(client.to_owned()),
            state,
            nth,
        })
    })
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

/// Any frame, with a preference for what a later connection begins with, and for what callers wait for.
fn anchor(client: &'static str, edge: BoxedStrategy<Edge>) -> impl Strategy<Value = Anchor> {
    let of_recovery = [
        Method::Upgrade,
        Method::Initialize,
        Method::Initialized,
        Method::ProcessRead,
    ];
    let any = (select(spoken()), 1..4_u32, option::weighted(0.2, 1..4_u32));
    let recovery = (select(of_recovery.to_vec()), 1..3_u32, (2..5_u32).prop_map(Some));
    let asked = [Method::ProcessWrite, Method::ProcessStart, Method::ProcessOutput];
    let asked = (select(asked.to_vec()), 1..5_u32, Just(None));
    let which = prop_oneof![2 => any, 1 => recovery, 2 => asked];
    (which, select(Dir::VARIANTS.to_vec()), edge).prop_map(move |((method, nth, conn), dir, edge)| Anchor {
        client: Some(client.to_owned()),
        conn,
        method,
        dir: method.only_dir().unwrap_or(dir),
        nth,
        edge,
    })
}

/// Until it is over by itself, or until everything heals.
fn lasting(heal: Duration) -> impl Strategy<Value = Option<Duration>> {
    option::weighted(0.8, outage(heal))
}

/// Up to the whole storm.
fn outage(heal: Duration) -> impl Strategy<Value = Duration> {
    let most = u64::try_from(heal.as_millis()).expect("a storm ends");
    millis(1, most)
}

fn fault(kind: FaultKind, client: &'static str, heal: Duration) -> BoxedStrategy<Fault> {
    let either = select(vec![client.to_owned(), SERVER.to_owned()]);
    let side = select(Side::VARIANTS.to_vec());
    let dir = select(Dir::VARIANTS.to_vec());
    let process = select(PROCESSES.to_vec()).prop_map(str::to_owned);
    let (server, issuer) = (SERVER.to_owned(), ISSUER.to_owned());
    match kind {
        FaultKind::Partition => lasting(heal).prop_map(|r#for| Fault::Partition { r#for }).boxed(),
        FaultKind::PartitionOneWay => (dir, lasting(heal))
            .prop_map(|(dir, r#for)| Fault::PartitionOneWay { dir, r#for })
            .boxed(),
        FaultKind::LinkDown => (either, outage(heal), select(vec![Address::Same, Address::New]))
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
        FaultKind::Refuse => lasting(heal)
            .prop_map(move |r#for| Fault::Refuse {
                host: server.clone(),
                r#for,
            })
            .boxed(),
        FaultKind::ConnectHang => lasting(heal)
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
        FaultKind::SlowReader => (either, select(vec![0, 100, 10_000]), lasting(heal))
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
        FaultKind::Exit => (0..3_i32, process)
            .prop_map(move |(code, process)| Fault::Exit {
                host: server.clone(),
                process,
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
        FaultKind::Burst => (1..300_u32, process)
            .prop_map(move |(chunks, process)| Fault::Burst {
                host: server.clone(),
                process,
                chunks,
            })
            .boxed(),
        FaultKind::Heal => Just(Fault::Heal).boxed(),
    }
}
