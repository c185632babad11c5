//! The watch: drives the machine, and fails on an output that breaks a promise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use unplug_reconnect::exec::{Exec, Input, Link, News, Op, Output, Phase};
use unplug_reconnect::id::{CallId, ConnId, ConnIds, ProcessId, Purpose};
use unplug_reconnect::policy::Policy;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::DialError;
use unplug_reconnect::wire::exec::{
    Chunk, Decoded, HttpResult, InfoResult, InitializeResult, Message, ReadResult, Reply, Request, Shell,
    StartResult, TerminateResult, WriteResult, WriteStatus, decode,
};
use unplug_reconnect::wire::rpc::RequestId;

use crate::steps::{Ask, PROCESSES, Step};

pub(crate) type Checked = Result<(), TestCaseError>;

/// Drives the machine and believes nothing that it says.
pub(crate) struct Watch {
    machine: Exec,
    now: Time,
    inputs: usize,
    dials: Vec<ConnId>,
    /// Dialed and not yet answered.
    dialing: Option<ConnId>,
    open: Option<ConnId>,
    asked: u64,
    unsettled: BTreeSet<CallId>,
    /// Requests of the open connection that no answer was given to by [`Step::Serve`].
    unanswered: BTreeMap<i64, Request>,
    /// What each call was sent as, to see what is sent again.
    sent: BTreeMap<CallId, Request>,
    /// The last event of each process that was told, while it has not failed.
    told: BTreeMap<ProcessId, u64>,
    /// The last piece of each body that is open.
    bodies: BTreeMap<CallId, u64>,
    /// Whether a session was resumed.
    pub(crate) was_resumed: bool,
}

impl Watch {
    pub(crate) fn new(policy: Policy, signed: bool) -> Self {
        let link = if signed { Link::Signed } else { Link::Fixed };
        Self {
            machine: Exec::new(Arc::new(policy), link, ConnIds::new(0, Purpose::Session), Seed(7)),
            now: Time::from_millis(1),
            inputs: 0,
            dials: Vec::new(),
            dialing: None,
            open: None,
            asked: 0,
            unsettled: BTreeSet::new(),
            unanswered: BTreeMap::new(),
            sent: BTreeMap::new(),
            told: BTreeMap::new(),
            bodies: BTreeMap::new(),
            was_resumed: false,
        }
    }

    pub(crate) fn step(&mut self, step: Step) -> Checked {
        match step {
            Step::Call(ask, process) => self.call(ask, ProcessId::from(PROCESSES[process])),
            Step::Reads(call) => self.handle(Input::Reads {
                call: CallId::new(call),
            }),
            Step::Leave(call) => self.handle(Input::Leave {
                call: CallId::new(call),
            }),
            Step::Dialed(ago) => self.with(ago, |conn| Input::Dialed { conn }),
            Step::DialFailed(ago, why) => self.with(ago, |conn| Input::DialFailed { conn, why }),
            Step::Closed(ago) => self.with(ago, |conn| Input::Closed { conn }),
            Step::Heard(ago) => self.with(ago, |conn| Input::Heard { conn }),
            Step::Message(ago, message) => self.with(ago, |conn| Input::Received { conn, message }),
            Step::Text(ago, text) => self.with(ago, |conn| match decode(&text) {
                Decoded::Message(message) => Input::Received { conn, message },
                Decoded::BadParams { .. } | Decoded::NoMessage(_) => Input::Unreadable { conn },
            }),
            Step::Serve => match self.machine.phase() {
                Phase::Fetching => self.handle(Input::Granted),
                Phase::Dialing => self.step(Step::Dialed(0)),
                Phase::Waiting => self.step(Step::WakeAtDeadline),
                Phase::Idle | Phase::Attaching | Phase::Filling | Phase::Up | Phase::Failed => self.serve(),
            },
            Step::Granted => self.handle(Input::Granted),
            Step::Denied(again) => self.handle(Input::Denied {
                why: "no".to_owned(),
                again,
            }),
            Step::Pass(length) => {
                self.now = self.now + length;
                Ok(())
            }
            Step::Wake => self.wake(),
            Step::WakeAtDeadline => {
                self.now = self.machine.deadline().map_or(self.now, |due| due.max(self.now));
                self.wake()
            }
        }
    }

    fn call(&mut self, ask: Ask, process: ProcessId) -> Checked {
        self.asked += 1;
        let call = CallId::new(self.asked);
        let op = match ask {
            Ask::Start => Op::Start {
                process,
                argv: vec!["sh".to_owned()],
                cwd: "/".to_owned(),
                stdin: true,
            },
            Ask::Write => Op::Write {
                process,
                data: Chunk::from(format!("{call}").as_str()),
            },
            Ask::Read(after_seq, wait) => Op::Read {
                process,
                after_seq,
                wait,
            },
            Ask::Signal => Op::Signal { process },
            Ask::Terminate => Op::Terminate { process },
            Ask::Http { stream, reading } => Op::Http {
                verb: "GET".to_owned(),
                url: "http://hello.test/".to_owned(),
                timeout: None,
                stream,
                reading,
            },
            Ask::Info => Op::Info,
        };
        self.unsettled.insert(call);
        self.handle(Input::Call { call, op })
    }

