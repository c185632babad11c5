//! What the server makes of one received message: decode, gate, act (exec-server sheet, 2.2 to 2.5).

use std::borrow::Cow;

use serde::Deserialize as _;
use unplug_reconnect::id::{ConnId, SessionId};
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{
    Decoded, InfoResult, InitializeParams, InitializeResult, Message, Notification, Reply, Request, Shell,
    StatusResult, method,
};
use unplug_reconnect::wire::rpc::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, RequestId, RpcError};

use super::bug::Bug;
use super::http::leak_bodies;
use super::news::{News, ResumeRefusal};
use super::preset::{Cwd, Preset, WriteIds};
use super::session::{Attachment, Session, SessionKey};
use super::shared::{Shared, method_name};
use super::timers::Key;
use super::{ExecServer, Origin};

impl ExecServer {
    pub(super) fn dispatch(&mut self, conn: ConnId, received: Decoded, now: Time) {
        if self.is_stale(conn) {
            return self.close(conn, "its session was resumed by another connection", now);
        }
        match received {
            Decoded::Message(Message::Request { id, request }) => self.on_request(conn, id, request, now),
            Decoded::Message(Message::Notification(note)) => self.on_notification(conn, &note, now),
            Decoded::Message(Message::Response { .. } | Message::Error { .. }) => {
                self.close(conn, "an answer that nobody asked for", now);
            }
            Decoded::BadParams { id, method, error } => {
                let why = if self.shared.preset.knows(&method) {
                    RpcError::new(INVALID_PARAMS, error)
                } else {
                    unknown_method(&method)
                };
                let method = Cow::Owned(method);
                self.refuse(
                    Origin {
                        conn,
                        request: id,
                        method,
                    },
                    why,
                );
            }
            Decoded::NoMessage(words) => {
                let text = format!(
                    "failed to parse websocket JSON-RPC message from exec-server websocket {conn}: {words}"
                );
                let error = RpcError::new(INVALID_REQUEST, text);
                let id = RequestId::Number(-1);
                self.shared.send(conn, Message::Error { id, error }, None);
            }
        }
    }

    /// Whether its session has been resumed by another connection: the real server stops such a connection at its next
    /// inbound event (sheet 3, "Stale owner").
    fn is_stale(&self, conn: ConnId) -> bool {
        let key = self.shared.conns.get(&conn).and_then(|state| state.session);
        key.is_some_and(|key| self.sessions.get(&key).and_then(Session::attached) != Some(conn))
    }

    fn on_notification(&mut self, conn: ConnId, note: &Notification, now: Time) {
        let state = self.shared.conns.get_mut(&conn);
        let state = state.filter(|state| state.session.is_some() && *note == Notification::Initialized);
        let Some(state) = state else {
            return self.close(conn, "a notification that is not expected", now);
        };
        state.initialized = true;
        self.shared.news(News::Applied {
            conn,
            request: None,
            method: Cow::Borrowed(method::INITIALIZED),
        });
    }

    fn on_request(&mut self, conn: ConnId, id: RequestId, request: Request, now: Time) {
        let method = method_name(&request);
        let origin = Origin {
            conn,
            request: id,
            method,
        };
        if let Err(why) = check(&request, &self.shared.preset) {
            return self.refuse(origin, why);
        }
        match request {
            Request::Initialize(params) => self.on_initialize(origin, params, now),
            Request::Other { method, .. } => self.refuse(origin, unknown_method(&method)),
            Request::Start(params) => {
                let scripts = std::mem::take(&mut self.scripts);
                self.in_session(origin, |session, origin, shared| {
                    session.start(origin, *params, &scripts, shared, now);
                });
                self.scripts = scripts;
            }
            Request::Read(params) => {
                self.in_session(origin, |session, origin, shared| {
                    session.read(origin, &params, shared, now)
                });
            }
            Request::Write(params) => {
                self.in_session(origin, |session, origin, shared| {
                    session.write(origin, params, shared, now)
                });
            }
            Request::Signal(params) => {
                self.in_session(origin, |session, origin, shared| {
                    session.signal(origin, &params, shared, now)
                });
            }
            Request::Terminate(params) => {
                self.in_session(origin, |session, origin, shared| {
                    session.terminate(origin, &params, shared, now)
                });
            }
            Request::Http(params) => {
                if let Some((origin, _)) = self.admitted(origin, "http") {
                    self.on_http(origin, params, now);
                }
            }
            Request::Fs(request) => {
                if let Some((origin, _)) = self.admitted(origin, "filesystem") {
                    self.on_fs(origin, &request);
                }
            }
            Request::Info => {
                if let Some((origin, _)) = self.admitted(origin, "environment info") {
                    let info = self.info();
                    self.shared.applied(&origin);
                    self.shared.answer(origin, Ok(Reply::Info(info)));
                }
            }
            Request::Status => {
                if let Some((origin, _)) = self.admitted(origin, "environment status") {
                    let status = "ready".to_owned();
                    self.shared.applied(&origin);
                    self.shared
                        .answer(origin, Ok(Reply::Status(StatusResult { status })));
                }
            }
        }
    }

