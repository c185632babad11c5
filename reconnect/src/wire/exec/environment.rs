//! `environment/info` and `environment/status` (exec-server sheet, 2.3). Both ask with `{}` or null.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Result of `environment/info`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InfoResult {
    /// The shell that commands are run with.
    pub shell: Shell,
    /// Where they are run unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// What 0.169 says beyond that: the keys of `environmentInfo`.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shell {
    /// `sh`
    pub name: String,
    /// Where it lies.
    pub path: String,
}

/// Result of `environment/status`, from 0.169 on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusResult {
    /// `ready` is the only value that was recorded.
    pub status: String,
}
