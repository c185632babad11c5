//! A mock of codex's exec server: sessions, processes and the wire, as the published versions behave.
//!
//! [`ExecServer`] keeps the contract of every machine here: `handle` one [`Input`], drain `poll`, come back at
//! `deadline` with [`Input::Wake`]. A [`Preset`] makes it one version or another, a [`Bug`] plants a mistake, a
//! [`Script`] is a program that it can run beside those of the `program` module's table. What it really did it tells
//! as [`News`].
//!
//! Not modelled: a terminal's echo, and a grandchild that holds a process's pipes
//! after its end.

mod bug;
mod dispatch;
mod fs;
mod http;
mod news;
mod preset;
mod process;
mod program;
mod script;
mod session;
mod shared;
mod shuffle;
mod starting;
mod timers;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use unplug_reconnect::id::{ConnId, ProcessId, SessionId};
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{Decoded, Message, decode};
use unplug_reconnect::wire::rpc::RequestId;

pub use bug::Bug;
pub use news::{News, ResumeRefusal};
pub use preset::{Cwd, Dispatch, NextSeq, Preset, WriteIds};
pub use script::{Script, Step, StepAct, When};

use session::{Session, SessionKey};
use shared::{Conn, LateAnswer, Shared};
use shuffle::Shuffle;
use timers::{Key, Timers};

/// How many received messages of one connection the real server holds before it stops reading (sheet 10, "Queues").
pub const INBOX_MAX: usize = 128;

/// What a server is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which version it behaves as.
    pub preset: Preset,
    /// The planted mistake; `None` in every real test.
    pub bug: Option<Bug>,
    /// Where session ids come from.
    pub seed: Seed,
    /// Programs that it can run beside the built-in ones.
    pub programs: Vec<Script>,
    /// What takes its time; nothing unless told.
    pub delays: Delays,
    /// Whether it is the child of its client, behind pipes. Then its sessions have no lease: they end with their
    /// connection, and their processes with them (sheet 12, 39).
    pub is_child: bool,
}

impl Config {
    /// A server without a bug, with the built-in programs alone.
    pub fn new(preset: Preset, seed: Seed) -> Self {
        Self {
            preset,
            bug: None,
            seed,
            programs: Vec::new(),
            delays: Delays::default(),
            is_child: false,
        }
    }
}

/// What takes its time in a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// Between taking a session over and answering `initialize`. Live notifications of a resumed session come in that
    /// time, before the answer (sheet 3, "Resume").
    pub initialize: Duration,
    /// Between taking a start and having the process. It is `starting` meanwhile (sheet 2.3 and 2.5).
    pub start: Duration,
    /// The most that a notification of a process waits, by the seed, so that they overtake each other: numbers are
    /// given under a lock, and sent after it by three tasks (sheet 4.1).
    pub shuffle: Duration,
}

/// What happens to the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A connection is open, the WebSocket upgrade included.
    Accepted {
        /// A new one.
        conn: ConnId,
    },
    /// A message arrived.
    Received {
        /// On this connection.
        conn: ConnId,
        /// The message.
        message: Message,
    },
    /// A text frame arrived, decoded or not.
    Text {
        /// On this connection.
        conn: ConnId,
        /// Whatever it says.
        text: String,
    },
    /// The server noticed that a connection ended.
    Closed {
        /// Which.
        conn: ConnId,
    },
    /// The transport takes nothing more on this connection: the outbound queue is full. From then on nothing is begun
    /// for it, and nobody reads the pipes of its session's processes (sheet 10).
    Congested {
        /// Which.
        conn: ConnId,
    },
    /// The outbound queue has room again.
    Writable {
        /// Which.
        conn: ConnId,
    },
    /// Fault: a child leaves with this code. The first session, in the order of opening, that has it running is meant.
    ExitProcess {
        /// Which.
        process: ProcessId,
        /// Its code.
        code: i32,
    },
    /// Fault: a child prints so many chunks in one moment. The first session that has it running is meant.
    Burst {
        /// Which.
        process: ProcessId,
        /// How many.
        chunks: u32,
    },
    /// The deadline has come.
    Wake,
}

/// Which request a message answers: where it was asked, what its id was there, and its method. By the server's own
/// books, so an answer that went astray can be told by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Where it was asked.
    pub conn: ConnId,
    /// Its id there.
    pub request: RequestId,
    /// Its method.
    pub method: Cow<'static, str>,
}

/// What the server does.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Sends a message.
    Send {
        /// On this connection.
        conn: ConnId,
        /// The message.
        message: Message,
        /// The request that it answers. `None` for a notification, and for the answer to what was no message.
        answers: Option<Origin>,
    },
    /// Sends a WebSocket ping. It never waits for the pong (sheet 10).
    Ping {
        /// On this connection.
        conn: ConnId,
    },
    /// Ends a connection.
    Close {
        /// Which.
        conn: ConnId,
        /// In words.
        why: &'static str,
    },
    /// Tells what it did.
    News(News),
}

