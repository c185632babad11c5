//! Frames and what processes do.

use unplug_reconnect::id::ProcessId;
use unplug_reconnect::wire::exec::Stream;
use unplug_reconnect::wire::rpc::RequestId;

use super::Run;
use crate::history::{Asked, Dir, Event, Frame, Kind};

/// A frame to be sent or delivered.
pub(in crate::checkers::tests) fn request(id: i64, name: &'static str) -> Frame {
    Frame {
        kind: Kind::Request,
        method: name.into(),
        request: Some(RequestId::Number(id)),
        answers: None,
        process: Some("sh".into()),
        write: None,
        seq: None,
        call: None,
        http: None,
    }
}

/// The answer to request `asked` on `conn`, with the same id in it.
pub(in crate::checkers::tests) fn answer(conn: &str, asked: i64) -> Frame {
    let asked = Asked {
        conn: conn.parse().unwrap(),
        request: RequestId::Number(asked),
    };
    Frame {
        kind: Kind::Response,
        answers: Some(asked.clone()),
        request: Some(asked.request),
        ..request(0, "")
    }
}

impl Frame {
    pub(in crate::checkers::tests) fn call(self, call: &str) -> Self {
        Self {
            call: Some(call.parse().unwrap()),
            ..self
        }
    }

    pub(in crate::checkers::tests) fn write(self, write: &str) -> Self {
        Self {
            write: Some(write.parse().unwrap()),
            ..self
        }
    }

    pub(in crate::checkers::tests) fn id(self, id: i64) -> Self {
        Self {
            request: Some(RequestId::Number(id)),
            ..self
        }
    }

    pub(in crate::checkers::tests) fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

impl Run {
    pub(in crate::checkers::tests) fn sends(self, conn: &str, frame: Frame) -> Self {
        self.client(conn, |conn| Event::Sent {
            conn,
            dir: Dir::C2s,
            frame: frame.into(),
        })
    }

    pub(in crate::checkers::tests) fn arrives(self, conn: &str, frame: Frame) -> Self {
        let conn = conn.parse().unwrap();
        self.executor(Event::Delivered {
            conn,
            dir: Dir::C2s,
            frame: frame.into(),
        })
    }

    pub(in crate::checkers::tests) fn answers(self, conn: &str, frame: Frame) -> Self {
        let conn = conn.parse().unwrap();
        self.executor(Event::Sent {
            conn,
            dir: Dir::S2c,
            frame: frame.into(),
        })
    }

    pub(in crate::checkers::tests) fn receives(self, conn: &str, frame: Frame) -> Self {
        self.client(conn, |conn| Event::Delivered {
            conn,
            dir: Dir::S2c,
            frame: frame.into(),
        })
    }

    pub(in crate::checkers::tests) fn acts_on(self, conn: &str, id: i64, name: &'static str) -> Self {
        let request = Some(RequestId::Number(id));
        self.executor(Event::Applied {
            conn: conn.parse().unwrap(),
            method: name.into(),
            request,
        })
    }

    /// `sh` of `s1` reads a write.
    pub(in crate::checkers::tests) fn reads(self, n: u64, data: &str) -> Self {
        let write = Some(format!("w{n}").parse().unwrap());
        let session = "s1".parse().unwrap();
        self.executor(Event::Stdin {
            session,
            process: "sh".into(),
            write,
            chunk: data.into(),
        })
    }

    pub(in crate::checkers::tests) fn reads_keyless(self, data: &str) -> Self {
        let session = "s1".parse().unwrap();
        self.executor(Event::Stdin {
            session,
            process: "sh".into(),
            write: None,
            chunk: data.into(),
        })
    }

    /// `sh` of `s1` prints.
    pub(in crate::checkers::tests) fn prints(self, seq: u64, data: &str) -> Self {
        self.prints_in("s1", seq, data)
    }

    pub(in crate::checkers::tests) fn prints_in(self, session: &str, seq: u64, data: &str) -> Self {
        let (session, process) = (session.parse().unwrap(), ProcessId::from("sh"));
        self.executor(Event::Printed {
            session,
            process,
            seq,
            stream: Stream::Stdout,
            chunk: data.into(),
        })
    }

    pub(in crate::checkers::tests) fn exits(self, seq: u64, code: i32) -> Self {
        let (session, process) = ("s1".parse().unwrap(), "sh".into());
        self.executor(Event::Exited {
            session,
            process,
            seq,
            code,
        })
    }

    pub(in crate::checkers::tests) fn ends(self, seq: u64) -> Self {
        let (session, process) = ("s1".parse().unwrap(), "sh".into());
        self.executor(Event::ProcessClosed {
            session,
            process,
            seq,
        })
    }

    /// The laptop gets output of `sh`.
    pub(in crate::checkers::tests) fn gets(self, seq: u64, data: &str) -> Self {
        let (process, stream) = ("sh".into(), Stream::Stdout);
        self.laptop(Event::Output {
            process,
            seq,
            stream,
            chunk: data.into(),
        })
    }

    pub(in crate::checkers::tests) fn gets_exit(self, seq: u64, code: i32) -> Self {
        self.laptop(Event::OutputExited {
            process: "sh".into(),
            seq,
            code,
        })
    }

    pub(in crate::checkers::tests) fn gets_end(self, seq: u64) -> Self {
        self.laptop(Event::OutputClosed {
            process: "sh".into(),
            seq,
        })
    }

    pub(in crate::checkers::tests) fn loses(self) -> Self {
        self.laptop(Event::Lost {
            process: "sh".into(),
            why: "gone".to_owned(),
        })
    }
}
