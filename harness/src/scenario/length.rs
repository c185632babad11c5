//! Lengths of time as a scenario writes them, for serde and for the schema at once: `#[serde(with = "Length")]`.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserializer, Serializer};
use unplug_reconnect::time::length;

/// A length of time such as `"800ms"` or `"1m 30s"`; in Rust a [`Duration`].
pub enum Length {}

impl Length {
    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// See [`length::parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        length::deserialize(from)
    }

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(length: &Duration, to: S) -> Result<S::Ok, S::Error> {
        length::serialize(length, to)
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "length of time",
            "description": "A length of time: numbers with units, from 0 to 30 days. For example \"800ms\" or \"1m 30s\".",
            "type": "string",
            "pattern": "^\\s*0\\s*$|^\\s*([0-9]+\\s*[a-zA-Zµ]+\\s*)+$",
        })
    }
}

/// The same for a length that may be missing.
pub enum MaybeLength {}

impl MaybeLength {
    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// See [`length::parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        length::option::deserialize(from)
    }

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(length: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        length::option::serialize(length, to)
    }
}

// A missing length is a missing key, so the schema of one that is there is that of `Length`.
impl JsonSchema for MaybeLength {
    fn schema_name() -> Cow<'static, str> {
        Length::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        Length::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Length::json_schema(generator)
    }
}
