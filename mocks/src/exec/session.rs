//! A session: a process table that outlives the connection it is attached to (exec-server sheet, 3).

use std::collections::BTreeMap;
use std::sync::Arc;

use unplug_reconnect::id::{ConnId, ProcessId, SessionId};
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{
    ExecParams, ReadParams, Reply, SignalParams, StartResult, TerminateParams, TerminateResult, WriteParams,
    WriteResult, WriteStatus,
};
use unplug_reconnect::wire::rpc::{INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, RpcError};

use super::Origin;
use super::bug::{APPLY_DELAY, Bug, LateWrite, WRITE_HOLD};
use super::news::News;
use super::preset::{Cwd, WriteIds};
use super::process::{Process, patience};
use super::program::{NO_SUCH_FILE, Program};
use super::script::Script;
use super::shared::Shared;
use super::starting::{Pending, Starting};
use super::timers::Key;

/// A session by the order in which it was opened.
pub(super) type SessionKey = u32;

/// What a process has to know of its session while it does something.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) key: SessionKey,
    pub(super) session: SessionId,
    /// Who is told at once.
    pub(super) attached: Option<ConnId>,
    /// Whether nobody reads the pipes, because who is told takes nothing more.
    pub(super) blocked: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Attachment {
    Attached { conn: ConnId },
    Detached { until: Time },
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: SessionKey,
    pub(super) id: SessionId,
    pub(super) attachment: Attachment,
    /// Whose it is: the client that opened it.
    pub(super) client: u32,
    processes: BTreeMap<ProcessId, Process>,
    starting: Starting,
    armed: Option<Time>,
}

impl Session {
    pub(super) fn new(key: SessionKey, id: SessionId, conn: ConnId) -> Self {
        Self {
            key,
            id,
            attachment: Attachment::Attached { conn },
            client: conn.client(),
            processes: BTreeMap::new(),
            starting: Starting::default(),
            armed: None,
        }
    }

    fn place(&self, shared: &Shared) -> Place {
        let attached = self.attached();
        Place {
            key: self.key,
            session: self.id.clone(),
            attached,
            blocked: attached
                .and_then(|conn| shared.conns.get(&conn))
                .is_some_and(|conn| conn.congested),
        }
    }

    pub(super) fn attached(&self) -> Option<ConnId> {
        match self.attachment {
            Attachment::Attached { conn } => Some(conn),
            Attachment::Detached { .. } => None,
        }
    }

    pub(super) fn runs(&self, process: &ProcessId) -> bool {
        self.processes.get(process).is_some_and(Process::is_running)
    }

    /// Binds it to this connection. Whoever was bound before is stale, and learns it (sheet 3).
    pub(super) fn attach(&mut self, conn: ConnId, shared: &mut Shared, now: Time) {
        self.attachment = Attachment::Attached { conn };
        shared
            .timers
            .set(&mut self.armed, None, || Key::Session(self.key));
        let place = self.place(shared);
        for process in self.processes.values_mut() {
            if !shared.has(Bug::AnswerOnCurrentConnection) {
                let stale = |other| other != conn;
                process.unpark(stale, |origin| {
                    shared.unpark(origin.conn);
                    let why =
                        RpcError::new(INVALID_REQUEST, "session has been resumed by another connection");
                    shared.answer(origin, Err(why));
                });
            }
            process.unblock(&place, shared, now);
            process.arm(&place, shared);
        }
    }

    /// Its connection ended: the lease runs, the processes too (sheet 3).
    pub(super) fn detach(&mut self, conn: ConnId, shared: &mut Shared, now: Time) {
        let until = now + shared.preset.detached_ttl;
        self.attachment = Attachment::Detached { until };
        shared.news(News::Detached {
            session: self.id.clone(),
            conn,
            until,
        });
        if !shared.has(Bug::KeepAfterExpiry) {
            shared
                .timers
                .set(&mut self.armed, Some(until), || Key::Session(self.key));
        }
        let place = self.place(shared);
        for process in self.processes.values_mut() {
            if shared.has(Bug::KillOnDetach) {
                process.exit(shared.preset.terminated_code, &place, shared, now);
            }
            process.unblock(&place, shared, now);
            process.arm(&place, shared);
        }
    }

    /// What was in flight on a connection that ended is cancelled (sheet 3).
    pub(super) fn cancel(&mut self, conn: ConnId, shared: &mut Shared) {
        let place = self.place(shared);
        self.starting.cancel(conn, &place, shared);
        for process in self.processes.values_mut() {
            if !shared.has(Bug::AnswerOnCurrentConnection) {
                process.unpark(|other| other == conn, |_| {});
            }
            if shared.has(Bug::AckBeforeApply) {
                process.mischief.writes.retain(|late| late.conn != conn);
            }
            process.arm(&place, shared);
        }
    }

