//! Identity as an argument: who is who in a run.
//!
//! An id is minted by whoever owns the thing, is never reused within a run, and prints as it is written in scripts,
//! timelines and JSONL: `c2`, `w1`, `r7`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The text was not of the form that `Display` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadId {
    text: String,
    form: String,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no id of the form `{}`", self.text, self.form)
    }
}

impl std::error::Error for BadId {}

/// What a connection is for; the first letter of its [`ConnId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// A session's transport: `c2`.
    Session,
    /// One request to a credential issuer: `f2`.
    Fetch,
}

/// One transport, never reused: the n-th (its *generation*) of one client and one purpose.
///
/// The first client's print as `c1`, `c2`, …, those of the k-th as `c1/k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    client: u32,
    purpose: Purpose,
    generation: u32,
}

impl ConnId {
    /// Which one of its client's connections of this purpose, from 1.
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// The index of the client that dialed it, from 0.
    pub const fn client(self) -> u32 {
        self.client
    }

    /// What it is for.
    pub const fn purpose(self) -> Purpose {
        self.purpose
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.purpose {
            Purpose::Session => 'c',
            Purpose::Fetch => 'f',
        };
        match self.client {
            0 => write!(f, "{letter}{}", self.generation),
            client => write!(f, "{letter}{}/{}", self.generation, u64::from(client) + 1),
        }
    }
}

impl FromStr for ConnId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId {
            text: text.to_owned(),
            form: "c1".to_owned(),
        };
        let (purpose, rest) = match (text.strip_prefix('c'), text.strip_prefix('f')) {
            (Some(rest), _) => (Purpose::Session, rest),
            (_, Some(rest)) => (Purpose::Fetch, rest),
            (None, None) => return Err(bad()),
        };
        let (generation, client) = rest.split_once('/').unwrap_or((rest, "1"));
        let generation = generation.parse().ok().filter(|&n| n != 0).ok_or_else(bad)?;
        let client: u32 = client.parse().ok().filter(|&n| n != 0).ok_or_else(bad)?;
        Ok(Self {
            client: client - 1,
            purpose,
            generation,
        })
    }
}

/// Mints the connection ids of one client and one purpose.
#[derive(Clone, Debug)]
pub struct ConnIds {
    client: u32,
    purpose: Purpose,
    minted: u32,
}

impl ConnIds {
    /// The ids of the client with this index, counted from 0.
    pub const fn new(client: u32, purpose: Purpose) -> Self {
        Self {
            client,
            purpose,
            minted: 0,
        }
    }

    /// The next id.
    pub fn mint(&mut self) -> ConnId {
        self.minted += 1;
        ConnId {
            client: self.client,
            purpose: self.purpose,
            generation: self.minted,
        }
    }
}

/// A counted name with its letter: `Id::<'w'>::new(1)` prints as `w1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<const LETTER: char>(u64);

impl<const LETTER: char> Id<LETTER> {
    /// The one with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Names a stdin write across resends: `w1`. Counted from 1 by the client, per process handle; on the wire it is the
/// decimal number in a string (exec-server sheet, 5).
pub type WriteId = Id<'w'>;

/// One operation that a caller asked of a client machine: `k1`. Keeps its value however often it is sent.
pub type CallId = Id<'k'>;

/// A session as a history names it: `s1` is the first one seen in the run. On the wire it is a [`SessionId`].
pub type SessionNumber = Id<'s'>;

/// A signed URL as a history names it: `u1` is the first one issued. Its secret part is never recorded.
pub type UrlId = Id<'u'>;

impl<const LETTER: char> fmt::Display for Id<LETTER> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LETTER}{}", self.0)
    }
}

impl<const LETTER: char> FromStr for Id<LETTER> {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        text.strip_prefix(LETTER)
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| BadId {
                text: text.to_owned(),
                form: format!("{LETTER}1"),
            })
    }
}

impl<const LETTER: char> Serialize for Id<LETTER> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de, const LETTER: char> Deserialize<'de> for Id<LETTER> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for ConnId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ConnId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// A session as its server names it on the wire. Outlives connections.
///
/// Real servers make UUIDs; a client treats the text as opaque and sends back what it was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Arc<str>);

/// A process as its client names it: unique within a session, chosen by the client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(Arc<str>);

/// A forwarded HTTP request as its client names it, and the body that streams back for it: `http-1`, `http-2`, … over all
/// connections of the client (exec-server sheet, 9).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HttpId(Arc<str>);

impl From<&str> for HttpId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for HttpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for SessionId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<&str> for ProcessId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse_alike() {
        let mut laptop = ConnIds::new(0, Purpose::Session);
        let mut other = ConnIds::new(2, Purpose::Fetch);
        assert_eq!(laptop.mint().to_string(), "c1");
        assert_eq!(laptop.mint().to_string(), "c2");
        let fetch = other.mint();
        assert_eq!(fetch.to_string(), "f1/3");
        assert_eq!("f1/3".parse(), Ok(fetch));
        assert_eq!("w7".parse(), Ok(WriteId::new(7)));
        for bad in ["", "c", "c0", "c1/0", "x1", "c-1", "c1/"] {
            assert!(bad.parse::<ConnId>().is_err(), "{bad}");
        }
        assert_eq!(
            "s7".parse::<WriteId>().unwrap_err().to_string(),
            "`s7` is no id of the form `w1`"
        );
    }
}
