//! One step of a script: when it fires, and what it does.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use strum::{Display, IntoStaticStr, VariantArray};

use super::length::{Length, MaybeLength};
use crate::fault::{Dir, Fault};

/// One line of the script. A step fires once; one that never fires makes the scenario stale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
pub struct Step {
    /// What other steps call it.
    pub name: Option<String>,
    /// When it fires.
    pub trigger: Trigger,
    /// Whose caller asks, or whose connections the fault hits. See [`super::Scenario::client_of`].
    pub client: Option<String>,
    /// What happens then.
    pub action: Action,
    /// How much later the caller goes away, if it was not told before. Of [`Action::Do`] only.
    pub leaves_after: Option<Duration>,
}

/// When a step fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// At this time of the run.
    At(Duration),
    /// This long after a moment of the protocol.
    When(When, Duration),
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A caller asks the client for something.
    Do(Do),
    /// Something goes wrong.
    Fault(Fault),
}

/// A moment of the protocol, which keeps its meaning when timing changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum When {
    /// Another step has fired.
    Step(AfterStep),
    /// A client machine has reached a state.
    State(Reaches),
    /// A frame or a handshake has got this far.
    Anchor(Anchor),
}

/// Another step has fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AfterStep {
    /// The `name` of that step.
    pub step: String,
}

/// A client machine has reached a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reaches {
    /// Whose machine. May be left out where the step names the client, or where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Which state.
    pub state: State,
    /// Which time it does, from 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    #[schemars(range(min = 1))]
    pub nth: u32,
}

/// The n-th frame of a kind, counted over all connections of the client unless `conn` names one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Whose connection. May be left out where the step names the client, or where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Only on this connection of the client: its generation, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub conn: Option<u32>,
    /// The method of the frame; an answer has the method of its request.
    pub method: Method,
    /// Which way the frame goes. A request goes one way, and its answer the other.
    pub dir: Dir,
    /// Which one of these frames, from 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    #[schemars(range(min = 1))]
    pub nth: u32,
    /// How far it has got.
    pub edge: Edge,
}

/// What a frame carries, or which handshake it belongs to.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    Display,
    IntoStaticStr,
    VariantArray,
)]
pub enum Method {
    /// Opens or resumes a session.
    #[serde(rename = "initialize")]
    #[strum(serialize = "initialize")]
    Initialize,
    /// The client has understood the answer to `initialize`.
    #[serde(rename = "initialized")]
    #[strum(serialize = "initialized")]
    Initialized,
    /// Starts a process.
    #[serde(rename = "process/start")]
    #[strum(serialize = "process/start")]
    ProcessStart,
    /// Reads retained output.
    #[serde(rename = "process/read")]
    #[strum(serialize = "process/read")]
    ProcessRead,
    /// Writes to a process's stdin.
    #[serde(rename = "process/write")]
    #[strum(serialize = "process/write")]
    ProcessWrite,
    /// Interrupts a process.
    #[serde(rename = "process/signal")]
    #[strum(serialize = "process/signal")]
    ProcessSignal,
    /// Ends a process.
    #[serde(rename = "process/terminate")]
    #[strum(serialize = "process/terminate")]
    ProcessTerminate,
    /// A process wrote something.
    #[serde(rename = "process/output")]
    #[strum(serialize = "process/output")]
    ProcessOutput,
    /// A process exited.
    #[serde(rename = "process/exited")]
    #[strum(serialize = "process/exited")]
    ProcessExited,
    /// A process's pipes are closed.
    #[serde(rename = "process/closed")]
    #[strum(serialize = "process/closed")]
    ProcessClosed,
    /// The WebSocket upgrade: the HTTP request, and its answer.
    #[serde(rename = "upgrade")]
    #[strum(serialize = "upgrade")]
    Upgrade,
    /// The request to the issuer for a signed URL, and its answer.
    #[serde(rename = "registry/connect")]
    #[strum(serialize = "registry/connect")]
    RegistryConnect,
    /// A WebSocket ping.
    #[serde(rename = "ping")]
    #[strum(serialize = "ping")]
    Ping,
    /// A WebSocket pong.
    #[serde(rename = "pong")]
    #[strum(serialize = "pong")]
    Pong,
    /// Makes an HTTP request from the server's side.
    #[serde(rename = "http/request")]
    #[strum(serialize = "http/request")]
    Http,
    /// A piece of the body of its answer.
    #[serde(rename = "http/request/bodyDelta")]
    #[strum(serialize = "http/request/bodyDelta")]
    HttpBody,
    /// Describes the environment.
    #[serde(rename = "environment/info")]
    #[strum(serialize = "environment/info")]
    EnvironmentInfo,
    /// Asks whether it is ready.
    #[serde(rename = "environment/status")]
    #[strum(serialize = "environment/status")]
    EnvironmentStatus,
    /// Reads a file.
    #[serde(rename = "fs/readFile")]
    #[strum(serialize = "fs/readFile")]
    FsReadFile,
    /// Opens a file on this connection.
    #[serde(rename = "fs/open")]
    #[strum(serialize = "fs/open")]
    FsOpen,
    /// Reads a part of an open file.
    #[serde(rename = "fs/readBlock")]
    #[strum(serialize = "fs/readBlock")]
    FsReadBlock,
    /// Writes a part of an open file.
    #[serde(rename = "fs/writeBlock")]
    #[strum(serialize = "fs/writeBlock")]
    FsWriteBlock,
    /// Closes an open file.
    #[serde(rename = "fs/close")]
    #[strum(serialize = "fs/close")]
    FsClose,
    /// Writes a file.
    #[serde(rename = "fs/writeFile")]
    #[strum(serialize = "fs/writeFile")]
    FsWriteFile,
    /// Makes a directory.
    #[serde(rename = "fs/createDirectory")]
    #[strum(serialize = "fs/createDirectory")]
    FsCreateDirectory,
    /// Asks what a file is.
    #[serde(rename = "fs/getMetadata")]
    #[strum(serialize = "fs/getMetadata")]
    FsGetMetadata,
    /// Asks where a file really is.
    #[serde(rename = "fs/canonicalize")]
    #[strum(serialize = "fs/canonicalize")]
    FsCanonicalize,
    /// Lists a directory.
    #[serde(rename = "fs/readDirectory")]
    #[strum(serialize = "fs/readDirectory")]
    FsReadDirectory,
    /// Lists all that is below a directory.
    #[serde(rename = "fs/walk")]
    #[strum(serialize = "fs/walk")]
    FsWalk,
    /// Removes a file or a directory.
    #[serde(rename = "fs/remove")]
    #[strum(serialize = "fs/remove")]
    FsRemove,
    /// Copies a file.
    #[serde(rename = "fs/copy")]
    #[strum(serialize = "fs/copy")]
    FsCopy,
}

