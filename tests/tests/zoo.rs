//! The zoo: every planted bug, the checker that catches it, and the sentence in which it does.
//!
//! A mock's bug is a switch, a client's bug is a broken policy or an old version. What neither can bring about is
//! planted by hand, in the histories of the checkers' own tests; the lists here say which is which, and no checker may
//! be missing from both.

use std::collections::BTreeSet;

use strum::VariantArray as _;
use unplug::checkers::{self, Verdict};
use unplug::judge::WorldName;
use unplug_mocks::exec::Bug;
use unplug_tests::suite;

/// Case of a scenario, checker, sentence.
const CAUGHT: &[(&str, &str, &str)] = &[
    (
        "exec/wifi_blip@forget_write_ids",
        "at-most-once",
        "sh of s1 read w1 twice, but laptop asked for it once",
    ),
    (
        "exec/cut_frame@reorder_writes",
        "in-order",
        "sh of s1 read w2 before w1, but laptop asked for w1 first",
    ),
    (
        "exec/wifi_stall@torn_write",
        "untorn",
        "sh of s1 read \"l\" as w1, which is \"ls\\n\"",
    ),
    (
        "exec/mid_turn_close_fin@ack_before_apply",
        "accepted-means-applied",
        "laptop was told that w1 is applied, but sh of s1 never read it",
    ),
    (
        "exec/late_reply@answer_on_current_connection",
        "no-response-leak",
        "c2 received an answer to r4 of c1 (process/read) it never asked for",
    ),
    (
        "exec/double_attach@leak_session",
        "no-cross-session",
        "laptop was attached to s2 on c2, which desktop had opened",
    ),
    (
        "exec/slow_consumer@recommended+drop_retained",
        "gapless-or-declared",
        "laptop never received seq 37 of flood, which is \"37......................\"…",
    ),
    (
        "exec/slow_consumer@reorder_output",
        "gapless-or-declared",
        "laptop received \"2.......................\"… as seq 1 of flood, which is \"1.......................\"…",
    ),
    (
        "exec/lease_lost@kill_on_detach",
        "process-survives",
        "sh of s1 was killed when its connection ended, although its lease ran until +35.000s",
    ),
    (
        "exec/half_open@codex-0.142",
        "process-survives",
        "laptop lost sh although executor still ran it in s1",
    ),
    (
        "exec/double_attach@attach_twice",
        "one-live-generation",
        "s1 was attached to c1 and to c2 at once",
    ),
    (
        "exec/lease_lost@keep_after_expiry",
        "lease-honoured",
        "executor resumed s1 at +40.100s, although its lease had ended at +35.000s",
    ),
    (
        "exec/server_restart@revive_dead",
        "lease-honoured",
        "executor resumed s1 at +5.140s, although it lost its memory at +2.000s",
    ),
    (
        "exec/wifi_stall@broken-impatient",
        "stays-connected",
        "laptop dialed c2 at +1.280s without need",
    ),
    (
        "exec/refused@broken-hammer",
        "no-hot-loop",
        "laptop dialed 21 times within one second, at last c22",
    ),
    (
        "exec/no_replay_matrix@broken-replayer",
        "replay-only-what-is-safe",
        "laptop sent k2 (process/start) again on c2, which may happen twice",
    ),
    (
        "exec/url_expiry_between_dials@0.134",
        "fresh-credential-per-dial",
        "laptop dialed c2 with u1, which c1 had used",
    ),
    (
        "exec/url_expiry_in_handshake@accept_expired_url",
        "expired-credential-refused",
        "executor accepted c1 with u1, which had expired at +0.120s",
    ),
    (
        "exec/mid_turn_close_reset@swallow_resend",
        "everything-settles",
        "laptop never learned what became of w1, asked for at +1.000s",
    ),
    (
        "exec/wifi_blip@0.134",
        "recovered-within",
        "laptop was not usable within 5s of the end of the last fault at +1.820s",
    ),
];

/// Caught in histories written by hand: no mock and no policy of ours can do these.
const BY_HAND: &[&str] = &[
    "no-false-certainty",
    "no-needless-surrender",
    "one-outcome-per-request",
    "exit-after-output",
    "closed-once-and-last",
    "no-orphan",
    "backoff-within-policy",
    "attempts-within-budget",
    "single-flight-dial",
    "no-dial-after-terminal",
    "single-flight-refresh",
    "no-refresh-after-permanent-failure",
    "no-secret-in-history",
    "bounded-queues",
];

#[test]
fn every_planted_bug_is_caught_in_one_sentence() {
    let cases = suite::all();
    let mut wrong = Vec::new();
    for (name, checker, sentence) in CAUGHT {
        let case = cases
            .iter()
            .find(|case| case.name() == *name)
            .unwrap_or_else(|| panic!("no case {name}"));
        let judged = case.run(WorldName::Fast);
        let verdict = judged
            .judgements
            .into_iter()
            .find(|judgement| judgement.checker.name == *checker);
        let verdict = verdict.map(|judgement| judgement.verdict);
        if verdict != Some(Verdict::Fail((*sentence).to_owned())) {
            wrong.push(format!("{name}: {checker} says {verdict:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_bug_of_a_mock_is_missing() {
    for bug in Bug::VARIANTS {
        let caught = CAUGHT.iter().any(|(name, ..)| name.ends_with(&bug.to_string()));
        assert!(caught, "{bug} is planted and nothing shows that it is caught");
    }
}

#[test]
fn no_checker_is_missing() {
    let known: BTreeSet<_> = CAUGHT
        .iter()
        .map(|(_, checker, _)| *checker)
        .chain(BY_HAND.iter().copied())
        .collect();
    let all: BTreeSet<_> = checkers::ALL.iter().map(|checker| checker.name).collect();
    assert_eq!(known, all);
}
