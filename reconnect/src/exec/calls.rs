//! What callers asked: taken, sent, settled once by its answer. What becomes of it without an answer is in `loss`.

use std::time::Duration;

use super::handle::{Handle, Life};
use super::state::State;
use super::{Exec, News, Op, Output};
use crate::id::{CallId, ConnId, ProcessId};
use crate::policy::{CwdForm, WhenFull};
use crate::time::Time;
use crate::transport::Truth;
use crate::wire::exec::{
    ExecParams, HttpParams, Message, ReadParams, RedirectPolicy, Reply, Request, Signal, SignalParams,
    TerminateParams, WriteParams, WriteResult, WriteStatus, method,
};
use crate::wire::rpc::{INTERNAL_ERROR, RequestId, RpcError};

/// A call that no connection has carried yet, or that is to be sent again. Writes wait in their process's outbox.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) call: CallId,
    pub(super) op: Op,
    /// Whether a connection that is gone carried it.
    pub(super) sent: bool,
}

/// A request without its answer.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) what: What,
    /// When the answer is overdue.
    pub(super) due: Option<Time>,
    /// Whether a connection that is gone carried it too.
    pub(super) again: bool,
}

/// What a request is for.
#[derive(Debug)]
pub(super) enum What {
    /// To attach.
    Initialize,
    /// To catch up with this process.
    Fill(ProcessId),
    /// To catch up with this process although the connection is fine.
    CatchUp(ProcessId),
    /// To end a process whose start may have happened.
    Cleanup(ProcessId),
    /// For a caller.
    Call(CallId, Op),
    /// For the caller of a write.
    Write(CallId, ProcessId),
    /// For nobody any more. To start this process, if it is named.
    Left(Option<ProcessId>),
}

impl Exec {
    pub(super) fn has_room(&self) -> bool {
        self.policy
            .limits
            .calls_max
            .is_none_or(|max| self.open_calls < max)
    }

    pub(super) fn on_call(&mut self, call: CallId, op: Op, now: Time) {
        if !self.has_room() {
            self.turn_away(call, op);
            return;
        }
        self.open_calls += 1;
        if let Some(why) = self.ended.clone() {
            // The identical error for all, as real clients have it.
            self.settle(call, Truth::NotApplied, Some(why), None);
            return;
        }
        if let Err(why) = self.take(call, op) {
            self.settle(call, Truth::NotApplied, Some(why), None);
            return;
        }
        match self.state {
            State::Up { .. } => self.flush(now),
            State::Idle | State::Failed => self.connect("starting".to_owned(), now),
            State::Fetching { .. }
            | State::Dialing { .. }
            | State::Attaching { .. }
            | State::Filling { .. }
            | State::Waiting { .. } => {}
        }
    }

    fn turn_away(&mut self, call: CallId, op: Op) {
        match self.policy.limits.when_full {
            WhenFull::Wait => {
                self.turned_away = true;
                self.outputs.push_back(Output::Full { call, op });
            }
            WhenFull::Refuse => {
                // It was never taken, so it is not counted.
                let max = self.policy.limits.calls_max.unwrap_or_default();
                let why = Some(format!(
                    "exec-server has reached its limit of {max} pending requests"
                ));
                let truth = Truth::NotApplied;
                self.news(News::Settled {
                    call,
                    truth,
                    why,
                    by: None,
                });
            }
        }
    }

    fn take(&mut self, call: CallId, op: Op) -> Result<(), String> {
        let Some(process) = op.process() else {
            self.hold(call, op);
            return Ok(());
        };
        if let Op::Start { .. } = op {
            let in_use =
                |handle: &Handle| !matches!(handle.life, Life::Lost(_)) && !handle.cursor.is_closed();
            if self.handles.get(process).is_some_and(in_use) {
                return Err(format!("session already registered for process {process}"));
            }
            self.retire(process);
            self.handles.insert(process.clone(), Handle::new());
        }
        let handle = self
            .handles
            .get_mut(process)
            .ok_or_else(|| format!("unknown process {process}"))?;
        if let Life::Lost(why) = &handle.life {
            return Err(why.clone());
        }
        match op {
            Op::Write { process, .. } if handle.cursor.is_closed() => {
                Err(format!("process {process} is closed"))
            }
            Op::Write { data, .. } => {
                let write = handle.outbox.push(call, data);
                if self.policy.write_ids {
                    self.news(News::Keyed { call, write });
                }
                Ok(())
            }
            Op::Start { .. }
            | Op::Read { .. }
            | Op::Signal { .. }
            | Op::Terminate { .. }
            | Op::Http { .. }
            | Op::Info
            | Op::Status
            | Op::Fs(_) => {
                self.hold(call, op);
                Ok(())
            }
        }
    }

