//! One process of a session: its numbered events, its retained output, its stdin, and the reads that wait for it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::id::{ConnId, ProcessId};
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{
    Chunk, ClosedParams, ExitedParams, Notification, OutputChunk, OutputParams, ReadResult, Reply, Stream,
};

use super::Origin;
use super::bug::{Bug, Mischief, OUTPUT_HOLD};
use super::news::News;
use super::preset::{NextSeq, Preset};
use super::program::{Act, Program};
use super::session::Place;
use super::shared::Shared;
use super::timers::Key;

/// A process from its start until it is forgotten, 30 s after it closed.
///
/// Invariant: `next_seq` is larger than the number of every event, and `retained` is ordered by number.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: ProcessId,
    pub(super) program: Program,
    pub(super) has_stdin: bool,
    pub(super) writes: WriteMemory,
    pub(super) mischief: Mischief,
    tty: bool,
    life: Life,
    /// The next number that the server gives to an event.
    next_seq: u64,
    /// How many events there really were; differs from `next_seq` under a planted bug only.
    happened: u64,
    retained: VecDeque<OutputChunk>,
    retained_bytes: usize,
    parked: Vec<Parked>,
    /// Chunks of bursts: still to be printed, and printed so far.
    bursts: (u32, u64),
    armed: Option<Time>,
}

#[derive(Debug)]
enum Life {
    /// It runs, perhaps not for long: killed, with the code it will have.
    Running { killed: Option<(Time, i32)> },
    /// It left and its streams ended, which is one moment here: nobody else holds its pipes.
    Ended { code: i32, reap_at: Time },
}

/// A long poll that waits.
#[derive(Debug)]
struct Parked {
    origin: Origin,
    after: u64,
    bytes_max: Option<u64>,
    until: Time,
}

/// The accepted write ids, the oldest forgotten first (sheet 3, "kept").
#[derive(Debug, Default)]
pub(super) struct WriteMemory {
    order: VecDeque<Arc<str>>,
    known: BTreeSet<Arc<str>>,
}

impl WriteMemory {
    pub(super) fn knows(&self, id: &str) -> bool {
        self.known.contains(id)
    }

