//! An exec client, its callers, and a server that says what the transcript wants.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use datadriven::TestCase;
use unplug_reconnect::exec::{Exec, Input, Link, News, Op, Output, Phase};
use unplug_reconnect::id::{CallId, ConnId, ConnIds, ProcessId, Purpose};
use unplug_reconnect::policy::{Policy, Replay};
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::DialError;
use unplug_reconnect::wire::exec::{
    BodyDelta, Chunk, ClosedParams, Decoded, ExitedParams, HttpResult, InfoResult, InitializeResult, Message,
    Notification, OutputChunk, OutputParams, ReadResult, Reply, Shell, StartResult, Stream, TerminateResult,
    WriteResult, WriteStatus, decode,
};
use unplug_reconnect::wire::rpc::{RequestId, RpcError};

use super::{Result, answer, flag, needed, preset, print, span, value, word};

#[derive(Default)]
pub(crate) struct Stage {
    machine: Option<Exec>,
    now: Time,
    lines: Vec<String>,
    /// All moves made on this stage.
    pub(crate) moves: BTreeSet<(Phase, Phase)>,
}

impl Stage {
    pub(crate) fn perform(&mut self, case: &mut TestCase) -> Result<String> {
        match case.directive.clone().as_str() {
            "policy" => self.policy(case)?,
            "call" => {
                let op = op(case)?;
                let call = word(case, "a call")?;
                self.handle(Input::Call { call, op })?;
            }
            "reads" => {
                let call = word(case, "a call")?;
                self.handle(Input::Reads { call })?;
            }
            "leave" => {
                let call = word(case, "a call")?;
                self.handle(Input::Leave { call })?;
            }
            "granted" => self.handle(Input::Granted)?,
            "denied" => {
                let again = flag(case, "again")?;
                let why = case.input.trim_end().to_owned();
                self.handle(Input::Denied { why, again })?;
            }
            "wait" => self.now = self.now + span(case, "for")?.ok_or("for is missing")?,
            "wake" => self.wake(flag(case, "now")?)?,
            "refuse" => self.refuse(span(case, "for")?.ok_or("for is missing")?)?,
            "due" => {
                let due = self.machine()?.deadline();
                self.lines
                    .push(due.map_or_else(|| "never".to_owned(), |due| due.to_string()));
            }
            verb => {
                let input = from_peer(verb, case)?;
                self.handle(input)?;
            }
        }
        Ok(answer(&mut self.lines))
    }

    fn policy(&mut self, case: &mut TestCase) -> Result<()> {
        let link = match (flag(case, "signed")?, flag(case, "stdio")?) {
            (true, _) => Link::Signed,
            (false, true) => Link::Stdio,
            (false, false) => Link::Fixed,
        };
        let started = flag(case, "started")?;
        let knobs = Knobs::take(case)?;
        let mut policy = preset(case)?;
        knobs.turn(&mut policy);
        let ids = ConnIds::new(0, Purpose::Session);
        self.machine = Some(Exec::new(Arc::new(policy), link, ids, Seed(1)));
        if started {
            self.start_sh()?;
        }
        Ok(())
    }

    /// The beginning that most stories share: `k0` started `sh` in session `s1`, with the requests `r1` and `r2` of `c1`.
    fn start_sh(&mut self) -> Result<()> {
        let conn = "c1".parse::<ConnId>().map_err(|error| error.to_string())?;
        let process_id = ProcessId::from("sh");
        let start = Op::Start {
            process: process_id.clone(),
            argv: vec!["sh".to_owned()],
            cwd: "/srv".to_owned(),
            stdin: true,
        };
        let call = CallId::new(0);
        let session = InitializeResult {
            session_id: "s1".into(),
            environment_info: None,
        };
        let started = StartResult {
            process_id,
            sandbox_type: None,
        };
        self.handle(Input::Call { call, op: start })?;
        if self.machine()?.phase() == Phase::Fetching {
            self.handle(Input::Granted)?;
        }
        self.handle(Input::Dialed { conn })?;
        for (id, reply) in [(1, Reply::Initialize(session)), (2, Reply::Start(started))] {
            let id = RequestId::Number(id);
            self.handle(Input::Received {
                conn,
                message: Message::Response { id, reply },
            })?;
        }
        self.lines.clear();
        self.lines.push("c1 is up, s1 runs sh".to_owned());
        Ok(())
    }

