//! A policy: how a client detects, retries, replays and gives up, as data.
//!
//! One machine behaves like one client version or another because of these numbers alone. Presets are TOML files in
//! `scenarios/policies/`, each number with its source.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backoff::Backoff;
use crate::time::length;
use crate::wire::exec::method;

/// How an exec client behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// One sentence for people.
    pub about: String,
    /// What becomes of the session when its connection is lost.
    pub session: SessionMode,
    /// Whether stdin writes carry an idempotency key.
    pub write_ids: bool,
    /// How a working directory is written.
    pub cwd: CwdForm,
    /// How long one dial may take, the WebSocket upgrade included.
    #[serde(with = "length")]
    pub connect_timeout: Duration,
    /// How long the answer to `initialize` may take.
    #[serde(with = "length")]
    pub initialize_timeout: Duration,
    /// How long an ordinary call may stay unanswered on a connection that looks alive, beyond the time the call itself
    /// asks the server to wait. After it the connection is given up. None: for ever.
    #[serde(default, with = "length::option", skip_serializing_if = "Option::is_none")]
    pub answer_timeout: Option<Duration>,
    /// The first connection of a session.
    pub startup: Retry,
    /// A lost connection of a session that is to be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// What is sent again on a new connection. Checked by [`Policy::check`].
    pub replay: Replay,
    /// How silence is noticed. None: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
    /// How output that was lost on a connection that lives is noticed. None: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
    /// What a server means to the client that says that it was not greeted.
    #[serde(default)]
    pub ungreeted: Ungreeted,
    /// What output means to the client that lies beyond the end that a catching-up read names.
    #[serde(default)]
    pub beyond_read: BeyondRead,
    /// Where signed URLs come from, and when.
    pub credential: CredentialPolicy,
    /// What may pile up.
    #[serde(default)]
    pub limits: Limits,
}

/// What becomes of a session when its connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionMode {
    /// It is given up with everything in it; the next call opens a new one (exec-server sheet, 7.1).
    Fresh,
    /// It is resumed (exec-server sheet, 7.2).
    Resume,
}

/// How a working directory is written (exec-server sheet, 1: versions take one form, the other, or both).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CwdForm {
    /// `/srv`
    Path,
    /// `file:///srv`
    Uri,
}

/// How often and how long a connection is tried for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// No attempt begins later than this after the first one. Zero: one attempt.
    #[serde(with = "length")]
    pub window: Duration,
    /// Not more attempts than this. None: as many as fit into the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
    /// The delay between attempts.
    pub backoff: Backoff,
}

/// How a lost session is recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The attempts.
    pub retry: Retry,
    /// The window against a server that describes its environment in the answer to `initialize`: that is a sign of
    /// 0.169, which keeps a session for 80 s and not for 30 (exec-server sheet, 1). None: that of `retry`.
    #[serde(default, with = "length::option", skip_serializing_if = "Option::is_none")]
    pub described_window: Option<Duration>,
    /// What "still attached to another connection" means.
    pub still_attached: StillAttached,
}

/// What a client makes of "this session is still attached to another connection".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StillAttached {
    /// Another attempt, within the window.
    Retry,
    /// Another attempt, and the window begins anew: the server's lease does not run before it notices, so the session
    /// is not in danger yet. For the same reason the window begins anew when the session was resumed and its
    /// connection is lost before it could be used.
    ExtendWindow,
}

/// The replay class of each operation: what is sent again on the connection that resumes a session, when the answer was
/// lost with the old one (exec-server sheet, 6). An operation that is not named is never sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Replay {
    /// `process/read`.
    pub read: ReplayClass,
    /// `process/write`.
    pub write: ReplayClass,
    /// `process/start`.
    pub start: ReplayClass,
    /// `process/signal`.
    pub signal: ReplayClass,
    /// `process/terminate`.
    pub terminate: ReplayClass,
    /// `http/request`.
    pub http: ReplayClass,
    /// `fs/…`, reads included.
    pub fs: ReplayClass,
    /// `environment/…`.
    pub environment: ReplayClass,
}