    /// Keeps a call until a connection can carry it.
    fn hold(&mut self, call: CallId, op: Op) {
        self.waiting.push_back(Waiting {
            call,
            op,
            sent: false,
        });
    }

    /// Sends all that can be sent on the connection that is up.
    pub(super) fn flush(&mut self, now: Time) {
        let State::Up { conn, .. } = self.state else {
            return;
        };
        let due = self.due(Duration::ZERO, now);
        let owed = self.in_flight.values().filter_map(|sent| match &sent.what {
            What::Cleanup(process) => Some(process),
            What::Initialize
            | What::Fill(_)
            | What::CatchUp(_)
            | What::Call(..)
            | What::Write(..)
            | What::Left(_) => None,
        });
        let owed: Vec<_> = owed.cloned().collect();
        let cleanups: Vec<_> = self
            .cleanups
            .iter()
            .filter(|process| !owed.contains(process))
            .cloned()
            .collect();
        for process in cleanups {
            let params = TerminateParams {
                process_id: process.clone(),
            };
            self.send(conn, Request::Terminate(params), What::Cleanup(process), due);
        }
        self.flush_outboxes(conn, due);
        for Waiting { call, op, sent } in std::mem::take(&mut self.waiting) {
            if self.is_held(&op) {
                self.waiting.push_back(Waiting { call, op, sent });
            } else {
                self.issue(conn, Waiting { call, op, sent }, now);
            }
        }
    }

    /// Whether this must wait although the connection is up: what is about a process waits for its start, and a start
    /// for the end of an earlier process of that name, which a clean-up sent again would otherwise not tell apart.
    fn is_held(&self, op: &Op) -> bool {
        match op {
            Op::Start { process, .. } => self.cleanups.contains(process) || self.is_left(process),
            Op::Write { process, .. }
            | Op::Read { process, .. }
            | Op::Signal { process }
            | Op::Terminate { process } => {
                let life = self.handles.get(process).map(|handle| &handle.life);
                matches!(life, Some(Life::Unsent | Life::Pending))
            }
            Op::Http { .. } | Op::Info | Op::Status | Op::Fs(_) => false,
        }
    }

    /// When the answer to a request that asks the server to wait this long is overdue. Servers answer one request at a
    /// time (exec-server sheet, 3), so what is asked behind a long poll waits for its end too, and what is asked behind
    /// something without a deadline has none.
    pub(super) fn due(&self, wait: Duration, now: Time) -> Option<Time> {
        let timeout = self.policy.answer_timeout?;
        if self.in_flight.values().any(|sent| sent.due.is_none()) {
            return None;
        }
        let last = self.in_flight.values().filter_map(|sent| sent.due).max();
        Some((now + timeout).max(last.unwrap_or(now)) + wait)
    }

    fn flush_outboxes(&mut self, conn: ConnId, due: Option<Time>) {
        let max = self.policy.limits.writes_in_flight_max;
        let processes: Vec<_> = self
            .handles
            .iter()
            .filter(|(_, handle)| handle.life == Life::Live)
            .map(|(id, _)| id.clone())
            .collect();
        for process in processes {
            while let Some(write) = self
                .handles
                .get_mut(&process)
                .and_then(|handle| handle.outbox.next(max))
            {
                let (call, id) = (write.call, write.id);
                let params = WriteParams {
                    process_id: process.clone(),
                    chunk: write.data.clone(),
                    write_id: self.policy.write_ids.then(|| id.number().to_string()),
                };
                self.send(
                    conn,
                    Request::Write(params),
                    What::Write(call, process.clone()),
                    due,
                );
            }
        }
    }

