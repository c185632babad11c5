//! What programs read.

use serde_json::{Value, json};

use crate::{BLIP, Folder, TWICE};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("stdout is one JSON document")
}

#[test]
fn a_run() {
    let folder = Folder::new().with("twice.toml", BLIP.replace("version = \"0.142\"", TWICE));
    let document = parsed(&folder.unplug("run twice.toml --format json").exits(1).stdout);
    assert_eq!(document["exit_code"], 1);
    assert_eq!(document["interrupted"], false);
    assert_eq!(document["summary"]["runs"], 1);
    assert_eq!(document["summary"]["violated"], 1);
    let run = &document["runs"][0];
    let said = ["scenario", "path", "case", "world", "seed", "verdict", "replay"].map(|key| run[key].clone());
    let replay = "unplug replay twice.toml --world fast --seed 42";
    let expected = [
        json!("twice"),
        json!("twice.toml"),
        json!(""),
        json!("fast"),
        json!(42),
        json!("violated"),
    ];
    assert_eq!(said[..6], expected);
    assert_eq!(said[6], replay);
    assert_eq!(run["digest"].as_str().map(str::len), Some(16));
    let why = "sh of s1 read w1 twice, but laptop asked for it once";
    assert_eq!(
        run["checkers"][0],
        json!({ "name": "at-most-once", "verdict": "fail", "why": why })
    );
}

#[test]
fn a_replay() {
    let folder = Folder::new().with("blip.toml", BLIP);
    let document = parsed(&folder.unplug("replay blip.toml --format json").exits(0).stdout);
    assert_eq!(document["run"]["verdict"], "as_expected");
    assert_eq!(document["run"]["repeated"], true);
    assert!(
        document["timeline"]
            .as_array()
            .is_some_and(|lines| 10 < lines.len())
    );
}

#[test]
fn a_stale_step() {
    let folder = Folder::new().with("stale.toml", BLIP.replace("nth = 1", "nth = 5"));
    let document = parsed(&folder.unplug("run stale.toml --format json").exits(4).stdout);
    let unfired = &document["runs"][0]["unfired_steps"][0];
    assert_eq!((&unfired["step"], &unfired["line"]), (&json!(3), &json!(24)));
}

#[test]
fn the_library() {
    let document = parsed(&Folder::new().unplug("list --format json").exits(0).stdout);
    let scenarios = document["scenarios"].as_array().expect("a list");
    let blip = scenarios
        .iter()
        .find(|scenario| scenario["name"] == "exec/wifi_blip")
        .expect("it is built in");
    assert!(blip["cases"].as_array().is_some_and(|cases| 2 <= cases.len()));
}

#[test]
fn the_schema() {
    let document = parsed(&Folder::new().unplug("schema").exits(0).stdout);
    assert_eq!(document["title"], "Scenario");
}

#[test]
fn what_is_wrong_with_a_file() {
    let folder = Folder::new().with("bad.toml", BLIP.replace("link_down", "link_dwn"));
    let document = parsed(&folder.unplug("run bad.toml --format json").exits(64).stdout);
    assert_eq!(document["exit_code"], 64);
    let error = &document["errors"][0];
    let place = ["path", "line", "column", "message"].map(|key| error[key].clone());
    assert_eq!(
        place,
        [
            json!("bad.toml"),
            json!(26),
            json!(11),
            json!("unknown fault `link_dwn`")
        ]
    );
    assert_eq!(error["label"], "did you mean `link_down`?");
}
