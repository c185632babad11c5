//! What can go wrong with a connection, as a connection experiences it.
//!
//! A fault says nothing about how a world brings it about: each world translates faults in one file of its own. In a
//! scenario a fault is written as its name (`"blackhole"`) or as its name with details
//! (`{ link_down = { host = "laptop", for = "800ms" } }`).

mod print;

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, json};
use strum::{Display, EnumDiscriminants, EnumString, IntoStaticStr, VariantArray};

use crate::scenario::{Length, MaybeLength};

/// Which way bytes go.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    Display,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Dir {
    /// From client to server.
    C2s,
    /// From server to client.
    S2c,
}

/// One end of a connection.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    Display,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Side {
    /// The end that dialed.
    Client,
    /// The end that accepted.
    Server,
}

impl Dir {
    /// The other direction.
    pub(crate) const fn back(self) -> Self {
        match self {
            Self::C2s => Self::S2c,
            Self::S2c => Self::C2s,
        }
    }

    /// The end that sends in this direction.
    pub(crate) const fn sender(self) -> Side {
        match self {
            Self::C2s => Side::Client,
            Self::S2c => Side::Server,
        }
    }

    /// The end that receives in this direction.
    pub(crate) const fn receiver(self) -> Side {
        self.back().sender()
    }
}

impl Side {
    /// The other end.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// The direction in which this end sends.
    pub(crate) const fn sends(self) -> Dir {
        match self {
            Self::Client => Dir::C2s,
            Self::Server => Dir::S2c,
        }
    }
}

/// With which address a host comes back after its link was down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// The one it had: who still sends to one of its dead sockets is answered with a reset.
    #[default]
    Same,
    /// Another one: who still sends to one of its dead sockets hears nothing.
    New,
}

