//! Each kind of bad input by name, against `recommended`: what becomes of it, and how much of it stays.
//!
//! Method: a client that is up has a process `a`, which it wrote to (`r3`). One bad thing comes. The test says which typed
//! answer it gets: a call that settles, a process that is lost, a connection that is given up, or nothing at all. What the
//! machine keeps cannot be seen from outside; what is tested is that it stops taking in and that it does not multiply.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use unplug_reconnect::exec::{Exec, Input, Link, News, Op, Output, Phase};
use unplug_reconnect::id::{CallId, ConnId, ConnIds, Purpose};
use unplug_reconnect::policy::Policy;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{Chunk, Decoded, decode};

use crate::{frames, policy};

const HELLO: &str = r#"{"id":1,"result":{"sessionId":"s1"}}"#;
const STARTED: &str = r#"{"id":2,"result":{"processId":"a"}}"#;
const ACCEPTED: &str = r#"{"id":3,"result":{"status":"accepted"}}"#;

/// A client and its time.
struct Client {
    machine: Exec,
    conn: Option<ConnId>,
    now: Time,
    asked: u64,
}

impl Client {
    /// One that has not dialed.
    fn new() -> Self {
        let ids = ConnIds::new(0, Purpose::Session);
        // Without the reads that ask again for what was too much: here it is to be seen what too much does.
        let policy = Arc::new(Policy {
            catch_up: None,
            ..policy("recommended", false)
        });
        Self {
            machine: Exec::new(policy, Link::Fixed, ids, Seed(7)),
            conn: None,
            now: Time::from_millis(1),
            asked: 0,
        }
    }

    /// One whose process `a` runs, and whose write to it has no answer.
    fn up() -> Self {
        let mut client = Self::new();
        client.ask(start("a"));
        client.dialed();
        client.frame(HELLO);
        client.frame(STARTED);
        client.ask(write("a"));
        assert_eq!(client.machine.phase(), Phase::Up);
        client
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.machine.handle(input, self.now);
        let outputs: Vec<_> = std::iter::from_fn(|| self.machine.poll()).collect();
        for output in &outputs {
            if let Output::Dial { conn } = output {
                self.conn = Some(*conn);
            }
        }
        outputs
    }

    fn ask(&mut self, op: Op) -> Vec<Output> {
        self.asked += 1;
        let call = CallId::new(self.asked);
        self.handle(Input::Call { call, op })
    }

    fn dialed(&mut self) -> Vec<Output> {
        let conn = self.conn.expect("it has dialed");
        self.handle(Input::Dialed { conn })
    }

    /// A text frame, as a host hands it over.
    fn frame(&mut self, text: &str) -> Vec<Output> {
        let conn = self.conn.expect("it has dialed");
        self.handle(match decode(text) {
            Decoded::Message(message) => Input::Received { conn, message },
            Decoded::BadParams { .. } | Decoded::NoMessage(_) => Input::Unreadable { conn },
        })
    }

    fn wake(&mut self) -> Vec<Output> {
        self.now = self
            .machine
            .deadline()
            .expect("it waits for something")
            .max(self.now);
        self.handle(Input::Wake)
    }
}

fn start(process: &str) -> Op {
    Op::Start {
        process: process.into(),
        argv: vec!["sh".to_owned()],
        cwd: "/".to_owned(),
        stdin: true,
    }
}

fn write(process: &str) -> Op {
    Op::Write {
        process: process.into(),
        data: Chunk::from("x"),
    }
}

fn output(process: &str, seq: u64, chunk: &str) -> String {
    json!({"method": "process/output", "params": {"processId": process, "seq": seq, "stream": "stdout", "chunk": chunk}})
        .to_string()
}

