//! The timeline: a history as a person reads it.
//!
//! One line a fact: when, who, what. The script's own lines are marked `!`. What only machines need (answers on the
//! wire, pings, moves between states) is in the history and not here. A host that does the same thing again and again,
//! with nothing of its own in between, gets one line for all of it: `dial c2 … c9: unreachable (8 times, until
//! +1.720s)`. A fault ends such a line, so that cause and effect stay in order.

mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use unplug_reconnect::id::{CallId, ConnId, ProcessId, Purpose, SessionNumber, UrlId};
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::{Chunk, method};

use crate::fault::Scope;
use crate::history::{Dir, Event, Frame, History, Kind, ResumeRefusal};
use crate::stage::SCRIPT;
use words::{Text, cause, name, show, told, verb};

/// A line that may grow.
struct Line {
    at: Time,
    who: usize,
    text: Text,
}

/// The timeline of a history, one fact a line.
pub fn timeline(history: &History) -> String {
    let mut teller = Teller {
        history,
        lines: Vec::new(),
        growing: BTreeMap::new(),
        attempts: BTreeMap::new(),
        asked: None,
        told: None,
        about: BTreeMap::new(),
        sessions: BTreeMap::new(),
        usable: BTreeMap::new(),
        books: BTreeMap::new(),
    };
    for entry in &history.entries {
        teller.tell(entry.t, entry.who, &entry.event);
    }
    teller.print()
}

struct Teller<'a> {
    history: &'a History,
    lines: Vec<Line>,
    /// By host: the line that may still grow.
    growing: BTreeMap<usize, usize>,
    /// Dials whose end is not known yet, with the time at which they began.
    attempts: BTreeMap<ConnId, Attempt>,
    /// The call of the last line, if that is a caller asking.
    asked: Option<CallId>,
    /// An answer that is told with the word that its call is settled.
    told: Option<(CallId, String)>,
    /// By host and call: what it is about.
    about: BTreeMap<(usize, CallId), String>,
    /// By client: the session it is attached to, and the connection on which it is usable.
    sessions: BTreeMap<usize, SessionNumber>,
    usable: BTreeMap<usize, ConnId>,
    /// The last number in the sequence of each process.
    books: BTreeMap<(SessionNumber, ProcessId), u64>,
}

struct Attempt {
    at: Time,
    who: usize,
    url: String,
    /// What the server answered, if it refused.
    refusal: Option<String>,
}

