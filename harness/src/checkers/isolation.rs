//! That nobody gets what belongs to another connection, request, caller, session or client.

use std::collections::{BTreeMap, BTreeSet};

use unplug_reconnect::id::{CallId, ConnId, HttpId, ProcessId, Purpose, SessionNumber};
use unplug_reconnect::wire::rpc::RequestId;

use super::Verdict;
use super::handles::{Handles, clients};
use super::words::{Bytes, Named, Request};
use crate::fault::Fault;
use crate::history::{Asked, Dir, Event, Frame, History, Kind};

/// The request that an answer on this connection completes, as its receiver must read it. None if its sender answered
/// another one.
pub(super) fn answered(conn: ConnId, frame: &Frame) -> Option<&RequestId> {
    let request = frame.request.as_ref().filter(|_| is_answer(frame))?;
    let meant = frame
        .answers
        .as_ref()
        .is_none_or(|asked| asked.conn == conn && asked.request == *request);
    meant.then_some(request)
}

/// Whether a frame is an answer with an id. Those of HTTP have none.
fn is_answer(frame: &Frame) -> bool {
    matches!(frame.kind, Kind::Response | Kind::Error) && frame.request.is_some()
}

/// Whether a frame tells that an unreadable one came: an error to no request, with the id -1 (exec-server sheet, 2.5).
fn is_complaint(frame: &Frame) -> bool {
    frame.kind == Kind::Error && frame.answers.is_none() && frame.request == Some(RequestId::Number(-1))
}

/// Frames that the network repeats on its own, by connection: each excuses one answer too many.
#[derive(Default)]
pub(super) struct Copies(BTreeMap<ConnId, usize>);

impl Copies {
    pub(super) fn read(&mut self, event: &Event) {
        if let Event::Fault {
            fault: Fault::DuplicateFrame,
            conn: Some(conn),
        } = event
        {
            *self.0.entry(*conn).or_default() += 1;
        }
    }

    pub(super) fn excuse(&mut self, conn: ConnId) -> bool {
        let Some(left) = self.0.get_mut(&conn).filter(|left| 0 < **left) else {
            return false;
        };
        *left -= 1;
        true
    }
}

/// Requests by their nonce, and whether they were answered.
type Requests<'a> = BTreeMap<(ConnId, &'a RequestId), (&'a Frame, bool)>;

/// An answer must reach the connection and the request it belongs to, once, and settle no other caller's call: a leaked
/// answer tells an agent what happened to somebody else's command.
pub(super) fn no_response_leak(history: &History) -> Verdict {
    let mut requests = Requests::new();
    let mut bodies: BTreeSet<(ConnId, &HttpId)> = BTreeSet::new();
    let mut copies = Copies::default();
    let mut tested = false;
    for entry in &history.entries {
        if let Event::Sent {
            conn,
            dir: Dir::C2s,
            frame,
        } = &entry.event
        {
            if let (Kind::Request, Some(request)) = (frame.kind, &frame.request) {
                requests.insert((*conn, request), (frame, false));
            }
            bodies.extend(frame.http.as_ref().map(|http| (*conn, http)));
        } else if let Event::Delivered {
            conn,
            dir: Dir::S2c,
            frame,
        } = &entry.event
        {
            if let Some(http) = &frame.http {
                tested = true;
                if !bodies.contains(&(*conn, http)) {
                    return Verdict::Fail(format!(
                        "{conn} received a piece of the body of {http}, which it never asked for"
                    ));
                }
            }
            if !is_answer(frame) || is_complaint(frame) {
                continue;
            }
            tested = true;
            if let Err(why) = deliver(&mut requests, &mut copies, *conn, frame) {
                return Verdict::Fail(why);
            }
        } else if let Event::Settled {
            call,
            by: Some(asked),
            ..
        } = &entry.event
        {
            let request = requests
                .get(&(asked.conn, &asked.request))
                .map(|(frame, _)| *frame);
            if request.is_none_or(|frame| frame.call != Some(call.call)) {
                let (client, name, request) = (
                    history.name(entry.who),
                    Named(call),
                    Request(asked.conn, &asked.request, request),
                );
                return Verdict::Fail(format!(
                    "{client} settled {name} by the answer to {request}, which was not sent for it"
                ));
            }
        } else {
            copies.read(&entry.event);
        }
    }
    Verdict::held(tested)
}

/// Uses up one request for an answer.
fn deliver<'a>(
    requests: &mut Requests<'a>,
    copies: &mut Copies,
    conn: ConnId,
    frame: &'a Frame,
) -> Result<(), String> {
    let Some(shown) = &frame.request else {
        return Ok(());
    };
    let (on, asked) = frame
        .answers
        .as_ref()
        .map_or((conn, shown), |asked| (asked.conn, &asked.request));
    let request = requests.get_mut(&(on, asked));
    let name = Request(on, asked, request.as_ref().map(|(frame, _)| *frame));
    match request {
        Some(_) if on == conn && asked != shown => Err(format!(
            "{conn} received the answer to {name} under the id {shown}"
        )),
        Some((_, answered)) if on == conn => {
            if std::mem::replace(answered, true) && !copies.excuse(conn) {
                return Err(format!("{conn} received a second answer to {name}"));
            }
            Ok(())
        }
        Some(_) | None => Err(format!("{conn} received an answer to {name} it never asked for")),
    }
}

