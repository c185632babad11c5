//! When and how often a client dials and repeats itself.

use unplug_reconnect::policy::{FirstConnect, Policy, ReplayClass, SessionMode, StillAttached};
use unplug_reconnect::wire::exec::method;

use super::run::{Run, ms, request};
use crate::fault::Fault;
use crate::history::DialError;

const REFUSED: DialError = DialError::Refused;

/// `c1` was lost at 1 s, and `c2` failed at once.
fn failed() -> Run {
    Run::up()
        .at(1_000)
        .closed("c1")
        .dials("c2")
        .dial_fails("c2", REFUSED)
}

#[test]
fn backoff_within_policy() {
    const NAME: &str = "backoff-within-policy";
    failed().at(1_100).dials("c3").passes(NAME);
    Run::up().is_vacuous(NAME);
    failed().at(1_003).dials("c3").fails(
        NAME,
        "laptop dialed c3 3ms after c2 failed, but its policy waits at least 100ms",
    );
    failed().at(1_200).dials("c3").fails(
        NAME,
        "laptop dialed c3 200ms after c2 failed, but its policy waits at most 100ms",
    );
    Run::up().at(1_000).closed("c1").at(22_000).dials("c2").fails(
        NAME,
        "laptop dialed c2 21s after c1 was lost, but its policy waits at most 20s 100ms",
    );
    // An attempt that got as far as the handshake failed when it was left.
    let left = || {
        Run::up()
            .at(1_000)
            .closed("c1")
            .connects("c2")
            .at(1_500)
            .hangs_up("c2")
    };
    left().at(1_600).dials("c3").passes(NAME);
    left().at(1_500).dials("c3").fails(
        NAME,
        "laptop dialed c3 0s after c2 failed, but its policy waits at least 100ms",
    );
}

#[test]
fn nobody_judges_the_timers_of_a_stalled_client() {
    let stall = Fault::Stall {
        host: "laptop".to_owned(),
        r#for: ms(1),
    };
    failed()
        .strikes(stall)
        .dials("c3")
        .passes("backoff-within-policy");
}

#[test]
fn a_fresh_session_is_dialed_when_somebody_asks() {
    const NAME: &str = "backoff-within-policy";
    let fresh = |policy: &mut Policy| {
        policy.session = SessionMode::Fresh;
        policy.startup.window = ms(60_000);
    };
    let failed = || Run::new().policy(fresh).dials("c1").dial_fails("c1", REFUSED);
    failed().at(9_000).dials("c2").passes(NAME);
    failed().at(3).dials("c2").fails(
        NAME,
        "laptop dialed c2 3ms after c1 failed, but its policy waits at least 1s",
    );
    failed().gives_up().at(3).dials("c2").is_vacuous(NAME);
}

#[test]
fn a_refusal_of_the_issuer_has_a_backoff_of_its_own() {
    const NAME: &str = "backoff-within-policy";
    let refused = || {
        let lost = Run::up()
            .with_issuer()
            .policy(|policy| policy.startup.window = ms(60_000));
        lost.at(1_000).closed("c1").dials("f1").refuses("f1", 503)
    };
    refused().at(1_500).dials("f2").passes(NAME);
    refused().at(1_040).dials("f2").fails(
        NAME,
        "laptop dialed f2 40ms after f1 failed, but its policy waits at least 100ms",
    );
    // The dial for which a URL was fetched is part of the same attempt.
    let granted = Run::up()
        .with_issuer()
        .at(1_000)
        .closed("c1")
        .dials("f1")
        .issues("f1", "u1", 9_000)
        .closed("f1");
    granted.at(1_001).dials("c2").passes(NAME);
    // A URL that was too old is replaced at once, the first time.
    let stale = Run::new().dials("c1").dial_fails("c1", DialError::Status(401));
    stale.dials("c2").is_vacuous(NAME);
}

#[test]
fn attempts_within_budget() {
    const NAME: &str = "attempts-within-budget";
    let two = |policy: &mut Policy| policy.recovery.as_mut().unwrap().retry.attempts_max = Some(2);
    failed().policy(two).at(1_100).dials("c3").passes(NAME);
    Run::up().is_vacuous(NAME);
    let third = |run: Run| {
        run.at(1_100)
            .dials("c3")
            .dial_fails("c3", REFUSED)
            .at(1_200)
            .dials("c4")
    };
    third(failed()).passes(NAME);
    third(failed().policy(two)).fails(NAME, "laptop began attempt 3 on c4, but its policy allows 2");
    failed().at(27_000).dials("c3").fails(
        NAME,
        "laptop dialed c3 after it had tried for 26s, but its policy tries for 25s",
    );
    let once = Run::new().dials("c1").dial_fails("c1", REFUSED);
    once.at(1_000)
        .dials("c2")
        .fails(NAME, "laptop began attempt 2 on c2, but its policy allows 1");
    let stale = || Run::new().dials("c1").dial_fails("c1", DialError::Status(401));
    let refreshed = || stale().at(160).dials("f2").dials_with("c2", "u2");
    refreshed().passes(NAME);
    let again = refreshed().dial_fails("c2", DialError::Status(401)).at(300);
    again
        .dials("f3")
        .fails(NAME, "laptop began attempt 2 on f3, but its policy allows 1");
}

