//! The table of all checkers.

use super::reading::Reading;
use super::{Checker, Family, Judge, Verdict};
use super::{
    backpressure, bodies, budget, credentials, isolation, liveness, outcomes, output, resumption, retries,
    sessions, stdin,
};
use crate::history::History;

/// One that reads the history by itself.
const fn checker(
    family: Family,
    name: &'static str,
    judge: fn(&History) -> Verdict,
    about: &'static str,
) -> Checker {
    Checker {
        name,
        family,
        about,
        judge: Judge::History(judge),
    }
}

/// One that needs to know which process an entry is about, or which write a process has read.
const fn reader(
    family: Family,
    name: &'static str,
    judge: fn(&Reading<'_>) -> Verdict,
    about: &'static str,
) -> Checker {
    Checker {
        name,
        family,
        about,
        judge: Judge::Reading(judge),
    }
}

/// Every checker, family by family.
pub static ALL: &[Checker] = &[
    reader(
        Family::Stdin,
        "at-most-once",
        stdin::at_most_once,
        "A process reads a write no more often than its caller asked for it: no keystroke is typed twice.",
    ),
    reader(
        Family::Stdin,
        "in-order",
        stdin::in_order,
        "A process reads writes in the order in which its caller asked for them.",
    ),
    reader(
        Family::Stdin,
        "untorn",
        stdin::untorn,
        "What a process reads is always one whole write.",
    ),
    reader(
        Family::Stdin,
        "accepted-means-applied",
        outcomes::accepted_means_applied,
        "A write that its caller believes to be applied was really read by the process.",
    ),
    reader(
        Family::Stdin,
        "no-false-certainty",
        outcomes::no_false_certainty,
        "No caller is told that something did not happen when it did: repeating it by hand is safe.",
    ),
    checker(
        Family::Stdin,
        "no-needless-surrender",
        outcomes::no_needless_surrender,
        "No caller is told that an outcome is unknown when the client could have known it.",
    ),
    checker(
        Family::Isolation,
        "no-response-leak",
        isolation::no_response_leak,
        "An answer reaches the connection, the request and the caller it belongs to, and no other.",
    ),
    checker(
        Family::Isolation,
        "one-outcome-per-request",
        isolation::one_outcome_per_request,
        "A request id is used once, a request is answered once, and a caller is told one outcome.",
    ),
    checker(
        Family::Isolation,
        "no-cross-session",
        isolation::no_cross_session,
        "A client meets its own sessions and the output of its own processes only.",
    ),
    reader(
        Family::Output,
        "gapless-or-declared",
        output::gapless_or_declared,
        "A subscriber gets all that was printed, in order and unchanged, or is told that it does not.",
    ),
    reader(
        Family::Output,
        "exit-after-output",
        output::exit_after_output,
        "Nothing that comes before an exit or a close arrives after it, and the exit code is the real one.",
    ),
    reader(
        Family::Output,
        "closed-once-and-last",
        output::closed_once_and_last,
        "The end of a process's output is announced once, and nothing follows it.",
    ),
    checker(
        Family::Output,
        "body-ends-honestly",
        bodies::body_ends_honestly,
        "A body that its caller sees end cleanly is complete, and every body ends once.",
    ),
    checker(
        Family::Sessions,
        "process-survives",
        sessions::process_survives,
        "A process outlives the connection that it was started on for as long as its session's lease runs.",
    ),
    reader(
        Family::Sessions,
        "no-orphan",
        sessions::no_orphan,
        "No process runs on that nobody can reach any more, and no session outlives its lease.",
    ),
    checker(
        Family::Sessions,
        "one-live-generation",
        sessions::one_live_generation,
        "A client speaks on its newest connection only, and a session has one connection at a time.",
    ),
    checker(
        Family::Sessions,
        "lease-honoured",
        resumption::lease_honoured,
        "A session is not resumed after its lease has ended, nor after its server has lost its memory.",
    ),
    checker(
        Family::Retries,
        "backoff-within-policy",
        budget::backoff_within_policy,
        "The wait between two attempts is the one that the client's policy asks for.",
    ),
    checker(
        Family::Retries,
        "attempts-within-budget",
        budget::attempts_within_budget,
        "A client tries no more often and no longer than its policy allows.",
    ),
    checker(
        Family::Retries,
        "stays-connected",
        resumption::stays_connected,
        "Where the script gives no reason to, no client dials a second time.",
    ),
    checker(
        Family::Retries,
        "no-hot-loop",
        retries::no_hot_loop,
        "No client dials more than 20 times within one second, whatever its policy says.",
    ),
    checker(
        Family::Retries,
        "single-flight-dial",
        retries::single_flight_dial,
        "A client has one dial in flight, however many callers wait for it.",
    ),
    checker(
        Family::Retries,
        "no-dial-after-terminal",
        retries::no_dial_after_terminal,
        "A client that has given up stays quiet until somebody asks for something.",
    ),
    checker(
        Family::Retries,
        "replay-only-what-is-safe",
        retries::replay_only_what_is_safe,
        "Only what may happen twice, or carries its idempotency key, is sent twice.",
    ),
    checker(
        Family::Retries,
        "done-once",
        bodies::done_once,
        "What a caller asks for once is done once: no HTTP request is made and no file is changed twice.",
    ),
    checker(
        Family::Credentials,
        "fresh-credential-per-dial",
        credentials::fresh_credential_per_dial,
        "No signed URL is dialed twice.",
    ),
    checker(
        Family::Credentials,
        "expired-credential-refused",
        credentials::expired_credential_refused,
        "A server lets nobody in with a signed URL that has expired.",
    ),
    checker(
        Family::Credentials,
        "single-flight-refresh",
        credentials::single_flight_refresh,
        "A client has one request to its issuer in flight, however many dials wait for it.",
    ),
    checker(
        Family::Credentials,
        "no-refresh-after-permanent-failure",
        credentials::no_refresh_after_permanent_failure,
        "A client that was refused for good does not ask its issuer again.",
    ),
    checker(
        Family::Credentials,
        "no-secret-in-history",
        credentials::no_secret_in_history,
        "No text that people or logs get to see shows the signature of a URL.",
    ),
    checker(
        Family::Backpressure,
        "bounded-queues",
        backpressure::bounded_queues,
        "No queue holds more than it promised.",
    ),
    checker(
        Family::Liveness,
        "everything-settles",
        liveness::everything_settles,
        "Every caller learns what became of its call.",
    ),
    checker(
        Family::Liveness,
        "recovered-within",
        liveness::recovered_within,
        "Every client is usable again soon after the last fault is over.",
    ),
];
