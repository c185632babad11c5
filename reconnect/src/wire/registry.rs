//! The environment registry, which issues signed URLs (exec-server sheet, 8). Its fields are `snake_case`.

use serde::{Deserialize, Serialize};

/// Body of `POST /cloud/environment/{id}/connect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectRequest {
    /// The key of the client's side of the encrypted relay; kept over all requests of one client.
    pub harness_public_key: String,
}

/// The bundle for one physical dial.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectReply {
    /// The environment that was asked for.
    pub environment_id: String,
    /// The signed WebSocket URL; its query is a secret.
    pub url: String,
    /// Always [`SECURITY_PROFILE`].
    pub security_profile: String,
    /// Names the executor's registration.
    pub executor_registration_id: String,
    /// The key of the executor's side.
    pub executor_public_key: String,
    /// Proves to the executor that this client may connect.
    pub harness_key_authorization: String,
}

/// The only security profile that is spoken.
pub const SECURITY_PROFILE: &str = "noise_hybrid_ik_v1";

/// Body of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReply {
    /// The refusal.
    pub error: ErrorBody,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// For machines, for example [`ENVIRONMENT_OFFLINE`].
    pub code: String,
    /// For people.
    pub message: String,
}

/// With status 409: the executor is away for the moment.
pub const ENVIRONMENT_OFFLINE: &str = "environment_offline";

/// A URL without its query and fragment, which are secret and appear in no log, error or history.
pub fn without_secret(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

impl std::fmt::Debug for ConnectReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectReply")
            .field("url", &without_secret(&self.url))
            .finish_non_exhaustive()
    }
}
