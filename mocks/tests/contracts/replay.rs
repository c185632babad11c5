//! Goes through the events of a transcript with a mock server, by the rules of `contracts/README.md`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value;
use unplug_mocks::exec::{Config, Cwd, ExecServer, Input, Output};
use unplug_reconnect::id::{ConnId, ConnIds, Purpose};
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;

use super::matching::Bindings;
use super::transcript::{Cut, Event, Expected, Mark, Transcript};

/// How long a line may stay without a message.
const LINE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server gets to notice a cut.
const NOTICE: Duration = Duration::from_millis(100);
/// How long nothing may come after the last event.
const QUIET: Duration = Duration::from_millis(200);

/// What a client got on one connection: a message, or `None` for the end.
type Got = Option<Value>;

/// A line that is waited for: its number, its connection, what it says.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    line: usize,
    conn: u64,
    what: &'a Expected,
    mark: Mark,
}

/// One way to read what came so far: which lines it used up (by number), and which ids it bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Reading {
    used: BTreeSet<usize>,
    bound: Bindings,
}

struct Replay<'a> {
    server: ExecServer,
    now: Time,
    ids: ConnIds,
    names: BTreeMap<u64, ConnId>,
    /// What came and was not read, by connection. A connection that is not in here takes nothing more.
    got: BTreeMap<u64, VecDeque<Got>>,
    loose: &'a [String],
    /// All readings that fit. More than one while a message could be meant by several lines.
    readings: BTreeSet<Reading>,
    /// Optional lines of earlier blocks.
    optional: Vec<Wanted<'a>>,
    /// The last number of every stream of every process.
    seqs: BTreeMap<(u64, String, String), u64>,
}

/// Replays a transcript against a fresh mock of its version.
pub(crate) fn replay(transcript: &Transcript) -> Result<(), String> {
    let mut config = Config::new(transcript.preset.clone(), Seed(1));
    config.programs.clone_from(&transcript.programs);
    let cwd = match transcript.preset.cwd {
        Cwd::Path => "/srv",
        Cwd::PathOrUri | Cwd::Uri => "file:///srv",
    };
    let mut replay = Replay {
        server: ExecServer::new(config),
        now: Time::ZERO,
        ids: ConnIds::new(0, Purpose::Session),
        names: BTreeMap::new(),
        got: BTreeMap::new(),
        loose: &transcript.loose,
        readings: BTreeSet::from([Reading::default()]),
        optional: Vec::new(),
        seqs: BTreeMap::new(),
    };
    let mut events = transcript.events.iter().peekable();
    while let Some((line, event)) = events.next() {
        match event {
            Event::Open { conn } => replay.open(*conn),
            Event::Send { conn, message } => {
                let bound = &replay.readings.first().expect("a block leaves a reading").bound;
                let message = bound.fill(message, cwd).map_err(|why| format!("{line}: {why}"))?;
                replay.send(*conn, message.to_string());
            }
            Event::SendText { conn, text } => replay.send(*conn, text.clone()),
            Event::Cut { conn, how } => {
                replay.cut(*conn, *how);
                if !matches!(events.peek(), Some((_, Event::Sleep(_)))) {
                    replay.run(replay.now + NOTICE);
                }
            }
            Event::Sleep(length) => replay.run(replay.now + *length),
            Event::Expect { conn, what, mark } => {
                let mut block = vec![Wanted {
                    line: *line,
                    conn: *conn,
                    what,
                    mark: *mark,
                }];
                while let Some((line, Event::Expect { conn, what, mark })) = events.peek() {
                    block.push(Wanted {
                        line: *line,
                        conn: *conn,
                        what,
                        mark: *mark,
                    });
                    events.next();
                }
                replay.block(&block)?;
            }
        }
    }
    replay.end()
}

impl<'a> Replay<'a> {
    fn handle(&mut self, input: Input) {
        self.server.handle(input, self.now);
        while let Some(output) = self.server.poll() {
            let (conn, got) = match output {
                Output::Send { conn, message, .. } => {
                    let text = message.encode();
                    (
                        conn,
                        Some(serde_json::from_str(&text).expect("the server sends JSON")),
                    )
                }
                Output::Close { conn, .. } => (conn, None),
                Output::Ping { .. } | Output::News(_) => continue,
            };
            let name = self.names.iter().find(|(_, id)| **id == conn);
            if let Some(queue) = name.and_then(|(name, _)| self.got.get_mut(name)) {
                queue.push_back(got);
            }
        }
    }