impl Teller<'_> {
    /// Keeps what tells a catch-up that has something to find from one that is like a ping.
    fn note(&mut self, who: usize, event: &Event) {
        if let Event::Attached { session, .. } = event {
            self.sessions.insert(who, *session);
        } else if let Event::Ready { conn } = event {
            self.usable.insert(who, *conn);
        } else if let Event::Printed {
            session,
            process,
            seq,
            ..
        }
        | Event::Exited {
            session,
            process,
            seq,
            ..
        }
        | Event::ProcessClosed {
            session,
            process,
            seq,
        } = event
        {
            self.books.insert((*session, process.clone()), *seq);
        }
    }

    /// Whether this catch-up on a usable connection finds nothing: it is in the history and not here.
    fn is_idle_look(&self, who: usize, conn: ConnId, frame: &Frame) -> bool {
        let last = self
            .sessions
            .get(&who)
            .zip(frame.process.clone())
            .and_then(|(session, process)| self.books.get(&(*session, process)));
        self.usable.get(&who) == Some(&conn)
            && last.copied().unwrap_or_default() <= frame.seq.unwrap_or_default()
    }

    fn tell(&mut self, t: Time, who: usize, event: &Event) {
        self.note(who, event);
        match event {
            Event::Fault { fault, conn } => {
                self.growing.clear();
                // A fault that names a host or a link strikes more than the connection of its anchor.
                let aimed = matches!(fault.kind().scope(), Scope::Connections | Scope::Frame);
                let conn = conn
                    .filter(|_| aimed)
                    .map(|conn| format!(" on {conn}"))
                    .unwrap_or_default();
                self.say(t, who, format!("{fault}{conn}"));
            }
            Event::Healed { fault, .. } => {
                self.growing.clear();
                self.say(t, who, format!("{} is over", fault.kind()));
            }
            Event::Dial { .. }
            | Event::Dialed { .. }
            | Event::DialFailed { .. }
            | Event::Attached { .. }
            | Event::Ready { .. }
            | Event::ResumeRefused { .. }
            | Event::TurnedAway { .. }
            | Event::Hangup { .. }
            | Event::Closed { .. } => self.tell_transport(t, who, event),
            Event::Asked { call, data } => {
                let data = data
                    .as_ref()
                    .map(|data| format!(" {}", show(data)))
                    .unwrap_or_default();
                self.say(t, who, format!("{}{data}", name(call)));
                self.asked = Some(call.call);
                if let Some(about) = &call.about {
                    self.about.insert((who, call.call), about.clone());
                }
            }
            Event::Waits { call } => self.say(t, who, format!("{call} waits for room")),
            Event::Left { call } => self.say(t, who, format!("the caller of {} leaves", name(call))),
            Event::Settled { call, truth, why, .. } => {
                let why = why
                    .as_ref()
                    .map(|why| format!(": {}", cause(why)))
                    .unwrap_or_default();
                let answer = self.told.take_if(|(of, _)| *of == call.call);
                let answer = answer.map(|(_, what)| format!(": {what}")).unwrap_or_default();
                self.say(t, who, format!("{} {}{why}{answer}", name(call), told(*truth)));
            }
            Event::Sent {
                conn,
                dir: Dir::C2s,
                frame,
            } => self.tell_sent(t, who, *conn, frame),
            Event::Delivered { conn, frame, .. } if frame.kind == Kind::Garbage => {
                self.say(t, who, format!("garbage on {conn}"));
            }
            Event::Told { call, what } => self.told = Some((*call, what.clone())),
            Event::BodyPart { call, seq, chunk } => {
                let about = self.about(who, *call);
                self.chunk(t, who, "gets", &about, *seq, chunk);
            }
            Event::BodyEnded { call, why } => {
                let end = match why {
                    None => "is complete".to_owned(),
                    Some(why) => format!("fails: {}", cause(why)),
                };
                let about = self.about(who, *call);
                self.say(t, who, format!("the body of {about} {end}"));
            }
            Event::Forwarded { http, url, .. } => self.say(t, who, format!("makes {http}: {url}")),
            Event::FileChanged { method, path, .. } => self.say(t, who, format!("{} {path}", verb(method))),
            Event::OriginEnded { http, error, .. } => {
                let end = match error {
                    None => "ends".to_owned(),
                    Some(error) => format!("breaks off: {error}"),
                };
                self.say(t, who, format!("the body of {http} {end}"));
            }
            Event::Output {
                process, seq, chunk, ..
            } => self.chunk(t, who, "gets", &process.to_string(), *seq, chunk),
            Event::Printed {
                process, seq, chunk, ..
            } => {
                self.chunk(t, who, "prints", &process.to_string(), *seq, chunk);
            }
            Event::OutputExited { process, code, .. } => {
                self.say(t, who, format!("{process} has exited: {code}"))
            }
            Event::OutputClosed { process, .. } => self.say(t, who, format!("{process} is closed")),
            Event::Lost { process, why } => self.say(t, who, format!("loses {process}: {}", cause(why))),
            Event::GaveUp { why } => self.say(t, who, format!("gives up: {why}")),
            Event::CredentialLost { why } => self.say(t, who, format!("gets no more URLs: {why}")),
            Event::Issued { url, .. } => self.signed(t, who, *url),
            Event::IssueRefused { status, .. } => self.say(t, who, format!("answers {status}")),
            Event::SessionOpened { session, conn } => self.say(t, who, format!("opens {session} on {conn}")),
            Event::SessionResumed { session, conn } => {
                self.say(t, who, format!("resumes {session} on {conn}"))
            }
            Event::Detached { session, conn, until } => {
                self.say(
                    t,
                    who,
                    format!("detaches {session} from {conn}, lease until {until}"),
                );
            }
            Event::SessionExpired { session } => {
                self.say(t, who, format!("ends {session}: its lease is over"))
            }
            Event::ProcessStarted { process, .. } => self.say(t, who, format!("starts {process}")),
            Event::Stdin {
                process,
                write,
                chunk,
                ..
            } => {
                let write = write.map(|write| format!(" {write}")).unwrap_or_default();
                self.say(t, who, format!("{process} reads{write} {}", show(chunk)));
            }
            Event::Exited { process, code, .. } => self.say(t, who, format!("{process} exits: {code}")),
            Event::Sent { .. }
            | Event::Delivered { .. }
            | Event::Accepted { .. }
            | Event::State { .. }
            | Event::Applied { .. }
            | Event::BodyOpened { .. }
            | Event::ProcessClosed { .. }
            | Event::ProcessReaped { .. }
            | Event::Evicted { .. }
            | Event::Credential { .. }
            | Event::HighWater { .. } => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "`tell` passes on no others, and some of these say nothing"
    )]
    fn tell_transport(&mut self, t: Time, who: usize, event: &Event) {
        match event {
            Event::Dial { conn, url, .. } => {
                let url = url.map(|url| format!(" with {url}")).unwrap_or_default();
                self.attempts.insert(
                    *conn,
                    Attempt {
                        at: t,
                        who,
                        url,
                        refusal: None,
                    },
                );
            }
            Event::DialFailed { conn, why } => self.attempt_failed(t, *conn, &why.to_string()),
            Event::TurnedAway { conn, url, .. } => {
                if let (Some(attempt), Some(url)) = (self.attempts.get_mut(conn), url) {
                    attempt.refusal = Some(format!("{url}"));
                }
            }
            Event::ResumeRefused { session, conn, why } => {
                let why = match why {
                    ResumeRefusal::StillAttached => "is still attached",
                    ResumeRefusal::Unknown => "is unknown",
                };
                if let Some(attempt) = self.attempts.get_mut(conn) {
                    attempt.refusal = Some(format!("{session} {why}"));
                }
            }
            // A request to the issuer shows in what it signs.
            Event::Dialed { conn } if conn.purpose() == Purpose::Fetch => {
                self.attempts.remove(conn);
            }
            Event::Attached {
                conn,
                session,
                resumed,
            } => {
                if let Some(Attempt { at, url, .. }) = self.attempts.remove(conn) {
                    let resumed = if *resumed { ", resumed" } else { "" };
                    self.say(
                        t,
                        who,
                        format!("attached on {conn}{url}, dialed at {at}: {session}{resumed}"),
                    );
                }
            }
            Event::Ready { conn } => match self.lines.last_mut() {
                // Nothing had to be recovered: one line says it all.
                Some(Line {
                    at,
                    who: last,
                    text: Text::Plain(text),
                }) if *at == t && *last == who && text.starts_with("attached") => {
                    *text = text.replacen("attached", "up", 1);
                }
                Some(_) | None => self.say(t, who, format!("up on {conn}")),
            },
            Event::Hangup { conn, .. } if self.attempts.contains_key(conn) => {
                let refusal = self
                    .attempts
                    .get_mut(conn)
                    .and_then(|attempt| attempt.refusal.take());
                self.attempt_failed(t, *conn, &refusal.unwrap_or_else(|| "given up".to_owned()));
            }
            Event::Closed { conn, why }
                if self.attempts.get(conn).is_some_and(|attempt| attempt.who == who) =>
            {
                self.attempt_failed(t, *conn, &why.to_string());
            }
            Event::Hangup { conn, why } => self.say(t, who, format!("hangs up {conn}: {}", cause(why))),
            Event::Closed { conn, why } if !self.is_refused(*conn) => {
                self.say(t, who, format!("{conn} closed: {why}"))
            }
            _ => {}
        }
    }

    /// Whether all that is to be said of this connection is that an attempt came to nothing.
    fn is_refused(&self, conn: ConnId) -> bool {
        self.lines.iter().any(|line| {
            matches!(&line.text, Text::Attempts { first, last, .. } if *first <= conn && conn <= *last)
        })
    }

    fn attempt_failed(&mut self, t: Time, conn: ConnId, end: &str) {
        let Some(Attempt { at, who, refusal, .. }) = self.attempts.remove(&conn) else {
            return;
        };
        // Which URL it was matters only where it was refused.
        let refusal = refusal.map(|refusal| format!(", {refusal}")).unwrap_or_default();
        let end = format!("{end}{refusal}");
        if let Some(Line {
            text:
                Text::Attempts {
                    last,
                    times,
                    until,
                    end: before,
                    ..
                },
            ..
        }) = self.grown(who)
            && *before == end
        {
            (*last, *times, *until) = (conn, *times + 1, t);
            return;
        }
        let text = Text::Attempts {
            first: conn,
            last: conn,
            times: 1,
            until: t,
            end,
        };
        self.grow(at.max(self.lines.last().map_or(at, |line| line.at)), who, text);
    }

    fn tell_sent(&mut self, t: Time, who: usize, conn: ConnId, frame: &Frame) {
        if frame.call.is_some()
            && frame.call == self.asked
            && let Some(Line {
                at,
                who: last,
                text: Text::Plain(text),
            }) = self.lines.last_mut()
            && *at == t
            && *last == who
        {
            // Sent in the moment in which it was asked: the usual case needs no line of its own.
            write!(text, " on {conn}").expect("a string takes every write");
            return;
        }
        let what = match (&*frame.method, frame.call) {
            (method::WRITE, Some(_)) => {
                let write = frame.write.map(|write| format!(" {write}")).unwrap_or_default();
                format!("write{write}")
            }
            (_, Some(_)) => verb(&frame.method).to_owned(),
            (method::READ, None) if self.is_idle_look(who, conn, frame) => return,
            (method::READ, None) => format!("catch-up after #{}", frame.seq.unwrap_or_default()),
            (method::TERMINATE, None) => "clean-up terminate".to_owned(),
            (_, None) => return,
        };
        let process = frame.process.as_ref().map(ToString::to_string);
        let about = process.or_else(|| self.about.get(&(who, frame.call?)).cloned());
        let about = about.map(|about| format!(" of {about}")).unwrap_or_default();
        self.say(t, who, format!("sends {what}{about} on {conn}"));
    }

    fn about(&self, who: usize, call: CallId) -> String {
        self.about.get(&(who, call)).cloned().unwrap_or_default()
    }

    fn chunk(&mut self, t: Time, who: usize, verb: &'static str, process: &str, seq: u64, chunk: &Chunk) {
        if let Some(Line {
            text:
                Text::Chunks {
                    verb: v,
                    process: p,
                    last,
                    bytes,
                    until,
                    ..
                },
            ..
        }) = self.grown(who)
            && *v == verb
            && p == process
            && *last + 1 == seq
        {
            *last = seq;
            *bytes += chunk.len();
            *until = t;
            return;
        }
        let (process, data) = (process.to_owned(), chunk.clone());
        let text = Text::Chunks {
            verb,
            process,
            first: seq,
            last: seq,
            bytes: chunk.len(),
            data,
            until: t,
        };
        self.grow(t, who, text);
    }

    fn signed(&mut self, t: Time, who: usize, url: UrlId) {
        if let Some(Line {
            text: Text::Signed { last, until, .. },
            ..
        }) = self.grown(who)
            && last.number() + 1 == url.number()
        {
            (*last, *until) = (url, t);
            return;
        }
        self.grow(
            t,
            who,
            Text::Signed {
                first: url,
                last: url,
                until: t,
            },
        );
    }

    fn grown(&mut self, who: usize) -> Option<&mut Line> {
        self.growing.get(&who).map(|&line| &mut self.lines[line])
    }

    fn grow(&mut self, at: Time, who: usize, text: Text) {
        self.asked = None;
        self.lines.push(Line { at, who, text });
        self.growing.insert(who, self.lines.len() - 1);
    }

    fn say(&mut self, at: Time, who: usize, text: String) {
        self.growing.remove(&who);
        self.asked = None;
        self.lines.push(Line {
            at,
            who,
            text: Text::Plain(text),
        });
    }

    fn print(&self) -> String {
        let name = |who: usize| self.history.name(who);
        let width = (0..self.history.header.hosts.len())
            .map(|who| name(who).len())
            .max()
            .unwrap_or(0);
        let mut out = String::new();
        for line in &self.lines {
            let at = line.at.to_string();
            debug_assert!(
                line.who != SCRIPT || matches!(line.text, Text::Plain(_)),
                "the script repeats nothing"
            );
            writeln!(out, "{at:>10} {:width$}  {}", name(line.who), line.text.show())
                .expect("a string takes every write");
        }
        out
    }
}
