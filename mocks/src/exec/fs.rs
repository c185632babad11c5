//! The files of the server: a small tree in memory, shared by all sessions and gone with the server's memory
//! (exec-server sheet, 9).
//!
//! It begins with `/srv/hello.txt` and `/tmp`. What is open belongs to its connection. Codes and texts of refusals are
//! ours, but for the form of a URI, which is that of a working directory [unverified].

use std::collections::BTreeMap;

use unplug_reconnect::wire::exec::{
    AtUri, Chunk, Entries, FileData, FileKind, FsReply, FsRequest, Metadata, Reply,
};
use unplug_reconnect::wire::rpc::{INVALID_PARAMS, NOT_FOUND, RpcError};

use super::news::News;
use super::{ExecServer, Origin};

/// What is open on a connection: the name of the client's, and the path.
pub(super) type Open = BTreeMap<String, String>;

/// All files by path. A directory has no bytes.
#[derive(Debug)]
pub(super) struct Tree(BTreeMap<String, Option<Chunk>>);

impl Default for Tree {
    fn default() -> Self {
        let file = Some(Chunk::from("hello\n"));
        let all = [
            ("/", None),
            ("/srv", None),
            ("/srv/hello.txt", file),
            ("/tmp", None),
        ];
        Self(all.map(|(path, node)| (path.to_owned(), node)).into())
    }
}

impl ExecServer {
    /// A file call, once the handshake is complete.
    pub(super) fn on_fs(&mut self, origin: Origin, request: &FsRequest) {
        let Some(state) = self.shared.conns.get_mut(&origin.conn) else {
            return;
        };
        match act(&mut self.files, &mut state.open_files, request) {
            Ok((reply, changed)) => {
                if let Some(path) = changed {
                    self.shared.news(News::FileChanged {
                        conn: origin.conn,
                        request: origin.request.clone(),
                        method: request.method(),
                        path,
                    });
                }
                self.shared.applied(&origin);
                self.shared.answer(origin, Ok(Reply::Fs(reply)));
            }
            Err(why) => self.refuse(origin, why),
        }
    }
}

/// Does it: the answer, and the path that it changed, if it changed one.
fn act(tree: &mut Tree, open: &mut Open, request: &FsRequest) -> Result<(FsReply, Option<String>), RpcError> {
    let changed = |path| Ok((FsReply::Done {}, Some(path)));
    let reply = match request {
        FsRequest::ReadFile(at) => FsReply::Data(FileData {
            data: tree.file(&path(&at.uri)?)?.clone(),
        }),
        FsRequest::Open(params) => {
            let path = path(&params.uri)?;
            tree.file(&path)?;
            open.insert(params.handle.clone(), path);
            FsReply::Done {}
        }
        FsRequest::ReadBlock(params) => {
            let bytes = tree.file(opened(open, &params.handle)?)?.bytes();
            let from = bytes.len().min(clamped(params.offset));
            let to = bytes.len().min(from.saturating_add(clamped(params.max_bytes)));
            FsReply::Data(FileData {
                data: Chunk::from(&bytes[from..to]),
            })
        }
        FsRequest::WriteBlock(params) => {
            let path = opened(open, &params.handle)?.clone();
            let mut bytes = tree.file(&path)?.bytes().to_vec();
            let at = clamped(params.offset);
            if bytes.len() < at {
                return Err(RpcError::new(INVALID_PARAMS, "offset beyond the end of the file"));
            }
            let end = bytes.len().min(at + params.data.len());
            bytes.splice(at..end, params.data.bytes().iter().copied());
            tree.put(&path, Some(Chunk::from(bytes)))?;
            return changed(path);
        }
        FsRequest::Close(at) => {
            opened(open, &at.handle)?;
            open.remove(&at.handle);
            FsReply::Done {}
        }
        FsRequest::WriteFile(params) => {
            let path = path(&params.uri)?;
            tree.put(&path, Some(params.data.clone()))?;
            return changed(path);
        }
        FsRequest::CreateDirectory(at) => {
            let path = path(&at.uri)?;
            tree.put(&path, None)?;
            return changed(path);
        }
        FsRequest::GetMetadata(at) => FsReply::Metadata(match tree.node(&path(&at.uri)?)? {
            Some(data) => Metadata {
                kind: FileKind::File,
                bytes: data.len() as u64,
            },
            None => Metadata {
                kind: FileKind::Directory,
                bytes: 0,
            },
        }),
        FsRequest::Canonicalize(at) => {
            let path = path(&at.uri)?;
            tree.node(&path)?;
            FsReply::Uri(AtUri {
                uri: format!("file://{path}"),
            })
        }
        FsRequest::ReadDirectory(at) => tree.entries(&path(&at.uri)?, false)?,
        FsRequest::Walk(at) => tree.entries(&path(&at.uri)?, true)?,
        FsRequest::Remove(at) => {
            let path = path(&at.uri)?;
            tree.node(&path)?;
            tree.0
                .retain(|other, _| *other != path && below(other, &path).is_none());
            return changed(path);
        }
        FsRequest::Copy(params) => {
            let data = tree.file(&path(&params.from)?)?.clone();
            let to = path(&params.to)?;
            tree.put(&to, Some(data))?;
            return changed(to);
        }
    };
    Ok((reply, None))
}

