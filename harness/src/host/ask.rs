//! What a caller asks for, in the words of the client machine, and what it is told, in short.

use unplug_reconnect::exec::Op;
use unplug_reconnect::wire::exec::{FileKind, FsReply, HttpResult, Reply};
use unplug_reconnect::wire::registry::without_secret;

use crate::plan::Task;

/// Where processes are started.
const CWD: &str = "/srv";

/// A caller's task as an operation.
pub(super) fn op(task: Task) -> Op {
    match task {
        Task::Start { process, argv, stdin } => Op::Start {
            process,
            argv,
            cwd: CWD.to_owned(),
            stdin,
        },
        Task::Write { process, data } => Op::Write { process, data },
        Task::Read {
            process,
            after_seq,
            wait,
        } => Op::Read {
            process,
            after_seq,
            wait,
        },
        Task::Signal { process } => Op::Signal { process },
        Task::Terminate { process } => Op::Terminate { process },
        Task::Http {
            verb,
            url,
            timeout,
            stream,
            reads_after,
        } => Op::Http {
            verb,
            url,
            timeout,
            stream,
            reading: reads_after.is_zero(),
        },
        Task::Info => Op::Info,
        Task::Status => Op::Status,
        Task::Fs(request) => Op::Fs(request),
    }
}

/// What it is about, where that is no process.
pub(super) fn about(op: &Op) -> Option<String> {
    match op {
        Op::Http { url, .. } => Some(without_secret(url).to_owned()),
        Op::Fs(request) => Some(request.about().to_owned()),
        Op::Start { .. }
        | Op::Write { .. }
        | Op::Read { .. }
        | Op::Signal { .. }
        | Op::Terminate { .. }
        | Op::Info
        | Op::Status => None,
    }
}

/// An answer in short.
pub(super) fn in_short(reply: &Reply) -> String {
    match reply {
        Reply::Http(HttpResult { status, body, .. }) if body.is_empty() => status.to_string(),
        Reply::Http(HttpResult { status, body, .. }) => format!("{status}, {} bytes", body.len()),
        Reply::Info(info) => format!("shell {}", info.shell.name),
        Reply::Status(status) => status.status.clone(),
        Reply::Fs(reply) => file_in_short(reply),
        Reply::Initialize(_)
        | Reply::Start(_)
        | Reply::Read(_)
        | Reply::Write(_)
        | Reply::Signal
        | Reply::Terminate(_)
        | Reply::Undecoded(_) => String::new(),
    }
}

fn file_in_short(reply: &FsReply) -> String {
    match reply {
        FsReply::Data(file) => format!("{} bytes", file.data.len()),
        FsReply::Metadata(metadata) => match metadata.kind {
            FileKind::File => format!("a file of {} bytes", metadata.bytes),
            FileKind::Directory => "a directory".to_owned(),
        },
        FsReply::Uri(at) => at.uri.clone(),
        FsReply::Entries(list) => format!("{} entries", list.entries.len()),
        FsReply::Done {} => "done".to_owned(),
    }
}