/// What an input came to, in short: `settled k2 ambiguous`, `lost a`, `hangup`, `output 3`.
fn told(outputs: &[Output]) -> String {
    let mut told = String::new();
    for output in outputs {
        match output {
            Output::News(News::Settled { call, truth, .. }) => write!(told, "settled {call} {truth}, "),
            Output::News(News::Lost { process, .. }) => write!(told, "lost {process}, "),
            Output::News(News::Output { seq, .. }) => write!(told, "output {seq}, "),
            Output::News(News::GaveUp { .. }) => write!(told, "gave up, "),
            Output::Hangup { .. } => write!(told, "hangup, "),
            Output::Dial { .. }
            | Output::Send { .. }
            | Output::Ping { .. }
            | Output::Fetch { .. }
            | Output::Full { .. }
            | Output::Room
            | Output::News(_) => Ok(()),
        }
        .expect("a string takes every write");
    }
    told.trim_end_matches(", ").to_owned()
}

/// All bytes of text and output that an input came to.
fn size(outputs: &[Output]) -> usize {
    outputs.iter().map(|output| format!("{output:?}").len()).sum()
}

#[test]
fn malformed_json_is_a_reconnect() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let texts = [
        "",
        " ",
        "{",
        "nul",
        "{\"id\":3",
        "\u{0}",
        "[1,2]",
        "7",
        "\"x\"",
        "{}",
        "{\"id\":3}",
        "{\"id\":{}}",
        &deep,
    ];
    for text in texts {
        let mut client = Client::up();
        assert_eq!(told(&client.frame(text)), "hangup", "{:.40}", text);
        assert_eq!(client.machine.phase(), Phase::Dialing);
    }
}

#[test]
fn a_wrong_type_in_any_field_of_any_message_is_settled_or_recovered_from() {
    let (mut hangups, mut unknown, mut lost) = (0, 0, 0);
    let mut tried = 0;
    for (name, frame) in frames::real() {
        for mutant in frames::mutants(&frame) {
            tried += 1;
            let mut client = Client::new();
            client.ask(start("a"));
            client.dialed();
            if name == "initialize" {
                client.frame(&mutant.to_string());
                continue; // Up, refused for good, or waiting for its own timeout: all of them states.
            }
            client.frame(HELLO);
            if name != "start" {
                client.frame(STARTED);
                client.ask(write("a"));
            }
            let outputs = client.frame(&mutant.to_string());
            let told = told(&outputs);
            hangups += u32::from(told.contains("hangup"));
            unknown += u32::from(told.contains("ambiguous"));
            lost += u32::from(told.contains("lost"));
            // Whatever it was, a server that then makes sense is served, or the connection was given up.
            if told.contains("hangup") {
                assert_eq!(client.machine.phase(), Phase::Dialing, "{mutant}");
            } else {
                assert_eq!(client.machine.phase(), Phase::Up, "{mutant}");
                assert!(size(&outputs) < 10_000, "{mutant}");
            }
        }
    }
    assert!(
        500 < tried && 100 < hangups && 20 < unknown,
        "{tried} {hangups} {unknown} {lost}"
    );
}

#[test]
fn base64_that_is_not_is_a_reconnect_or_a_lost_process() {
    for chunk in ["*", "eA", "eA=", "eA==\n", "e A==", "eA==eA==", "\u{fc}"] {
        let mut client = Client::up();
        assert_eq!(told(&client.frame(&output("a", 1, chunk))), "hangup", "{chunk:?}");
        // The same in what the client catches up with.
        client.dialed();
        client.frame(HELLO);
        let read = json!({"id": 2, "result": {
            "chunks": [{"seq": 1, "stream": "stdout", "chunk": chunk}],
            "nextSeq": 2, "exited": false, "closed": false,
        }});
        let outputs = client.frame(&read.to_string());
        assert_eq!(told(&outputs), "settled k2 ambiguous, lost a", "{chunk:?}");
        assert_eq!(client.machine.phase(), Phase::Up);
    }
}

#[test]
fn a_huge_frame_is_passed_on_or_fails_its_process_and_is_not_kept() {
    let huge = "eHh4".repeat(8 << 20);
    let mut client = Client::up();
    assert_eq!(told(&client.frame(&output("a", 1, &huge))), "output 1");
    assert_eq!(
        told(&client.frame(&output("a", 3, &huge))),
        "settled k2 ambiguous, lost a"
    );
    assert_eq!(
        told(&client.frame(&output("a", 2, &huge))),
        "",
        "nobody listens any more"
    );
    assert_eq!(client.machine.phase(), Phase::Up);
}

