//! The planted bugs of what a client sends, and of what it takes for an answer.

use std::collections::BTreeMap;

use unplug_reconnect::exec::{Input, Output};
use unplug_reconnect::id::{CallId, ConnId};
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{Chunk, Message, Reply, Request, TerminateResult, WriteParams};
use unplug_reconnect::wire::rpc::{INTERNAL_ERROR, RequestId, RpcError};

use super::PATIENCE;
use crate::client_bug::ClientBug;

/// How far [`ClientBug::WrapRequestIds`] counts.
const IDS: i64 = 3;
/// What [`ClientBug::NewKeyOnResend`] adds to a key.
const NEW_KEY: u64 = 1_000;

/// What was sent.
#[derive(Default)]
pub(super) struct Sends {
    /// How often each write was sent.
    writes: BTreeMap<CallId, u32>,
    /// Of `ResendSlowStart`: what has no answer yet, and since when that is too long.
    slow: Option<(Time, ConnId, Request, Option<CallId>)>,
    /// Of `WrapRequestIds`: what the machine called the request that has this number on the wire.
    wrapped: BTreeMap<i64, i64>,
    /// Of `StaleAnswers`: those of the connection that is listened to, and of the one before.
    answers: BTreeMap<i64, (ConnId, Reply)>,
    stale: BTreeMap<i64, (ConnId, Reply)>,
    /// Of `StaleAnswers`: where the answer came from that was taken for that of a request.
    taken: BTreeMap<(ConnId, i64), ConnId>,
}

/// What becomes of one message.
pub(super) struct Sent {
    /// It, or what takes its place.
    pub(super) passed_on: Option<Output>,
    /// What the machine is made to believe.
    pub(super) made_up: Option<Input>,
}

impl Sends {
    /// How often a write was sent; 0 for what is no write.
    pub(super) fn of_write(&self, call: CallId) -> u32 {
        self.writes.get(&call).copied().unwrap_or_default()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.slow.as_ref().map(|(at, ..)| *at)
    }

    pub(super) fn on_send(
        &mut self,
        bug: ClientBug,
        conn: ConnId,
        message: Message,
        call: Option<CallId>,
        now: Time,
    ) -> Sent {
        let Message::Request { id, mut request } = message else {
            let passed_on = Some(Output::Send { conn, message, call });
            return Sent {
                passed_on,
                made_up: None,
            };
        };
        if bug == ClientBug::ForgetCleanUp && call.is_none() && matches!(request, Request::Terminate(_)) {
            let reply = Reply::Terminate(TerminateResult { running: true });
            let made_up = Some(received(conn, id, reply));
            return Sent {
                passed_on: None,
                made_up,
            };
        }
        if let (Request::Write(params), Some(call)) = (&mut request, call) {
            self.on_write(bug, call, params);
        }
        if bug == ClientBug::ResendSlowStart && matches!(request, Request::Start(_)) {
            self.slow = Some((now + PATIENCE, conn, request.clone(), call));
        }
        let made_up = self.answer_by_stale(bug, conn, &id, &request, call);
        let id = self.wrap(bug, id);
        let message = Message::Request { id, request };
        let passed_on = Some(Output::Send { conn, message, call });
        Sent { passed_on, made_up }
    }

    fn on_write(&mut self, bug: ClientBug, call: CallId, params: &mut WriteParams) {
        let sends = self.writes.entry(call).or_default();
        *sends += 1;
        if *sends == 1 {
            return;
        }
        if bug == ClientBug::TruncateResend {
            let bytes = params.chunk.bytes();
            params.chunk = Chunk::from(&bytes[..bytes.len().saturating_sub(1)]);
        } else if bug == ClientBug::NewKeyOnResend {
            let key = params.write_id.as_deref().and_then(|key| key.parse::<u64>().ok());
            params.write_id = key.map(|key| (key + NEW_KEY).to_string());
        }
    }

    fn wrap(&mut self, bug: ClientBug, id: RequestId) -> RequestId {
        match id {
            RequestId::Number(number) if bug == ClientBug::WrapRequestIds => {
                let short = wrapped(number);
                self.wrapped.insert(short, number);
                RequestId::Number(short)
            }
            RequestId::Number(_) | RequestId::Text(_) => id,
        }
    }

    /// The answer to a request of the connection before that had the same id, if it could be one to this.
    fn answer_by_stale(
        &mut self,
        bug: ClientBug,
        conn: ConnId,
        id: &RequestId,
        request: &Request,
        call: Option<CallId>,
    ) -> Option<Input> {
        let RequestId::Number(number) = id else {
            return None;
        };
        if bug != ClientBug::StaleAnswers || call.is_none() {
            return None;
        }
        let (from, reply) = self.stale.remove(number)?;
        reply.clone().of(request.method()).ok()?;
        self.taken.insert((conn, *number), from);
        Some(received(conn, id.clone(), reply))
    }

    pub(super) fn on_received(&mut self, bug: ClientBug, conn: ConnId, message: &mut Message) {
        let (Message::Response { id, .. } | Message::Error { id, .. }) = message else {
            return;
        };
        let RequestId::Number(number) = id else { return };
        if bug == ClientBug::WrapRequestIds {
            *number = self.wrapped.get(number).copied().unwrap_or(*number);
        }
        let number = *number;
        self.slow = None;
        if let Message::Response { reply, .. } = message
            && bug == ClientBug::StaleAnswers
        {
            self.answers.insert(number, (conn, reply.clone()));
        }
    }

    /// A new connection is dialed.
    pub(super) fn on_dial(&mut self) {
        if !self.answers.is_empty() {
            self.stale = std::mem::take(&mut self.answers);
        }
    }

    /// A connection is over.
    pub(super) fn on_end(&mut self, conn: ConnId) {
        self.slow.take_if(|(_, on, ..)| *on == conn);
    }

    /// What is sent again although it may have arrived.
    pub(super) fn again(&mut self, now: Time) -> Option<Output> {
        let (_, conn, request, call) = self.slow.take_if(|(at, ..)| *at <= now)?;
        // Never one that the machine uses: it counts.
        let id = RequestId::Text("again".to_owned());
        let message = Message::Request { id, request };
        Some(Output::Send { conn, message, call })
    }

    /// By which answer a call was really settled.
    pub(super) fn settled_by(
        &self,
        bug: ClientBug,
        by: Option<(ConnId, RequestId)>,
    ) -> Option<(ConnId, RequestId)> {
        match by {
            Some((conn, RequestId::Number(number))) if bug == ClientBug::WrapRequestIds => {
                Some((conn, RequestId::Number(wrapped(number))))
            }
            Some((conn, RequestId::Number(number))) => {
                let conn = self.taken.get(&(conn, number)).copied().unwrap_or(conn);
                Some((conn, RequestId::Number(number)))
            }
            Some((_, RequestId::Text(_))) | None => by,
        }
    }
}

const fn wrapped(number: i64) -> i64 {
    (number - 1).rem_euclid(IDS) + 1
}

fn received(conn: ConnId, id: RequestId, reply: Reply) -> Input {
    let message = Message::Response { id, reply };
    Input::Received { conn, message }
}

/// The refusal of a request that no server ever got.
pub(super) fn refusal(conn: ConnId, message: &Message) -> Option<Input> {
    let Message::Request { id, .. } = message else {
        return None;
    };
    let (id, error) = (id.clone(), RpcError::new(INTERNAL_ERROR, "nobody asked"));
    let message = Message::Error { id, error };
    Some(Input::Received { conn, message })
}
