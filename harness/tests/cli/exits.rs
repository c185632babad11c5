//! Exit codes, and what is said with them.

use crate::{BLIP, Folder, TWICE};

fn quiet() -> String {
    let steps = BLIP.find("[[step]]").expect("it has steps");
    format!("{}[[step]]\nat = \"5s\"\nfault = \"reset\"\n", &BLIP[..steps])
}

fn stale() -> String {
    BLIP.replace("nth = 1", "nth = 5")
}

fn violated() -> String {
    BLIP.replace("version = \"0.142\"", TWICE)
}

#[test]
fn as_expected_is_0() {
    let said = Folder::new()
        .with("blip.toml", BLIP)
        .unplug("run blip.toml")
        .exits(0);
    assert!(
        said.stdout
            .starts_with("1 run of 1 scenario   world fast   seed 42\n"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.ends_with("\n1 run: 1 as expected\n"),
        "{}",
        said.stdout
    );
    assert_eq!(said.stderr, "", "a pipe gets no progress");
}

#[test]
fn an_expected_failure_is_as_expected() {
    let case = "[[case]]\nbug = \"forget_write_ids\"\nexpect = { fails = \"at-most-once\" }\n";
    let said = Folder::new()
        .with("blip.toml", format!("{BLIP}\n{case}"))
        .unplug("run blip.toml")
        .exits(0);
    let row = said
        .stdout
        .lines()
        .find(|line| line.contains("forget_write_ids"))
        .expect("the case has a row");
    assert!(
        row.contains("as expected") && row.ends_with("at-most-once"),
        "{row}"
    );
}

#[test]
fn a_violation_is_1_and_fits_one_screen() {
    let said = Folder::new()
        .with("twice.toml", violated())
        .unplug("run twice.toml")
        .exits(1);
    let digest = said.stdout.rfind("digest ").expect("a failure has a digest") + "digest ".len();
    let mut screen = said.stdout.clone();
    screen.replace_range(digest..digest + 16, "[16 hex digits]");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(screen) });
    let lines = said
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("FAIL"))
        .count();
    assert!(lines <= 24, "{lines} lines are more than a screen");
}

#[test]
fn an_expected_failure_that_does_not_come_is_1() {
    let expects = format!("{BLIP}\n[expect]\nfails = \"untorn\"\n");
    let said = Folder::new()
        .with("blip.toml", expects)
        .unplug("run blip.toml")
        .exits(1);
    let sentence = "FAIL untorn   blip   world fast   seed 42   +60.000s\n  \
                    the scenario expects this checker to fail, but it passes\n";
    assert!(said.stdout.contains(sentence), "{}", said.stdout);
}

#[test]
fn nothing_put_to_the_test_is_2() {
    let said = Folder::new()
        .with("quiet.toml", quiet())
        .unplug("run quiet.toml")
        .exits(2);
    assert!(
        said.stdout.contains("the run put no checker to the test"),
        "{}",
        said.stdout
    );
}

#[test]
fn a_step_that_never_fires_is_4_and_is_named() {
    let said = Folder::new()
        .with("stale.toml", stale())
        .unplug("run stale.toml")
        .exits(4);
    let sentence = "step 3 (stale.toml:24) never fired: process/write c2s applied happened once, nth = 5 (";
    assert!(said.stdout.contains(sentence), "{}", said.stdout);
}

#[test]
fn a_violation_outweighs_a_stale_step_and_that_nothing_put_to_the_test() {
    let folder = Folder::new().with("a.toml", quiet()).with("b.toml", stale());
    folder.unplug("run a.toml b.toml").exits(4);
    let said = folder.with("c.toml", violated()).unplug("run .").exits(1);
    assert!(
        said.stdout
            .ends_with("\n3 runs: 1 INCONCLUSIVE, 1 STALE, 1 VIOLATED\n"),
        "{}",
        said.stdout
    );
}

#[test]
fn many_seeds_are_one_row_and_one_screen() {
    let said = Folder::new()
        .with("twice.toml", violated())
        .unplug("run twice.toml --seed 7 --seeds 12")
        .exits(1);
    assert!(
        said.stdout
            .starts_with("12 runs of 1 scenario   world fast   seeds 7 to 18\n"),
        "{}",
        said.stdout
    );
    assert_eq!(
        said.stdout.matches("FAIL at-most-once").count(),
        1,
        "{}",
        said.stdout
    );
    let others = "the same case is not as expected with seeds 8, 9, 10, 11, 12, 13, 14, 15 and 3 more\n";
    assert!(said.stdout.contains(others), "{}", said.stdout);
}

#[test]
fn the_same_words_give_the_same_bytes() {
    let folder = Folder::new()
        .with("blip.toml", BLIP)
        .with("twice.toml", violated());
    let run = || folder.unplug("run . --seeds 30 --format json").exits(1).stdout;
    assert_eq!(run(), run());
}

#[test]
fn the_command_of_a_screen_replays_it() {
    let folder = Folder::new().with("twice.toml", violated());
    let screen = folder.unplug("run twice.toml --seed 9").exits(1).stdout;
    let command = screen
        .lines()
        .find_map(|line| line.trim().strip_prefix("replay  unplug "))
        .expect("it is there");
    let said = folder.unplug(command).exits(1);
    assert!(
        said.stdout.starts_with("twice   world fast   seed 9\n"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("FAIL     at-most-once"), "{}", said.stdout);
    assert!(
        said.stdout.ends_with("the second run gave the same bytes\n"),
        "{}",
        said.stdout
    );
}

#[test]
fn a_timeline_is_nothing_else() {
    let folder = Folder::new().with("twice.toml", violated());
    let said = folder.unplug("timeline twice.toml").exits(0);
    assert!(
        said.stdout.lines().all(|line| line.trim_start().starts_with('+')),
        "{}",
        said.stdout
    );
    let said = folder.unplug("timeline twice.toml --jsonl").exits(0);
    for line in said.stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("every line is JSON");
    }
}

#[test]
fn every_command_helps_with_an_example() {
    for command in ["", "list", "run", "replay", "timeline", "schema"] {
        let said = Folder::new().unplug(&format!("{command} --help")).exits(0);
        assert!(said.stdout.contains("Example: unplug "), "{}", said.stdout);
    }
}
