//! Stdout.

use std::io::{self, ErrorKind, Write as _};

use serde::Serialize;

/// Prints a text as it is, at once.
///
/// # Errors
/// Those of stdout. That its reader has gone away is none: it has read all that it wants.
pub(crate) fn print(text: &str) -> io::Result<()> {
    bytes(text.as_bytes())
}

/// The same for bytes.
///
/// # Errors
/// See [`print`].
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints a JSON document.
///
/// # Errors
/// See [`print`].
pub(crate) fn json(document: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    print(&text)
}
