//! What processes read from their stdin.

use super::Verdict;
use super::pipes::{What, Write};
use super::reading::Reading;
use super::words::{Bytes, Named, Times};

/// A process must not read a write more often than its caller asked for it: `rm` would run twice.
///
/// Writes are told apart by their key, where the protocol has one, and by counting equal bytes where it has none.
pub(super) fn at_most_once(reading: &Reading<'_>) -> Verdict {
    let Reading { history, pipes, .. } = reading;
    let mut tested = false;
    for read in reading.reads() {
        tested = true;
        let What::Again(position) = read.what else {
            continue;
        };
        let (process, session) = (read.process, read.session);
        let client = history.name(pipes.asker(read.handle));
        let writes = &pipes.writes(read.handle)[..read.asked];
        let why = match read.id {
            Some(_) => {
                let write = name(&writes[position]);
                format!("{process} of {session} read {write} twice, but {client} asked for it once")
            }
            None => {
                let equal = writes.iter().filter(|write| write.data == read.data).count();
                let (often, asked, data) = (Times(equal + 1), Times(equal), Bytes(read.data));
                format!("{process} of {session} read {data} {often}, but {client} asked for it {asked}")
            }
        };
        return Verdict::Fail(why);
    }
    Verdict::held(tested)
}

/// A process must read writes in the order in which its caller asked for them: a line typed first must arrive first.
/// A write may be missing.
pub(super) fn in_order(reading: &Reading<'_>) -> Verdict {
    let Reading { history, pipes, .. } = reading;
    let mut last: Vec<Option<usize>> = Vec::new();
    let mut tested = false;
    for read in reading.reads() {
        let What::First(position) = read.what else {
            continue;
        };
        if last.len() <= read.handle {
            last.resize(read.handle + 1, None);
        }
        let Some(before) = last[read.handle].replace(position) else {
            continue;
        };
        tested = true;
        if position < before {
            let writes = pipes.writes(read.handle);
            let (early, late) = (name(&writes[before]), name(&writes[position]));
            let (process, session) = (read.process, read.session);
            let client = history.name(pipes.asker(read.handle));
            return Verdict::Fail(format!(
                "{process} of {session} read {early} before {late}, but {client} asked for {late} first"
            ));
        }
    }
    Verdict::held(tested)
}

/// What a process reads must be one whole write: half a command is another command.
pub(super) fn untorn(reading: &Reading<'_>) -> Verdict {
    let Reading { history, pipes, .. } = reading;
    let mut tested = false;
    for read in reading.reads() {
        tested = true;
        let (process, session, data) = (read.process, read.session, Bytes(read.data));
        let why = match read.what {
            What::First(_) | What::Again(_) => continue,
            What::Torn(position) => {
                let write = &pipes.writes(read.handle)[position];
                let (name, whole) = (name(write), Bytes(write.data));
                format!("{process} of {session} read {data} as {name}, which is {whole}")
            }
            What::Unasked => {
                let client = history.name(pipes.asker(read.handle));
                format!("{process} of {session} read {data}, which is no write that {client} asked for")
            }
        };
        return Verdict::Fail(why);
    }
    Verdict::held(tested)
}

/// A write as its caller knows it: `w1`, or `k3 (process/write)` if it has no key.
pub(super) fn name(write: &Write<'_>) -> String {
    write
        .id
        .map_or_else(|| Named(write.call).to_string(), |id| id.to_string())
}
