//! `unplug run`.

use std::fmt::Write as _;

use strum::VariantArray as _;
use unplug::judge::WorldName;
use unplug::report::json::{self, RunDocument, Summary};
use unplug::report::table::{Entry, Row, table};
use unplug::report::{Finished, Job, Outcome, screen};
use unplug_reconnect::seed::Seed;

use super::args::{Format, RunArgs};
use super::load::{self, Loaded, Misfit, Refusal};
use super::{Failure, INTERRUPTED, out, runner};

/// So many of the other seeds with which a case is not as expected are named.
const SEEDS_NAMED: usize = 8;

/// Runs everything that is asked for.
pub(crate) fn run(args: &RunArgs) -> Result<u8, Failure> {
    let loaded = load::all(&args.scenarios)?;
    let work = Work::new(&loaded, args)?;
    if args.format == Format::Text {
        // Before anything runs, so that the seed is known whatever happens.
        out::print(&format!("{}\n\n", work.headline(loaded.len())))?;
    }
    let mut book = Book::new(&work);
    let complete = runner::all(
        work.count(),
        |index| work.make(index, args.format),
        |made| book.note(made),
    )?;
    let exit_code = if complete {
        book.outcome().exit_code()
    } else {
        INTERRUPTED
    };
    match args.format {
        Format::Text => out::print(&book.text(&work, complete))?,
        Format::Json => out::json(&RunDocument {
            schema: json::SCHEMA,
            runs: book.runs,
            summary: book.summary,
            interrupted: !complete,
            exit_code,
        })?,
    }
    Ok(exit_code)
}

/// All runs that are to be made: cases in the order in which they are printed, and within each all seeds.
struct Work<'a> {
    /// With the first seed.
    cases: Vec<Job<'a>>,
    seeds: u64,
}

/// What is kept of a run.
struct Made {
    case: usize,
    seed: Seed,
    entry: Entry,
    /// What to show of it, if it is not as expected.
    screen: Option<String>,
    json: Option<json::Run>,
}

impl<'a> Work<'a> {
    fn new(loaded: &'a [Loaded], args: &RunArgs) -> Result<Self, Refusal> {
        let RunArgs {
            seed, seeds, world, ..
        } = *args;
        seeds_there(seed, seeds)?;
        let job = |source, variant, world: &WorldName| Job {
            source,
            variant,
            world: *world,
            seed: Seed(seed),
        };
        let cases = loaded.iter().flat_map(|Loaded { source, variants }| {
            variants
                .iter()
                .flat_map(move |variant| world.names().iter().map(move |world| job(source, variant, world)))
        });
        Ok(Self {
            cases: cases.collect(),
            seeds,
        })
    }

    const fn count(&self) -> u64 {
        self.cases.len() as u64 * self.seeds
    }

    fn headline(&self, scenarios: usize) -> String {
        let first = self.cases[0].seed.0;
        let seeds = match self.seeds {
            1 => format!("seed {first}"),
            seeds => format!("seeds {first} to {}", first + (seeds - 1)),
        };
        let mut worlds: Vec<_> = self.cases.iter().map(|job| job.world).collect();
        worlds.sort();
        worlds.dedup();
        let worlds: Vec<_> = worlds.iter().map(ToString::to_string).collect();
        let runs = counted(self.count(), "run");
        format!(
            "{runs} of {}   world {}   {seeds}",
            counted(scenarios as u64, "scenario"),
            worlds.join(" and ")
        )
    }

    fn make(&self, index: u64, format: Format) -> Made {
        let (case, nth) = ((index / self.seeds) as usize, index % self.seeds);
        let job = Job {
            seed: Seed(self.cases[case].seed.0 + nth),
            ..self.cases[case]
        };
        let finished: Finished<'_> = job.finish(nth == 0);
        let wrong = finished.outcome() != Outcome::AsExpected;
        Made {
            case,
            seed: job.seed,
            entry: Entry::new(&finished),
            screen: (wrong && format == Format::Text).then(|| screen::screen(&finished)),
            json: (format == Format::Json).then(|| json::Run::new(&finished)),
        }
    }
}

/// What is known about all runs so far.
struct Book {
    rows: Vec<Row>,
    summary: Summary,
    /// By case: the first that is not as expected, and the seeds of the others.
    screens: Vec<Option<(String, Vec<Seed>)>>,
    runs: Vec<json::Run>,
}

impl Book {
    fn new(work: &Work<'_>) -> Self {
        let row = |job: &Job<'_>| {
            let until = job.variant.scenario.until;
            Row::new(&job.source.name, &job.variant.case, &job.world.to_string(), until)
        };
        Self {
            rows: work.cases.iter().map(row).collect(),
            summary: Summary::default(),
            screens: vec![None; work.cases.len()],
            runs: Vec::new(),
        }
    }

    /// Says whether the run is as expected.
    fn note(&mut self, made: Made) -> bool {
        let outcome = made.entry.outcome;
        self.rows[made.case].note(&made.entry);
        self.summary.note(outcome);
        self.runs.extend(made.json);
        if let Some(text) = made.screen {
            match &mut self.screens[made.case] {
                Some((_, others)) => others.push(made.seed),
                none => *none = Some((text, Vec::new())),
            }
        }
        outcome == Outcome::AsExpected
    }

    fn outcome(&self) -> Outcome {
        let outcomes = self.rows.iter().map(Row::outcome);
        outcomes.max().unwrap_or(Outcome::Inconclusive)
    }

    fn text(&self, work: &Work<'_>, complete: bool) -> String {
        let mut text = table(&self.rows, work.seeds);
        for (screen, others) in self.screens.iter().flatten() {
            write!(text, "\n{screen}").expect("a string takes every write");
            if !others.is_empty() {
                writeln!(text, "  the same case is not as expected with {}", also(others))
                    .expect("a string takes every write");
            }
        }
        writeln!(text, "\n{}", self.last_line(work, complete)).expect("a string takes every write");
        text
    }

    fn last_line(&self, work: &Work<'_>, complete: bool) -> String {
        let runs = match complete {
            true => counted(self.summary.runs, "run"),
            false => format!(
                "interrupted after {} of {}",
                self.summary.runs,
                counted(work.count(), "run")
            ),
        };
        let counts = Outcome::VARIANTS
            .iter()
            .map(|outcome| (outcome, self.summary.of(*outcome)));
        let counts = counts.filter(|(_, count)| *count != 0);
        let counts: Vec<_> = counts
            .map(|(outcome, count)| format!("{count} {}", outcome.shown()))
            .collect();
        match counts.is_empty() {
            true => runs,
            false => format!("{runs}: {}", counts.join(", ")),
        }
    }
}

fn also(seeds: &[Seed]) -> String {
    let named: Vec<_> = seeds.iter().take(SEEDS_NAMED).map(ToString::to_string).collect();
    let noun = if seeds.len() == 1 { "seed" } else { "seeds" };
    match seeds.len().checked_sub(SEEDS_NAMED) {
        Some(more @ 1..) => format!("{noun} {} and {more} more", named.join(", ")),
        Some(0) | None => format!("{noun} {}", named.join(", ")),
    }
}

/// Whether there are so many seeds, which are at least one.
///
/// # Errors
/// There are not.
pub(super) fn seeds_there(seed: u64, seeds: u64) -> Result<(), Refusal> {
    match seed.checked_add(seeds - 1) {
        Some(_) => Ok(()),
        None => Err(Misfit {
            message: format!("there are no {seeds} seeds from {seed} on"),
            help: format!("the last seed is {}", u64::MAX),
        }
        .into()),
    }
}

/// `1 run`, `2 runs`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}