    /// The connection has room again.
    pub(super) fn unblock(&mut self, shared: &mut Shared, now: Time) {
        let place = self.place(shared);
        for process in self.processes.values_mut() {
            process.unblock(&place, shared, now);
            process.arm(&place, shared);
        }
    }

    /// The connection has no more room.
    pub(super) fn block(&mut self, shared: &mut Shared) {
        let place = self.place(shared);
        for process in self.processes.values_mut() {
            process.arm(&place, shared);
        }
    }

    /// The lease ended: the processes are terminated, and nobody is told (sheet 3).
    pub(super) fn expire(mut self, shared: &mut Shared, now: Time) {
        shared
            .timers
            .set(&mut self.armed, None, || Key::Session(self.key));
        let place = self.place(shared);
        self.starting.drop_all(&place, shared);
        for process in self.processes.values_mut() {
            process.exit(shared.preset.terminated_code, &place, shared, now);
            process.disarm(&place, shared);
        }
        shared.news(News::SessionExpired { session: self.id });
    }

    /// A process's deadline has come.
    pub(super) fn wake(&mut self, id: &ProcessId, shared: &mut Shared, now: Time) {
        let place = self.place(shared);
        if self.starting.has(id) {
            if let Some(pending) = self.starting.end(id, shared) {
                self.started(pending, &place, shared, now);
            }
            return;
        }
        let Some(process) = self.processes.get_mut(id) else {
            return;
        };
        if process.wake(&place, shared, now) {
            process.arm(&place, shared);
        } else {
            self.processes.remove(id);
            shared.news(News::ProcessReaped {
                session: place.session,
                process: id.clone(),
            });
        }
    }

    /// Does something to a process, if it is there.
    pub(super) fn with(
        &mut self,
        id: &ProcessId,
        shared: &mut Shared,
        act: impl FnOnce(&mut Process, &Place, &mut Shared),
    ) {
        let place = self.place(shared);
        if let Some(process) = self.processes.get_mut(id) {
            act(process, &place, shared);
            process.arm(&place, shared);
        }
    }

    /// `process/start`.
    pub(super) fn start(
        &mut self,
        origin: Origin,
        params: ExecParams,
        scripts: &[Arc<Script>],
        shared: &mut Shared,
        now: Time,
    ) {
        let place = self.place(shared);
        let delay = shared.delays.start;
        match self.spawn(&params, scripts, shared, now + delay) {
            Ok(process) => {
                let reply = Reply::Start(StartResult {
                    process_id: params.process_id,
                    sandbox_type: shared.preset.sandbox_type.map(str::to_owned),
                });
                let pending = Pending {
                    origin,
                    process,
                    reply,
                };
                if delay.is_zero() {
                    self.started(pending, &place, shared, now);
                } else {
                    self.starting.begin(pending, now + delay, &place, shared);
                }
            }
            Err(why) => {
                shared.applied(&origin);
                shared.answer_in(&place, origin, Err(why), now);
            }
        }
    }

    /// A process runs, and whoever asked for it is told.
    fn started(&mut self, pending: Pending, place: &Place, shared: &mut Shared, now: Time) {
        let Pending {
            origin,
            mut process,
            reply,
        } = pending;
        shared.news(News::ProcessStarted {
            session: place.session.clone(),
            process: process.id.clone(),
        });
        process.arm(place, shared);
        self.processes.insert(process.id.clone(), process);
        shared.applied(&origin);
        shared.answer_in(place, origin, Ok(reply), now);
    }

    fn spawn(
        &self,
        params: &ExecParams,
        scripts: &[Arc<Script>],
        shared: &Shared,
        now: Time,
    ) -> Result<Process, RpcError> {
        let id = &params.process_id;
        if params.argv.is_empty() {
            return Err(RpcError::new(INVALID_PARAMS, "argv must not be empty"));
        }
        if self.processes.contains_key(id) || self.starting.has(id) {
            let text = format!("process {id} already exists");
            return Err(RpcError::new(INVALID_REQUEST, text));
        }
        let has_stdin = params.pipe_stdin || params.tty;
        let is_there = shared.preset.cwd != Cwd::Path || params.cwd.starts_with('/');
        let program = if is_there {
            Program::spawn(&params.argv, scripts, has_stdin, now)
        } else {
            Err(NO_SUCH_FILE)
        };
        let program = program.map_err(|text| RpcError::new(INTERNAL_ERROR, text))?;
        Ok(Process::new(id.clone(), program, params.tty, has_stdin))
    }

