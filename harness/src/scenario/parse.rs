//! From the bytes of a file to a scenario, or to everything that is wrong with them.
//!
//! Each stage only sees what the one before accepted: bytes, text, TOML, the shape that the schema demands, and at last
//! what the words mean together. A stage reports all that it finds.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use toml::de::DeTable;

use super::check::{self, Names};
use super::problem::{Problem, Refused};
use super::{Scenario, shape};

/// The largest scenario file, in bytes. A script that a person reads is a hundredth of that.
pub const LARGEST: u64 = 1024 * 1024;

/// Reads a scenario from the bytes of a file.
///
/// # Errors
/// Everything that is wrong with it, each problem with its place.
pub fn parse(path: &str, bytes: &[u8], names: &Names<'_>) -> Result<Scenario, Refused> {
    if LARGEST < bytes.len() as u64 {
        return Err(too_large(path, bytes.len() as u64));
    }
    let text = str::from_utf8(bytes).map_err(|error| not_text(path, bytes, error.valid_up_to()))?;
    let refused = |problems| Refused::new(path, text.to_owned(), problems);

    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What follows the first mistake is often only its echo.
        return Err(refused(errors.iter().take(1).map(not_toml).collect()));
    }
    if document.get_ref().is_empty() {
        return Err(refused(vec![empty(text)]));
    }
    let problems = shape::problems(&document);
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    let scenario = toml::from_str(text).map_err(|error| refused(vec![misread(&error)]))?;
    let problems = check::problems(&scenario, text, &document, names);
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    Ok(scenario)
}

/// Reads a scenario from a file. A file that is too large is refused unread.
///
/// # Errors
/// Why it cannot be read, or everything that is wrong with it.
pub fn load(path: &Path, names: &Names<'_>) -> Result<Scenario, Refused> {
    parse(&path.display().to_string(), &read(path)?, names)
}

/// The bytes of a scenario file, unless they are too many.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Refused> {
    let name = path.display().to_string();
    let unreadable = |error| Refused::whole(Problem::new(format!("cannot read `{name}`: {error}")));
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if LARGEST < length {
        return Err(too_large(&name, length));
    }
    // The length of a pipe or a device is not known before it is read.
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}

fn too_large(path: &str, length: u64) -> Refused {
    let message = format!("`{path}` is too large for a scenario: {length} bytes");
    Refused::whole(Problem::new(message).help("the largest scenario file is 1 MiB"))
}

pub(super) fn not_text(path: &str, bytes: &[u8], place: usize) -> Refused {
    let byte = bytes.get(place).copied().unwrap_or_default();
    let shown = String::from_utf8_lossy(bytes).into_owned();
    // In the text as shown, a replacement character stands for what is no text; before it nothing has moved.
    let span = place..place + char::REPLACEMENT_CHARACTER.len_utf8();
    let problem = Problem::at(span, "this is no text: invalid UTF-8")
        .label(format!("byte {place} of the file is 0x{byte:02x}"))
        .help("scenarios and policies are TOML in UTF-8");
    Refused::new(path, shown, vec![problem])
}

fn not_toml(error: &toml::de::Error) -> Problem {
    Problem {
        span: error.span(),
        ..Problem::new(format!("this is not TOML: {}", error.message()))
    }
}

/// What the types demand beyond the schema.
fn misread(error: &toml::de::Error) -> Problem {
    Problem {
        span: error.span(),
        ..Problem::new(error.message())
    }
}

fn empty(text: &str) -> Problem {
    let message = if text.trim().is_empty() {
        "the file is empty"
    } else {
        "the file holds only comments"
    };
    Problem::at(0..0, message)
        .label("no scenario here")
        .help("a scenario has a title, a why, an until, and at least one [[client]], [[server]] and [[step]]")
}
