//! Catching up on a connection that lives: output that was lost there is noticed by nothing but a read.
//!
//! Two clocks run for each live process: one from the last word about it, and one from the moment in which an event
//! began to wait for an earlier one. Whichever is over first has the process read from the cursor on. What may wait is
//! bounded: an event too many is thrown away with the others, because the server still has them, and the read is due at
//! once.

use super::calls::What;
use super::handle::{Handle, Life};
use super::state::State;
use super::{Exec, cursor};
use crate::id::{ConnId, ProcessId};
use crate::policy::CatchUp;
use crate::time::Time;
use crate::wire::exec::{ReadParams, Reply, Request, method};
use crate::wire::rpc::RpcError;

/// When one process is to be caught up with.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When its last words count as lost, if nothing is heard of it. None: it is not watched yet.
    quiet_at: Option<Time>,
    /// When the event that others wait for counts as lost.
    hole_at: Option<Time>,
    /// Events were thrown away: a read is due at once.
    forgot: bool,
    /// A read is under way on the connection that is up.
    pub(super) asked: bool,
}

impl Watch {
    fn due(&self) -> Option<Time> {
        let at_once = self.forgot.then_some(Time::ZERO);
        let due = [at_once, self.quiet_at, self.hole_at].into_iter().flatten().min();
        due.filter(|_| !self.asked)
    }
}

impl Handle {
    /// Something was heard of the process: both clocks are set by what is known now.
    pub(super) fn hear(&mut self, rule: Option<CatchUp>, now: Time) {
        let Some(rule) = rule else { return };
        self.watch.quiet_at = Some(now + rule.quiet);
        let since = self.watch.hole_at.unwrap_or(now + rule.hole);
        self.watch.hole_at = self.cursor.has_hole().then_some(since);
    }

    fn due(&self) -> Option<Time> {
        self.watch.due().filter(|_| self.is_recoverable())
    }
}

impl Exec {
    /// When the next process is to be caught up with.
    pub(super) fn catch_up_at(&self) -> Option<Time> {
        let up = matches!(self.state, State::Up { .. });
        self.policy.catch_up.filter(|_| up)?;
        self.handles.values().filter_map(Handle::due).min()
    }

    /// Reads every process that is to be caught up with.
    pub(super) fn catch_up(&mut self, now: Time) {
        let (Some(_), State::Up { conn, .. }) = (self.policy.catch_up, &self.state) else {
            return;
        };
        let conn = *conn;
        let due = |handle: &Handle| handle.due().is_some_and(|due| due <= now);
        let due = self.handles.iter().filter(|(_, handle)| due(handle));
        let due: Vec<_> = due.map(|(id, _)| id.clone()).collect();
        for process in due {
            self.ask_for_missed(conn, process, now);
        }
    }

    fn ask_for_missed(&mut self, conn: ConnId, process: ProcessId, now: Time) {
        let Some(handle) = self.handles.get_mut(&process) else {
            return;
        };
        handle.watch.asked = true;
        handle.watch.forgot = false;
        let request = Request::Read(ReadParams {
            process_id: process.clone(),
            after_seq: Some(handle.cursor.published()),
            max_bytes: None,
            wait_ms: Some(0),
        });
        let due = self.due(std::time::Duration::ZERO, now);
        self.send(conn, request, What::CatchUp(process), due);
    }

    /// The event of a process that is one too many to wait: without a read that could bring it again the process is
    /// lost.
    pub(super) fn on_overflow(&mut self, process: &ProcessId, why: String, now: Time) {
        let watched = self.policy.catch_up.is_some();
        match self.handles.get_mut(process) {
            Some(handle) if watched && handle.life == Life::Live => {
                handle.cursor.forget_early();
                handle.watch.forgot = true;
                self.catch_up(now);
            }
            Some(_) | None => self.lose(process, why),
        }
    }

    pub(super) fn on_caught_up(&mut self, process: &ProcessId, result: Result<Reply, RpcError>, now: Time) {
        let Some(handle) = self.handles.get_mut(process) else {
            return;
        };
        handle.watch.asked = false;
        handle.watch.hole_at = None;
        if handle.is_recoverable() {
            self.merge(process, result, now);
        }
        self.catch_up(now);
    }

    /// Merges what a read from the cursor on brought into what came live. Where that leaves a gap, the process is lost
    /// and ended.
    pub(super) fn merge(&mut self, process: &ProcessId, result: Result<Reply, RpcError>, now: Time) {
        let (rule, beyond) = (self.policy.catch_up, self.policy.beyond_read);
        let Some(handle) = self.handles.get_mut(process) else {
            return;
        };
        let recovered = match result.map(|reply| reply.of(method::READ)) {
            Ok(Ok(Reply::Read(read))) => handle.cursor.recover(read, beyond),
            Ok(Ok(_)) => Err("exec-server protocol error: the result of another method".to_owned()),
            Ok(Err(error)) => Err(format!("exec-server protocol error: {error}")),
            Err(error) => Err(error.message),
        };
        handle.hear(rule, now);
        self.publish(process);
        if let Err(why) = recovered {
            self.cleanups.insert(process.clone());
            self.lose(process, format!("failed to recover process {process}: {why}"));
        }
    }

    /// Takes in an event that came live.
    pub(super) fn on_event(&mut self, process: &ProcessId, seq: u64, event: cursor::Event, now: Time) {
        // Before the answer to a start the handle listens already, so that no early output is lost.
        let handle = self.handles.get_mut(process);
        let Some(handle) = handle.filter(|handle| handle.is_listening()) else {
            return;
        };
        let offered = handle.cursor.offer(seq, event, &self.policy.limits);
        handle.hear(self.policy.catch_up, now);
        match offered {
            Ok(()) => self.publish(process),
            Err(why) => self.on_overflow(process, why, now),
        }
    }
}