    /// `process/read`.
    pub(super) fn read(&mut self, origin: Origin, params: &ReadParams, shared: &mut Shared, now: Time) {
        let place = self.place(shared);
        shared.applied(&origin);
        let Some(process) = self.processes.get_mut(&params.process_id) else {
            let text = if self.starting.has(&params.process_id) {
                format!("process id {} is starting", params.process_id)
            } else {
                format!("unknown process id {}", params.process_id)
            };
            let why = RpcError::new(INVALID_REQUEST, text);
            return shared.answer_in(&place, origin, Err(why), now);
        };
        let after = params.after_seq.unwrap_or(0);
        let patience = patience(params.wait_ms);
        if patience.is_zero() || process.is_ready(after) {
            let result = process.read(after, params.max_bytes, &shared.preset);
            return shared.answer_in(&place, origin, Ok(Reply::Read(result)), now);
        }
        shared.park(origin.conn);
        process.park(origin, after, params.max_bytes, now + patience);
        process.arm(&place, shared);
    }

    /// `process/write`. Status comes before dedupe, dedupe before the process's end (sheet 5).
    pub(super) fn write(&mut self, origin: Origin, params: WriteParams, shared: &mut Shared, now: Time) {
        let place = self.place(shared);
        let WriteParams {
            process_id,
            chunk,
            write_id,
        } = params;
        let known = self.processes.get_mut(&process_id);
        let status = match &known {
            None if self.starting.has(&process_id) => WriteStatus::Starting,
            None => WriteStatus::UnknownProcess,
            Some(process) if !process.has_stdin => WriteStatus::StdinClosed,
            Some(_) => WriteStatus::Accepted,
        };
        let answer = Ok(Reply::Write(WriteResult { status }));
        let Some(process) = known.filter(|process| process.has_stdin) else {
            shared.applied(&origin);
            return shared.answer_in(&place, origin, answer, now);
        };
        if let WriteIds::Required { memory } = shared.preset.write_ids
            && let Some(id) = &write_id
        {
            if process.writes.knows(id) {
                shared.applied(&origin);
                if !shared.has(Bug::SwallowResend) {
                    shared.answer_in(&place, origin, answer, now);
                }
                return;
            }
            if process.is_running() && !shared.has(Bug::ForgetWriteIds) {
                process.writes.remember(id, memory);
            }
        }
        if !process.is_running() {
            shared.applied(&origin);
            let why = RpcError::new(INTERNAL_ERROR, "failed to write to process stdin");
            return shared.answer_in(&place, origin, Err(why), now);
        }
        let write = LateWrite {
            due: now,
            conn: origin.conn,
            write: write_id,
            chunk,
        };
        apply(process, origin, write, &place, shared, now);
        process.arm(&place, shared);
    }

    /// `process/signal`: never an error (sheet 2.5).
    pub(super) fn signal(&mut self, origin: Origin, params: &SignalParams, shared: &mut Shared, now: Time) {
        let code = shared.preset.interrupted_code;
        self.with(&params.process_id, shared, |process, _, _| {
            if process.is_running() && !process.program.interrupt(now) {
                process.kill(code, now);
            }
        });
        shared.applied(&origin);
        let place = self.place(shared);
        shared.answer_in(&place, origin, Ok(Reply::Signal), now);
    }

    /// `process/terminate`: never an error (sheet 2.5).
    pub(super) fn terminate(
        &mut self,
        origin: Origin,
        params: &TerminateParams,
        shared: &mut Shared,
        now: Time,
    ) {
        let code = shared.preset.terminated_code;
        let cancels = shared.preset.terminate_cancels_start && self.starting.has(&params.process_id);
        if cancels {
            let place = self.place(shared);
            self.starting.terminate(&params.process_id, &place, shared, now);
        }
        let running = cancels || self.runs(&params.process_id);
        self.with(&params.process_id, shared, |process, _, _| {
            process.kill(code, now)
        });
        shared.applied(&origin);
        let place = self.place(shared);
        let result = TerminateResult { running };
        shared.answer_in(&place, origin, Ok(Reply::Terminate(result)), now);
    }
}

/// Hands an accepted write over and answers it, in the order that a planted bug leaves.
fn apply(
    process: &mut Process,
    origin: Origin,
    mut write: LateWrite,
    place: &Place,
    shared: &mut Shared,
    now: Time,
) {
    let answer = Ok(Reply::Write(WriteResult {
        status: WriteStatus::Accepted,
    }));
    let hold = if shared.has(Bug::AckBeforeApply) {
        Some(APPLY_DELAY)
    } else if shared.has(Bug::ReorderWrites) && process.mischief.writes.is_empty() {
        Some(WRITE_HOLD)
    } else {
        None
    };
    if let Some(hold) = hold {
        shared.applied(&origin);
        write.due = now + hold;
        process.mischief.writes.push_back(write);
        return shared.answer_in(place, origin, answer, now);
    }
    process.hand_over(write.write.as_deref(), &write.chunk, place, shared);
    shared.applied(&origin);
    shared.answer_in(place, origin, answer, now);
    process.react(&write.chunk, place, shared, now);
    if let Some(held) = process.mischief.writes.pop_front() {
        process.hand_over(held.write.as_deref(), &held.chunk, place, shared);
        process.react(&held.chunk, place, shared, now);
    }
}
