//! Storms: generated scripts. Which kinds of fault exist at all is drawn first, then where they strike; at the end
//! everything heals and a long quiet time follows, so that liveness may be judged.
//!
//! All clients of a storm ask for the same things at the same times, so that equal request ids are in flight on all
//! connections, and that a shrunk script stays short.

mod strikes;

use std::ops::RangeInclusive;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use strum::VariantArray as _;
use unplug::fault::{Fault, FaultKind};
use unplug::history::{Event, History};
use unplug::judge::WorldName;
use unplug::plan::Plan;
use unplug::scenario::{
    Action, Client, Do, Expect, Link, Machine, Mock, Scenario, Server, Step, Trigger, Variant,
};
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;

/// The names of clients, in order.
const CLIENTS: [&str; 4] = ["laptop", "desktop", "tablet", "phone"];
/// The names of each client's processes, in order.
const PROCESSES: [&str; 4] = ["sh", "log", "job", "tail"];
const SERVER: &str = "executor";
const ISSUER: &str = "registry";
/// Everything heals then. Short storms end before the lease of a 0.142 server does, long ones after that of 0.169.
const STORMS: [Duration; 2] = [Duration::from_secs(40), Duration::from_secs(130)];
/// After the healing, processes are ended.
const END: Duration = Duration::from_secs(110);
/// After the healing, what may take longest: a recovery window, an answer that is overdue, a lease that ends.
const QUIET: Duration = Duration::from_secs(220);
/// A script has no more faults than this.
pub const FAULTS_MAX: usize = 8;

/// What one process is started as, and what its caller then asks.
#[derive(Clone, Debug)]
struct Life {
    program: &'static str,
    args: Vec<String>,
    start: Duration,
    asks: Vec<(Duration, Ask)>,
}

#[derive(Clone, Copy, Debug)]
enum Ask {
    Write,
    Read { after_seq: Option<u64>, wait: u64 },
    Signal,
    Terminate,
}

/// Draws a script for so many clients, all of one policy, against one server.
pub fn storm(
    clients: RangeInclusive<usize>,
    policy: &'static str,
    version: &'static str,
) -> impl Strategy<Value = Scenario> {
    storm_of(FaultKind::VARIANTS.to_vec(), clients, policy, version)
}

/// The same of these kinds of fault only.
pub fn storm_of(
    kinds: Vec<FaultKind>,
    clients: RangeInclusive<usize>,
    policy: &'static str,
    version: &'static str,
) -> impl Strategy<Value = Scenario> {
    let most = kinds.len();
    let kinds = subsequence(kinds, 1..=most);
    let lives = (
        life(Just(Duration::ZERO).boxed(), true),
        vec(life(millis(0, 30_000).boxed(), false), 0..PROCESSES.len()),
    );
    let lives = lives.prop_map(|(first, others)| std::iter::once(first).chain(others).collect::<Vec<_>>());
    // Short storms are drawn more often: most of what goes wrong goes wrong in them.
    let heal = prop_oneof![3 => Just(STORMS[0]), 1 => Just(STORMS[1])];
    let strikes = (clients, kinds, heal).prop_flat_map(move |(clients, kinds, heal)| {
        let strikes = vec(strikes::strike(kinds, clients, heal), 0..=FAULTS_MAX);
        (Just(clients), Just(heal), strikes)
    });
    (strikes, lives).prop_map(move |((clients, heal, faults), lives)| {
        Script {
            clients: &CLIENTS[..clients],
            policy,
            version,
            heal,
        }
        .write(&lives, faults)
    })
}

/// The first process of a client is one that talks, so that every storm has stdin and output to lose.
fn life(start: BoxedStrategy<Duration>, talks: bool) -> impl Strategy<Value = Life> + Clone {
    let talker = select(vec!["cat", "echo"]).prop_map(|program| (program, Vec::new()));
    let count = (1..60_u32, 50..1_000_u32).prop_map(|(to, every)| ("count", texts(&[to, every])));
    let flood = (1..200_u32, select(vec![10_u32, 4_096, 20_000]), 1..50_u32)
        .prop_map(|(chunks, bytes, every)| ("flood", texts(&[chunks, bytes, every])));
    let sleep = (1..60_u32).prop_map(|seconds| ("sleep", texts(&[seconds])));
    let leave = (0..3_u32, 0..5_000_u32).prop_map(|(code, after)| ("exit", texts(&[code, after])));
    let program = if talks {
        talker.boxed()
    } else {
        prop_oneof![4 => talker, 2 => count, 2 => flood, 1 => sleep, 1 => leave].boxed()
    };
    let read = (option::of(0..20_u64), select(vec![0_u64, 500, 5_000, 30_000]))
        .prop_map(|(after_seq, wait)| Ask::Read { after_seq, wait });
    let (signal, terminate) = (Just(Ask::Signal), Just(Ask::Terminate));
    // The first process is there to be talked to, the others may come to an early end.
    let (ends, least) = if talks { (1, 1) } else { (3, 0) };
    let ask = prop_oneof![20 => Just(Ask::Write), 5 => read, ends => signal, ends => terminate];
    let asks = vec((millis(300, 30_000), ask), least..6);
    (program, start, asks).prop_map(|((program, args), start, asks)| Life {
        program,
        args,
        start,
        asks,
    })
}