    fn issue(&mut self, conn: ConnId, waiting: Waiting, now: Time) {
        let Waiting { call, op, sent } = waiting;
        let mut wait = Some(Duration::ZERO);
        let request = match &op {
            Op::Start {
                process,
                argv,
                cwd,
                stdin,
            } => Request::Start(Box::new(ExecParams {
                process_id: process.clone(),
                argv: argv.clone(),
                cwd: self.cwd(cwd),
                env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
                tty: false,
                pipe_stdin: *stdin,
                arg0: None,
                env_policy: None,
                sandbox: None,
                enforce_managed_network: false,
                managed_network: None,
            })),
            Op::Read {
                process,
                after_seq,
                wait: asked,
            } => {
                wait = Some(*asked);
                let wait_ms = u64::try_from(asked.as_millis()).ok();
                Request::Read(ReadParams {
                    process_id: process.clone(),
                    after_seq: *after_seq,
                    max_bytes: None,
                    wait_ms,
                })
            }
            Op::Signal { process } => Request::Signal(SignalParams {
                process_id: process.clone(),
                signal: Signal::Interrupt,
            }),
            Op::Terminate { process } => Request::Terminate(TerminateParams {
                process_id: process.clone(),
            }),
            Op::Http {
                verb,
                url,
                timeout,
                stream,
                reading,
            } => {
                wait = *timeout;
                let request_id = self.bodies.mint();
                if *stream {
                    self.bodies.expect(request_id.clone(), call, *reading);
                }
                Request::Http(HttpParams {
                    method: verb.clone(),
                    url: url.clone(),
                    headers: Vec::new(),
                    body: None,
                    timeout_ms: timeout.and_then(|timeout| u64::try_from(timeout.as_millis()).ok()),
                    redirect_policy: RedirectPolicy::Follow,
                    request_id,
                    stream_response: *stream,
                })
            }
            Op::Info => Request::Info,
            Op::Status => Request::Status,
            Op::Fs(request) => Request::Fs(request.clone()),
            Op::Write { .. } => unreachable!("writes wait in their outbox"),
        };
        if let Op::Start { process, .. } = &op
            && let Some(handle) = self.handles.get_mut(process)
        {
            assert!(sent || handle.life == Life::Unsent, "{process} is started once");
            handle.life = Life::Pending;
        }
        let due = wait.and_then(|wait| self.due(wait, now));
        let id = self.send(conn, request, What::Call(call, op), due);
        if let Some(carried) = self.in_flight.get_mut(&id) {
            carried.again = sent;
        }
    }

    fn cwd(&self, path: &str) -> String {
        match self.policy.cwd {
            CwdForm::Path => path.to_owned(),
            CwdForm::Uri => format!("file://{path}"),
        }
    }

    pub(super) fn send(&mut self, conn: ConnId, request: Request, what: What, due: Option<Time>) -> i64 {
        let call = match &what {
            What::Call(call, _) | What::Write(call, ..) => Some(*call),
            What::Initialize | What::Fill(_) | What::CatchUp(_) | What::Cleanup(_) | What::Left(_) => None,
        };
        let id = self.next_request;
        self.next_request += 1;
        self.in_flight.insert(
            id,
            InFlight {
                what,
                due,
                again: false,
            },
        );
        let message = Message::Request {
            id: RequestId::Number(id),
            request,
        };
        self.outputs.push_back(Output::Send { conn, message, call });
        id
    }

    pub(super) fn on_answer(
        &mut self,
        conn: ConnId,
        id: &RequestId,
        result: Result<Reply, RpcError>,
        now: Time,
    ) {
        // An answer to a question that was never asked is dropped in silence (exec-server sheet, 2.2).
        let RequestId::Number(number) = id else { return };
        let Some(sent) = self.in_flight.remove(number) else {
            return;
        };
        let by = Some((conn, id.clone()));
        match sent.what {
            What::Initialize => self.on_initialized(conn, result, now),
            What::Fill(process) => self.on_filled(conn, &process, result, now),
            What::CatchUp(process) => {
                self.on_caught_up(&process, result, now);
                self.flush(now);
            }
            What::Cleanup(process) => {
                self.cleanups.remove(&process);
                self.flush(now);
            }
            What::Write(call, process) => {
                self.on_written(call, &process, result, by);
                self.flush(now);
            }
            What::Call(call, op) => {
                self.on_called(call, op, sent.again, result, by, now);
                self.flush(now);
            }
            What::Left(Some(process)) => {
                self.on_left_start(process, sent.again || result.is_ok());
                self.flush(now);
            }
            What::Left(None) => {}
        }
    }

