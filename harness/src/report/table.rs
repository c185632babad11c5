//! The table of many runs: a row for each scenario, case and world, whatever the number of seeds.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{Finished, Outcome};
use crate::checkers::{ALL, Verdict};

/// What the runs of one case in one world have shown.
#[derive(Clone, Debug)]
pub struct Row {
    /// The name of the scenario.
    scenario: String,
    /// The name of the case; empty for the script as it stands.
    case: String,
    /// Where it ran.
    world: String,
    /// How long a run is.
    simulated: Duration,
    /// So many runs are over.
    runs: u64,
    /// So many of them are as expected.
    as_expected: u64,
    /// What weighs most.
    outcome: Outcome,
    /// The checkers that failed in some run, as the scenario says.
    fails: BTreeSet<&'static str>,
    /// The checkers that some run has put to the test.
    tested: BTreeSet<&'static str>,
}

/// What a row needs of one run.
#[derive(Clone, Debug)]
pub struct Entry {
    /// How it counts.
    pub outcome: Outcome,
    fails: Vec<&'static str>,
    tested: Vec<&'static str>,
}

impl Entry {
    /// Of this run.
    pub fn new(finished: &Finished<'_>) -> Self {
        let judgements = finished.judged.judgements.iter();
        let tested = judgements.filter(|judgement| judgement.verdict != Verdict::Vacuous);
        Self {
            outcome: finished.outcome(),
            fails: finished.fails_as_expected(),
            tested: tested.map(|judgement| judgement.checker.name).collect(),
        }
    }
}

impl Row {
    /// A row without runs.
    pub fn new(scenario: &str, case: &str, world: &str, simulated: Duration) -> Self {
        Self {
            scenario: scenario.to_owned(),
            case: case.to_owned(),
            world: world.to_owned(),
            simulated,
            runs: 0,
            as_expected: 0,
            outcome: Outcome::AsExpected,
            fails: BTreeSet::new(),
            tested: BTreeSet::new(),
        }
    }

    /// Takes note of a run.
    pub fn note(&mut self, entry: &Entry) {
        self.runs += 1;
        self.as_expected += u64::from(entry.outcome == Outcome::AsExpected);
        self.outcome = self.outcome.max(entry.outcome);
        self.fails.extend(&entry.fails);
        self.tested.extend(&entry.tested);
    }

    /// So many runs are over.
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    /// What weighs most.
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }
}

/// The table; with a column for the seeds if there are several. Rows without runs are left out.
pub fn table(rows: &[Row], seeds: u64) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    let mut header = vec!["scenario", "case", "world", "verdict"];
    header.extend((1 < seeds).then_some("as expected"));
    header.extend(["tested", "vacuous", "simulated", "fails as expected"]);
    let numbers = header.len() - 4..header.len() - 1;
    table.set_header(header);
    for row in rows.iter().filter(|row| row.runs != 0) {
        let mut cells = vec![
            row.scenario.clone(),
            if row.case.is_empty() {
                "-".to_owned()
            } else {
                row.case.clone()
            },
            row.world.clone(),
            row.outcome.shown().to_owned(),
        ];
        cells.extend((1 < seeds).then(|| format!("{} of {}", row.as_expected, row.runs)));
        let fails: Vec<_> = row.fails.iter().copied().collect();
        cells.extend([
            row.tested.len().to_string(),
            (ALL.len() - row.tested.len()).to_string(),
            humantime::format_duration(row.simulated).to_string(),
            fails.join(", "),
        ]);
        table.add_row(cells);
    }
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    print(&table)
}

/// A table without borders as it is printed.
pub(super) fn print(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        // Without borders, a cell's padding is all that stands on the left.
        writeln!(text, "{}", line.strip_prefix(' ').unwrap_or(&line).trim_end())
            .expect("a string takes every write");
    }
    text
}
