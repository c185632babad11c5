//! `unplug timeline`.

use unplug::judge::Answer;
use unplug::report::Outcome;
use unplug::report::timeline::timeline;

use super::args::TimelineArgs;
use super::{Failure, load, out};

/// Prints the timeline of one run, or its history.
pub(crate) fn print(args: &TimelineArgs) -> Result<u8, Failure> {
    let loaded = load::one(&args.subject.scenario)?;
    let judged = loaded.job(&args.subject)?.run();
    let history = &judged.run.history;
    if args.jsonl {
        out::bytes(&history.to_jsonl())?;
    } else {
        out::print(&timeline(history))?;
    }
    // Half a history is no answer.
    Ok(match judged.answer {
        Answer::Panicked(_) | Answer::Runaway(_) => Outcome::Violated.exit_code(),
        Answer::AsExpected | Answer::Violated(_) | Answer::Inconclusive | Answer::Stale(_) => {
            Outcome::AsExpected.exit_code()
        }
    })
}
