//! Policies beside each other.

use serde_json::{Value, json};

use crate::{BLIP, Folder, TWICE};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("stdout is one JSON document")
}

/// A client that resumes, for a file of one's own.
fn policy(backoff: &str) -> String {
    let shipped = include_str!("../../../scenarios/policies/codex-0.142.toml");
    let slower = shipped.replace("base = \"100ms\", cap = \"100ms\"", backoff);
    assert_ne!(shipped, slower, "the shipped backoff is there");
    slower
}

/// What is refused, and what is said.
#[track_caller]
fn refused(args: &str, words: &[&str]) {
    let said = Folder::new()
        .with("blip.toml", BLIP)
        .with("bad.toml", policy("bas = \"1s\""))
        .unplug(args)
        .exits(64);
    assert_eq!(said.stdout, "", "nothing runs");
    for words in words {
        assert!(
            said.stderr.contains(words),
            "{words:?} is not in\n{}",
            said.stderr
        );
    }
}

#[test]
fn a_column_for_each_policy_and_server() {
    let said = Folder::new()
        .with("blip.toml", BLIP)
        .unplug("compare codex-0.134 codex-0.142 recommended --scenarios blip.toml --seeds 3 --by scenario")
        .exits(0);
    assert_eq!(said.stderr, "", "a pipe gets no progress");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(said.stdout) });
}

#[test]
fn the_same_for_programs() {
    let folder = Folder::new().with("blip.toml", BLIP);
    let args = "compare codex-0.134 recommended --scenarios blip.toml --seeds 5 --seed 7 --format json";
    let said = folder.unplug(args).exits(0);
    let document = parsed(&said.stdout);
    assert_eq!(
        (
            &document["schema"],
            &document["world"],
            &document["seed"],
            &document["seeds"]
        ),
        (&json!(1), &json!("fast"), &json!(7), &json!(5))
    );
    assert_eq!(
        (&document["interrupted"], &document["exit_code"]),
        (&json!(false), &json!(0))
    );
    let columns = document["columns"].as_array().expect("a list");
    let labels: Vec<_> = columns
        .iter()
        .map(|column| (column["policy"].clone(), column["version"].clone()))
        .collect();
    let expected = [
        ("codex-0.134", "0.134"),
        ("recommended", "0.142"),
        ("recommended", "0.169"),
    ];
    assert_eq!(
        labels,
        expected.map(|(policy, version)| (json!(policy), json!(version)))
    );
    let (old, new) = (&columns[0]["total"], &columns[1]["total"]);
    assert_eq!(
        (&old["runs"], &old["violated"], &old["passed"]),
        (&json!(5), &json!(5), &json!(0))
    );
    assert_eq!(old["violations"]["process-survives"], 5);
    assert_eq!(
        (&old["sessions_lost"], &old["processes_lost"]),
        (&json!(5), &json!(5))
    );
    assert_eq!(
        old["writes"],
        json!({ "applied": 0, "not_applied": 0, "ambiguous": 5, "unsettled": 0 })
    );
    assert_eq!(
        (&new["passed"], &new["sessions_lost"], &new["outages"]["count"]),
        (&json!(5), &json!(0), &json!(5))
    );
    assert_eq!(columns[1]["scenarios"][0]["scenario"], "blip");
    assert_eq!(
        columns[1]["scenarios"][0]["waits"], new["waits"],
        "there is only one"
    );
    assert_eq!(
        folder.unplug(args).stdout,
        said.stdout,
        "the same seeds give the same bytes"
    );
}

#[test]
fn one_version_for_all() {
    let said = Folder::new()
        .with("blip.toml", BLIP)
        .unplug(
            "compare codex-0.142 recommended --version 0.169 --scenarios blip.toml --seeds 1 --format json",
        )
        .exits(0);
    let document = parsed(&said.stdout);
    let versions: Vec<_> = document["columns"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|column| column["version"].clone())
        .collect();
    assert_eq!(versions, ["0.169", "0.169"]);
}

#[test]
fn a_policy_of_ones_own() {
    let said = Folder::new()
        .with("blip.toml", BLIP)
        .with("mine.toml", policy("base = \"5s\", cap = \"5s\""))
        .unplug("compare mine.toml codex-0.142 --version 0.142 --scenarios blip.toml --seeds 2 --format json")
        .exits(0);
    let document = parsed(&said.stdout);
    let mine = &document["columns"][0];
    assert_eq!(mine["policy"], "mine");
    let outage = |column: usize| document["columns"][column]["total"]["outages"]["p50_ms"].as_u64();
    assert_eq!(outage(1), Some(1_620));
    assert!(
        Some(5_000) < outage(0),
        "its first dial fails, and it waits 5s: {:?}",
        outage(0)
    );
}

