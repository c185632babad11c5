//! The bodies that stream back to callers (exec-server sheet, 9).
//!
//! A body belongs to the connection that its request was sent on. When that is lost, the body fails at once, at the start
//! of the recovery: it is never resumed, and it never ends as if it were complete. The one exception is a body whose end
//! had come already and waits for its caller.
//!
//! Real clients fail a body by a frame of their own that is number 1 again, so that a caller may be told of a wrong
//! number and not of the disconnect. That is not modelled: the caller is told of the disconnect.

use std::collections::{BTreeMap, VecDeque};

use super::{Exec, News, Output};
use crate::id::{CallId, HttpId};
use crate::time::Time;
use crate::wire::exec::{BodyDelta, Chunk};

/// A body on its way to its caller.
#[derive(Debug)]
struct Body {
    call: CallId,
    /// Whether its request was answered: before that, its caller has no body to read.
    open: bool,
    /// Whether its caller reads it.
    reading: bool,
    /// The number that comes next.
    next_seq: u64,
    /// Came, and not read yet.
    queue: VecDeque<Part>,
}

/// A piece of a body.
#[derive(Debug)]
struct Part {
    seq: u64,
    chunk: Chunk,
    end: Option<End>,
}

/// How a body ends.
#[derive(Debug)]
enum End {
    Complete,
    Failed(String),
}

impl Body {
    /// Whether its end has come, read or not.
    fn is_over(&self) -> bool {
        self.queue.back().is_some_and(|part| part.end.is_some())
    }
}

/// All bodies of a client, over all its connections.
///
/// Invariant: `queued` is the number of bytes in all queues.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    all: BTreeMap<HttpId, Body>,
    minted: u64,
    pub(super) queued: usize,
}

impl Bodies {
    /// The name of the next request, streamed or not. Counted over all connections.
    pub(super) fn mint(&mut self) -> HttpId {
        self.minted += 1;
        HttpId::from(format!("http-{}", self.minted).as_str())
    }

    /// A request was sent whose body will stream.
    pub(super) fn expect(&mut self, http: HttpId, call: CallId, reading: bool) {
        let body = Body {
            call,
            open: false,
            reading,
            next_seq: 1,
            queue: VecDeque::new(),
        };
        self.all.insert(http, body);
    }

    fn of_call(&self, call: CallId) -> Option<HttpId> {
        let mut bodies = self.all.iter();
        bodies
            .find(|(_, body)| body.call == call)
            .map(|(http, _)| http.clone())
    }

    fn remove(&mut self, http: &HttpId) -> Option<Body> {
        let body = self.all.remove(http)?;
        self.queued -= body.queue.iter().map(|part| part.chunk.len()).sum::<usize>();
        Some(body)
    }
}

impl Exec {
    /// Bytes of bodies that came and that their callers have not read.
    pub const fn queued_body_bytes(&self) -> usize {
        self.bodies.queued
    }

    pub(super) fn on_body(&mut self, delta: BodyDelta, now: Time) {
        let limits = self.policy.limits;
        let Some(body) = self.bodies.all.get_mut(&delta.request_id) else {
            return; // Of a body that failed, or that was never asked for.
        };
        let (http, size) = (delta.request_id, delta.delta.len());
        if let Some(max) = limits.body_delta_bytes_max.filter(|max| *max < size) {
            self.on_unreadable(&format!("a body delta of {size} bytes, more than {max}"), now);
            return;
        }
        if body.is_over() {
            return;
        }
        if delta.seq != body.next_seq {
            let why = format!("received seq {}, expected {}", delta.seq, body.next_seq);
            self.fail_body(&http, why);
            return;
        }
        // What is read as it comes does not wait.
        let waits = !(body.open && body.reading);
        if let Some(max) = limits
            .body_bytes_max
            .filter(|max| waits && *max < self.bodies.queued + size)
        {
            self.fail_body(
                &http,
                format!("more than {max} bytes of bodies wait for their readers"),
            );
            return;
        }
        body.next_seq = body.next_seq.saturating_add(1);
        let complete = delta.done.then_some(End::Complete);
        body.queue.push_back(Part {
            seq: delta.seq,
            chunk: delta.delta,
            end: delta.error.map(End::Failed).or(complete),
        });
        self.bodies.queued += size;
        self.hand_out_body(&http);
    }

    /// The request of a call was answered: its caller has a body to read, if it streams.
    pub(super) fn open_body(&mut self, call: CallId) {
        let Some(http) = self.bodies.of_call(call) else {
            return;
        };
        if let Some(body) = self.bodies.all.get_mut(&http) {
            body.open = true;
        }
        self.news(News::BodyOpened { call });
        self.hand_out_body(&http);
    }

    /// The request of a call came to nothing, and so did its body.
    pub(super) fn forget_body(&mut self, call: CallId) {
        if let Some(http) = self.bodies.of_call(call) {
            self.bodies.remove(&http);
        }
    }

    /// The caller begins to read.
    pub(super) fn on_reads(&mut self, call: CallId) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.call == call) {
            waiting.op.read_at_once();
        }
        let Some(http) = self.bodies.of_call(call) else {
            return;
        };
        if let Some(body) = self.bodies.all.get_mut(&http) {
            body.reading = true;
        }
        self.hand_out_body(&http);
    }

    fn hand_out_body(&mut self, http: &HttpId) {
        let Some(body) = self
            .bodies
            .all
            .get_mut(http)
            .filter(|body| body.open && body.reading)
        else {
            return;
        };
        let call = body.call;
        while let Some(Part { seq, chunk, end }) = body.queue.pop_front() {
            self.bodies.queued -= chunk.len();
            if !chunk.is_empty() {
                self.outputs
                    .push_back(Output::News(News::BodyPart { call, seq, chunk }));
            }
            let why = match end {
                None => continue,
                Some(End::Complete) => None,
                Some(End::Failed(why)) => Some(why),
            };
            self.bodies.remove(http);
            self.news(News::BodyEnded { call, why });
            return;
        }
    }

    /// Ends a body before its time. What its caller has not read is lost.
    fn fail_body(&mut self, http: &HttpId, why: String) {
        let Some(body) = self.bodies.remove(http) else {
            return;
        };
        if body.open {
            let call = body.call;
            self.news(News::BodyEnded { call, why: Some(why) });
        }
    }

    /// The connection is lost, and all bodies with it whose end has not come.
    pub(super) fn fail_bodies(&mut self, why: &str) {
        let bodies = self.bodies.all.iter();
        let cut: Vec<_> = bodies
            .filter(|(_, body)| !(body.open && body.is_over()))
            .map(|(http, _)| http.clone())
            .collect();
        for http in cut {
            self.fail_body(&http, why.to_owned());
        }
    }
}
