//! A scenario: who talks to whom, what is asked and what goes wrong when, and what must come of it.
//!
//! Scenarios are flat TOML files without variables, loops or conditions. [`parse`] reads one and points at everything
//! that is wrong with it, [`Scenario::to_toml`] writes one, [`schema`] describes them for editors, and [`library`] finds
//! them. What a scenario leaves open (the client of a step, the default version) is answered here, so that all worlds
//! answer alike.

mod check;
mod length;
pub mod library;
mod parse;
mod policy;
mod print;
mod problem;
mod schema;
mod shape;
mod step;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::check::Names;
pub use self::length::{Length, MaybeLength};
pub use self::parse::{LARGEST, load, parse};
pub use self::policy::policy;
pub use self::problem::{Problem, Refused};
pub use self::schema::schema;
pub use self::step::{
    Action, AfterStep, Anchor, Do, Edge, FileAct, Method, Reaches, State, Step, Trigger, When,
};
use crate::fault::{FaultKind, Scope};

/// The exec version of a server that names none.
pub const DEFAULT_VERSION: &str = "0.142";

/// How long a signed URL lives if its issuer does not say.
pub const DEFAULT_URL_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// A script and its subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What happens, in a few words.
    pub title: String,
    /// Why it is worth a scenario, in a sentence or two.
    pub why: String,
    /// Where it was reported or described.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<String>,
    /// When the run ends.
    #[serde(with = "Length")]
    pub until: Duration,
    /// The network between all hosts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub link: Link,
    /// The clients: the subjects of the run.
    #[serde(rename = "client")]
    #[schemars(length(min = 1, max = 10_000))]
    pub clients: Vec<Client>,
    /// The servers that the clients talk to.
    #[serde(rename = "server")]
    #[schemars(length(min = 1, max = 10_000))]
    pub servers: Vec<Server>,
    /// What happens, in any order.
    #[serde(rename = "step")]
    #[schemars(length(min = 1, max = 10_000))]
    pub steps: Vec<Step>,
    /// What must come of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expect: Expect,
    /// The same script with other subjects.
    #[serde(rename = "case", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub cases: Vec<Case>,
}

/// The network between all hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Link {
    /// How long everything takes, one way.
    #[serde(with = "Length")]
    pub latency: Duration,
    /// The most that a seeded amount adds to it.
    #[serde(with = "MaybeLength", skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Duration>,
    /// How many bytes a second pass in each direction; any number if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub bandwidth: Option<u64>,
    /// How long data may stay unacknowledged before the sender's TCP gives up.
    #[serde(with = "Length")]
    pub tcp_timeout: Duration,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(20),
            jitter: None,
            bandwidth: None,
            tcp_timeout: Duration::from_secs(15 * 60),
        }
    }
}

/// A host with a client machine: a subject of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The name of the host.
    pub name: String,
    /// Which machine runs on it.
    pub machine: Machine,
    /// The preset that says how the machine behaves, such as `codex-0.142`.
    pub policy: String,
    /// The server that it talks to.
    pub to: String,
    /// The mistake that is planted in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bug: Option<String>,
}

/// A client machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Machine {
    /// A remote exec client.
    Exec,
}

/// A host with a mock server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The name of the host.
    pub name: String,
    /// Which mock runs on it.
    pub mock: Mock,
    /// Of an exec server: the version whose behaviour it reproduces, by default `0.142`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The mistake that is planted in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bug: Option<String>,
    /// Of an exec server: the issuer whose signed URLs it demands. Its clients fetch one for every dial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Of an exec server: how its client reaches it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transport: Transport,
    /// Of an exec server: how long it takes between taking a session over and answering `initialize`. Notifications
    /// of a resumed session come before the answer then.
    #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
    pub initialize_delay: Option<Duration>,
    /// Of an exec server: how long a process is starting before it runs.
    #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
    pub start_delay: Option<Duration>,
    /// Of an exec server: the most that a notification of a process is held up, by the seed, so that they overtake each
    /// other.
    #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<Duration>,
    /// Of an issuer: how long its signed URLs live, by default `5m`.
    #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
    pub url_lifetime: Option<Duration>,
}

impl Server {
    /// A server of which nothing else is said.
    pub fn new(name: impl Into<String>, mock: Mock) -> Self {
        Self {
            name: name.into(),
            mock,
            version: None,
            bug: None,
            issuer: None,
            transport: Transport::default(),
            initialize_delay: None,
            start_delay: None,
            shuffle: None,
            url_lifetime: None,
        }
    }

    /// The version whose behaviour it reproduces.
    pub fn version(&self) -> &str {
        self.version.as_deref().unwrap_or(DEFAULT_VERSION)
    }

    /// How long its signed URLs live.
    pub fn url_lifetime(&self) -> Duration {
        self.url_lifetime.unwrap_or(DEFAULT_URL_LIFETIME)
    }
}

/// How a client reaches its exec server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Over the network.
    #[default]
    Websocket,
    /// As its child, over pipes: the client starts it once, and each ends with the other. The pipes are simulated as a
    /// connection like any other, so a fault of the link is a fault of the pipes.
    Stdio,
}

