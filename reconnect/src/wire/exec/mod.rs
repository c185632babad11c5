//! Messages of the exec-server protocol (exec-server sheet, 2.2 to 2.4). All fields are camelCase, bytes are padded
//! standard base64, and there is no `jsonrpc` member.
//!
//! A [`Message`] is typed, so that a world that simulates no bytes need not make any. [`Message::encode`] and
//! [`decode`] are the way to and from the text of a frame.

mod encode;
mod environment;
mod fs;
mod http;
mod params;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::rpc::{Envelope, RequestId, RpcError};

pub use environment::{InfoResult, Shell, StatusResult};
pub use fs::{
    AtHandle, AtUri, CopyParams, Entries, FileData, FileKind, FsReply, FsRequest, Metadata, OpenParams,
    ReadBlockParams, WriteBlockParams, WriteFileParams,
};
pub use http::{BodyDelta, Header, HttpParams, HttpResult, RedirectPolicy};
pub use params::{
    Chunk, ClosedParams, EnvPolicy, ExecParams, ExitedParams, InitializeParams, InitializeResult,
    OutputChunk, OutputParams, ReadParams, ReadResult, Signal, SignalParams, StartResult, Stream,
    TerminateParams, TerminateResult, WriteParams, WriteResult, WriteStatus,
};

/// A request from client to server.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// `initialize`
    Initialize(InitializeParams),
    /// `process/start`
    Start(Box<ExecParams>),
    /// `process/read`
    Read(ReadParams),
    /// `process/write`
    Write(WriteParams),
    /// `process/signal`
    Signal(SignalParams),
    /// `process/terminate`
    Terminate(TerminateParams),
    /// `http/request`
    Http(HttpParams),
    /// `environment/info`
    Info,
    /// `environment/status`
    Status,
    /// `fs/…`
    Fs(FsRequest),
    /// A method that is not known here, or known with params that do not decode.
    Other {
        /// What is asked.
        method: String,
        /// With what.
        params: Value,
    },
}

/// A notification, in either direction.
#[derive(Clone, Debug, PartialEq)]
pub enum Notification {
    /// `initialized`, client to server.
    Initialized,
    /// `process/output`, server to client.
    Output(OutputParams),
    /// `process/exited`, server to client.
    Exited(ExitedParams),
    /// `process/closed`, server to client.
    Closed(ClosedParams),
    /// `http/request/bodyDelta`, server to client.
    Body(BodyDelta),
    /// One that is not known here, or known with params that do not decode.
    Other {
        /// What is told.
        method: String,
        /// With what.
        params: Value,
    },
}

/// The result of a request. Which variant it is follows from the method that was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Of `initialize`.
    Initialize(InitializeResult),
    /// Of `process/start`.
    Start(StartResult),
    /// Of `process/read`.
    Read(ReadResult),
    /// Of `process/write`.
    Write(WriteResult),
    /// Of `process/signal`: `{}`.
    Signal,
    /// Of `process/terminate`.
    Terminate(TerminateResult),
    /// Of `http/request`.
    Http(HttpResult),
    /// Of `environment/info`.
    Info(InfoResult),
    /// Of `environment/status`.
    Status(StatusResult),
    /// Of `fs/…`.
    Fs(FsReply),
    /// As it came from a frame: only the one who asked knows what it should be. See [`Reply::of`].
    Undecoded(Value),
}

/// One message of the protocol.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Wants an answer.
    Request {
        /// Chosen by the client, per connection.
        id: RequestId,
        /// What is asked.
        request: Request,
    },
    /// Wants none.
    Notification(Notification),
    /// The answer.
    Response {
        /// Of the request.
        id: RequestId,
        /// The result.
        reply: Reply,
    },
    /// The refusal.
    Error {
        /// Of the request.
        id: RequestId,
        /// Why.
        error: RpcError,
    },
}