    /// An input about a connection that was dialed before; none, if there is none.
    fn with(&mut self, ago: u32, input: impl FnOnce(ConnId) -> Input) -> Checked {
        let Some(conn) = self.dials.iter().rev().nth(ago as usize) else {
            return Ok(());
        };
        let input = input(*conn);
        match &input {
            Input::Dialed { conn } if self.dialing == Some(*conn) => self.open = self.dialing.take(),
            // A dial that succeeded cannot fail any more; saying so changes nothing.
            Input::DialFailed { conn, .. } => self.dialing = self.dialing.filter(|dialing| dialing != conn),
            Input::Closed { conn } => {
                self.dialing = self.dialing.filter(|dialing| dialing != conn);
                self.open = self.open.filter(|open| open != conn);
            }
            Input::Call { .. }
            | Input::Reads { .. }
            | Input::Leave { .. }
            | Input::Granted
            | Input::Denied { .. }
            | Input::Dialed { .. }
            | Input::Received { .. }
            | Input::Unreadable { .. }
            | Input::Heard { .. }
            | Input::Wake => {}
        }
        self.handle(input)
    }

    fn serve(&mut self) -> Checked {
        let (Some(conn), Some((id, request))) = (self.open, self.unanswered.pop_first()) else {
            return Ok(());
        };
        let reply = match request {
            Request::Initialize(params) => Reply::Initialize(InitializeResult {
                session_id: params.resume_session_id.unwrap_or_else(|| "s1".into()),
                environment_info: None,
            }),
            Request::Start(params) => Reply::Start(StartResult {
                process_id: params.process_id,
                sandbox_type: None,
            }),
            Request::Read(params) => Reply::Read(ReadResult {
                chunks: Vec::new(),
                next_seq: params.after_seq.unwrap_or(0).saturating_add(1),
                exited: false,
                exit_code: None,
                closed: false,
                failure: None,
                sandbox_denied: None,
            }),
            Request::Write(_) => Reply::Write(WriteResult {
                status: WriteStatus::Accepted,
            }),
            Request::Signal(_) => Reply::Signal,
            Request::Terminate(_) => Reply::Terminate(TerminateResult { running: true }),
            Request::Http(_) => Reply::Http(HttpResult {
                status: 200,
                headers: Vec::new(),
                body: Chunk::from(""),
            }),
            Request::Info => Reply::Info(InfoResult {
                shell: Shell {
                    name: "sh".to_owned(),
                    path: "/bin/sh".to_owned(),
                },
                cwd: None,
                more: serde_json::Map::new(),
            }),
            Request::Status | Request::Fs(_) | Request::Other { .. } => {
                return Err(TestCaseError::fail("an unknown request was sent"));
            }
        };
        let message = Message::Response {
            id: RequestId::Number(id),
            reply,
        };
        self.handle(Input::Received { conn, message })
    }

    /// Wakes; whoever wants to be woken again at once must have something to show for it, and not for ever.
    fn wake(&mut self) -> Checked {
        for _ in 0..8 {
            let quiet = self.handle_and_count(Input::Wake)? == 0;
            if self.machine.deadline().is_none_or(|due| self.now < due) {
                return Ok(());
            }
            prop_assert!(!quiet, "woken at {} for nothing, and wants it again", self.now);
        }
        Err(TestCaseError::fail(format!("a hot loop at {}", self.now)))
    }

    fn handle(&mut self, input: Input) -> Checked {
        self.handle_and_count(input).map(|_| ())
    }

    fn handle_and_count(&mut self, input: Input) -> Result<usize, TestCaseError> {
        self.inputs += 1;
        self.machine.handle(input, self.now);
        let mut outputs = 0;
        while let Some(output) = self.machine.poll() {
            outputs += 1;
            self.see(output)?;
        }
        // Six per input so far: the most that one call, event or chunk can still cause in all.
        prop_assert!(outputs <= 16 + 6 * self.inputs, "{outputs} outputs at once");
        Ok(outputs)
    }

