//! What callers are told about their calls, against what really happened.

use std::collections::{BTreeMap, BTreeSet};

use unplug_reconnect::id::{CallId, ConnId, ProcessId};
use unplug_reconnect::wire::exec::method;
use unplug_reconnect::wire::rpc::RequestId;

use super::Verdict;
use super::handles::is_client;
use super::isolation::answered;
use super::pipes::{Pipes, Read};
use super::reading::{Reading, Step};
use super::stdin::name;
use super::words::{Named, ends_a_process};
use crate::history::{Call, Dir, Entry, Event, History, Kind, Truth};

/// Reads that came without a key, by process and bytes: which of several equal writes they were cannot be known.
type Counts<'a> = BTreeMap<(usize, &'a [u8]), usize>;

/// Counts a read that came without a key.
fn count<'a>(counts: &mut Counts<'a>, read: &Read<'a>) {
    if read.id.is_none() {
        *counts.entry((read.handle, read.data)).or_default() += 1;
    }
}

/// The writes that callers were told are applied.
///
/// Excused is a process that had ended before the caller was told, and one whose server crashed. A write that arrived in
/// pieces is untorn's matter.
#[derive(Default)]
pub(super) struct Promises<'a> {
    counts: Counts<'a>,
    /// Process and position there.
    given: Vec<(usize, usize)>,
}

impl<'a> Promises<'a> {
    /// Takes note of one entry.
    pub(super) fn read(&mut self, entry: &Entry, step: &Step<'a>, pipes: &Pipes<'a>) {
        if let Some(read) = &step.read {
            count(&mut self.counts, read);
        } else if let Event::Settled {
            call,
            truth: Truth::Applied,
            ..
        } = &entry.event
            && !step.ended
        {
            self.given.extend(pipes.find(entry.who, call.call));
        }
    }

    /// Each promise that counts, and whether it was kept.
    pub(super) fn kept(mut self, pipes: &Pipes<'a>) -> Vec<((usize, usize), bool)> {
        let mut kept = Vec::new();
        for (index, position) in self.given {
            if pipes.handles.all[index].crashed {
                continue;
            }
            let write = &pipes.writes(index)[position];
            let read = match self.counts.get_mut(&(index, write.data)) {
                Some(0) => false,
                Some(left) => {
                    *left -= 1;
                    true
                }
                None => write.read || write.torn,
            };
            kept.push(((index, position), read));
        }
        kept
    }
}

/// A write that its caller was told is applied must have been read: the agent waits for its effect.
pub(super) fn accepted_means_applied(reading: &Reading<'_>) -> Verdict {
    let Reading { history, pipes, .. } = reading;
    let mut promises = Promises::default();
    for (entry, step) in reading.steps() {
        promises.read(entry, step, pipes);
    }
    let kept = promises.kept(pipes);
    let Some(((index, position), _)) = kept.iter().find(|(_, kept)| !kept) else {
        return Verdict::held(!kept.is_empty());
    };
    let handle = &pipes.handles.all[*index];
    let name = name(&pipes.writes(*index)[*position]);
    let (client, process) = (history.name(handle.client), handle.process);
    let place = handle
        .session
        .map(|session| format!(" of {session}"))
        .unwrap_or_default();
    Verdict::Fail(format!(
        "{client} was told that {name} is applied, but {process}{place} never read it"
    ))
}

/// A caller must not be told that something did not happen when it did: repeating it would do it twice.
///
/// The books count, not the server's having looked at a request: a refusal is no effect.
pub(super) fn no_false_certainty(reading: &Reading<'_>) -> Verdict {
    let Reading { history, pipes, .. } = reading;
    let mut counts = Counts::new();
    let mut denied = Vec::new();
    let mut ends = Ends::default();
    for (entry, step) in reading.steps() {
        if let Some(read) = &step.read {
            count(&mut counts, read);
        } else if let Event::Settled {
            call,
            truth: Truth::NotApplied,
            ..
        } = &entry.event
        {
            let starts = |index: &usize| pipes.handles.all[*index].is_started_by(call.call);
            let handle = step.about.filter(starts);
            denied.push((entry.who, call, handle));
        } else {
            ends.read(entry.who, &entry.event);
        }
    }
    for (who, call, _) in &denied {
        // Of equal writes without a key as many may have been read as were not told to be not applied.
        if let Some((handle, position)) = pipes.find(*who, call.call)
            && let Some(reads) = counts.get_mut(&(handle, pipes.writes(handle)[position].data))
        {
            *reads += 1;
        }
    }
    for (who, call, handle) in &denied {
        let done = if let Some((handle, position)) = pipes.find(*who, call.call) {
            was_read(pipes, &counts, handle, position)
                .then(|| format!("{} read it", pipes.handles.all[handle].process))
        } else if let Some(handle) = handle.map(|handle| &pipes.handles.all[handle])
            && handle.started
        {
            Some(format!("{} was started", handle.process))
        } else {
            ends.applied
                .contains(&(*who, call.call))
                .then(|| "its server acted on it".to_owned())
        };
        if let Some(done) = done {
            let write = pipes
                .find(*who, call.call)
                .map(|(handle, position)| name(&pipes.writes(handle)[position]));
            let name = write.unwrap_or_else(|| Named(call).to_string());
            let client = history.name(*who);
            return Verdict::Fail(format!(
                "{client} was told that {name} is not applied, but {done}"
            ));
        }
    }
    Verdict::held(!denied.is_empty())
}