/// The methods of the protocol by name.
pub mod method {
    /// Opens or resumes a session.
    pub const INITIALIZE: &str = "initialize";
    /// Ends the handshake.
    pub const INITIALIZED: &str = "initialized";
    /// Starts a process.
    pub const START: &str = "process/start";
    /// Reads retained output.
    pub const READ: &str = "process/read";
    /// Writes to stdin.
    pub const WRITE: &str = "process/write";
    /// Sends a signal.
    pub const SIGNAL: &str = "process/signal";
    /// Ends a process.
    pub const TERMINATE: &str = "process/terminate";
    /// A process wrote.
    pub const OUTPUT: &str = "process/output";
    /// A process exited.
    pub const EXITED: &str = "process/exited";
    /// A process is closed.
    pub const CLOSED: &str = "process/closed";
    /// Makes an HTTP request for the client.
    pub const HTTP: &str = "http/request";
    /// A piece of the body of an answer.
    pub const BODY: &str = "http/request/bodyDelta";
    /// Describes where commands run.
    pub const INFO: &str = "environment/info";
    /// Asks whether commands can be run.
    pub const STATUS: &str = "environment/status";
    /// Reads a file.
    pub const FS_READ_FILE: &str = "fs/readFile";
    /// Opens a file on this connection.
    pub const FS_OPEN: &str = "fs/open";
    /// Reads a part of an open file.
    pub const FS_READ_BLOCK: &str = "fs/readBlock";
    /// Writes a part of an open file.
    pub const FS_WRITE_BLOCK: &str = "fs/writeBlock";
    /// Closes an open file.
    pub const FS_CLOSE: &str = "fs/close";
    /// Writes a file.
    pub const FS_WRITE_FILE: &str = "fs/writeFile";
    /// Makes a directory.
    pub const FS_CREATE_DIRECTORY: &str = "fs/createDirectory";
    /// Asks what a file is.
    pub const FS_GET_METADATA: &str = "fs/getMetadata";
    /// Asks where a file really is.
    pub const FS_CANONICALIZE: &str = "fs/canonicalize";
    /// Lists a directory.
    pub const FS_READ_DIRECTORY: &str = "fs/readDirectory";
    /// Lists all that is below a directory.
    pub const FS_WALK: &str = "fs/walk";
    /// Removes a file or a directory.
    pub const FS_REMOVE: &str = "fs/remove";
    /// Copies a file.
    pub const FS_COPY: &str = "fs/copy";
}

impl Request {
    /// Its method.
    pub fn method(&self) -> &str {
        match self {
            Self::Initialize(_) => method::INITIALIZE,
            Self::Start(_) => method::START,
            Self::Read(_) => method::READ,
            Self::Write(_) => method::WRITE,
            Self::Signal(_) => method::SIGNAL,
            Self::Terminate(_) => method::TERMINATE,
            Self::Http(_) => method::HTTP,
            Self::Info => method::INFO,
            Self::Status => method::STATUS,
            Self::Fs(request) => request.method(),
            Self::Other { method, .. } => method,
        }
    }

    /// Reads the params of a known method; one that is not known becomes [`Request::Other`].
    ///
    /// # Errors
    /// The decoder's words, if the params of a known method do not decode.
    pub fn decode(name: &str, params: Value) -> Result<Self, String> {
        match name {
            method::INITIALIZE => decode_params(params).map(Self::Initialize),
            method::START => decode_params(params).map(Self::Start),
            method::READ => decode_params(params).map(Self::Read),
            method::WRITE => decode_params(params).map(Self::Write),
            method::SIGNAL => decode_params(params).map(Self::Signal),
            method::TERMINATE => decode_params(params).map(Self::Terminate),
            method::HTTP => decode_params(params).map(Self::Http),
            method::INFO => Ok(Self::Info),
            method::STATUS => Ok(Self::Status),
            _ => match FsRequest::decode(name, params.clone()) {
                Some(request) => request.map(Self::Fs),
                None => Ok(Self::Other {
                    method: name.to_owned(),
                    params,
                }),
            },
        }
    }
}

impl Notification {
    /// Its method.
    pub fn method(&self) -> &str {
        match self {
            Self::Initialized => method::INITIALIZED,
            Self::Output(_) => method::OUTPUT,
            Self::Exited(_) => method::EXITED,
            Self::Closed(_) => method::CLOSED,
            Self::Body(_) => method::BODY,
            Self::Other { method, .. } => method,
        }
    }

