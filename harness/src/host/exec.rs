//! The host of a mock exec server: the mock, the gate in front of it, and its books.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use unplug_mocks::exec::{self, Config, ExecServer, News, Origin};
use unplug_mocks::issuer::{Gate, url_id};
use unplug_reconnect::id::ConnId;
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::registry::without_secret;

use super::{Effect, Input, Payload, bare_frame, describe, label, write_id};
use crate::history::{Asked, Event, Kind, Name, ResumeRefusal};
use crate::stage::Names;

/// A mock exec server.
pub(crate) struct ExecHost {
    server: ExecServer,
    gate: Option<Gate>,
    clients: Vec<Name>,
    /// Connections whose upgrade was answered. What comes there later in its place is no HTTP any more.
    upgraded: BTreeSet<ConnId>,
    wall: super::issuer::Wall,
    effects: VecDeque<Effect>,
}

impl ExecHost {
    pub(crate) fn new(config: Config, gated: bool, clients: Vec<Name>) -> Self {
        Self {
            gate: gated.then(|| Gate::new(config.bug)),
            server: ExecServer::new(config),
            clients,
            upgraded: BTreeSet::new(),
            wall: super::issuer::Wall::default(),
            effects: VecDeque::new(),
        }
    }

    pub(crate) fn handle(&mut self, input: Input, now: Time, names: &mut Names) {
        let input = match input {
            Input::Upgrade { conn, .. } if !self.upgraded.insert(conn) => return,
            Input::Upgrade { conn, from, url } => match self.admit(conn, from, url.as_deref(), now) {
                true => exec::Input::Accepted { conn },
                false => return,
            },
            Input::Frame { conn, payload } => match payload {
                Payload::Message(message) => exec::Input::Received { conn, message },
                Payload::Text(text) => exec::Input::Text { conn, text },
                Payload::Ping | Payload::Pong | Payload::Connect(_) | Payload::ConnectReply { .. } => return,
            },
            Input::Closed(conn, why) => {
                self.upgraded.remove(&conn);
                self.effects
                    .push_back(Effect::Record(Event::Closed { conn, why }));
                exec::Input::Closed { conn }
            }
            Input::Congested(conn) => exec::Input::Congested { conn },
            Input::Writable(conn) => exec::Input::Writable { conn },
            Input::Exit { process, code } => exec::Input::ExitProcess { process, code },
            Input::Burst { process, chunks } => exec::Input::Burst { process, chunks },
            Input::Wake => exec::Input::Wake,
            Input::ClockJump(by) => return self.wall.jump(by),
            Input::ExpireUrlsUpTo(url) => {
                return self.gate.iter_mut().for_each(|gate| gate.expire_up_to(url));
            }
            Input::RevokeUrls => return self.gate.iter_mut().for_each(Gate::revoke),
            Input::Do { .. }
            | Input::Dialed(_)
            | Input::DialFailed(..)
            | Input::Throttle { .. }
            | Input::ExpireUrls => return,
        };
        self.server.handle(input, now);
        while let Some(output) = self.server.poll() {
            self.perform(output, names);
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.server.deadline()
    }

    pub(crate) fn last_words(&self) -> Vec<Event> {
        Vec::new()
    }

    fn admit(&mut self, conn: ConnId, from: usize, url: Option<&str>, now: Time) -> bool {
        let wall = self.wall.at(now);
        let refusal = self
            .gate
            .as_mut()
            .and_then(|gate| gate.admit(url.unwrap_or_default(), wall).err());
        match refusal {
            None => {
                let from = Arc::clone(&self.clients[from]);
                self.effects
                    .push_back(Effect::Record(Event::Accepted { conn, from }));
                self.effects.push_back(Effect::Accept(conn));
                true
            }
            Some(refusal) => {
                let (status, url) = (refusal.status, url.and_then(url_id));
                self.effects
                    .push_back(Effect::Record(Event::TurnedAway { conn, status, url }));
                self.effects.push_back(Effect::TurnAway { conn, status });
                false
            }
        }
    }

    fn perform(&mut self, output: exec::Output, names: &mut Names) {
        match output {
            exec::Output::Send {
                conn,
                message,
                answers,
            } => {
                let mut frame = describe(&message, answers.as_ref().map(|origin| &*origin.method));
                frame.answers = answers.map(|Origin { conn, request, .. }| Asked { conn, request });
                let frame = Arc::new(frame);
                self.effects.push_back(Effect::Send {
                    conn,
                    frame,
                    payload: Payload::Message(message),
                });
            }
            exec::Output::Ping { conn } => {
                let frame = Arc::new(bare_frame(Kind::Ping, "ping"));
                self.effects.push_back(Effect::Send {
                    conn,
                    frame,
                    payload: Payload::Ping,
                });
            }
            exec::Output::Close { conn, why } => {
                let why = why.to_owned();
                self.effects
                    .push_back(Effect::Record(Event::Hangup { conn, why }));
                self.effects.push_back(Effect::Hangup(conn));
            }
            exec::Output::News(news) => self.effects.push_back(Effect::Record(event(news, names))),
        }
    }
}

/// The mock's news as an event of the history.
fn event(news: News, names: &mut Names) -> Event {
    match news {
        News::SessionOpened { session, conn } => Event::SessionOpened {
            session: names.session(&session),
            conn,
        },
        News::SessionResumed { session, conn } => Event::SessionResumed {
            session: names.session(&session),
            conn,
        },
        News::ResumeRefused { session, conn, why } => {
            let why = match why {
                exec::ResumeRefusal::StillAttached => ResumeRefusal::StillAttached,
                exec::ResumeRefusal::Unknown => ResumeRefusal::Unknown,
            };
            Event::ResumeRefused {
                session: names.session(&session),
                conn,
                why,
            }
        }
        News::Detached { session, conn, until } => Event::Detached {
            session: names.session(&session),
            conn,
            until,
        },
        News::SessionExpired { session } => Event::SessionExpired {
            session: names.session(&session),
        },
        News::Applied {
            conn,
            request,
            method,
        } => {
            let method = match method {
                Cow::Borrowed(name) => Cow::Borrowed(name),
                Cow::Owned(name) => label(&name),
            };
            Event::Applied {
                conn,
                method,
                request,
            }
        }
        News::Forwarded {
            conn,
            request,
            http,
            url,
        } => Event::Forwarded {
            conn,
            request,
            http,
            url: without_secret(&url).to_owned(),
        },
        News::FileChanged {
            conn,
            request,
            method,
            path,
        } => Event::FileChanged {
            conn,
            request,
            method: Cow::Borrowed(method),
            path,
        },
        News::BodyEnded {
            conn,
            http,
            bytes,
            error,
        } => Event::OriginEnded {
            conn,
            http,
            bytes,
            error,
        },
        News::ProcessStarted { session, process } => Event::ProcessStarted {
            session: names.session(&session),
            process,
        },
        News::Stdin {
            session,
            process,
            write,
            chunk,
        } => {
            let write = write.as_deref().and_then(write_id);
            Event::Stdin {
                session: names.session(&session),
                process,
                write,
                chunk,
            }
        }
        News::Printed {
            session,
            process,
            seq,
            stream,
            chunk,
        } => Event::Printed {
            session: names.session(&session),
            process,
            seq,
            stream,
            chunk,
        },
        News::Exited {
            session,
            process,
            seq,
            code,
        } => Event::Exited {
            session: names.session(&session),
            process,
            seq,
            code,
        },
        News::ProcessClosed {
            session,
            process,
            seq,
        } => Event::ProcessClosed {
            session: names.session(&session),
            process,
            seq,
        },
        News::ProcessReaped { session, process } => Event::ProcessReaped {
            session: names.session(&session),
            process,
        },
        News::Evicted {
            session,
            process,
            seq,
        } => Event::Evicted {
            session: names.session(&session),
            process,
            seq,
        },
    }
}