/// A request id must name one request, a request have one answer, and a call one outcome: otherwise a caller acts on the
/// first one and the second one is true.
pub(super) fn one_outcome_per_request(history: &History) -> Verdict {
    let mut settled: BTreeSet<(usize, CallId)> = BTreeSet::new();
    let mut asked: BTreeSet<(ConnId, &RequestId)> = BTreeSet::new();
    let mut answered: BTreeSet<&Asked> = BTreeSet::new();
    let mut copies = Copies::default();
    for entry in &history.entries {
        if let Event::Settled { call, .. } = &entry.event {
            if !settled.insert((entry.who, call.call)) {
                let (client, name) = (history.name(entry.who), Named(call));
                return Verdict::Fail(format!("{client} was told twice what became of {name}"));
            }
        } else if let Event::Sent {
            conn,
            dir: Dir::C2s,
            frame,
        } = &entry.event
        {
            if let (Kind::Request, Some(request)) = (frame.kind, &frame.request)
                && !asked.insert((*conn, request))
            {
                return Verdict::Fail(format!("{conn} carried two requests with the id {request}"));
            }
        } else if let Event::Sent {
            dir: Dir::S2c, frame, ..
        } = &entry.event
        {
            if let Some(request) = frame.answers.as_ref().filter(|_| is_answer(frame))
                && !answered.insert(request)
                && !copies.excuse(request.conn)
            {
                let (server, Asked { conn, request }) = (history.name(entry.who), request);
                return Verdict::Fail(format!("{server} answered {request} of {conn} twice"));
            }
        } else {
            copies.read(&entry.event);
        }
    }
    Verdict::held(!settled.is_empty() || !answered.is_empty())
}

/// A client must meet its own sessions only, and the output of its own processes: a session id is no password.
///
/// Vacuous with one session, which has nothing to be mixed up with.
pub(super) fn no_cross_session(history: &History) -> Verdict {
    let dialers = clients(history);
    let mut handles = Handles::new(history);
    let mut printed: BTreeMap<(SessionNumber, &ProcessId), Vec<&[u8]>> = BTreeMap::new();
    let mut sessions = BTreeSet::new();
    for entry in &history.entries {
        let about = handles.read(entry);
        let (attached, conn) = if let Event::SessionOpened { session, .. } = &entry.event {
            sessions.insert(*session);
            continue;
        } else if let Event::Printed {
            session,
            process,
            chunk,
            ..
        } = &entry.event
        {
            printed
                .entry((*session, process))
                .or_default()
                .push(chunk.bytes());
            continue;
        } else if let Event::Output { process, chunk, .. } = &entry.event {
            let session = about.and_then(|index| handles.all[index].session);
            let own = session.and_then(|session| printed.get(&(session, process)));
            if own.is_some_and(|own| own.iter().rev().any(|bytes| *bytes == chunk.bytes())) {
                continue;
            }
            let (client, data) = (history.name(entry.who), Bytes(chunk.bytes()));
            let other = printed.iter().find(|(_, other)| other.contains(&chunk.bytes()));
            let whose = other.map(|((session, process), _)| format!("which {process} of {session} printed"));
            let whose = whose.unwrap_or_else(|| "which nothing printed".to_owned());
            return Verdict::Fail(format!(
                "{client} received {data} as output of {process}, {whose}"
            ));
        } else if let Event::Attached { session, conn, .. } | Event::SessionResumed { session, conn } =
            &entry.event
        {
            (*session, *conn)
        } else {
            continue;
        };
        let owner = handles.session(attached).map(|session| session.client);
        let guest = dialers
            .get(conn.client() as usize)
            .copied()
            .filter(|_| conn.purpose() == Purpose::Session);
        if let (Some(owner), Some(guest)) = (owner, guest)
            && owner != guest
        {
            let (owner, guest) = (history.name(owner), history.name(guest));
            return Verdict::Fail(format!(
                "{guest} was attached to {attached} on {conn}, which {owner} had opened"
            ));
        }
    }
    Verdict::held(1 < sessions.len())
}
