//! The screen of a failure: what is wrong, what was done to the run, what led there, and how to see it again.
//!
//! It fits one screen and can be acted on without scrolling. The seed stands in its first and in its last line.

use super::excerpt::Upto;
use super::{Again, Finished, stale};
use crate::checkers::Verdict;
use crate::judge::{Answer, Surprise};
use crate::scenario::{Action, Expect, Scenario, Step};

/// So many steps of a script are shown.
const STEPS: usize = 6;

/// So many things that are wrong beside the first are named.
const ALSO: usize = 4;

/// One thing that is wrong.
struct Finding {
    /// `FAIL at-most-once`.
    title: String,
    /// What there is to say about it: a sentence, and at times details below it.
    lines: Vec<String>,
    /// The property, in a sentence, if it is one that fails.
    about: Option<&'static str>,
    /// What of the history led there.
    upto: Upto,
}

/// What to show of a run that is not as expected.
pub fn screen(finished: &Finished<'_>) -> String {
    let job = &finished.job;
    let history = &finished.judged.run.history;
    let findings = findings(finished);
    let Some((first, others)) = findings.split_first() else {
        return format!("as expected   {}\n", job.headline());
    };
    let mut lines = vec![format!(
        "{}   {}   {}",
        first.title,
        job.headline(),
        first.upto.at
    )];
    let mut block = |block: Vec<String>| lines.extend(block.into_iter().map(|line| format!("  {line}")));
    block(first.lines.clone());
    block(
        first
            .about
            .map(|about| format!("({about})"))
            .into_iter()
            .collect(),
    );
    block(others.iter().take(ALSO).map(also).collect());
    if let Some(more @ 1..) = others.len().checked_sub(ALSO) {
        block(vec![format!("and {more} more")]);
    }
    // A step that never fired is shown where that is said.
    if !matches!(finished.judged.answer, Answer::Stale(_)) {
        block(faults(&job.variant.scenario));
    }
    block(first.upto.excerpt(history));
    block(vec![
        format!("replay  {}", job.replay()),
        format!("seed {}   digest {}", job.seed, history.digest()),
    ]);
    lines.push(String::new());
    lines.join("\n")
}

fn also(finding: &Finding) -> String {
    let sentence = finding.lines.first().map_or("", String::as_str);
    format!("also {}: {sentence}", finding.title)
}

/// What is wrong, without what led there: for who has the timeline before their eyes.
pub fn verdict(finished: &Finished<'_>) -> String {
    let findings = findings(finished).into_iter();
    let text = findings.map(|finding| format!("{}\n  {}\n", finding.title, finding.lines.join("\n  ")));
    text.collect()
}

/// In one sentence each: what is wrong.
pub(super) fn sentences(finished: &Finished<'_>) -> Vec<String> {
    let findings = findings(finished).into_iter();
    findings
        .map(|finding| format!("{}: {}", finding.title, finding.lines.join("; ")))
        .collect()
}

fn findings(finished: &Finished<'_>) -> Vec<Finding> {
    let run = &finished.judged.run;
    let end = Upto::end(&run.history);
    let finding = |title: &str, lines| Finding {
        title: title.to_owned(),
        lines,
        about: None,
        upto: end,
    };
    let mut findings = Vec::new();
    if let Again::Differs(difference) = &finished.again {
        findings.push(finding("NONDETERMINISTIC", difference.lines()));
    }
    match &finished.judged.answer {
        Answer::AsExpected => {}
        Answer::Violated(surprises) => findings.extend(surprises.iter().map(|one| surprise(finished, one))),
        Answer::Inconclusive => findings.push(finding("INCONCLUSIVE", vec![inconclusive(finished)])),
        Answer::Stale(_) => findings.push(finding("STALE", stale::told(finished))),
        Answer::Runaway(things) => findings.push(finding(
            "FAIL runaway",
            vec![format!(
                "the run does not come to an end: it was stopped after {things} events"
            )],
        )),
        Answer::Panicked(why) => findings.push(finding(
            "FAIL panic",
            vec![format!(
                "an invariant of a machine or of the harness broke, and the history is lost: {why}"
            )],
        )),
    }
    findings
}

fn surprise(finished: &Finished<'_>, surprise: &Surprise) -> Finding {
    let judged = &finished.judged;
    let of = |name: &str| {
        judged
            .judgements
            .iter()
            .find(|judgement| judgement.checker.name == name)
    };
    let end = Upto::end(&judged.run.history);
    match surprise {
        Surprise::Fails { checker, why } => Finding {
            title: format!("FAIL {checker}"),
            lines: vec![why.clone()],
            about: of(checker).map(|judgement| judgement.checker.about),
            upto: of(checker).map_or(end, |judgement| {
                Upto::violation(&judged.run.history, judgement.checker, why)
            }),
        },
        Surprise::Holds { checker } => {
            let vacuous = of(checker).is_some_and(|judgement| judgement.verdict == Verdict::Vacuous);
            let instead = if vacuous {
                "the run did not put it to the test"
            } else {
                "it passes"
            };
            let line = format!("the scenario expects this checker to fail, but {instead}");
            Finding {
                title: format!("FAIL {checker}"),
                lines: vec![line],
                about: of(checker).map(|judgement| judgement.checker.about),
                upto: end,
            }
        }
    }
}

fn inconclusive(finished: &Finished<'_>) -> String {
    let judgements = finished.judged.judgements.iter();
    let tested = judgements.filter(|judgement| judgement.verdict != Verdict::Vacuous);
    let tested: Vec<_> = tested.map(|judgement| judgement.checker.name).collect();
    match tested.as_slice() {
        [] => "the run put no checker to the test: it proves nothing".to_owned(),
        tested => format!(
            "the scenario expects that nothing is put to the test, but this was: {}",
            tested.join(", ")
        ),
    }
}

/// The steps of the script that make something go wrong.
fn faults(scenario: &Scenario) -> Vec<String> {
    let is_fault = |step: &&Step| matches!(step.action, Action::Fault(_));
    let faults: Vec<Step> = scenario.steps.iter().filter(is_fault).cloned().collect();
    if faults.is_empty() {
        return vec!["nothing goes wrong in this script: it has no faults".to_owned()];
    }
    let shown = faults.len().min(STEPS);
    let mut lines = vec![match faults.len() {
        1 => "the fault of the script".to_owned(),
        more if more <= STEPS => format!("the {more} faults of the script"),
        more => format!("the first {STEPS} of the {more} faults of the script"),
    }];
    lines.extend(toml(scenario, &faults[..shown]));
    lines
}

/// Steps as a scenario file has them.
pub(super) fn toml(scenario: &Scenario, steps: &[Step]) -> Vec<String> {
    // Steps come last in a file without cases and expectations.
    let (steps, expect, cases) = (steps.to_vec(), Expect::default(), Vec::new());
    let text = Scenario {
        steps,
        expect,
        cases,
        ..scenario.clone()
    }
    .to_toml();
    let start = text.find("\n[[step]]").unwrap_or_default();
    text[start..]
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| format!("  {line}"))
        .collect()
}
