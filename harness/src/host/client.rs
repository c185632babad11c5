//! The host of an exec client: the machine, its source of signed URLs if the link needs one, and the callers.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use unplug_mocks::issuer::{Body, url_id};
use unplug_reconnect::credential;
use unplug_reconnect::exec::{self, Link, News, Op};
use unplug_reconnect::id::{CallId, ConnId, ConnIds, Purpose};
use unplug_reconnect::policy::Policy;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::{DialError, Truth};
use unplug_reconnect::wire::exec::{Chunk, Decoded, decode};
use unplug_reconnect::wire::registry::ConnectRequest;

use super::ask::{about, in_short, op};
use super::saboteur::{Saboteur, UrlSaboteur, altered};
use super::{Effect, Input, Payload, REGISTRY_CONNECT, bare_frame, describe};
use crate::client_bug::ClientBug;
use crate::history::{Asked, BODY_BYTES, Call, Event, Kind, Name};
use crate::plan::Task;
use crate::scenario::Transport;
use crate::stage::Names;

/// Whom a client dials: host and name.
pub(crate) struct Peers {
    pub(crate) to: (usize, Name),
    pub(crate) issuer: Option<(usize, Name)>,
    pub(crate) transport: Transport,
}

/// A client and its callers.
pub(crate) struct ClientHost {
    machine: Saboteur,
    credential: Option<UrlSaboteur>,
    peers: Peers,
    /// The URL for the dial that is about to happen.
    url: Option<Arc<str>>,
    /// What was asked, and whether its caller was told what became of it.
    calls: BTreeMap<CallId, (Call, bool)>,
    asked: u64,
    /// Callers that were told to wait.
    held: VecDeque<(CallId, Op)>,
    open: u64,
    open_most: u64,
    open_bound: Option<u64>,
    /// Bytes of bodies that waited for their callers.
    body_bytes_most: u64,
    body_bytes_bound: Option<u64>,
    /// Callers that do not read their bodies before this time.
    late_readers: BTreeSet<(Time, CallId)>,
    /// Callers that go away at this time.
    leavers: BTreeSet<(Time, CallId)>,
    /// What the two machines have to tell each other.
    inbox: VecDeque<Word>,
    effects: VecDeque<Effect>,
}

enum Word {
    Exec(exec::Input),
    Credential(credential::Input),
}

impl ClientHost {
    pub(crate) fn new(
        index: u32,
        policy: &Arc<Policy>,
        bug: Option<ClientBug>,
        peers: Peers,
        seed: Seed,
    ) -> Self {
        // What it promises is what its policy says.
        let open_bound = policy.limits.calls_max.map(|max| max as u64);
        let policy = altered(bug, policy);
        let credential = peers
            .issuer
            .as_ref()
            .map(|_| UrlSaboteur::new(bug, policy.credential, ConnIds::new(index, Purpose::Fetch)));
        let link = match peers.transport {
            Transport::Stdio => Link::Stdio,
            Transport::Websocket if credential.is_some() => Link::Signed,
            Transport::Websocket => Link::Fixed,
        };
        let body_bytes_bound = policy.limits.body_bytes_max.map(|max| max as u64);
        Self {
            machine: Saboteur::new(bug, policy, link, ConnIds::new(index, Purpose::Session), seed),
            credential,
            peers,
            url: None,
            calls: BTreeMap::new(),
            asked: 0,
            held: VecDeque::new(),
            open: 0,
            open_most: 0,
            open_bound,
            body_bytes_most: 0,
            body_bytes_bound,
            late_readers: BTreeSet::new(),
            leavers: BTreeSet::new(),
            inbox: VecDeque::new(),
            effects: VecDeque::new(),
        }
    }

