//! Ports: the tasks at the ends of connections, where third-party libraries speak.
//!
//! A session's port is a WebSocket of tokio-tungstenite, a request to the issuer is HTTP/1.1 of hyper. A port writes
//! what its host has queued, one message after another, and reads only what has arrived, one message at a time, so
//! that what a library says between two messages (a pong) comes where the host says it does.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::server::{
    ErrorResponse, Request as Upgrade, Response as Switch,
};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};
use turmoil::net::TcpStream;

use super::carrier::Shared;
use super::line::Port;
use super::pipe::Pipe;
use super::wire::{Heard, Item, PLAIN_URL, close_frame, connect_reply, connect_request};
use crate::fault::Side;
use crate::worlds::net::End;

/// One end of one connection, as its port holds it.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) world: Shared,
    pub(super) conn: usize,
    pub(super) side: Side,
}

/// What a port is to do.
enum Todo {
    Write(Item, Option<u64>),
    Read,
    Wait,
    Stop,
}

impl Handle {
    pub(super) fn bell(&self) -> Rc<Notify> {
        let mut world = self.world.borrow_mut();
        Rc::clone(&world.conns[self.conn].line.endpoint(self.side).bell)
    }

    pub(super) fn pipe(&self, stream: TcpStream) -> Pipe {
        let seed = self.world.borrow().seed;
        Pipe::new(Rc::clone(&self.world), self.conn, self.side, stream, seed)
    }

    fn hear(&self, heard: Heard) {
        self.world.borrow_mut().hear(self.conn, self.side, heard);
    }

    pub(super) fn set(&self, port: Port) {
        let mut world = self.world.borrow_mut();
        world.conns[self.conn].line.endpoint(self.side).port = port;
        let host = world.conns[self.conn].host(self.side);
        world.carrier.desks[host].bell.notify_one();
    }

    /// What comes next: what is queued goes before what has arrived.
    fn todo(&self) -> Todo {
        let mut world = self.world.borrow_mut();
        let conn = &mut world.conns[self.conn];
        let gone = conn.end(self.side) == End::Gone;
        let readable = conn.line.stream_mut(self.side.sends().back()).is_readable();
        let endpoint = conn.line.endpoint(self.side);
        match endpoint.items.pop_front() {
            Some((item, parcel)) => Todo::Write(item, parcel),
            None if gone => Todo::Stop,
            None if readable => Todo::Read,
            None => Todo::Wait,
        }
    }

    /// From here on, what the library writes belongs to this parcel.
    fn begin(&self, parcel: Option<u64>) {
        let mut world = self.world.borrow_mut();
        world.conns[self.conn].line.stream_mut(self.side.sends()).writing = parcel;
    }

    /// The next thing that the host has queued.
    async fn item(&self) -> Option<(Item, Option<u64>)> {
        let bell = self.bell();
        loop {
            match self.todo() {
                Todo::Write(item, parcel) => return Some((item, parcel)),
                Todo::Stop => return None,
                Todo::Read | Todo::Wait => bell.notified().await,
            }
        }
    }

    /// The host has given this end up.
    async fn gone(&self) {
        let knell = Rc::clone(
            &self.world.borrow_mut().conns[self.conn]
                .line
                .endpoint(self.side)
                .knell,
        );
        while self.world.borrow().conns[self.conn].end(self.side) == End::Open {
            knell.notified().await;
        }
    }

    /// The dialer's end of a session.
    pub(super) async fn session_client(&self, stream: TcpStream) {
        let Some((Item::Upgrade, parcel)) = self.item().await else {
            return;
        };
        self.begin(parcel);
        let url = self.world.borrow().conns[self.conn].url.clone();
        let upgrade = client_async(url.as_deref().unwrap_or(PLAIN_URL), self.pipe(stream));
        let upgraded = tokio::select! {
            biased;
            upgraded = upgrade => upgraded,
            () = self.gone() => return,
        };
        match upgraded {
            Ok((socket, response)) => {
                self.hear(Heard::Upgraded(response.status().as_u16()));
                self.frames(socket).await;
            }
            Err(Error::Http(response)) => self.hear(Heard::Upgraded(response.status().as_u16())),
            Err(_) => self.hear(Heard::End),
        }
    }

