//! What cannot be run is refused: exit code 64, the place in the file, and nothing has run.

use std::fs::File;

use crate::{BLIP, Folder};

/// A scenario with one mistake, of which the line and the column are to be named.
#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, place: &str, message: &str) {
    let said = Folder::new()
        .with("bad.toml", bytes)
        .unplug("run bad.toml")
        .exits(64);
    assert_eq!(said.stdout, "", "nothing runs");
    assert!(
        said.stderr.contains(&format!("[bad.toml:{place}]")),
        "{place} is not in\n{}",
        said.stderr
    );
    assert!(
        said.stderr.contains(message),
        "{message:?} is not in\n{}",
        said.stderr
    );
}

#[track_caller]
fn changed(from: &str, to: &str) -> String {
    assert!(BLIP.contains(from), "{from:?} is there");
    BLIP.replacen(from, to, 1)
}

#[test]
fn an_unknown_key() {
    refused(changed("why =", "whi ="), "2:1", "unknown key `whi`");
}

#[test]
fn an_unknown_fault() {
    refused(
        changed("link_down", "link_dwn"),
        "26:11",
        "did you mean `link_down`?",
    );
}

#[test]
fn an_unknown_machine() {
    refused(
        changed("machine = \"exec\"", "machine = \"exc\""),
        "7:11",
        "unknown machine `exc`",
    );
}

#[test]
fn an_unknown_policy() {
    refused(
        changed("codex-0.142", "codex-0.145"),
        "8:10",
        "unknown policy `codex-0.145`",
    );
}

#[test]
fn an_unknown_version() {
    refused(
        changed("version = \"0.142\"", "version = \"0.99\""),
        "14:11",
        "unknown version `0.99`",
    );
}

#[test]
fn an_unknown_edge() {
    refused(changed("applied", "aplied"), "25:65", "unknown edge `aplied`");
}

#[test]
fn a_negative_length() {
    refused(changed("\"800ms\"", "\"-800ms\""), "26:48", "is negative");
}

#[test]
fn an_absurd_length() {
    refused(changed("\"60s\"", "\"900years\""), "3:9", "is absurdly long");
}

#[test]
fn a_duplicate_name() {
    refused(
        changed("name = \"executor\"", "name = \"laptop\""),
        "12:8",
        "`laptop`",
    );
}

#[test]
fn a_client_to_nowhere() {
    refused(
        changed("to = \"executor\"", "to = \"nowhere\""),
        "9:6",
        "`nowhere`",
    );
}

#[test]
fn an_empty_file() {
    refused("", "1:1", "the file is empty");
}

#[test]
fn invalid_utf_8() {
    refused(b"title = \"\xff\"\n", "1:10", "invalid UTF-8");
}

#[test]
fn no_toml() {
    refused(changed("until = ", "until "), "3:7", "this is not TOML");
}

#[test]
fn a_file_of_100_mb() {
    let folder = Folder::new();
    let huge = File::create(folder.0.path().join("huge.toml")).expect("there is room");
    huge.set_len(100 << 20).expect("a file may have holes");
    let said = folder.unplug("run huge.toml").exits(64);
    assert_eq!(said.stdout, "", "nothing runs");
    assert!(
        said.stderr.contains("`huge.toml` is too large for a scenario"),
        "{}",
        said.stderr
    );
}

#[test]
fn an_empty_directory() {
    let said = Folder::new().unplug("run .").exits(64);
    assert_eq!(said.stdout, "", "nothing runs");
    assert!(
        said.stderr.contains("there is no scenario in `.`"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_name_that_is_none() {
    let said = Folder::new().unplug("run exec/wifi_blp").exits(64);
    assert!(
        said.stderr.contains("did you mean `exec/wifi_blip`?"),
        "{}",
        said.stderr
    );
}

#[test]
fn one_bad_file_among_good_ones_keeps_all_from_running_and_all_are_named() {
    let folder = Folder::new()
        .with("a.toml", BLIP)
        .with("b.toml", changed("why =", "whi ="))
        .with("c.toml", changed("link_down", "link_dwn"));
    let said = folder.unplug("run a.toml b.toml c.toml missing.toml").exits(64);
    assert_eq!(said.stdout, "", "nothing runs");
    for place in ["b.toml:2:1", "c.toml:26:11", "`missing.toml` is no file"] {
        assert!(said.stderr.contains(place), "{place} is not in\n{}", said.stderr);
    }
}

#[test]
fn wrong_arguments() {
    for args in [
        "",
        "rn",
        "run --world moon",
        "run --seeds 0",
        "run --seed -1",
        "replay",
        "list --format xml",
    ] {
        let said = Folder::new().unplug(args).exits(64);
        assert_eq!(said.stdout, "", "{args}");
    }
}

#[test]
fn a_case_that_is_none() {
    let said = Folder::new()
        .with("blip.toml", BLIP)
        .unplug("replay blip.toml --case lunch")
        .exits(64);
    assert!(
        said.stderr.contains("`blip` has no case `lunch`"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("leave out `--case`"), "{}", said.stderr);
}

#[test]
fn a_word_that_names_several() {
    let folder = Folder::new().with("a.toml", BLIP).with("b.toml", BLIP);
    let said = folder.unplug("timeline .").exits(64);
    assert!(
        said.stderr.contains("`.` names 2 scenarios, and one is needed"),
        "{}",
        said.stderr
    );
}