#[test]
fn a_huge_refusal_is_not_multiplied_by_those_who_are_told() {
    let huge = "x".repeat(8 << 20);
    let mut client = Client::new();
    client.ask(start("a"));
    for _ in 0..200 {
        client.ask(write("a"));
    }
    client.dialed();
    let refusal = json!({"id": 1, "error": {"code": -32600, "message": huge}});
    let outputs = client.frame(&refusal.to_string());
    assert!(told(&outputs).ends_with("gave up"), "{}", told(&outputs));
    assert!(
        size(&outputs) < 1 << 20,
        "{} bytes for one refusal",
        size(&outputs)
    );

    // Another session than the one that was asked for, with a huge name.
    let mut client = Client::up();
    for _ in 0..200 {
        client.ask(write("a"));
    }
    client.frame("{");
    client.dialed();
    let other = json!({"id": 1, "result": {"sessionId": huge}});
    let outputs = client.frame(&other.to_string());
    assert!(told(&outputs).ends_with("gave up"), "{}", told(&outputs));
    assert!(size(&outputs) < 1 << 20, "{} bytes for one name", size(&outputs));

    // A process that cannot be recovered, at length.
    let mut client = Client::up();
    for _ in 0..200 {
        client.ask(write("a"));
    }
    client.frame("{");
    client.dialed();
    client.frame(HELLO);
    let read = json!({"id": 2, "result": {
        "chunks": [], "nextSeq": 1, "exited": false, "closed": false, "failure": huge,
    }});
    let outputs = client.frame(&read.to_string());
    assert!(told(&outputs).ends_with("lost a"), "{}", told(&outputs));
    assert!(
        size(&outputs) < 1 << 20,
        "{} bytes for one failure",
        size(&outputs)
    );
}