    /// Reads the params of a known notification; one that is not known, or whose params do not decode, becomes
    /// [`Notification::Other`].
    pub fn decode(name: &str, params: Value) -> Self {
        let decoded = match name {
            method::INITIALIZED => return Self::Initialized,
            method::OUTPUT => decode_params(params.clone()).map(Self::Output),
            method::EXITED => decode_params(params.clone()).map(Self::Exited),
            method::CLOSED => decode_params(params.clone()).map(Self::Closed),
            method::BODY => decode_params(params.clone()).map(Self::Body),
            _ => Err(String::new()),
        };
        decoded.unwrap_or_else(|_| Self::Other {
            method: name.to_owned(),
            params,
        })
    }

    /// Whether this is a notification that clients know, with params that make no sense. A real client closes the
    /// link on it (exec-server sheet, 2.4).
    pub fn is_malformed(&self) -> bool {
        const KNOWN: [&str; 4] = [method::OUTPUT, method::EXITED, method::CLOSED, method::BODY];
        matches!(self, Self::Other { method, .. } if KNOWN.contains(&method.as_str()))
    }
}

/// Decodes params. `{}` that does not decode is tried again as null (exec-server sheet, 2.2).
fn decode_params<T: DeserializeOwned>(params: Value) -> Result<T, String> {
    let empty = params.as_object().is_some_and(serde_json::Map::is_empty);
    T::deserialize(params).or_else(|error| {
        if empty {
            T::deserialize(Value::Null).map_err(|_| error.to_string())
        } else {
            Err(error.to_string())
        }
    })
}

impl Reply {
    /// The reply as the answer to `request`, which says how to read it.
    ///
    /// # Errors
    /// In words, if it is no answer to such a request: the same words whether it came typed or from a frame.
    pub fn of(self, request: &str) -> Result<Self, String> {
        let wrong = || format!("not the result of `{request}`");
        let Self::Undecoded(value) = self else {
            let fits = matches!(
                (&self, request),
                (Self::Initialize(_), method::INITIALIZE)
                    | (Self::Start(_), method::START)
                    | (Self::Read(_), method::READ)
                    | (Self::Write(_), method::WRITE)
                    | (Self::Terminate(_), method::TERMINATE)
                    | (Self::Http(_), method::HTTP)
                    | (Self::Info(_), method::INFO)
                    | (Self::Status(_), method::STATUS)
            );
            if let Self::Fs(reply) = &self {
                return if reply.fits(request) {
                    Ok(self)
                } else {
                    Err(wrong())
                };
            }
            return match request {
                method::SIGNAL => Ok(Self::Signal), // It has no fields: every result will do, as in a frame.
                _ if fits => Ok(self),
                _ => Err(wrong()),
            };
        };
        let decoded = match request {
            method::INITIALIZE => Deserialize::deserialize(value).map(Self::Initialize),
            method::START => Deserialize::deserialize(value).map(Self::Start),
            method::READ => Deserialize::deserialize(value).map(Self::Read),
            method::WRITE => Deserialize::deserialize(value).map(Self::Write),
            method::SIGNAL => Ok(Self::Signal),
            method::TERMINATE => Deserialize::deserialize(value).map(Self::Terminate),
            method::HTTP => Deserialize::deserialize(value).map(Self::Http),
            method::INFO => Deserialize::deserialize(value).map(Self::Info),
            method::STATUS => Deserialize::deserialize(value).map(Self::Status),
            _ if request.starts_with("fs/") => FsReply::decode(request, value).map(Self::Fs),
            _ => Ok(Self::Undecoded(value)),
        };
        decoded.map_err(|_: serde_json::Error| wrong())
    }
}

/// What a text frame turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// A message. An unknown method is one too.
    Message(Message),
    /// A request for a known method with params that do not decode: answered with -32602 and these words.
    BadParams {
        /// Of the request.
        id: RequestId,
        /// Of the request.
        method: String,
        /// The decoder's words.
        error: String,
    },
    /// Not JSON, or JSON that is no message, in the decoder's words.
    NoMessage(String),
}

