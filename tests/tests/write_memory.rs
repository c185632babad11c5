//! A server remembers the last 4,096 write ids of a process (exec-server sheet, 3 and 5). A write whose answer was lost
//! is sent again when the connection breaks; whether that is safe depends on how many came after it.
//!
//! A scenario file has no loops, so the thousands of writes between the two are made here.

use std::fmt::Write as _;

use unplug::checkers::Verdict;
use unplug::judge::WorldName;
use unplug::presets;
use unplug::report::{Job, SEED};
use unplug::scenario::library::Source;

/// How many ids the server remembers.
const MEMORY: usize = 4_096;

/// What at-most-once says when the first write is sent again behind so many others.
fn first_write_is_sent_again_behind(others: usize, policy: &str) -> Verdict {
    let mut text = format!(
        r#"
        title = "The answer to a write is lost, and the connection breaks {others} writes later"
        why   = "The id of a write that is sent again must not be forgotten by then."
        until = "300s"
        [[client]]
        name = "laptop"
        machine = "exec"
        policy = "{policy}"
        to = "executor"
        [[server]]
        name = "executor"
        mock = "exec"
        [[step]]
        at = "0s"
        do = {{ start = {{ process = "sh", program = "sleep" }} }}
        [[step]]
        at = "1s"
        do = {{ write = {{ process = "sh", data = "first" }} }}
        [[step]]
        when  = {{ method = "process/write", dir = "s2c", edge = "sent" }}
        fault = "drop_frame"
        [[step]]
        at    = "5s"
        fault = "reset"
        "#
    );
    for n in 0..others {
        let step = r#"[[step]]
            at = "2s"
            do = { write = { process = "sh", data = "#;
        writeln!(text, "{step}\"{n}\" }} }}").expect("a string takes every write");
    }
    let source = Source {
        name: "write_memory".to_owned(),
        path: "write_memory.toml".to_owned(),
        text: text.into_bytes().into(),
    };
    let scenario = source
        .parse(&presets::names())
        .unwrap_or_else(|refused| panic!("{}", refused.render(false)));
    let judged = Job {
        source: &source,
        variant: &scenario.variants()[0],
        world: WorldName::Fast,
        seed: SEED,
    }
    .run();
    let verdict = |name: &str| {
        let mut judgements = judged.judgements.iter();
        let judgement = judgements.find(|judgement| judgement.checker.name == name);
        judgement.map(|judgement| judgement.verdict.clone())
    };
    assert_eq!(verdict("everything-settles"), Some(Verdict::Pass));
    verdict("at-most-once").expect("there is such a checker")
}

#[test]
fn behind_4095_others_it_is_still_known() {
    assert_eq!(
        first_write_is_sent_again_behind(MEMORY - 1, "codex-0.142"),
        Verdict::Pass
    );
}

#[test]
fn behind_4096_others_it_is_applied_twice() {
    let twice = "sh of s1 read w1 twice, but laptop asked for it once";
    for others in [MEMORY, MEMORY + 1] {
        assert_eq!(
            first_write_is_sent_again_behind(others, "codex-0.142"),
            Verdict::Fail(twice.to_owned())
        );
    }
}

#[test]
fn one_write_at_a_time_cannot_outrun_the_memory() {
    assert_eq!(
        first_write_is_sent_again_behind(MEMORY + 1, "recommended"),
        Verdict::Pass
    );
}
