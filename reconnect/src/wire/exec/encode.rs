//! How a message is written.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{
    BodyDelta, ClosedParams, ExecParams, ExitedParams, FsReply, FsRequest, HttpParams, HttpResult,
    InfoResult, InitializeParams, InitializeResult, Message, Notification, OutputParams, ReadParams,
    ReadResult, Reply, Request, SignalParams, StartResult, StatusResult, TerminateParams, TerminateResult,
    WriteParams, WriteResult,
};
use crate::wire::rpc::{RequestId, RpcError};

#[derive(Serialize)]
#[serde(untagged)]
enum Shape<'a> {
    Request {
        id: &'a RequestId,
        method: &'a str,
        params: Params<'a>,
    },
    Notification {
        method: &'a str,
        params: Params<'a>,
    },
    Response {
        id: &'a RequestId,
        result: Outcome<'a>,
    },
    Error {
        id: &'a RequestId,
        error: &'a RpcError,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Params<'a> {
    Empty {},
    Initialize(&'a InitializeParams),
    Start(&'a ExecParams),
    Read(&'a ReadParams),
    Write(&'a WriteParams),
    Signal(&'a SignalParams),
    Terminate(&'a TerminateParams),
    Output(&'a OutputParams),
    Exited(&'a ExitedParams),
    Closed(&'a ClosedParams),
    Http(&'a HttpParams),
    Fs(&'a FsRequest),
    Body(&'a BodyDelta),
    Other(&'a Value),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Empty {},
    Initialize(&'a InitializeResult),
    Start(&'a StartResult),
    Read(&'a ReadResult),
    Write(&'a WriteResult),
    Terminate(&'a TerminateResult),
    Http(&'a HttpResult),
    Info(&'a InfoResult),
    Status(&'a StatusResult),
    Fs(&'a FsReply),
    Undecoded(&'a Value),
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let shape = match self {
            Self::Request { id, request } => {
                let params = match request {
                    Request::Initialize(params) => Params::Initialize(params),
                    Request::Start(params) => Params::Start(params),
                    Request::Read(params) => Params::Read(params),
                    Request::Write(params) => Params::Write(params),
                    Request::Signal(params) => Params::Signal(params),
                    Request::Terminate(params) => Params::Terminate(params),
                    Request::Http(params) => Params::Http(params),
                    Request::Fs(request) => Params::Fs(request),
                    Request::Info | Request::Status => Params::Empty {},
                    Request::Other { params, .. } => Params::Other(params),
                };
                Shape::Request {
                    id,
                    method: request.method(),
                    params,
                }
            }
            Self::Notification(notification) => {
                let params = match notification {
                    Notification::Initialized => Params::Empty {},
                    Notification::Output(params) => Params::Output(params),
                    Notification::Exited(params) => Params::Exited(params),
                    Notification::Closed(params) => Params::Closed(params),
                    Notification::Body(params) => Params::Body(params),
                    Notification::Other { params, .. } => Params::Other(params),
                };
                Shape::Notification {
                    method: notification.method(),
                    params,
                }
            }
            Self::Response { id, reply } => {
                let result = match reply {
                    Reply::Initialize(result) => Outcome::Initialize(result),
                    Reply::Start(result) => Outcome::Start(result),
                    Reply::Read(result) => Outcome::Read(result),
                    Reply::Write(result) => Outcome::Write(result),
                    Reply::Signal => Outcome::Empty {},
                    Reply::Terminate(result) => Outcome::Terminate(result),
                    Reply::Http(result) => Outcome::Http(result),
                    Reply::Info(result) => Outcome::Info(result),
                    Reply::Status(result) => Outcome::Status(result),
                    Reply::Fs(reply) => Outcome::Fs(reply),
                    Reply::Undecoded(value) => Outcome::Undecoded(value),
                };
                Shape::Response { id, result }
            }
            Self::Error { id, error } => Shape::Error { id, error },
        };
        shape.serialize(to)
    }
}
