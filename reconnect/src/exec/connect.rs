//! The way to a usable connection: dial, attach, fill the gaps; again after a failure, until the policy says enough
//! (exec-server sheet, 7.2).

use std::time::Duration;

use super::calls::{InFlight, Waiting, What};
use super::handle::Handle;
use super::state::{Effort, Phase, State, UrlPhase};
use super::{DISCONNECTED, Exec, Link, News, Op, Output};
use crate::id::{ConnId, ProcessId};
use crate::policy::{Recovery, Retry, Reuse, SessionMode, StillAttached, Ungreeted};
use crate::time::Time;
use crate::transport::DialError;
use crate::wire::exec::{
    InitializeParams, InitializeResult, Message, Notification, ReadParams, Reply, Request, method,
};
use crate::wire::rpc::{INVALID_REQUEST, RequestId, RpcError, STILL_ATTACHED, TRANSPORT_CLOSED};
use crate::words::shortened;

/// The name that the exec-server sees; the default of real clients (exec-server sheet, 7.2).
const CLIENT_NAME: &str = "codex-core";

impl Exec {
    /// Sets out for a connection.
    pub(super) fn connect(&mut self, reason: String, now: Time) {
        let deadline = now + self.retry().window;
        self.attempt(
            Effort {
                reason,
                deadline,
                attempts: 0,
                refusals: 0,
                url_phase: None,
                refreshed: false,
                error: None,
            },
            now,
        );
    }

    fn attempt(&mut self, mut effort: Effort, now: Time) {
        effort.attempts += 1;
        match self.link {
            Link::Fixed | Link::Stdio => self.dial(effort, now),
            Link::Signed => {
                let first = self
                    .policy
                    .credential
                    .first_connect
                    .filter(|_| !self.is_resuming());
                effort.url_phase = first.map(|first| UrlPhase {
                    until: now + first.phase,
                    retries_left: first.retries,
                });
                self.fetch(effort, now);
            }
        }
    }

    fn fetch(&mut self, effort: Effort, now: Time) {
        let first = self.policy.credential.first_connect.zip(effort.url_phase);
        let within = first.map(|(first, phase)| first.fetch_timeout.min(phase.until.since(now)));
        let until = self.is_resuming().then_some(effort.deadline);
        self.go(State::Fetching { until, effort });
        self.outputs.push_back(Output::Fetch { within });
    }

    fn dial(&mut self, effort: Effort, now: Time) {
        let conn = self.ids.mint();
        let until = self.within(&effort, now + self.policy.connect_timeout);
        self.go(State::Dialing { conn, until, effort });
        self.outputs.push_back(Output::Dial { conn });
    }

    pub(super) fn on_granted(&mut self, now: Time) {
        if self.phase() == Phase::Fetching
            && let Some(mut effort) = self.take_effort()
        {
            effort.url_phase = None;
            self.dial(effort, now);
        }
    }

    pub(super) fn on_denied(&mut self, why: String, again: bool, now: Time) {
        if self.phase() != Phase::Fetching {
            return;
        }
        let Some(mut effort) = self.take_effort() else {
            return;
        };
        if !again {
            self.give_up(&effort, &why);
            return;
        }
        let delay = self.policy.credential.backoff.delay(self.seed, effort.refusals);
        effort.refusals += 1;
        match &mut effort.url_phase {
            None => {
                effort.error = Some(why);
                self.wait(effort, delay, now);
            }
            Some(phase) if phase.retries_left == 0 || phase.until <= now => {
                self.leave_url_phase(effort, why, now);
            }
            Some(phase) => {
                phase.retries_left -= 1;
                let until = (now + delay).min(phase.until);
                effort.error = Some(why);
                self.go(State::Waiting { until, effort });
            }
        }
    }

    /// No URL came in time: that is a failed attempt.
    fn leave_url_phase(&mut self, mut effort: Effort, why: String, now: Time) {
        effort.url_phase = None;
        self.retry_later(effort, why, now);
    }

    /// Something else than a refusal of the issuer came of an attempt.
    fn forget_refusals(&self, effort: &mut Effort) {
        if !self.policy.credential.refusals_add_up {
            effort.refusals = 0;
        }
    }