    fn machine(&mut self) -> Result<&mut Exec> {
        self.machine
            .as_mut()
            .ok_or_else(|| "begin with `policy`".to_owned())
    }

    fn wake(&mut self, at_once: bool) -> Result<()> {
        if !at_once {
            let due = self.machine()?.deadline().ok_or("nothing is due")?;
            self.now = self.now.max(due);
        }
        self.handle(Input::Wake)
    }

    /// Refuses every dial of that time at once, beginning with the one in flight, and tells how many there were.
    fn refuse(&mut self, length: Duration) -> Result<()> {
        let until = self.now + length;
        let mut refused = 0;
        let mut next = "c1".parse::<ConnId>().ok();
        while let Some(due) = self.machine()?.deadline().filter(|due| *due <= until) {
            let phase = self.machine()?.phase();
            if phase == Phase::Dialing {
                return Err("refuse while nothing is dialed".to_owned());
            }
            self.now = self.now.max(due);
            let quiet = self.lines.len();
            self.handle(Input::Wake)?;
            let dialed = self
                .lines
                .iter()
                .skip(quiet)
                .find_map(|line| line.split_once("dial "));
            next = dialed.and_then(|(_, conn)| conn.parse().ok());
            let Some(conn) = next else { break };
            self.handle(Input::DialFailed {
                conn,
                why: DialError::Refused,
            })?;
            if self.machine()?.phase() == Phase::Waiting {
                self.lines.truncate(quiet);
                refused += 1;
            }
        }
        if next.is_some() {
            self.now = until;
        }
        self.lines.insert(0, format!("{refused} dials refused"));
        Ok(())
    }

    fn handle(&mut self, input: Input) -> Result<()> {
        let now = self.now;
        self.machine()?.handle(input, now);
        while let Some(output) = self.machine()?.poll() {
            if let Output::News(News::Moved { from, to }) = output {
                self.moves.insert((from, to));
            }
            self.lines.push(format!("{now} {}", print::output(&output)));
        }
        Ok(())
    }
}

/// What a transcript changes in a preset.
struct Knobs {
    calls_max: Option<usize>,
    body_max: Option<usize>,
    delta_max: Option<usize>,
    writes_max: Option<usize>,
    reorder_max: Option<usize>,
    reorder_bytes: Option<usize>,
    answer_timeout: Option<Duration>,
    attempts_max: Option<u32>,
    no_replay: bool,
    no_catch_up: bool,
}

impl Knobs {
    fn take(case: &mut TestCase) -> Result<Self> {
        Ok(Self {
            calls_max: value(case, "calls-max")?,
            body_max: value(case, "body-max")?,
            delta_max: value(case, "delta-max")?,
            writes_max: value(case, "writes-max")?,
            reorder_max: value(case, "reorder-max")?,
            reorder_bytes: value(case, "reorder-bytes")?,
            answer_timeout: span(case, "answer-timeout")?,
            attempts_max: value(case, "attempts-max")?,
            no_replay: flag(case, "no-replay")?,
            no_catch_up: flag(case, "no-catch-up")?,
        })
    }

