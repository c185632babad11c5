//! The exec server's stories, one file each in `transcripts/`: what the recorded contracts do not show.
//!
//! Method: a transcript is a list of commands, each with what the server did in answer, by its own books and on the
//! wire. `wake` jumps to the next deadline, `run for=30s` handles every deadline of that time, `at` jumps there without
//! one. Unknown verbs and surplus words fail. `REWRITE=1` writes the answers; read the difference before you keep it.

mod common;

use std::fs;
use std::path::Path;

use common::stage::Stage;
use strum::VariantArray as _;
use unplug_mocks::exec::Bug;

/// A folder that lost its files would pass.
const FILES_MIN: usize = 20;

#[test]
fn transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let files = fs::read_dir(&folder).expect("the folder is there").count();
    assert!(FILES_MIN <= files, "only {files} transcripts");
    datadriven::walk(&folder.to_string_lossy(), |file| {
        let mut stage = Stage::default();
        file.run(|case| {
            let answer = stage.perform(case)?;
            case.expect_empty().map_err(|error| error.to_string())?;
            Ok::<String, String>(answer)
        });
    });
}

#[test]
fn every_bug_has_its_transcript() {
    // The gate's bug is shown with the gate, in `issuer.rs`.
    for bug in Bug::VARIANTS.iter().filter(|bug| **bug != Bug::AcceptExpiredUrl) {
        let path = format!("{}/tests/transcripts/bug_{bug}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&path).expect(&path);
        assert!(text.contains(&format!("bug={bug}")), "{path}");
    }
}

#[test]
fn unknown_verbs_and_surplus_words_fail() {
    let fails = |text: &str| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad-transcripts");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("bad.txt"), text).unwrap();
        let run = || {
            datadriven::walk(&folder.to_string_lossy(), |file| {
                let mut stage = Stage::default();
                file.run(|case| {
                    let answer = stage.perform(case)?;
                    case.expect_empty().map_err(|error| error.to_string())?;
                    Ok::<String, String>(answer)
                });
            });
        };
        std::panic::catch_unwind(run).is_err()
    };
    assert!(!fails("server version=0.142\n----\nok\n"));
    assert!(fails("sever version=0.142\n----\nok\n"));
    assert!(fails("server version=0.142 fast\n----\nok\n"));
    assert!(fails("server version=0.999\n----\nok\n"));
    assert!(fails(
        "server version=0.142\n----\nok\n\naccept c1 c2\n----\nok\n"
    ));
}
