//! Requests that the server makes for a client, and their bodies (exec-server sheet, 9).
//!
//! Nothing real is asked: a [`Site`] is an origin as data, by the host of the URL.
//!
//! | URL | what it does |
//! |---|---|
//! | `http://hello.test/` | answers at once with `hello` |
//! | `http://slow.test/800ms` | the same after that time |
//! | `http://ticks.test/5/200ms` | answers at once; the body is so many ticks, one each that often |
//! | `http://ticks.test/20/5ms/1048576` | the same, each tick so many bytes long |
//! | `http://endless.test/1s` | ticks without end |
//! | `http://breaks.test/3/200ms` | closes its connection behind the last tick, in mid body |
//!
//! The texts of refusals are ours [unverified].

use std::time::Duration;

use unplug_reconnect::id::{ConnId, HttpId};
use unplug_reconnect::time::{Time, length};
use unplug_reconnect::wire::exec::{BodyDelta, Chunk, HttpParams, HttpResult, Message, Notification, Reply};
use unplug_reconnect::wire::rpc::{INTERNAL_ERROR, INVALID_PARAMS, RpcError};

use super::bug::Bug;
use super::news::News;
use super::session::SessionKey;
use super::shared::{Conn, Shared};
use super::{ExecServer, Origin};

/// What an origin does.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Site {
    /// How long it takes until it answers.
    answers_after: Duration,
    /// How many pieces its body has. None: it does not end.
    pieces: Option<u64>,
    /// How far apart they are.
    pace: Duration,
    /// How long each is, at least.
    size: usize,
    /// Whether its connection ends behind the last one, in mid body.
    breaks: bool,
}

impl Site {
    fn at(url: &str) -> Option<Self> {
        let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
        let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
        let site = Self {
            answers_after: Duration::ZERO,
            pieces: Some(1),
            pace: Duration::ZERO,
            size: 0,
            breaks: false,
        };
        let span = |text: &str| length::parse(text).ok();
        match (host, words.as_slice()) {
            ("hello.test", []) => Some(site),
            ("slow.test", [after]) => Some(Self {
                answers_after: span(after)?,
                ..site
            }),
            ("ticks.test" | "breaks.test", [pieces, pace, size @ ..]) => Some(Self {
                pieces: Some(pieces.parse().ok()?),
                pace: span(pace)?,
                size: match size {
                    [] => 0,
                    [size] => size.parse().ok()?,
                    [_, _, ..] => return None,
                },
                breaks: host == "breaks.test",
                ..site
            }),
            ("endless.test", [pace]) => Some(Self {
                pieces: None,
                // Without a pace it would never let anybody else speak.
                pace: span(pace).filter(|pace| !pace.is_zero())?,
                ..site
            }),
            _ => None,
        }
    }

    fn piece(&self, seq: u64) -> Chunk {
        let mut text = if self.pace.is_zero() {
            "hello".to_owned()
        } else {
            format!("tick {seq}")
        };
        text.extend(std::iter::repeat_n('.', self.size.saturating_sub(text.len() + 1)));
        text.push('\n');
        Chunk::from(text.as_str())
    }
}

/// A request that the server has made, until its body has ended.
#[derive(Debug)]
pub(super) struct Exchange {
    http: HttpId,
    site: Site,
    /// When the origin has something next.
    due: Time,
    /// When the client wants no answer any more.
    give_up: Option<Time>,
    /// The request, until it is answered.
    asked: Option<Origin>,
    stream: bool,
    /// Pieces that came.
    seq: u64,
    /// Bytes that came; for a stream, that were passed on.
    bytes: u64,
    /// What came, to be answered in one.
    body: Vec<u8>,
}

impl Exchange {
    /// When something is to be done, by the origin or because it does nothing.
    pub(super) fn due(&self) -> Time {
        self.give_up.map_or(self.due, |at| at.min(self.due))
    }

    /// Whether its body streams and has not ended.
    fn is_streaming(&self) -> bool {
        self.stream && self.asked.is_none()
    }

    fn is_at_its_end(&self) -> bool {
        self.site.pieces.is_some_and(|pieces| pieces <= self.seq)
    }
}

impl ExecServer {
    /// `http/request`, once the handshake is complete.
    pub(super) fn on_http(&mut self, origin: Origin, params: HttpParams, now: Time) {
        let Some(state) = self.shared.conns.get_mut(&origin.conn) else {
            return;
        };
        let in_use = |exchange: &Exchange| exchange.http == params.request_id;
        if state.exchanges.iter().any(in_use) {
            let text = format!("requestId {} is in use", params.request_id);
            return self.refuse(origin, RpcError::new(INVALID_PARAMS, text));
        }
        let Some(site) = Site::at(&params.url) else {
            return self.refuse(
                origin,
                RpcError::new(INTERNAL_ERROR, "could not reach the origin"),
            );
        };
        let conn = origin.conn;
        let due = now + site.answers_after;
        self.shared.news(News::Forwarded {
            conn,
            request: origin.request.clone(),
            http: params.request_id.clone(),
            url: params.url,
        });
        self.shared.applied(&origin);
        self.shared.park(conn);
        if let Some(state) = self.shared.conns.get_mut(&conn) {
            state.exchanges.push(Exchange {
                http: params.request_id,
                site,
                due,
                give_up: params
                    .timeout_ms
                    .map(|millis| now + Duration::from_millis(millis)),
                asked: Some(origin),
                stream: params.stream_response,
                seq: 0,
                bytes: 0,
                body: Vec::new(),
            });
        }
        self.advance_exchanges(conn, now);
        self.shared.arm_conn(conn);
    }