/// Whether and how an operation is sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayClass {
    /// It is not: its caller is told that the outcome is unknown.
    #[default]
    Never,
    /// With the same cursor. For reads of a process alone: they consume nothing.
    SameCursor,
    /// With the same id and bytes, so that the server can tell it from a new one. For writes alone.
    SameId,
    /// As if it were new. A planted bug.
    Blindly,
}

impl Replay {
    /// The class of a method. What is none of the protocol's is never sent again.
    pub fn of(&self, name: &str) -> ReplayClass {
        match name {
            method::READ => self.read,
            method::WRITE => self.write,
            method::START => self.start,
            method::SIGNAL => self.signal,
            method::TERMINATE => self.terminate,
            _ if name.starts_with("http/") => self.http,
            _ if name.starts_with("fs/") => self.fs,
            _ if name.starts_with("environment/") => self.environment,
            _ => ReplayClass::Never,
        }
    }
}

impl Policy {
    /// Whether its parts fit together.
    ///
    /// # Errors
    /// In words: what does not fit, and what would.
    pub fn check(&self) -> Result<(), String> {
        let Replay {
            read,
            write,
            start,
            signal,
            terminate,
            http,
            fs,
            environment,
        } = self.replay;
        let others = [
            ("start", start),
            ("signal", signal),
            ("terminate", terminate),
            ("http", http),
            ("fs", fs),
            ("environment", environment),
        ];
        let named = [("read", read), ("write", write)].into_iter().chain(others);
        for (name, class) in named {
            let (word, whose) = match class {
                ReplayClass::Never | ReplayClass::Blindly => continue,
                ReplayClass::SameCursor => ("same_cursor", "read"),
                ReplayClass::SameId => ("same_id", "write"),
            };
            if name != whose {
                return Err(format!(
                    "replay.{name} = \"{word}\" means nothing: only a {whose} can be sent again in this way; write \
                     \"never\", or \"blindly\" to plant a bug"
                ));
            }
        }
        if write == ReplayClass::SameId && !self.write_ids {
            return Err(
                "replay.write = \"same_id\" needs ids: write `write_ids = true`, or \"never\"".to_owned(),
            );
        }
        Ok(())
    }
}

/// How a silent connection is told from a quiet one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// A ping is sent after this much silence of the peer.
    #[serde(with = "length")]
    pub interval: Duration,
    /// The connection is given up when this much more passes without a word.
    #[serde(with = "length")]
    pub timeout: Duration,
}

/// How output that was lost on a connection that lives is noticed: the process is read from the cursor on, without
/// waiting (exec-server sheet, 4.2: a read does not consume, so it is safe at any time).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatchUp {
    /// After so long without a word about the process, and again after as long: its last words may be lost.
    #[serde(with = "length")]
    pub quiet: Duration,
    /// When an event has waited so long for an earlier one.
    #[serde(with = "length")]
    pub hole: Duration,
}

/// What a refusal means that says that `initialize` or `initialized` has not come (exec-server sheet, 2.5), when both
/// were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ungreeted {
    /// What it says of the request, and nothing of the connection.
    #[default]
    Refusal,
    /// The greeting was lost: the connection can never be used and is given up. What was refused there and may be
    /// sent again (see [`Replay`]) waits for the next one.
    Redial,
}

/// What output means to a client that lies beyond the end (`nextSeq`) that a catching-up read names
/// (exec-server sheet, 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeyondRead {
    /// It is output like any other, and waits for what comes before it.
    #[default]
    Keep,
    /// The server makes no sense: the process cannot be recovered.
    Error,
}

