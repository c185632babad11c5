//! Time as an argument.
//!
//! A run starts at [`Time::ZERO`] and every moment in it is a number of nanoseconds since then. Nothing in this
//! workspace asks an operating system what time it is; lengths are `std::time::Duration`.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in a run: nanoseconds since its start. Prints as `+1.070s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The start of every run.
    pub const ZERO: Self = Self(0);

    /// The moment `nanos` nanoseconds into the run.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The moment `millis` milliseconds into the run.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Nanoseconds since the start of the run.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The length between `earlier` and `self`; zero if `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates at the end of time, about 584 years into a run.
    fn add(self, length: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 / 1_000;
        let (secs, millis, rest) = (micros / 1_000_000, micros / 1_000 % 1_000, micros % 1_000);
        match rest {
            0 => write!(f, "+{secs}.{millis:03}s"),
            _ => write!(f, "+{secs}.{millis:03}{rest:03}s"),
        }
    }
}

/// Lengths of time in files: `"800ms"`, `"1m 30s"`.
///
/// The bound keeps a typing mistake from becoming a run without an end.
pub mod length {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    /// The longest length that a file may name: thirty days.
    pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// Reads a length as people write it.
    ///
    /// # Errors
    /// Says what is wrong with `text` and what would be right.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let text = text.trim();
        if text.starts_with('-') {
            return Err(format!(
                "`{text}` is negative; a length is 0 or more, for example \"800ms\""
            ));
        }
        let length = humantime::parse_duration(text).map_err(|_| {
            format!("`{text}` is no length; write a number and a unit, for example \"800ms\" or \"1m 30s\"")
        })?;
        if LONGEST < length {
            return Err(format!(
                "`{text}` is absurdly long; the longest length is \"30days\""
            ));
        }
        Ok(length)
    }

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// See [`parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        parse(&String::deserialize(from)?).map_err(de::Error::custom)
    }

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(length: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*length))
    }

    /// The same for a length that may be missing.
    pub mod option {
        use super::{Deserializer, Duration, Serializer};

        /// For `#[serde(with)]`.
        ///
        /// # Errors
        /// See [`super::parse`].
        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
            super::deserialize(from).map(Some)
        }

        /// For `#[serde(with)]`.
        ///
        /// # Errors
        /// Those of the serializer.
        pub fn serialize<S: Serializer>(length: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
            match length {
                Some(length) => super::serialize(length, to),
                None => to.serialize_none(),
            }
        }
    }
}

/// The text was not of the form that `Display` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTime(String);

impl fmt::Display for BadTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no moment; write it as `+1.070s`", self.0)
    }
}

impl std::error::Error for BadTime {}

impl FromStr for Time {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bad = || BadTime(text.to_owned());
        let digits = text
            .strip_prefix('+')
            .and_then(|text| text.strip_suffix('s'))
            .ok_or_else(bad)?;
        let (secs, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if 9 < fraction.len() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let secs: u64 = secs.parse().map_err(|_| bad())?;
        let nanos: u64 = format!("{fraction:0<9}").parse().map_err(|_| bad())?;
        secs.checked_mul(1_000_000_000)
            .and_then(|whole| whole.checked_add(nanos))
            .map(Self)
            .ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_alike() {
        for (nanos, text) in [
            (0, "+0.000s"),
            (1_070_000_000, "+1.070s"),
            (3_000_250_000, "+3.000250s"),
        ] {
            assert_eq!(Time::from_nanos(nanos).to_string(), text);
            assert_eq!(text.parse(), Ok(Time::from_nanos(nanos)));
        }
        for bad in ["", "1.0s", "+s", "+1.0", "+-1s", "+1.1234567890s"] {
            assert_eq!(bad.parse::<Time>(), Err(BadTime(bad.to_owned())));
        }
    }

    #[test]
    fn lengths_say_what_is_wrong() {
        assert_eq!(length::parse("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(length::parse("-5s").unwrap_err().contains("negative"));
        assert!(length::parse("5").unwrap_err().contains("no length"));
        assert!(length::parse("900years").unwrap_err().contains("absurdly long"));
    }
}
