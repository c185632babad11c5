//! Policies beside each other, as a person reads it and as a program does.
//!
//! For a person a column is a policy with its server and a row is a number; below stand the checkers that failed, and,
//! if that is asked for, one line for each scenario and column.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::table::print;
use crate::checkers::metrics::Counts;
use crate::compare::{Contender, Lengths, Tally};

/// What every run of a comparison adds up to, by column and, within it, by scenario.
#[derive(Clone, Debug)]
pub struct Comparison {
    contenders: Vec<Contender>,
    scenarios: Vec<String>,
    /// Column by column, in each the scenarios in order.
    tallies: Vec<Vec<Tally>>,
}

impl Comparison {
    /// One without runs.
    pub fn new(contenders: Vec<Contender>, scenarios: Vec<String>) -> Self {
        let tallies = vec![vec![Tally::default(); scenarios.len()]; contenders.len()];
        Self {
            contenders,
            scenarios,
            tallies,
        }
    }

    /// The runs of one scenario in one column.
    pub fn tally(&mut self, contender: usize, scenario: usize) -> &mut Tally {
        &mut self.tallies[contender][scenario]
    }

    fn totals(&self) -> Vec<Tally> {
        let total = |tallies: &Vec<Tally>| {
            let mut total = Tally::default();
            tallies.iter().for_each(|tally| total += tally);
            total
        };
        self.tallies.iter().map(total).collect()
    }

    /// The table over all scenarios, and below it the checkers that failed.
    pub fn text(&self) -> String {
        let totals = self.totals();
        let mut text = self.table(rows(&totals));
        let failed: BTreeSet<&str> = totals
            .iter()
            .flat_map(|tally| tally.violations.keys().copied())
            .collect();
        if !failed.is_empty() {
            text.push_str("\nRuns in which a checker failed:\n\n");
            let runs = |checker| {
                let count = |tally: &Tally| tally.violations.get(checker).copied().unwrap_or_default();
                totals.iter().map(|tally| number(count(tally))).collect()
            };
            text.push_str(
                &self.table(
                    failed
                        .iter()
                        .map(|checker| ((*checker).to_owned(), runs(*checker))),
                ),
            );
        }
        text
    }

    /// A table with a column for each contender.
    fn table(&self, rows: impl IntoIterator<Item = (String, Vec<String>)>) -> String {
        let mut table = bare();
        let label = |contender: &Contender| format!("{}\non {}", contender.policy, contender.version);
        let labels = self.contenders.iter().map(label);
        table.set_header(std::iter::once(String::new()).chain(labels));
        for (name, cells) in rows {
            table.add_row(std::iter::once(name).chain(cells));
        }
        align(&mut table, 1..=self.contenders.len());
        print(&table)
    }

    /// One line for each scenario and column.
    pub fn by_scenario(&self) -> String {
        let mut table = bare();
        table.set_header([
            "scenario",
            "policy",
            "on",
            "passed",
            "violated",
            "stale",
            "sessions lost",
            "processes lost",
            "ambiguous",
            "unsettled",
            "dials/run",
            "outages",
            "p50",
            "p99",
            "open",
            "failing checkers",
        ]);
        for (index, scenario) in self.scenarios.iter().enumerate() {
            for (contender, tallies) in self.contenders.iter().zip(&self.tallies) {
                let tally = &tallies[index];
                let Counts { writes, calls, .. } = tally.counts;
                let checkers: Vec<_> = tally.violations.keys().copied().collect();
                table.add_row([
                    scenario.clone(),
                    contender.policy.clone(),
                    contender.version.to_owned(),
                    number(tally.passed),
                    number(tally.violated),
                    number(tally.stale),
                    number(tally.counts.sessions_lost),
                    number(tally.counts.processes_lost),
                    number(writes.ambiguous + calls.ambiguous),
                    number(writes.unsettled + calls.unsettled),
                    per_run(tally.counts.dials, tally.runs),
                    number(tally.outages.count()),
                    quantile(&tally.outages, 50),
                    quantile(&tally.outages, 99),
                    number(tally.counts.outages_open),
                    checkers.join(", "),
                ]);
            }
        }
        align(&mut table, 3..=14);
        print(&table)
    }

    /// The same for programs.
    pub fn columns(&self) -> Vec<Column> {
        let column = |((contender, tallies), total): ((&Contender, &Vec<Tally>), Tally)| Column {
            policy: contender.policy.clone(),
            version: contender.version,
            total: Numbers::new(&total),
            scenarios: self
                .scenarios
                .iter()
                .zip(tallies)
                .map(|(scenario, tally)| OfScenario {
                    scenario: scenario.clone(),
                    numbers: Numbers::new(tally),
                })
                .collect(),
        };
        self.contenders
            .iter()
            .zip(&self.tallies)
            .zip(self.totals())
            .map(column)
            .collect()
    }
}