    fn on_written(
        &mut self,
        call: CallId,
        process: &ProcessId,
        result: Result<Reply, RpcError>,
        by: Option<(ConnId, RequestId)>,
    ) {
        let sent = self
            .handles
            .get_mut(process)
            .and_then(|handle| handle.outbox.remove(call));
        let Some(sent) = sent.filter(|write| !write.left) else {
            return;
        };
        let status = match result.map(|reply| reply.of(method::WRITE)) {
            Ok(Ok(Reply::Write(WriteResult { status }))) => Ok(status),
            Ok(Ok(_)) => Err("the result of another method".to_owned()),
            Ok(Err(error)) => Err(error),
            Err(error) => {
                self.settle_refused(call, sent.sends, error.message, by);
                return;
            }
        };
        let refusal = match status {
            Ok(WriteStatus::Accepted) => {
                self.settle(call, Truth::Applied, None, by);
                return;
            }
            Ok(WriteStatus::UnknownProcess) => format!("unknown process {process}"),
            Ok(WriteStatus::StdinClosed) => format!("stdin of process {process} is closed"),
            Ok(WriteStatus::Starting) => format!("process {process} is starting"),
            // Done, it seems, but nobody can say what.
            Err(error) => {
                let why = format!("exec-server protocol error: {error}");
                self.settle(call, Truth::Ambiguous, Some(why), by);
                return;
            }
        };
        self.settle_refused(call, sent.sends, refusal, by);
    }

    fn settle_refused(&mut self, call: CallId, sends: u32, why: String, by: Option<(ConnId, RequestId)>) {
        // A refusal of what was sent before says nothing about the first time: the server may have forgotten it.
        let truth = if sends == 1 {
            Truth::NotApplied
        } else {
            Truth::Ambiguous
        };
        self.settle(call, truth, Some(why), by);
    }

    pub(super) fn on_called(
        &mut self,
        call: CallId,
        op: Op,
        again: bool,
        result: Result<Reply, RpcError>,
        by: Option<(ConnId, RequestId)>,
        now: Time,
    ) {
        let (truth, why) = match result.map(|reply| reply.of(op.method())) {
            Ok(Ok(reply)) => {
                if op.is_made_for_its_answer() {
                    self.news(News::Told { call, reply });
                }
                (Truth::Applied, None)
            }
            // Done, it seems, but nobody can say what.
            Ok(Err(error)) => (
                Truth::Ambiguous,
                Some(format!("exec-server protocol error: {error}")),
            ),
            // It says nothing about the first time: that may be why it is refused now. Reads have no effect.
            Err(error) if again && !matches!(op, Op::Read { .. }) => (Truth::Ambiguous, Some(error.message)),
            // The origin may have acted on a request and not answered it well.
            Err(error) if matches!(op, Op::Http { .. }) && error.code == INTERNAL_ERROR => {
                (Truth::Ambiguous, Some(error.message))
            }
            Err(error) => (Truth::NotApplied, Some(error.message)),
        };
        if let Op::Start { process, .. } = op {
            match truth {
                Truth::Applied => {
                    self.settle(call, truth, why, by);
                    self.on_started(&process, now);
                    return;
                }
                Truth::Ambiguous => {
                    self.cleanups.insert(process.clone());
                    self.lose(&process, why.clone().unwrap_or_default());
                }
                Truth::NotApplied => self.lose(&process, why.clone().unwrap_or_default()),
            }
        }
        self.settle(call, truth, why, by);
        match truth {
            Truth::Applied => self.open_body(call),
            Truth::NotApplied | Truth::Ambiguous => self.forget_body(call),
        }
    }

    fn on_started(&mut self, process: &ProcessId, now: Time) {
        let Some(handle) = self.handles.get_mut(process) else {
            return;
        };
        match &handle.life {
            Life::Pending => {
                handle.life = Life::Live;
                handle.hear(self.policy.catch_up, now);
            }
            // Its early output was too much. Nobody was told, as nobody knew that it runs.
            Life::Lost(why) => {
                let (process, why) = (process.clone(), why.clone());
                self.news(News::Lost { process, why });
            }
            Life::Unsent | Life::Live => {}
        }
    }

    pub(super) fn settle(
        &mut self,
        call: CallId,
        truth: Truth,
        why: Option<String>,
        by: Option<(ConnId, RequestId)>,
    ) {
        self.open_calls -= 1;
        self.news(News::Settled { call, truth, why, by });
    }
}
