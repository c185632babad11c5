//! `http/request` and the bodies that stream back (exec-server sheet, 9).

use serde::{Deserialize, Serialize};

use super::params::Chunk;
use crate::id::HttpId;

/// Params of `http/request`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpParams {
    /// The HTTP method.
    pub method: String,
    /// An absolute URL.
    pub url: String,
    /// In order.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// The body of the request.
    #[serde(default, rename = "bodyBase64", skip_serializing_if = "Option::is_none")]
    pub body: Option<Chunk>,
    /// How long the origin may take. `None`: as long as it likes.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// What becomes of a redirect.
    #[serde(default)]
    pub redirect_policy: RedirectPolicy,
    /// Names the request: unique among the streams that are active on a connection.
    pub request_id: HttpId,
    /// Whether the body comes in [`BodyDelta`]s behind the answer, and not in the answer.
    #[serde(default)]
    pub stream_response: bool,
}

/// One HTTP header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What becomes of a redirect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RedirectPolicy {
    /// It is followed.
    #[default]
    Follow,
    /// It is the answer.
    Stop,
}

/// Result of `http/request`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpResult {
    /// The HTTP status.
    pub status: u16,
    /// In order.
    pub headers: Vec<Header>,
    /// The body; empty if it streams.
    #[serde(rename = "bodyBase64")]
    pub body: Chunk,
}

/// Params of `http/request/bodyDelta`: one piece of a body that streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BodyDelta {
    /// Of which request.
    pub request_id: HttpId,
    /// Its place in the body, from 1.
    pub seq: u64,
    /// The bytes.
    #[serde(rename = "deltaBase64")]
    pub delta: Chunk,
    /// Whether the body is complete with it.
    #[serde(default)]
    pub done: bool,
    /// Why the body ends here although it is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
