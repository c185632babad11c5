//! What can be asked for.

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand, ValueEnum};
use unplug::judge::WorldName;
use unplug::report::SEED;
use unplug_mocks::exec::Preset;

/// Pulls the plug on a coding agent's connections, deterministically, and says what broke.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 110,
    after_help = "\
Exit codes: 0 all as expected, 1 a property was violated, 2 inconclusive, 3 the same seed gave two histories,
4 a step of a scenario never fired, 64 nothing ran because of wrong arguments or a bad scenario, 130 Ctrl-C.
If several apply, the first of 3, 1, 4, 2 counts.

Example: unplug run                          every built-in scenario, in the fast world
         unplug run wifi --world both        those whose name contains `wifi`, in both worlds"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the built-in scenarios, their cases, and what is expected of each.
    #[command(after_help = "Example: unplug list --format json")]
    List(ListArgs),
    /// Runs scenarios and says which are not as expected.
    #[command(after_help = "\
Every case of every scenario runs in every world with every seed. What fails, and the first seed of each case, runs a
second time to see that it gives the same history. Ctrl-C prints what was finished, and exits with 130.

Example: unplug run exec/wifi_blip --seeds 1000
         unplug run my_scenarios/ blip.toml --world both --format json")]
    Run(RunArgs),
    /// Runs the same scripts with several policies, and says what each of them costs.
    #[command(after_help = "\
Every script runs as it stands, without its cases and planted bugs, with each policy on all its clients, in every column
with the same seeds. A policy is the name of a built-in one or the path of a TOML file with the keys of those in
scenarios/policies. A policy that is named after a version (codex-0.134) meets the server of that version, because they
were shipped together; any other meets 0.142 and 0.169, in a column each; `--version` fixes one for all.

Rows:
  passed           every step fired, something was put to the test, and no checker failed
  violated         some checker failed; below the table: which, in how many runs
  stale            a step waited for something that never came with this policy; such a run never passes, and what
                   happened in it counts
  sessions lost    a client gave up its session, or lost it with its connection
  processes lost   a client was told that a process is lost, and its server still ran it
  never settled    the run ended before the caller was told anything
  read twice       a process read a write again
  lost             a caller was told that a write is applied, and no process ever read it
  needless surrenders
                   a caller was told that nobody can know the outcome, and the client could have
  outages          from the moment at which either end learns that a usable connection is over until the client is
                   usable again; silence that nobody has noticed is none, but callers wait in it
  callers wait     from asking until being told what became of it

Exits with 0 when everything ran, whatever the policies did; with 130 after Ctrl-C, and prints what was finished.

Example: unplug compare codex-0.142 recommended --scenarios exec --seeds 1000
         unplug compare mine.toml recommended --version 0.169 --by scenario")]
    Compare(CompareArgs),
    /// Runs one case twice: its timeline, and what each checker says.
    #[command(after_help = "Example: unplug replay exec/wifi_blip --case forget_write_ids --seed 42")]
    Replay(ReplayArgs),
    /// Runs one case and prints its timeline, and nothing else.
    #[command(
        after_help = "Example: unplug timeline exec/wifi_blip --jsonl | jq -c 'select(.event == \"stdin\")'"
    )]
    Timeline(TimelineArgs),
    /// Prints the JSON Schema of scenario files, with which editors complete and check them.
    #[command(after_help = "Example: unplug schema > scenario.json")]
    Schema,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Scenario files, directories of them, or parts of the names of built-in scenarios. All built-in ones if missing.
    #[arg(value_name = "FILE|DIR|NAME")]
    pub(crate) scenarios: Vec<String>,
    /// Where to run them.
    #[arg(long, value_enum, default_value_t = Worlds::Fast)]
    pub(crate) world: Worlds,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = SEED.0)]
    pub(crate) seed: u64,
    /// How many seeds, counted up from the first.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    pub(crate) seeds: u64,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// Names of built-in policies, or files; at least two.
    #[arg(value_name = "POLICY", required = true)]
    pub(crate) policies: Vec<String>,
    /// Scenario files, directories of them, or parts of the names of built-in scenarios. All built-in ones if missing.
    #[arg(long, value_name = "FILE|DIR|NAME", num_args = 1..)]
    pub(crate) scenarios: Vec<String>,
    /// Where to run them.
    #[arg(long, value_enum, default_value_t = WorldName::Fast)]
    pub(crate) world: WorldName,
    /// The version of all exec servers. That of each policy if missing.
    #[arg(long, value_parser = PossibleValuesParser::new(Preset::NAMES))]
    pub(crate) version: Option<String>,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = SEED.0)]
    pub(crate) seed: u64,
    /// How many seeds, counted up from the first.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    pub(crate) seeds: u64,
    /// Print a line for each scenario and policy, too.
    #[arg(long, value_enum)]
    pub(crate) by: Option<By>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// What a comparison is broken down by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Scenario by scenario.
    Scenario,
}

/// More seeds than this are a typing mistake.
const SEEDS_MAX: u64 = 1_000_000_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Subject {
    /// A scenario file, or the name of a built-in scenario.
    #[arg(value_name = "FILE|NAME")]
    pub(crate) scenario: String,
    /// Which case of it. The script as it stands if missing.
    #[arg(long, value_name = "CASE")]
    pub(crate) case: Option<String>,
    /// Where to run it.
    #[arg(long, value_enum, default_value_t = WorldName::Fast)]
    pub(crate) world: WorldName,
    /// The number behind everything random.
    #[arg(long, value_name = "N", default_value_t = SEED.0)]
    pub(crate) seed: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TimelineArgs {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Print the whole history instead: JSON lines, a header and then one event a line.
    #[arg(long)]
    pub(crate) jsonl: bool,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs: one document.
    Json,
}

/// One world or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Worlds {
    /// One event heap, no ticks.
    Fast,
    /// Simulated TCP with real frames.
    Turmoil,
    /// First one, then the other.
    Both,
}

impl Worlds {
    /// Their names.
    pub(crate) const fn names(self) -> &'static [WorldName] {
        match self {
            Self::Fast => &[WorldName::Fast],
            Self::Turmoil => &[WorldName::Turmoil],
            Self::Both => &[WorldName::Fast, WorldName::Turmoil],
        }
    }
}

impl Command {
    /// How complaints are printed.
    pub(crate) const fn format(&self) -> Format {
        match self {
            Self::List(args) => args.format,
            Self::Run(args) => args.format,
            Self::Compare(args) => args.format,
            Self::Replay(args) => args.format,
            Self::Timeline(_) | Self::Schema => Format::Text,
        }
    }
}
