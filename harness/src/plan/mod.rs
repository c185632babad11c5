//! A plan: one case of a scenario with every name resolved, ready for any world.

mod build;

use std::sync::Arc;
use std::time::Duration;

use unplug_mocks::exec::{Bug, Delays, Preset};
use unplug_reconnect::id::ProcessId;
use unplug_reconnect::policy::Policy;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{Chunk, FsRequest};

use crate::client_bug::ClientBug;
use crate::fault::{Dir, Fault};
use crate::history::{Header, Host, Name, Role, SCHEMA};
use crate::scenario::Transport;

/// What is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario's name.
    pub scenario: String,
    /// The case's name; empty for the script as it stands.
    pub case: String,
    /// When the run ends.
    pub until: Time,
    /// The quality of all links.
    pub link: LinkPlan,
    /// Who takes part. The first is the script.
    pub hosts: Vec<HostPlan>,
    /// What happens.
    pub steps: Arc<[StepPlan]>,
    /// How soon clients must be usable after the last fault is over.
    pub recovered_within: Option<Duration>,
    /// Whether nothing in the script is a reason to dial again.
    pub stays_connected: bool,
}

/// The quality of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkPlan {
    /// One way.
    pub latency: Duration,
    /// At most this is added to a frame's latency, by the seed.
    pub jitter: Duration,
    /// Bytes a second in each direction.
    pub bandwidth: Option<u64>,
    /// How long TCP goes on with data that is not acknowledged.
    pub tcp_timeout: Duration,
}

/// One who takes part.
#[derive(Clone, Debug)]
pub struct HostPlan {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: HostKind,
}

/// What a host is. Other hosts are named by their index in [`Plan::hosts`].
#[derive(Clone, Debug)]
pub enum HostKind {
    /// The script itself: who faults are recorded for.
    Script,
    /// An exec client.
    Client {
        /// Its index among the clients, from 0.
        index: u32,
        /// The name of its policy.
        preset: String,
        /// Its policy.
        policy: Arc<Policy>,
        /// The mistake that is planted in it.
        bug: Option<ClientBug>,
        /// Its server.
        to: usize,
        /// Who signs its URLs.
        issuer: Option<usize>,
        /// How it reaches its server.
        transport: Transport,
    },
    /// An exec server.
    Exec {
        /// What version it is of.
        preset: Preset,
        /// The mistake that is planted in it.
        bug: Option<Bug>,
        /// Whose URLs it demands.
        issuer: Option<usize>,
        /// What takes its time in it.
        delays: Delays,
        /// How its clients reach it.
        transport: Transport,
    },
    /// A credential issuer.
    Issuer {
        /// How long its URLs live.
        lifetime: Duration,
    },
}

/// One step.
#[derive(Clone, Debug)]
pub struct StepPlan {
    /// What sets it off.
    pub trigger: Trigger,
    /// How much later it fires.
    pub after: Duration,
    /// What it does.
    pub action: Action,
}

/// What sets a step off.
#[derive(Clone, Debug)]
pub enum Trigger {
    /// A moment of the run.
    At(Time),
    /// A moment of the protocol.
    Anchor(Anchor),
    /// A client machine reaches a state for the n-th time.
    State {
        /// Which client; any if none.
        client: Option<usize>,
        /// Which state.
        state: &'static str,
        /// Which time, from 1.
        nth: u32,
    },
    /// Another step has fired.
    Step(usize),
}

/// A moment of the protocol.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// Of this client; any if none.
    pub client: Option<usize>,
    /// On this one of its connections, counted from 1; any if none.
    pub generation: Option<u32>,
    /// Of a message with this method.
    pub method: &'static str,
    /// That goes this way.
    pub dir: Dir,
    /// Which one, from 1.
    pub nth: u32,
    /// Which side of it.
    pub edge: Edge,
}

pub use crate::scenario::Edge;

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// A caller of this client asks for something.
    Do {
        /// Which client.
        client: usize,
        /// What.
        task: Task,
        /// How much later the caller goes away, if it was not told before.
        leaves_after: Option<Duration>,
    },
    /// Something goes wrong.
    Fault {
        /// What.
        fault: Fault,
        /// For this client, where the fault does not say itself.
        client: Option<usize>,
    },
}

/// What a caller asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Starts a process.
    Start {
        /// Its name.
        process: ProcessId,
        /// Program and arguments.
        argv: Vec<String>,
        /// Whether it gets a pipe for its stdin.
        stdin: bool,
    },
    /// Writes to its stdin.
    Write {
        /// To which.
        process: ProcessId,
        /// The bytes.
        data: Chunk,
    },
    /// Reads its retained output.
    Read {
        /// Of which.
        process: ProcessId,
        /// The cursor.
        after_seq: Option<u64>,
        /// How long the server may wait.
        wait: Duration,
    },
    /// Interrupts it.
    Signal {
        /// Which.
        process: ProcessId,
    },
    /// Ends it.
    Terminate {
        /// Which.
        process: ProcessId,
    },
    /// Makes an HTTP request from the server's side.
    Http {
        /// The HTTP method.
        verb: String,
        /// An absolute URL.
        url: String,
        /// How long the server may take to answer.
        timeout: Option<Duration>,
        /// Whether the body streams back.
        stream: bool,
        /// How much later the caller begins to read it.
        reads_after: Duration,
    },
    /// Asks about the environment.
    Info,
    /// Asks whether it is ready.
    Status,
    /// Does something with files.
    Fs(FsRequest),
}

impl Plan {
    /// The header of a history of this plan.
    pub fn header(&self, world: &str, seed: Seed) -> Header {
        Header {
            schema: SCHEMA,
            scenario: self.scenario.clone(),
            case: self.case.clone(),
            world: world.to_owned(),
            seed,
            until: self.until,
            hosts: self.hosts.iter().map(HostPlan::describe).collect(),
            recovered_within: self.recovered_within,
            stays_connected: self.stays_connected,
        }
    }

    /// The host with this name.
    pub fn host(&self, name: &str) -> Option<usize> {
        self.hosts.iter().position(|host| &*host.name == name)
    }

    /// The clients and the servers that they dial: host, its server, its issuer.
    pub fn clients(&self) -> impl Iterator<Item = (usize, usize, Option<usize>)> + '_ {
        self.hosts
            .iter()
            .enumerate()
            .filter_map(|(host, plan)| match plan.kind {
                HostKind::Client { to, issuer, .. } => Some((host, to, issuer)),
                HostKind::Script | HostKind::Exec { .. } | HostKind::Issuer { .. } => None,
            })
    }
}

impl HostPlan {
    fn describe(&self) -> Host {
        let role = match &self.kind {
            HostKind::Script => Role::Script,
            HostKind::Client { preset, policy, .. } => Role::Client {
                preset: preset.clone(),
                policy: Box::new((**policy).clone()),
            },
            HostKind::Exec { preset, .. } => Role::ExecServer {
                version: preset.name.to_owned(),
                lease: preset.detached_ttl,
            },
            HostKind::Issuer { .. } => Role::Issuer,
        };
        Host {
            name: Arc::clone(&self.name),
            role,
        }
    }
}
