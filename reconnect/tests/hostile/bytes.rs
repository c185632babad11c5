//! Arbitrary bytes through the decoder: it says what they are, in words if they are nothing, and never panics.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use serde_json::Value;
use unplug_reconnect::wire::exec::{Decoded, Message, Reply, decode, method};

use crate::{config, frames};

const METHODS: [&str; 6] = [
    method::INITIALIZE,
    method::START,
    method::READ,
    method::WRITE,
    method::SIGNAL,
    method::TERMINATE,
];

/// Any JSON, with the names of the protocol among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        select(vec!["process/output", "initialize", "eA==", "stdout", "accepted"]).prop_map(Value::from),
    ];
    let key = || {
        select(vec![
            "id",
            "method",
            "params",
            "result",
            "error",
            "code",
            "message",
            "processId",
            "seq",
            "stream",
            "chunk",
            "chunks",
            "nextSeq",
            "exitCode",
            "sessionId",
            "status",
            "x",
        ])
    };
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((key(), inner), 0..8).prop_map(|fields| {
                let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::Object(fields.collect())
            }),
        ]
    })
}

/// A real frame with some of its bytes replaced, left out or doubled.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let frames: Vec<_> = frames::real()
        .into_iter()
        .map(|(_, frame)| frame.to_string())
        .collect();
    let damage = vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..6);
    (select(frames), damage).prop_map(|(frame, damage)| {
        let mut bytes = frame.into_bytes();
        for (place, byte, how) in damage {
            let at = place.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 if 1 < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    })
}

/// Decodes, and reads what it says as the answer to everything that can be asked.
fn read(text: &str) {
    match decode(text) {
        Decoded::Message(message) => {
            let again = message.encode();
            assert!(
                matches!(decode(&again), Decoded::Message(_) | Decoded::BadParams { .. }),
                "{again}"
            );
            let Message::Response { reply, .. } = message else {
                return;
            };
            for method in METHODS {
                match reply.clone().of(method) {
                    Ok(reply) => assert!(!matches!(reply, Reply::Undecoded(_)), "{text}"),
                    Err(error) => assert!(!error.is_empty()),
                }
            }
        }
        Decoded::BadParams { error, .. } | Decoded::NoMessage(error) => assert!(!error.is_empty()),
    }
}

#[test]
fn any_bytes_are_read_or_refused_in_words() {
    let any = vec(any::<u8>(), 0..400);
    let bytes = prop_oneof![
        any,
        damaged(),
        any_json().prop_map(|value| value.to_string().into_bytes())
    ];
    TestRunner::new(config())
        .run(&bytes, |bytes| {
            read(&String::from_utf8_lossy(&bytes));
            Ok(())
        })
        .unwrap();
}
