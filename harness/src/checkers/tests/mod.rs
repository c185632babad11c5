//! Every checker on histories by hand: one that passes, one that is vacuous, and one for each way to fail, with its
//! exact sentence.

mod bodies;
mod isolation;
mod metrics;
mod output;
mod rest;
mod resumption;
mod retries;
mod run;
mod sessions;
mod stdin;

use std::collections::BTreeSet;

use run::Run;

use super::{ALL, Verdict, judge};

#[test]
fn names_are_unique_and_kebab_case() {
    let names: BTreeSet<_> = ALL.iter().map(|checker| checker.name).collect();
    assert_eq!(names.len(), ALL.len());
    let kebab = |name: &str| {
        name.split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
    };
    assert!(names.into_iter().all(kebab));
}

#[test]
fn families_stay_together_and_say_what_they_promise() {
    assert!(ALL.is_sorted_by_key(|checker| checker.family));
    assert!(ALL.iter().all(|checker| checker.about.ends_with('.')));
}

#[test]
fn all_are_vacuous_about_nothing() {
    let verdicts = judge(&Run::new().into_history());
    assert_eq!(verdicts.len(), ALL.len());
    for judgement in verdicts {
        assert_eq!(judgement.verdict, Verdict::Vacuous, "{}", judgement.checker.name);
    }
}