    fn see(&mut self, output: Output) -> Checked {
        match output {
            Output::Dial { conn } => {
                prop_assert_eq!(self.dialing, None, "{} is dialed too", conn);
                prop_assert_eq!(self.open, None, "{} is dialed, and the old one is open", conn);
                self.dialing = Some(conn);
                self.dials.push(conn);
                self.unanswered.clear();
            }
            Output::Hangup { conn, .. } => {
                prop_assert!(
                    [self.dialing, self.open].contains(&Some(conn)),
                    "{conn} was over already"
                );
                self.dialing = None;
                self.open = None;
            }
            Output::Send { conn, message, call } => {
                prop_assert_eq!(Some(conn), self.open, "sent on a connection that is not open");
                self.see_sent(message, call)?;
            }
            Output::Ping { conn } => prop_assert_eq!(Some(conn), self.open),
            Output::Full { call, .. } => prop_assert!(self.unsettled.remove(&call), "{call} is full twice"),
            Output::Fetch { .. } | Output::Room => {}
            Output::News(news) => self.see_news(news)?,
        }
        Ok(())
    }

    fn see_sent(&mut self, message: Message, call: Option<CallId>) -> Checked {
        let Message::Request {
            id: RequestId::Number(id),
            request,
        } = message
        else {
            return Ok(());
        };
        prop_assert!(
            self.unanswered.insert(id, request.clone()).is_none(),
            "r{id} is used twice"
        );
        if let Request::Start(params) = &request {
            self.told.insert(params.process_id.clone(), 0);
        }
        let Some(call) = call else { return Ok(()) };
        prop_assert!(self.unsettled.contains(&call), "{call} is sent and not open");
        if let Some(before) = self.sent.insert(call, request.clone()) {
            let again = matches!(request, Request::Read(_) | Request::Write(_));
            prop_assert!(again, "{call} may not be sent again: {request:?}");
            prop_assert_eq!(before, request, "{} is sent again as something else", call);
        }
        Ok(())
    }

    fn see_news(&mut self, news: News) -> Checked {
        match news {
            News::Settled { call, .. } => {
                prop_assert!(self.unsettled.remove(&call), "{call} is settled twice")
            }
            News::Output { process, seq, .. } | News::Exited { process, seq, .. } => {
                self.see_event(process, seq)?
            }
            News::OutputClosed { process, seq } => self.see_event(process, seq)?,
            News::Lost { process, .. } => {
                prop_assert!(self.told.remove(&process).is_some(), "{process} is lost twice");
            }
            News::Attached { resumed, .. } => self.was_resumed |= resumed,
            News::Told { call, .. } => {
                prop_assert!(self.unsettled.contains(&call), "{call} is told late");
            }
            News::BodyOpened { call } => {
                prop_assert!(
                    self.bodies.insert(call, 0).is_none(),
                    "the body of {call} opens twice"
                );
            }
            News::BodyPart { call, seq, .. } => {
                let last = self.bodies.get_mut(&call);
                prop_assert!(last.is_some(), "the body of {call} is not open and says {seq}");
                if let Some(last) = last {
                    prop_assert_eq!(*last + 1, seq, "the body of {} skips or repeats", call);
                    *last = seq;
                }
            }
            News::BodyEnded { call, .. } => {
                prop_assert!(
                    self.bodies.remove(&call).is_some(),
                    "the body of {call} ends twice"
                );
            }
            News::Moved { .. } | News::Keyed { .. } | News::Ready { .. } | News::GaveUp { .. } => {}
        }
        Ok(())
    }

    fn see_event(&mut self, process: ProcessId, seq: u64) -> Checked {
        let Some(last) = self.told.get_mut(&process) else {
            return Err(TestCaseError::fail(format!("{process} is lost and says {seq}")));
        };
        prop_assert_eq!(last.checked_add(1), Some(seq), "{} skips or repeats", process);
        *last = seq;
        Ok(())
    }

    /// Everything dies and stays dead: everything must settle.
    pub(crate) fn settle(&mut self) -> Checked {
        for _ in 0..5_000 {
            match self.machine.phase() {
                Phase::Idle | Phase::Failed => {
                    prop_assert_eq!(&self.unsettled, &BTreeSet::new(), "never settled");
                    // Bodies that are complete wait for their readers, and for nothing else.
                    for call in 1..=self.asked {
                        self.step(Step::Reads(call))?;
                    }
                    prop_assert_eq!(&self.bodies, &BTreeMap::new(), "never ended");
                    prop_assert_eq!(self.machine.queued_body_bytes(), 0);
                    prop_assert_eq!(self.machine.deadline(), None, "at rest, and wants to be woken");
                    return Ok(());
                }
                Phase::Fetching => self.step(Step::Denied(true))?,
                Phase::Dialing => self.step(Step::DialFailed(0, DialError::Unreachable))?,
                Phase::Attaching | Phase::Filling | Phase::Up => self.step(Step::Closed(0))?,
                Phase::Waiting => self.step(Step::WakeAtDeadline)?,
            }
        }
        Err(TestCaseError::fail("it never gives up"))
    }
}
