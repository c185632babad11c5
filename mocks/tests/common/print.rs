//! How the server's doings are printed. Ids instead of payloads; long bytes by their length.

use std::collections::BTreeMap;

use unplug_mocks::exec::{News, Origin, Output, ResumeRefusal};
use unplug_reconnect::id::{ConnId, SessionId};
use unplug_reconnect::wire::exec::{Chunk, Message, Notification, ReadResult, Reply};

/// Sessions by the order in which they were seen.
#[derive(Default)]
pub(crate) struct Sessions {
    names: BTreeMap<SessionId, String>,
    ids: BTreeMap<String, SessionId>,
}

impl Sessions {
    pub(crate) fn name(&mut self, id: &SessionId) -> String {
        let next = format!("s{}", self.names.len() + 1);
        let name = self.names.entry(id.clone()).or_insert(next).clone();
        self.ids.insert(name.clone(), id.clone());
        name
    }

    pub(crate) fn id(&self, name: &str) -> Option<SessionId> {
        self.ids.get(name).cloned()
    }
}

pub(crate) fn output(output: &Output, sessions: &mut Sessions) -> String {
    match output {
        Output::Send {
            conn,
            message,
            answers,
        } => {
            format!(
                "{conn} < {}",
                message_line(*conn, message, answers.as_ref(), sessions)
            )
        }
        Output::Ping { conn } => format!("{conn} < ping"),
        Output::Close { conn, .. } => format!("{conn} closes"),
        Output::News(news) => news_line(news, sessions),
    }
}

fn message_line(
    conn: ConnId,
    message: &Message,
    answers: Option<&Origin>,
    sessions: &mut Sessions,
) -> String {
    let asked = match answers {
        Some(origin) if origin.conn != conn => format!("{} of {}", origin.request, origin.conn),
        Some(origin) => origin.request.to_string(),
        None => String::new(),
    };
    match message {
        Message::Request { id, request } => format!("request {id} {}", request.method()),
        Message::Error { id, error } if answers.is_none() => format!("{id} error {error}"),
        Message::Error { error, .. } => format!("{asked} error {error}"),
        Message::Response { reply, .. } => format!("{asked} {}", reply_line(reply, sessions)),
        Message::Notification(note) => match note {
            Notification::Output(params) => {
                let output = &params.output;
                format!(
                    "output {} {} {}",
                    params.process_id,
                    output.seq,
                    bytes(&output.chunk)
                )
            }
            Notification::Exited(params) => {
                format!(
                    "exited {} {} code {}",
                    params.process_id, params.seq, params.exit_code
                )
            }
            Notification::Closed(params) => format!("closed {} {}", params.process_id, params.seq),
            Notification::Body(params) => {
                let done = if params.done { " done" } else { "" };
                let error = params.error.as_ref().map(|error| format!(": {error}"));
                let (http, delta) = (&params.request_id, bytes(&params.delta));
                format!(
                    "body {http} {} {delta}{done}{}",
                    params.seq,
                    error.unwrap_or_default()
                )
            }
            Notification::Initialized | Notification::Other { .. } => note.method().to_owned(),
        },
    }
}

fn reply_line(reply: &Reply, sessions: &mut Sessions) -> String {
    match reply {
        Reply::Initialize(result) => format!("session {}", sessions.name(&result.session_id)),
        Reply::Start(result) => format!("started {}", result.process_id),
        Reply::Read(result) => read_line(result),
        Reply::Write(result) => format!("{:?}", result.status).to_lowercase(),
        Reply::Signal => "signalled".to_owned(),
        Reply::Terminate(result) => format!("running {}", result.running),
        Reply::Http(result) => format!("{} {}", result.status, bytes(&result.body)),
        Reply::Info(result) => serde_json::to_string(result).expect("it is JSON"),
        Reply::Status(result) => result.status.clone(),
        Reply::Fs(reply) => serde_json::to_string(reply).expect("it is JSON"),
        Reply::Undecoded(value) => value.to_string(),
    }
}

fn read_line(result: &ReadResult) -> String {
    let chunks: Vec<String> = result
        .chunks
        .iter()
        .map(|chunk| format!("{}:{}", chunk.seq, bytes(&chunk.chunk)))
        .collect();
    let mut line = format!("[{}] next {}", chunks.join(" "), result.next_seq);
    if let Some(code) = result.exit_code {
        line += &format!(" exited {code}");
    }
    if result.closed {
        line += " closed";
    }
    line
}

pub(crate) fn bytes(chunk: &Chunk) -> String {
    if chunk.len() <= 24 {
        format!("{chunk:?}")
    } else {
        format!("{}B", chunk.len())
    }
}

fn news_line(news: &News, sessions: &mut Sessions) -> String {
    let mut name = |session: &SessionId| sessions.name(session);
    match news {
        News::SessionOpened { session, conn } => format!("opened {} on {conn}", name(session)),
        News::SessionResumed { session, conn } => format!("resumed {} on {conn}", name(session)),
        News::ResumeRefused { session, conn, why } => {
            let why = match why {
                ResumeRefusal::StillAttached => "still attached",
                ResumeRefusal::Unknown => "unknown",
            };
            format!("refused {} on {conn}: {why}", name(session))
        }
        News::Detached { session, conn, until } => {
            format!("detached {} from {conn} until {until}", name(session))
        }
        News::SessionExpired { session } => format!("expired {}", name(session)),
        News::Applied {
            conn,
            request,
            method,
        } => match request {
            Some(request) => format!("applied {conn} {request} {method}"),
            None => format!("applied {conn} {method}"),
        },
        News::Forwarded {
            conn,
            request,
            http,
            url,
        } => format!("made {http} for {request} of {conn}: {url}"),
        News::FileChanged {
            conn, request, path, ..
        } => format!("changed {path} by {request} of {conn}"),
        News::BodyEnded {
            conn,
            http,
            bytes,
            error,
        } => {
            let error = error
                .as_ref()
                .map(|error| format!(": {error}"))
                .unwrap_or_default();
            format!("body {http} of {conn} ended after {bytes}B{error}")
        }
        News::ProcessStarted { session, .. }
        | News::Stdin { session, .. }
        | News::Printed { session, .. }
        | News::Exited { session, .. }
        | News::ProcessClosed { session, .. }
        | News::ProcessReaped { session, .. }
        | News::Evicted { session, .. } => process_line(news, &name(session)),
    }
}

fn process_line(news: &News, session: &str) -> String {
    match news {
        News::ProcessStarted { process, .. } => format!("started {session} {process}"),
        News::Stdin {
            process,
            write,
            chunk,
            ..
        } => {
            let write = write.as_deref().unwrap_or("-");
            format!("stdin {session} {process} w{write} {}", bytes(chunk))
        }
        News::Printed {
            process, seq, chunk, ..
        } => {
            format!("printed {session} {process} {seq} {}", bytes(chunk))
        }
        News::Exited {
            process, seq, code, ..
        } => {
            format!("exited {session} {process} {seq} code {code}")
        }
        News::ProcessClosed { process, seq, .. } => format!("closed {session} {process} {seq}"),
        News::ProcessReaped { process, .. } => format!("reaped {session} {process}"),
        News::Evicted { process, seq, .. } => format!("evicted {session} {process} {seq}"),
        News::SessionOpened { .. }
        | News::SessionResumed { .. }
        | News::ResumeRefused { .. }
        | News::Detached { .. }
        | News::SessionExpired { .. }
        | News::Forwarded { .. }
        | News::BodyEnded { .. }
        | News::FileChanged { .. }
        | News::Applied { .. } => String::new(),
    }
}
