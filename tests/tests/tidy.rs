//! What is only written down is broken within a month: promises about files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use unplug_tests::suite;

/// A file that is longer than this holds more than one thing.
const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the root is there")
}

/// All files below these folders with this ending.
fn files(folders: &[&str], ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {ending} below {folders:?}");
    found
}

#[test]
fn no_golden_timeline_is_an_orphan() {
    let wanted: BTreeSet<_> = suite::all()
        .iter()
        .map(|case| PathBuf::from(format!("{}.snap", suite::golden(case).display())))
        .collect();
    let found: BTreeSet<_> = files(&["scenarios"], ".snap").into_iter().collect();
    assert_eq!(
        found.difference(&wanted).collect::<Vec<_>>(),
        Vec::<&PathBuf>::new(),
        "nobody compares these"
    );
    assert_eq!(
        wanted.difference(&found).collect::<Vec<_>>(),
        Vec::<&PathBuf>::new(),
        "these are missing"
    );
}

#[test]
fn nothing_sleeps() {
    for path in files(&["reconnect", "mocks", "harness", "tests"], ".rs") {
        let text = fs::read_to_string(&path).unwrap();
        // In two pieces, or this file would find itself.
        let sleep = ["thread::", "sleep("].concat();
        assert!(
            !text.contains(&sleep),
            "{}: advance the simulated clock",
            path.display()
        );
    }
}

#[test]
fn files_can_be_held_in_the_head() {
    for path in files(&["reconnect/src", "mocks/src", "harness/src", "tests"], ".rs") {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{}: {lines} lines", path.display());
    }
}

#[test]
fn golden_timelines_fit_a_screen() {
    for path in files(&["scenarios"], ".snap") {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 64, "{}: {lines} lines are two scenarios", path.display());
    }
}

#[test]
fn every_scenario_has_a_subject_that_must_fail() {
    let scenarios: BTreeSet<String> = suite::all().into_iter().map(|case| case.source.name).collect();
    for scenario in scenarios {
        let cases = suite::all()
            .into_iter()
            .filter(|case| case.source.name == scenario);
        let fails = cases
            .filter(|case| !case.variant.scenario.expect.fails().is_empty())
            .count();
        assert!(0 < fails, "{scenario}: nothing shows that it can fail");
    }
}