#[test]
fn an_answer_that_comes_twice_or_to_no_question_is_dropped() {
    let mut client = Client::up();
    assert_eq!(told(&client.frame(ACCEPTED)), "settled k2 applied");
    for id in ["3", "2", "1", "0", "-1", "9223372036854775807", "\"3\"", "\"\""] {
        let again = ACCEPTED.replace('3', id);
        assert_eq!(told(&client.frame(&again)), "", "{id}");
        let refused =
            format!(r#"{{"id":{id},"error":{{"code":-32000,"message":"JSON-RPC transport closed"}}}}"#);
        assert_eq!(told(&client.frame(&refused)), "", "{id}");
        let asked = format!(r#"{{"id":{id},"method":"network/policyRequest","params":{{}}}}"#);
        assert_eq!(told(&client.frame(&asked)), "", "{id}");
    }
    assert_eq!(client.machine.phase(), Phase::Up);
}

#[test]
fn a_server_that_never_answers_is_left_and_at_last_given_up() {
    let mut client = Client::up();
    let mut hangups = 0;
    for _ in 0..1_000 {
        let outputs = client.wake();
        hangups += u32::from(told(&outputs).contains("hangup"));
        if client.machine.phase() == Phase::Failed {
            assert!(told(&outputs).ends_with("settled k2 ambiguous, lost a, gave up"));
            assert!(1 < hangups);
            assert!(client.now < Time::from_millis(60_000), "only at {}", client.now);
            return;
        }
        if client.machine.phase() == Phase::Dialing {
            client.dialed(); // It accepts everybody, and says nothing.
        }
    }
    panic!("it never gives up");
}

#[test]
fn sequence_numbers_that_go_backwards_are_dropped() {
    let mut client = Client::up();
    for seq in 1..=3 {
        assert_eq!(
            told(&client.frame(&output("a", seq, "eA=="))),
            format!("output {seq}")
        );
    }
    for seq in [3, 2, 1, 0] {
        assert_eq!(told(&client.frame(&output("a", seq, "eQ=="))), "");
    }
    assert_eq!(told(&client.frame(&output("a", 4, "eA=="))), "output 4");
}

#[test]
fn sequence_numbers_that_jump_fail_their_process_alone() {
    let mut client = Client::up();
    client.ask(start("b"));
    client.frame(r#"{"id":4,"result":{"processId":"b"}}"#);
    assert_eq!(told(&client.frame(&output("a", u64::MAX, "eA=="))), "");
    let closed = json!({"method": "process/closed", "params": {"processId": "a", "seq": u64::MAX}});
    assert_eq!(told(&client.frame(&closed.to_string())), "", "the place is taken");
    assert_eq!(told(&client.frame(&output("a", 1, "eA=="))), "output 1");
    let lost = (0..300).map(|n| told(&client.frame(&output("a", u64::MAX - 1 - n, "eA=="))));
    assert_eq!(lost.collect::<String>(), "settled k2 ambiguous, lost a");
    assert_eq!(
        told(&client.frame(&output("b", 1, "eA=="))),
        "output 1",
        "the other goes on"
    );
}

#[test]
fn a_catch_up_that_jumps_loses_its_process_and_keeps_nothing_of_it() {
    for (chunks, next) in [
        (vec![], u64::MAX),
        (vec![u64::MAX], 2),
        (vec![1, 5], 2),
        (vec![2], 3),
        (vec![u64::MAX], u64::MAX),
    ] {
        let mut client = Client::up();
        client.frame("{");
        client.dialed();
        client.frame(HELLO);
        let chunks: Vec<_> = chunks
            .iter()
            .map(|seq| json!({"seq": seq, "stream": "stdout", "chunk": "eA=="}))
            .collect();
        let read =
            json!({"id": 2, "result": {"chunks": chunks, "nextSeq": next, "exited": false, "closed": false}});
        let outputs = client.frame(&read.to_string());
        assert!(
            told(&outputs).ends_with("settled k2 ambiguous, lost a"),
            "{read}: {}",
            told(&outputs)
        );
        assert_eq!(client.machine.phase(), Phase::Up);
    }
}

#[test]
fn a_million_tiny_frames_change_nothing() {
    const EACH: u64 = 200_000;
    let mut client = Client::up();
    assert_eq!(told(&client.frame(&output("a", 1, "eA=="))), "output 1");
    let mut outputs = 0;
    for n in 0..EACH {
        let frames = [
            output("a", 1, "eA=="),
            output("nobody", n, "eA=="),
            format!(r#"{{"id":{},"result":{{}}}}"#, n + 100),
            r#"{"method":"x","params":7}"#.to_owned(),
            format!(r#"{{"id":{n},"method":"x"}}"#),
        ];
        outputs += frames
            .iter()
            .map(|frame| client.frame(frame).len())
            .sum::<usize>();
    }
    assert_eq!(outputs, 0);
    // A write is answered as before, and so is the deadline of what is not.
    assert_eq!(told(&client.frame(ACCEPTED)), "settled k2 applied");
    assert_eq!(client.machine.phase(), Phase::Up);
}

#[test]
fn frames_that_wait_for_an_earlier_one_are_bounded() {
    let mut client = Client::up();
    let mut taken = 0;
    for seq in 2..1_000_u64 {
        let outputs = client.frame(&output("a", seq, "eA=="));
        if !outputs.is_empty() {
            assert_eq!(told(&outputs), "settled k2 ambiguous, lost a");
            break;
        }
        taken += 1;
    }
    assert_eq!(taken, 256);
}

#[test]
fn callers_beyond_the_bound_are_told_to_wait() {
    let mut client = Client::up();
    let full = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::Full { .. }));
    let turned_away = (0..100_000).filter(|_| full(&client.ask(write("a")))).count();
    assert_eq!(turned_away, 100_000 - 255, "one was there before");
    client.now = client.now + Duration::from_secs(1);
    assert!(client.frame(ACCEPTED).contains(&Output::Room));
}