    pub(crate) fn handle(&mut self, input: Input, now: Time, names: &mut Names) {
        match input {
            Input::Do { task, leaves_after } => self.on_task(task, leaves_after, now, names),
            Input::Dialed(conn) => self.on_dialed(conn),
            Input::DialFailed(conn, why) => self.on_dial_failed(conn, why),
            Input::Frame { conn, payload } => self.on_frame(conn, payload),
            Input::Closed(conn, why) => {
                self.record(Event::Closed { conn, why });
                self.tell_end(conn);
            }
            Input::Wake => {
                if self
                    .credential
                    .as_ref()
                    .and_then(UrlSaboteur::deadline)
                    .is_some_and(|at| at <= now)
                {
                    self.inbox.push_back(Word::Credential(credential::Input::Wake));
                }
                self.inbox.push_back(Word::Exec(exec::Input::Wake));
                while let Some((_, call)) = self.late_readers.first().copied().filter(|(at, _)| *at <= now) {
                    self.late_readers.pop_first();
                    self.inbox.push_back(Word::Exec(exec::Input::Reads { call }));
                }
                while let Some((_, call)) = self.leavers.first().copied().filter(|(at, _)| *at <= now) {
                    self.leavers.pop_first();
                    self.on_leaver(call);
                }
            }
            // A client's sends are bounded by its own limits; the transport keeps what it cannot pass on yet.
            Input::Congested(_) | Input::Writable(_) => {}
            // The signed URLs that a client holds say nothing about their end, so its wall clock is never asked.
            Input::ClockJump(_) => {}
            Input::Upgrade { .. }
            | Input::Exit { .. }
            | Input::Burst { .. }
            | Input::ExpireUrls
            | Input::ExpireUrlsUpTo(_)
            | Input::RevokeUrls
            | Input::Throttle { .. } => {}
        }
        self.run(now, names);
    }

    pub(crate) fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let credential = self.credential.as_ref().and_then(UrlSaboteur::deadline);
        let reader = self.late_readers.first().map(|(at, _)| *at);
        let leaver = self.leavers.first().map(|(at, _)| *at);
        [self.machine.deadline(), credential, reader, leaver]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn last_words(&self) -> Vec<Event> {
        let calls = Event::HighWater {
            queue: Cow::Borrowed("calls"),
            most: self.open_most,
            bound: self.open_bound,
        };
        let bodies = Event::HighWater {
            queue: Cow::Borrowed(BODY_BYTES),
            most: self.body_bytes_most,
            bound: self.body_bytes_bound,
        };
        let streamed = (0 < self.body_bytes_most).then_some(bodies);
        std::iter::once(calls).chain(streamed).collect()
    }

    fn record(&mut self, event: Event) {
        self.effects.push_back(Effect::Record(event));
    }

    fn on_task(&mut self, task: Task, leaves_after: Option<Duration>, now: Time, names: &mut Names) {
        self.asked += 1;
        let id = CallId::new(self.asked);
        self.leavers.extend(leaves_after.map(|after| (now + after, id)));
        let mut data = None;
        if let Task::Write { data: written, .. } = &task {
            data = Some(written.clone());
        }
        if let Task::Http { reads_after, .. } = &task
            && !reads_after.is_zero()
        {
            self.late_readers.insert((now + *reads_after, id));
        }
        let op = op(task);
        let call = Call {
            call: id,
            method: Cow::Borrowed(op.method()),
            process: op.process().cloned(),
            about: about(&op),
            write: None,
        };
        self.calls.insert(id, (call, false));
        self.offer(id, op, data, now, names);
    }

    /// A caller goes away, unless it was told before. Of one that still waits for room the machine knows nothing.
    fn on_leaver(&mut self, id: CallId) {
        let Some((call, settled)) = self.calls.get_mut(&id).filter(|(_, settled)| !*settled) else {
            return;
        };
        let call = call.clone();
        let Some(at) = self.held.iter().position(|(held, _)| *held == id) else {
            self.record(Event::Left { call });
            self.inbox.push_back(Word::Exec(exec::Input::Leave { call: id }));
            return;
        };
        *settled = true;
        self.held.remove(at);
        self.record(Event::Left { call: call.clone() });
        self.record(Event::Settled {
            call,
            truth: Truth::NotApplied,
            why: Some("its caller left".to_owned()),
            by: None,
        });
    }

    /// Offers a call to the machine, which gives a write its key before anything else.
    fn offer(&mut self, id: CallId, op: Op, data: Option<Chunk>, now: Time, names: &mut Names) {
        self.open += 1;
        self.machine.handle(exec::Input::Call { call: id, op }, now);
        let first = self.machine.poll();
        let keyed = match first {
            Some(exec::Output::News(News::Keyed { write, .. })) => {
                if let Some((call, _)) = self.calls.get_mut(&id) {
                    call.write = Some(write);
                }
                true
            }
            Some(_) | None => false,
        };
        if let Some((call, _)) = self.calls.get(&id).cloned() {
            self.record(Event::Asked { call, data });
        }
        if let Some(exec::Output::Full { call, .. }) = first {
            self.record(Event::Waits { call });
        }
        if let Some(output) = first.filter(|_| !keyed) {
            self.perform(output, names);
        }
    }