    /// Lets the server act until then.
    fn run(&mut self, until: Time) {
        while let Some(due) = self.server.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.handle(Input::Wake);
        }
        self.now = until;
    }

    fn open(&mut self, conn: u64) {
        let id = self.ids.mint();
        self.names.insert(conn, id);
        self.got.insert(conn, VecDeque::new());
        self.handle(Input::Accepted { conn: id });
    }

    /// A send on a connection that has ended may fail.
    fn send(&mut self, conn: u64, text: String) {
        if let Some(id) = self.names.get(&conn) {
            self.handle(Input::Text { conn: *id, text });
        }
    }

    fn cut(&mut self, conn: u64, how: Cut) {
        let Some(id) = self.names.get(&conn).copied() else {
            return;
        };
        match how {
            Cut::Rst | Cut::Fin | Cut::Close => {
                self.got.remove(&conn);
                self.handle(Input::Closed { conn: id });
            }
            Cut::CloseFrame => {
                self.handle(Input::Closed { conn: id });
                self.got.entry(conn).or_default().push_back(None);
            }
        }
    }

    fn block(&mut self, block: &[Wanted<'a>]) -> Result<(), String> {
        let deadline = self.now + LINE_TIMEOUT;
        let conns: BTreeSet<u64> = block.iter().map(|wanted| wanted.conn).collect();
        loop {
            if let Some(done) = self.readings.iter().find(|reading| is_complete(reading, block)) {
                self.readings = BTreeSet::from([done.clone()]);
                break;
            }
            let next = conns
                .iter()
                .find_map(|conn| Some((*conn, self.got.get_mut(conn)?.pop_front()?)));
            if let Some((conn, got)) = next {
                self.take(conn, &got, block)?;
                continue;
            }
            let Some(due) = self.server.deadline().filter(|due| *due <= deadline) else {
                let missing = missing(&self.readings, block);
                return Err(format!(
                    "{}: nothing came within 10 s for {}",
                    missing.line,
                    show(missing.what)
                ));
            };
            self.now = self.now.max(due);
            self.handle(Input::Wake);
        }
        let optional = block.iter().filter(|wanted| wanted.mark == Mark::Optional);
        self.optional.extend(optional.copied());
        Ok(())
    }

    /// Accounts for one message in every way that fits.
    fn take(&mut self, conn: u64, got: &Got, block: &[Wanted<'a>]) -> Result<(), String> {
        let line = block
            .iter()
            .find(|wanted| wanted.conn == conn)
            .map_or(0, |wanted| wanted.line);
        if let Some(why) = self.out_of_order(conn, got) {
            return Err(format!("{line}: {why}"));
        }
        let mut readings = BTreeSet::new();
        for reading in &self.readings {
            for wanted in block.iter().chain(&self.optional) {
                let is_blocked = wanted.mark == Mark::Ordered
                    && block.iter().any(|other| {
                        other.mark == Mark::Ordered
                            && other.conn == conn
                            && other.line < wanted.line
                            && !reading.used.contains(&other.line)
                    });
                if wanted.conn != conn || is_blocked || reading.used.contains(&wanted.line) {
                    continue;
                }
                let mut next = reading.clone();
                let fits = match (wanted.what, got) {
                    (Expected::Eof, None) => true,
                    (Expected::Message(expected), Some(actual)) => {
                        next.bound.matches(expected, actual, self.loose)
                    }
                    (Expected::Eof, Some(_)) | (Expected::Message(_), None) => false,
                };
                if fits {
                    next.used.insert(wanted.line);
                    readings.insert(next);
                }
            }
        }
        if readings.is_empty() {
            let open = |wanted: &&Wanted| {
                wanted.conn == conn
                    && self
                        .readings
                        .iter()
                        .any(|reading| !reading.used.contains(&wanted.line))
            };
            let expected: Vec<String> = block
                .iter()
                .filter(open)
                .map(|wanted| format!("\n  line {}: {}", wanted.line, show(wanted.what)))
                .collect();
            let first = block.iter().find(open).map_or(line, |wanted| wanted.line);
            return Err(format!(
                "{first}: got on connection {conn}\n  {}\nbut expected one of{}",
                show_got(got),
                expected.concat()
            ));
        }
        self.readings = readings;
        Ok(())
    }

    /// The output of one stream of one process comes in rising order, whatever the marks say.
    fn out_of_order(&mut self, conn: u64, got: &Got) -> Option<String> {
        let message = got
            .as_ref()
            .filter(|message| message["method"] == "process/output")?;
        let params = &message["params"];
        let text = |key: &str| params[key].as_str().unwrap_or_default().to_owned();
        let seq = params["seq"].as_u64()?;
        let last = self.seqs.insert((conn, text("processId"), text("stream")), seq)?;
        (seq <= last).then(|| format!("output {seq} came after {last}: {message}"))
    }

    /// Nothing more may come, except what open optional lines account for.
    fn end(mut self) -> Result<(), String> {
        self.run(self.now + QUIET);
        for (conn, mut got) in std::mem::take(&mut self.got) {
            while let Some(got) = got.pop_front() {
                let surplus = format!("got at the end on connection {conn}: {}", show_got(&got));
                self.take(conn, &got, &[]).map_err(|_| surplus)?;
            }
        }
        Ok(())
    }
}

fn is_complete(reading: &Reading, block: &[Wanted]) -> bool {
    block
        .iter()
        .all(|wanted| wanted.mark == Mark::Optional || reading.used.contains(&wanted.line))
}

/// A line that no reading has used up.
fn missing<'a>(readings: &BTreeSet<Reading>, block: &[Wanted<'a>]) -> Wanted<'a> {
    let is_missing = |wanted: &&Wanted| {
        wanted.mark != Mark::Optional
            && readings
                .iter()
                .any(|reading| !reading.used.contains(&wanted.line))
    };
    *block.iter().find(is_missing).expect("the block is not complete")
}

fn show(what: &Expected) -> String {
    match what {
        Expected::Message(message) => message.to_string(),
        Expected::Eof => "the end of the connection".to_owned(),
    }
}

fn show_got(got: &Got) -> String {
    got.as_ref()
        .map_or_else(|| "the end of the connection".to_owned(), Value::to_string)
}
