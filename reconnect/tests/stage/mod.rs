//! The verbs of the transcripts and their words.

pub(crate) mod credential;
pub(crate) mod exec;
mod print;

use std::fmt::Display;
use std::fs;
use std::str::FromStr;
use std::time::Duration;

use datadriven::TestCase;
use unplug_reconnect::policy::Policy;
use unplug_reconnect::time::length;

pub(crate) type Result<T> = std::result::Result<T, String>;

/// The one word without a value that reads as a `T`.
fn word<T: FromStr>(case: &mut TestCase, what: &str) -> Result<T> {
    let reads = |word: &str| word.parse::<T>().is_ok();
    let mut found = case
        .args
        .iter()
        .filter(|(word, values)| values.is_empty() && reads(word));
    let word = match (found.next(), found.next()) {
        (Some((word, _)), None) => word.clone(),
        (None, _) => return Err(format!("{what} is missing")),
        (Some(_), Some(_)) => return Err(format!("more than one word can be {what}")),
    };
    case.args.remove(&word);
    word.parse().map_err(|_| format!("{what} is missing"))
}

/// The value of `name=value`, if it is there.
fn value<T: FromStr<Err: Display>>(case: &mut TestCase, name: &str) -> Result<Option<T>> {
    let Some(values) = case.args.remove(name) else {
        return Ok(None);
    };
    let [value] = values.as_slice() else {
        return Err(format!("{name} takes one value"));
    };
    value
        .parse()
        .map(Some)
        .map_err(|error| format!("{name}: {error}"))
}

/// As [`value`], and it must be there.
fn needed<T: FromStr<Err: Display>>(case: &mut TestCase, name: &str) -> Result<T> {
    value(case, name)?.ok_or_else(|| format!("{name} is missing"))
}

fn span(case: &mut TestCase, name: &str) -> Result<Option<Duration>> {
    let text: Option<String> = value(case, name)?;
    text.map(|text| length::parse(&text)).transpose()
}

fn flag(case: &mut TestCase, name: &str) -> Result<bool> {
    case.take_flag(name).map_err(|error| error.to_string())
}

/// The preset that the remaining word names.
fn preset(case: &mut TestCase) -> Result<Policy> {
    let name: String = word(case, "a policy")?;
    let path = format!("{}/../scenarios/policies/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    toml::from_str(&text).map_err(|error| error.to_string())
}

/// All answers end with a newline; no lines are `ok`.
fn answer(lines: &mut Vec<String>) -> String {
    if lines.is_empty() {
        lines.push("ok".to_owned());
    }
    let answer = lines.join("\n") + "\n";
    lines.clear();
    answer
}