impl Tree {
    fn node(&self, path: &str) -> Result<&Option<Chunk>, RpcError> {
        self.0.get(path).ok_or_else(not_found)
    }

    fn file(&self, path: &str) -> Result<&Chunk, RpcError> {
        let is_directory = || RpcError::new(INVALID_PARAMS, "Is a directory (os error 21)");
        self.node(path)?.as_ref().ok_or_else(is_directory)
    }

    fn put(&mut self, path: &str, node: Option<Chunk>) -> Result<(), RpcError> {
        let (parent, _) = path.rsplit_once('/').unwrap_or_default();
        let parent = if parent.is_empty() { "/" } else { parent };
        if self.node(parent)?.is_some() {
            return Err(RpcError::new(INVALID_PARAMS, "Not a directory (os error 20)"));
        }
        if self.0.get(path).is_some_and(Option::is_none) {
            return Err(RpcError::new(INVALID_PARAMS, "Is a directory (os error 21)"));
        }
        self.0.insert(path.to_owned(), node);
        Ok(())
    }

    fn entries(&self, path: &str, all: bool) -> Result<FsReply, RpcError> {
        if self.node(path)?.is_some() {
            return Err(RpcError::new(INVALID_PARAMS, "Not a directory (os error 20)"));
        }
        let is_listed = |other: &&String| below(other, path).is_some_and(|rest| all || !rest.contains('/'));
        let entries = self
            .0
            .keys()
            .filter(is_listed)
            .map(|path| format!("file://{path}"));
        Ok(FsReply::Entries(Entries {
            entries: entries.collect(),
        }))
    }
}

/// What is left of a path below a directory, if it is below it.
fn below<'a>(other: &'a str, path: &str) -> Option<&'a str> {
    let rest = other.strip_prefix(path.trim_end_matches('/'))?;
    rest.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// The path in a `file:` URI; a native path is refused (sheet 2.3).
fn path(uri: &str) -> Result<String, RpcError> {
    let path = uri.strip_prefix("file://").filter(|path| path.starts_with('/'));
    let Some(path) = path else {
        return Err(RpcError::new(
            INVALID_PARAMS,
            "invalid URI: relative URL without a base",
        ));
    };
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    Ok(format!("/{}", parts.join("/")))
}

fn opened<'a>(open: &'a Open, handle: &str) -> Result<&'a String, RpcError> {
    open.get(handle).ok_or_else(not_found)
}

fn not_found() -> RpcError {
    RpcError::new(NOT_FOUND, "No such file or directory (os error 2)")
}

fn clamped(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
