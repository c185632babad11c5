//! What becomes of calls when their connection, their process or their session is lost: sent again where the policy says
//! that it is safe, settled otherwise (exec-server sheet, 6).

use super::calls::{Waiting, What};
use super::handle::Life;
use super::watch::Watch;
use super::{Exec, Op};
use crate::id::{CallId, ProcessId};
use crate::policy::ReplayClass;
use crate::transport::Truth;

impl Exec {
    /// The session goes on, its connection does not: what is safe to send again waits, the rest is settled.
    pub(super) fn rewind(&mut self, why: &str) {
        for (_, sent) in std::mem::take(&mut self.in_flight) {
            match sent.what {
                What::Call(call, op)
                    if self.policy.replay.of(op.method()) != ReplayClass::Never
                        && !op.process().is_some_and(|process| self.is_lost(process)) =>
                {
                    self.waiting.push_back(Waiting { call, op, sent: true });
                }
                What::Call(call, op) => self.fail_sent(call, &op, why, true),
                What::Left(Some(process)) => self.on_left_start(process, true),
                // Writes wait in their outbox, clean-ups in their set; the others belong to a connection.
                What::Write(..)
                | What::Cleanup(_)
                | What::Initialize
                | What::Fill(_)
                | What::CatchUp(_)
                | What::Left(None) => {}
            }
        }
        let replay = self.policy.replay.write != ReplayClass::Never;
        let processes: Vec<_> = self.handles.keys().cloned().collect();
        for process in processes {
            let Some(handle) = self.handles.get_mut(&process) else {
                continue;
            };
            handle.outbox.rewind();
            handle.watch = Watch::default();
            let given_up: Vec<_> = if replay {
                Vec::new()
            } else {
                handle.outbox.drain_sent().collect()
            };
            for write in given_up {
                self.settle(write.call, Truth::Ambiguous, Some(why.to_owned()), None);
            }
        }
    }

    /// Session and connection are gone: everything in flight is settled.
    pub(super) fn fail_in_flight(&mut self, why: &str) {
        for (_, sent) in std::mem::take(&mut self.in_flight) {
            if let What::Call(call, op) = sent.what {
                self.fail_sent(call, &op, why, false);
            }
        }
    }

    /// A process makes room for another one of its name: what is still open about it is settled, so that nothing of it
    /// can reach the new one.
    pub(super) fn retire(&mut self, process: &ProcessId) {
        let why = format!("process {process} is started again");
        self.lose(process, why.clone());
        let is_about = |what: &What| match what {
            What::Call(_, op) => op.process() == Some(process),
            What::CatchUp(other) => other == process,
            What::Initialize | What::Fill(_) | What::Cleanup(_) | What::Write(..) | What::Left(_) => false,
        };
        let open = self.in_flight.extract_if(.., |_, sent| is_about(&sent.what));
        for (_, sent) in open.collect::<Vec<_>>() {
            if let What::Call(call, op) = sent.what {
                self.fail_sent(call, &op, &why, true);
            }
        }
    }

    /// Settles a call that was sent and will not be sent again.
    fn fail_sent(&mut self, call: CallId, op: &Op, why: &str, clean_up: bool) {
        if let Op::Start { process, .. } = op {
            if clean_up {
                self.cleanups.insert(process.clone());
            }
            self.lose(process, why.to_owned());
        }
        self.settle(call, Truth::Ambiguous, Some(why.to_owned()), None);
    }

    /// Settles what waits for a connection.
    pub(super) fn fail_waiting(&mut self, why: &str) {
        for waiting in std::mem::take(&mut self.waiting) {
            self.settle_waiting(&waiting, why);
        }
    }

    /// Settles what waits for a connection, or for its start, and is about this process.
    pub(super) fn fail_waiting_for(&mut self, process: &ProcessId, why: &str) {
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.op.process() == Some(process) {
                self.settle_waiting(&waiting, why);
            } else {
                self.waiting.push_back(waiting);
            }
        }
    }

    fn settle_waiting(&mut self, waiting: &Waiting, why: &str) {
        let truth = if waiting.sent {
            Truth::Ambiguous
        } else {
            Truth::NotApplied
        };
        self.settle(waiting.call, truth, Some(why.to_owned()), None);
    }

    fn is_lost(&self, process: &ProcessId) -> bool {
        let life = self.handles.get(process).map(|handle| &handle.life);
        matches!(life, Some(Life::Lost(_)))
    }
}