/// Whether a write was read, or more of its equals than can be.
fn was_read(pipes: &Pipes<'_>, counts: &Counts<'_>, handle: usize, position: usize) -> bool {
    let writes = pipes.writes(handle);
    let data = writes[position].data;
    match counts.get(&(handle, data)) {
        Some(&reads) => writes.iter().filter(|write| write.data == data).count() < reads,
        None => writes[position].read,
    }
}

/// Which requests that end a process, or that ask an origin, were acted on.
#[derive(Default)]
struct Ends<'a> {
    calls: BTreeMap<(ConnId, &'a RequestId), (usize, CallId)>,
    applied: BTreeSet<(usize, CallId)>,
}

impl<'a> Ends<'a> {
    fn read(&mut self, who: usize, event: &'a Event) {
        if let Event::Sent {
            conn,
            dir: Dir::C2s,
            frame,
        } = event
        {
            if let (Some(request), Some(call)) = (&frame.request, frame.call)
                && (ends_a_process(&frame.method) || frame.method == method::HTTP)
            {
                self.calls.insert((*conn, request), (who, call));
            }
        } else if let Event::Applied {
            conn,
            request: Some(request),
            method: name,
        } = event
        {
            // Of an HTTP request the books say more: whether it was made.
            if let Some(call) = self.calls.get(&(*conn, request)).filter(|_| name != method::HTTP) {
                self.applied.insert(*call);
            }
        } else if let Event::Forwarded { conn, request, .. } = event {
            self.applied.extend(self.calls.get(&(*conn, request)));
        } else if let Event::Sent {
            dir: Dir::S2c, frame, ..
        } = event
            && frame.kind == Kind::Error
            && frame.method != method::HTTP
            && let Some(asked) = &frame.answers
            && let Some(call) = self.calls.get(&(asked.conn, &asked.request))
        {
            self.applied.remove(call);
        }
    }
}

/// What a client could know of its calls, for those whose outcome it calls unknown.
///
/// No knowledge are the refusal of what was sent before, which says nothing about the first time (nor does an answer
/// about a process that the server has forgotten), and that of an HTTP request, which says nothing about its origin.
#[derive(Default)]
pub(super) struct Surrenders<'a> {
    /// Calls that were sent, and the connection on which an answer to them arrived.
    sent: BTreeMap<(usize, CallId), Option<ConnId>>,
    calls: BTreeMap<(ConnId, &'a RequestId), (CallId, Option<&'a ProcessId>)>,
    left: BTreeSet<ConnId>,
    /// Processes that a server has forgotten.
    forgotten: BTreeSet<&'a ProcessId>,
    /// Calls that were sent more than once.
    again: BTreeSet<(usize, CallId)>,
    /// Calls whose callers went away: nobody is left who would have to look.
    deserted: BTreeSet<(usize, CallId)>,
}

impl<'a> Surrenders<'a> {
    /// Reads one entry. If a caller is told in it that an outcome is unknown, and still there: which call, and why that is needless, if
    /// it is.
    pub(super) fn read(&mut self, history: &History, entry: &'a Entry) -> Option<(&'a Call, Option<String>)> {
        let who = entry.who;
        if let Event::Sent {
            conn,
            dir: Dir::C2s,
            frame,
        } = &entry.event
        {
            let call = frame.call?;
            if self.sent.insert((who, call), None).is_some() {
                self.again.insert((who, call));
            }
            if let Some(request) = &frame.request {
                self.calls
                    .insert((*conn, request), (call, frame.process.as_ref()));
            }
        } else if let Event::ProcessReaped { process, .. } = &entry.event {
            self.forgotten.insert(process);
        } else if let Event::Delivered {
            conn,
            dir: Dir::S2c,
            frame,
        } = &entry.event
        {
            if let Some(request) = answered(*conn, frame)
                && !self.left.contains(conn)
                && let Some((call, process)) = self.calls.get(&(*conn, request))
            {
                let again = self.again.contains(&(who, *call));
                let refused = frame.kind == Kind::Error && (again || frame.method == method::HTTP);
                // "Unknown process" is a result, not an error.
                let forgotten = again && process.is_some_and(|process| self.forgotten.contains(process));
                if !refused && !forgotten {
                    self.sent.insert((who, *call), Some(*conn));
                }
            }
        } else if let Event::Closed { conn, .. } | Event::Hangup { conn, .. } = &entry.event {
            if is_client(history, who) {
                self.left.insert(*conn);
            }
        } else if let Event::Left { call } = &entry.event {
            self.deserted.insert((who, call.call));
        } else if let Event::Settled {
            call,
            truth: Truth::Ambiguous,
            ..
        } = &entry.event
            && !self.deserted.contains(&(who, call.call))
        {
            let why = match self.sent.get(&(who, call.call)) {
                Some(None) => None,
                Some(Some(conn)) => Some(format!("but its answer had arrived on {conn}")),
                None => Some("but it was never sent".to_owned()),
            };
            return Some((call, why));
        }
        None
    }
}

/// A caller must not be told that the outcome is unknown when it was never sent, or when its answer is here: an agent
/// would have to look by hand at what is known.
pub(super) fn no_needless_surrender(history: &History) -> Verdict {
    let mut surrenders = Surrenders::default();
    let mut tested = false;
    for entry in &history.entries {
        let Some((call, why)) = surrenders.read(history, entry) else {
            continue;
        };
        tested = true;
        if let Some(why) = why {
            let (client, name) = (history.name(entry.who), Named(call));
            return Verdict::Fail(format!(
                "{client} was told that the outcome of {name} is unknown, {why}"
            ));
        }
    }
    Verdict::held(tested)
}
