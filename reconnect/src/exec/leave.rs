//! Callers that leave before they are told: what they asked for is given up, and nobody else is hurt (exec-server sheet,
//! 7.2 and 7.3).

use super::calls::{Waiting, What};
use super::{Exec, Op};
use crate::id::{CallId, ProcessId};
use crate::time::Time;
use crate::transport::Truth;

/// Why a call is settled whose caller is gone.
const WHY: &str = "its caller left";

impl Exec {
    /// Nobody waits for this call any more. A process whose start nobody waits for is ended as soon as it runs; a dial
    /// goes on, for the others.
    pub(super) fn on_leave(&mut self, call: CallId, now: Time) {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.call == call) {
            self.leave_waiting(at);
        } else if let Some(sends) = self.leave_outbox(call) {
            self.settle_left(call, 0 < sends);
        } else if let Some(id) = self.asked_for(call) {
            self.leave_in_flight(call, id);
        } else {
            return; // It was told already, or never taken.
        }
        self.flush(now);
    }

    fn leave_waiting(&mut self, at: usize) {
        let Some(Waiting { call, op, sent }) = self.waiting.remove(at) else {
            return;
        };
        if let Op::Start { process, .. } = op {
            if sent {
                self.cleanups.insert(process.clone());
            }
            self.lose(&process, WHY.to_owned());
        }
        self.settle_left(call, sent);
    }

    /// How often the write was sent that this call asked for, if it is one.
    fn leave_outbox(&mut self, call: CallId) -> Option<u32> {
        let mut handles = self.handles.values_mut();
        handles.find_map(|handle| handle.outbox.leave(call))
    }

    fn asked_for(&self, call: CallId) -> Option<i64> {
        let mut in_flight = self.in_flight.iter();
        in_flight
            .find(|(_, sent)| matches!(sent.what, What::Call(asked, _) if asked == call))
            .map(|(id, _)| *id)
    }

    /// The answer is still to come, and whatever was asked behind it waits for it: only what it is good for changes.
    fn leave_in_flight(&mut self, call: CallId, id: i64) {
        let Some(sent) = self.in_flight.get_mut(&id) else {
            return;
        };
        let What::Call(_, op) = std::mem::replace(&mut sent.what, What::Left(None)) else {
            return;
        };
        if let Op::Start { process, .. } = op {
            sent.what = What::Left(Some(process.clone()));
            self.lose(&process, WHY.to_owned());
        }
        self.forget_body(call);
        self.settle_left(call, true);
    }

    /// The answer to a start came that nobody waits for. A process that runs by now is ended, and not before: a server
    /// does not end what it is still starting (exec-server sheet, 2.5).
    pub(super) fn on_left_start(&mut self, process: ProcessId, may_run: bool) {
        if may_run {
            self.cleanups.insert(process);
        }
    }

    /// Whether a start of this process is in flight that nobody waits for.
    pub(super) fn is_left(&self, process: &ProcessId) -> bool {
        let mut in_flight = self.in_flight.values();
        in_flight.any(|sent| matches!(&sent.what, What::Left(Some(left)) if left == process))
    }

    fn settle_left(&mut self, call: CallId, sent: bool) {
        let truth = if sent { Truth::Ambiguous } else { Truth::NotApplied };
        self.settle(call, truth, Some(WHY.to_owned()), None);
    }
}
