//! The command line: what is asked for, and how the program exits.
//!
//! Answers go to stdout, complaints and progress to stderr. Everything that is asked for is read before anything runs.
//! A reader of stdout who goes away (`unplug list | head -1`) is not a mistake, and does not change how the program
//! exits.

mod args;
mod compare;
mod list;
mod load;
mod out;
mod replay;
mod run;
mod runner;
mod timeline;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use unplug::report::Outcome;
use unplug::scenario;

use args::{Args, Command};
use load::Refusal;

/// Wrong arguments, or a scenario that cannot be run: nothing ran.
const USAGE: u8 = 64;
/// Stdout could not be written to.
const IO: u8 = 74;
/// Ctrl-C, after which what was finished is printed.
const INTERRUPTED: u8 = 130;

/// Why a command has no answer.
enum Failure {
    /// What is asked for cannot be run.
    Refused(Refusal),
    /// The answer cannot be printed.
    Output(io::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Does what the arguments say.
pub(crate) fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return explained(&error),
    };
    let format = args.command.format();
    let code = match answer(args.command) {
        Ok(code) => code,
        Err(Failure::Refused(refusal)) => match refusal.print(format) {
            Ok(()) => USAGE,
            Err(error) => unwritten(&error),
        },
        Err(Failure::Output(error)) => unwritten(&error),
    };
    code.into()
}

fn answer(command: Command) -> Result<u8, Failure> {
    match command {
        Command::List(args) => list::list(args.format),
        Command::Run(args) => run::run(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Timeline(args) => timeline::print(&args),
        Command::Schema => {
            out::print(&format!("{:#}\n", scenario::schema()))?;
            Ok(Outcome::AsExpected.exit_code())
        }
    }
}

/// Help, the version, or what is wrong with the arguments.
fn explained(error: &clap::Error) -> ExitCode {
    let code = if error.use_stderr() {
        USAGE
    } else {
        Outcome::AsExpected.exit_code()
    };
    // Nobody is left to hear that nobody listens.
    error.print().ok();
    code.into()
}

fn unwritten(error: &io::Error) -> u8 {
    eprintln!("unplug: cannot write the answer: {error}");
    IO
}