    fn turn(self, policy: &mut Policy) {
        let limits = &mut policy.limits;
        limits.calls_max = self.calls_max.or(limits.calls_max);
        limits.body_bytes_max = self.body_max.or(limits.body_bytes_max);
        limits.body_delta_bytes_max = self.delta_max.or(limits.body_delta_bytes_max);
        limits.writes_in_flight_max = self.writes_max.or(limits.writes_in_flight_max);
        limits.reorder_events_max = self.reorder_max.or(limits.reorder_events_max);
        limits.reorder_bytes_max = self.reorder_bytes.or(limits.reorder_bytes_max);
        policy.answer_timeout = self.answer_timeout.or(policy.answer_timeout);
        if let Some(recovery) = &mut policy.recovery {
            recovery.retry.attempts_max = self.attempts_max.or(recovery.retry.attempts_max);
        }
        if self.no_replay {
            policy.replay = Replay::default();
        }
        if self.no_catch_up {
            policy.catch_up = None;
        }
    }
}

fn op(case: &mut TestCase) -> Result<Op> {
    if let Some(process) = process(case, "start")? {
        let argv = vec![process.to_string()];
        return Ok(Op::Start {
            process,
            argv,
            cwd: "/srv".to_owned(),
            stdin: true,
        });
    }
    if let Some(process) = process(case, "write")? {
        let data = Chunk::from(needed::<String>(case, "data")?.as_str());
        return Ok(Op::Write { process, data });
    }
    if let Some(process) = process(case, "read")? {
        let after_seq = value(case, "after")?;
        let wait = span(case, "wait")?.unwrap_or_default();
        return Ok(Op::Read {
            process,
            after_seq,
            wait,
        });
    }
    if let Some(process) = process(case, "signal")? {
        return Ok(Op::Signal { process });
    }
    if let Some(url) = value(case, "http")? {
        return Ok(Op::Http {
            verb: "GET".to_owned(),
            url,
            timeout: span(case, "timeout")?,
            stream: flag(case, "stream")?,
            reading: !flag(case, "unread")?,
        });
    }
    if flag(case, "info")? {
        return Ok(Op::Info);
    }
    if flag(case, "status")? {
        return Ok(Op::Status);
    }
    let process = process(case, "terminate")?.ok_or("no such call")?;
    Ok(Op::Terminate { process })
}

fn process(case: &mut TestCase, name: &str) -> Result<Option<ProcessId>> {
    let name: Option<String> = value(case, name)?;
    Ok(name.map(|name| ProcessId::from(name.as_str())))
}

fn from_peer(verb: &str, case: &mut TestCase) -> Result<Input> {
    let conn: ConnId = word(case, "a connection")?;
    Ok(match verb {
        "dialed" => Input::Dialed { conn },
        "closed" => Input::Closed { conn },
        "heard" => Input::Heard { conn },
        "dial-failed" => Input::DialFailed {
            conn,
            why: dial_error(case)?,
        },
        "text" => match decode(case.input.trim_end()) {
            Decoded::Message(message) => Input::Received { conn, message },
            Decoded::BadParams { .. } | Decoded::NoMessage(_) => Input::Unreadable { conn },
        },
        "output" | "exited" | "ended" => {
            let note = notification(verb, case)?;
            Input::Received {
                conn,
                message: Message::Notification(note),
            }
        }
        "body" => {
            let note = body(case)?;
            Input::Received {
                conn,
                message: Message::Notification(note),
            }
        }
        "answer" => {
            let reply = reply(case)?;
            Input::Received {
                conn,
                message: Message::Response {
                    id: request(case)?,
                    reply,
                },
            }
        }
        "error" => {
            let code = needed(case, "code")?;
            let error = RpcError::new(code, case.input.trim_end());
            Input::Received {
                conn,
                message: Message::Error {
                    id: request(case)?,
                    error,
                },
            }
        }
        _ => return Err(format!("unknown verb {verb}")),
    })
}

fn dial_error(case: &mut TestCase) -> Result<DialError> {
    if let Some(status) = value(case, "status")? {
        return Ok(DialError::Status(status));
    }
    let errors = [DialError::Refused, DialError::Unreachable];
    for error in errors {
        if flag(case, &error.to_string())? {
            return Ok(error);
        }
    }
    Err("no such dial error".to_owned())
}

