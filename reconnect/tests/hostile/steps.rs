//! What may happen to a client: anything, and now and then something good.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use unplug_reconnect::id::ProcessId;
use unplug_reconnect::transport::DialError;
use unplug_reconnect::wire::exec::{
    BodyDelta, Chunk, ClosedParams, ExitedParams, HttpResult, InitializeResult, Message, Notification,
    OutputChunk, OutputParams, ReadResult, Reply, StartResult, Stream, TerminateResult, WriteResult,
    WriteStatus,
};
use unplug_reconnect::wire::rpc::{RequestId, RpcError};

use crate::frames;

/// The processes that callers ask for and servers speak of.
pub(crate) const PROCESSES: [&str; 3] = ["a", "b", "c"];

/// What happens next. Connections are named by how many dials ago they began.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Call(Ask, usize),
    /// The caller of this call begins to read.
    Reads(u64),
    /// The caller of this call goes away.
    Leave(u64),
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
pub(crate) enum Ask {
    Start,
    Write,
    Read(Option<u64>, Duration),
    Signal,
    Terminate,
    Http { stream: bool, reading: bool },
    Info,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let ago = || prop_oneof![6 => Just(0_u32), 1 => 1..4_u32];
    let lengths = [0, 1, 100, 1_000, 5_000, 10_000, 26_000, 400_000];
    prop_oneof![
        6 => (ask(), 0..PROCESSES.len()).prop_map(|(ask, process)| Step::Call(ask, process)),
        1 => (1..20_u64).prop_map(Step::Reads),
        1 => (1..20_u64).prop_map(Step::Leave),
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
        3 => (any::<bool>(), any::<bool>()).prop_map(|(stream, reading)| Ask::Http { stream, reading }),
        1 => Just(Ask::Info),
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
        2 => (1..4_u64, seq(), any::<bool>(), proptest::option::of(Just("gone".to_owned())))
            .prop_map(|(http, seq, done, error)| BodyDelta {
                request_id: format!("http-{http}").as_str().into(),
                seq,
                delta: Chunk::from("xy"),
                done,
                error,
            })
            .prop_map(|params| Message::Notification(Notification::Body(params))),
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
        Just(Reply::Http(HttpResult {
            status: 200,
            headers: Vec::new(),
            body: Chunk::from("x")
        })),
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
    let real = frames::real()
        .into_iter()
        .flat_map(|(_, frame)| frames::mutants(&frame));
    let wrong: Vec<_> = real.map(|mutant| mutant.to_string()).collect();
    prop_oneof![
        whole,
        torn,
        strange.prop_map(str::to_owned),
        any::<String>(),
        select(wrong)
    ]
}
