//! Params and results, method by method. All fields are camelCase, bytes are padded standard base64.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::id::{ProcessId, SessionId};

/// Bytes of a process, base64 on the wire. Clones share the bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chunk(Arc<[u8]>);

impl Chunk {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&[u8]> for Chunk {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<&str> for Chunk {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

impl Serialize for Chunk {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Chunk {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        STANDARD
            .decode(String::deserialize(from)?)
            .map(Self::from)
            .map_err(de::Error::custom)
    }
}

/// Params of `initialize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// Who connects; `codex-core` unless told.
    pub client_name: String,
    /// The session to go on with; a new one if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_session_id: Option<SessionId>,
}

/// Params of `process/start`. Named as the real server's decoder names it in its errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecParams {
    /// Chosen by the client, unique within the session.
    pub process_id: ProcessId,
    /// Program and arguments; not empty.
    pub argv: Vec<String>,
    /// Where it runs: a path or a `file:` URI, by version.
    pub cwd: String,
    /// Its environment variables.
    pub env: BTreeMap<String, String>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Whether it has a stdin that can be written to.
    #[serde(default)]
    pub pipe_stdin: bool,
    /// The name it sees as its own.
    #[serde(default)]
    pub arg0: Option<String>,
    /// What of the server's environment it inherits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_policy: Option<EnvPolicy>,
    /// Not interpreted by mocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Value>,
    /// Not interpreted by mocks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enforce_managed_network: bool,
    /// Not interpreted by mocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_network: Option<Value>,
}

/// What of the server's environment a process inherits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvPolicy {
    /// Which variables to begin with.
    pub inherit: Value,
    /// Whether the default patterns of secrets are kept out.
    #[serde(default)]
    pub ignore_default_excludes: bool,
    /// Patterns kept out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Values set.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// If not empty, only these.
    #[serde(default)]
    pub include_only: Vec<String>,
}

/// Params of `process/read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadParams {
    /// Which process.
    pub process_id: ProcessId,
    /// The cursor: chunks with larger sequence numbers are wanted. `None` is 0.
    #[serde(default)]
    pub after_seq: Option<u64>,
    /// Not more than this, but at least one chunk.
    #[serde(default)]
    pub max_bytes: Option<u64>,
    /// How long to wait for something to return.
    #[serde(default)]
    pub wait_ms: Option<u64>,
}

/// Params of `process/write`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteParams {
    /// Which process.
    pub process_id: ProcessId,
    /// The bytes.
    pub chunk: Chunk,
    /// Required from 0.142 on, unknown before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_id: Option<String>,
}

/// Params of `process/signal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalParams {
    /// Which process.
    pub process_id: ProcessId,
    /// Which signal.
    pub signal: Signal,
}

/// The signals that can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// As Ctrl-C.
    Interrupt,
}

/// Params of `process/terminate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TerminateParams {
    /// Which process.
    pub process_id: ProcessId,
}

/// Result of `initialize`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeResult {
    /// The session of this connection.
    pub session_id: SessionId,
    /// From 0.169 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_info: Option<Value>,
}

/// Result of `process/start`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartResult {
    /// As asked.
    pub process_id: ProcessId,
    /// From 0.169 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_type: Option<String>,
}

/// Where a process wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The terminal.
    Pty,
}

/// Output with its place in the process's one sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputChunk {
    /// From 1, shared by output, exit and close.
    pub seq: u64,
    /// Where it was written to.
    pub stream: Stream,
    /// The bytes.
    pub chunk: Chunk,
}

/// Result of `process/read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadResult {
    /// What is retained after the cursor.
    pub chunks: Vec<OutputChunk>,
    /// The next cursor is this minus 1.
    pub next_seq: u64,
    /// Whether it has exited by now.
    pub exited: bool,
    /// With which code.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Whether its streams have ended too.
    pub closed: bool,
    /// Why its output cannot be read.
    #[serde(default)]
    pub failure: Option<String>,
    /// From 0.142 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_denied: Option<bool>,
}

/// Result of `process/write`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteResult {
    /// What became of it.
    pub status: WriteStatus,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WriteStatus {
    /// Queued for the process, by this or an earlier request with the same id.
    Accepted,
    /// There is no such process in this session.
    UnknownProcess,
    /// It has no stdin.
    StdinClosed,
    /// It is not ready yet.
    Starting,
}

/// Result of `process/terminate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminateResult {
    /// Whether it was running until now.
    pub running: bool,
}

/// Params of `process/output`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputParams {
    /// Which process.
    pub process_id: ProcessId,
    /// What it wrote.
    #[serde(flatten)]
    pub output: OutputChunk,
}

/// Params of `process/exited`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitedParams {
    /// Which process.
    pub process_id: ProcessId,
    /// Its place in the sequence.
    pub seq: u64,
    /// How it ended.
    pub exit_code: i32,
    /// From 0.169 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_denied: Option<bool>,
}

/// Params of `process/closed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosedParams {
    /// Which process.
    pub process_id: ProcessId,
    /// Always the largest of the process.
    pub seq: u64,
}