/// What a connection experiences. [`FaultKind`] is the same without the details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, EnumDiscriminants)]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Fault", transform = allow_bare_names)]
#[strum_discriminants(
    name(FaultKind),
    doc = "A kind of fault: what generators draw from and tables count by. Prints as scenarios spell it.",
    derive(
        PartialOrd,
        Ord,
        Serialize,
        Deserialize,
        Display,
        EnumString,
        IntoStaticStr,
        VariantArray
    ),
    serde(rename_all = "snake_case"),
    strum(serialize_all = "snake_case")
)]
pub enum Fault {
    /// Silence both ways. TCP retransmits, so what was sent arrives after healing, unless the link's `tcp_timeout` came
    /// first. A new connect hangs until its own timeout. Without `for` it lasts until `heal`.
    Partition {
        /// How long.
        #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
        r#for: Option<Duration>,
    },
    /// Silence in one direction only, otherwise as `partition`: one side goes on hearing the other.
    PartitionOneWay {
        /// The direction that falls silent.
        dir: Dir,
        /// How long.
        #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
        r#for: Option<Duration>,
    },
    /// A Wi-Fi or VPN that drops: the host's own sockets fail at once and its dials fail until the link is back, while
    /// its peers are told nothing.
    LinkDown {
        /// Whose link.
        host: String,
        /// How long.
        #[serde(with = "Length")]
        r#for: Duration,
        /// With which address the host comes back.
        #[serde(default, skip_serializing_if = "is_default")]
        address: Address,
    },
    /// Silence for good on every open connection, while new connects succeed: a NAT has forgotten them.
    Blackhole,
    /// The connection ends with a reset: both sides get an error at once, and what was on the way is lost.
    Reset,
    /// The connection ends with a FIN of both sides, after what was on the way.
    Close,
    /// One side sends its FIN and goes on reading; the other may still send.
    HalfClose {
        /// The side that sends its FIN.
        side: Side,
    },
    /// One side is told that the connection is over, the other is told nothing and believes in it.
    HalfOpen {
        /// The side that is told.
        told: Side,
    },
    /// The receiver gets the first bytes of the anchor's frame, then a reset.
    CutFrame {
        /// How many bytes get through.
        bytes: u64,
    },
    /// A WebSocket close frame arrives, then the connection closes.
    WsClose {
        /// The close code.
        #[schemars(range(min = 1000, max = 4999))]
        code: u16,
        /// The text beside the code.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// Who sends it.
        #[serde(default = "server_side", skip_serializing_if = "is_server_side")]
        from: Side,
    },
    /// New connects to the host are refused; open connections go on.
    Refuse {
        /// Who refuses.
        host: String,
        /// How long.
        #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
        r#for: Option<Duration>,
    },
    /// New connects to the host hang until the dialer's own timeout; open connections go on.
    ConnectHang {
        /// Who does not answer.
        host: String,
        /// How long.
        #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
        r#for: Option<Duration>,
    },
    /// The next connects get an HTTP status where the WebSocket upgrade should be.
    RejectUpgrade {
        /// Who rejects.
        host: String,
        /// The HTTP status.
        #[schemars(range(min = 400, max = 599))]
        status: u16,
        /// How many connects.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        #[schemars(range(min = 1))]
        times: u32,
    },
    /// The next connects succeed, and their WebSocket upgrade is never answered.
    HangUpgrade {
        /// Who does not answer.
        host: String,
        /// How many connects.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        #[schemars(range(min = 1))]
        times: u32,
    },
    /// Everything takes this long, one way, from then on.
    Latency {
        /// The new latency.
        #[serde(with = "Length")]
        to: Duration,
    },
    /// Everything takes longer by a seeded amount from then on; the bytes of one connection stay in order.
    Jitter {
        /// The most that is added.
        #[serde(with = "Length")]
        up_to: Duration,
    },
    /// No more than this many bytes a second pass in each direction from then on; the rest waits.
    Bandwidth {
        /// The new limit.
        #[schemars(range(min = 1))]
        bytes_per_second: u64,
    },
    /// Each connection is slower than the others by a seeded amount of its own, so connections overtake each other.
    ReorderConnections {
        /// The most that is added.
        #[serde(with = "Length")]
        up_to: Duration,
    },
    /// The host reads this slowly, or not at all, so that its peers' sends back up.
    SlowReader {
        /// Who reads slowly.
        host: String,
        /// How fast; at 0 it does not read.
        bytes_per_second: u64,
        /// How long.
        #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
        r#for: Option<Duration>,
    },
    /// The anchor's frame never arrives; everything around it does.
    DropFrame,
    /// The anchor's frame arrives twice.
    DuplicateFrame,
    /// A text frame that is no message arrives.
    Garbage {
        /// Which way it goes.
        dir: Dir,
        /// What stands in it.
        #[serde(default = "garbage_text", skip_serializing_if = "is_garbage_text")]
        text: String,
    },
    /// Every signed URL that the issuer gave out so far has expired: a dial with one is answered with 401.
    ExpireUrl {
        /// Who signed them.
        issuer: String,
    },
    /// The issuer gives out nothing more, and what it gave out is void: 403 to everyone.
    Revoke {
        /// Who revokes.
        issuer: String,
    },
    /// The next requests to the issuer are answered with this HTTP status.
    Throttle {
        /// The issuer.
        host: String,
        /// The HTTP status.
        #[schemars(range(min = 400, max = 599))]
        status: u16,
        /// The error code in the body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// How many requests.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        #[schemars(range(min = 1))]
        times: u32,
        /// What the `Retry-After` header asks for.
        #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
        retry_after: Option<Duration>,
    },
    /// Power loss: the host is gone without a goodbye, and stays away.
    Crash {
        /// Who.
        host: String,
    },
    /// Power loss, and a restart with nothing remembered.
    Bounce {
        /// Who.
        host: String,
        /// How long the host is away.
        #[serde(with = "Length")]
        after: Duration,
    },
    /// A process leaves by itself, and its pipes close.
    Exit {
        /// The server on which it runs.
        host: String,
        /// Its name.
        process: String,
        /// Its exit code.
        code: i32,
    },
    /// The host is not scheduled while time passes, then goes on: a laptop that sleeps.
    Stall {
        /// Who.
        host: String,
        /// How long.
        #[serde(with = "Length")]
        r#for: Duration,
    },
    /// The host's wall clock jumps, `ahead` or `behind`; its timers do not notice.
    ClockJump {
        /// Whose clock.
        host: String,
        /// How far forward.
        #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
        ahead: Option<Duration>,
        /// How far back.
        #[serde(default, with = "MaybeLength", skip_serializing_if = "Option::is_none")]
        behind: Option<Duration>,
    },
    /// A process writes this many chunks of output in one slice.
    Burst {
        /// The server on which it runs.
        host: String,
        /// Its name.
        process: String,
        /// How many.
        #[schemars(range(min = 1, max = 100_000))]
        chunks: u32,
    },
    /// Everything that silences, slows, refuses or hangs is over. What is dead stays dead.
    Heal,
}

