//! `unplug list`.

use std::fmt::Write as _;

use unplug::presets;
use unplug::report::Outcome;
use unplug::report::json::{self, ListDocument, Listed};
use unplug::scenario::library::Source;
use unplug::scenario::{Expect, Expected, Scenario, library};

use super::args::Format;
use super::load::Refusal;
use super::{Failure, out};

/// Lists the built-in scenarios.
pub(crate) fn list(format: Format) -> Result<u8, Failure> {
    let names = presets::names();
    let (mut scenarios, mut refused) = (Vec::new(), Vec::new());
    for source in library::select(&[]).map_err(|problems| Refusal::Scenarios(vec![problems]))? {
        match source.parse(&names) {
            Ok(scenario) => scenarios.push((source, scenario)),
            Err(problems) => refused.push(problems),
        }
    }
    if !refused.is_empty() {
        return Err(Refusal::Scenarios(refused).into());
    }
    let exit_code = Outcome::AsExpected.exit_code();
    match format {
        Format::Text => out::print(&scenarios.iter().map(text).collect::<Vec<_>>().join("\n"))?,
        Format::Json => {
            let scenarios = scenarios
                .iter()
                .map(|(source, scenario)| Listed::new(source, scenario))
                .collect();
            out::json(&ListDocument {
                schema: json::SCHEMA,
                scenarios,
                exit_code,
            })?;
        }
    }
    Ok(exit_code)
}

fn text((source, scenario): &(Source, Scenario)) -> String {
    let mut text = format!("{}   {}\n", source.name, scenario.title);
    let variants = scenario.variants();
    let width = variants
        .iter()
        .map(|variant| variant.case.chars().count())
        .max()
        .unwrap_or_default();
    for variant in &variants {
        let case = if variant.case.is_empty() {
            "-"
        } else {
            &variant.case
        };
        let expected = expected(&variant.scenario.expect);
        writeln!(text, "  {case:width$}  {expected}").expect("a string takes every write");
    }
    text
}

fn expected(expect: &Expect) -> String {
    let mut text = match (expect.fails(), expect.verdict()) {
        ([], Expected::Pass) => "passes".to_owned(),
        ([], Expected::Inconclusive) => "puts nothing to the test".to_owned(),
        ([only], _) => format!("{only} fails"),
        (several, _) => format!("{} fail", several.join(", ")),
    };
    if let (Some(length), []) = (expect.recovered_within, expect.fails()) {
        text.push_str(&format!(
            ", recovered within {}",
            humantime::format_duration(length)
        ));
    }
    text
}
