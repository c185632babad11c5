//! Which asked write a process has read: the reading of stdin that several checkers share.

use std::collections::BTreeMap;

use unplug_reconnect::id::{CallId, ProcessId, SessionNumber, WriteId};
use unplug_reconnect::wire::exec::method;

use super::handles::Handles;
use crate::history::{Call, Dir, Entry, Event, History};

/// A write that a caller asked for.
#[derive(Debug)]
pub(super) struct Write<'a> {
    /// The call.
    pub(super) call: &'a Call,
    /// Its idempotency key, if it has one.
    pub(super) id: Option<WriteId>,
    /// Its bytes.
    pub(super) data: &'a [u8],
    /// Whether the process has read it.
    pub(super) read: bool,
    /// Whether the process has read something else in its place.
    pub(super) torn: bool,
}

/// What a process read from its stdin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'a> {
    /// The process, as an index into the handles.
    pub(super) handle: usize,
    /// Its session.
    pub(super) session: SessionNumber,
    /// Its name.
    pub(super) process: &'a ProcessId,
    /// The key that the bytes came with.
    pub(super) id: Option<WriteId>,
    /// The bytes.
    pub(super) data: &'a [u8],
    /// How many writes had been asked for by then.
    pub(super) asked: usize,
    /// Which write they are.
    pub(super) what: What,
}

/// What was read, as a position among the process's writes in the order in which they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// This write, for the first time.
    First(usize),
    /// This write, once more.
    Again(usize),
    /// Other bytes than those of the write with this key.
    Torn(usize),
    /// Nothing that was asked for.
    Unasked,
}

/// What callers asked to write and what processes read, as far as a history was read.
pub(super) struct Pipes<'a> {
    /// The processes.
    pub(super) handles: Handles<'a>,
    writes: Vec<Pipe<'a>>,
    by_call: BTreeMap<(usize, CallId), (usize, usize)>,
    /// Whether a write was asked for whose key only its request tells.
    unkeyed: bool,
}

/// The stdin of one process.
#[derive(Debug, Default)]
struct Pipe<'a> {
    writes: Vec<Write<'a>>,
    /// Behind the last write that was read.
    next: usize,
}

impl<'a> Pipes<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        Self {
            handles: Handles::new(history),
            writes: Vec::new(),
            by_call: BTreeMap::new(),
            unkeyed: false,
        }
    }

    /// The writes of a process, in the order in which they were asked for.
    pub(super) fn writes(&self, handle: usize) -> &[Write<'a>] {
        self.writes.get(handle).map_or(&[], |pipe| &pipe.writes)
    }

    /// A write by its call: its process and its position there.
    pub(super) fn find(&self, who: usize, call: CallId) -> Option<(usize, usize)> {
        self.by_call.get(&(who, call)).copied()
    }

    /// Who asks a process to read.
    pub(super) fn asker(&self, handle: usize) -> usize {
        self.handles.all[handle].client
    }

    /// Reads one entry and says which process it is about, if it is about one, and what a process read in it, if one
    /// did.
    pub(super) fn read(&mut self, entry: &'a Entry) -> (Option<usize>, Option<Read<'a>>) {
        let about = self.handles.read(entry);
        (about, self.read_stdin(entry, about))
    }

    fn read_stdin(&mut self, entry: &'a Entry, handle: Option<usize>) -> Option<Read<'a>> {
        if let Event::Asked {
            call,
            data: Some(data),
        } = &entry.event
        {
            self.on_asked(entry.who, handle?, call, data.bytes());
        } else if let Event::Sent {
            dir: Dir::C2s, frame, ..
        } = &entry.event
        {
            if let (true, Some(id), Some(call)) = (self.unkeyed, frame.write, frame.call) {
                self.on_keyed(entry.who, call, id);
            }
        } else if let Event::Stdin {
            session,
            process,
            write,
            chunk,
        } = &entry.event
        {
            let handle = handle?;
            let data = chunk.bytes();
            let pipe = self.pipe(handle);
            let (asked, what) = (pipe.writes.len(), pipe.take(*write, data));
            return Some(Read {
                handle,
                session: *session,
                process,
                id: *write,
                data,
                asked,
                what,
            });
        }
        None
    }

    fn pipe(&mut self, handle: usize) -> &mut Pipe<'a> {
        if self.writes.len() <= handle {
            self.writes.resize_with(handle + 1, Pipe::default);
        }
        &mut self.writes[handle]
    }

    fn on_asked(&mut self, who: usize, handle: usize, call: &'a Call, data: &'a [u8]) {
        if call.method != method::WRITE {
            return;
        }
        let pipe = self.pipe(handle);
        let position = pipe.writes.len();
        pipe.writes.push(Write {
            call,
            id: call.write,
            data,
            read: false,
            torn: false,
        });
        self.by_call.insert((who, call.call), (handle, position));
        self.unkeyed |= call.write.is_none();
    }

    fn on_keyed(&mut self, who: usize, call: CallId, id: WriteId) {
        let Some((handle, position)) = self.find(who, call) else {
            return;
        };
        let write = &mut self.pipe(handle).writes[position];
        write.id = write.id.or(Some(id));
    }
}

impl Pipe<'_> {
    /// Uses up one write for what was read.
    fn take(&mut self, id: Option<WriteId>, data: &[u8]) -> What {
        let position = match id.and_then(|id| self.named(id)) {
            Some(position) if self.writes[position].data != data => {
                self.writes[position].torn = true;
                return What::Torn(position);
            }
            Some(position) => Some(position),
            None => self.find(data),
        };
        match position {
            Some(position) if self.writes[position].read => What::Again(position),
            Some(position) => {
                self.writes[position].read = true;
                self.next = position + 1;
                What::First(position)
            }
            None => What::Unasked,
        }
    }

    /// The write with this key. Clients count keys from 1, so that the place is mostly known.
    fn named(&self, id: WriteId) -> Option<usize> {
        let has = |write: &Write<'_>| write.id == Some(id);
        let guess = usize::try_from(id.number())
            .ok()
            .and_then(|number| number.checked_sub(1));
        let hit = guess.filter(|guess| self.writes.get(*guess).is_some_and(has));
        hit.or_else(|| self.writes.iter().rposition(has))
    }

    /// The write that bytes without a key belong to. Equal writes cannot be told apart: the reading that keeps most of
    /// their order counts.
    fn find(&self, data: &[u8]) -> Option<usize> {
        let unread = |write: &Write<'_>| !write.read && write.data == data;
        let later = self.writes[self.next..]
            .iter()
            .position(unread)
            .map(|position| self.next + position);
        let earlier = || self.writes[..self.next].iter().position(unread);
        let again = || self.writes.iter().rposition(|write| write.data == data);
        later.or_else(earlier).or_else(again)
    }
}