/// What a fault hits, where it does not say so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The links: those of the step's client, or of all clients if the step names none.
    Links,
    /// The open connections of one client.
    Connections,
    /// The frame at the step's anchor.
    Frame,
    /// The host, issuer or process that the fault names.
    Named,
}

impl Fault {
    /// Its kind.
    pub fn kind(&self) -> FaultKind {
        self.into()
    }
}

impl FaultKind {
    /// What a fault of this kind hits.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Partition
            | Self::PartitionOneWay
            | Self::Latency
            | Self::Jitter
            | Self::Bandwidth
            | Self::ReorderConnections
            | Self::Heal => Scope::Links,
            Self::Blackhole
            | Self::Reset
            | Self::Close
            | Self::HalfClose
            | Self::HalfOpen
            | Self::WsClose
            | Self::Garbage => Scope::Connections,
            Self::CutFrame | Self::DropFrame | Self::DuplicateFrame => Scope::Frame,
            Self::LinkDown
            | Self::Refuse
            | Self::ConnectHang
            | Self::RejectUpgrade
            | Self::HangUpgrade
            | Self::SlowReader
            | Self::ExpireUrl
            | Self::Revoke
            | Self::Throttle
            | Self::Crash
            | Self::Bounce
            | Self::Exit
            | Self::Stall
            | Self::ClockJump
            | Self::Burst => Scope::Named,
        }
    }
}

// Serde would want `{ partition = {} }` for a partition without details. `remote = "Self"` makes its derived functions
// private helpers, and the two impls below add the bare name.

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if *self == (Self::Partition { r#for: None }) {
            return to.serialize_str(FaultKind::Partition.into());
        }
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(FaultVisitor)
    }
}

struct FaultVisitor;

impl<'de> de::Visitor<'de> for FaultVisitor {
    type Value = Fault;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a fault, or a table with one fault")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Fault, E> {
        if name == <&str>::from(FaultKind::Partition) {
            return Ok(Fault::Partition { r#for: None });
        }
        Fault::deserialize(StrDeserializer::new(name))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Fault, A::Error> {
        Fault::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Adds to the schema what the impls above add to serde: a fault that needs no details may be its bare name.
fn allow_bare_names(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.get_mut("oneOf") else {
        return;
    };
    let bare: Vec<Value> = variants
        .iter()
        .filter_map(|variant| {
            let (name, details) = variant.get("properties")?.as_object()?.iter().next()?;
            let needs_none = details.get("required").is_none();
            let description = variant.get("description")?;
            needs_none.then(|| json!({ "type": "string", "const": name, "description": description }))
        })
        .collect();
    variants.extend(bare);
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

const fn once() -> u32 {
    1
}

const fn is_once(times: &u32) -> bool {
    *times == once()
}

const fn server_side() -> Side {
    Side::Server
}

fn is_server_side(side: &Side) -> bool {
    *side == server_side()
}

fn garbage_text() -> String {
    "{not json".to_owned()
}

fn is_garbage_text(text: &str) -> bool {
    text == garbage_text()
}

#[cfg(test)]
mod tests;
