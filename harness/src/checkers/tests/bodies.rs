//! HTTP requests, and the bodies that stream back.

use unplug_reconnect::wire::exec::method::{BODY, HTTP};

use super::run::{Run, request};
use crate::fault::Fault;
use crate::history::{BODY_BYTES, Event, Frame, Kind, Truth};

fn http(id: i64) -> Frame {
    Frame {
        process: None,
        http: Some("http-1".into()),
        ..request(id, HTTP).call("k1")
    }
}

fn piece(seq: u64) -> Frame {
    Frame {
        kind: Kind::Notification,
        request: None,
        seq: Some(seq),
        call: None,
        ..Frame {
            method: BODY.into(),
            ..http(0)
        }
    }
}

impl Run {
    fn made(self, conn: &str, id: i64) -> Self {
        self.executor(Event::Forwarded {
            conn: conn.parse().unwrap(),
            request: unplug_reconnect::wire::rpc::RequestId::Number(id),
            http: "http-1".into(),
            url: "http://ticks.test/".to_owned(),
        })
    }

    fn origin_ends(self, bytes: u64, error: Option<&str>) -> Self {
        self.executor(Event::OriginEnded {
            conn: "c1".parse().unwrap(),
            http: "http-1".into(),
            bytes,
            error: error.map(str::to_owned),
        })
    }

    fn opens_body(self) -> Self {
        let call = "k1".parse().unwrap();
        self.laptop(Event::BodyOpened { call })
    }

    fn reads_body(self, seq: u64, data: &str) -> Self {
        let (call, chunk) = ("k1".parse().unwrap(), data.into());
        self.laptop(Event::BodyPart { call, seq, chunk })
    }

    fn body_ends(self, why: Option<&str>) -> Self {
        let (call, why) = ("k1".parse().unwrap(), why.map(str::to_owned));
        self.laptop(Event::BodyEnded { call, why })
    }
}

fn opened() -> Run {
    Run::up().sends("c1", http(2)).made("c1", 2).opens_body()
}

#[test]
fn body_ends_honestly() {
    const NAME: &str = "body-ends-honestly";
    Run::up().is_vacuous(NAME);
    let two = || opened().reads_body(1, "ab").reads_body(2, "c");
    two().origin_ends(3, None).body_ends(None).passes(NAME);
    two().body_ends(Some("disconnected")).passes(NAME);
    let cut = "laptop saw the body of k1 end cleanly after 3 bytes, but it was not complete";
    two().body_ends(None).fails(NAME, cut);
    two().origin_ends(4, None).body_ends(None).fails(NAME, cut);
    two()
        .origin_ends(3, Some("broken"))
        .body_ends(None)
        .fails(NAME, cut);
    opened()
        .reads_body(2, "c")
        .fails(NAME, "laptop got #2 of the body of k1 as #1");
    two()
        .origin_ends(3, None)
        .body_ends(None)
        .body_ends(None)
        .fails(NAME, "laptop was told twice that the body of k1 had ended");
    opened()
        .body_ends(Some("disconnected"))
        .reads_body(1, "ab")
        .fails(NAME, "laptop got #1 of the body of k1 after its end");
    Run::up()
        .sends("c1", http(2))
        .reads_body(1, "ab")
        .fails(NAME, "laptop got #1 of the body of k1 before its answer");
}

#[test]
fn every_body_ends() {
    const NAME: &str = "body-ends-honestly";
    let never = "laptop never learned that the body of k1 had ended";
    // Its origin goes on and on, and so does its connection.
    opened().reads_body(1, "ab").passes(NAME);
    opened()
        .reads_body(1, "ab")
        .origin_ends(2, None)
        .fails(NAME, never);
    opened().closed("c1").fails(NAME, never);
}

#[test]
fn done_once() {
    const NAME: &str = "done-once";
    Run::up().is_vacuous(NAME);
    opened().passes(NAME);
    let again = |run: Run| run.connects("c2").sends("c2", http(2)).made("c2", 2);
    again(opened()).fails(
        NAME,
        "executor did k1 (http/request) twice, but laptop asked for it once",
    );
    opened()
        .strikes_on("c1", Fault::DuplicateFrame)
        .made("c1", 2)
        .passes(NAME);
}

#[test]
fn a_body_stays_on_its_connection() {
    const NAME: &str = "no-response-leak";
    opened().receives("c1", piece(1)).passes(NAME);
    opened().connects("c2").receives("c2", piece(2)).fails(
        NAME,
        "c2 received a piece of the body of http-1, which it never asked for",
    );
}

#[test]
fn a_request_that_was_made_was_made() {
    const NAME: &str = "no-false-certainty";
    let told = |run: Run| run.settles("k1", HTTP, Truth::NotApplied);
    told(opened()).fails(
        NAME,
        "laptop was told that k1 (http/request) is not applied, but its server acted on it",
    );
    told(Run::up().sends("c1", http(2)).acts_on("c1", 2, HTTP)).passes(NAME);
}

#[test]
fn bodies_that_nobody_reads_are_bounded() {
    const NAME: &str = "bounded-queues";
    let held = |most| {
        Run::up().laptop(Event::HighWater {
            queue: BODY_BYTES.into(),
            most,
            bound: None,
        })
    };
    held(16_777_216).is_vacuous(NAME);
    held(16_777_217).fails(
        NAME,
        "the queue body bytes of laptop held 16777217, and at most 16777216 is sane",
    );
}
