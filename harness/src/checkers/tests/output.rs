//! What subscribers are told of what processes print.

use unplug_reconnect::wire::exec::method;

use super::run::{Run, ms};
use crate::fault::Fault;
use crate::history::Truth;

fn printed() -> Run {
    Run::started().prints(1, "a\n").prints(2, "b\n").prints(3, "c\n")
}

#[test]
fn gapless_or_declared() {
    const NAME: &str = "gapless-or-declared";
    printed()
        .gets(1, "a\n")
        .gets(2, "b\n")
        .gets(3, "c\n")
        .passes(NAME);
    Run::started().is_vacuous(NAME);
    printed().gets(1, "a\n").loses().passes(NAME);
    printed().gets(1, "a\n").gets(3, "c\n").fails(
        NAME,
        "laptop received seq 3 of sh after seq 1, and nobody said that anything is lost",
    );
    printed()
        .gets(1, "a\n")
        .gets(1, "a\n")
        .fails(NAME, "laptop received seq 1 of sh after seq 1");
    printed()
        .gets(1, "a\n")
        .gets(2, "c\n")
        .fails(NAME, "laptop received \"c\\n\" as seq 2 of sh, which is \"b\\n\"");
    Run::started().gets(1, "a\n").fails(
        NAME,
        "laptop received \"a\\n\" as seq 1 of sh, which does not exist",
    );
    printed()
        .exits(4, 0)
        .gets(1, "a\n")
        .gets_exit(2, 0)
        .fails(NAME, "laptop received its exit as seq 2 of sh, which is \"b\\n\"");
}

#[test]
fn the_rest_must_come_too() {
    const NAME: &str = "gapless-or-declared";
    let missing = || {
        Run::up()
            .at(1_000)
            .starts("k1", "c1", "s1", 2)
            .settles("k1", method::START, Truth::Applied)
            .prints(1, "a\n")
            .gets(1, "a\n")
    };
    missing()
        .prints(2, "b\n")
        .fails(NAME, "laptop never received seq 2 of sh, which is \"b\\n\"");
    missing()
        .exits(2, 0)
        .ends(3)
        .fails(NAME, "laptop never received seq 2 of sh, which is its exit");
    // Not if its connection is gone, the run too short, or the way blocked.
    missing().prints(2, "b\n").closed("c1").passes(NAME);
    missing().at(58_000).prints(2, "b\n").passes(NAME);
    let slow = Fault::SlowReader {
        host: "laptop".to_owned(),
        bytes_per_second: 0,
        r#for: None,
    };
    missing().strikes(slow.clone()).prints(2, "b\n").passes(NAME);
    let healed = missing().strikes(slow.clone()).prints(2, "b\n").heals(slow, 1);
    healed.fails(NAME, "laptop never received seq 2 of sh, which is \"b\\n\"");
    let late = Fault::Partition { r#for: Some(ms(1)) };
    missing()
        .prints(2, "b\n")
        .at(56_000)
        .strikes(late.clone())
        .heals(late, 1)
        .passes(NAME);
}

#[test]
fn exit_after_output() {
    const NAME: &str = "exit-after-output";
    let ended = || Run::started().prints(1, "a\n").exits(2, 3).ends(3);
    ended().gets(1, "a\n").gets_exit(2, 3).gets_end(3).passes(NAME);
    ended().gets(1, "a\n").is_vacuous(NAME);
    ended()
        .gets_exit(2, 3)
        .gets(1, "a\n")
        .fails(NAME, "laptop was told that sh exited (seq 2) before it got seq 1");
    ended()
        .gets_end(3)
        .gets(4, "a\n")
        .fails(NAME, "laptop was told that sh closed (seq 3) before it got seq 4");
    ended().gets_exit(2, 0).fails(
        NAME,
        "laptop was told that sh exited with 0, but it exited with 3",
    );
    Run::started().gets_exit(1, 0).fails(
        NAME,
        "laptop was told that sh exited with 0, but it has not exited",
    );
    // Output may come after the exit.
    Run::started()
        .exits(1, 0)
        .prints(2, "a\n")
        .gets_exit(1, 0)
        .gets(2, "a\n")
        .passes(NAME);
}

#[test]
fn closed_once_and_last() {
    const NAME: &str = "closed-once-and-last";
    let ended = || Run::started().gets_end(1);
    ended().passes(NAME);
    Run::started().gets(1, "a\n").is_vacuous(NAME);
    ended().gets_end(1).fails(
        NAME,
        "laptop was told that sh is closed after it was told that sh is closed",
    );
    ended().loses().fails(
        NAME,
        "laptop was told that sh is lost after it was told that sh is closed",
    );
    ended().gets(2, "a\n").fails(
        NAME,
        "laptop got output of sh after it was told that sh is closed",
    );
    Run::started().loses().gets_exit(1, 0).fails(
        NAME,
        "laptop was told that sh is exited after it was told that sh is lost",
    );
    Run::started().loses().loses().fails(
        NAME,
        "laptop was told that sh is lost after it was told that sh is lost",
    );
    // The same name again is another process.
    ended().starts("k9", "c1", "s1", 5).gets(1, "a\n").passes(NAME);
}
