//! `unplug replay`.

use std::fmt::Write as _;

use unplug::checkers::Verdict;
use unplug::report::json::{self, ReplayDocument};
use unplug::report::timeline::timeline;
use unplug::report::{Again, Finished, Outcome};

use super::args::{Format, ReplayArgs};
use super::{Failure, load, out};

/// Runs one case twice, and says everything about it.
pub(crate) fn replay(args: &ReplayArgs) -> Result<u8, Failure> {
    let loaded = load::one(&args.subject.scenario)?;
    let job = loaded.job(&args.subject)?;
    if args.format == Format::Text {
        // Before the run, so that it is known whatever happens.
        out::print(&format!("{}\n\n", job.headline()))?;
    }
    let finished = job.finish(true);
    let exit_code = finished.outcome().exit_code();
    match args.format {
        Format::Text => out::print(&text(&finished))?,
        Format::Json => out::json(&ReplayDocument {
            schema: json::SCHEMA,
            run: json::Run::new(&finished),
            timeline: timeline(&finished.judged.run.history)
                .lines()
                .map(str::to_owned)
                .collect(),
            exit_code,
        })?,
    }
    Ok(exit_code)
}

fn text(finished: &Finished<'_>) -> String {
    let history = &finished.judged.run.history;
    let mut text = timeline(history);
    text.push('\n');
    let expected = finished.fails_as_expected();
    let judgements = &finished.judged.judgements;
    let width = judgements
        .iter()
        .map(|judgement| judgement.checker.name.len())
        .max()
        .unwrap_or_default();
    for judgement in judgements {
        let name = judgement.checker.name;
        let line = match &judgement.verdict {
            Verdict::Pass => format!("pass     {name}"),
            Verdict::Vacuous => format!("vacuous  {name}"),
            Verdict::Fail(why) if expected.contains(&name) => {
                format!("fail     {name:width$}  {why} (as expected)")
            }
            Verdict::Fail(why) => format!("FAIL     {name:width$}  {why}"),
        };
        writeln!(text, "{line}").expect("a string takes every write");
    }
    text.push('\n');
    if finished.outcome() == Outcome::AsExpected {
        text.push_str(&match expected.as_slice() {
            [] => "as expected\n".to_owned(),
            fails => format!("as expected: {} must fail\n", fails.join(", ")),
        });
    } else {
        text.push_str(&unplug::report::screen::verdict(finished));
    }
    let again = match finished.again {
        Again::Same => "the second run gave the same bytes",
        Again::Differs(_) => "the second run gave OTHER bytes",
        Again::Untried => "run once",
    };
    let seed = finished.job.seed;
    writeln!(text, "seed {seed}   digest {}   {again}", history.digest())
        .expect("a string takes every write");
    text
}