#[test]
fn cases_and_planted_bugs_are_left_out() {
    let bug = BLIP.replace("version = \"0.142\"", TWICE);
    let case = "\n[[case]]\npolicy = \"codex-0.134\"\n";
    let said = Folder::new()
        .with("blip.toml", format!("{bug}{case}"))
        .unplug("compare codex-0.142 codex-0.169 --scenarios blip.toml --seeds 1 --format json")
        .exits(0);
    let document = parsed(&said.stdout);
    for column in [0, 1] {
        let total = &document["columns"][column]["total"];
        assert_eq!((&total["runs"], &total["passed"]), (&json!(1), &json!(1)));
    }
}

#[test]
fn a_run_whose_script_does_not_fit_is_no_pass() {
    // A client of 0.134 never dials a second time here.
    let stale = format!(
        "{BLIP}\n[[step]]\nwhen = {{ method = \"initialize\", dir = \"c2s\", nth = 2, edge = \"applied\" }}\nfault = \"reset\"\n"
    );
    let said = Folder::new()
        .with("stale.toml", stale)
        .unplug("compare codex-0.134 codex-0.142 --scenarios stale.toml --seeds 4 --format json")
        .exits(0);
    let document = parsed(&said.stdout);
    let numbers = |column: usize| {
        let total = &document["columns"][column]["total"];
        [&total["passed"], &total["stale"]].map(Value::as_u64)
    };
    assert_eq!(numbers(0), [Some(0), Some(4)]);
    assert_eq!(numbers(1), [Some(4), Some(0)]);
}

#[test]
fn one_policy_is_nothing_to_compare() {
    refused(
        "compare recommended",
        &[
            "`recommended` alone is nothing to compare",
            "name at least two policies",
        ],
    );
    refused("compare", &["POLICY"]);
}

#[test]
fn the_same_policy_twice() {
    refused(
        "compare recommended recommended",
        &["`recommended` is named twice"],
    );
}

#[test]
fn an_unknown_policy() {
    let message = "`recomended` is no file, and no built-in policy is called so";
    let help = "did you mean `recommended`? one of broken-hammer, ";
    refused("compare recomended codex-0.142", &[message, help]);
}

#[test]
fn a_policy_file_with_an_unknown_key() {
    refused(
        "compare bad.toml codex-0.142",
        &[
            "[bad.toml:22:13]",
            "unknown field `bas`",
            "help: a policy has the keys of",
        ],
    );
}

#[test]
fn a_policy_file_whose_parts_do_not_fit() {
    let shipped = policy("base = \"1s\", cap = \"1s\"");
    let said = Folder::new()
        .with(
            "odd.toml",
            shipped.replace("write_ids = true", "write_ids = false"),
        )
        .unplug("compare odd.toml codex-0.142")
        .exits(64);
    let sentence = "in `odd.toml`: replay.write = \"same_id\" needs ids";
    assert!(said.stderr.contains(sentence), "{}", said.stderr);
}

#[test]
fn a_file_that_is_no_policy() {
    refused(
        "compare blip.toml codex-0.142",
        &["[blip.toml:5:3]", "unknown field `client`"],
    );
}

#[test]
fn an_unknown_scenario() {
    refused(
        "compare codex-0.142 recommended --scenarios wfi_blip",
        &["`wfi_blip` is no file", "did you mean `wifi_blip`?"],
    );
}

#[test]
fn an_unknown_version_of_the_servers() {
    refused(
        "compare codex-0.142 recommended --version 0.99",
        &["0.134, 0.140, 0.142, 0.169"],
    );
}

#[test]
fn more_seeds_than_there_are() {
    refused(
        "compare codex-0.142 recommended --seed 18446744073709551615 --seeds 2",
        &["there are no 2 seeds from 18446744073709551615 on"],
    );
}

#[test]
fn complaints_for_programs() {
    let said = Folder::new()
        .unplug("compare nobody codex-0.142 --format json")
        .exits(64);
    let document = parsed(&said.stdout);
    assert_eq!(document["exit_code"], 64);
    let message = document["errors"][0]["message"].as_str().expect("a message");
    assert!(message.starts_with("`nobody` is no file"), "{message}");
}
