//! From one case of a scenario to a plan.

use std::collections::BTreeMap;

use unplug_mocks::exec::{Delays, Preset};
use unplug_reconnect::id::ProcessId;
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{AtUri, Chunk, CopyParams, FsRequest, WriteFileParams};

use super::{Action, Anchor, HostKind, HostPlan, LinkPlan, Plan, StepPlan, Task, Trigger};
use crate::presets;
use crate::scenario::{self, Client, Do, FileAct, Mock, Scenario, Server, Step, Variant, When};

/// How the script is called in a history.
const SCRIPT_NAME: &str = "!";

impl Plan {
    /// The plan of one case. The scenario was read by [`scenario::parse`], or is as good as one that was.
    ///
    /// # Panics
    /// If the scenario names something that does not exist, which parsing refuses.
    pub fn new(name: &str, variant: &Variant) -> Self {
        let scenario = &variant.scenario;
        let names = scenario.clients.iter().map(|client| &client.name);
        let names: Vec<&str> = std::iter::once(SCRIPT_NAME)
            .chain(
                names
                    .chain(scenario.servers.iter().map(|server| &server.name))
                    .map(String::as_str),
            )
            .collect();
        let index: BTreeMap<&str, usize> = names
            .iter()
            .enumerate()
            .map(|(index, name)| (*name, index))
            .collect();
        let script = HostPlan {
            name: SCRIPT_NAME.into(),
            kind: HostKind::Script,
        };
        let clients = scenario
            .clients
            .iter()
            .zip(0..)
            .map(|(client, nth)| client_plan(scenario, client, nth, &index));
        let servers = scenario.servers.iter().map(|server| server_plan(server, &index));
        let hosts = std::iter::once(script).chain(clients).chain(servers).collect();
        Self {
            scenario: name.to_owned(),
            case: variant.case.clone(),
            until: Time::ZERO + scenario.until,
            link: LinkPlan {
                latency: scenario.link.latency,
                jitter: scenario.link.jitter.unwrap_or_default(),
                bandwidth: scenario.link.bandwidth,
                tcp_timeout: scenario.link.tcp_timeout,
            },
            hosts,
            steps: scenario
                .steps
                .iter()
                .map(|step| step_plan(scenario, step, &index))
                .collect(),
            recovered_within: scenario.expect.recovered_within,
            stays_connected: scenario.expect.stays_connected,
        }
    }
}

fn client_plan(scenario: &Scenario, client: &Client, nth: u32, index: &BTreeMap<&str, usize>) -> HostPlan {
    let server = scenario
        .server(&client.to)
        .expect("a client dials a server of its scenario");
    HostPlan {
        name: client.name.as_str().into(),
        kind: HostKind::Client {
            index: nth,
            preset: client.policy.clone(),
            policy: presets::policy(&client.policy).expect("a client has a policy that exists"),
            bug: client
                .bug
                .as_deref()
                .map(|bug| bug.parse().expect("a planted bug exists")),
            to: index[client.to.as_str()],
            issuer: server.issuer.as_deref().map(|issuer| index[issuer]),
            transport: server.transport,
        },
    }
}

fn server_plan(server: &Server, index: &BTreeMap<&str, usize>) -> HostPlan {
    let kind = match server.mock {
        Mock::Exec => HostKind::Exec {
            preset: Preset::named(server.version()).expect("a server has a version that exists"),
            bug: server
                .bug
                .as_deref()
                .map(|bug| bug.parse().expect("a planted bug exists")),
            issuer: server.issuer.as_deref().map(|issuer| index[issuer]),
            delays: Delays {
                initialize: server.initialize_delay.unwrap_or_default(),
                start: server.start_delay.unwrap_or_default(),
                shuffle: server.shuffle.unwrap_or_default(),
            },
            transport: server.transport,
        },
        Mock::Issuer => HostKind::Issuer {
            lifetime: server.url_lifetime(),
        },
    };
    HostPlan {
        name: server.name.as_str().into(),
        kind,
    }
}