    pub(super) fn on_dialed(&mut self, now: Time) {
        let State::Dialing { conn, .. } = self.state else {
            return;
        };
        let Some(mut effort) = self.take_effort() else {
            return;
        };
        self.forget_refusals(&mut effort);
        let until = self.within(&effort, now + self.policy.initialize_timeout);
        self.next_request = 1;
        self.in_flight.clear();
        self.go(State::Attaching { conn, until, effort });
        let params = InitializeParams {
            client_name: CLIENT_NAME.to_owned(),
            resume_session_id: self.session.clone(),
        };
        self.send(conn, Request::Initialize(params), What::Initialize, None);
    }

    pub(super) fn on_dial_failed(&mut self, why: DialError, now: Time) {
        if self.phase() != Phase::Dialing {
            return;
        }
        let Some(mut effort) = self.take_effort() else {
            return;
        };
        self.forget_refusals(&mut effort);
        let refresh = why == DialError::Status(401)
            && self.link == Link::Signed
            && self.policy.credential.reuse == Reuse::Never
            && !self.is_resuming()
            && !effort.refreshed;
        if refresh {
            // The URL died between its issue and the upgrade: a fresh one is worth one try at once (PR 28374).
            effort.refreshed = true;
            self.attempt(effort, now);
        } else {
            self.retry_later(effort, format!("failed to connect to exec-server: {why}"), now);
        }
    }

    pub(super) fn on_initialized(&mut self, conn: ConnId, result: Result<Reply, RpcError>, now: Time) {
        match result.map(|reply| reply.of(method::INITIALIZE)) {
            Ok(Ok(Reply::Initialize(result))) => self.on_session(conn, result, now),
            // What makes no sense is no sign of a lost link: trying again would not help (exec-server sheet, 7.2).
            Ok(Ok(_)) => self.refuse(conn, "exec-server protocol error: the result of another method"),
            Ok(Err(error)) => self.refuse(conn, &format!("exec-server protocol error: {error}")),
            Err(error) => self.on_attach_refused(conn, &error, now),
        }
    }

    fn on_session(&mut self, conn: ConnId, result: InitializeResult, now: Time) {
        let resumed = self.is_resuming();
        let session = result.session_id;
        if self.session.as_ref().is_some_and(|expected| *expected != session) {
            let session = shortened(session.to_string());
            self.refuse(
                conn,
                &format!("exec-server initialized an unexpected session {session}"),
            );
            return;
        }
        if self.policy.session == SessionMode::Resume {
            self.session = Some(session.clone());
            self.described = result.environment_info.is_some();
        }
        self.renew_window(now);
        let message = Message::Notification(Notification::Initialized);
        self.outputs.push_back(Output::Send {
            conn,
            message,
            call: None,
        });
        self.news(News::Attached {
            conn,
            session,
            resumed,
        });
        let mut left: Vec<_> = self
            .handles
            .iter()
            .filter(|(_, handle)| handle.is_recoverable())
            .map(|(id, _)| id.clone())
            .collect();
        left.reverse(); // Taken from the back.
        self.fill(conn, left, now);
    }

    fn on_attach_refused(&mut self, conn: ConnId, error: &RpcError, now: Time) {
        let recovery = self
            .policy
            .recovery
            .filter(|_| self.is_resuming() && error.code == STILL_ATTACHED);
        let Some(recovery) = recovery else {
            self.refuse(conn, &error.message);
            return;
        };
        self.hang_up(conn, &error.message);
        let Some(mut effort) = self.take_effort() else {
            return;
        };
        self.forget_refusals(&mut effort);
        if recovery.still_attached == StillAttached::ExtendWindow {
            effort.deadline = now + self.retry().window;
        }
        self.retry_later(effort, error.message.clone(), now);
    }

    /// The session was resumed: its lease will begin anew, and so does the window, if the policy goes by the lease.
    fn renew_window(&mut self, now: Time) {
        let extends = |recovery: Recovery| recovery.still_attached == StillAttached::ExtendWindow;
        let deadline = now + self.retry().window;
        if let State::Attaching { effort, .. } = &mut self.state
            && self.policy.recovery.is_some_and(extends)
        {
            effort.deadline = deadline;
        }
    }

