//! That nobody gets what belongs to another.

use unplug_reconnect::wire::exec::method::{READ, WRITE};

use super::run::{Run, answer, request};
use crate::fault::Fault;
use crate::history::{Frame, Kind, Truth};

fn sent() -> Run {
    Run::started()
        .asks_write(1, "a\n")
        .sends("c1", request(3, WRITE).call("k2").write("w1"))
}

#[test]
fn no_response_leak() {
    const NAME: &str = "no-response-leak";
    sent()
        .receives("c1", answer("c1", 3))
        .settles_write_by(1, "c1", 3)
        .passes(NAME);
    sent().is_vacuous(NAME);
    let complaint = Frame {
        answers: None,
        ..answer("c1", -1).kind(Kind::Error)
    };
    sent().receives("c1", complaint).is_vacuous(NAME);
    sent()
        .connects("c2")
        .receives("c2", answer("c1", 3))
        .fails(NAME, "c2 received an answer to w1 it never asked for");
    sent()
        .sends("c1", request(4, READ))
        .receives("c1", answer("c1", 3).id(4))
        .fails(NAME, "c1 received the answer to w1 under the id r4");
    sent()
        .receives("c1", answer("c1", 9))
        .fails(NAME, "c1 received an answer to r9 of c1 it never asked for");
}

#[test]
fn each_answer_uses_up_one_request() {
    const NAME: &str = "no-response-leak";
    let twice = |run: Run| {
        run.receives("c1", answer("c1", 3))
            .receives("c1", answer("c1", 3))
    };
    twice(sent()).fails(NAME, "c1 received a second answer to w1");
    twice(sent().strikes_on("c1", Fault::DuplicateFrame)).passes(NAME);
    twice(sent().strikes_on("c2", Fault::DuplicateFrame)).fails(NAME, "c1 received a second answer to w1");
}

#[test]
fn a_call_is_settled_by_its_own_answer() {
    const NAME: &str = "no-response-leak";
    let other = || sent().sends("c1", request(4, READ).call("k9"));
    other().settles_write_by(1, "c1", 4).fails(
        NAME,
        "laptop settled w1 by the answer to r4 of c1 (process/read), which was not sent for it",
    );
    other().settles_write_by(1, "c2", 1).fails(
        NAME,
        "laptop settled w1 by the answer to r1 of c2, which was not sent for it",
    );
}

#[test]
fn one_outcome_per_request() {
    const NAME: &str = "one-outcome-per-request";
    sent()
        .answers("c1", answer("c1", 3))
        .settles_write(1, Truth::Applied)
        .passes(NAME);
    Run::up().is_vacuous(NAME);
    sent()
        .settles_write(1, Truth::Applied)
        .settles_write(1, Truth::Ambiguous)
        .fails(NAME, "laptop was told twice what became of w1");
    sent()
        .sends("c1", request(3, READ))
        .fails(NAME, "c1 carried two requests with the id r3");
    sent().sends("c2", request(3, READ)).passes(NAME);
    let twice = |run: Run| run.answers("c1", answer("c1", 3)).answers("c2", answer("c1", 3));
    twice(sent()).fails(NAME, "executor answered r3 of c1 twice");
    twice(sent().strikes_on("c1", Fault::DuplicateFrame)).passes(NAME);
}

#[test]
fn no_cross_session() {
    const NAME: &str = "no-cross-session";
    let two = || {
        Run::started()
            .connects("c1/2")
            .attaches("c1/2", "s2")
            .runs("s2", "sh")
    };
    two().prints(1, "a\n").gets(1, "a\n").passes(NAME);
    Run::started().prints(1, "a\n").gets(1, "a\n").is_vacuous(NAME);
    two()
        .connects("c2/2")
        .told("c2/2", "s1", true)
        .fails(NAME, "tablet was attached to s1 on c2/2, which laptop had opened");
    two()
        .resumed("c2", "s2")
        .fails(NAME, "laptop was attached to s2 on c2, which tablet had opened");
    two().prints_in("s2", 1, "b\n").gets(1, "b\n").fails(
        NAME,
        "laptop received \"b\\n\" as output of sh, which sh of s2 printed",
    );
    two().gets(1, "b\n").fails(
        NAME,
        "laptop received \"b\\n\" as output of sh, which nothing printed",
    );
}