    pub(super) fn remember(&mut self, id: &str, bound: usize) {
        let id: Arc<str> = id.into();
        if self.known.insert(Arc::clone(&id)) {
            self.order.push_back(id);
        }
        if bound < self.order.len()
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

impl Process {
    pub(super) fn new(id: ProcessId, program: Program, tty: bool, has_stdin: bool) -> Self {
        Self {
            id,
            program,
            has_stdin,
            writes: WriteMemory::default(),
            mischief: Mischief::default(),
            tty,
            life: Life::Running { killed: None },
            next_seq: 1,
            happened: 0,
            retained: VecDeque::new(),
            retained_bytes: 0,
            parked: Vec::new(),
            bursts: (0, 0),
            armed: None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        match self.life {
            Life::Running { .. } => true,
            Life::Ended { .. } => false,
        }
    }

    /// A signal will end it, after everything that was asked before it at this moment.
    pub(super) fn kill(&mut self, code: i32, now: Time) {
        match &mut self.life {
            Life::Running { killed } => *killed = killed.or(Some((now, code))),
            Life::Ended { .. } => {}
        }
    }

    /// What a read returns now (sheet 4.2).
    pub(super) fn read(&self, after: u64, bytes_max: Option<u64>, preset: &Preset) -> ReadResult {
        let from = self.retained.partition_point(|chunk| chunk.seq <= after);
        let mut left = bytes_max.unwrap_or(u64::MAX);
        let mut chunks = Vec::new();
        for chunk in self.retained.range(from..) {
            let bytes = chunk.chunk.len() as u64;
            if left < bytes && !chunks.is_empty() {
                break;
            }
            left = left.saturating_sub(bytes);
            chunks.push(chunk.clone());
        }
        let counts_all = bytes_max.is_none() && preset.next_seq == NextSeq::Process;
        let next_seq = match chunks.last() {
            Some(last) if !counts_all => last.seq + 1,
            _ => self.next_seq,
        };
        let exit_code = match self.life {
            Life::Running { .. } => None,
            Life::Ended { code, .. } => Some(code),
        };
        ReadResult {
            chunks,
            next_seq,
            exited: exit_code.is_some(),
            exit_code,
            closed: exit_code.is_some(),
            failure: None,
            sandbox_denied: preset.sandbox_denied_in_reads.then_some(false),
        }
    }

    /// Whether a long poll ends at once: there is a chunk for it, or there never will be (sheet 4.2).
    pub(super) fn is_ready(&self, after: u64) -> bool {
        !self.is_running() || self.retained.back().is_some_and(|last| after < last.seq)
    }

    /// A read begins to wait.
    pub(super) fn park(&mut self, origin: Origin, after: u64, bytes_max: Option<u64>, until: Time) {
        self.parked.push(Parked {
            origin,
            after,
            bytes_max,
            until,
        });
    }

    /// Answers the long polls that have something to say, or no time left.
    fn answer_parked(&mut self, place: &Place, shared: &mut Shared, now: Time) {
        let mut index = 0;
        while let Some(parked) = self.parked.get(index) {
            if self.is_ready(parked.after) || parked.until <= now {
                let parked = self.parked.remove(index);
                let result = self.read(parked.after, parked.bytes_max, &shared.preset);
                shared.unpark(parked.origin.conn);
                shared.answer_in(place, parked.origin, Ok(Reply::Read(result)), now);
            } else {
                index += 1;
            }
        }
    }

    /// Takes the waiting reads of one connection, or of all.
    pub(super) fn unpark(&mut self, is_meant: impl Fn(ConnId) -> bool, mut each: impl FnMut(Origin)) {
        for parked in self.parked.extract_if(.., |parked| is_meant(parked.origin.conn)) {
            each(parked.origin);
        }
    }

    /// The ledger's part of a write: the bytes are handed over.
    pub(super) fn hand_over(&self, write: Option<&str>, chunk: &Chunk, place: &Place, shared: &mut Shared) {
        for chunk in pieces(chunk, shared.bug) {
            shared.news(News::Stdin {
                session: place.session.clone(),
                process: self.id.clone(),
                write: write.map(str::to_owned),
                chunk,
            });
        }
    }

    /// The program's part of a write: it reads the bytes, and may say something at once.
    pub(super) fn react(&mut self, chunk: &Chunk, place: &Place, shared: &mut Shared, now: Time) {
        let mut says = std::mem::take(&mut shared.says);
        for chunk in pieces(chunk, shared.bug).filter(|chunk| !chunk.is_empty()) {
            self.program.read(&chunk, &mut says);
        }
        for chunk in says.drain(..) {
            self.print(Stream::Stdout, chunk, place, shared, now);
        }
        shared.says = says;
    }

    /// The process prints.
    fn print(&mut self, stream: Stream, chunk: Chunk, place: &Place, shared: &mut Shared, now: Time) {
        let stream = if self.tty { Stream::Pty } else { stream };
        self.happened += 1;
        shared.news(News::Printed {
            session: place.session.clone(),
            process: self.id.clone(),
            seq: self.happened,
            stream,
            chunk: chunk.clone(),
        });
        if shared.has(Bug::DropRetained) && place.attached.is_none() {
            return;
        }
        if shared.has(Bug::ReorderOutput) {
            match self.mischief.output.take() {
                None => self.mischief.output = Some((now + OUTPUT_HOLD, stream, chunk)),
                Some((_, earlier, held)) => {
                    self.publish(stream, chunk, place, shared, now);
                    self.publish(earlier, held, place, shared, now);
                }
            }
            return;
        }
        self.publish(stream, chunk, place, shared, now);
    }

    /// Numbers a chunk, retains it, and tells everybody.
    fn publish(&mut self, stream: Stream, chunk: Chunk, place: &Place, shared: &mut Shared, now: Time) {
        let output = OutputChunk {
            seq: self.next_seq,
            stream,
            chunk,
        };
        self.next_seq += 1;
        self.retained_bytes += output.chunk.len();
        self.retained.push_back(output.clone());
        self.evict(place, shared);
        let process_id = self.id.clone();
        shared.notify(
            place.attached,
            Notification::Output(OutputParams { process_id, output }),
            now,
        );
        if !self.parked.is_empty() {
            self.answer_parked(place, shared, now);
        }
    }

    /// Keeps the bounds: the oldest chunk goes first, and a larger one than the bound evicts itself (sheet 3, "kept").
    fn evict(&mut self, place: &Place, shared: &mut Shared) {
        let chunks_max = shared.preset.retained_chunks.unwrap_or(usize::MAX);
        while shared.preset.retained_bytes < self.retained_bytes || chunks_max < self.retained.len() {
            let Some(oldest) = self.retained.pop_front() else {
                return;
            };
            self.retained_bytes -= oldest.chunk.len();
            shared.news(News::Evicted {
                session: place.session.clone(),
                process: self.id.clone(),
                seq: oldest.seq,
            });
        }
    }

    /// The process leaves and its pipes close: two numbered events that are not retained (sheet 4.1).
    pub(super) fn exit(&mut self, code: i32, place: &Place, shared: &mut Shared, now: Time) {
        if !self.is_running() {
            return;
        }
        if let Some((_, stream, chunk)) = self.mischief.output.take() {
            self.publish(stream, chunk, place, shared, now);
        }
        self.mischief.writes.clear();
        let reap_at = now + shared.preset.ended_retention;
        self.life = Life::Ended { code, reap_at };
        let seq = self.next_seq;
        self.next_seq += 2;
        self.happened += 2;
        shared.news(News::Exited {
            session: place.session.clone(),
            process: self.id.clone(),
            seq: self.happened - 1,
            code,
        });
        let exited = ExitedParams {
            process_id: self.id.clone(),
            seq,
            exit_code: code,
            sandbox_denied: shared.preset.sandbox_denied_in_exits.then_some(false),
        };
        shared.notify(place.attached, Notification::Exited(exited), now);
        shared.news(News::ProcessClosed {
            session: place.session.clone(),
            process: self.id.clone(),
            seq: self.happened,
        });
        let closed = ClosedParams {
            process_id: self.id.clone(),
            seq: seq + 1,
        };
        shared.notify(place.attached, Notification::Closed(closed), now);
        self.answer_parked(place, shared, now);
    }

    /// Prints so many chunks at once, or as soon as its pipes are read.
    pub(super) fn burst(&mut self, chunks: u32, place: &Place, shared: &mut Shared, now: Time) {
        self.bursts.0 = self.bursts.0.saturating_add(chunks);
        while 0 < self.bursts.0 && self.is_running() && !place.blocked {
            self.bursts.0 -= 1;
            self.bursts.1 += 1;
            let text = format!("burst {}\n", self.bursts.1);
            self.print(Stream::Stdout, Chunk::from(text.as_str()), place, shared, now);
        }
    }

    /// Its pipes are read again.
    pub(super) fn unblock(&mut self, place: &Place, shared: &mut Shared, now: Time) {
        if self.is_running() && self.program.is_about_to_print() {
            self.program.delay_to(now);
        }
        self.burst(0, place, shared, now);
    }

    /// Does everything that is due. False if the process is to be forgotten.
    pub(super) fn wake(&mut self, place: &Place, shared: &mut Shared, now: Time) -> bool {
        self.armed = None;
        if let Some((_, stream, chunk)) = self.mischief.output.take_if(|(due, ..)| *due <= now) {
            self.publish(stream, chunk, place, shared, now);
        }
        while let Some(late) = self.mischief.writes.pop_front_if(|late| late.due <= now) {
            self.hand_over(late.write.as_deref(), &late.chunk, place, shared);
            self.react(&late.chunk, place, shared, now);
        }
        self.run(place, shared, now);
        self.answer_parked(place, shared, now);
        match self.life {
            Life::Running { .. } => true,
            Life::Ended { reap_at, .. } => now < reap_at,
        }
    }

    fn run(&mut self, place: &Place, shared: &mut Shared, now: Time) {
        loop {
            match self.life {
                Life::Ended { .. } => return,
                Life::Running {
                    killed: Some((at, code)),
                } if at <= now => {
                    return self.exit(code, place, shared, now);
                }
                Life::Running { .. } => {}
            }
            let is_due = self.program.due().is_some_and(|due| due <= now);
            if !is_due || (place.blocked && self.program.is_about_to_print()) {
                return;
            }
            match self.program.act(now) {
                Act::Print(stream, chunk) => self.print(stream, chunk, place, shared, now),
                Act::Exit(code) => self.exit(code, place, shared, now),
                Act::Nothing => {}
            }
        }
    }

    /// Moves its deadline to the next thing that it waits for.
    pub(super) fn arm(&mut self, place: &Place, shared: &mut Shared) {
        let (life, program) = match self.life {
            Life::Ended { reap_at, .. } => (Some(reap_at), None),
            Life::Running { killed } => {
                let stalls = place.blocked && self.program.is_about_to_print();
                (killed.map(|(at, _)| at), self.program.due().filter(|_| !stalls))
            }
        };
        let parked = self.parked.iter().map(|parked| parked.until).min();
        let due = [life, program, parked, self.mischief.due()]
            .into_iter()
            .flatten()
            .min();
        shared
            .timers
            .set(&mut self.armed, due, || Key::Process(place.key, self.id.clone()));
    }

    /// Takes its deadline back.
    pub(super) fn disarm(&mut self, place: &Place, shared: &mut Shared) {
        shared
            .timers
            .set(&mut self.armed, None, || Key::Process(place.key, self.id.clone()));
    }
}

/// How long a read may wait.
pub(super) fn patience(wait_ms: Option<u64>) -> Duration {
    Duration::from_millis(wait_ms.unwrap_or(0))
}

/// What a chunk becomes on its way into a process: itself, unless [`Bug::TornWrite`] has its way.
fn pieces(chunk: &Chunk, bug: Option<Bug>) -> impl Iterator<Item = Chunk> {
    let bytes = chunk.bytes();
    let (first, second) = if bug == Some(Bug::TornWrite) && 2 <= bytes.len() {
        let middle = bytes.len() / 2;
        (
            Chunk::from(&bytes[..middle]),
            Some(Chunk::from(&bytes[middle + 1..])),
        )
    } else {
        (chunk.clone(), None)
    };
    [Some(first), second].into_iter().flatten()
}
