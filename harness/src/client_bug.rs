//! The planted bugs of clients: each proves a checker.
//!
//! The machines under test stay clean. A bug is brought about between a machine and its host (`host/saboteur`), or by
//! running the machine with another policy than the history says.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantArray};

/// A deliberate mistake. `None` in every real test; written `claim_not_applied` in files.
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
pub enum ClientBug {
    // What callers are told.
    /// Says of what nobody can know that it was not applied.
    ClaimNotApplied,
    /// Says of a write that nobody can know of that it was applied.
    ClaimApplied,
    /// Says of a write that it had to send again that nobody can know, although its answer is there.
    SurrenderResent,
    /// Tells the caller of a write once for each time that it was sent.
    TellTwice,
    /// Never tells a caller whose call was cut.
    ForgetCaller,

    // What subscribers are told.
    /// Loses the first output that it catches up with after a reconnect.
    SkipOutput,
    /// Publishes the last output of each process again after a reconnect.
    RepeatOutput,
    /// Holds output back for 50 ms, and publishes an exit at once.
    ExitFirst,
    /// Announces the end of a process's output twice.
    CloseTwice,

    // What is asked.
    /// Hands a client whose connection has ended to every later caller, who never hears of it again.
    KeepDeadClient,
    // What is sent.
    /// A write that is sent again lacks its last byte.
    TruncateResend,
    /// A write that is sent again gets a new key.
    NewKeyOnResend,
    /// Sends a start again that has no answer after a second.
    ResendSlowStart,
    /// Counts the requests of a connection from 1 to 3 and begins again.
    WrapRequestIds,
    /// Keeps the answers of a connection that is gone, and takes them for answers on the next one.
    StaleAnswers,
    /// Does not end what an unanswered start may have started.
    ForgetCleanUp,
    /// Does not hang up a connection that it gives up, and pings on it when it has a new one.
    PingOldConnection,

    // Bodies.
    /// Tells a caller that a body is complete when it failed.
    CleanCut,

    // When it dials.
    /// Gives a dial up after a second without ending it.
    ForgetDial,
    /// Sets out for a new session at once when it has given up one, though nobody asked.
    DialAfterGivingUp,

    // Signed URLs.
    /// Gives a request to the issuer up after a second without ending it.
    ForgetFetch,
    /// Does not remember that the issuer refused for good.
    ForgetRefusal,
    /// Names the last URL in full when the issuer refuses another one.
    ShowUrl,

    // Another policy than the one that it claims to have.
    /// Waits half as long as its policy says.
    HalfWait,
    /// Waits twice as long as its policy says.
    DoubleWait,
    /// Tries for twice as long as its policy says.
    OutliveWindow,
    /// Makes one attempt more than its policy allows.
    OneMoreAttempt,
    /// Takes in more calls than its policy allows.
    NoBound,
    /// Sends writes without waiting for the answer to the one before, whatever its policy says.
    PipelineWrites,
    /// Dials every URL again and again.
    KeepUrl,
    /// Does not notice silence: no ping, and answers are waited for without an end.
    IgnoreSilence,
    /// Begins a new session after each loss of a connection.
    ForgetSession,
}