/// A mock server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mock {
    /// An exec-server.
    Exec,
    /// An issuer of signed URLs.
    Issuer,
}

/// What must come of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// `pass` if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Expected>,
    /// Exactly these checkers fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fails: Option<Fails>,
    /// Every client that lost its connection is up again within this length.
    #[serde(with = "MaybeLength", skip_serializing_if = "Option::is_none")]
    pub recovered_within: Option<Duration>,
    /// No client dials a second time: nothing here is a reason to.
    #[serde(skip_serializing_if = "is_default")]
    pub stays_connected: bool,
}

/// What the checkers of a run must say, if none of them is to fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(title = "verdict")]
pub enum Expected {
    /// None fails, and something was put to the test.
    #[default]
    Pass,
    /// None fails, and nothing was put to the test.
    Inconclusive,
}

/// One checker or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fails {
    /// This one.
    One(String),
    /// These.
    All(Vec<String>),
}

impl Expect {
    /// The verdict, unless checkers are to fail.
    pub fn verdict(&self) -> Expected {
        self.verdict.unwrap_or_default()
    }

    /// The checkers that must fail.
    pub fn fails(&self) -> &[String] {
        match &self.fails {
            None => &[],
            Some(Fails::One(checker)) => std::slice::from_ref(checker),
            Some(Fails::All(checkers)) => checkers,
        }
    }
}

/// The same script with another subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Case {
    /// Its name; by default what sets it apart, such as `codex-0.134` or `0.134+forget_write_ids`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The policy of all clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The version of all exec servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The mistake that is planted in all exec servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bug: Option<String>,
    /// The mistake that is planted in all clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_bug: Option<String>,
    /// What must come of it. Replaces verdict and failing checkers; the rest stays unless it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

impl Case {
    /// Its name, given or made.
    pub fn name(&self) -> String {
        let parts = [&self.policy, &self.version, &self.bug, &self.client_bug];
        self.name
            .clone()
            .unwrap_or_else(|| parts.into_iter().flatten().cloned().collect::<Vec<_>>().join("+"))
    }
}

/// A scenario with one subject: what a world runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The name of the case; empty for the script as it stands.
    pub case: String,
    /// Without cases. What its subject must achieve is its `expect`.
    pub scenario: Scenario,
}

impl Scenario {
    /// The script as it stands, then each of its cases.
    pub fn variants(&self) -> Vec<Variant> {
        let base = Self {
            cases: Vec::new(),
            ..self.clone()
        };
        let cases = self.cases.iter().map(|case| Variant {
            case: case.name(),
            scenario: base.with(case),
        });
        let first = Variant {
            case: String::new(),
            scenario: base.clone(),
        };
        std::iter::once(first).chain(cases).collect()
    }

    /// The same script with another subject.
    fn with(&self, case: &Case) -> Self {
        let mut other = self.clone();
        for client in &mut other.clients {
            client.policy = case.policy.clone().unwrap_or(client.policy.clone());
            client.bug = case.client_bug.clone().or(client.bug.take());
        }
        for server in other
            .servers
            .iter_mut()
            .filter(|server| server.mock == Mock::Exec)
        {
            server.version = case.version.clone().or(server.version.take());
            server.bug = case.bug.clone().or(server.bug.take());
        }
        if let Some(expect) = &case.expect {
            other.expect = Expect {
                recovered_within: expect.recovered_within.or(self.expect.recovered_within),
                stays_connected: expect.stays_connected || self.expect.stays_connected,
                ..expect.clone()
            };
        }
        other
    }

    /// The client with this name.
    pub fn client(&self, name: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.name == name)
    }

    /// The server with this name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// The client whose machine or connections a step's trigger watches: the one that `when` names, or the step's, or
    /// the only one.
    pub fn watched_by<'a>(&'a self, step: &'a Step) -> Option<&'a str> {
        let named = match &step.trigger {
            Trigger::When(When::Anchor(Anchor { client, .. }) | When::State(Reaches { client, .. }), _) => {
                client.as_deref().or(step.client.as_deref())
            }
            Trigger::At(_) | Trigger::When(When::Step(_), _) => return None,
        };
        named.or_else(|| self.only_client())
    }

    /// The client that a step is about: whose caller asks, or whose connections a fault hits.
    ///
    /// It is the step's own, or the one that its trigger watches, or the only one. A fault of the links hits everyone
    /// unless the step itself names a client, and a fault that names its host hits no client's connections: `None`.
    pub fn client_of<'a>(&'a self, step: &'a Step) -> Option<&'a str> {
        let named = step.client.as_deref();
        let scope = match &step.action {
            Action::Do(_) => Scope::Connections,
            Action::Fault(fault) => FaultKind::from(fault).scope(),
        };
        match scope {
            Scope::Connections => named
                .or_else(|| self.watched_by(step))
                .or_else(|| self.only_client()),
            Scope::Frame => self.watched_by(step),
            Scope::Links => named,
            Scope::Named => None,
        }
    }

    fn only_client(&self) -> Option<&str> {
        match self.clients.as_slice() {
            [client] => Some(&client.name),
            _ => None,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
