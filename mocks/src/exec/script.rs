//! Programs as data: what a process started with a given argv does, in the words of `contracts/README.md`.

use std::time::Duration;

use serde::Deserialize;
use unplug_reconnect::wire::exec::Stream;

/// A program by its exact argv.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Matches a `process/start` with exactly this.
    pub argv: Vec<String>,
    /// What it does, in any order.
    pub does: Vec<Step>,
}

/// One thing that a scripted program does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawStep")]
pub struct Step {
    /// When.
    pub when: When,
    /// What.
    pub act: StepAct,
}

/// When a step happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long after the start.
    At(Duration),
    /// So long after an interrupt. A program without such a step dies of one.
    Interrupted(Duration),
}

/// What happens in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepAct {
    /// Writes this, so many times, one write each.
    Print {
        /// Where to.
        stream: Stream,
        /// What.
        text: String,
        /// How often.
        times: u32,
    },
    /// Leaves with this code.
    Exit(i32),
    /// From then on copies each write from stdin to stdout; leaves with 0 at the end of input.
    Copy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    at_ms: Option<u64>,
    on: Option<Signal>,
    after_ms: Option<u64>,
    stdout: Option<String>,
    stderr: Option<String>,
    times: Option<u32>,
    exit: Option<i32>,
    copy: Option<Source>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Signal {
    Interrupt,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    Stdin,
}

impl TryFrom<RawStep> for Step {
    type Error = &'static str;

    fn try_from(raw: RawStep) -> Result<Self, &'static str> {
        let when = match (raw.at_ms, raw.on, raw.after_ms) {
            (Some(at), None, None) => When::At(Duration::from_millis(at)),
            (None, Some(Signal::Interrupt), after) => {
                When::Interrupted(Duration::from_millis(after.unwrap_or(0)))
            }
            _ => return Err("a step has either `at_ms`, or `on` and perhaps `after_ms`"),
        };
        let print = |stream, text| StepAct::Print {
            stream,
            text,
            times: raw.times.unwrap_or(1),
        };
        let act = match (raw.stdout, raw.stderr, raw.exit, raw.copy) {
            (Some(text), None, None, None) => print(Stream::Stdout, text),
            (None, Some(text), None, None) => print(Stream::Stderr, text),
            (None, None, Some(code), None) if raw.times.is_none() => StepAct::Exit(code),
            (None, None, None, Some(Source::Stdin)) if raw.times.is_none() => StepAct::Copy,
            _ => {
                return Err("a step has one of `stdout`, `stderr`, `exit`, `copy`; `times` goes with output");
            }
        };
        Ok(Self { when, act })
    }
}