    /// Lets the session of a connection act, once its handshake is complete.
    fn in_session(&mut self, origin: Origin, act: impl FnOnce(&mut Session, Origin, &mut Shared)) {
        if let Some((origin, session)) = self.admitted(origin, "exec")
            && let Some(session) = self.sessions.get_mut(&session)
        {
            act(session, origin, &mut self.shared);
        }
    }

    /// Lets a request pass whose connection's handshake is complete, with its session; refuses any other (sheet 2.5, "too
    /// early").
    fn admitted(&mut self, origin: Origin, family: &str) -> Option<(Origin, SessionKey)> {
        let state = self.shared.conns.get(&origin.conn);
        let session = state.and_then(|state| state.session);
        let verb = match session.filter(|key| self.sessions.contains_key(key)) {
            None => "call initialize",
            Some(_) if !state.is_some_and(|state| state.initialized) => "send initialized",
            Some(session) => return Some((origin, session)),
        };
        let text = format!("client must {verb} before using {family} methods");
        self.refuse(origin, RpcError::new(INVALID_REQUEST, text));
        None
    }

    pub(super) fn refuse(&mut self, origin: Origin, why: RpcError) {
        self.shared.applied(&origin);
        self.shared.answer(origin, Err(why));
    }

    fn on_initialize(&mut self, origin: Origin, params: InitializeParams, now: Time) {
        let conn = origin.conn;
        if self
            .shared
            .conns
            .get(&conn)
            .is_some_and(|state| state.session.is_some())
        {
            let text = "initialize may only be sent once per connection";
            return self.refuse(origin, RpcError::new(INVALID_REQUEST, text));
        }
        let (key, id) = match params.resume_session_id {
            None => self.open(conn, None),
            Some(id) => match self.resume(conn, id, now) {
                Ok(resumed) => resumed,
                Err(why) => return self.refuse(origin, why),
            },
        };
        self.shared.applied(&origin);
        let reply = Reply::Initialize(InitializeResult {
            session_id: id,
            environment_info: self.environment_info.clone(),
        });
        let Some(state) = self.shared.conns.get_mut(&conn) else {
            return;
        };
        state.session = Some(key);
        if self.shared.delays.initialize.is_zero() {
            self.shared.answer(origin, Ok(reply));
        } else {
            state.greeting = Some((now + self.shared.delays.initialize, origin, reply));
            self.shared.arm_conn(conn);
        }
    }

    /// What `environment/info` answers. 0.169 adds the keys of `environmentInfo` (sheet 2.3).
    fn info(&self) -> InfoResult {
        let known = self.environment_info.as_ref();
        let decoded = known.and_then(|info| InfoResult::deserialize(info).ok());
        decoded.unwrap_or_else(|| InfoResult {
            shell: Shell {
                name: "sh".to_owned(),
                path: "/bin/sh".to_owned(),
            },
            cwd: None,
            more: serde_json::Map::new(),
        })
    }

    /// Opens a session with the next id of the seed, or with this one.
    fn open(&mut self, conn: ConnId, id: Option<SessionId>) -> (SessionKey, SessionId) {
        self.opened += 1;
        let key = self.opened;
        let id = id.unwrap_or_else(|| self.new_id(key));
        self.names.insert(id.clone(), key);
        self.sessions.insert(key, Session::new(key, id.clone(), conn));
        self.shared.news(News::SessionOpened {
            session: id.clone(),
            conn,
        });
        (key, id)
    }

