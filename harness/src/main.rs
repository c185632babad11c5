//! The `unplug` program: see `unplug --help`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