    fn on_dialed(&mut self, conn: ConnId) {
        self.record(Event::Dialed { conn });
        match conn.purpose() {
            Purpose::Session => self.inbox.push_back(Word::Exec(exec::Input::Dialed { conn })),
            Purpose::Fetch => {
                let frame = Arc::new(bare_frame(Kind::Request, REGISTRY_CONNECT));
                let request = ConnectRequest {
                    harness_public_key: "harness-key".to_owned(),
                };
                self.effects.push_back(Effect::Send {
                    conn,
                    frame,
                    payload: Payload::Connect(request),
                });
            }
        }
    }

    fn on_dial_failed(&mut self, conn: ConnId, why: DialError) {
        self.record(Event::DialFailed { conn, why });
        match conn.purpose() {
            Purpose::Session => {
                if why == DialError::Status(401) && self.credential.is_some() {
                    self.inbox
                        .push_back(Word::Credential(credential::Input::Rejected));
                }
                self.inbox
                    .push_back(Word::Exec(exec::Input::DialFailed { conn, why }));
            }
            Purpose::Fetch => self
                .inbox
                .push_back(Word::Credential(credential::Input::Unreachable { fetch: conn })),
        }
    }

    fn tell_end(&mut self, conn: ConnId) {
        self.inbox.push_back(match conn.purpose() {
            Purpose::Session => Word::Exec(exec::Input::Closed { conn }),
            Purpose::Fetch => Word::Credential(credential::Input::Unreachable { fetch: conn }),
        });
    }

    fn on_frame(&mut self, conn: ConnId, payload: Payload) {
        let input = match payload {
            Payload::Message(message) => exec::Input::Received { conn, message },
            Payload::Text(text) => match decode(&text) {
                Decoded::Message(message) => exec::Input::Received { conn, message },
                Decoded::BadParams { .. } | Decoded::NoMessage(_) => exec::Input::Unreadable { conn },
            },
            Payload::Ping | Payload::Pong => exec::Input::Heard { conn },
            Payload::ConnectReply { status, body, .. } => {
                self.on_issuer_reply(conn, status, body);
                return;
            }
            Payload::Connect(_) => return,
        };
        self.inbox.push_back(Word::Exec(input));
    }

    fn on_issuer_reply(&mut self, fetch: ConnId, status: u16, body: Body) {
        self.effects.push_back(Effect::Hangup(fetch));
        let input = match body {
            Body::Connect(reply) => {
                if let Some(url) = url_id(&reply.url) {
                    self.record(Event::Credential { conn: fetch, url });
                }
                credential::Input::Issued {
                    fetch,
                    url: reply.url.as_str().into(),
                }
            }
            Body::Error(reply) => {
                let code = Some(reply.error.code).filter(|code| !code.is_empty());
                credential::Input::Refused { fetch, status, code }
            }
        };
        self.inbox.push_back(Word::Credential(input));
    }

    /// Lets the machines speak until none has anything to say.
    fn run(&mut self, now: Time, names: &mut Names) {
        loop {
            while let Some(output) = self.machine.poll() {
                self.perform(output, names);
            }
            // What was turned away or settled at once did not pile up.
            self.open_most = self.open_most.max(self.open);
            let Some(word) = self.inbox.pop_front() else {
                return;
            };
            match word {
                Word::Exec(input) => {
                    self.open += u64::from(matches!(input, exec::Input::Call { .. }));
                    self.machine.handle(input, now);
                    self.body_bytes_most = self.body_bytes_most.max(self.machine.queued_body_bytes() as u64);
                }
                Word::Credential(input) => self.tell_credential(input, now),
            }
        }
    }