fn step_plan(scenario: &Scenario, step: &Step, index: &BTreeMap<&str, usize>) -> StepPlan {
    let host = |name: &str| index[name];
    let watched = scenario.watched_by(step).map(host);
    let (trigger, after) = match &step.trigger {
        scenario::Trigger::At(at) => (Trigger::At(Time::ZERO + *at), std::time::Duration::ZERO),
        scenario::Trigger::When(when, after) => (
            match when {
                When::Anchor(anchor) => Trigger::Anchor(Anchor {
                    client: watched,
                    generation: anchor.conn,
                    method: anchor.method.into(),
                    dir: anchor.dir,
                    nth: anchor.nth,
                    edge: anchor.edge,
                }),
                When::State(reaches) => Trigger::State {
                    client: watched,
                    state: reaches.state.into(),
                    nth: reaches.nth,
                },
                When::Step(after) => {
                    let of = |other: &Step| other.name.as_deref() == Some(&after.step);
                    Trigger::Step(
                        scenario
                            .steps
                            .iter()
                            .position(of)
                            .expect("a step waits for one that exists"),
                    )
                }
            },
            *after,
        ),
    };
    let client = scenario.client_of(step).map(host);
    let action = match &step.action {
        scenario::Action::Do(what) => Action::Do {
            client: client.expect("what a caller asks is asked of one client"),
            task: task(what),
            leaves_after: step.leaves_after,
        },
        scenario::Action::Fault(fault) => Action::Fault {
            fault: fault.clone(),
            client,
        },
    };
    StepPlan {
        trigger,
        after,
        action,
    }
}

/// Scripts name files by their paths, clients by URIs.
fn uri(path: &str) -> String {
    format!("file://{path}")
}

fn at(path: &str) -> AtUri {
    AtUri { uri: uri(path) }
}

fn task(what: &Do) -> Task {
    let id = |process: &String| ProcessId::from(process.as_str());
    match what {
        Do::Start {
            process,
            program,
            args,
            stdin,
        } => {
            let argv = std::iter::once(program).chain(args).cloned().collect();
            Task::Start {
                process: id(process),
                argv,
                stdin: *stdin,
            }
        }
        Do::Write { process, data } => Task::Write {
            process: id(process),
            data: Chunk::from(data.as_str()),
        },
        Do::Read {
            process,
            after_seq,
            wait,
        } => Task::Read {
            process: id(process),
            after_seq: *after_seq,
            wait: wait.unwrap_or_default(),
        },
        Do::Signal { process } => Task::Signal { process: id(process) },
        Do::Terminate { process } => Task::Terminate { process: id(process) },
        Do::Http {
            url,
            method,
            stream,
            timeout,
            reads_after,
        } => Task::Http {
            verb: method.clone(),
            url: url.clone(),
            timeout: *timeout,
            stream: *stream,
            reads_after: reads_after.unwrap_or_default(),
        },
        Do::Info {} => Task::Info,
        Do::Status {} => Task::Status,
        Do::ReadFile { path } => Task::Fs(FsRequest::ReadFile(at(path))),
        Do::WriteFile { path, data } => Task::Fs(FsRequest::WriteFile(WriteFileParams {
            uri: uri(path),
            data: Chunk::from(data.as_str()),
        })),
        Do::CopyFile { from, to } => Task::Fs(FsRequest::Copy(CopyParams {
            from: uri(from),
            to: uri(to),
        })),
        Do::File { act, path } => Task::Fs(match act {
            FileAct::CreateDirectory => FsRequest::CreateDirectory(at(path)),
            FileAct::Metadata => FsRequest::GetMetadata(at(path)),
            FileAct::Canonicalize => FsRequest::Canonicalize(at(path)),
            FileAct::ReadDirectory => FsRequest::ReadDirectory(at(path)),
            FileAct::Walk => FsRequest::Walk(at(path)),
            FileAct::Remove => FsRequest::Remove(at(path)),
        }),
    }
}
