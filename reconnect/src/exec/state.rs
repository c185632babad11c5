//! The states of the exec client, their data, and the edges between them.

use std::fmt::{self, Write as _};

use crate::id::{ConnId, ProcessId};
use crate::policy::Heartbeat;
use crate::time::Time;

/// Where the machine stands and what it knows there.
pub(super) enum State {
    /// No connection, and nobody needs one.
    Idle,
    /// A signed URL was asked for.
    Fetching { until: Option<Time>, effort: Effort },
    /// A dial is in flight.
    Dialing {
        conn: ConnId,
        until: Time,
        effort: Effort,
    },
    /// `initialize` was sent.
    Attaching {
        conn: ConnId,
        until: Time,
        effort: Effort,
    },
    /// Attached; the output that was missed is read, one process after the other.
    Filling {
        conn: ConnId,
        until: Option<Time>,
        left: Vec<ProcessId>,
        effort: Effort,
    },
    /// Usable. `heard` is the peer's last sign of life, `pinged` when it was asked for one since.
    Up {
        conn: ConnId,
        heard: Time,
        pinged: Option<Time>,
    },
    /// Between two attempts.
    Waiting { until: Time, effort: Effort },
    /// The session was given up. A call begins a new one.
    Failed,
}

/// The way from no connection to a usable one, over as many attempts as it takes.
#[derive(Clone, Debug)]
pub(super) struct Effort {
    /// Why it is needed, in words: how the last connection ended.
    pub(super) reason: String,
    /// After this no attempt begins; when a session is resumed, none goes on either.
    pub(super) deadline: Time,
    /// Attempts begun.
    pub(super) attempts: u32,
    /// Refusals of the issuer that the backoff goes by.
    pub(super) refusals: u32,
    /// A URL for a first connection is being asked for, with limits of its own.
    pub(super) url_phase: Option<UrlPhase>,
    /// Whether a 401 was already answered by a fresh URL at once.
    pub(super) refreshed: bool,
    /// What went wrong last.
    pub(super) error: Option<String>,
}

/// The part of an attempt in which the issuer is asked for the URL of a first connection, once or more often.
#[derive(Clone, Copy, Debug)]
pub(super) struct UrlPhase {
    /// After this no request begins, and none goes on.
    pub(super) until: Time,
    /// How often the issuer may be asked again.
    pub(super) retries_left: u32,
}

/// The name of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No connection, and nobody needs one.
    Idle,
    /// Waiting for a signed URL.
    Fetching,
    /// A dial is in flight.
    Dialing,
    /// Waiting for the answer to `initialize`.
    Attaching,
    /// Reading what was missed.
    Filling,
    /// Usable.
    Up,
    /// Between two attempts.
    Waiting,
    /// Given up.
    Failed,
}

/// All moves that there are.
pub const EDGES: &[(Phase, Phase)] = &[
    (Phase::Idle, Phase::Fetching),
    (Phase::Idle, Phase::Dialing),
    (Phase::Fetching, Phase::Dialing),
    (Phase::Fetching, Phase::Waiting),
    (Phase::Fetching, Phase::Idle),
    (Phase::Fetching, Phase::Failed),
    (Phase::Dialing, Phase::Attaching),
    (Phase::Dialing, Phase::Fetching),
    (Phase::Dialing, Phase::Waiting),
    (Phase::Dialing, Phase::Idle),
    (Phase::Dialing, Phase::Failed),
    (Phase::Attaching, Phase::Filling),
    (Phase::Attaching, Phase::Up),
    (Phase::Attaching, Phase::Waiting),
    (Phase::Attaching, Phase::Idle),
    (Phase::Attaching, Phase::Failed),
    (Phase::Filling, Phase::Up),
    (Phase::Filling, Phase::Waiting),
    (Phase::Filling, Phase::Failed),
    (Phase::Up, Phase::Fetching),
    (Phase::Up, Phase::Dialing),
    (Phase::Up, Phase::Idle),
    (Phase::Up, Phase::Failed),
    (Phase::Waiting, Phase::Fetching),
    (Phase::Waiting, Phase::Dialing),
    (Phase::Waiting, Phase::Idle),
    (Phase::Waiting, Phase::Failed),
    (Phase::Failed, Phase::Fetching),
    (Phase::Failed, Phase::Dialing),
];

impl Phase {
    /// As it is written in scripts and histories.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Fetching => "fetching",
            Self::Dialing => "dialing",
            Self::Attaching => "attaching",
            Self::Filling => "filling",
            Self::Up => "up",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The drawing of [`EDGES`] for review: one line an edge.
#[doc(hidden)]
pub fn dot() -> String {
    let mut drawing = String::from("digraph exec {\n");
    for (from, to) in EDGES {
        writeln!(drawing, "    {from} -> {to};").expect("a string takes every write");
    }
    drawing.push_str("}\n");
    drawing
}

impl State {
    pub(super) const fn phase(&self) -> Phase {
        match self {
            Self::Idle => Phase::Idle,
            Self::Fetching { .. } => Phase::Fetching,
            Self::Dialing { .. } => Phase::Dialing,
            Self::Attaching { .. } => Phase::Attaching,
            Self::Filling { .. } => Phase::Filling,
            Self::Up { .. } => Phase::Up,
            Self::Waiting { .. } => Phase::Waiting,
            Self::Failed => Phase::Failed,
        }
    }

    /// The only connection that is listened to.
    pub(super) const fn conn(&self) -> Option<ConnId> {
        match self {
            Self::Dialing { conn, .. }
            | Self::Attaching { conn, .. }
            | Self::Filling { conn, .. }
            | Self::Up { conn, .. } => Some(*conn),
            Self::Idle | Self::Fetching { .. } | Self::Waiting { .. } | Self::Failed => None,
        }
    }

    pub(super) fn deadline(&self, heartbeat: Option<&Heartbeat>) -> Option<Time> {
        match self {
            Self::Dialing { until, .. } | Self::Attaching { until, .. } | Self::Waiting { until, .. } => {
                Some(*until)
            }
            Self::Fetching { until, .. } | Self::Filling { until, .. } => *until,
            Self::Up { heard, pinged, .. } => heartbeat.map(|heartbeat| match pinged {
                Some(pinged) => *pinged + heartbeat.timeout,
                None => *heard + heartbeat.interval,
            }),
            Self::Idle | Self::Failed => None,
        }
    }

    /// Notes a sign of life.
    pub(super) const fn hear(&mut self, now: Time) {
        if let Self::Up { heard, pinged, .. } = self {
            *heard = now;
            *pinged = None;
        }
    }
}
