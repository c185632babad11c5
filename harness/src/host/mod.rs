//! Hosts: what stands at the ends of connections, for any world.
//!
//! A host wraps a machine (a client or a mock), speaks to the world in frames, and writes down what becomes true. It
//! keeps the machines' contract: `handle` one input, drain `poll`, come back at `deadline`. What it does comes out as
//! one ordered list of effects, so that a fault can take effect between any two of them.

mod ask;
mod client;
mod exec;
mod issuer;
mod saboteur;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use unplug_mocks::exec::Config;
use unplug_mocks::issuer::Body;
use unplug_reconnect::id::{ConnId, ProcessId, UrlId};
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::{CloseReason, DialError};
use unplug_reconnect::wire::exec::{Message, Notification, Request, method};
use unplug_reconnect::wire::registry::ConnectRequest;

use crate::history::{Event, Frame, Kind, Label};
use crate::plan::{HostKind, Plan, Task};
use crate::scenario::Transport;
use crate::stage::Names;

/// The method name of a WebSocket upgrade.
pub(crate) const UPGRADE: &str = "upgrade";
/// The method name of a request to the issuer.
pub(crate) const REGISTRY_CONNECT: &str = "registry/connect";

/// What a frame carries.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    /// A message of the exec protocol.
    Message(Message),
    /// A text frame that is, or may be, no message.
    Text(String),
    /// A WebSocket ping.
    Ping,
    /// A WebSocket pong.
    Pong,
    /// A request to the issuer.
    Connect(ConnectRequest),
    /// Its answer.
    ConnectReply {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Body,
        /// The `Retry-After` header.
        retry_after: Option<Duration>,
    },
}

/// What a host is told.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A caller of this client asks for something.
    Do {
        task: Task,
        /// How much later it goes away, if it was not told before.
        leaves_after: Option<Duration>,
    },
    /// A dial succeeded, the upgrade included.
    Dialed(ConnId),
    /// A dial did not.
    DialFailed(ConnId, DialError),
    /// Somebody asks for an upgrade, with this signed URL.
    Upgrade {
        conn: ConnId,
        from: usize,
        url: Option<Arc<str>>,
    },
    /// A frame arrived.
    Frame { conn: ConnId, payload: Payload },
    /// A connection is over.
    Closed(ConnId, CloseReason),
    /// The transport takes no more for now.
    Congested(ConnId),
    /// It does again.
    Writable(ConnId),
    /// A child of this server leaves.
    Exit { process: ProcessId, code: i32 },
    /// A child of this server writes much at once.
    Burst { process: ProcessId, chunks: u32 },
    /// The URLs that this issuer signed so far are dead.
    ExpireUrls,
    /// The URLs up to this one are dead, says who signed them.
    ExpireUrlsUpTo(UrlId),
    /// There are no more URLs, and the old ones are void.
    RevokeUrls,
    /// This issuer answers with an error.
    Throttle {
        status: u16,
        code: Option<String>,
        times: u32,
        retry_after: Option<Duration>,
    },
    /// This host's wall clock jumps by so many nanoseconds.
    ClockJump(i128),
    /// The deadline is reached.
    Wake,
}

/// What a host does.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Something became true.
    Record(Event),
    /// Opens a connection.
    Dial {
        conn: ConnId,
        to: usize,
        url: Option<Arc<str>>,
    },
    /// Sends a frame.
    Send {
        conn: ConnId,
        frame: Arc<Frame>,
        payload: Payload,
    },
    /// Answers an upgrade with 101.
    Accept(ConnId),
    /// Answers it with another status.
    TurnAway { conn: ConnId, status: u16 },
    /// Ends a connection or a dial, with a FIN.
    Hangup(ConnId),
    /// Tells all who honour this issuer's URLs that those up to this one are dead.
    Expire { up_to: UrlId },
}

/// Anyone who takes part in a run.
pub(crate) enum Host {
    /// Takes no part: the script.
    Script,
    /// An exec client.
    Client(Box<client::ClientHost>),
    /// An exec server.
    Exec(Box<exec::ExecHost>),
    /// A credential issuer.
    Issuer(Box<issuer::IssuerHost>),
}

impl Host {
    /// The host with this index, as it is when it starts.
    pub(crate) fn new(plan: &Plan, index: usize, seed: Seed) -> Self {
        let name = &plan.hosts[index].name;
        let seed = seed.of(name);
        match &plan.hosts[index].kind {
            HostKind::Script => Self::Script,
            HostKind::Client {
                index,
                policy,
                to,
                issuer,
                transport,
                bug,
                ..
            } => {
                let names = |host: usize| Arc::clone(&plan.hosts[host].name);
                let peers = client::Peers {
                    to: (*to, names(*to)),
                    issuer: issuer.map(|host| (host, names(host))),
                    transport: *transport,
                };
                Self::Client(Box::new(client::ClientHost::new(
                    *index, policy, *bug, peers, seed,
                )))
            }
            HostKind::Exec {
                preset,
                bug,
                issuer,
                delays,
                transport,
            } => {
                let clients = plan.hosts.iter().map(|host| Arc::clone(&host.name)).collect();
                let config = Config {
                    bug: *bug,
                    delays: *delays,
                    is_child: *transport == Transport::Stdio,
                    ..Config::new(preset.clone(), seed)
                };
                Self::Exec(Box::new(exec::ExecHost::new(config, issuer.is_some(), clients)))
            }
            HostKind::Issuer { lifetime } => Self::Issuer(Box::new(issuer::IssuerHost::new(*lifetime))),
        }
    }