/// The exec server. See the module's documentation.
#[derive(Debug)]
pub struct ExecServer {
    shared: Shared,
    scripts: Vec<Arc<Script>>,
    files: fs::Tree,
    seed: Seed,
    environment_info: Option<Value>,
    sessions: BTreeMap<SessionKey, Session>,
    names: BTreeMap<SessionId, SessionKey>,
    opened: SessionKey,
}

impl ExecServer {
    /// A server that nobody has connected to yet.
    pub fn new(config: Config) -> Self {
        let environment_info = config.preset.environment_info.then(environment_info);
        let mut preset = config.preset;
        if config.is_child {
            preset.detached_ttl = Duration::ZERO;
        }
        Self {
            shared: Shared {
                preset,
                bug: config.bug,
                conns: BTreeMap::new(),
                timers: Timers::default(),
                outputs: VecDeque::new(),
                unblocked: Vec::new(),
                late_answers: VecDeque::new(),
                late_armed: None,
                stray_bodies: Vec::new(),
                says: Vec::new(),
                delays: config.delays,
                shuffle: Shuffle::new(config.seed),
            },
            scripts: config.programs.into_iter().map(Arc::new).collect(),
            files: fs::Tree::default(),
            seed: config.seed.of("session"),
            environment_info,
            sessions: BTreeMap::new(),
            names: BTreeMap::new(),
            opened: 0,
        }
    }

