//! The driver: builds turmoil's simulation, lets it step, and does in between what only a driver can.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use turmoil::{Builder, Sim};
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;

use super::carrier::{Shared, Tcp, Verb, World};
use super::host_task::{live, name};

use crate::fault::Fault;
use crate::plan::{Action, HostKind, Plan};
use crate::worlds::Run;

/// No tick is longer or shorter than this.
const TICKS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));
/// More segments than this never wait in one stream: windows are reckoned in bytes, and not by turmoil.
const SEGMENTS: usize = 1 << 20;
/// How many ticks beyond a round trip a host waits for its library.
const PATIENCE: u32 = 50;
/// How many ticks a run may go on after its end, so that its hosts open what came before the end.
const LAG: u32 = 10_000;

/// The smallest latency that a plan can have.
fn latency(plan: &Plan) -> Duration {
    let faults = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Fault {
            fault: Fault::Latency { to },
            ..
        } => Some(*to),
        Action::Fault { .. } | Action::Do { .. } => None,
    });
    faults.fold(plan.link.latency, Duration::min)
}

/// The length of a tick: a quarter of the smallest latency, so that bytes are always there before they are due, in
/// whole milliseconds, from one to ten.
pub(super) fn tick(plan: &Plan) -> Duration {
    let quarter = Duration::from_millis(u64::try_from(latency(plan).as_millis() / 4).unwrap_or(u64::MAX));
    quarter.clamp(TICKS.0, TICKS.1)
}

/// The only place that builds a simulation: seed and epoch are set, and nothing is left to chance.
fn network(plan: &Plan, seed: Seed) -> Sim<'static> {
    let tick = tick(plan);
    let whole = latency(plan).as_nanos() / tick.as_nanos();
    let latency = tick * u32::try_from(whole).unwrap_or(u32::MAX).max(1);
    Builder::new()
        .rng_seed(seed.of("turmoil").0)
        .epoch(UNIX_EPOCH)
        .tick_duration(tick)
        .min_message_latency(latency)
        .max_message_latency(latency)
        .simulation_duration(plan.until.since(Time::ZERO) + tick * (LAG + 2))
        .tcp_capacity(SEGMENTS)
        .build()
}

/// Runs a plan to its end.
pub(super) fn run(plan: &Plan, seed: Seed) -> Run {
    let mut sim = network(plan, seed);
    let patience = latency(plan) * 2 + tick(plan) * PATIENCE;
    let tcp = Tcp::new(plan.hosts.len(), patience);
    let world = Rc::new(RefCell::new(World::new(Rc::new(plan.clone()), seed, tcp)));
    for (host, plan) in plan.hosts.iter().enumerate() {
        let listens = match plan.kind {
            HostKind::Script => continue,
            HostKind::Client { .. } => false,
            HostKind::Exec { .. } | HostKind::Issuer { .. } => true,
        };
        let world = Rc::clone(&world);
        sim.host(name(host), move || live(Rc::clone(&world), host, listens));
    }
    drive(&mut sim, &world, plan.until);
    drop(sim);
    match Rc::try_unwrap(world) {
        Ok(world) => finish(world.into_inner()),
        Err(_) => unreachable!("no host outlives its simulation"),
    }
}

/// Within a tick one host after another writes; what they write carries its moment.
fn finish(world: World) -> Run {
    let runaway = world.carrier.runaway();
    let mut run = world.finish(runaway);
    run.history.entries.sort_by_key(|entry| entry.t);
    run
}

fn drive(sim: &mut Sim<'_>, world: &Shared, until: Time) {
    let mut lag = 0;
    loop {
        let now = Time::ZERO + sim.elapsed();
        world.borrow_mut().advance(now);
        let verbs = std::mem::take(&mut world.borrow_mut().carrier.verbs);
        for verb in verbs {
            match verb {
                Verb::Crash(host) => sim.crash(name(host)),
                Verb::Bounce(host) => sim.bounce(name(host)),
            }
        }
        sim.step().expect("hosts do not end by themselves");
        let carrier = &world.borrow().carrier;
        lag += u32::from(until <= now);
        if (until <= now && carrier.is_through(until)) || LAG < lag || carrier.runaway().is_some() {
            return;
        }
    }
}
