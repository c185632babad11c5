//! The planted bugs of the exec server and of the gate in front of it: each proves a checker.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantArray};
use unplug_reconnect::id::ConnId;
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{Chunk, Stream};

/// A deliberate mistake. `None` in every real test; written `forget_write_ids` in files.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Display,
    EnumString,
    VariantArray,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Bug {
    /// No write id is remembered: a resend is applied twice.
    ForgetWriteIds,
    /// A write is answered `accepted` at once and handed to the process 50 ms later; it is lost if the connection ends
    /// before.
    AckBeforeApply,
    /// A resent write is recognised and not answered.
    SwallowResend,
    /// Answers to `process/…` requests take 50 ms, survive the end of their connection, and go out on whatever
    /// connection the session has by then.
    AnswerOnCurrentConnection,
    /// Of two chunks printed within 150 ms the second gets the first's number and the first the second's.
    ReorderOutput,
    /// What is printed while nobody is attached is not retained, and the numbers go on as if it had never been.
    DropRetained,
    /// Processes die when the connection does.
    KillOnDetach,
    /// The gate admits a URL that has expired.
    AcceptExpiredUrl,
    /// A write of two bytes or more reaches the process as two, and the byte between them is lost.
    TornWrite,
    /// Every other write is answered, held back, and handed over after the next one, or alone after 100 ms.
    ReorderWrites,
    /// A resume is answered with the id that was asked for and attached to another client's session, if there is one.
    LeakSession,
    /// A lease that ends has no effect: the session and its processes live on and can be resumed for ever.
    KeepAfterExpiry,
    /// A resume of an unknown session succeeds, with a new and empty session of that id.
    ReviveDead,
    /// A resume of a session that is attached succeeds: the owner is evicted without a word.
    AttachTwice,
    /// A body that its origin cut short is passed on as if it were complete.
    DoneWhenCut,
    /// Bodies are not cancelled with the connection that they stream on: they go on on the session's next one.
    LeakBody,
    /// Nobody is pinged: a server that has nothing to say never finds out that a connection is dead.
    NoPings,
}

/// How late [`Bug::AckBeforeApply`] hands a write over.
pub(super) const APPLY_DELAY: Duration = Duration::from_millis(50);
/// How long an answer takes under [`Bug::AnswerOnCurrentConnection`].
pub(super) const ANSWER_DELAY: Duration = Duration::from_millis(50);
/// How long [`Bug::ReorderOutput`] waits for a second chunk: longer than the default pace of `count`.
pub(super) const OUTPUT_HOLD: Duration = Duration::from_millis(150);
/// How long [`Bug::ReorderWrites`] waits for a second write.
pub(super) const WRITE_HOLD: Duration = Duration::from_millis(100);

/// A write on its way to its process; with a planted bug it may be answered before it arrives.
#[derive(Debug)]
pub(super) struct LateWrite {
    pub(super) due: Time,
    pub(super) conn: ConnId,
    pub(super) write: Option<String>,
    pub(super) chunk: Chunk,
}

/// What a planted bug keeps about one process. Empty without a bug.
#[derive(Debug, Default)]
pub(super) struct Mischief {
    /// Of `AckBeforeApply` (all) and `ReorderWrites` (at most one).
    pub(super) writes: VecDeque<LateWrite>,
    /// Of `ReorderOutput`.
    pub(super) output: Option<(Time, Stream, Chunk)>,
}

impl Mischief {
    /// When something that is held back is let go.
    pub(super) fn due(&self) -> Option<Time> {
        let write = self.writes.front().map(|write| write.due);
        let output = self.output.as_ref().map(|(due, ..)| *due);
        write.into_iter().chain(output).min()
    }
}