/// How signed URLs are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialPolicy {
    /// Whether a URL that was dialed once is dialed again.
    pub reuse: Reuse,
    /// When a URL is fetched before a dial asks for one. None: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
    /// How long one request to the issuer may take.
    #[serde(with = "length")]
    pub fetch_timeout: Duration,
    /// How the URL for the first connection of a session is asked for. None: as any other, within
    /// [`Policy::startup`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_connect: Option<FirstConnect>,
    /// The delay after a refusal of the issuer that is worth another try.
    pub backoff: Backoff,
    /// Whether the refusals that the backoff goes by add up until the connection is usable. If not, any outcome that
    /// is no refusal of the issuer begins it anew (exec-server sheet, 8: both are known).
    #[serde(default)]
    pub refusals_add_up: bool,
    /// Whether 409 `environment_offline` is worth another try.
    pub offline_is_retryable: bool,
}

/// How the URL for the first connection of a session is asked for, as one part of one attempt (exec-server sheet, 8). A
/// fresh URL after a 401 is asked for with all of this anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstConnect {
    /// How often the issuer is asked again.
    pub retries: u32,
    /// How long one request may take.
    #[serde(with = "length")]
    pub fetch_timeout: Duration,
    /// How long all requests and the delays between them may take.
    #[serde(with = "length")]
    pub phase: Duration,
}

/// A proactive refresh: the URL at hand is replaced before it dies. Nothing on the wire says how long one lives, so the
/// length is what the client believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// How long a URL is believed to live.
    #[serde(with = "length")]
    pub lifetime: Duration,
    /// It is replaced when less than this is left.
    #[serde(with = "length")]
    pub window: Duration,
}

/// Whether a URL that was dialed once is dialed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reuse {
    /// A fresh URL for every dial.
    Never,
    /// The first one for as long as the client lives.
    Always,
}

/// What may pile up in a client. None: nothing stops it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Calls not yet settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_max: Option<usize>,
    /// What becomes of a call beyond that.
    #[serde(default)]
    pub when_full: WhenFull,
    /// Writes of one process that are in flight at a time. With 1 a lost frame cannot change the order of stdin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_in_flight_max: Option<usize>,
    /// Events of one process that wait for an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reorder_events_max: Option<usize>,
    /// Their bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reorder_bytes_max: Option<usize>,
    /// Bytes in one piece of a body that streams back. More means that the peer makes no sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_delta_bytes_max: Option<usize>,
    /// Bytes of all bodies that wait for their readers. More fails the body that brings them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes_max: Option<usize>,
}

/// What becomes of a call for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// Its caller is told to wait, and is served in turn.
    #[default]
    Wait,
    /// It is refused (exec-server sheet, 7.3). Nothing was sent, so it was not applied.
    Refuse,
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        about = "A test."
        session = "resume"
        write_ids = false
        cwd = "uri"
        connect_timeout = "10s"
        initialize_timeout = "10s"
        [startup]
        window = "0s"
        backoff = { base = "0s", cap = "0s" }
        [credential]
        reuse = "never"
        fetch_timeout = "10s"
        backoff = { base = "0s", cap = "0s" }
        offline_is_retryable = false
        [replay]
    "#;

    fn checked(replay: &str) -> Result<(), String> {
        let policy: Policy = toml::from_str(&format!("{POLICY}{replay}")).unwrap();
        policy.check()
    }

    #[test]
    fn a_class_belongs_to_its_operation() {
        assert_eq!(checked(""), Ok(()));
        assert_eq!(checked("read = \"same_cursor\"\nhttp = \"blindly\""), Ok(()));
        assert_eq!(
            checked("start = \"same_id\""),
            Err(
                "replay.start = \"same_id\" means nothing: only a write can be sent again in this way; write \
                 \"never\", or \"blindly\" to plant a bug"
                    .to_owned()
            )
        );
        assert!(
            checked("fs = \"same_cursor\"")
                .unwrap_err()
                .contains("only a read")
        );
    }

    #[test]
    fn the_same_id_needs_ids() {
        assert_eq!(
            checked("write = \"same_id\""),
            Err("replay.write = \"same_id\" needs ids: write `write_ids = true`, or \"never\"".to_owned())
        );
    }
}
