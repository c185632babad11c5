//! The history of a run: a list of typed events, and the whole truth about it.
//!
//! Worlds write it, checkers and reports read it, and nothing passes between them but it. On disk it is JSON lines: a
//! header, then one event a line. The same scenario with the same seed gives the same bytes.

pub mod event;

use std::io::{self, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use unplug_reconnect::policy::Policy;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::{Time, length};

pub use event::{
    Asked, BODY_BYTES, Call, CloseReason, DialError, Dir, Event, Frame, Kind, Label, Name, ResumeRefusal,
    Truth,
};

/// The version of the JSON lines format.
pub const SCHEMA: u32 = 1;

/// What was run: everything that a checker may need beside the events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The scenario's name, for example `exec/wifi_blip`.
    pub scenario: String,
    /// The case's name; empty for the script as it stands.
    pub case: String,
    /// `fast`, `turmoil` or `live`.
    pub world: String,
    /// What the run was drawn from.
    pub seed: Seed,
    /// When the run was to end.
    pub until: Time,
    /// Who took part. [`Entry::who`] is an index into it.
    pub hosts: Vec<Host>,
    /// How soon clients must be usable again after the last fault is over, if the scenario says so.
    #[serde(default, with = "length::option", skip_serializing_if = "Option::is_none")]
    pub recovered_within: Option<Duration>,
    /// Whether nothing in the script is a reason for a client to dial again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays_connected: bool,
}

/// One who takes part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its name in the scenario; the script itself is `!`.
    pub name: Name,
    /// What it is.
    #[serde(flatten)]
    pub role: Role,
}

/// What a host is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Role {
    /// The script, whose events are the faults.
    Script,
    /// An exec client.
    Client {
        /// The name of its policy.
        preset: String,
        /// Its policy.
        policy: Box<Policy>,
    },
    /// An exec server.
    ExecServer {
        /// Its version.
        version: String,
        /// The length of its sessions' lease.
        #[serde(with = "length")]
        lease: Duration,
    },
    /// A credential issuer.
    Issuer,
}

/// One event: when, for whom, what.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it became true.
    pub t: Time,
    /// For which host: an index into [`Header::hosts`].
    pub who: usize,
    /// What.
    pub event: Event,
}

/// All that is known about a run.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// What was run.
    pub header: Header,
    /// What happened, in order.
    pub entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Line<'a> {
    t: Time,
    who: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

impl History {
    /// The name of a host.
    ///
    /// # Panics
    /// If `who` is no index into the header's hosts.
    pub fn name(&self, who: usize) -> &str {
        &self.header.hosts[who].name
    }

    /// Writes the history as JSON lines.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_jsonl(&self, mut to: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut to, &self.header)?;
        to.write_all(b"\n")?;
        for entry in &self.entries {
            let line = Line {
                t: entry.t,
                who: self.name(entry.who),
                event: &entry.event,
            };
            serde_json::to_writer(&mut to, &line)?;
            to.write_all(b"\n")?;
        }
        Ok(())
    }

    /// The history as JSON lines.
    pub fn to_jsonl(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_jsonl(&mut bytes).expect("a vector takes every write");
        bytes
    }

    /// What tells two runs apart: the first 8 bytes of the SHA-256 of the JSON lines, in hex.
    pub fn digest(&self) -> String {
        Sha256::digest(self.to_jsonl())
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}