fn notification(verb: &str, case: &mut TestCase) -> Result<Notification> {
    let seq = needed(case, "seq")?;
    let process_id = process(case, "process")?.ok_or("process is missing")?;
    Ok(match verb {
        "output" => {
            let data: String = needed(case, "data")?;
            Notification::Output(OutputParams {
                process_id,
                output: chunk(seq, &data),
            })
        }
        "exited" => {
            let exit_code = needed(case, "code")?;
            Notification::Exited(ExitedParams {
                process_id,
                seq,
                exit_code,
                sandbox_denied: None,
            })
        }
        _ => Notification::Closed(ClosedParams { process_id, seq }),
    })
}

fn body(case: &mut TestCase) -> Result<Notification> {
    let http: String = needed(case, "of")?;
    let bytes: Option<usize> = value(case, "bytes")?;
    let data: String = value(case, "data")?.unwrap_or_default();
    Ok(Notification::Body(BodyDelta {
        request_id: http.as_str().into(),
        seq: needed(case, "seq")?,
        delta: bytes.map_or_else(
            || Chunk::from(data.as_str()),
            |bytes| Chunk::from(vec![b'.'; bytes]),
        ),
        done: flag(case, "done")?,
        error: value(case, "error")?,
    }))
}

fn chunk(seq: u64, data: &str) -> OutputChunk {
    OutputChunk {
        seq,
        stream: Stream::Stdout,
        chunk: Chunk::from(data),
    }
}

fn request(case: &mut TestCase) -> Result<RequestId> {
    let word: String = word(case, "a request")?;
    let number = word.strip_prefix('r').and_then(|number| number.parse().ok());
    number
        .map(RequestId::Number)
        .ok_or_else(|| format!("{word} is no request"))
}

fn reply(case: &mut TestCase) -> Result<Reply> {
    let statuses = [
        ("accepted", WriteStatus::Accepted),
        ("unknown-process", WriteStatus::UnknownProcess),
        ("stdin-closed", WriteStatus::StdinClosed),
    ];
    for (name, status) in statuses {
        if flag(case, name)? {
            return Ok(Reply::Write(WriteResult { status }));
        }
    }
    if let Some(session) = value::<String>(case, "session")? {
        let session_id = session.as_str().into();
        return Ok(Reply::Initialize(InitializeResult {
            session_id,
            environment_info: None,
        }));
    }
    if let Some(process_id) = process(case, "started")? {
        return Ok(Reply::Start(StartResult {
            process_id,
            sandbox_type: None,
        }));
    }
    if flag(case, "signaled")? {
        return Ok(Reply::Signal);
    }
    if let Some(status) = value(case, "status")? {
        return Ok(Reply::Http(HttpResult {
            status,
            headers: Vec::new(),
            body: Chunk::from(value::<String>(case, "data")?.unwrap_or_default().as_str()),
        }));
    }
    if let Some(path) = value::<String>(case, "shell")? {
        let shell = Shell {
            name: "sh".to_owned(),
            path,
        };
        return Ok(Reply::Info(InfoResult {
            shell,
            cwd: None,
            more: serde_json::Map::new(),
        }));
    }
    if let Some(running) = value(case, "running")? {
        return Ok(Reply::Terminate(TerminateResult { running }));
    }
    let next_seq = needed(case, "next")?;
    let seqs: Option<Vec<u64>> = case.try_take_args("chunks").map_err(|error| error.to_string())?;
    let exit_code = value(case, "exit")?;
    Ok(Reply::Read(ReadResult {
        chunks: seqs
            .unwrap_or_default()
            .into_iter()
            .map(|seq| chunk(seq, &format!("line{seq}")))
            .collect(),
        next_seq,
        exited: exit_code.is_some(),
        exit_code,
        closed: flag(case, "closed")?,
        failure: value(case, "failure")?,
        sandbox_denied: None,
    }))
}