    /// A `UUIDv4`, as the real server makes them.
    fn new_id(&self, key: SessionKey) -> SessionId {
        let (high, low) = (
            self.seed.draw(2 * u64::from(key)),
            self.seed.draw(2 * u64::from(key) + 1),
        );
        let text = format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            0x8000 | low >> 48 & 0x3fff,
            low & 0xffff_ffff_ffff,
        );
        SessionId::from(text.as_str())
    }

    /// Hands a session to this connection, unless it has another (sheet 3, "Resume").
    fn resume(
        &mut self,
        conn: ConnId,
        id: SessionId,
        now: Time,
    ) -> Result<(SessionKey, SessionId), RpcError> {
        let asked = self.names.get(&id).copied();
        if let Some(other) = self.leaked(conn, asked) {
            self.attach(other, conn, now);
            return Ok((other, id));
        }
        let attachment = asked
            .and_then(|key| self.sessions.get(&key))
            .map(|session| session.attachment);
        let (why, code, text) = match (asked, attachment) {
            (Some(key), Some(Attachment::Attached { .. })) if self.shared.has(Bug::AttachTwice) => {
                self.attach(key, conn, now);
                return Ok((key, id));
            }
            (Some(_), Some(Attachment::Attached { .. })) => (
                ResumeRefusal::StillAttached,
                self.shared.preset.still_attached_code,
                format!("session {id} is already attached to another connection"),
            ),
            (Some(key), Some(Attachment::Detached { until }))
                if now < until || self.shared.has(Bug::KeepAfterExpiry) =>
            {
                self.attach(key, conn, now);
                return Ok((key, id));
            }
            (None, _) | (_, None) if self.shared.has(Bug::ReviveDead) => {
                return Ok(self.open(conn, Some(id)));
            }
            (asked, _) => {
                if let Some(key) = asked {
                    self.expire(key, now);
                }
                (
                    ResumeRefusal::Unknown,
                    INVALID_REQUEST,
                    format!("unknown session id {id}"),
                )
            }
        };
        self.shared.news(News::ResumeRefused {
            session: id,
            conn,
            why,
        });
        Err(RpcError::new(code, text))
    }

    /// [`Bug::LeakSession`]: a session of another client than the one that asks.
    fn leaked(&self, conn: ConnId, asked: Option<SessionKey>) -> Option<SessionKey> {
        if !self.shared.has(Bug::LeakSession) {
            return None;
        }
        let is_other = |session: &&Session| Some(session.key) != asked && session.client != conn.client();
        self.sessions.values().find(is_other).map(|session| session.key)
    }

    /// The new sender of notifications is installed before the reply (sheet 3, "Resume").
    fn attach(&mut self, key: SessionKey, conn: ConnId, now: Time) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        self.shared.news(News::SessionResumed {
            session: session.id.clone(),
            conn,
        });
        session.attach(conn, &mut self.shared, now);
        if !self.shared.late_answers.is_empty() {
            let armed = &mut self.shared.late_armed;
            self.shared.timers.set(armed, Some(now), || Key::Answers);
        }
        leak_bodies(key, conn, &mut self.shared, now);
    }
}

/// What the real server's decoder refuses, beyond what [`unplug_reconnect::wire`] does: before any gate.
fn check(request: &Request, preset: &Preset) -> Result<(), RpcError> {
    let text = match request {
        Request::Start(params) => match preset.cwd {
            Cwd::Path => return Ok(()),
            Cwd::PathOrUri if params.cwd.starts_with('/') => return Ok(()),
            Cwd::PathOrUri | Cwd::Uri if params.cwd.starts_with("file:") => return Ok(()),
            Cwd::PathOrUri => format!("path is not absolute: {}", params.cwd),
            Cwd::Uri => "invalid URI: relative URL without a base".to_owned(),
        },
        Request::Write(params) => match (preset.write_ids, &params.write_id) {
            (WriteIds::Ignored, _) => return Ok(()),
            (WriteIds::Required { .. }, Some(id)) if !id.is_empty() => return Ok(()),
            (WriteIds::Required { .. }, Some(_)) => "writeId must not be empty".to_owned(),
            (WriteIds::Required { .. }, None) => "missing field `writeId`".to_owned(),
        },
        Request::Signal(_) | Request::Status | Request::Fs(_) if !preset.knows(request.method()) => {
            return Err(unknown_method(request.method()));
        }
        Request::Initialize(_)
        | Request::Read(_)
        | Request::Signal(_)
        | Request::Terminate(_)
        | Request::Http(_)
        | Request::Info
        | Request::Status
        | Request::Fs(_)
        | Request::Other { .. } => return Ok(()),
    };
    Err(RpcError::new(INVALID_PARAMS, text))
}

fn unknown_method(method: &str) -> RpcError {
    let text = format!("exec-server stub does not implement `{method}` yet");
    RpcError::new(METHOD_NOT_FOUND, text)
}
