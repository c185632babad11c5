//! Scenarios as people write them, and what they are told when they err.
//!
//! Most tests change one thing in a scenario that is right, and look at the whole text that a person would see. Where
//! only part of it matters, the test says which part.

mod meaning;
mod words;

use super::*;
use crate::fault::Fault;

const GOOD: &str = r##"
#:schema ../harness/schema/scenario.json
title  = "Wi-Fi drops while a stdin write is on the wire"
why    = "The write was applied and its answer lost with the socket."
source = ["openai/codex#28895"]
until  = "60s"

[link]
latency = "20ms"

[[client]]
name    = "laptop"
machine = "exec"
policy  = "codex-0.142"
to      = "executor"

[[server]]
name    = "executor"
mock    = "exec"
version = "0.142"

[[step]]
at = "0s"
do = { start = { process = "sh", program = "echo" } }

[[step]]
at = "1s"
do = { write = { process = "sh", data = "ls\n" } }

[[step]]
when  = { method = "process/write", dir = "c2s", nth = 1, edge = "applied" }
fault = { link_down = { host = "laptop", for = "800ms" } }

[expect]
verdict          = "pass"
recovered_within = "5s"

[[case]]                                   # the same script, another subject
policy = "codex-0.134"
expect = { fails = "process-survives" }

[[case]]
version = "0.134"
bug     = "forget_write_ids"
expect  = { verdict = "inconclusive", recovered_within = "9s" }
"##;

const ISSUER: &str = r#"
[[server]]
name = "registry"
mock = "issuer"
"#;

const SECOND_CLIENT: &str = r#"
[[client]]
name    = "desktop"
machine = "exec"
policy  = "codex-0.142"
to      = "executor"
"#;

const NAMES: Names<'_> = Names {
    policies: &["codex-0.134", "codex-0.142"],
    versions: &["0.134", "0.142"],
    bugs: &["forget_write_ids"],
    client_bugs: &["claim_not_applied"],
    checkers: &["process-survives", "at-most-once"],
};

fn read(text: &str) -> Result<Scenario, Refused> {
    parse("scenarios/wifi_blip.toml", text.as_bytes(), &NAMES)
}

#[track_caller]
fn good(text: &str) -> Scenario {
    read(text).unwrap_or_else(|refused| panic!("{refused}"))
}

/// What a person reads.
#[track_caller]
fn told(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("nothing is wrong with this:\n{text}"),
        Err(refused) => refused.to_string(),
    }
}

/// The good scenario with one thing changed.
#[track_caller]
fn with(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "the scenario does not contain `{old}`");
    GOOD.replacen(old, new, 1)
}

