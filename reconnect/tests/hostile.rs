//! Whatever peers, networks and clocks do, the exec client keeps its promises.
//!
//! Method: random inputs in random order, among them what a good server would say, so that all states are reached. The
//! watch reads every output and knows nothing of the machine's insides. In the end all connections die, and everything
//! must settle.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use unplug_reconnect::exec::{Exec, Input, Link, News, Op, Output, Phase};
use unplug_reconnect::id::{CallId, ConnId, ConnIds, ProcessId, Purpose};
use unplug_reconnect::policy::Policy;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::DialError;
use unplug_reconnect::wire::exec::{
    Chunk, ClosedParams, Decoded, ExitedParams, InitializeResult, Message, Notification, OutputChunk,
    OutputParams, ReadResult, Reply, Request, StartResult, Stream, TerminateResult, WriteResult, WriteStatus,
    decode,
};
use unplug_reconnect::wire::rpc::{RequestId, RpcError};

const PRESETS: [&str; 5] = [
    "codex-0.134",
    "codex-0.140",
    "codex-0.142",
    "codex-0.169",
    "recommended",
];
const PROCESSES: [&str; 3] = ["a", "b", "c"];

/// What happens next. Connections are named by how many dials ago they began.
#[derive(Clone, Debug)]
enum Step {
    Call(Ask, usize),
    Dialed(u32),
    DialFailed(u32, DialError),
    Closed(u32),
    Heard(u32),
    Message(u32, Message),
    Text(u32, String),
    /// What a good world does next: it signs, accepts, and answers the oldest request that has no answer.
    Serve,
    Granted,
    Denied(bool),
    Pass(Duration),
    Wake,
    WakeAtDeadline,
}

#[derive(Clone, Debug)]
enum Ask {
    Start,
    Write,
    Read(Option<u64>, Duration),
    Signal,
    Terminate,
}

fn step() -> impl Strategy<Value = Step> {
    let ago = || prop_oneof![6 => Just(0_u32), 1 => 1..4_u32];
    let lengths = [0, 1, 100, 1_000, 5_000, 10_000, 26_000, 400_000];
    prop_oneof![
        6 => (ask(), 0..PROCESSES.len()).prop_map(|(ask, process)| Step::Call(ask, process)),
        4 => ago().prop_map(Step::Dialed),
        2 => (ago(), select(vec![DialError::Refused, DialError::Status(401), DialError::Status(404)]))
            .prop_map(|(ago, why)| Step::DialFailed(ago, why)),
        2 => ago().prop_map(Step::Closed),
        1 => ago().prop_map(Step::Heard),
        4 => (ago(), message()).prop_map(|(ago, message)| Step::Message(ago, message)),
        1 => (ago(), text()).prop_map(|(ago, text)| Step::Text(ago, text)),
        20 => Just(Step::Serve),
        3 => Just(Step::Granted),
        1 => any::<bool>().prop_map(Step::Denied),
        2 => select(lengths.to_vec()).prop_map(|length| Step::Pass(Duration::from_millis(length))),
        1 => Just(Step::Wake),
        4 => Just(Step::WakeAtDeadline),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let wait = prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_secs(30)),
        Just(Duration::MAX)
    ];
    prop_oneof![
        4 => Just(Ask::Start),
        4 => Just(Ask::Write),
        2 => (proptest::option::of(seq()), wait).prop_map(|(after, wait)| Ask::Read(after, wait)),
        1 => Just(Ask::Signal),
        1 => Just(Ask::Terminate),
    ]
}

fn seq() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..6_u64, 1 => u64::MAX - 2..=u64::MAX, 1 => any::<u64>()]
}

fn process() -> impl Strategy<Value = ProcessId> {
    select(PROCESSES.to_vec()).prop_map(ProcessId::from)
}

fn message() -> impl Strategy<Value = Message> {
    let id = || {
        prop_oneof![
            (-2..9_i64).prop_map(RequestId::Number),
            Just(RequestId::Text("1".to_owned()))
        ]
    };
    let code = select(vec![-32_600_i64, -32_000, -32_010, -32_603, 0]);
    let words = select(vec!["JSON-RPC transport closed", "unknown session id s1", "no"]);
    prop_oneof![
        3 => (id(), reply()).prop_map(|(id, reply)| Message::Response { id, reply }),
        1 => (id(), code, words)
            .prop_map(|(id, code, words)| Message::Error { id, error: RpcError::new(code, words) }),
        3 => (process(), chunk())
            .prop_map(|(process_id, output)| Notification::Output(OutputParams { process_id, output }))
            .prop_map(Message::Notification),
        1 => (process(), seq(), any::<i32>())
            .prop_map(|(process_id, seq, exit_code)| ExitedParams { process_id, seq, exit_code, sandbox_denied: None })
            .prop_map(|params| Message::Notification(Notification::Exited(params))),
        1 => (process(), seq())
            .prop_map(|(process_id, seq)| Notification::Closed(ClosedParams { process_id, seq }))
            .prop_map(Message::Notification),
    ]
}