    pub(crate) fn handle(&mut self, input: Input, now: Time, names: &mut Names) {
        match self {
            Self::Script => {}
            Self::Client(host) => host.handle(input, now, names),
            Self::Exec(host) => host.handle(input, now, names),
            Self::Issuer(host) => host.handle(input, now),
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Effect> {
        match self {
            Self::Script => None,
            Self::Client(host) => host.poll(),
            Self::Exec(host) => host.poll(),
            Self::Issuer(host) => host.poll(),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        match self {
            Self::Script | Self::Issuer(_) => None,
            Self::Client(host) => host.deadline(),
            Self::Exec(host) => host.deadline(),
        }
    }

    /// What is known only at the end of a run.
    pub(crate) fn last_words(&self) -> Vec<Event> {
        match self {
            Self::Script | Self::Issuer(_) => Vec::new(),
            Self::Client(host) => host.last_words(),
            Self::Exec(host) => host.last_words(),
        }
    }
}

/// A method as a label, without an allocation for those that are known.
pub(crate) fn label(name: &str) -> Label {
    const KNOWN: [&str; 14] = [
        method::INITIALIZE,
        method::INITIALIZED,
        method::START,
        method::READ,
        method::WRITE,
        method::SIGNAL,
        method::TERMINATE,
        method::OUTPUT,
        method::EXITED,
        method::CLOSED,
        method::HTTP,
        method::BODY,
        method::INFO,
        method::STATUS,
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == name)
        .map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)
}

/// A frame that carries no message.
pub(crate) fn bare_frame(kind: Kind, method: &'static str) -> Frame {
    Frame {
        kind,
        method: Cow::Borrowed(method),
        request: None,
        answers: None,
        process: None,
        write: None,
        seq: None,
        call: None,
        http: None,
    }
}

/// What stands in a message, for the history. `method` is that of the request, if the message is an answer.
pub(crate) fn describe(message: &Message, method: Option<&str>) -> Frame {
    let mut frame = bare_frame(Kind::Notification, "");
    match message {
        Message::Request { id, request } => {
            frame.kind = Kind::Request;
            frame.request = Some(id.clone());
            frame.method = label(request.method());
            describe_request(&mut frame, request);
        }
        Message::Notification(note) => {
            frame.method = label(note.method());
            let (process, seq) = match note {
                Notification::Output(params) => (&params.process_id, params.output.seq),
                Notification::Exited(params) => (&params.process_id, params.seq),
                Notification::Closed(params) => (&params.process_id, params.seq),
                Notification::Body(params) => {
                    frame.http = Some(params.request_id.clone());
                    frame.seq = Some(params.seq);
                    return frame;
                }
                Notification::Initialized | Notification::Other { .. } => return frame,
            };
            frame.process = Some(process.clone());
            frame.seq = Some(seq);
        }
        Message::Response { id, .. } => {
            frame.kind = Kind::Response;
            frame.request = Some(id.clone());
            frame.method = label(method.unwrap_or_default());
        }
        Message::Error { id, .. } => {
            frame.kind = Kind::Error;
            frame.request = Some(id.clone());
            frame.method = label(method.unwrap_or_default());
        }
    }
    frame
}

fn describe_request(frame: &mut Frame, request: &Request) {
    match request {
        Request::Start(params) => frame.process = Some(params.process_id.clone()),
        Request::Read(params) => {
            frame.process = Some(params.process_id.clone());
            frame.seq = params.after_seq;
        }
        Request::Write(params) => {
            frame.process = Some(params.process_id.clone());
            frame.write = params.write_id.as_deref().and_then(write_id);
        }
        Request::Signal(params) => frame.process = Some(params.process_id.clone()),
        Request::Terminate(params) => frame.process = Some(params.process_id.clone()),
        Request::Http(params) => frame.http = Some(params.request_id.clone()),
        Request::Initialize(_) | Request::Info | Request::Status | Request::Fs(_) | Request::Other { .. } => {
        }
    }
}

/// A write id as the history spells it: our own clients send decimal numbers; other peers' ids are not named.
pub(crate) fn write_id(text: &str) -> Option<unplug_reconnect::id::WriteId> {
    text.parse().ok().map(unplug_reconnect::id::WriteId::new)
}