    /// Ends an attempt, and with it all of them.
    fn refuse(&mut self, conn: ConnId, why: &str) {
        self.hang_up(conn, why);
        if let Some(effort) = self.take_effort() {
            self.give_up(&effort, why);
        }
    }

    /// Reads what the next process in line printed unseen, or declares the connection usable.
    fn fill(&mut self, conn: ConnId, mut left: Vec<ProcessId>, now: Time) {
        // What came live in the meantime may have ended a process, or failed it.
        let recoverable = |id: &ProcessId| self.handles.get(id).is_some_and(Handle::is_recoverable);
        let next = std::iter::from_fn(|| left.pop()).find(recoverable);
        let Some(process) = next else {
            self.go(State::Up {
                conn,
                heard: now,
                pinged: None,
            });
            self.news(News::Ready { conn });
            for handle in self.handles.values_mut().filter(|handle| handle.is_recoverable()) {
                handle.hear(self.policy.catch_up, now);
            }
            self.flush(now);
            return;
        };
        let Some(effort) = self.take_effort() else { return };
        let answer_by = self.policy.answer_timeout.map(|timeout| now + timeout);
        let until = match (self.is_resuming(), answer_by) {
            (true, answer_by) => Some(answer_by.map_or(effort.deadline, |by| by.min(effort.deadline))),
            (false, answer_by) => answer_by,
        };
        self.go(State::Filling {
            conn,
            until,
            left,
            effort,
        });
        let after_seq = self.handles.get(&process).map(|handle| handle.cursor.published());
        let params = ReadParams {
            process_id: process.clone(),
            after_seq,
            max_bytes: None,
            wait_ms: Some(0),
        };
        self.send(conn, Request::Read(params), What::Fill(process), None);
    }

    pub(super) fn on_filled(
        &mut self,
        conn: ConnId,
        process: &ProcessId,
        result: Result<Reply, RpcError>,
        now: Time,
    ) {
        let State::Filling { left, .. } = &mut self.state else {
            return;
        };
        let left = std::mem::take(left);
        // It may have ended or failed in the meantime.
        if self.handles.get(process).is_some_and(Handle::is_recoverable) {
            self.merge(process, result, now);
        }
        self.fill(conn, left, now);
    }

    pub(super) fn on_closed(&mut self, now: Time) {
        match self.phase() {
            Phase::Up => self.lose_connection(DISCONNECTED, now),
            Phase::Dialing | Phase::Attaching | Phase::Filling => {
                self.fail_attempt_closed(DISCONNECTED.to_owned(), now)
            }
            Phase::Idle | Phase::Fetching | Phase::Waiting | Phase::Failed => {}
        }
    }

    /// Whether this refusal of something that was asked means that the connection is over.
    pub(super) fn is_goodbye(&self, id: &RequestId, error: &RpcError) -> bool {
        let asked = matches!(id, RequestId::Number(number) if self.in_flight.contains_key(number));
        asked && error.code == TRANSPORT_CLOSED && error.message == "JSON-RPC transport closed"
    }

    /// Whether this refusal of something that was asked means that the greeting was lost on its way.
    pub(super) fn is_ungreeted(&self, id: &RequestId, error: &RpcError) -> bool {
        let asked = matches!(id, RequestId::Number(number) if self.in_flight.contains_key(number));
        let said = |text| error.message.starts_with(text);
        let ungreeted =
            said("client must send initialized before") || said("client must call initialize before");
        self.policy.ungreeted == Ungreeted::Redial && asked && error.code == INVALID_REQUEST && ungreeted
    }