fn chunk() -> impl Strategy<Value = OutputChunk> {
    seq().prop_map(|seq| OutputChunk {
        seq,
        stream: Stream::Stdout,
        chunk: Chunk::from("x"),
    })
}

fn reply() -> impl Strategy<Value = Reply> {
    let status = select(vec![
        WriteStatus::Accepted,
        WriteStatus::UnknownProcess,
        WriteStatus::Starting,
    ]);
    prop_oneof![
        select(vec!["s1", "s2"]).prop_map(|id| Reply::Initialize(InitializeResult {
            session_id: id.into(),
            environment_info: None
        })),
        process().prop_map(|process_id| Reply::Start(StartResult {
            process_id,
            sandbox_type: None
        })),
        read_result().prop_map(Reply::Read),
        status.prop_map(|status| Reply::Write(WriteResult { status })),
        Just(Reply::Signal),
        any::<bool>().prop_map(|running| Reply::Terminate(TerminateResult { running })),
        Just(Reply::Undecoded(serde_json::Value::Null)),
    ]
}

fn read_result() -> impl Strategy<Value = ReadResult> {
    let chunks = proptest::collection::vec(chunk(), 0..6);
    (
        chunks,
        seq(),
        any::<bool>(),
        proptest::option::of(any::<i32>()),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(chunks, next_seq, exited, exit_code, closed, failed)| ReadResult {
                chunks,
                next_seq,
                exited,
                exit_code,
                closed,
                failure: failed.then(|| "gone".to_owned()),
                sandbox_denied: None,
            },
        )
}

/// Frames as they may come: whole, torn, or no message at all.
fn text() -> impl Strategy<Value = String> {
    let whole = message().prop_map(|message| message.encode());
    let torn =
        (message(), 0..200_usize).prop_map(|(message, at)| message.encode().chars().take(at).collect());
    let strange = select(vec![
        "",
        "null",
        "[]",
        "{}",
        r#"{"method":"process/output","params":{}}"#,
        r#"{"method":"process/output","params":{"processId":"a","seq":-1,"stream":"stdout","chunk":"eA=="}}"#,
        r#"{"method":"process/closed","params":{"processId":"a","seq":18446744073709551616}}"#,
        r#"{"id":1,"result":{"chunks":[],"nextSeq":0,"exited":true,"closed":true}}"#,
        r#"{"id":2,"method":"network/policyRequest","params":null}"#,
        r#"{"id":1,"error":{"code":0}}"#,
    ]);
    prop_oneof![whole, torn, strange.prop_map(str::to_owned), any::<String>()]
}

type Checked = Result<(), TestCaseError>;

/// Drives the machine and believes nothing that it says.
struct Watch {
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
    was_resumed: bool,
}

impl Watch {
    fn new(policy: Policy, signed: bool) -> Self {
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
            was_resumed: false,
        }
    }

    fn step(&mut self, step: Step) -> Checked {
        match step {
            Step::Call(ask, process) => self.call(ask, ProcessId::from(PROCESSES[process])),
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
            Request::Other { .. } => return Err(TestCaseError::fail("an unknown request was sent")),
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
            Output::Hangup { conn } => {
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
            Output::Fetch | Output::Room => {}
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
    fn settle(&mut self) -> Checked {
        for _ in 0..5_000 {
            match self.machine.phase() {
                Phase::Idle | Phase::Failed => {
                    prop_assert_eq!(&self.unsettled, &BTreeSet::new(), "never settled");
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

fn policy(name: &str, small: bool) -> Policy {
    let path = format!("{}/../scenarios/policies/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let mut policy: Policy = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    if small {
        policy.limits.calls_max = Some(3);
        policy.limits.reorder_events_max = Some(2);
        policy.answer_timeout = Some(Duration::from_secs(2));
    }
    policy
}

#[test]
fn any_peer_is_survived() {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(256);
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..Config::default()
    };
    let resumed = Cell::new(0);
    let setting = (select(PRESETS.to_vec()), any::<bool>(), any::<bool>());
    let steps = proptest::collection::vec(step(), 0..200);
    TestRunner::new(config)
        .run(&(setting, steps), |((preset, small, signed), steps)| {
            let mut watch = Watch::new(policy(preset, small), signed);
            for step in steps {
                watch.step(step)?;
            }
            watch.settle()?;
            resumed.set(resumed.get() + u32::from(watch.was_resumed));
            Ok(())
        })
        .unwrap();
    assert!(
        cases / 10 < resumed.get(),
        "only {} of {cases} resumed a session",
        resumed.get()
    );
}