#[test]
fn the_url_of_a_first_connection_has_a_budget_of_its_own() {
    const NAME: &str = "attempts-within-budget";
    let refused = |retries| {
        let first = FirstConnect {
            retries,
            fetch_timeout: ms(6_000),
            phase: ms(14_000),
        };
        let run = Run::new().with_issuer();
        let run = run.policy(|policy| policy.credential.first_connect = Some(first));
        run.dials("f1").refuses("f1", 503).closed("f1")
    };
    let again = |run: Run| run.at(500).dials("f2").refuses("f2", 503).closed("f2");
    again(refused(2)).at(2_000).dials("f3").passes(NAME);
    again(refused(1)).at(2_000).dials("f3").fails(
        NAME,
        "laptop asked for a URL again for the 2. time on f3, but its policy allows 1",
    );
    refused(2).at(15_000).dials("f2").fails(
        NAME,
        "laptop asked for a URL on f2 after it had asked for 15s, but its policy asks for 14s",
    );
    // A fresh URL after a 401 is asked for with all of that anew; a dial that failed otherwise ends the attempt.
    let dialed = |why| {
        let run = refused(1)
            .at(500)
            .dials("f2")
            .issues("f2", "u1", 9_000)
            .closed("f2");
        run.dials("c1").dial_fails("c1", why).at(510).dials("f3")
    };
    let stale = dialed(DialError::Status(401)).refuses("f3", 503).closed("f3");
    stale.at(14_505).dials("f4").passes(NAME);
    dialed(REFUSED).fails(NAME, "laptop began attempt 2 on f3, but its policy allows 1");
    let waited = |at| again(refused(2)).at(at).dials("f3");
    waited(900).fails(
        "backoff-within-policy",
        "laptop dialed f3 400ms after f2 failed, but its policy waits at least 500ms",
    );
}

#[test]
fn a_session_that_is_still_attached_may_extend_the_window() {
    const NAME: &str = "attempts-within-budget";
    let extend = |policy: &mut Policy| {
        policy.recovery.as_mut().unwrap().still_attached = StillAttached::ExtendWindow;
    };
    let refused = || {
        Run::up()
            .at(1_000)
            .closed("c1")
            .connects("c2")
            .at(20_000)
            .still_attached("c2", "s1")
            .hangs_up("c2")
    };
    refused().policy(extend).at(44_000).dials("c3").passes(NAME);
    refused().policy(extend).at(46_000).dials("c3").fails(
        NAME,
        "laptop dialed c3 after it had tried for 26s, but its policy tries for 25s",
    );
    refused().at(44_000).dials("c3").fails(
        NAME,
        "laptop dialed c3 after it had tried for 43s, but its policy tries for 25s",
    );
}

#[test]
fn no_hot_loop() {
    const NAME: &str = "no-hot-loop";
    let dials = |every: u64| {
        let dial = |run: Run, n: u64| run.at(n * every).dials(&format!("c{n}"));
        (1..=21).fold(Run::new(), dial)
    };
    dials(50).passes(NAME);
    Run::new().dials("c1").dials("c1/2").is_vacuous(NAME);
    dials(49).fails(NAME, "laptop dialed 21 times within one second, at last c21");
}

#[test]
fn single_flight_dial() {
    const NAME: &str = "single-flight-dial";
    Run::new()
        .dials("c1")
        .dials("f1")
        .dial_fails("c1", REFUSED)
        .dials("c2")
        .dialed("c2")
        .dials("c3")
        .passes(NAME);
    Run::new().dials("f1").is_vacuous(NAME);
    Run::new()
        .dials("c1")
        .dials("c1/2")
        .dials("c2")
        .fails(NAME, "laptop dialed c2 while its dial c1 was in flight");
}

#[test]
fn no_dial_after_terminal() {
    const NAME: &str = "no-dial-after-terminal";
    let gave_up = || Run::started().gives_up();
    gave_up().asks("k2", method::START).dials("c2").passes(NAME);
    gave_up().dials("f1").passes(NAME);
    Run::started().is_vacuous(NAME);
    gave_up().dials("c2").fails(
        NAME,
        "laptop dialed c2 after it had given up, and nobody had asked",
    );
}

#[test]
fn replay_only_what_is_safe() {
    const NAME: &str = "replay-only-what-is-safe";
    let write = |id| request(id, method::WRITE).call("k2");
    let read = |id| request(id, method::READ).call("k3");
    let sent = |run: Run| {
        run.sends("c1", write(3).write("w1"))
            .sends("c1", read(4))
            .closed("c1")
    };
    sent(Run::up())
        .sends("c2", write(2).write("w1"))
        .sends("c2", read(3))
        .passes(NAME);
    sent(Run::up()).passes(NAME);
    Run::up().sends("c1", read(3)).is_vacuous(NAME);
    Run::up()
        .sends("c1", request(2, method::START).call("k1"))
        .sends("c2", request(2, method::START).call("k1"))
        .fails(
            NAME,
            "laptop sent k1 (process/start) again on c2, which may happen twice",
        );
    sent(Run::up().policy(|policy| policy.replay.read = ReplayClass::Never))
        .sends("c2", read(2))
        .fails(
            NAME,
            "laptop sent k3 (process/read) again on c2, which its policy does not replay",
        );
    sent(Run::up().policy(|policy| policy.replay.write = ReplayClass::Never))
        .sends("c2", write(2).write("w1"))
        .fails(
            NAME,
            "laptop sent w1 again on c2, which its policy does not replay",
        );
    sent(Run::up())
        .sends("c2", write(2).write("w2"))
        .fails(NAME, "laptop sent w2 again on c2, which it had sent as w1");
    sent(Run::up()).sends("c2", write(2)).fails(
        NAME,
        "laptop sent k2 (process/write) again on c2, without a key that keeps it from being applied twice",
    );
    Run::up()
        .sends("c1", write(3))
        .sends("c2", write(2).write("w1"))
        .fails(
            NAME,
            "laptop sent w1 again on c2, which it had sent without a key",
        );
}
