//! The file: one JSON object a line, first the header. Nothing in it is skipped because it is not understood.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use unplug_mocks::exec::{Preset, Script};

#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) preset: Preset,
    pub(crate) programs: Vec<Script>,
    pub(crate) loose: Vec<String>,
    /// Each with the number of its line.
    pub(crate) events: Vec<(usize, Event)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Open { conn: u64 },
    Send { conn: u64, message: Value },
    SendText { conn: u64, text: String },
    Expect { conn: u64, what: Expected, mark: Mark },
    Cut { conn: u64, how: Cut },
    Sleep(Duration),
}

#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Message(Value),
    Eof,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Ordered,
    Unordered,
    Optional,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cut {
    Rst,
    Fin,
    Close,
    CloseFrame,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    contract: String,
    version: String,
    #[serde(rename = "case")]
    _case: String,
    #[serde(rename = "about")]
    _about: String,
    #[serde(rename = "recorded")]
    _recorded: String,
    #[serde(default)]
    programs: Vec<Script>,
    #[serde(default)]
    loose: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    conn: Option<u64>,
    open: Option<bool>,
    #[serde(default)]
    send: Value,
    send_text: Option<String>,
    #[serde(default)]
    recv: Value,
    eof: Option<bool>,
    cut: Option<Cut>,
    sleep_ms: Option<u64>,
    #[serde(default)]
    unordered: bool,
    #[serde(default)]
    optional: bool,
}

impl Transcript {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
        let (_, header) = lines.next().ok_or("1: the file is empty")?;
        let header: Header = serde_json::from_str(header).map_err(|error| format!("1: {error}"))?;
        if header.contract != "exec-server" {
            return Err(format!("1: a contract of {}", header.contract));
        }
        let preset = header.version.strip_suffix(".0").and_then(Preset::named);
        let preset = preset.ok_or_else(|| format!("1: no preset for {}", header.version))?;
        let mut events = Vec::new();
        for (number, line) in lines {
            let line: Line = serde_json::from_str(line).map_err(|error| format!("{number}: {error}"))?;
            let event = line.event().ok_or_else(|| format!("{number}: no event"))?;
            events.push((number, event));
        }
        Ok(Self {
            preset,
            programs: header.programs,
            loose: header.loose,
            events,
        })
    }
}

impl Line {
    fn event(self) -> Option<Event> {
        if let (Some(millis), None) = (self.sleep_ms, self.conn) {
            return Some(Event::Sleep(Duration::from_millis(millis)));
        }
        let conn = self.conn?;
        let mark = match (self.unordered, self.optional) {
            (_, true) => Mark::Optional,
            (true, false) => Mark::Unordered,
            (false, false) => Mark::Ordered,
        };
        let mut events = Vec::new();
        events.extend(self.open.map(|_| Event::Open { conn }));
        events.extend(self.send_text.map(|text| Event::SendText { conn, text }));
        events.extend(self.cut.map(|how| Event::Cut { conn, how }));
        let what = self.eof.map(|_| Expected::Eof);
        events.extend(what.map(|what| Event::Expect { conn, what, mark }));
        if !self.send.is_null() {
            events.push(Event::Send {
                conn,
                message: self.send,
            });
        }
        if !self.recv.is_null() {
            let what = Expected::Message(self.recv);
            events.push(Event::Expect { conn, what, mark });
        }
        match events.len() {
            1 => events.pop(),
            _ => None,
        }
    }
}
