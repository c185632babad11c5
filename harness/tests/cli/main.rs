//! The program as people and scripts meet it: what it prints, and how it exits.
//!
//! Every test runs the binary in a folder of its own, on scenarios that it writes there, so that no change of the
//! built-in library is felt here.

mod bad_input;
mod compare;
mod exits;
mod json;

use std::fs;
use std::process::Command;

use tempfile::TempDir;

/// The answer to a write is lost, and the client, which may resume, sends it again.
const BLIP: &str = r#"title = "Wi-Fi drops while a write is on the wire"
why = "The answer is lost with the socket."
until = "60s"

[[client]]
name = "laptop"
machine = "exec"
policy = "codex-0.142"
to = "executor"

[[server]]
name = "executor"
mock = "exec"
version = "0.142"

[[step]]
at = "0s"
do = { start = { process = "sh", program = "echo" } }

[[step]]
at = "1s"
do = { write = { process = "sh", data = "ls\n" } }

[[step]]
when = { method = "process/write", dir = "c2s", nth = 1, edge = "applied" }
fault = { link_down = { host = "laptop", for = "800ms" } }
"#;

/// The same, with a server that does not know a write again.
const TWICE: &str = r#"version = "0.142"
bug = "forget_write_ids""#;

/// What the program said.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A folder with scenarios.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().expect("there is room for a folder"))
    }

    fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        fs::write(self.0.path().join(name), bytes).expect("there is room for a file");
        self
    }

    fn unplug(&self, args: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unplug"));
        let output = command
            .args(args.split_whitespace())
            .current_dir(&self.0)
            .output()
            .expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("the program speaks UTF-8");
        Said {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Said {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}