impl Method {
    /// The only direction in which such frames go, if there is only one.
    pub const fn only_dir(self) -> Option<Dir> {
        match self {
            Self::Initialized => Some(Dir::C2s),
            Self::ProcessOutput | Self::ProcessExited | Self::ProcessClosed | Self::HttpBody => {
                Some(Dir::S2c)
            }
            Self::Initialize
            | Self::ProcessStart
            | Self::ProcessRead
            | Self::ProcessWrite
            | Self::ProcessSignal
            | Self::ProcessTerminate
            | Self::Upgrade
            | Self::RegistryConnect
            | Self::Ping
            | Self::Pong
            | Self::Http
            | Self::EnvironmentInfo
            | Self::EnvironmentStatus
            | Self::FsReadFile
            | Self::FsOpen
            | Self::FsReadBlock
            | Self::FsWriteBlock
            | Self::FsClose
            | Self::FsWriteFile
            | Self::FsCreateDirectory
            | Self::FsGetMetadata
            | Self::FsCanonicalize
            | Self::FsReadDirectory
            | Self::FsWalk
            | Self::FsRemove
            | Self::FsCopy => None,
        }
    }
}

/// How far a frame has got.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    Display,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Edge {
    /// Its sender handed it to the transport.
    Sent,
    /// Half of it is through.
    Half,
    /// Its receiver has all of it.
    Delivered,
    /// Its receiver acted on it; nothing is answered yet.
    Applied,
    /// The answer to it left.
    Answered,
    /// The caller knows what became of it.
    Settled,
}

/// A state of a client machine.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    Display,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// No session and no connection.
    Idle,
    /// A signed URL is being fetched.
    Fetching,
    /// A connection is being made.
    Dialing,
    /// `initialize` is on its way.
    Attaching,
    /// What was missed is being recovered.
    Filling,
    /// Usable.
    Up,
    /// Between two attempts.
    Waiting,
    /// Given up.
    Failed,
}