    /// Takes note of what happened at `now`. A word about a connection that is gone is ignored.
    ///
    /// # Panics
    /// If `poll` was not drained before.
    pub fn handle(&mut self, input: Input, now: Time) {
        assert!(
            self.shared.outputs.is_empty(),
            "drain poll() before the next handle()"
        );
        match input {
            Input::Accepted { conn } => self.on_accepted(conn, now),
            Input::Received { conn, message } => self.on_received(conn, Decoded::Message(message), now),
            Input::Text { conn, text } => self.on_received(conn, decode(&text), now),
            Input::Closed { conn } => self.end(conn, now),
            Input::Congested { conn } => self.on_congested(conn),
            Input::Writable { conn } => self.on_writable(conn, now),
            Input::ExitProcess { process, code } => self.on_exit_process(&process, code, now),
            Input::Burst { process, chunks } => self.on_burst(&process, chunks, now),
            Input::Wake => self.on_wake(now),
        }
        while !self.shared.unblocked.is_empty() {
            let conn = self.shared.unblocked.remove(0);
            self.look_into_inbox(conn, now);
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.shared.outputs.pop_front()
    }

    /// When to `handle` [`Input::Wake`].
    pub fn deadline(&self) -> Option<Time> {
        self.shared.timers.next()
    }

    /// Whether the server would read another message of this connection from the transport now. A world that models
    /// inbound backpressure asks before it delivers; a message that comes all the same is kept.
    pub fn has_room(&self, conn: ConnId) -> bool {
        self.shared
            .conns
            .get(&conn)
            .is_none_or(|conn| conn.inbox.len() < INBOX_MAX)
    }

    fn on_accepted(&mut self, conn: ConnId, now: Time) {
        let ping_at = now + self.shared.preset.ping_interval;
        self.shared
            .conns
            .entry(conn)
            .or_insert_with(|| Conn::new(ping_at));
        self.shared.arm_conn(conn);
    }

    fn on_received(&mut self, conn: ConnId, received: Decoded, now: Time) {
        let Some(state) = self.shared.conns.get(&conn) else {
            return;
        };
        if state.inbox.is_empty() && !self.shared.is_busy(state) {
            self.dispatch(conn, received, now);
        } else if let Some(state) = self.shared.conns.get_mut(&conn) {
            state.inbox.push_back(received);
        }
    }

    fn look_into_inbox(&mut self, conn: ConnId, now: Time) {
        while let Some(state) = self.shared.conns.get(&conn)
            && !self.shared.is_busy(state)
            && let Some(state) = self.shared.conns.get_mut(&conn)
            && let Some(received) = state.inbox.pop_front()
        {
            self.dispatch(conn, received, now);
        }
    }

    fn on_congested(&mut self, conn: ConnId) {
        let Some(state) = self.shared.conns.get_mut(&conn) else {
            return;
        };
        state.congested = true;
        if let Some(session) = state.session.and_then(|key| self.sessions.get_mut(&key)) {
            session.block(&mut self.shared);
        }
    }

    fn on_writable(&mut self, conn: ConnId, now: Time) {
        let Some(state) = self.shared.conns.get_mut(&conn) else {
            return;
        };
        state.congested = false;
        for (message, answers) in state.outbox.drain(..) {
            self.shared.outputs.push_back(Output::Send {
                conn,
                message,
                answers,
            });
        }
        if let Some(session) = state.session.and_then(|key| self.sessions.get_mut(&key))
            && session.attached() == Some(conn)
        {
            session.unblock(&mut self.shared, now);
        }
        self.advance_exchanges(conn, now);
        self.shared.arm_conn(conn);
        self.shared.unblocked.push(conn);
    }

    fn on_exit_process(&mut self, process: &ProcessId, code: i32, now: Time) {
        if let Some(session) = self.sessions.values_mut().find(|session| session.runs(process)) {
            session.with(process, &mut self.shared, |process, place, shared| {
                process.exit(code, place, shared, now);
            });
        }
    }

    fn on_burst(&mut self, process: &ProcessId, chunks: u32, now: Time) {
        if let Some(session) = self.sessions.values_mut().find(|session| session.runs(process)) {
            session.with(process, &mut self.shared, |process, place, shared| {
                process.burst(chunks, place, shared, now);
            });
        }
    }

    fn on_wake(&mut self, now: Time) {
        while let Some(key) = self.shared.timers.pop(now) {
            match key {
                Key::Process(key, process) => {
                    if let Some(session) = self.sessions.get_mut(&key) {
                        session.wake(&process, &mut self.shared, now);
                    }
                }
                Key::Answers => self.on_late_answers(now),
                Key::Shuffle => self.shared.on_shuffled(now),
                Key::Conn(conn) => self.on_conn_due(conn, now),
                Key::Session(key) => self.expire(key, now),
            }
        }
    }

    /// An `initialize` has taken its time, an origin has something to say, or a ping is due. Ticks that were missed are skipped (sheet 10).
    fn on_conn_due(&mut self, conn: ConnId, now: Time) {
        let Some(state) = self.shared.conns.get_mut(&conn) else {
            return;
        };
        state.armed = None;
        let greeting = state.greeting.take_if(|(due, ..)| *due <= now);
        if state.ping_at <= now {
            let interval = self.shared.preset.ping_interval;
            let late = now.since(state.ping_at).as_nanos() % interval.as_nanos().max(1);
            let late = Duration::from_nanos(u64::try_from(late).unwrap_or(0));
            state.ping_at = now + interval.saturating_sub(late);
            if !state.congested && self.shared.bug != Some(Bug::NoPings) {
                self.shared.outputs.push_back(Output::Ping { conn });
            }
        }
        if let Some((_, origin, reply)) = greeting {
            self.shared.answer(origin, Ok(reply));
            self.shared.unblocked.push(conn);
        }
        self.advance_exchanges(conn, now);
        self.shared.arm_conn(conn);
    }

    /// [`Bug::AnswerOnCurrentConnection`]: what was held back goes to whoever is attached by now.
    fn on_late_answers(&mut self, now: Time) {
        self.shared.late_armed = None;
        for late in std::mem::take(&mut self.shared.late_answers) {
            let session = self.sessions.get(&late.session);
            match session.map(Session::attached) {
                None => {}
                Some(Some(conn)) if late.due <= now => {
                    self.shared.send(conn, late.message, Some(late.origin));
                }
                Some(_) => self.shared.late_answers.push_back(late),
            }
        }
        let dues = self.shared.late_answers.iter().map(|late| late.due);
        let due = dues.filter(|due| now < *due).min();
        self.shared
            .timers
            .set(&mut self.shared.late_armed, due, || Key::Answers);
    }

    /// A lease ended.
    fn expire(&mut self, key: SessionKey, now: Time) {
        if let Some(session) = self.sessions.remove(&key) {
            self.names.remove(&session.id);
            session.expire(&mut self.shared, now);
        }
    }

    /// The server ends a connection.
    fn close(&mut self, conn: ConnId, why: &'static str, now: Time) {
        self.shared.outputs.push_back(Output::Close { conn, why });
        self.end(conn, now);
    }

    /// A connection is over: what it waited for is cancelled, its session detached.
    fn end(&mut self, conn: ConnId, now: Time) {
        let Some(mut state) = self.shared.forget(conn) else {
            return;
        };
        let Some(key) = state.session else { return };
        http::keep_bodies(&mut state, key, &mut self.shared);
        if self.shared.has(Bug::AnswerOnCurrentConnection) {
            for (message, answers) in state.outbox {
                self.shared.late_answers.extend(answers.map(|origin| LateAnswer {
                    due: now,
                    session: key,
                    origin,
                    message,
                }));
            }
        }
        if let Some(session) = self.sessions.get_mut(&key) {
            session.cancel(conn, &mut self.shared);
            if session.attached() == Some(conn) {
                session.detach(conn, &mut self.shared, now);
            }
        }
    }
}

/// The keys that 0.169 sends (sheet 2.3). The recordings say nothing of their values.
fn environment_info() -> Value {
    json!({
        "shell": { "name": "sh", "path": "/bin/sh" },
        "executorVersion": "0.0.0",
        "providerId": null,
        "cwd": "file:///",
        "userHomeDir": "file:///root",
        "platformOs": "linux",
        "prependPathDirs": [],
        "temporaryDirectories": ["file:///tmp"],
        "tempDir": "file:///tmp",
        "capabilities": [],
    })
}