fn texts(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(u32::to_string).collect()
}

fn millis(from: u64, to: u64) -> impl Strategy<Value = Duration> + Clone {
    (from..to).prop_map(Duration::from_millis)
}

/// The script without what strikes after the healing: an anchor may come late, and then nothing heals what it sets off.
pub fn calm_after_the_storm(mut scenario: Scenario, world: WorldName, seed: Seed) -> (Scenario, History) {
    let heal = healing(&scenario);
    loop {
        let plan = Plan::new("storm", &variant(scenario.clone()));
        let history = (world.world())(&plan, seed).history;
        let late = history
            .entries
            .iter()
            .filter(|entry| heal < entry.t)
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
        let heals = |step: &Step| step.trigger == Trigger::At(heal.since(Time::ZERO));
        scenario
            .steps
            .retain(|step| heals(step) || step.action != Action::Fault(late.clone()));
    }
}

/// The script with as little in it as still fails: what proptest shrinks by drawing again, this does by leaving out.
pub fn prune(mut scenario: Scenario, fails: impl Fn(&Scenario) -> bool) -> Scenario {
    for client in CLIENTS {
        let mut less = scenario.clone();
        less.clients.retain(|other| other.name != client);
        less.steps
            .retain(|step| scenario.client_of(step).or(scenario.watched_by(step)) != Some(client));
        if !less.clients.is_empty() && fails(&less) {
            scenario = less;
        }
    }
    let mut at = scenario.steps.len();
    while 0 < at {
        at -= 1;
        let mut less = scenario.clone();
        less.steps.remove(at);
        let heals = less
            .steps
            .iter()
            .any(|step| step.action == Action::Fault(Fault::Heal));
        if heals && fails(&less) {
            scenario = less;
        }
    }
    scenario
}

/// When everything heals.
fn healing(scenario: &Scenario) -> Time {
    let heal = scenario.steps.iter().filter_map(|step| match &step.trigger {
        Trigger::At(at) if step.action == Action::Fault(Fault::Heal) => Some(*at),
        Trigger::At(_) | Trigger::When(..) => None,
    });
    Time::ZERO + heal.max().expect("a storm heals")
}

/// The script as it stands, ready for [`unplug::plan::Plan::new`].
pub fn variant(scenario: Scenario) -> Variant {
    Variant {
        case: String::new(),
        scenario,
    }
}

struct Script {
    clients: &'static [&'static str],
    policy: &'static str,
    version: &'static str,
    heal: Duration,
}

impl Script {
    fn write(&self, lives: &[Life], faults: Vec<Step>) -> Scenario {
        let mut steps = Vec::new();
        for client in self.clients {
            for (life, process) in lives.iter().zip(PROCESSES) {
                steps.extend(asks(client, process, life));
            }
        }
        steps.extend(faults);
        for client in self.clients {
            for (_, process) in lives.iter().zip(PROCESSES) {
                let process = process.to_owned();
                steps.push(ask(self.heal + END, client, Do::Terminate { process }));
            }
        }
        steps.push(Step {
            name: None,
            leaves_after: None,
            trigger: Trigger::At(self.heal),
            client: None,
            action: Action::Fault(Fault::Heal),
        });
        Scenario {
            title: "A storm".to_owned(),
            why: "Found by a property test.".to_owned(),
            source: Vec::new(),
            until: self.heal + QUIET,
            link: Link {
                tcp_timeout: Duration::from_secs(60),
                ..Link::default()
            },
            clients: self.clients.iter().map(|name| self.client(name)).collect(),
            servers: vec![
                Server {
                    version: Some(self.version.to_owned()),
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

    fn client(&self, name: &str) -> Client {
        Client {
            name: name.to_owned(),
            machine: Machine::Exec,
            policy: self.policy.to_owned(),
            to: SERVER.to_owned(),
            bug: None,
        }
    }
}

/// Everything that the caller of one process asks for.
fn asks(client: &str, process: &str, life: &Life) -> Vec<Step> {
    let process = || process.to_owned();
    let start = Do::Start {
        process: process(),
        program: life.program.to_owned(),
        args: life.args.clone(),
        stdin: true,
    };
    let mut steps = vec![ask(life.start, client, start)];
    for (n, (after, what)) in life.asks.iter().enumerate() {
        let what = match *what {
            Ask::Write => Do::Write {
                process: process(),
                data: format!("{client} {} {n}\n", process()),
            },
            Ask::Read { after_seq, wait } => Do::Read {
                process: process(),
                after_seq,
                wait: (0 < wait).then(|| Duration::from_millis(wait)),
            },
            Ask::Signal => Do::Signal { process: process() },
            Ask::Terminate => Do::Terminate { process: process() },
        };
        steps.push(ask(life.start + *after, client, what));
    }
    steps
}

fn ask(at: Duration, client: &str, action: Do) -> Step {
    Step {
        name: None,
        leaves_after: None,
        trigger: Trigger::At(at),
        client: Some(client.to_owned()),
        action: Action::Do(action),
    }
}
