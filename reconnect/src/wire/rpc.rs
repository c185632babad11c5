//! The envelope of exec-server messages: JSON-RPC without its `jsonrpc` member (exec-server sheet, 2.2).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request's id: a number or a string, chosen by whoever asks and unique per connection. Numbers print as `r7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequestId {
    /// What real clients send: 1, 2, 3 on each new connection.
    Number(i64),
    /// Allowed by the protocol.
    Text(String),
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "r{n}"),
            Self::Text(text) => write!(f, "r{text:?}"),
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RpcError {
    /// One of the codes of this module.
    pub code: i64,
    /// The text that a person reads.
    pub message: String,
    /// Whatever else the server said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl RpcError {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)
    }
}

/// The request makes no sense here and now (exec-server sheet, 2.5).
pub const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The params do not decode.
pub const INVALID_PARAMS: i64 = -32602;
/// The server could not do it.
pub const INTERNAL_ERROR: i64 = -32603;
/// There is no such thing. The code exists; where file calls use it is not known (exec-server sheet, 2.5).
pub const NOT_FOUND: i64 = -32004;
/// With the text `JSON-RPC transport closed`: the connection is over (exec-server sheet, 2.5).
pub const TRANSPORT_CLOSED: i64 = -32000;
/// From 0.142 on: the session is attached to another connection.
pub const STILL_ATTACHED: i64 = -32010;

/// A message before anything is known about its method.
#[derive(Clone, Debug, PartialEq)]
pub enum Envelope {
    /// It has an id and a method.
    Request {
        /// Names the request.
        id: RequestId,
        /// What is asked.
        method: String,
        /// Null if missing.
        params: Value,
    },
    /// It has a method and no id.
    Notification {
        /// What is told.
        method: String,
        /// Null if missing.
        params: Value,
    },
    /// It has an id and a result.
    Response {
        /// Names the request.
        id: RequestId,
        /// The answer.
        result: Value,
    },
    /// It has an id and an error.
    Error {
        /// Names the request.
        id: RequestId,
        /// The refusal.
        error: RpcError,
    },
}

#[derive(Deserialize)]
struct Members {
    id: Option<RequestId>,
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    error: Option<RpcError>,
}

/// Tells `"result": null` from no result.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// What a JSON-RPC peer is told of JSON that is no message, in the words of the real server's decoder.
const NO_VARIANT: &str = "data did not match any variant of untagged enum JSONRPCMessage";

impl Envelope {
    /// Reads one text frame.
    ///
    /// # Errors
    /// The decoder's words, if the text is not JSON or JSON that is no message.
    pub fn decode(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !value.is_object() {
            return Err(NO_VARIANT.to_owned());
        }
        let Ok(members) = Members::deserialize(value) else {
            return Err(NO_VARIANT.to_owned());
        };
        match members {
            Members {
                id: Some(id),
                method: Some(method),
                params,
                ..
            } => Ok(Self::Request { id, method, params }),
            Members {
                id: None,
                method: Some(method),
                params,
                ..
            } => Ok(Self::Notification { method, params }),
            Members {
                id: Some(id),
                result: Some(result),
                ..
            } => Ok(Self::Response { id, result }),
            Members {
                id: Some(id),
                error: Some(error),
                ..
            } => Ok(Self::Error { id, error }),
            Members { .. } => Err(NO_VARIANT.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_id_and_method_is_a_request() {
        let text = r#"{"id":1,"method":"initialize","result":{},"trace":7}"#;
        assert!(matches!(Envelope::decode(text), Ok(Envelope::Request { .. })));
    }

    #[test]
    fn a_null_result_is_a_result() {
        assert!(matches!(
            Envelope::decode(r#"{"id":"a","result":null}"#),
            Ok(Envelope::Response { .. })
        ));
        assert_eq!(Envelope::decode(r#"{"id":1}"#), Err(NO_VARIANT.to_owned()));
    }

    #[test]
    fn what_is_no_message_is_said_in_the_servers_words() {
        assert_eq!(
            Envelope::decode("{not json"),
            Err("key must be a string at line 1 column 2".to_owned())
        );
        assert_eq!(Envelope::decode("[]"), Err(NO_VARIANT.to_owned()));
        assert_eq!(Envelope::decode(r#"{"foo":1}"#), Err(NO_VARIANT.to_owned()));
    }
}
