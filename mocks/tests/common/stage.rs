//! The verbs of the transcripts.

use std::collections::BTreeMap;
use std::time::Duration;

use datadriven::TestCase;
use unplug_mocks::exec::{Bug, Config, ExecServer, Input, News, Output, Preset};
use unplug_reconnect::id::{ConnId, ProcessId};
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::{Time, length};
use unplug_reconnect::wire::exec::{
    Chunk, ExecParams, HttpParams, InitializeParams, Message, Notification, ReadParams, RedirectPolicy,
    Request, Signal, SignalParams, TerminateParams, WriteParams,
};
use unplug_reconnect::wire::rpc::RequestId;

use super::print::{self, Sessions};

/// One server and whoever talks to it.
#[derive(Default)]
pub(crate) struct Stage {
    server: Option<ExecServer>,
    now: Time,
    sessions: Sessions,
    /// The last request id of each connection.
    requests: BTreeMap<ConnId, i64>,
    /// Whether `applied` lines are shown.
    verbose: bool,
    uri: bool,
    lines: Vec<String>,
    /// How many wrote, instead of what, while a command is about many.
    counts: Option<BTreeMap<&'static str, u32>>,
}

type Result<T> = std::result::Result<T, String>;

impl Stage {
    pub(crate) fn perform(&mut self, case: &mut TestCase) -> Result<String> {
        self.lines.clear();
        let verb = case.directive.clone();
        match verb.as_str() {
            "server" => self.server(case)?,
            "at" => {
                let at: Time = format!("+{}", take::<String>(case, "time")?)
                    .parse()
                    .map_err(text)?;
                if at < self.now {
                    return Err(format!("{at} is over"));
                }
                self.now = at;
            }
            "wake" => {
                self.now = self.deadline()?.ok_or("nothing is due")?.max(self.now);
                self.handle(Input::Wake)?;
            }
            "run" => {
                let until = self.now + length::parse(&take::<String>(case, "for")?)?;
                self.run(until)?;
            }
            "due" => {
                let due = self.deadline()?;
                self.lines
                    .push(due.map_or_else(|| "never".to_owned(), |due| due.to_string()));
            }
            "exit" => {
                let process = process(case)?;
                let code = take(case, "code")?;
                self.handle(Input::ExitProcess { process, code })?;
            }
            "burst" => {
                let process = process(case)?;
                let chunks = take(case, "chunks")?;
                self.handle(Input::Burst { process, chunks })?;
            }
            _ => {
                let conn = conn(case)?;
                self.perform_on(&verb, conn, case)?;
            }
        }
        if self.lines.is_empty() {
            self.lines.push("ok".to_owned());
        }
        Ok(self.lines.join("\n") + "\n")
    }

    fn server(&mut self, case: &mut TestCase) -> Result<()> {
        let version: String = take(case, "version")?;
        let preset = Preset::named(&version).ok_or_else(|| format!("no version {version}"))?;
        *self = Self {
            uri: Preset::NAMES.iter().position(|name| *name == version) >= Some(2),
            verbose: case.take_flag("applied").map_err(text)?,
            ..Self::default()
        };
        let mut config = Config::new(preset, Seed(1));
        let bug: Option<String> = case.try_take_arg("bug").map_err(text)?;
        config.bug = bug.map(|bug| bug.parse::<Bug>().map_err(text)).transpose()?;
        for (name, delay) in [
            ("initialize-delay", &mut config.delays.initialize),
            ("start-delay", &mut config.delays.start),
            ("shuffle", &mut config.delays.shuffle),
        ] {
            if let Some(length) = case.try_take_arg::<String>(name).map_err(text)? {
                *delay = length::parse(&length)?;
            }
        }
        self.server = Some(ExecServer::new(config));
        Ok(())
    }

    fn perform_on(&mut self, verb: &str, conn: ConnId, case: &mut TestCase) -> Result<()> {
        match verb {
            "accept" => self.handle(Input::Accepted { conn }),
            "close" => self.handle(Input::Closed { conn }),
            "congest" => self.handle(Input::Congested { conn }),
            "writable" => self.handle(Input::Writable { conn }),
            "initialize" => self.initialize(conn, case),
            "initialized" => self.receive(conn, Message::Notification(Notification::Initialized)),
            // The whole handshake on a new connection.
            "attach" => {
                self.handle(Input::Accepted { conn })?;
                self.initialize(conn, case)?;
                self.receive(conn, Message::Notification(Notification::Initialized))
            }
            "start" => self.start(conn, case),
            "read" => self.read(conn, case),
            "write" => {
                let data: String = take(case, "data")?;
                let id = case.try_take_arg("id").map_err(text)?;
                let process_id = process(case)?;
                self.write(conn, process_id, &format!("{data}\n"), id)
            }
            "writes" => self.writes(conn, case),
            "interrupt" => {
                let process_id = process(case)?;
                let signal = Signal::Interrupt;
                self.request(conn, Request::Signal(SignalParams { process_id, signal }))
            }
            "terminate" => {
                let process_id = process(case)?;
                self.request(conn, Request::Terminate(TerminateParams { process_id }))
            }
            "http" => {
                let params = HttpParams {
                    method: "GET".to_owned(),
                    url: site(&take::<String>(case, "site")?),
                    headers: Vec::new(),
                    body: None,
                    timeout_ms: case.try_take_arg("timeout-ms").map_err(text)?,
                    redirect_policy: RedirectPolicy::Follow,
                    request_id: take::<String>(case, "id")?.as_str().into(),
                    stream_response: case.take_flag("stream").map_err(text)?,
                };
                self.request(conn, Request::Http(params))
            }
            "info" => self.request(conn, Request::Info),
            "status" => self.request(conn, Request::Status),
            "text" => self.handle(Input::Text {
                conn,
                text: case.input.trim_end().to_owned(),
            }),
            _ => Err(format!("unknown verb {verb}")),
        }
    }

