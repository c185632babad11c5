//! What subscribers are told of what processes print.

use std::time::Duration;

use unplug_reconnect::id::{ConnId, ProcessId};
use unplug_reconnect::time::Time;

use super::Verdict;
use super::handles::Handles;
use super::reading::Reading;
use super::words::Bytes;
use crate::fault::{Fault, FaultKind};
use crate::history::{Entry, Event, History};

/// So long must everything be quiet before the end of a run for output that is still missing to count as lost.
const QUIET: Duration = Duration::from_secs(5);

/// One event of a process, in its books or as a subscriber is told it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said<'a> {
    Bytes(&'a [u8]),
    Exited,
    Closed,
}

impl Said<'_> {
    fn words(self) -> String {
        match self {
            Said::Bytes(bytes) => Bytes(bytes).to_string(),
            Said::Exited => "its exit".to_owned(),
            Said::Closed => "its end".to_owned(),
        }
    }
}

/// What a subscriber is told: which place in the sequence, and what.
fn told(event: &Event) -> Option<(u64, Said<'_>)> {
    if let Event::Output { seq, chunk, .. } = event {
        Some((*seq, Said::Bytes(chunk.bytes())))
    } else if let Event::OutputExited { seq, .. } = event {
        Some((*seq, Said::Exited))
    } else if let Event::OutputClosed { seq, .. } = event {
        Some((*seq, Said::Closed))
    } else {
        None
    }
}

/// What the books say.
fn said(event: &Event) -> Option<(u64, Said<'_>)> {
    if let Event::Printed { seq, chunk, .. } = event {
        Some((*seq, Said::Bytes(chunk.bytes())))
    } else if let Event::Exited { seq, .. } = event {
        Some((*seq, Said::Exited))
    } else if let Event::ProcessClosed { seq, .. } = event {
        Some((*seq, Said::Closed))
    } else {
        None
    }
}

/// The output of one process: what its books say, and how far its subscriber is.
#[derive(Default)]
struct Pipe<'a> {
    books: Vec<(u64, Said<'a>, Time)>,
    published: u64,
    published_at: Time,
}

impl<'a> Pipe<'a> {
    fn at(&self, seq: u64) -> Option<Said<'a>> {
        // The books have no holes, so that the place is the index, unless two streams raced.
        let guess = usize::try_from(seq).ok()?.checked_sub(1)?;
        let hit = self.books.get(guess).filter(|(place, ..)| *place == seq);
        hit.or_else(|| self.books.iter().find(|(place, ..)| *place == seq))
            .map(|(_, said, _)| *said)
    }
}

/// A subscriber must get all that a process printed, once, in order and unchanged, until it is told that this is the
/// end or that the rest is lost: silently missing output makes an agent believe that a command said nothing.
pub(super) fn gapless_or_declared(reading: &Reading<'_>) -> Verdict {
    let (history, handles) = (reading.history, &reading.pipes.handles);
    let mut pipes: Vec<Pipe<'_>> = Vec::new();
    let mut tested = false;
    for (entry, step) in reading.steps() {
        let (books, claim) = (said(&entry.event), told(&entry.event));
        let (Some(index), true) = (step.about, books.is_some() || claim.is_some()) else {
            continue;
        };
        if pipes.len() <= index {
            pipes.resize_with(index + 1, Pipe::default);
        }
        let pipe = &mut pipes[index];
        if let Some((seq, said)) = books {
            pipe.books.push((seq, said, entry.t));
        }
        if let Some((seq, claim)) = claim {
            tested = true;
            if let Err(why) = publish(pipe, handles.all[index].process, seq, claim) {
                return Verdict::Fail(format!("{} received {why}", history.name(entry.who)));
            }
            pipe.published_at = entry.t;
        }
    }
    match silent_loss(history, handles, &pipes) {
        Some(why) => Verdict::Fail(why),
        None => Verdict::held(tested),
    }
}

fn publish(pipe: &mut Pipe<'_>, process: &ProcessId, seq: u64, claim: Said<'_>) -> Result<(), String> {
    let last = std::mem::replace(&mut pipe.published, seq);
    if seq <= last {
        return Err(format!("seq {seq} of {process} after seq {last}"));
    }
    if seq != last + 1 {
        return Err(format!(
            "seq {seq} of {process} after seq {last}, and nobody said that anything is lost"
        ));
    }
    match pipe.at(seq) {
        Some(said) if said == claim => Ok(()),
        Some(said) => Err(format!(
            "{} as seq {seq} of {process}, which is {}",
            claim.words(),
            said.words()
        )),
        None => Err(format!(
            "{} as seq {seq} of {process}, which does not exist",
            claim.words()
        )),
    }
}

