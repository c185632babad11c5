//! What holds for the exec server as a machine, whoever talks to it.
//!
//! Method: whole runs by seed, counted or compared; no transcript would be readable.

use std::time::Duration;

use unplug_mocks::exec::{Config, ExecServer, INBOX_MAX, Input, News, Output, Preset};
use unplug_reconnect::id::{ConnId, ConnIds, ProcessId, Purpose};
use unplug_reconnect::seed::{Rng, Seed};
use unplug_reconnect::time::Time;

const HELLO: &str = r#"{"id":1,"method":"initialize","params":{"clientName":"test"}}"#;
const INITIALIZED: &str = r#"{"method":"initialized","params":{}}"#;
const START: &str = r#"{"id":2,"method":"process/start","params":{"processId":"p","argv":["cat"],"cwd":"file:///","env":{},"tty":false,"pipeStdin":true}}"#;
const WRITE: &str =
    r#"{"id":3,"method":"process/write","params":{"processId":"p","chunk":"b25lCg==","writeId":"1"}}"#;
const POLL: &str = r#"{"id":4,"method":"process/read","params":{"processId":"p","afterSeq":1,"waitMs":900}}"#;
const RESUME: &str = r#"{"id":1,"method":"initialize","params":{"clientName":"test","resumeSessionId":"x"}}"#;

struct Talk {
    server: ExecServer,
    now: Time,
}

impl Talk {
    fn new(version: &str, seed: u64) -> Self {
        Self {
            server: ExecServer::new(Config::new(
                Preset::named(version).expect("the tests name presets"),
                Seed(seed),
            )),
            now: Time::ZERO,
        }
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.server.handle(input, self.now);
        std::iter::from_fn(|| self.server.poll()).collect()
    }

    fn text(&mut self, conn: ConnId, text: &str) -> Vec<Output> {
        self.handle(Input::Text {
            conn,
            text: text.to_owned(),
        })
    }

    fn attach(&mut self, conn: ConnId) -> Vec<Output> {
        self.handle(Input::Accepted { conn });
        let outputs = self.text(conn, HELLO);
        self.text(conn, INITIALIZED);
        outputs
    }
}

fn conn() -> ConnId {
    ConnIds::new(0, Purpose::Session).mint()
}

#[test]
#[should_panic(expected = "drain poll() before the next handle()")]
fn handling_before_draining_is_our_bug() {
    let mut talk = Talk::new("0.142", 1);
    talk.attach(conn());
    talk.server.handle(
        Input::Text {
            conn: conn(),
            text: START.to_owned(),
        },
        Time::ZERO,
    );
    talk.server.handle(Input::Wake, Time::ZERO);
}

#[test]
fn from_0_169_on_output_is_bounded_in_chunks_too() {
    for (version, evicted) in [("0.142", 0), ("0.169", 1)] {
        let mut talk = Talk::new(version, 1);
        talk.attach(conn());
        talk.text(conn(), START);
        let process = ProcessId::from("p");
        let outputs = talk.handle(Input::Burst {
            process,
            chunks: 50_001,
        });
        let is_eviction = |output: &&Output| matches!(output, Output::News(News::Evicted { .. }));
        assert_eq!(outputs.iter().filter(is_eviction).count(), evicted, "{version}");
    }
}

#[test]
fn session_ids_are_uuids_of_the_seed() {
    let id = |seed| match Talk::new("0.142", seed).attach(conn()).first() {
        Some(Output::News(News::SessionOpened { session, .. })) => session.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
    let id = id(3);
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
    assert_eq!(&id[14..15], "4");
    assert!("89ab".contains(&id[19..20]), "{id}");
}

#[test]
fn a_full_inbox_is_known_to_who_asks() {
    let mut talk = Talk::new("0.142", 1);
    talk.attach(conn());
    talk.text(conn(), START);
    talk.text(conn(), POLL);
    for _ in 0..INBOX_MAX {
        assert!(talk.server.has_room(conn()));
        assert_eq!(talk.text(conn(), WRITE), []);
    }
    assert!(!talk.server.has_room(conn()));
    talk.now = talk.server.deadline().unwrap();
    let outputs = talk.handle(Input::Wake);
    let answers = outputs
        .iter()
        .filter(|output| matches!(output, Output::Send { answers: Some(_), .. }));
    assert_eq!(
        answers.count(),
        1 + INBOX_MAX,
        "the poll, then everything behind it"
    );
    assert!(talk.server.has_room(conn()));
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).expect("less than a usize")
}

/// A run of damaged and whole frames, cuts, faults and congestion, all drawn from the seed.
fn storm(version: &str, seed: u64) -> Vec<Output> {
    let mut talk = Talk::new(version, seed);
    let mut rng = Seed(seed).of("storm").rng();
    let mut ids = ConnIds::new(0, Purpose::Session);
    let mut conn = ids.mint();
    let mut outputs = talk.handle(Input::Accepted { conn });
    for _ in 0..200 {
        talk.now = talk.now + Duration::from_millis(rng.below(400));
        let frames = [HELLO, INITIALIZED, START, WRITE, POLL, RESUME];
        let frame = frames[below(&mut rng, frames.len())];
        let process = ProcessId::from("p");
        let input = match rng.below(10) {
            0 => {
                outputs.extend(talk.handle(Input::Closed { conn }));
                conn = ids.mint();
                Input::Accepted { conn }
            }
            1 => {
                let mut text = frame.to_owned();
                let at = below(&mut rng, text.len());
                let damage = ["", "{", "\"", "9", "null"];
                text.replace_range(at..=at, damage[below(&mut rng, damage.len())]);
                Input::Text { conn, text }
            }
            2 => Input::Congested { conn },
            3 => Input::Writable { conn },
            4 => Input::Burst { process, chunks: 3 },
            5 if rng.below(4) == 0 => Input::ExitProcess { process, code: 1 },
            _ => Input::Text {
                conn,
                text: frame.to_owned(),
            },
        };
        while let Some(due) = talk.server.deadline().filter(|due| *due <= talk.now) {
            let now = std::mem::replace(&mut talk.now, due);
            outputs.extend(talk.handle(Input::Wake));
            talk.now = now;
            assert!(
                talk.server.deadline().is_none_or(|next| due <= next),
                "time does not run backwards"
            );
        }
        outputs.extend(talk.handle(input));
    }
    outputs
}

#[test]
fn every_answer_has_one_application_before_it_and_runs_repeat() {
    let mut answered = 0;
    for (seed, version) in (0..400).zip(Preset::NAMES.iter().cycle()) {
        let outputs = storm(version, seed);
        assert_eq!(outputs, storm(version, seed), "seed {seed} does not repeat");
        let mut open = Vec::new();
        for output in outputs {
            match output {
                Output::News(News::Applied {
                    conn,
                    request: Some(request),
                    ..
                }) => open.push((conn, request)),
                Output::Send {
                    conn,
                    answers: Some(origin),
                    ..
                } => {
                    assert_eq!(conn, origin.conn);
                    let asked = open
                        .iter()
                        .position(|asked| *asked == (conn, origin.request.clone()));
                    open.swap_remove(asked.expect("an answer without its application"));
                    answered += 1;
                }
                Output::Send { .. } | Output::Ping { .. } | Output::Close { .. } | Output::News(_) => {}
            }
        }
    }
    assert!(4_000 < answered, "only {answered} answers");
}
