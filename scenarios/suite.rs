//! Every scenario in every world, each case a test of its own: `cargo test wifi_blip`.

fn main() -> std::process::ExitCode {
    unplug_tests::suite::main()
}
