//! The machines' stories, one file each in `transcripts/`: what a client does when its connections, its session or its
//! signed URLs fail.
//!
//! Method: a transcript is a list of commands, each with what the machine did in answer. `wake` jumps to the deadline,
//! `wake now` wakes without a jump, `wait for=1s` lets time pass, `refuse for=24s` refuses every dial of that time.
//! Unknown verbs and surplus words fail. `REWRITE=1` writes the answers; read the difference before you keep it.

mod stage;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use datadriven::{TestCase, TestFile};
use unplug_reconnect::exec::{EDGES, Phase, dot};

fn folder(machine: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/transcripts")
        .join(machine)
}

/// Fails on a folder that lost its files and on a file that does not begin with its reason.
fn each_story(machine: &str, files_min: usize, mut story: impl FnMut(&mut TestFile)) {
    let folder = folder(machine);
    let files: Vec<_> = fs::read_dir(&folder).expect("the folder is there").collect();
    assert!(
        files_min <= files.len(),
        "only {} transcripts of {machine}",
        files.len()
    );
    for file in files {
        let path = file.expect("the folder can be read").path();
        let text = fs::read_to_string(&path).expect("transcripts are text");
        assert!(
            text.starts_with("# "),
            "{} does not say what it shows",
            path.display()
        );
    }
    datadriven::walk(&folder.to_string_lossy(), &mut story);
}

fn run_exec(file: &mut TestFile) -> BTreeSet<(Phase, Phase)> {
    let mut stage = stage::exec::Stage::default();
    file.run(|case| finish(stage.perform(case)?, case));
    stage.moves
}

fn run_credential(file: &mut TestFile) {
    let mut stage = stage::credential::Stage::default();
    file.run(|case| finish(stage.perform(case)?, case));
}

fn finish(answer: String, case: &TestCase) -> Result<String, String> {
    case.expect_empty().map_err(|error| error.to_string())?;
    Ok(answer)
}

#[test]
fn exec() {
    let mut taken = BTreeSet::new();
    each_story("exec", 40, |file| taken.append(&mut run_exec(file)));
    let not_taken: Vec<_> = EDGES
        .iter()
        .filter(|edge| !taken.contains(edge))
        .map(|(from, to)| format!("{from} -> {to}"))
        .collect();
    assert!(not_taken.is_empty(), "no transcript takes {not_taken:?}");
}

#[test]
fn credential() {
    each_story("credential", 9, run_credential);
}

#[test]
fn unknown_verbs_and_surplus_words_fail() {
    let fails = |name: &str, text: &str| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("bad-stories")
            .join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("bad.txt"), text).unwrap();
        let run = || {
            datadriven::walk(&folder.to_string_lossy(), |file| {
                run_exec(file);
            });
        };
        std::panic::catch_unwind(run).is_err()
    };
    assert!(!fails("good", "policy codex-0.142\n----\nok\n"));
    assert!(fails("verb", "polcy codex-0.142\n----\nok\n"));
    assert!(fails("surplus", "policy codex-0.142 fast=1\n----\nok\n"));
    assert!(fails("two", "policy codex-0.142 fast\n----\nok\n"));
    assert!(fails("preset", "policy codex-9\n----\nok\n"));
    assert!(fails("unbegun", "dialed c1\n----\nok\n"));
}

/// A new edge shows in review.
#[test]
fn the_states_and_their_edges() {
    insta::assert_snapshot!(dot(), @"
    digraph exec {
        idle -> fetching;
        idle -> dialing;
        fetching -> dialing;
        fetching -> waiting;
        fetching -> idle;
        fetching -> failed;
        dialing -> attaching;
        dialing -> fetching;
        dialing -> waiting;
        dialing -> idle;
        dialing -> failed;
        attaching -> filling;
        attaching -> up;
        attaching -> waiting;
        attaching -> idle;
        attaching -> failed;
        filling -> up;
        filling -> waiting;
        filling -> failed;
        up -> fetching;
        up -> dialing;
        up -> idle;
        up -> failed;
        waiting -> fetching;
        waiting -> dialing;
        waiting -> idle;
        waiting -> failed;
        failed -> fetching;
        failed -> dialing;
    }
    ");
}
