//! Real frames of a server, and every way to give one of their fields a wrong type.

use serde_json::{Value, json};

/// One frame of each kind that a server sends to a client that has a process `a`, by name. The answers are to `r3`.
pub(crate) fn real() -> Vec<(&'static str, Value)> {
    let answer = |result: Value| json!({"id": 3, "result": result});
    vec![
        (
            "initialize",
            json!({"id": 1, "result": {"sessionId": "s1", "environmentInfo": {"cwd": "file:///"}}}),
        ),
        (
            "start",
            json!({"id": 2, "result": {"processId": "a", "sandboxType": "none"}}),
        ),
        ("write", answer(json!({"status": "accepted"}))),
        (
            "read",
            answer(json!({
                "chunks": [{"seq": 1, "stream": "stdout", "chunk": "eA=="}],
                "nextSeq": 2, "exited": true, "exitCode": 0, "closed": false, "failure": null, "sandboxDenied": false,
            })),
        ),
        ("terminate", answer(json!({"running": true}))),
        ("signal", answer(json!({}))),
        (
            "error",
            json!({"id": 3, "error": {"code": -32600, "message": "no", "data": {"more": 1}}}),
        ),
        (
            "output",
            json!({"method": "process/output", "params": {"processId": "a", "seq": 1, "stream": "stdout", "chunk": "eA=="}}),
        ),
        (
            "exited",
            json!({"method": "process/exited", "params": {"processId": "a", "seq": 1, "exitCode": 0, "sandboxDenied": false}}),
        ),
        (
            "body",
            json!({"method": "http/request/bodyDelta", "params": {
                "requestId": "http-1", "seq": 1, "deltaBase64": "eA==", "done": false, "error": null,
            }}),
        ),
        (
            "closed",
            json!({"method": "process/closed", "params": {"processId": "a", "seq": 1}}),
        ),
    ]
}

/// What a field may wrongly hold.
fn wrong() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("*"),
        json!("a\u{0}\u{fffd}"),
        json!([]),
        json!([[[[]]]]),
        json!({}),
        json!({"": null}),
    ]
}

/// The paths of all fields and items, as JSON pointers.
fn paths(value: &Value, prefix: &str, found: &mut Vec<String>) {
    let keys: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, item)| (n.to_string(), item))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (key, value) in keys {
        let path = format!("{prefix}/{key}");
        paths(value, &path, found);
        found.push(path);
    }
}

/// The frame with one field wrong, or without it, in all ways.
pub(crate) fn mutants(frame: &Value) -> Vec<Value> {
    let mut places = Vec::new();
    paths(frame, "", &mut places);
    let mut mutants = Vec::new();
    for path in places {
        for value in wrong() {
            let mut mutant = frame.clone();
            if let Some(field) = mutant.pointer_mut(&path) {
                *field = value;
            }
            mutants.push(mutant);
        }
        let (parent, key) = path.rsplit_once('/').expect("a path begins with a slash");
        let mut mutant = frame.clone();
        if let Some(Value::Object(fields)) = mutant.pointer_mut(parent) {
            fields.remove(key);
        }
        mutants.push(mutant);
    }
    mutants
}