    /// The greeting was lost: the server acts on nothing here. What may be sent again waits for the next connection.
    pub(super) fn on_ungreeted(&mut self, conn: ConnId, id: RequestId, error: RpcError, now: Time) {
        let RequestId::Number(number) = id else { return };
        let Some(InFlight { what, again, .. }) = self.in_flight.remove(&number) else {
            return;
        };
        match what {
            What::Call(call, op @ Op::Read { .. }) => {
                let sent = again;
                self.waiting.push_back(Waiting { call, op, sent });
            }
            What::Call(call, op) => self.on_called(call, op, again, Err(error), Some((conn, id)), now),
            What::Write(call, process) => {
                let handle = self.handles.get_mut(&process);
                handle
                    .into_iter()
                    .for_each(|handle| handle.outbox.take_back(call));
            }
            What::Left(Some(process)) => self.on_left_start(process, again),
            What::Initialize | What::Fill(_) | What::CatchUp(_) | What::Cleanup(_) | What::Left(None) => {}
        }
        self.on_unreadable("exec-server was not greeted", now);
    }

    /// The server says that the connection is over, and counts as gone.
    pub(super) fn on_goodbye(&mut self, now: Time) {
        if let Some(conn) = self.state.conn() {
            self.hang_up(conn, "exec-server says that the transport is closed");
        }
        self.on_closed(now);
    }

    /// A frame made no sense: the link is given up and recovered (exec-server sheet, 2.4 and 7.2).
    pub(super) fn on_unreadable(&mut self, why: &str, now: Time) {
        if self.phase() == Phase::Up {
            self.abandon(why, now);
        } else {
            self.fail_attempt(format!("exec-server protocol error: {why}"), now);
        }
    }

    pub(super) fn on_deadline(&mut self, now: Time) {
        match self.state {
            State::Dialing { until, .. } if until <= now => {
                self.fail_attempt("timed out connecting to exec-server".to_owned(), now);
            }
            State::Attaching { until, .. } if until <= now => {
                self.fail_attempt("timed out waiting for the answer to initialize".to_owned(), now);
            }
            State::Filling {
                until: Some(until), ..
            } if until <= now => {
                self.fail_attempt("timed out reading what was missed".to_owned(), now);
            }
            State::Fetching {
                until: Some(until), ..
            } if until <= now => {
                if let Some(effort) = self.take_effort() {
                    self.time_out(&effort);
                }
            }
            State::Waiting { until, .. } if until <= now => {
                let Some(effort) = self.take_effort() else { return };
                self.on_waited(effort, now);
            }
            State::Up { conn, heard, pinged } => self.on_silence(conn, heard, pinged, now),
            // An early wake.
            State::Idle
            | State::Fetching { .. }
            | State::Dialing { .. }
            | State::Attaching { .. }
            | State::Filling { .. }
            | State::Waiting { .. }
            | State::Failed => {}
        }
    }

    fn on_waited(&mut self, effort: Effort, now: Time) {
        match effort.url_phase {
            Some(phase) if phase.until <= now => {
                let why = effort.error.clone().unwrap_or_default();
                self.leave_url_phase(effort, why, now);
            }
            Some(_) => self.fetch(effort, now),
            None if effort.deadline <= now => self.time_out(&effort),
            None => self.attempt(effort, now),
        }
    }

    fn on_silence(&mut self, conn: ConnId, heard: Time, asked: Option<Time>, now: Time) {
        let Some(heartbeat) = self.policy.heartbeat else {
            return;
        };
        match asked {
            Some(asked) if asked + heartbeat.timeout <= now => {
                self.abandon("no sign of life from exec-server", now)
            }
            None if heard + heartbeat.interval <= now => {
                let pinged = Some(now);
                self.go(State::Up { conn, heard, pinged });
                self.outputs.push_back(Output::Ping { conn });
            }
            Some(_) | None => {}
        }
    }

    fn hang_up(&mut self, conn: ConnId, why: &str) {
        let why = why.to_owned();
        self.outputs.push_back(Output::Hangup { conn, why });
    }

    /// Leaves a connection that was usable.
    pub(super) fn abandon(&mut self, why: &str, now: Time) {
        if let Some(conn) = self.state.conn() {
            self.hang_up(conn, why);
        }
        self.lose_connection(why, now);
    }

    fn lose_connection(&mut self, why: &str, now: Time) {
        self.fail_bodies(why);
        if self.link == Link::Stdio {
            self.fail_in_flight(why);
            self.end(DISCONNECTED.to_owned(), State::Failed);
            return;
        }
        match self.policy.session {
            SessionMode::Fresh => {
                self.fail_in_flight(why);
                self.lose_all(why);
                self.fail_waiting(why);
                self.cleanups.clear();
                self.go(State::Idle);
            }
            SessionMode::Resume => {
                self.rewind(why);
                self.connect(why.to_owned(), now);
            }
        }
    }