/// Reads one text frame.
pub fn decode(text: &str) -> Decoded {
    match Envelope::decode(text) {
        Ok(Envelope::Request { id, method, params }) => match Request::decode(&method, params) {
            Ok(request) => Decoded::Message(Message::Request { id, request }),
            Err(error) => Decoded::BadParams { id, method, error },
        },
        Ok(Envelope::Notification { method, params }) => {
            Decoded::Message(Message::Notification(Notification::decode(&method, params)))
        }
        Ok(Envelope::Response { id, result }) => Decoded::Message(Message::Response {
            id,
            reply: Reply::Undecoded(result),
        }),
        Ok(Envelope::Error { id, error }) => Decoded::Message(Message::Error { id, error }),
        Err(error) => Decoded::NoMessage(error),
    }
}

impl Message {
    /// The text of its frame.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and maps with string keys are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roundtrip(text: &str) {
        let Decoded::Message(message) = decode(text) else {
            panic!("{text}")
        };
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(json(&message.encode()), json(text));
    }

    #[test]
    fn spelled_as_on_the_wire() {
        roundtrip(r#"{"id":1,"method":"initialize","params":{"clientName":"demo"}}"#);
        roundtrip(r#"{"method":"initialized","params":{}}"#);
        roundtrip(
            r#"{"id":2,"method":"process/start","params":{"processId":"cat","argv":["cat"],"cwd":"file:///srv","env":{"PATH":"/usr/bin:/bin"},"tty":false,"pipeStdin":true,"arg0":null}}"#,
        );
        roundtrip(
            r#"{"id":3,"method":"process/write","params":{"processId":"cat","chunk":"b25lCg==","writeId":"1"}}"#,
        );
        roundtrip(
            r#"{"method":"process/output","params":{"processId":"cat","seq":1,"stream":"stdout","chunk":"b25lCg=="}}"#,
        );
        roundtrip(
            r#"{"id":4,"result":{"chunks":[],"nextSeq":2,"exited":false,"exitCode":null,"closed":false,"failure":null}}"#,
        );
        roundtrip(
            r#"{"id":5,"method":"http/request","params":{"method":"GET","url":"http://hello.test/","headers":[{"name":"accept","value":"*/*"}],"timeoutMs":null,"redirectPolicy":"stop","requestId":"http-1","streamResponse":true}}"#,
        );
        roundtrip(
            r#"{"method":"http/request/bodyDelta","params":{"requestId":"http-1","seq":1,"deltaBase64":"b25lCg==","done":true}}"#,
        );
        roundtrip(r#"{"id":6,"method":"environment/info","params":{}}"#);
        roundtrip(r#"{"id":7,"method":"fs/writeFile","params":{"uri":"file:///tmp/a","data":"b25lCg=="}}"#);
        roundtrip(r#"{"id":8,"method":"fs/readBlock","params":{"handle":"h","offset":1,"maxBytes":2}}"#);
        roundtrip(r#"{"id":-1,"error":{"code":-32600,"message":"no"}}"#);
    }

    #[test]
    fn a_result_is_read_as_what_was_asked() {
        let Decoded::Message(Message::Response { reply, .. }) =
            decode(r#"{"id":3,"result":{"status":"stdinClosed"}}"#)
        else {
            panic!()
        };
        assert_eq!(
            reply.clone().of(method::WRITE),
            Ok(Reply::Write(WriteResult {
                status: WriteStatus::StdinClosed
            }))
        );
        assert!(reply.of(method::READ).is_err());
    }

    #[test]
    fn bad_params_keep_their_id_and_the_decoders_words() {
        let text =
            r#"{"id":12,"method":"process/write","params":{"processId":"p","chunk":"***","writeId":"w1"}}"#;
        let error = "Invalid symbol 42, offset 0.".to_owned();
        let method = method::WRITE.to_owned();
        assert_eq!(
            decode(text),
            Decoded::BadParams {
                id: RequestId::Number(12),
                method,
                error
            }
        );
    }

    #[test]
    fn a_known_notification_that_does_not_decode_is_malformed() {
        let Decoded::Message(Message::Notification(note)) =
            decode(r#"{"method":"process/output","params":{"seq":"x"}}"#)
        else {
            panic!()
        };
        assert!(note.is_malformed());
        let Decoded::Message(Message::Notification(note)) = decode(r#"{"method":"news","params":{}}"#) else {
            panic!()
        };
        assert!(!note.is_malformed());
    }
}