/// The good scenario with another fault.
fn with_fault(fault: &str) -> String {
    with(r#"{ link_down = { host = "laptop", for = "800ms" } }"#, fault)
}

/// Whoever reads the message sees all these parts of it.
#[track_caller]
fn check(text: &str, parts: &[&str]) {
    let told = told(text);
    for part in parts {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    assert!(!told.contains('\u{1b}'), "colours:\n{told}");
}

#[test]
fn the_example_of_the_design() {
    let scenario = good(GOOD);
    let cases: Vec<_> = scenario
        .variants()
        .iter()
        .map(|variant| variant.case.clone())
        .collect();
    assert_eq!(cases, ["", "codex-0.134", "0.134+forget_write_ids"]);
    let Action::Fault(fault) = &scenario.steps[2].action else {
        panic!("no fault")
    };
    assert_eq!(fault.to_string(), "link_down laptop 800ms");
    assert_eq!(scenario.client_of(&scenario.steps[1]), Some("laptop"));
    assert_eq!(scenario.watched_by(&scenario.steps[2]), Some("laptop"));
    assert_eq!(scenario.client_of(&scenario.steps[2]), None);
    assert_eq!(scenario.link.tcp_timeout, Duration::from_secs(900));
}

#[test]
fn a_case_changes_the_subject_and_what_is_expected_of_it() {
    let variants = good(GOOD).variants();
    let [base, policy, bug] = variants.as_slice() else {
        panic!("three variants")
    };
    assert_eq!(base.scenario.clients[0].policy, "codex-0.142");
    assert_eq!(base.scenario.expect.verdict(), Expected::Pass);

    assert_eq!(policy.scenario.clients[0].policy, "codex-0.134");
    assert_eq!(policy.scenario.expect.fails(), ["process-survives"]);
    assert_eq!(
        policy.scenario.expect.recovered_within,
        Some(Duration::from_secs(5))
    );

    assert_eq!(bug.scenario.servers[0].version(), "0.134");
    assert_eq!(bug.scenario.servers[0].bug.as_deref(), Some("forget_write_ids"));
    assert_eq!(bug.scenario.expect.verdict(), Expected::Inconclusive);
    assert_eq!(bug.scenario.expect.recovered_within, Some(Duration::from_secs(9)));
    assert!(bug.scenario.cases.is_empty());
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    let scenario = good(GOOD);
    let printed = scenario.to_toml();
    assert_eq!(good(&printed), scenario);
    let step = r#"
[[step]]
at = "1s"
do = { write = { process = "sh", data = "ls\n" } }

[[step]]
when = { method = "process/write", dir = "c2s", edge = "applied" }
fault = { link_down = { host = "laptop", for = "800ms" } }

[expect]
verdict = "pass"
"#;
    assert!(printed.contains(step), "{printed}");
}

#[test]
fn everything_that_can_be_written_can_be_printed() {
    let text = GOOD.replace(
        "latency = \"20ms\"",
        "latency = \"1ms\"\njitter = \"2ms\"\nbandwidth = 1000\ntcp_timeout = \"9s\"",
    ) + SECOND_CLIENT
        + ISSUER
        + r#"
url_lifetime = "1m 30s"

[[step]]
name = "first"
when = { client = "laptop", conn = 2, method = "upgrade", dir = "s2c", nth = 3, edge = "half" }
after = "5ms"
client = "desktop"
fault = "partition"

[[step]]
when = { step = "first" }
client = "laptop"
do = { read = { process = "sh", after_seq = 4, wait = "1s" } }

[[step]]
when = { client = "desktop", state = "up", nth = 2 }
fault = { ws_close = { code = 1008, reason = "a \"quote\", \\ and \u007f", from = "client" } }

[[step]]
at = "2s"
client = "laptop"
do = { start = { process = "cat", program = "cat", args = ["-n", "äö"] } }

[[step]]
at = "3s"
fault = { clock_jump = { host = "desktop", behind = "5m" } }
"#;
    let text = text
        .replace(
            "version = \"0.142\"",
            "version = \"0.142\"\nissuer = \"registry\"",
        )
        .replace(
            "do = { start = { process = \"sh\"",
            "client = \"laptop\"\ndo = { start = { process = \"sh\"",
        )
        .replace("do = { write", "client = \"laptop\"\ndo = { write")
        .replace("when  = { method", "when  = { client = \"laptop\", method")
        .replace(
            "fails = \"process-survives\"",
            "fails = [\"process-survives\", \"at-most-once\"]",
        );
    let scenario = good(&text);
    let printed = scenario.to_toml();
    assert_eq!(good(&printed), scenario, "{printed}");
    assert!(printed.contains("fault = \"partition\"\n"), "{printed}");
}

#[test]
fn files_that_are_no_scenario() {
    assert_eq!(
        told(""),
        r#"  × the file is empty
   ╭─[scenarios/wifi_blip.toml:1:1]
   ╰────
  help: a scenario has a title, a why, an until, and at least one [[client]], [[server]] and [[step]]
"#
    );
    check("# nothing\n", &["the file holds only comments"]);
    check("{\"title\": 1}", &["this is not TOML", "toml:1:"]);
    check(&with("[link]", "[link"), &["this is not TOML", "toml:8:"]);
    check(&with("[link]", "title = \"again\""), &["duplicate key"]);
    check(
        "title = \"t\"\nwhy = \"w\"\nuntil = \"1s\"\nstep = []",
        &[
            "the scenario has no [[step]]",
            "the scenario has no [[client]]",
            "the scenario has no [[server]]",
        ],
    );
    check(
        &" ".repeat(LARGEST as usize + 1),
        &[
            "`scenarios/wifi_blip.toml` is too large for a scenario: 1048577 bytes",
            "1 MiB",
        ],
    );
    let mut bytes = with("[link]", "# caf").into_bytes();
    let place = bytes.windows(5).position(|part| part == b"# caf").unwrap() + 5;
    bytes.insert(place, 0xe9);
    let refused = parse("scenarios/wifi_blip.toml", &bytes, &NAMES).unwrap_err();
    let told = refused.to_string();
    assert!(
        told.contains("invalid UTF-8") && told.contains("toml:8:6]") && told.contains("is 0xe9"),
        "{told}"
    );
}

#[test]
fn a_file_for_nobodys_eyes_is_not_shown() {
    let told = told(&with("\"60s\"", &format!("\"{}\"", "9".repeat(5000))));
    assert!(
        told.len() < 1000 && told.contains("× scenarios/wifi_blip.toml:6:10:"),
        "{told}"
    );
    let many = GOOD.to_owned() + &"[[step]]\nat = \"1s\"\nfault = \"heal\"\n".repeat(10_000);
    check(&many, &["10003 times `step` is too much: 10000 at most"]);
}

#[test]
fn everything_is_told_at_once_in_the_order_of_the_file() {
    let text = GOOD
        .replace("policy  = \"codex-0.142\"", "policy = \"x\"")
        .replace("\"laptop\", for", "\"y\", for");
    let refused = read(&text).unwrap_err();
    let messages: Vec<_> = refused
        .problems()
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!(messages, ["unknown policy `x`", "unknown host `y`"]);
    let places: Vec<_> = refused
        .problems()
        .iter()
        .map(|problem| refused.place(problem))
        .collect();
    assert_eq!(places, [Some((14, 10)), Some((32, 32))]);
    assert!(refused.render(true).contains('\u{1b}'), "a terminal gets colours");
}

#[test]
fn whatever_is_read_never_panics() {
    // Every prefix of a scenario, and every one with a byte gone, is either right or told what is wrong.
    for cut in 0..GOOD.len() {
        let bytes = GOOD.as_bytes();
        for text in [bytes[..cut].to_vec(), [&bytes[..cut], &bytes[cut + 1..]].concat()] {
            if let Err(refused) = parse("scenarios/wifi_blip.toml", &text, &NAMES) {
                assert!(refused.to_string().contains('×'));
            }
        }
    }
}

#[test]
fn a_fault_hits_whom_it_says() {
    let of = |fault: &str| {
        let scenario = good(&with_fault(fault));
        scenario.client_of(&scenario.steps[2]).map(str::to_owned)
    };
    assert_eq!(of("\"reset\"").as_deref(), Some("laptop"));
    assert_eq!(of("\"partition\""), None);
    assert_eq!(of("{ crash = { host = \"executor\" } }"), None);
    assert_eq!(
        good(&with_fault("\"heal\"")).steps[2].action,
        Action::Fault(Fault::Heal)
    );
}