/// The rows over all scenarios. Those that only mishaps fill are left out where there was none.
fn rows(totals: &[Tally]) -> Vec<(String, Vec<String>)> {
    let row = |name: &str, cell: &dyn Fn(&Tally) -> String| {
        (name.to_owned(), totals.iter().map(cell).collect::<Vec<_>>())
    };
    let count = |name: &str, of: &dyn Fn(&Tally) -> u64| row(name, &|tally| number(of(tally)));
    let mishap = |name: &str, of: &dyn Fn(&Tally) -> u64| {
        let any = totals.iter().any(|tally| of(tally) != 0);
        any.then(|| count(name, of))
    };
    let mut rows = vec![
        count("runs", &|tally| tally.runs),
        count("  passed", &|tally| tally.passed),
        count("  violated", &|tally| tally.violated),
        count("  stale", &|tally| tally.stale),
    ];
    rows.extend(mishap("  nothing tested", &|tally| tally.untested));
    rows.extend(mishap("  runaway", &|tally| tally.runaway));
    rows.extend(mishap("  panicked", &|tally| tally.panicked));
    rows.extend([
        count("sessions lost", &|tally| tally.counts.sessions_lost),
        count("processes lost", &|tally| tally.counts.processes_lost),
        count("writes", &|tally| tally.counts.writes.asked()),
        count("  applied", &|tally| tally.counts.writes.applied),
        count("  not applied", &|tally| tally.counts.writes.not_applied),
        count("  ambiguous", &|tally| tally.counts.writes.ambiguous),
        count("  never settled", &|tally| tally.counts.writes.unsettled),
        count("  read twice", &|tally| tally.counts.writes_duplicated),
        count("  lost", &|tally| tally.counts.writes_lost),
        count("other calls", &|tally| tally.counts.calls.asked()),
        count("  applied", &|tally| tally.counts.calls.applied),
        count("  not applied", &|tally| tally.counts.calls.not_applied),
        count("  ambiguous", &|tally| tally.counts.calls.ambiguous),
        count("  never settled", &|tally| tally.counts.calls.unsettled),
        count("needless surrenders", &|tally| tally.counts.needless_surrenders),
        row("dials per run", &|tally| per_run(tally.counts.dials, tally.runs)),
        count("  most in a second", &|tally| tally.counts.dials_peak),
        count("outages over", &|tally| tally.outages.count()),
        row("  p50", &|tally| quantile(&tally.outages, 50)),
        row("  p99", &|tally| quantile(&tally.outages, 99)),
        count("outages not over", &|tally| tally.counts.outages_open),
        row("callers wait, p50", &|tally| quantile(&tally.waits, 50)),
        row("  p99", &|tally| quantile(&tally.waits, 99)),
    ]);
    rows
}

fn bare() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn align(table: &mut Table, numbers: impl IntoIterator<Item = usize>) {
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A zero is a dash, so that what is there stands out.
fn number(number: u64) -> String {
    match number {
        0 => "-".to_owned(),
        number => number.to_string(),
    }
}

/// With two decimals.
fn per_run(count: u64, runs: u64) -> String {
    let Some(hundredths) = (count * 100).checked_div(runs) else {
        return "-".to_owned();
    };
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// In seconds.
fn quantile(lengths: &Lengths, percent: u64) -> String {
    lengths.quantile(percent).map_or_else(|| "-".to_owned(), seconds)
}

fn seconds(length: Duration) -> String {
    format!("{}.{:03}s", length.as_secs(), length.subsec_millis())
}

/// What `unplug compare` says.
#[derive(Clone, Debug, Serialize)]
pub struct CompareDocument {
    /// The version of this document: [`super::json::SCHEMA`].
    pub schema: u32,
    /// Where the runs were made.
    pub world: String,
    /// The first seed.
    pub seed: u64,
    /// How many seeds, counted up from the first.
    pub seeds: u64,
    /// Policies with their servers, in the order in which they were asked for.
    pub columns: Vec<Column>,
    /// Whether some runs were not made because someone pressed Ctrl-C.
    pub interrupted: bool,
    /// How the program exits.
    pub exit_code: u8,
}

/// A policy with its server.
#[derive(Clone, Debug, Serialize)]
pub struct Column {
    policy: String,
    /// Of its server.
    version: &'static str,
    total: Numbers,
    scenarios: Vec<OfScenario>,
}

#[derive(Clone, Debug, Serialize)]
struct OfScenario {
    scenario: String,
    #[serde(flatten)]
    numbers: Numbers,
}

/// What many runs add up to.
#[derive(Clone, Debug, Serialize)]
struct Numbers {
    runs: u64,
    passed: u64,
    violated: u64,
    stale: u64,
    untested: u64,
    runaway: u64,
    panicked: u64,
    /// By checker: the runs in which it failed.
    violations: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    counts: Counts,
    outages: Quantiles,
    waits: Quantiles,
}

#[derive(Clone, Debug, Serialize)]
struct Quantiles {
    count: u64,
    p50_ms: Option<u128>,
    p99_ms: Option<u128>,
}

impl Numbers {
    fn new(tally: &Tally) -> Self {
        Self {
            runs: tally.runs,
            passed: tally.passed,
            violated: tally.violated,
            stale: tally.stale,
            untested: tally.untested,
            runaway: tally.runaway,
            panicked: tally.panicked,
            violations: tally.violations.clone(),
            counts: tally.counts,
            outages: Quantiles::new(&tally.outages),
            waits: Quantiles::new(&tally.waits),
        }
    }
}

impl Quantiles {
    fn new(lengths: &Lengths) -> Self {
        let ms = |percent| lengths.quantile(percent).map(|length| length.as_millis());
        Self {
            count: lengths.count(),
            p50_ms: ms(50),
            p99_ms: ms(99),
        }
    }
}
