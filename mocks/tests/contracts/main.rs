//! Holds the mock of every version to the exchanges that were recorded from the real server of that version.
//!
//! Method: each file under `contracts/exec-server/<version>/` is one test. Its lines are replayed under a virtual clock
//! by the rules of `contracts/README.md`; what the client sends goes in as raw text, what the server says is compared
//! as the text it would put into a frame. A check that cannot fail is none, so altered files must fail, and so must
//! an empty folder.

mod matching;
mod replay;
mod transcript;

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

use replay::replay;
use transcript::Transcript;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/exec-server");
    let mut trials = vec![
        Trial::test("an_empty_folder_fails", an_empty_folder_fails),
        Trial::test("altered_transcripts_fail", || {
            altered_transcripts_fail().map_err(Failed::from)
        }),
    ];
    match collect(&root) {
        Ok(files) => trials.extend(files.into_iter().map(|(name, path)| {
            Trial::test(name, move || {
                let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
                let outcome = Transcript::parse(&text).and_then(|transcript| replay(&transcript));
                outcome.map_err(|why| Failed::from(format!("{}:{why}", path.display())))
            })
        })),
        Err(why) => trials.push(Trial::test("contracts_are_there", || Err(Failed::from(why)))),
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// All transcripts by name, `0.142.0::write-cat`. No folder of a version may be empty.
fn collect(root: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let mut found = Vec::new();
    for version in list(root)? {
        let files = list(&version)?;
        let name = |path: &Path| {
            path.file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let version = version
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        found.extend(
            files
                .into_iter()
                .map(|path| (format!("{version}::{}", name(&path)), path)),
        );
    }
    Ok(found)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|error| format!("{}: {error}", folder.display()))?;
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{}: nothing there", folder.display()));
    }
    Ok(paths)
}

fn an_empty_folder_fails() -> Result<(), Failed> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty-contracts");
    fs::create_dir_all(folder.join("0.142.0"))?;
    match collect(&folder) {
        Err(why) if why.ends_with("0.142.0: nothing there") => Ok(()),
        other => Err(Failed::from(format!("{other:?}"))),
    }
}

/// Which case of 0.142.0, what is replaced by what, and what is said of it; nothing, if it still passes.
const ALTERED: &[(&str, &str, &str, &str)] = &[
    ("write-cat", r#""nextSeq":3"#, r#""nextSeq":4"#, "15: got"),
    ("write-cat", r#","sandboxDenied":false"#, "", "15: got"),
    (
        "write-cat",
        r#""status":"accepted""#,
        r#""status":"accepted","more":1"#,
        "9: got",
    ),
    (
        "write-cat",
        r#""seq":2,"stream":"stdout","chunk":"c2Vj"#,
        r#""seq":3,"stream":"stdout","chunk":"c2Vj"#,
        "13: got",
    ),
    (
        "initialize",
        r#""recv":{"id":1,"result":{"sessionId":"$session2"}}"#,
        r#""recv":{"id":1,"result":{"sessionId":"$session1"}}"#,
        "8: got",
    ),
    (
        "initialize",
        r#"{"conn":2,"recv":{"id":1,"result":{"sessionId":"$session2"}}}"#,
        "",
        "got at the end",
    ),
    (
        "initialized-before-initialize",
        r#"{"conn":1,"eof":true}"#,
        "",
        "got at the end",
    ),
    (
        "initialize",
        r#"{"method":"initialized","params":{}}}"#,
        "{\"method\":\"initialized\",\"params\":{}}}\n{\"conn\":1,\"eof\":true}",
        "nothing came within 10 s",
    ),
    (
        "burst-while-detached",
        r#""times":10}}}"#,
        r#""times":9}}}"#,
        "got",
    ),
    ("malformed-json", r#","loose":["message"]"#, "", ""),
    (
        "malformed-json",
        r#""code":-32600,"message""#,
        r#""code":-32601,"message""#,
        "got",
    ),
    ("resume-while-attached", "-32010", "-32600", "10: got"),
    (
        "signal-interrupt",
        r#""on":"interrupt","stdout""#,
        r#""on":"interrupt","nosuch""#,
        "unknown field `nosuch`",
    ),
];

/// One recorded file, altered in one place, and what the replay has to say of it.
fn altered_transcripts_fail() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/exec-server/0.142.0");
    for &(case, from, to, expected) in ALTERED {
        let path = root.join(case).with_extension("jsonl");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let altered = text.replacen(from, to, 1);
        if altered == text {
            return Err(format!("{case}: there is no {from}"));
        }
        let outcome = Transcript::parse(&altered).and_then(|transcript| replay(&transcript));
        match outcome {
            Ok(()) if expected.is_empty() => {}
            Err(why) if !expected.is_empty() && why.contains(expected) => {}
            other => {
                return Err(format!(
                    "{case} with {to} for {from}: {other:?}, not {expected:?}"
                ));
            }
        }
    }
    Ok(())
}