/// What a caller asks a client for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(title = "command")]
pub enum Do {
    /// Start a process.
    Start {
        /// What the script calls it.
        process: String,
        /// What runs: a program of the mock.
        program: String,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
        /// Whether it gets a pipe for its stdin; without one, a write to it is answered `stdinClosed`.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        stdin: bool,
    },
    /// Write to a process's stdin.
    Write {
        /// Which.
        process: String,
        /// The text.
        data: String,
    },
    /// Read output that the server retained.
    Read {
        /// Which.
        process: String,
        /// Only what comes after this sequence number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_seq: Option<u64>,
        /// How long the server may wait for something new.
        #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
        wait: Option<Duration>,
    },
    /// Interrupt a process.
    Signal {
        /// Which.
        process: String,
    },
    /// End a process.
    Terminate {
        /// Which.
        process: String,
    },
    /// Make an HTTP request from the server's side, to an origin of the mock (see `mocks/src/exec/http.rs`).
    Http {
        /// For example `http://ticks.test/5/200ms`.
        url: String,
        /// The HTTP method.
        #[serde(default = "get", skip_serializing_if = "is_get")]
        method: String,
        /// Whether the body streams back, piece by piece.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stream: bool,
        /// How long the server may take to answer.
        #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
        timeout: Option<Duration>,
        /// How much later the caller begins to read a body that streams.
        #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
        reads_after: Option<Duration>,
    },
    /// Ask about the environment that processes run in.
    Info {},
    /// Ask whether that environment is ready.
    Status {},
    /// Read a file of the server.
    ReadFile {
        /// Its absolute path.
        path: String,
    },
    /// Write a file of the server.
    WriteFile {
        /// Its absolute path.
        path: String,
        /// The text.
        data: String,
    },
    /// Copy a file of the server.
    CopyFile {
        /// Its absolute path.
        from: String,
        /// That of the copy.
        to: String,
    },
    /// Do something else with a file or a directory of the server.
    File {
        /// What.
        act: FileAct,
        /// Its absolute path.
        path: String,
    },
}

/// What can be done with a file or a directory by its path alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileAct {
    /// Make the directory.
    CreateDirectory,
    /// Ask what it is.
    Metadata,
    /// Ask where it really is.
    Canonicalize,
    /// List the directory.
    ReadDirectory,
    /// List all that is below the directory.
    Walk,
    /// Remove it, with all that is in it.
    Remove,
}

impl Do {
    /// The process that it is about, if it is about one.
    pub fn process(&self) -> Option<&str> {
        match self {
            Self::Start { process, .. }
            | Self::Write { process, .. }
            | Self::Read { process, .. }
            | Self::Signal { process }
            | Self::Terminate { process } => Some(process),
            Self::Http { .. }
            | Self::Info {}
            | Self::Status {}
            | Self::ReadFile { .. }
            | Self::WriteFile { .. }
            | Self::CopyFile { .. }
            | Self::File { .. } => None,
        }
    }
}

/// A step as it is written.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Step", extend("allOf" = one_of_each(), "dependentRequired" = { "after": ["when"], "leaves_after": ["do"] }))]
struct Written {
    /// What other steps call it, in `when = { step = "…" }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The time of the run at which it fires.
    #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
    at: Option<Duration>,
    /// The moment of the protocol at which it fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    when: Option<When>,
    /// How long after `when`.
    #[serde(default, with = "Length", skip_serializing_if = "Duration::is_zero")]
    after: Duration,
    /// Whose caller asks, or whose connections the fault hits. May be left out where `when` names the client, or where
    /// there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// What a caller asks the client for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r#do: Option<Do>,
    /// How much later the caller goes away, if it was not told before.
    #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
    leaves_after: Option<Duration>,
    /// What goes wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

/// What derives cannot say: one trigger, one action.
fn one_of_each() -> serde_json::Value {
    json!([
        { "oneOf": [{ "required": ["at"] }, { "required": ["when"] }] },
        { "oneOf": [{ "required": ["do"] }, { "required": ["fault"] }] },
    ])
}

impl TryFrom<Written> for Step {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let trigger = match (written.at, written.when) {
            (Some(at), None) if written.after.is_zero() => Trigger::At(at),
            (Some(_), None) => return Err("`after` belongs to `when`; with `at`, write the later time"),
            (None, Some(when)) => Trigger::When(when, written.after),
            (Some(_), Some(_)) | (None, None) => return Err("a step has either `at` or `when`"),
        };
        let action = match (written.r#do, written.fault) {
            (Some(r#do), None) => Action::Do(r#do),
            (None, Some(fault)) if written.leaves_after.is_none() => Action::Fault(fault),
            (Some(_), Some(_)) | (None, _) => {
                return Err("a step has `do`, or `fault` and no `leaves_after`");
            }
        };
        Ok(Self {
            name: written.name,
            trigger,
            client: written.client,
            action,
            leaves_after: written.leaves_after,
        })
    }
}

impl From<Step> for Written {
    fn from(step: Step) -> Self {
        let (at, when, after) = match step.trigger {
            Trigger::At(at) => (Some(at), None, Duration::ZERO),
            Trigger::When(when, after) => (None, Some(when), after),
        };
        let (r#do, fault) = match step.action {
            Action::Do(r#do) => (Some(r#do), None),
            Action::Fault(fault) => (None, Some(fault)),
        };
        Self {
            name: step.name,
            at,
            when,
            after,
            client: step.client,
            r#do,
            leaves_after: step.leaves_after,
            fault,
        }
    }
}

fn get() -> String {
    "GET".to_owned()
}

fn is_get(method: &str) -> bool {
    method == "GET"
}

const fn yes() -> bool {
    true
}

const fn is_yes(yes: &bool) -> bool {
    *yes
}

const fn first() -> u32 {
    1
}

const fn is_first(nth: &u32) -> bool {
    *nth == first()
}