/// Output that a subscriber still lacks at the end, although it has been connected and everything has been quiet for
/// long enough.
fn silent_loss(history: &History, handles: &Handles<'_>, pipes: &[Pipe<'_>]) -> Option<String> {
    let end = history
        .entries
        .last()
        .map_or(history.header.until, |entry| entry.t.max(history.header.until));
    let quiet = |since: Time| since + QUIET <= end;
    let mut ready: Vec<Option<(Time, ConnId)>> = vec![None; history.header.hosts.len()];
    let mut troubled = 0_usize;
    for Entry { t, who, event } in &history.entries {
        if let Event::Ready { conn } = event {
            ready[*who] = Some((*t, *conn));
        } else if let Event::Closed { conn, .. } | Event::Hangup { conn, .. } = event {
            ready[*who] = ready[*who].filter(|(_, ready)| ready != conn);
        } else if let Event::Fault {
            fault: Fault::Heal, ..
        } = event
        {
            troubled = 0;
        } else if let Event::Fault { fault, .. } = event {
            troubled += usize::from(lasts(fault));
        } else if let Event::Healed { .. } = event {
            troubled = troubled.saturating_sub(1);
        } else {
            continue;
        }
        if !quiet(*t) {
            return None;
        }
    }
    if 0 < troubled {
        return None;
    }
    for (handle, pipe) in handles.all.iter().zip(pipes) {
        if ready[handle.client].is_none() || !handle.is_held() {
            continue;
        }
        let missing = pipe.books.iter().find(|(seq, ..)| pipe.published < *seq);
        if let Some((seq, said, at)) = missing
            && quiet(*at)
            && quiet(pipe.published_at)
        {
            let (client, process, said) = (history.name(handle.client), handle.process, said.words());
            return Some(format!(
                "{client} never received seq {seq} of {process}, which is {said}"
            ));
        }
    }
    None
}

/// Whether a fault holds bytes up until it is healed.
fn lasts(fault: &Fault) -> bool {
    let kinds = [
        FaultKind::Partition,
        FaultKind::PartitionOneWay,
        FaultKind::LinkDown,
        FaultKind::Latency,
        FaultKind::Bandwidth,
        FaultKind::SlowReader,
        FaultKind::Stall,
    ];
    kinds.contains(&fault.kind())
}

/// What comes before an exit or an end must arrive before it, and the exit code be the real one: agents read the code
/// and stop listening.
pub(super) fn exit_after_output(reading: &Reading<'_>) -> Verdict {
    let (history, handles) = (reading.history, &reading.pipes.handles);
    let mut seen: Vec<Seen> = Vec::new();
    let mut tested = false;
    for (entry, step) in reading.steps() {
        let Some(index) = step.about else { continue };
        if seen.len() <= index {
            seen.resize_with(index + 1, Seen::default);
        }
        let seen = &mut seen[index];
        if let Event::Exited { code, .. } = &entry.event {
            seen.code = Some(*code);
        }
        let Some((seq, what)) = told(&entry.event) else {
            continue;
        };
        let (client, process) = (history.name(entry.who), handles.all[index].process);
        if let Some((end, at)) = seen.end
            && (seq < at || end == "closed")
        {
            return Verdict::Fail(format!(
                "{client} was told that {process} {end} (seq {at}) before it got seq {seq}"
            ));
        }
        if let Event::OutputExited { code, .. } = &entry.event
            && seen.code != Some(*code)
        {
            let real = seen.code.map_or_else(
                || "has not exited".to_owned(),
                |code| format!("exited with {code}"),
            );
            return Verdict::Fail(format!(
                "{client} was told that {process} exited with {code}, but it {real}"
            ));
        }
        match what {
            Said::Bytes(_) => {}
            Said::Exited => seen.end = Some(("exited", seq)),
            Said::Closed => seen.end = Some(("closed", seq)),
        }
        tested |= seen.end.is_some();
    }
    Verdict::held(tested)
}

/// What a subscriber was told about an end, and the exit code in the books.
#[derive(Default)]
struct Seen {
    end: Option<(&'static str, u64)>,
    code: Option<i32>,
}

/// The end of a process's output must be announced once and be the end: a subscriber lets go of the process at it.
pub(super) fn closed_once_and_last(reading: &Reading<'_>) -> Verdict {
    let (history, handles) = (reading.history, &reading.pipes.handles);
    let mut ends: Vec<Option<&str>> = Vec::new();
    let mut tested = false;
    for (entry, step) in reading.steps() {
        let Some(index) = step.about else { continue };
        if ends.len() <= index {
            ends.resize(index + 1, None);
        }
        let news = if let Event::Lost { .. } = &entry.event {
            "lost"
        } else if let Some((_, said)) = told(&entry.event) {
            match said {
                Said::Bytes(_) => "output",
                Said::Exited => "exited",
                Said::Closed => "closed",
            }
        } else {
            continue;
        };
        if let Some(end) = ends[index] {
            let (client, process) = (history.name(entry.who), handles.all[index].process);
            let again = match news {
                "output" => format!("got output of {process}"),
                news => format!("was told that {process} is {news}"),
            };
            return Verdict::Fail(format!(
                "{client} {again} after it was told that {process} is {end}"
            ));
        }
        if news == "closed" || news == "lost" {
            ends[index] = Some(news);
            tested = true;
        }
    }
    Verdict::held(tested)
}
