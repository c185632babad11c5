//! What is measured, on histories by hand: each number once where it counts, and once beside where it must not.

use std::time::Duration;

use unplug_reconnect::policy::SessionMode;
use unplug_reconnect::wire::exec::method;

use super::run::{Run, answer, ms, request};
use crate::checkers::Reading;
use crate::checkers::metrics::{Counts, Metrics, Outcomes, measure};
use crate::history::{Kind, Truth};

fn measured(run: Run) -> Metrics {
    measure(&Reading::new(&run.into_history()))
}

fn counts(run: Run) -> Counts {
    measured(run).counts
}

fn fresh(run: Run) -> Run {
    run.policy(|policy| policy.session = SessionMode::Fresh)
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(measured(Run::new()), Metrics::default());
}

#[test]
fn a_session_is_lost_when_its_client_gives_up() {
    let lost = |run| counts(run).sessions_lost;
    assert_eq!(lost(Run::up().closed("c1").gives_up()), 1);
    assert_eq!(lost(Run::up().closed("c1").gives_up().gives_up()), 1, "once");
    assert_eq!(lost(Run::new().gives_up()), 0, "it had none");
    assert_eq!(lost(Run::up().closed("c1").connects("c2").resumes("c2", "s1")), 0);
}

#[test]
fn a_fresh_client_loses_its_session_with_its_connection() {
    let lost = |run| counts(fresh(run)).sessions_lost;
    assert_eq!(lost(Run::up().closed("c1")), 1);
    assert_eq!(
        lost(Run::up().hangs_up("c1").connects("c2").attaches("c2", "s2")),
        1
    );
    let noticed_by_the_server = Run::up().detaches("s1", "c1", 30_000);
    assert_eq!(lost(noticed_by_the_server), 0, "it does not know yet");
}

#[test]
fn another_session_means_that_the_first_is_lost() {
    let run = Run::up().closed("c1").connects("c2").attaches("c2", "s2");
    assert_eq!(counts(run).sessions_lost, 1);
}

#[test]
fn a_process_is_lost_while_its_server_runs_it() {
    let lost = |run| counts(run).processes_lost;
    assert_eq!(lost(Run::started().loses()), 1);
    assert_eq!(lost(Run::started().loses().loses()), 1, "once");
    assert_eq!(lost(Run::started().exits(1, 0).loses()), 0, "it had exited");
    assert_eq!(
        lost(Run::started().expires("s1").loses()),
        0,
        "its lease was over"
    );
    let unknown = Run::up()
        .starts("k1", "c1", "s1", 2)
        .settles("k1", method::START, Truth::Ambiguous);
    assert_eq!(lost(unknown.loses()), 0, "its client never had it");
}

#[test]
fn writes_and_calls_are_counted_apart() {
    let run = Run::started()
        .asks_write(1, "a")
        .settles_write(1, Truth::Applied)
        .asks_write(2, "b")
        .settles_write(2, Truth::NotApplied)
        .asks_write(3, "c")
        .settles_write(3, Truth::Ambiguous)
        .asks_write(4, "d")
        .asks("k9", method::READ)
        .settles("k9", method::READ, Truth::Ambiguous);
    let counts = counts(run);
    let outcomes = |applied, not_applied, ambiguous, unsettled| Outcomes {
        applied,
        not_applied,
        ambiguous,
        unsettled,
    };
    assert_eq!(counts.writes, outcomes(1, 1, 1, 1));
    assert_eq!(counts.calls, outcomes(1, 0, 1, 0), "the start and the read");
    assert_eq!((counts.writes.asked(), counts.calls.asked()), (4, 2));
}

#[test]
fn a_write_is_duplicated_as_often_as_it_is_read_again() {
    let run = Run::started().asks_write(1, "a").reads(1, "a");
    assert_eq!(counts(run).writes_duplicated, 0);
    let run = Run::started().asks_write(1, "a");
    let run = run.reads(1, "a").reads(1, "a").reads(1, "a");
    assert_eq!(counts(run).writes_duplicated, 2);
}

#[test]
fn a_write_is_lost_when_it_is_called_applied_and_never_read() {
    let lost = |run: Run| counts(run.settles_write(1, Truth::Applied)).writes_lost;
    assert_eq!(lost(Run::started().asks_write(1, "a")), 1);
    assert_eq!(lost(Run::started().asks_write(1, "a").reads(1, "a")), 0);
    assert_eq!(lost(Run::started().asks_write(1, "a").exits(1, 0)), 0, "excused");
}

#[test]
fn a_surrender_is_needless_when_the_answer_had_arrived() {
    let asked = || {
        let frame = request(3, method::WRITE).call("k2");
        Run::started().asks_write(1, "a").sends("c1", frame)
    };
    assert_eq!(
        counts(asked().settles_write(1, Truth::Ambiguous)).needless_surrenders,
        0
    );
    let answered = asked().receives("c1", answer("c1", 3).kind(Kind::Response));
    assert_eq!(
        counts(answered.settles_write(1, Truth::Ambiguous)).needless_surrenders,
        1
    );
}

#[test]
fn dials_and_the_most_within_a_second() {
    let run = Run::new()
        .dials("c1")
        .at(900)
        .dials("c2")
        .dials("f3")
        .at(1_000)
        .dials("c3")
        .at(1_899)
        .dials("c1/2");
    let counts = counts(run);
    assert_eq!(counts.dials, 4, "a request to an issuer is none");
    assert_eq!(
        counts.dials_peak, 3,
        "c2, c3 and the tablet's; c1 was a whole second before c3"
    );
}

#[test]
fn an_outage_lasts_from_the_first_word_of_an_end_until_the_client_is_usable() {
    let run = Run::up()
        .at(5_000)
        .detaches("s1", "c1", 35_000)
        .at(7_000)
        .closed("c1")
        .dials("c2")
        .dial_fails("c2", crate::history::DialError::Refused)
        .at(8_250)
        .connects("c3")
        .resumes("c3", "s1");
    let metrics = measured(run);
    assert_eq!(metrics.outages, [ms(3_250)]);
    assert_eq!(metrics.counts.outages_open, 0);
}

#[test]
fn an_outage_without_an_end_is_counted_apart() {
    let metrics = measured(Run::up().at(5_000).closed("c1").gives_up());
    assert_eq!(metrics.outages, [] as [Duration; 0]);
    assert_eq!(metrics.counts.outages_open, 1);
    assert_eq!(
        counts(Run::new().dials("c1").closed("c1")).outages_open,
        0,
        "it was never usable"
    );
}

#[test]
fn a_wait_lasts_until_the_caller_is_told() {
    let run = Run::started()
        .at(1_000)
        .asks_write(1, "a")
        .at(1_040)
        .settles_write(1, Truth::Applied)
        .asks_write(2, "b");
    assert_eq!(
        measured(run).waits,
        [ms(0), ms(40)],
        "the start, then the write; the second has no end"
    );
}

#[test]
fn sums_keep_the_higher_peak() {
    let mut sum = counts(Run::up());
    sum += counts(Run::new().dials("c1").dials("c2"));
    assert_eq!((sum.dials, sum.dials_peak), (3, 2));
}