    /// Lets the origins that a connection waits for speak. While the connection takes nothing, nobody listens to them.
    pub(super) fn advance_exchanges(&mut self, conn: ConnId, now: Time) {
        let Some(state) = self.shared.conns.get_mut(&conn).filter(|state| !state.congested) else {
            return;
        };
        if state.exchanges.is_empty() {
            return;
        }
        for mut exchange in std::mem::take(&mut state.exchanges) {
            let goes_on = advance(&mut exchange, conn, &mut self.shared, now);
            if let Some(state) = self.shared.conns.get_mut(&conn).filter(|_| goes_on) {
                state.exchanges.push(exchange);
            }
        }
    }
}

/// Lets one origin say what it has to say by now. Whether it has more.
fn advance(exchange: &mut Exchange, conn: ConnId, shared: &mut Shared, now: Time) -> bool {
    loop {
        if let Some(asked) = exchange
            .asked
            .take_if(|_| exchange.give_up.is_some_and(|at| at <= now))
        {
            answer(
                asked,
                Err(RpcError::new(INTERNAL_ERROR, "request timed out")),
                shared,
            );
            return false;
        }
        if now < exchange.due {
            return true;
        }
        if exchange.stream
            && let Some(asked) = exchange.asked.take()
        {
            exchange.give_up = None;
            answer(asked, Ok(Chunk::from("")), shared);
        }
        if exchange.is_at_its_end() {
            end(exchange, conn, shared);
            return false;
        }
        exchange.seq += 1;
        let piece = exchange.site.piece(exchange.seq);
        exchange.bytes += piece.len() as u64;
        if exchange.stream {
            delta(exchange, conn, piece, None, shared);
        } else {
            exchange.body.extend_from_slice(piece.bytes());
        }
        exchange.due = exchange.due.max(now)
            + if exchange.is_at_its_end() {
                Duration::ZERO
            } else {
                exchange.site.pace
            };
    }
}

fn answer(asked: Origin, body: Result<Chunk, RpcError>, shared: &mut Shared) {
    let conn = asked.conn;
    let reply = body.map(|body| {
        Reply::Http(HttpResult {
            status: 200,
            headers: Vec::new(),
            body,
        })
    });
    shared.answer(asked, reply);
    shared.unpark(conn);
}

/// The origin is at its end, well or not.
fn end(exchange: &mut Exchange, conn: ConnId, shared: &mut Shared) {
    let error = exchange
        .site
        .breaks
        .then(|| "the origin closed the connection".to_owned());
    if let Some(asked) = exchange.asked.take() {
        let body = Chunk::from(std::mem::take(&mut exchange.body));
        let body = error.map_or(Ok(body), |text| Err(RpcError::new(INTERNAL_ERROR, text)));
        return answer(asked, body, shared);
    }
    shared.news(News::BodyEnded {
        conn,
        http: exchange.http.clone(),
        bytes: exchange.bytes,
        error: error.clone(),
    });
    let told = error.filter(|_| !shared.has(Bug::DoneWhenCut));
    exchange.seq += 1;
    delta(exchange, conn, Chunk::from(""), Some(told), shared);
}

/// Passes a piece on. `end` is how the body ends with it, if it does: with which error, if with one.
fn delta(exchange: &Exchange, conn: ConnId, delta: Chunk, end: Option<Option<String>>, shared: &mut Shared) {
    let done = end.is_some();
    let note = Notification::Body(BodyDelta {
        request_id: exchange.http.clone(),
        seq: exchange.seq,
        delta,
        done,
        error: end.flatten(),
    });
    shared.send(conn, Message::Notification(note), None);
}

/// [`Bug::LeakBody`]: the bodies of a connection that ended wait for the next one of its session.
pub(super) fn keep_bodies(state: &mut Conn, session: SessionKey, shared: &mut Shared) {
    if shared.has(Bug::LeakBody) {
        let streams = state.exchanges.drain(..).filter(Exchange::is_streaming);
        shared
            .stray_bodies
            .extend(streams.map(|exchange| (session, exchange)));
    }
}

/// [`Bug::LeakBody`]: the next one is here.
pub(super) fn leak_bodies(session: SessionKey, conn: ConnId, shared: &mut Shared, now: Time) {
    let is_its = |(of, _): &mut (SessionKey, Exchange)| *of == session;
    let mut leaked: Vec<_> = shared.stray_bodies.extract_if(.., is_its).collect();
    let Some(state) = shared.conns.get_mut(&conn).filter(|_| !leaked.is_empty()) else {
        return;
    };
    for (_, exchange) in &mut leaked {
        exchange.due = exchange.due.max(now) + exchange.site.pace;
    }
    state
        .exchanges
        .extend(leaked.into_iter().map(|(_, exchange)| exchange));
    shared.arm_conn(conn);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_from_their_urls() {
        let ticks = Site::at("http://ticks.test/5/200ms/64").unwrap();
        assert_eq!((ticks.pieces, ticks.pace), (Some(5), Duration::from_millis(200)));
        assert_eq!(ticks.piece(3).len(), 64);
        assert!(Site::at("http://breaks.test/3/1s").unwrap().breaks);
        for bad in [
            "http://hello.test",
            "https://hello.test/",
            "http://nobody.test/",
            "http://endless.test/0s",
            "http://ticks.test/5",
            "http://ticks.test/5/1s/1/1",
        ] {
            assert_eq!(Site::at(bad), None, "{bad}");
        }
    }
}
