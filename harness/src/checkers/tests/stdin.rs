//! What processes read, and what callers are told about it.

use unplug_reconnect::wire::exec::method::{self, WRITE};

use super::run::{Run, answer, request};
use crate::fault::Fault;
use crate::history::{Kind, Truth};

#[test]
fn at_most_once() {
    let asked = || Run::started().asks_write(1, "a\n").asks_write(2, "a\n");
    asked().reads(1, "a\n").reads(2, "a\n").passes("at-most-once");
    asked().is_vacuous("at-most-once");
    asked().reads(1, "a\n").reads(1, "a\n").fails(
        "at-most-once",
        "sh of s1 read w1 twice, but laptop asked for it once",
    );
    let asked = || Run::started().asks_keyless(1, "a\n").asks_keyless(2, "a\n");
    asked()
        .reads_keyless("a\n")
        .reads_keyless("a\n")
        .passes("at-most-once");
    asked()
        .reads_keyless("a\n")
        .reads_keyless("a\n")
        .reads_keyless("a\n")
        .fails(
            "at-most-once",
            "sh of s1 read \"a\\n\" 3 times, but laptop asked for it twice",
        );
}

#[test]
fn a_new_start_of_the_same_name_counts_anew() {
    Run::started()
        .asks_write(1, "a\n")
        .reads(1, "a\n")
        .closed("c1")
        .loses()
        .connects("c2")
        .attaches("c2", "s2")
        .starts("k9", "c2", "s2", 2)
        .settles("k9", method::START, Truth::Applied)
        .asks_write(1, "a\n")
        .reads(1, "a\n")
        .fails(
            "at-most-once",
            "sh of s1 read w1 twice, but laptop asked for it once",
        );
}

#[test]
fn in_order() {
    let asked = || {
        Run::started()
            .asks_write(1, "a\n")
            .asks_write(2, "b\n")
            .asks_write(3, "c\n")
    };
    asked().reads(1, "a\n").reads(3, "c\n").passes("in-order");
    asked().reads(1, "a\n").is_vacuous("in-order");
    asked().reads(2, "b\n").reads(1, "a\n").fails(
        "in-order",
        "sh of s1 read w2 before w1, but laptop asked for w1 first",
    );
    let asked = || {
        Run::started()
            .asks_keyless(1, "a\n")
            .asks_keyless(2, "b\n")
            .asks_keyless(3, "a\n")
    };
    asked()
        .reads_keyless("b\n")
        .reads_keyless("a\n")
        .passes("in-order");
    asked().reads_keyless("a\n").reads_keyless("a\n").reads_keyless("b\n").fails(
        "in-order",
        "sh of s1 read k4 (process/write) before k3 (process/write), but laptop asked for k3 (process/write) first",
    );
}

#[test]
fn untorn() {
    let asked = || Run::started().asks_write(1, "ls\n");
    asked().reads(1, "ls\n").passes("untorn");
    asked().is_vacuous("untorn");
    asked()
        .reads(1, "l")
        .fails("untorn", "sh of s1 read \"l\" as w1, which is \"ls\\n\"");
    asked().reads_keyless("s\n").fails(
        "untorn",
        "sh of s1 read \"s\\n\", which is no write that laptop asked for",
    );
}

#[test]
fn accepted_means_applied() {
    const NAME: &str = "accepted-means-applied";
    let told = || {
        Run::started()
            .asks_write(1, "a\n")
            .settles_write(1, Truth::Applied)
    };
    told().reads(1, "a\n").passes(NAME);
    Run::started()
        .asks_write(1, "a\n")
        .reads(1, "a\n")
        .settles_write(1, Truth::Ambiguous)
        .is_vacuous(NAME);
    told().fails(
        NAME,
        "laptop was told that w1 is applied, but sh of s1 never read it",
    );
    told()
        .strikes(Fault::Crash {
            host: "executor".to_owned(),
        })
        .is_vacuous(NAME);
    told()
        .strikes(Fault::Crash {
            host: "laptop".to_owned(),
        })
        .fails(
            NAME,
            "laptop was told that w1 is applied, but sh of s1 never read it",
        );
    told().reads(1, "a").passes(NAME);
    Run::started()
        .asks_write(1, "a\n")
        .exits(1, 0)
        .settles_write(1, Truth::Applied)
        .is_vacuous(NAME);
    Run::started()
        .asks_keyless(1, "a\n")
        .asks_keyless(2, "a\n")
        .reads_keyless("a\n")
        .settles_write(1, Truth::Applied)
        .settles_write(2, Truth::Applied)
        .fails(
            NAME,
            "laptop was told that k3 (process/write) is applied, but sh of s1 never read it",
        );
}

#[test]
fn no_false_certainty_about_writes() {
    const NAME: &str = "no-false-certainty";
    let told = || {
        Run::started()
            .asks_write(1, "a\n")
            .settles_write(1, Truth::NotApplied)
    };
    told().passes(NAME);
    Run::started().is_vacuous(NAME);
    told()
        .reads(1, "a\n")
        .fails(NAME, "laptop was told that w1 is not applied, but sh read it");
    let keyless = || {
        let asked = Run::started()
            .asks_keyless(1, "a\n")
            .asks_keyless(2, "a\n")
            .reads_keyless("a\n");
        asked.settles_write(1, Truth::NotApplied)
    };
    keyless().passes(NAME);
    keyless().settles_write(2, Truth::NotApplied).fails(
        NAME,
        "laptop was told that k2 (process/write) is not applied, but sh read it",
    );
}

#[test]
fn no_false_certainty_about_everything_else() {
    const NAME: &str = "no-false-certainty";
    Run::up()
        .starts("k1", "c1", "s1", 2)
        .settles("k1", method::START, Truth::NotApplied)
        .fails(
            NAME,
            "laptop was told that k1 (process/start) is not applied, but sh was started",
        );
    let terminate = request(3, method::TERMINATE).call("k2");
    let acted = || {
        let asked = Run::started()
            .asks("k2", method::TERMINATE)
            .sends("c1", terminate.clone());
        asked.acts_on("c1", 3, method::TERMINATE)
    };
    acted().settles("k2", method::TERMINATE, Truth::NotApplied).fails(
        NAME,
        "laptop was told that k2 (process/terminate) is not applied, but its server acted on it",
    );
    acted()
        .answers("c1", answer("c1", 3).kind(Kind::Error))
        .settles("k2", method::TERMINATE, Truth::NotApplied)
        .passes(NAME);
}

#[test]
fn no_needless_surrender() {
    const NAME: &str = "no-needless-surrender";
    let asked = || Run::started().asks_write(1, "a\n");
    let sent = || asked().sends("c1", request(3, WRITE).call("k2").write("w1"));
    sent()
        .closed("c1")
        .settles_write(1, Truth::Ambiguous)
        .passes(NAME);
    sent().settles_write(1, Truth::Applied).is_vacuous(NAME);
    asked().settles_write(1, Truth::Ambiguous).fails(
        NAME,
        "laptop was told that the outcome of w1 is unknown, but it was never sent",
    );
    sent()
        .receives("c1", answer("c1", 3))
        .closed("c1")
        .settles_write(1, Truth::Ambiguous)
        .fails(
            NAME,
            "laptop was told that the outcome of w1 is unknown, but its answer had arrived on c1",
        );
    sent()
        .hangs_up("c1")
        .receives("c1", answer("c1", 3))
        .settles_write(1, Truth::Ambiguous)
        .passes(NAME);
    asked()
        .leaves_write(1)
        .settles_write(1, Truth::Ambiguous)
        .is_vacuous(NAME);
}