    fn initialize(&mut self, conn: ConnId, case: &mut TestCase) -> Result<()> {
        let resume: Option<String> = case.try_take_arg("resume").map_err(text)?;
        let resume = resume.map(|name| {
            self.sessions
                .id(&name)
                .ok_or_else(|| format!("no session {name}"))
        });
        self.request(
            conn,
            Request::Initialize(InitializeParams {
                client_name: "transcript".to_owned(),
                resume_session_id: resume.transpose()?,
            }),
        )
    }

    fn start(&mut self, conn: ConnId, case: &mut TestCase) -> Result<()> {
        let cwd = if self.uri { "file:///srv" } else { "/srv" };
        let params = ExecParams {
            process_id: process(case)?,
            argv: case.take_args("argv").map_err(text)?,
            cwd: cwd.to_owned(),
            env: BTreeMap::new(),
            tty: case.take_flag("tty").map_err(text)?,
            pipe_stdin: !case.take_flag("no-stdin").map_err(text)?,
            arg0: None,
            env_policy: None,
            sandbox: None,
            enforce_managed_network: false,
            managed_network: None,
        };
        self.request(conn, Request::Start(Box::new(params)))
    }

    fn read(&mut self, conn: ConnId, case: &mut TestCase) -> Result<()> {
        let wait: Option<String> = case.try_take_arg("wait").map_err(text)?;
        let wait = wait.map(|wait| length::parse(&wait)).transpose()?;
        let millis = |wait: Duration| u64::try_from(wait.as_millis()).map_err(text);
        let params = ReadParams {
            process_id: process(case)?,
            after_seq: case.try_take_arg("after").map_err(text)?,
            max_bytes: case.try_take_arg("max").map_err(text)?,
            wait_ms: wait.map(millis).transpose()?,
        };
        self.request(conn, Request::Read(params))
    }

    fn write(&mut self, conn: ConnId, process_id: ProcessId, data: &str, id: Option<String>) -> Result<()> {
        let params = WriteParams {
            process_id,
            chunk: Chunk::from(data),
            write_id: id,
        };
        self.request(conn, Request::Write(params))
    }

    /// Many writes, each with its number as id; tells how many of them did what.
    fn writes(&mut self, conn: ConnId, case: &mut TestCase) -> Result<()> {
        let process = process(case)?;
        let from: u64 = take(case, "from")?;
        let to: u64 = take(case, "to")?;
        self.counts = Some(BTreeMap::new());
        for n in from..=to {
            self.write(conn, process.clone(), "x\n", Some(n.to_string()))?;
        }
        for (what, count) in self.counts.take().unwrap_or_default() {
            self.lines.push(format!("{count} {what}"));
        }
        Ok(())
    }

    fn request(&mut self, conn: ConnId, request: Request) -> Result<()> {
        let last = self.requests.entry(conn).or_default();
        *last += 1;
        let id = RequestId::Number(*last);
        self.receive(conn, Message::Request { id, request })
    }

    fn receive(&mut self, conn: ConnId, message: Message) -> Result<()> {
        self.handle(Input::Received { conn, message })
    }

    fn run(&mut self, until: Time) -> Result<()> {
        while let Some(due) = self.deadline()?.filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.handle(Input::Wake)?;
        }
        self.now = until;
        Ok(())
    }

    fn deadline(&self) -> Result<Option<Time>> {
        Ok(self.server.as_ref().ok_or("begin with `server`")?.deadline())
    }

    fn handle(&mut self, input: Input) -> Result<()> {
        let server = self.server.as_mut().ok_or("begin with `server`")?;
        server.handle(input, self.now);
        while let Some(output) = server.poll() {
            if let Some(counts) = &mut self.counts {
                let what = match &output {
                    Output::News(News::Stdin { .. }) => "handed over",
                    Output::Send { answers: Some(_), .. } => "answered",
                    Output::Send { .. } | Output::Ping { .. } | Output::Close { .. } | Output::News(_) => {
                        continue;
                    }
                };
                *counts.entry(what).or_default() += 1;
                continue;
            }
            let is_applied = matches!(output, Output::News(News::Applied { .. }));
            if self.verbose || !is_applied {
                let line = print::output(&output, &mut self.sessions);
                self.lines.push(format!("{} {line}", self.now));
            }
        }
        Ok(())
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn take<T>(case: &mut TestCase, name: &str) -> Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    case.take_arg(name).map_err(text)
}

/// `ticks-5-200ms` is `http://ticks.test/5/200ms`: a word of a transcript has no slashes.
fn site(words: &str) -> String {
    let (host, path) = words.split_once('-').unwrap_or((words, ""));
    format!("http://{host}.test/{}", path.replace('-', "/"))
}

fn process(case: &mut TestCase) -> Result<ProcessId> {
    Ok(ProcessId::from(take::<String>(case, "process")?.as_str()))
}

/// The one word of the command that is a connection.
fn conn(case: &mut TestCase) -> Result<ConnId> {
    // A client's number is written behind a dash, because a slash ends a word here.
    let is_conn = |word: &&String| word.replace('-', "/").parse::<ConnId>().is_ok();
    let word = case.args.keys().find(is_conn).cloned();
    let word = word.ok_or_else(|| format!("unknown verb {}, or no connection", case.directive))?;
    case.take_flag(&word).map_err(text)?;
    word.replace('-', "/").parse().map_err(text)
}
