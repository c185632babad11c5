//! Whether a message is what a line stands for: placeholders, loose keys, joined chunks.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// The session ids that are bound so far, by placeholder.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bindings(BTreeMap<String, String>);

impl Bindings {
    /// Replaces the placeholders of a `send`.
    pub(crate) fn fill(&self, message: &Value, cwd: &str) -> Result<Value, String> {
        Ok(match message {
            Value::String(text) => {
                let mut text = text.replace("$cwd", cwd);
                // The longest names first, or `$session1` would eat the beginning of `$session10`.
                for (name, id) in self.0.iter().rev() {
                    text = text.replace(name, id);
                }
                if text.contains("$session") {
                    return Err(format!("{text} is not bound"));
                }
                Value::String(text)
            }
            Value::Array(items) => {
                let items: Result<_, _> = items.iter().map(|item| self.fill(item, cwd)).collect();
                Value::Array(items?)
            }
            Value::Object(members) => {
                let fill = |(key, value): (&String, &Value)| Ok((key.clone(), self.fill(value, cwd)?));
                let members: Result<Map<_, _>, String> = members.iter().map(fill).collect();
                Value::Object(members?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => message.clone(),
        })
    }

    /// Whether `actual` is what `expected` stands for; binds what it sees for the first time.
    pub(crate) fn matches(&mut self, expected: &Value, actual: &Value, loose: &[String]) -> bool {
        match (expected, actual) {
            (Value::String(text), _) if text == "$any" => true,
            (Value::String(text), Value::String(actual)) => self.text_matches(text, actual),
            (Value::Object(members), Value::Array(chunks)) if members.contains_key("$joined") => {
                members.len() == 1 && joined_matches(&members["$joined"], chunks) == Some(true)
            }
            (Value::Object(expected), Value::Object(actual)) => {
                expected.len() == actual.len()
                    && expected.iter().all(|(key, value)| {
                        actual.get(key).is_some_and(|actual| {
                            if loose.contains(key) {
                                kind(value) == kind(actual)
                            } else {
                                self.matches(value, actual, loose)
                            }
                        })
                    })
            }
            (Value::Array(expected), Value::Array(actual)) => {
                expected.len() == actual.len()
                    && expected
                        .iter()
                        .zip(actual)
                        .all(|(expected, actual)| self.matches(expected, actual, loose))
            }
            (expected, actual) => expected == actual,
        }
    }

    fn text_matches(&mut self, pattern: &str, actual: &str) -> bool {
        let Some(at) = pattern.find('$') else {
            return pattern == actual;
        };
        let (before, rest) = pattern.split_at(at);
        let Some(actual) = actual.strip_prefix(before) else {
            return false;
        };
        if let Some(rest) = rest.strip_prefix("$any") {
            let mut ends = actual.char_indices().map(|(end, _)| end).chain([actual.len()]);
            return ends.any(|end| {
                let mut bound = self.clone();
                let matches = bound.text_matches(rest, &actual[end..]);
                if matches {
                    *self = bound;
                }
                matches
            });
        }
        let Some(digits) = rest.strip_prefix("$session") else {
            return actual
                .strip_prefix('$')
                .is_some_and(|actual| self.text_matches(&rest[1..], actual));
        };
        let digits = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (name, rest) = rest.split_at("$session".len() + digits);
        let Some((id, actual)) = actual.split_at_checked(36) else {
            return false;
        };
        let is_known = match self.0.get(name) {
            Some(bound) => bound == id,
            None => is_uuid(id) && !self.0.values().any(|bound| bound == id),
        };
        if is_known {
            self.0.insert(name.to_owned(), id.to_owned());
        }
        is_known && self.text_matches(rest, actual)
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// Whether the chunks, joined by stream, are the bytes that are described; `None` if something is not as it should be.
fn joined_matches(described: &Value, chunks: &[Value]) -> Option<bool> {
    let mut bytes: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (stream, text) in described.as_object()? {
        let repeat = STANDARD.decode(text.get("repeat")?.as_str()?).ok()?;
        let times = usize::try_from(text.get("times")?.as_u64()?).ok()?;
        bytes.insert(stream, repeat.repeat(times));
    }
    let mut seq = None;
    let mut joined: BTreeMap<&str, Vec<u8>> = bytes.keys().map(|stream| (*stream, Vec::new())).collect();
    for chunk in chunks {
        let this = chunk.get("seq")?.as_u64()?;
        if seq.is_some_and(|last| this != last + 1) || chunk.as_object()?.len() != 3 {
            return Some(false);
        }
        seq = Some(this);
        let part = STANDARD.decode(chunk.get("chunk")?.as_str()?).ok()?;
        joined.get_mut(chunk.get("stream")?.as_str()?)?.extend(part);
    }
    Some(joined == bytes)
}
