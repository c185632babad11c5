//! What stands on the wire: frames and HTTP messages, from a host's payloads and back to them.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use unplug_mocks::issuer::Body;
use unplug_reconnect::wire::registry::{ErrorBody, ErrorReply};

use crate::host::Payload;
use crate::worlds::net::Load;

/// Where the issuer takes requests.
pub(super) const CONNECT_PATH: &str = "/cloud/environment/env-1/connect";
/// Where an exec server that demands no signed URL takes upgrades.
pub(super) const PLAIN_URL: &str = "ws://executor.example/";

/// What a port is to write.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// The request for an upgrade.
    Upgrade,
    /// The answer to it, which the library that was asked writes.
    Answer(u16),
    /// A text frame.
    Text(String),
    /// A WebSocket ping.
    Ping,
    /// The pong that the library has ready.
    Pong,
    /// A WebSocket close frame.
    Close { code: u16, reason: String },
    /// An HTTP request to the issuer, by its body.
    Request(String),
    /// The answer to it.
    Reply {
        status: u16,
        body: String,
        retry_after: Option<Duration>,
    },
    /// Nothing more: the port is done.
    Fin,
}

/// What a port has understood.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// A request for an upgrade, which the port has already passed on: a library wants its answer at once.
    Upgrade,
    /// The answer to an upgrade.
    Upgraded(u16),
    /// A text frame.
    Text(String),
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A close frame.
    Close(u16),
    /// An HTTP request, by its body.
    Request(String),
    /// The answer to one.
    Reply { status: u16, body: String },
    /// The stream has ended, or the library makes no sense of it.
    End,
}

impl Item {
    /// What carries this load.
    pub(super) fn of(load: &Load) -> Self {
        match load {
            Load::Upgrade(_) => Self::Upgrade,
            Load::Answer(status) => Self::Answer(*status),
            Load::Frame { payload, .. } => Self::carrying(payload),
            Load::Close { code, reason } => Self::Close {
                code: *code,
                reason: reason.clone(),
            },
            Load::Fin => Self::Fin,
        }
    }

    fn carrying(payload: &Payload) -> Self {
        match payload {
            Payload::Message(message) => Self::Text(message.encode()),
            Payload::Text(text) => Self::Text(text.clone()),
            Payload::Ping => Self::Ping,
            Payload::Pong => Self::Pong,
            Payload::Connect(request) => Self::Request(json(request)),
            Payload::ConnectReply {
                status,
                body,
                retry_after,
            } => Self::Reply {
                status: *status,
                body: match body {
                    Body::Connect(reply) => json(reply),
                    Body::Error(reply) => json(reply),
                },
                retry_after: *retry_after,
            },
        }
    }

    /// How many bytes this has on the wire, or about as many where a library decides.
    pub(super) fn size(&self, masked: bool) -> usize {
        /// About what the head of an HTTP message has.
        const HEAD: usize = 150;
        let mask = if masked { 4 } else { 0 };
        let frame = |bytes: usize| match bytes {
            0..126 => 2 + mask + bytes,
            126..65_536 => 4 + mask + bytes,
            _ => 10 + mask + bytes,
        };
        match self {
            Self::Text(text) => frame(text.len()),
            Self::Ping | Self::Pong => frame(0),
            Self::Close { reason, .. } => frame(2 + reason.len()),
            Self::Request(body) | Self::Reply { body, .. } => HEAD + body.len(),
            Self::Upgrade => 2 * HEAD,
            Self::Answer(_) => HEAD,
            Self::Fin => 0,
        }
    }

    /// The WebSocket message that this is. A pong is none: the library has it ready.
    pub(super) fn message(self) -> Option<Message> {
        match self {
            Self::Text(text) => Some(Message::text(text)),
            Self::Ping => Some(Message::Ping(Bytes::new())),
            Self::Pong
            | Self::Close { .. }
            | Self::Upgrade
            | Self::Answer(_)
            | Self::Request(_)
            | Self::Reply { .. }
            | Self::Fin => None,
        }
    }
}

/// A close frame that somebody on the way puts into a stream: the sender's library knows nothing of it.
pub(super) fn close_frame(code: u16, reason: String, masked: bool) -> Vec<u8> {
    let mut frame = Frame::close(Some(CloseFrame {
        code: code.into(),
        reason: Utf8Bytes::from(reason),
    }));
    // Any mask will do.
    frame.header_mut().mask = masked.then_some([0; 4]);
    let mut bytes = Vec::with_capacity(frame.len());
    frame
        .format(&mut bytes)
        .expect("a list takes all that is written");
    bytes
}

impl Heard {
    /// What a WebSocket message says.
    pub(super) fn message(message: &Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_string()),
            Message::Ping(_) => Self::Ping,
            Message::Pong(_) => Self::Pong,
            Message::Close(frame) => Self::Close(frame.as_ref().map_or(1005, |frame| frame.code.into())),
            Message::Binary(bytes) => Self::Text(String::from_utf8_lossy(bytes).into_owned()),
            Message::Frame(_) => Self::End,
        }
    }

    /// What a host is given; nothing for what is no frame.
    pub(super) fn payload(self) -> Option<Payload> {
        match self {
            Self::Text(text) => Some(Payload::Text(text)),
            Self::Ping => Some(Payload::Ping),
            Self::Pong => Some(Payload::Pong),
            Self::Request(body) => serde_json::from_str(&body).ok().map(Payload::Connect),
            Self::Reply { status, body } => Some(Payload::ConnectReply {
                status,
                body: reply(status, &body),
                // No client machine asks for it.
                retry_after: None,
            }),
            Self::Upgrade | Self::Upgraded(_) | Self::Close(_) | Self::End => None,
        }
    }
}

/// The body of the issuer's answer; one that makes no sense is an error without a code, as it is for a real client.
fn reply(status: u16, body: &str) -> Body {
    let parsed = match status {
        200 => serde_json::from_str(body).ok().map(Body::Connect),
        _ => serde_json::from_str(body).ok().map(Body::Error),
    };
    parsed.unwrap_or_else(|| {
        Body::Error(ErrorReply {
            error: ErrorBody {
                code: String::new(),
                message: body.to_owned(),
            },
        })
    })
}

/// The request for a signed URL.
pub(super) fn connect_request(body: String) -> Request<Full<Bytes>> {
    let mut request = Request::post(CONNECT_PATH)
        .body(Full::from(body))
        .unwrap_or_default();
    request
        .headers_mut()
        .insert(HOST, HeaderValue::from_static("issuer.example"));
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

/// The issuer's answer.
pub(super) fn connect_reply(
    status: u16,
    body: String,
    retry_after: Option<Duration>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(wait) = retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    response
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own wire types are JSON")
}
