//! The outputs of an exec client, one a line.

use unplug_reconnect::exec::{News, Output};
use unplug_reconnect::wire::exec::{Chunk, Message, Notification, Reply, Request};

pub(super) fn output(output: &Output) -> String {
    match output {
        Output::Fetch { within: None } => "fetch".to_owned(),
        Output::Fetch { within: Some(within) } => format!("fetch within {within:?}"),
        Output::Dial { conn } => format!("dial {conn}"),
        Output::Send {
            conn,
            message: sent,
            call,
        } => {
            let call = call.map(|call| format!(" for {call}")).unwrap_or_default();
            format!("send {conn} {}{call}", message(sent))
        }
        Output::Ping { conn } => format!("ping {conn}"),
        Output::Hangup { conn, .. } => format!("hangup {conn}"),
        Output::Full { call, .. } => format!("full {call}"),
        Output::Room => "room".to_owned(),
        Output::News(told) => news(told),
    }
}

fn news(news: &News) -> String {
    match news {
        News::Moved { from, to } => format!("{from} -> {to}"),
        News::Keyed { call, write } => format!("{call} is {write}"),
        News::Attached {
            conn,
            session,
            resumed: false,
        } => format!("attached {conn} {session}"),
        News::Attached {
            conn,
            session,
            resumed: true,
        } => format!("resumed {conn} {session}"),
        News::Ready { conn } => format!("ready {conn}"),
        News::GaveUp { why } => format!("gave up: {why}"),
        News::Settled { call, truth, why, by } => {
            let by = by
                .as_ref()
                .map(|(conn, id)| format!(" by {conn}/{id}"))
                .unwrap_or_default();
            let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("settled {call} {truth}{by}{why}")
        }
        News::Told { call, reply } => format!("told {call} {}", answer(reply)),
        News::BodyOpened { call } => format!("body of {call} opens"),
        News::BodyPart { call, seq, chunk } => format!("body of {call} {seq} {}", text(chunk)),
        News::BodyEnded { call, why: None } => format!("body of {call} is complete"),
        News::BodyEnded { call, why: Some(why) } => format!("body of {call} fails: {why}"),
        News::Output {
            process, seq, chunk, ..
        } => format!("output {process} {seq} {}", text(chunk)),
        News::Exited { process, seq, code } => format!("exited {process} {seq} code {code}"),
        News::OutputClosed { process, seq } => format!("closed {process} {seq}"),
        News::Lost { process, why } => format!("lost {process}: {why}"),
    }
}

fn message(message: &Message) -> String {
    match message {
        Message::Request { id, request: asked } => format!("{id} {}", request(asked)),
        Message::Notification(Notification::Initialized) => "initialized".to_owned(),
        Message::Notification(_) | Message::Response { .. } | Message::Error { .. } => message.encode(),
    }
}

fn request(request: &Request) -> String {
    match request {
        Request::Initialize(params) => match &params.resume_session_id {
            Some(session) => format!("initialize resume={session}"),
            None => "initialize".to_owned(),
        },
        Request::Start(params) => format!("start {}", params.process_id),
        Request::Read(params) => {
            let after = params
                .after_seq
                .map(|seq| format!(" after={seq}"))
                .unwrap_or_default();
            let wait = params.wait_ms.filter(|&wait| 0 < wait);
            let wait = wait.map(|wait| format!(" wait={wait}ms")).unwrap_or_default();
            format!("read {}{after}{wait}", params.process_id)
        }
        Request::Write(params) => {
            let id = params
                .write_id
                .as_ref()
                .map(|id| format!(" id={id}"))
                .unwrap_or_default();
            format!("write {}{id} {}", params.process_id, text(&params.chunk))
        }
        Request::Signal(params) => format!("signal {}", params.process_id),
        Request::Terminate(params) => format!("terminate {}", params.process_id),
        Request::Http(params) => {
            let stream = if params.stream_response { " stream" } else { "" };
            let timeout = params.timeout_ms.map(|millis| format!(" timeout={millis}ms"));
            let timeout = timeout.unwrap_or_default();
            format!(
                "{} {} {}{stream}{timeout}",
                params.method, params.url, params.request_id
            )
        }
        Request::Info => "info".to_owned(),
        Request::Status => "status".to_owned(),
        Request::Fs(request) => format!("{} {}", request.method(), request.about()),
        Request::Other { method, .. } => format!("other {method}"),
    }
}

fn answer(reply: &Reply) -> String {
    match reply {
        Reply::Http(result) if result.body.is_empty() => result.status.to_string(),
        Reply::Http(result) => format!("{} {}", result.status, text(&result.body)),
        Reply::Info(result) => result.shell.path.clone(),
        Reply::Status(result) => result.status.clone(),
        Reply::Fs(reply) => format!("{reply:?}"),
        Reply::Initialize(_)
        | Reply::Start(_)
        | Reply::Read(_)
        | Reply::Write(_)
        | Reply::Signal
        | Reply::Terminate(_)
        | Reply::Undecoded(_) => format!("{reply:?}"),
    }
}

fn text(chunk: &Chunk) -> String {
    String::from_utf8_lossy(chunk.bytes()).into_owned()
}
