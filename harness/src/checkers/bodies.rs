//! HTTP requests that a server makes for its clients: how often they are made, and how their bodies end.

use std::collections::BTreeMap;

use unplug_reconnect::id::{CallId, ConnId, HttpId};
use unplug_reconnect::wire::exec::method;
use unplug_reconnect::wire::rpc::RequestId;

use super::Verdict;
use super::isolation::Copies;
use crate::history::{Dir, Event, History};

/// A body as its caller sees it.
#[derive(Debug, Default)]
struct Body<'a> {
    /// Where it was asked for, and under which name.
    asked: Option<(ConnId, &'a HttpId)>,
    open: bool,
    over: bool,
    next_seq: u64,
    bytes: u64,
}

/// A body that its caller saw end cleanly must be complete, its pieces must come in order, and every body that was opened
/// must end, once: a caller takes half a file for the whole of it otherwise, or waits for ever.
///
/// Excused is a body whose origin has not ended, on a connection that has not ended either.
pub(super) fn body_ends_honestly(history: &History) -> Verdict {
    let mut bodies: BTreeMap<(usize, CallId), Body<'_>> = BTreeMap::new();
    let mut origins: BTreeMap<(ConnId, &HttpId), (u64, bool)> = BTreeMap::new();
    let mut left = Vec::new();
    for entry in &history.entries {
        let who = entry.who;
        let client = history.name(who);
        if let Event::Sent {
            conn,
            dir: Dir::C2s,
            frame,
        } = &entry.event
        {
            if let (Some(call), Some(http)) = (frame.call, &frame.http) {
                bodies.entry((who, call)).or_default().asked = Some((*conn, http));
            }
        } else if let Event::OriginEnded {
            conn,
            http,
            bytes,
            error,
        } = &entry.event
        {
            origins.insert((*conn, http), (*bytes, error.is_none()));
        } else if let Event::BodyOpened { call } = &entry.event {
            bodies.entry((who, *call)).or_default().open = true;
        } else if let Event::BodyPart { call, seq, chunk } = &entry.event {
            let body = bodies.entry((who, *call)).or_default();
            body.next_seq += 1;
            if !body.open || body.over {
                let when = if body.over {
                    "after its end"
                } else {
                    "before its answer"
                };
                return Verdict::Fail(format!("{client} got #{seq} of the body of {call} {when}"));
            }
            if *seq != body.next_seq {
                let next = body.next_seq;
                return Verdict::Fail(format!("{client} got #{seq} of the body of {call} as #{next}"));
            }
            body.bytes += chunk.len() as u64;
        } else if let Event::BodyEnded { call, why } = &entry.event {
            let body = bodies.entry((who, *call)).or_default();
            if std::mem::replace(&mut body.over, true) {
                return Verdict::Fail(format!(
                    "{client} was told twice that the body of {call} had ended"
                ));
            }
            let origin = body.asked.and_then(|asked| origins.get(&asked));
            let complete = origin.is_some_and(|&(bytes, complete)| complete && bytes == body.bytes);
            if why.is_none() && !complete {
                let bytes = body.bytes;
                return Verdict::Fail(format!(
                    "{client} saw the body of {call} end cleanly after {bytes} bytes, but it was not complete"
                ));
            }
        } else if let Event::Closed { conn, .. } | Event::Hangup { conn, .. } = &entry.event {
            left.push((who, *conn));
        }
    }
    let endless = |(who, body): (usize, &Body<'_>)| {
        let asked = body.asked.filter(|(conn, _)| !left.contains(&(who, *conn)));
        asked.is_some_and(|asked| !origins.contains_key(&asked))
    };
    let opened = bodies.iter().filter(|(_, body)| body.open);
    let waits = |((who, _), body): &(&(usize, CallId), &Body<'_>)| !body.over && !endless((*who, body));
    match opened.clone().find(waits) {
        Some(((who, call), _)) => {
            let client = history.name(*who);
            Verdict::Fail(format!(
                "{client} never learned that the body of {call} had ended"
            ))
        }
        None => Verdict::held(opened.count() != 0),
    }
}

/// What a caller asks for once must be done once: an order that is placed twice is delivered twice.
pub(super) fn done_once(history: &History) -> Verdict {
    let mut calls: BTreeMap<(ConnId, &RequestId), (usize, CallId)> = BTreeMap::new();
    let mut made: BTreeMap<(usize, CallId), u32> = BTreeMap::new();
    let mut copies = Copies::default();
    for entry in &history.entries {
        if let Event::Sent {
            conn,
            dir: Dir::C2s,
            frame,
        } = &entry.event
        {
            if let (Some(call), Some(request)) = (frame.call, &frame.request) {
                calls.insert((*conn, request), (entry.who, call));
            }
        } else if let Event::Forwarded { conn, request, .. } | Event::FileChanged { conn, request, .. } =
            &entry.event
        {
            let Some((who, call)) = calls.get(&(*conn, request)) else {
                continue;
            };
            let times = made.entry((*who, *call)).or_default();
            *times += 1;
            if 1 < *times && !copies.excuse(*conn) {
                let (server, client) = (history.name(entry.who), history.name(*who));
                let method = if let Event::FileChanged { method, .. } = &entry.event {
                    method
                } else {
                    method::HTTP
                };
                return Verdict::Fail(format!(
                    "{server} did {call} ({method}) twice, but {client} asked for it once"
                ));
            }
        } else {
            copies.read(&entry.event);
        }
    }
    Verdict::held(!made.is_empty())
}
