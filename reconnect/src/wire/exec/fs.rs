//! The file calls (exec-server sheet, 9).
//!
//! The sheet records the names of the methods, that params take `file:` URIs and refuse native paths, and that what
//! `fs/open` opens belongs to the connection. It records no field: all names of fields here are ours [unverified], and so
//! is that the client names what it opens, as it names its processes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decode_params;
use super::method;
use super::params::Chunk;

/// A file call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FsRequest {
    /// `fs/readFile`
    ReadFile(AtUri),
    /// `fs/open`
    Open(OpenParams),
    /// `fs/readBlock`
    ReadBlock(ReadBlockParams),
    /// `fs/writeBlock`, from 0.169 on.
    WriteBlock(WriteBlockParams),
    /// `fs/close`
    Close(AtHandle),
    /// `fs/writeFile`
    WriteFile(WriteFileParams),
    /// `fs/createDirectory`
    CreateDirectory(AtUri),
    /// `fs/getMetadata`
    GetMetadata(AtUri),
    /// `fs/canonicalize`
    Canonicalize(AtUri),
    /// `fs/readDirectory`
    ReadDirectory(AtUri),
    /// `fs/walk`
    Walk(AtUri),
    /// `fs/remove`
    Remove(AtUri),
    /// `fs/copy`
    Copy(CopyParams),
}

/// What a call is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AtUri {
    /// A `file:` URI.
    pub uri: String,
}

/// What is open on this connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AtHandle {
    /// As [`OpenParams`] named it.
    pub handle: String,
}

/// Params of `fs/open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenParams {
    /// A `file:` URI.
    pub uri: String,
    /// How the file is called while it is open.
    pub handle: String,
}

/// Params of `fs/readBlock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadBlockParams {
    /// Of this open file.
    pub handle: String,
    /// From this byte.
    pub offset: u64,
    /// Not more bytes than this.
    pub max_bytes: u64,
}

/// Params of `fs/writeBlock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteBlockParams {
    /// Of this open file.
    pub handle: String,
    /// From this byte.
    pub offset: u64,
    /// The bytes.
    pub data: Chunk,
}

/// Params of `fs/writeFile`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteFileParams {
    /// A `file:` URI.
    pub uri: String,
    /// All that is in it then.
    pub data: Chunk,
}

/// Params of `fs/copy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyParams {
    /// A `file:` URI.
    pub from: String,
    /// A `file:` URI.
    pub to: String,
}

/// The result of a file call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FsReply {
    /// What is in a file.
    Data(FileData),
    /// What a file is.
    Metadata(Metadata),
    /// Where it really is.
    Uri(AtUri),
    /// What is in a directory.
    Entries(Entries),
    /// It is done.
    Done {},
}

/// What is in a file, or in a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileData {
    /// The bytes.
    pub data: Chunk,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// A file or a directory.
    pub kind: FileKind,
    /// How many bytes; of a directory 0.
    pub bytes: u64,
}

/// A file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Has bytes in it.
    File,
    /// Has files in it.
    Directory,
}

/// What is in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// As `file:` URIs, in order.
    pub entries: Vec<String>,
}

impl FsRequest {
    /// Its method.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::ReadFile(_) => method::FS_READ_FILE,
            Self::Open(_) => method::FS_OPEN,
            Self::ReadBlock(_) => method::FS_READ_BLOCK,
            Self::WriteBlock(_) => method::FS_WRITE_BLOCK,
            Self::Close(_) => method::FS_CLOSE,
            Self::WriteFile(_) => method::FS_WRITE_FILE,
            Self::CreateDirectory(_) => method::FS_CREATE_DIRECTORY,
            Self::GetMetadata(_) => method::FS_GET_METADATA,
            Self::Canonicalize(_) => method::FS_CANONICALIZE,
            Self::ReadDirectory(_) => method::FS_READ_DIRECTORY,
            Self::Walk(_) => method::FS_WALK,
            Self::Remove(_) => method::FS_REMOVE,
            Self::Copy(_) => method::FS_COPY,
        }
    }

    /// The file that it is about: a URI, or the name of what is open.
    pub fn about(&self) -> &str {
        match self {
            Self::ReadFile(at)
            | Self::CreateDirectory(at)
            | Self::GetMetadata(at)
            | Self::Canonicalize(at)
            | Self::ReadDirectory(at)
            | Self::Walk(at)
            | Self::Remove(at) => &at.uri,
            Self::Open(params) => &params.uri,
            Self::WriteFile(params) => &params.uri,
            Self::Copy(params) => &params.to,
            Self::Close(at) => &at.handle,
            Self::ReadBlock(params) => &params.handle,
            Self::WriteBlock(params) => &params.handle,
        }
    }

    /// Reads the params of a file call. None: there is no such call.
    pub(super) fn decode(name: &str, params: Value) -> Option<Result<Self, String>> {
        Some(match name {
            method::FS_READ_FILE => decode_params(params).map(Self::ReadFile),
            method::FS_OPEN => decode_params(params).map(Self::Open),
            method::FS_READ_BLOCK => decode_params(params).map(Self::ReadBlock),
            method::FS_WRITE_BLOCK => decode_params(params).map(Self::WriteBlock),
            method::FS_CLOSE => decode_params(params).map(Self::Close),
            method::FS_WRITE_FILE => decode_params(params).map(Self::WriteFile),
            method::FS_CREATE_DIRECTORY => decode_params(params).map(Self::CreateDirectory),
            method::FS_GET_METADATA => decode_params(params).map(Self::GetMetadata),
            method::FS_CANONICALIZE => decode_params(params).map(Self::Canonicalize),
            method::FS_READ_DIRECTORY => decode_params(params).map(Self::ReadDirectory),
            method::FS_WALK => decode_params(params).map(Self::Walk),
            method::FS_REMOVE => decode_params(params).map(Self::Remove),
            method::FS_COPY => decode_params(params).map(Self::Copy),
            _ => return None,
        })
    }
}

impl FsReply {
    /// Whether it can be the answer to a call of this method.
    pub(super) fn fits(&self, name: &str) -> bool {
        match name {
            method::FS_READ_FILE | method::FS_READ_BLOCK => matches!(self, Self::Data(_)),
            method::FS_GET_METADATA => matches!(self, Self::Metadata(_)),
            method::FS_CANONICALIZE => matches!(self, Self::Uri(_)),
            method::FS_READ_DIRECTORY | method::FS_WALK => matches!(self, Self::Entries(_)),
            _ => name.starts_with("fs/"),
        }
    }

    /// Reads the result of a call of this method.
    pub(super) fn decode(name: &str, value: Value) -> Result<Self, serde_json::Error> {
        match name {
            method::FS_READ_FILE | method::FS_READ_BLOCK => serde_json::from_value(value).map(Self::Data),
            method::FS_GET_METADATA => serde_json::from_value(value).map(Self::Metadata),
            method::FS_CANONICALIZE => serde_json::from_value(value).map(Self::Uri),
            method::FS_READ_DIRECTORY | method::FS_WALK => serde_json::from_value(value).map(Self::Entries),
            _ => Ok(Self::Done {}),
        }
    }
}