    fn fail_attempt(&mut self, error: String, now: Time) {
        if let Some(conn) = self.state.conn() {
            self.hang_up(conn, &error);
        }
        self.fail_attempt_closed(error, now);
    }

    fn fail_attempt_closed(&mut self, error: String, now: Time) {
        // Only what the attempt itself asked is in flight now; it is asked again by the next one.
        self.in_flight.clear();
        if let Some(mut effort) = self.take_effort() {
            self.forget_refusals(&mut effort);
            self.retry_later(effort, error, now);
        }
    }

    fn retry_later(&mut self, mut effort: Effort, error: String, now: Time) {
        effort.error = Some(error);
        let delay = self.retry().backoff.delay(self.seed, effort.attempts - 1);
        self.wait(effort, delay, now);
    }

    fn wait(&mut self, effort: Effort, delay: Duration, now: Time) {
        let attempts_max = match self.link {
            Link::Stdio => Some(1),
            Link::Fixed | Link::Signed => self.retry().attempts_max,
        };
        let spent = attempts_max.is_some_and(|max| max <= effort.attempts);
        // A session that is resumed is waited for to the end of its window; a first connection is not.
        let last = if self.is_resuming() { now } else { now + delay };
        if spent || effort.deadline <= last {
            self.stop(&effort, now);
        } else {
            let until = (now + delay).min(effort.deadline);
            self.go(State::Waiting { until, effort });
        }
    }

    /// No attempt is left, or no time for one.
    fn stop(&mut self, effort: &Effort, now: Time) {
        if effort.deadline <= now {
            self.time_out(effort);
        } else {
            self.give_up(effort, effort.error.as_deref().unwrap_or(DISCONNECTED));
        }
    }

    /// The window is over. A first connection names what went wrong last.
    fn time_out(&mut self, effort: &Effort) {
        if self.is_resuming() {
            let window = humantime::format_duration(self.retry().window);
            self.give_up(effort, &format!("recovery timed out after {window}"));
        } else {
            self.give_up(effort, effort.error.as_deref().unwrap_or(DISCONNECTED));
        }
    }

    fn give_up(&mut self, effort: &Effort, cause: &str) {
        let why = if self.is_resuming() {
            format!("{}; failed to resume exec-server session: {cause}", effort.reason)
        } else {
            cause.to_owned()
        };
        let next = if self.is_resuming() || self.link == Link::Stdio {
            State::Failed
        } else {
            State::Idle
        };
        self.end(why, next);
    }

    /// The session is over, and everything that belongs to it.
    fn end(&mut self, why: String, next: State) {
        if self.link == Link::Stdio {
            self.ended = Some(why.clone());
        }
        self.in_flight.clear();
        self.lose_all(&why);
        self.fail_waiting(&why);
        self.session = None;
        self.cleanups.clear();
        self.go(next);
        self.news(News::GaveUp { why });
    }

    fn is_resuming(&self) -> bool {
        self.session.is_some()
    }

    fn retry(&self) -> Retry {
        match self.policy.recovery {
            Some(recovery) if self.is_resuming() => {
                let described = recovery.described_window.filter(|_| self.described);
                Retry {
                    window: described.unwrap_or(recovery.retry.window),
                    ..recovery.retry
                }
            }
            Some(_) | None => self.policy.startup,
        }
    }

    /// An attempt to resume is cut at the end of the window; a first connection may use its whole timeout.
    fn within(&self, effort: &Effort, until: Time) -> Time {
        if self.is_resuming() {
            until.min(effort.deadline)
        } else {
            until
        }
    }

    fn take_effort(&mut self) -> Option<Effort> {
        match &self.state {
            State::Fetching { effort, .. }
            | State::Dialing { effort, .. }
            | State::Attaching { effort, .. }
            | State::Filling { effort, .. }
            | State::Waiting { effort, .. } => Some(effort.clone()),
            State::Idle | State::Up { .. } | State::Failed => None,
        }
    }
}