    fn tell_credential(&mut self, input: credential::Input, now: Time) {
        let Some(credential) = &mut self.credential else {
            return;
        };
        credential.handle(input, now);
        while let Some(output) = credential.poll() {
            match output {
                credential::Output::Fetch { fetch } => {
                    let Some((to, name)) = &self.peers.issuer else {
                        continue;
                    };
                    let event = Event::Dial {
                        conn: fetch,
                        to: Arc::clone(name),
                        url: None,
                    };
                    self.effects.push_back(Effect::Record(event));
                    self.effects.push_back(Effect::Dial {
                        conn: fetch,
                        to: *to,
                        url: None,
                    });
                }
                credential::Output::Abandon { fetch } => {
                    let why = "the issuer did not answer in time".to_owned();
                    self.effects
                        .push_back(Effect::Record(Event::Hangup { conn: fetch, why }));
                    self.effects.push_back(Effect::Hangup(fetch));
                }
                credential::Output::Granted { url } => {
                    self.url = Some(url);
                    self.inbox.push_back(Word::Exec(exec::Input::Granted));
                }
                credential::Output::Denied { why, again } => {
                    if !again {
                        let why = why.clone();
                        self.effects
                            .push_back(Effect::Record(Event::CredentialLost { why }));
                    }
                    self.inbox
                        .push_back(Word::Exec(exec::Input::Denied { why, again }));
                }
            }
        }
    }

    fn perform(&mut self, output: exec::Output, names: &mut Names) {
        match output {
            exec::Output::Fetch { within } => self
                .inbox
                .push_back(Word::Credential(credential::Input::Wanted { within })),
            exec::Output::Dial { conn } => {
                let (to, name) = (self.peers.to.0, Arc::clone(&self.peers.to.1));
                let url = self.url.take();
                self.record(Event::Dial {
                    conn,
                    to: name,
                    url: url.as_deref().and_then(url_id),
                });
                self.effects.push_back(Effect::Dial { conn, to, url });
            }
            exec::Output::Send { conn, message, call } => {
                let mut frame = describe(&message, None);
                frame.call = call;
                let frame = Arc::new(frame);
                self.effects.push_back(Effect::Send {
                    conn,
                    frame,
                    payload: Payload::Message(message),
                });
            }
            exec::Output::Ping { conn } => {
                let frame = Arc::new(bare_frame(Kind::Ping, "ping"));
                self.effects.push_back(Effect::Send {
                    conn,
                    frame,
                    payload: Payload::Ping,
                });
            }
            exec::Output::Hangup { conn, why } => {
                self.record(Event::Hangup { conn, why });
                self.effects.push_back(Effect::Hangup(conn));
            }
            exec::Output::Full { call, op } => {
                self.open -= 1;
                self.held.push_back((call, op));
            }
            exec::Output::Room => self.on_room(),
            exec::Output::News(news) => self.on_news(news, names),
        }
    }

    /// Who was told to wait tries again, in order; who finds no room goes on waiting.
    fn on_room(&mut self) {
        for (call, op) in std::mem::take(&mut self.held) {
            self.inbox.push_back(Word::Exec(exec::Input::Call { call, op }));
        }
    }

    fn on_news(&mut self, news: News, names: &mut Names) {
        let event = match news {
            News::Moved { from, to } => Event::State {
                from: Cow::Borrowed(from.name()),
                to: Cow::Borrowed(to.name()),
            },
            News::Keyed { call, write } => {
                // A write that had to wait gets its key only now.
                if let Some((call, _)) = self.calls.get_mut(&call) {
                    call.write = Some(write);
                }
                return;
            }
            News::Attached {
                conn,
                session,
                resumed,
            } => Event::Attached {
                conn,
                session: names.session(&session),
                resumed,
            },
            News::Ready { conn } => Event::Ready { conn },
            News::GaveUp { why } => Event::GaveUp { why },
            News::Settled { call, truth, why, by } => {
                let by = by.map(|(conn, request)| Asked { conn, request });
                // Kept, so that a client that tells a caller twice is written down twice.
                let Some((call, settled)) = self.calls.get_mut(&call) else {
                    return;
                };
                if !std::mem::replace(settled, true) {
                    self.open -= 1;
                }
                let call = call.clone();
                Event::Settled { call, truth, why, by }
            }
            News::Told { call, reply } => Event::Told {
                call,
                what: in_short(&reply),
            },
            News::BodyOpened { call } => Event::BodyOpened { call },
            News::BodyPart { call, seq, chunk } => Event::BodyPart { call, seq, chunk },
            News::BodyEnded { call, why } => Event::BodyEnded { call, why },
            News::Output {
                process,
                seq,
                stream,
                chunk,
            } => Event::Output {
                process,
                seq,
                stream,
                chunk,
            },
            News::Exited { process, seq, code } => Event::OutputExited { process, seq, code },
            News::OutputClosed { process, seq } => Event::OutputClosed { process, seq },
            News::Lost { process, why } => Event::Lost { process, why },
        };
        self.record(event);
    }
}
