//! Words that a scenario file cannot contain.

use super::{check, good, told, with, with_fault};

#[test]
fn an_unknown_fault() {
    assert_eq!(
        told(&with_fault(r#"{ partion = { for = "800ms" } }"#)),
        r#"  × unknown fault `partion`
    ╭─[scenarios/wifi_blip.toml:32:11]
 32 │ fault = { partion = { for = "800ms" } }
    ·           ───┬───
    ·              ╰── did you mean `partition`?
    ╰────
  help: one of partition, partition_one_way, link_down, blackhole, reset, close, half_close, half_open,
        cut_frame, ws_close, refuse, connect_hang, reject_upgrade, hang_upgrade, latency, jitter, bandwidth,
        reorder_connections, slow_reader, drop_frame, duplicate_frame, garbage, expire_url, revoke,
        throttle, crash, bounce, exit, stall, clock_jump, burst, heal
"#
    );
    check(
        &with_fault("\"partion\""),
        &["unknown fault `partion`", "toml:32:9]"],
    );
}

#[test]
fn a_fault_with_wrong_details() {
    check(
        &with_fault(r#"{ link_down = { hots = "laptop", for = "800ms" } }"#),
        &[
            "unknown key `hots`",
            "toml:32:25]",
            "did you mean `host`?",
            "one of address, for, host",
            "`host` is missing",
        ],
    );
    check(
        &with_fault("\"link_down\""),
        &[
            "the fault `link_down` needs details",
            "write { link_down = { host = …, for = … } }",
        ],
    );
    check(
        &with_fault("{ blackhole = {} }"),
        &["the fault `blackhole` has no details", "write \"blackhole\""],
    );
    check(
        &with_fault("{ reset = 1, close = 2 }"),
        &["more than one fault", "one too many"],
    );
    check(&with_fault("{}"), &["this is no fault", "one of partition,"]);
    check(&with_fault("7"), &["this is no fault"]);
    check(
        &with_fault("{ ws_close = { code = 99 } }"),
        &["`code` is from 1000 to 4999, not 99", "toml:32:31]"],
    );
    check(
        &with_fault("{ ws_close = { code = 0x1 } }"),
        &["`code` is from 1000 to 4999, not 1"],
    );
    check(
        &with_fault("{ bandwidth = { bytes_per_second = 0 } }"),
        &["`bytes_per_second` is at least 1, not 0"],
    );
    check(
        &with_fault("{ burst = { host = \"executor\", process = \"sh\", chunks = \"many\" } }"),
        &["`chunks` is an integer; this is a string"],
    );
    check(
        &with_fault(r#"{ link_down = { host = "laptop", for = "1s", address = "old" } }"#),
        &["unknown address `old`", "one of same, new"],
    );
    check(
        &with_fault("{ clock_jump = { host = \"laptop\" } }"),
        &["where does the clock jump?", "`ahead` or `behind`"],
    );
}

#[test]
fn unknown_words() {
    assert_eq!(
        told(&with("why    =", "wy     =")),
        r#"  × `why` is missing
   ╭─[scenarios/wifi_blip.toml:1:1]
 1 │ 
   · ▲
   · ╰── the scenario needs it
   ╰────
  help: `why`: Why it is worth a scenario, in a sentence or two.

  × unknown key `wy`
   ╭─[scenarios/wifi_blip.toml:4:1]
 4 │ wy     = "The write was applied and its answer lost with the socket."
   · ─┬
   ·  ╰── did you mean `why`?
   ╰────
  help: one of case, client, expect, link, server, source, step, title, until, why
"#
    );
    check(
        &with("machine = \"exec\"", "machine = \"exek\""),
        &["unknown machine `exek`", "did you mean `exec`?"],
    );
    check(
        &with("mock    = \"exec\"", "mock = \"mcp\""),
        &["unknown mock `mcp`", "one of exec, issuer"],
    );
    check(
        &with("policy  = \"codex-0.142\"", "policy = \"codex-0.42\""),
        &[
            "unknown policy `codex-0.42`",
            "did you mean `codex-0.142`?",
            "one of codex-0.134, codex-0.142",
            "toml:14:10]",
        ],
    );
    check(
        &with("version = \"0.142\"", "version = \"0.999\""),
        &["unknown version `0.999`", "one of 0.134, 0.142"],
    );
    check(
        &with("\"forget_write_ids\"", "\"forget\""),
        &["unknown bug `forget`", "the only bug here is forget_write_ids"],
    );
    check(
        &with("bug     = \"forget_write_ids\"", "client_bug = \"claim\""),
        &[
            "unknown client bug `claim`",
            "the only client bug here is claim_not_applied",
        ],
    );
    check(
        &with(
            "name    = \"laptop\"",
            "name = \"laptop\"\nbug = \"forget_write_ids\"",
        ),
        &[
            "unknown client bug `forget_write_ids`",
            "the only client bug here is",
        ],
    );
    check(
        &with(
            "fails = \"process-survives\"",
            "fails = [\"at-most-once\", \"process-survive\"]",
        ),
        &[
            "unknown checker `process-survive`",
            "did you mean `process-survives`?",
            "toml:40:37]",
        ],
    );
    check(
        &with("edge = \"applied\"", "edge = \"aplied\""),
        &[
            "unknown edge `aplied`",
            "did you mean `applied`?",
            "one of sent, half, delivered, applied, answered, settled",
        ],
    );
    check(
        &with("\"process/write\"", "\"proces/write\""),
        &["unknown method `proces/write`", "did you mean `process/write`?"],
    );
    check(
        &with("dir = \"c2s\"", "dir = \"c2c\""),
        &["unknown dir `c2c`", "one of c2s, s2c"],
    );
    check(
        &with("do = { write", "do = { wirte"),
        &["unknown command `wirte`", "did you mean `write`?"],
    );
    check(
        &with("verdict          = \"pass\"", "verdict = \"passed\""),
        &["unknown verdict `passed`", "one of pass, inconclusive"],
    );
}

#[test]
fn the_three_forms_of_when() {
    let when = |new: &str| {
        with(
            r#"{ method = "process/write", dir = "c2s", nth = 1, edge = "applied" }"#,
            new,
        )
    };
    good(&when("{ state = \"up\", nth = 2 }"));
    check(
        &when("{ state = \"upp\" }"),
        &[
            "unknown state `upp`",
            "did you mean `up`?",
            "filling, up, waiting",
        ],
    );
    check(
        &when("{ step = \"nobody\" }"),
        &["unknown step `nobody`", "there is no step to choose from"],
    );
    check(
        &when("{ method = \"upgrade\", dir = \"c2s\" }"),
        &["`edge` is missing", "the when needs it"],
    );
    check(
        &when("{ state = \"up\", edge = \"sent\" }"),
        &["unknown key `edge`", "one of client, nth, state"],
    );
    check(
        &when("{}"),
        &["`when` is { step = … } or { state = … } or { method = …, dir = …, edge = … }; this is a table"],
    );
    check(&when("\"now\""), &["this is a string"]);
    check(
        &when("{ method = \"process/output\", dir = \"c2s\", edge = \"sent\" }"),
        &["`process/output` only goes `s2c`"],
    );
    check(
        &when("{ method = \"upgrade\", dir = \"c2s\", nth = 0, edge = \"sent\" }"),
        &["`nth` is at least 1, not 0"],
    );
}

#[test]
fn lengths_of_time() {
    let until = |new: &str| with("\"60s\"", new);
    assert_eq!(
        told(&until("\"-5s\"")),
        r#"  × `-5s` is negative; a length is 0 or more, for example "800ms"
   ╭─[scenarios/wifi_blip.toml:6:10]
 6 │ until  = "-5s"
   ·          ─────
   ╰────
"#
    );
    check(
        &until("\"900years\""),
        &["`900years` is absurdly long; the longest length is \"30days\""],
    );
    check(&until("\"soon\""), &["`soon` is no length"]);
    check(
        &until("60"),
        &["`until` is a length of time such as \"800ms\"; this is an integer"],
    );
    check(
        &until("\"0s\""),
        &["a run that ends at once shows nothing", "toml:6:10]"],
    );
    check(
        &until("\"500ms\""),
        &[
            "this step would never fire",
            "the run ends at 500ms",
            "toml:27:6]",
        ],
    );
    check(
        &with_fault("{ latency = { to = \"-1ms\" } }"),
        &["`-1ms` is negative", "toml:32:28]"],
    );
}
