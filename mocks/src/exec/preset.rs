//! What the published versions do differently: data, one source a field.
//!
//! "Table 1" is that of section 1 of the exec-server sheet. Where the recordings in `contracts/` say more, they are
//! named.

use std::time::Duration;

use unplug_reconnect::wire::exec::method;
use unplug_reconnect::wire::rpc::{INVALID_REQUEST, STILL_ATTACHED};

/// What a server does with the `writeId` of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteIds {
    /// It is an unknown field: every request is applied.
    Ignored,
    /// It must be there and not empty, and the last so many of a process are remembered.
    Required {
        /// How many (table "kept" of section 3).
        memory: usize,
    },
}

/// What `nextSeq` is in the answer to a read without `maxBytes` that returns chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextSeq {
    /// The last returned chunk + 1.
    LastChunk,
    /// The next number of the process, which counts exit and close.
    Process,
}

/// Which forms of `cwd` are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cwd {
    /// An absolute path. All else is a directory that does not exist.
    Path,
    /// An absolute path or a `file:` URI. All else does not decode.
    PathOrUri,
    /// A `file:` URI. All else does not decode.
    Uri,
}

/// How many requests of one connection are worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// One: a long poll blocks everything behind it.
    OneAtATime,
    /// As many as there are. The real bound N is not known (section 16).
    Concurrent,
}

/// The behaviour of one published version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preset {
    /// The version, as in [`Preset::NAMES`].
    pub name: &'static str,
    /// How long a session outlives its connection. Source: table 1, "detached TTL" (10.1, 10.1, 30.0, 80.3 s measured).
    pub detached_ttl: Duration,
    /// The code of the refusal to resume an attached session. Source: table 1; case `resume-while-attached`.
    pub still_attached_code: i64,
    /// Source: table 1, four rows on `writeId`; cases `write-id-*` and `write-no-write-id`.
    pub write_ids: WriteIds,
    /// Source: table 1, "`process/read` `nextSeq`"; case `start-echo-exit`.
    pub next_seq: NextSeq,
    /// Whether read results have `sandboxDenied`. Source: table 1.
    pub sandbox_denied_in_reads: bool,
    /// Whether `process/exited` has `sandboxDenied`. Source: case `signal-interrupt` of 0.169.0.
    pub sandbox_denied_in_exits: bool,
    /// Whether `process/signal` exists. Source: table 1; case `signal-interrupt`.
    pub signal: bool,
    /// Source: table 1, three rows on `cwd`; case `cwd-forms`.
    pub cwd: Cwd,
    /// `sandboxType` in the result of `process/start`. Source: table 1.
    pub sandbox_type: Option<&'static str>,
    /// Whether the result of `initialize` has `environmentInfo`. Source: table 1, keys in 2.3.
    pub environment_info: bool,
    /// Whether `environment/status` exists. Source: 2.3, tagged later.
    pub environment_status: bool,
    /// Whether `fs/writeBlock` exists. Source: 9, tagged later.
    pub write_block: bool,
    /// The exit code of a terminated process. Source: table 1. In 0.140.0 and 0.142.0 the recordings saw both -1 and 137.
    pub terminated_code: i32,
    /// The exit code of a process that an interrupt killed. Source: table 1; case `signal-interrupt`.
    pub interrupted_code: i32,
    /// How much output of a process is retained, in bytes. Source: table "kept" of section 3.
    pub retained_bytes: usize,
    /// How much output of a process is retained, in chunks. Source: table 1, "output bound", tagged later.
    pub retained_chunks: Option<usize>,
    /// How long an ended process is kept after it closed. Source: table "kept" of section 3.
    pub ended_retention: Duration,
    /// Source: table 1, "requests on one connection"; section 3, "Dispatch".
    pub dispatch: Dispatch,
    /// Whether `process/terminate` ends a process that is still starting; if not, it lives on. Source: section 2.5,
    /// "never errors", tagged later.
    pub terminate_cancels_start: bool,
    /// How often the server pings. Source: section 10, first line.
    pub ping_interval: Duration,
}

impl Preset {
    /// The names of all presets, oldest first.
    pub const NAMES: [&'static str; 4] = ["0.134", "0.140", "0.142", "0.169"];

    /// Whether this version knows a method that is not in all versions.
    pub(super) fn knows(&self, name: &str) -> bool {
        match name {
            method::SIGNAL => self.signal,
            method::STATUS => self.environment_status,
            method::FS_WRITE_BLOCK => self.write_block,
            _ => true,
        }
    }

    /// The preset of a version.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "0.134" => Some(Self::v0_134()),
            "0.140" => Some(Self::v0_140()),
            "0.142" => Some(Self::v0_142()),
            "0.169" => Some(Self::v0_169()),
            _ => None,
        }
    }

    /// 0.134, and 0.133.
    pub fn v0_134() -> Self {
        Self {
            name: "0.134",
            detached_ttl: Duration::from_secs(10),
            still_attached_code: INVALID_REQUEST,
            write_ids: WriteIds::Ignored,
            next_seq: NextSeq::LastChunk,
            sandbox_denied_in_reads: false,
            sandbox_denied_in_exits: false,
            signal: false,
            cwd: Cwd::Path,
            sandbox_type: None,
            environment_info: false,
            environment_status: false,
            write_block: false,
            terminated_code: -1,
            interrupted_code: 130,
            retained_bytes: 1 << 20,
            retained_chunks: None,
            ended_retention: Duration::from_secs(30),
            dispatch: Dispatch::OneAtATime,
            terminate_cancels_start: false,
            ping_interval: Duration::from_secs(30),
        }
    }

    /// 0.140, and 0.141.
    pub fn v0_140() -> Self {
        Self {
            name: "0.140",
            signal: true,
            ..Self::v0_134()
        }
    }

    /// 0.142: sessions are resumed, writes have ids.
    pub fn v0_142() -> Self {
        Self {
            name: "0.142",
            detached_ttl: Duration::from_secs(30),
            still_attached_code: STILL_ATTACHED,
            write_ids: WriteIds::Required { memory: 4_096 },
            next_seq: NextSeq::Process,
            sandbox_denied_in_reads: true,
            cwd: Cwd::PathOrUri,
            ..Self::v0_140()
        }
    }

    /// 0.169.
    pub fn v0_169() -> Self {
        Self {
            name: "0.169",
            detached_ttl: Duration::from_secs(80),
            sandbox_denied_in_exits: true,
            cwd: Cwd::Uri,
            sandbox_type: Some("none"),
            environment_info: true,
            environment_status: true,
            write_block: true,
            terminated_code: 137,
            retained_chunks: Some(50_000),
            dispatch: Dispatch::Concurrent,
            terminate_cancels_start: true,
            ..Self::v0_142()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_the_name_of_its_preset() {
        for name in Preset::NAMES {
            assert_eq!(Preset::named(name).unwrap().name, name);
        }
        assert_eq!(Preset::named("0.135"), None);
    }
}