    /// The server's end of a session.
    #[expect(clippy::result_large_err, reason = "the type is the library's")]
    pub(super) async fn session_server(&self, stream: TcpStream) {
        let callback = |request: &Upgrade, response: Switch| self.answer(request, response);
        if let Ok(socket) = accept_hdr_async(self.pipe(stream), callback).await {
            self.frames(socket).await;
        }
    }

    /// The library wants the answer to an upgrade at once, so the host decides in the middle of it.
    #[expect(clippy::result_large_err, reason = "the type is the library's")]
    fn answer(&self, request: &Upgrade, response: Switch) -> Result<Switch, ErrorResponse> {
        let host = request.headers().get("host").and_then(|host| host.to_str().ok());
        let url = request.uri().query().map(|_| {
            let url = format!("wss://{}{}", host.unwrap_or_default(), request.uri());
            Arc::from(url)
        });
        let status = self.world.borrow_mut().answer_library(self.conn, url);
        self.hear(Heard::Upgrade);
        match status {
            // Without an answer there is no parcel, and the pipe swallows what the library writes.
            Some(101) | None => Ok(response),
            Some(status) => {
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
                Err(refusal)
            }
        }
    }

    /// Frames go to and fro until the end.
    async fn frames(&self, mut socket: WebSocketStream<Pipe>) {
        let bell = self.bell();
        loop {
            match self.todo() {
                Todo::Stop => return,
                // Who has said its last word may still listen.
                Todo::Write(Item::Fin, _) => {}
                Todo::Write(item, parcel) => {
                    self.begin(parcel);
                    let written = self.write(&mut socket, item).await;
                    self.begin(None);
                    if written.is_err() {
                        return self.hear(Heard::End);
                    }
                }
                Todo::Read => tokio::select! {
                    biased;
                    message = socket.next() => match message {
                        Some(Ok(message)) => self.hear(Heard::message(&message)),
                        Some(Err(_)) | None => return self.hear(Heard::End),
                    },
                    () = bell.notified() => {}
                },
                Todo::Wait => bell.notified().await,
            }
        }
    }

    async fn write(&self, socket: &mut WebSocketStream<Pipe>, item: Item) -> Result<(), Error> {
        if let Item::Close { code, reason } = item {
            let pipe = socket.get_mut();
            let frame = close_frame(code, reason, self.side == Side::Client);
            pipe.write_all(&frame).await?;
            return Ok(pipe.flush().await?);
        }
        match item.message() {
            Some(message) => socket.send(message).await,
            None => socket.flush().await,
        }
    }

    /// The dialer's end of a request to the issuer.
    pub(super) async fn fetch_client(&self, stream: TcpStream) {
        let Some((Item::Request(body), parcel)) = self.item().await else {
            return;
        };
        self.begin(parcel);
        let exchange = exchange(self.pipe(stream), connect_request(body));
        let heard = tokio::select! {
            biased;
            reply = exchange => reply.unwrap_or(Heard::End),
            () = self.gone() => return,
        };
        self.hear(heard);
    }

    /// The issuer's end of a request.
    pub(super) async fn fetch_server(&self, stream: TcpStream) {
        let service = hyper::service::service_fn(|request| self.serve(request));
        let served = hyper::server::conn::http1::Builder::new()
            .keep_alive(false)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(self.pipe(stream)), service);
        tokio::select! {
            biased;
            _ = served => {}
            () = self.gone() => {}
        }
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
        let body = text(request.into_body()).await.map_err(io::Error::other)?;
        self.hear(Heard::Request(body));
        match self.item().await {
            Some((
                Item::Reply {
                    status,
                    body,
                    retry_after,
                },
                parcel,
            )) => {
                self.begin(parcel);
                Ok(connect_reply(status, body, retry_after))
            }
            Some(_) | None => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

/// One request and its answer.
async fn exchange(pipe: Pipe, request: Request<Full<Bytes>>) -> hyper::Result<Heard> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(pipe)).await?;
    let reply = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = text(response.into_body()).await?;
        Ok(Heard::Reply { status, body })
    };
    tokio::pin!(reply, connection);
    tokio::select! {
        biased;
        reply = &mut reply => reply,
        _ = &mut connection => reply.await,
    }
}

async fn text(body: Incoming) -> hyper::Result<String> {
    let bytes = body.collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
