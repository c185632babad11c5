//! The zoo: every planted bug, the checker that catches it, and the sentence in which it does.
//!
//! A mock's bug is a switch. A client's bug is planted between its machine and its host, or is a broken policy or an old
//! version. No planted bug and no checker may be missing here. `score` says how soon random storms find each bug.

use std::collections::BTreeSet;

use strum::VariantArray as _;
use unplug::checkers::{self, Verdict};
use unplug::client_bug::ClientBug;
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
        "exec/http_body_breaks@done_when_cut",
        "body-ends-honestly",
        "laptop saw the body of k1 end cleanly after 21 bytes, but it was not complete",
    ),
    (
        "exec/http_body_cut@leak_body",
        "no-response-leak",
        "c2 received a piece of the body of http-1, which it never asked for",
    ),
    (
        "exec/http_body_cut@clean_cut",
        "body-ends-honestly",
        "laptop saw the body of k1 end cleanly after 21 bytes, but it was not complete",
    ),
    (
        "exec/http_not_replayed@broken-replayer",
        "done-once",
        "executor did k1 (http/request) twice, but laptop asked for it once",
    ),
    (
        "exec/http_slow_body@codex-0.142",
        "bounded-queues",
        "the queue body bytes of laptop held 25165824, and at most 16777216 is sane",
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
    (
        "exec/cut_in_mid_start@claim_not_applied",
        "no-false-certainty",
        "laptop was told that k2 (process/start) is not applied, but build was started",
    ),
    (
        "exec/server_out_of_reach@claim_applied",
        "accepted-means-applied",
        "laptop was told that w1 is applied, but sh of s1 never read it",
    ),
    (
        "exec/mid_turn_close_reset@surrender_resent",
        "no-needless-surrender",
        "laptop was told that the outcome of w1 is unknown, but its answer had arrived on c2",
    ),
    (
        "exec/mid_turn_close_reset@tell_twice",
        "one-outcome-per-request",
        "laptop was told twice what became of w1",
    ),
    (
        "exec/cut_in_mid_start@forget_caller",
        "everything-settles",
        "laptop never learned what became of k2 (process/start), asked for at +1.000s",
    ),
    (
        "exec/wifi_blip@skip_output",
        "gapless-or-declared",
        "laptop received seq 2 of sh after seq 0, and nobody said that anything is lost",
    ),
    (
        "exec/wifi_blip_new_address@repeat_output",
        "gapless-or-declared",
        "laptop received seq 1 of sh after seq 1",
    ),
    (
        "exec/exit_while_away@exit_first",
        "exit-after-output",
        "laptop was told that count exited (seq 9) before it got seq 4",
    ),
    (
        "exec/exit_while_away@close_twice",
        "closed-once-and-last",
        "laptop was told that count is closed after it was told that count is closed",
    ),
    (
        "exec/cut_frame@truncate_resend",
        "untorn",
        "sh of s1 read \"one\" as w1, which is \"one\\n\"",
    ),
    (
        "exec/mid_turn_close_reset@new_key_on_resend",
        "replay-only-what-is-safe",
        "laptop sent w1001 again on c2, which it had sent as w1",
    ),
    (
        "exec/slow_start@resend_slow_start",
        "replay-only-what-is-safe",
        "laptop sent k1 (process/start) again on c1, which may happen twice",
    ),
    (
        "exec/mid_turn_close_ws_close@wrap_request_ids",
        "one-outcome-per-request",
        "c2 carried two requests with the id r1",
    ),
    (
        "exec/half_open@stale_answers",
        "no-response-leak",
        "laptop settled w2 by the answer to w1, which was not sent for it",
    ),
    (
        "exec/cut_in_mid_start@forget_clean_up",
        "no-orphan",
        "build still runs in s1, and laptop cannot reach it",
    ),
    (
        "exec/server_lets_go@ping_old_connection",
        "one-live-generation",
        "laptop sent ping on c1 after it had attached c2",
    ),
    (
        "exec/server_out_of_reach@forget_dial",
        "single-flight-dial",
        "laptop dialed c3 while its dial c2 was in flight",
    ),
    (
        "exec/server_out_of_reach@dial_after_giving_up",
        "no-dial-after-terminal",
        "laptop dialed c7 after it had given up, and nobody had asked",
    ),
    (
        "exec/registry_hangs@forget_fetch",
        "single-flight-refresh",
        "laptop asked its issuer on f3 while f2 was in flight",
    ),
    (
        "exec/issuer_refuses@forget_refusal",
        "no-refresh-after-permanent-failure",
        "laptop asked its issuer on f3 after it was refused for good",
    ),
    (
        "exec/issuer_refuses@show_url",
        "no-secret-in-history",
        "laptop showed the query of a signed URL in the reason why it has no credentials",
    ),
    (
        "exec/refused@half_wait",
        "backoff-within-policy",
        "laptop dialed c3 50ms after c2 failed, but its policy waits at least 100ms",
    ),
    (
        "exec/refused@double_wait",
        "backoff-within-policy",
        "laptop dialed c3 200ms after c2 failed, but its policy waits at most 100ms",
    ),
    (
        "exec/server_out_of_reach@outlive_window",
        "attempts-within-budget",
        "laptop dialed c7 after it had tried for 28s 605ms, but its policy tries for 28s",
    ),
    (
        "exec/server_not_up_yet@0.134+one_more_attempt",
        "attempts-within-budget",
        "laptop began attempt 2 on c2, but its policy allows 1",
    ),
    (
        "exec/many_callers_while_away@no_bound",
        "bounded-queues",
        "the queue calls of laptop held 4, but promised at most 2",
    ),
    (
        "exec/lost_write@pipeline_writes",
        "in-order",
        "sh of s1 read w2 before w1, but laptop asked for w1 first",
    ),
    (
        "exec/url_expiry_between_dials@keep_url",
        "fresh-credential-per-dial",
        "laptop dialed c2 with u1, which c1 had used",
    ),
    (
        "exec/server_lets_go@ignore_silence",
        "recovered-within",
        "laptop was not usable within 20s of the end of the last fault at +5.000s",
    ),
    (
        "exec/mid_turn_close_fin@forget_session",
        "process-survives",
        "laptop lost sh although executor still ran it in s1, with a lease until +31.040s",
    ),
    (
        "exec/idle_nat_forgets@no_pings",
        "process-survives",
        "laptop lost sh although executor still ran it in s1",
    ),
    (
        "exec/dead_client_replaced_once@keep_dead_client",
        "everything-settles",
        "laptop never learned what became of k2 (process/start), asked for at +10.000s",
    ),
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
fn no_bug_of_a_client_is_missing() {
    for bug in ClientBug::VARIANTS {
        let caught = CAUGHT.iter().any(|(name, ..)| name.ends_with(&bug.to_string()));
        assert!(caught, "{bug} is planted and nothing shows that it is caught");
    }
}

#[test]
fn no_checker_is_missing() {
    let known: BTreeSet<_> = CAUGHT.iter().map(|(_, checker, _)| *checker).collect();
    let all: BTreeSet<_> = checkers::ALL.iter().map(|checker| checker.name).collect();
    assert_eq!(known, all);
}
