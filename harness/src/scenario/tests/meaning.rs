//! Scenarios of which every word is right, and which mean nothing all the same.

use super::{GOOD, ISSUER, SECOND_CLIENT, check, good, told, with, with_fault};

#[test]
fn names_that_are_taken() {
    check(
        &(GOOD.to_owned() + &SECOND_CLIENT.replace("desktop", "laptop")),
        &["two hosts are called `laptop`", "the first one is on line 12"],
    );
    check(
        &(GOOD.to_owned() + &ISSUER.replace("registry", "laptop")),
        &["two hosts are called `laptop`", "line 12"],
    );
    check(
        &with(
            "policy = \"codex-0.134\"",
            "name = \"x\"\npolicy = \"codex-0.134\"",
        )
        .replace("bug     =", "name = \"x\"\nbug ="),
        &["two cases are called `x`"],
    );
    check(
        &with("at = \"0s\"", "name = \"a\"\nat = \"0s\"").replace("at = \"1s\"", "name = \"a\"\nat = \"1s\""),
        &["two steps are called `a`", "the first one is on line 23"],
    );
    check(
        &with(
            "policy = \"codex-0.134\"",
            "name = \"a/b\"\npolicy = \"codex-0.134\"",
        ),
        &["this cannot be the name of a case"],
    );
    check(
        &with("name    = \"laptop\"", "name = \"My Laptop\""),
        &["`My Laptop` cannot be the name of a host", "a-z, 0-9"],
    );
}

#[test]
fn hosts_that_are_not_there() {
    check(
        &with("to      = \"executor\"", "to = \"executer\""),
        &["unknown exec server `executer`", "did you mean `executor`?"],
    );
    let issuer = GOOD.to_owned() + ISSUER;
    good(&issuer);
    check(
        &issuer.replace("to      = \"executor\"", "to = \"registry\""),
        &[
            "`registry` is an issuer, not an exec server",
            "exec servers here: executor",
        ],
    );
    check(
        &with("version = \"0.142\"", "issuer = \"registry\""),
        &["unknown issuer `registry`", "there is no issuer to choose from"],
    );
    check(
        &with("version = \"0.142\"", "issuer = \"executor\""),
        &[
            "`executor` is an exec server, not an issuer",
            "there is no issuer here",
        ],
    );
    check(
        &with("version = \"0.142\"", "url_lifetime = \"5m\""),
        &["an exec server signs no URLs"],
    );
    check(
        &with(
            "version = \"0.142\"",
            "transport = \"stdio\"\nissuer = \"executor\"",
        ),
        &[
            "`executor` is an exec server, not an issuer",
            "a child is reached without a URL",
        ],
    );
    check(
        &(issuer.clone() + "transport = \"stdio\""),
        &["an issuer is reached over the network"],
    );
    check(
        &(issuer.clone() + "version = \"0.142\""),
        &["an issuer has no exec version"],
    );
    check(
        &(issuer + "start_delay = \"1s\"\nshuffle = \"5ms\"\ninitialize_delay = \"1s\""),
        &[
            "nobody initializes an issuer",
            "an issuer starts no process",
            "an issuer notifies nobody",
        ],
    );
    check(
        &with_fault(r#"{ crash = { host = "nobody" } }"#),
        &["unknown host `nobody`", "one of laptop, executor"],
    );
    check(
        &with_fault(r#"{ revoke = { issuer = "nobody" } }"#),
        &["unknown issuer `nobody`"],
    );
    check(
        &with_fault(r#"{ refuse = { host = "laptop" } }"#),
        &["`laptop` is a client, not a server", "servers here: executor"],
    );
    check(
        &with_fault(r#"{ exit = { host = "laptop", process = "sh", code = 1 } }"#),
        &["`laptop` is a client, not an exec server"],
    );
    check(
        &with_fault(r#"{ exit = { host = "executor", process = "bash", code = 1 } }"#),
        &["no step starts the process `bash`"],
    );
}

#[test]
fn steps_that_are_too_much_or_too_little() {
    check(
        &with("at = \"1s\"\n", ""),
        &["this `step` has neither `at` nor `when`", "toml:26:1]"],
    );
    check(
        &with("at = \"1s\"", "at = \"1s\"\nwhen = { state = \"up\" }"),
        &["this `step` has both `at` and `when`", "one too many"],
    );
    check(
        &with("at = \"1s\"", "at = \"1s\"\nfault = \"reset\""),
        &["both `do` and `fault`"],
    );
    check(
        &with("do = { write = { process = \"sh\", data = \"ls\\n\" } }", ""),
        &["neither `do` nor `fault`"],
    );
    check(
        &with_fault("\"reset\"\nleaves_after = \"1s\""),
        &["`leaves_after` goes with `do`, and there is none"],
    );
    check(
        &with("at = \"1s\"", "at = \"1s\"\nafter = \"1s\""),
        &["`after` goes with `when`, and there is none"],
    );
    check(
        &with("{ write = { process = \"sh\"", "{ write = { process = \"zsh\""),
        &["no step starts the process `zsh`", "did you mean `sh`?"],
    );
}

#[test]
fn steps_that_wait_in_a_circle() {
    let steps = |a: &str, b: &str| {
        let step = |name: &str, after: &str| {
            format!("[[step]]\nname = \"{name}\"\nwhen = {{ step = \"{after}\" }}\nfault = \"reset\"\n")
        };
        format!("{GOOD}{}{}", step("a", a), step("b", b))
    };
    check(&steps("a", "a"), &["this step waits for itself"]);
    let told = told(&steps("b", "a"));
    assert!(
        told.contains("this step waits for `b`, which waits for `a`, which is itself"),
        "{told}"
    );
    assert_eq!(told.matches('×').count(), 1, "{told}");
    check(&steps("c", "a"), &["unknown step `c`", "one of a, b"]);
}

#[test]
fn a_step_of_nobody_knows_whom() {
    let two = GOOD.to_owned() + SECOND_CLIENT;
    check(
        &two,
        &[
            "which client is meant?",
            "add `client = …` with one of laptop, desktop",
            "toml:24:6]",
            "toml:31:9]",
        ],
    );
    check(
        &with("at = \"1s\"", "at = \"1s\"\nclient = \"laptob\""),
        &["unknown client `laptob`", "the only client here is laptop"],
    );
}

#[test]
fn a_fault_of_one_frame_needs_that_frame() {
    for fault in [
        "{ cut_frame = { bytes = 3 } }",
        "\"drop_frame\"",
        "\"duplicate_frame\"",
    ] {
        let text = with_fault(fault);
        check(
            &text,
            &[
                "needs the edge `sent`, not `applied`",
                "toml:31:66]",
                "edge = \"sent\"",
            ],
        );
        let sent = text.replace("edge = \"applied\"", "edge = \"sent\"");
        good(&sent);
        check(
            &sent.replace("fault =", "after = \"1ms\"\nfault ="),
            &["by then the frame is gone"],
        );
    }
    check(
        &with(
            "do = { write = { process = \"sh\", data = \"ls\\n\" } }",
            "fault = \"drop_frame\"",
        ),
        &["`drop_frame` of which frame?"],
    );
}

#[test]
fn expectations_that_contradict_themselves() {
    check(
        &with(
            "verdict          = \"pass\"",
            "verdict = \"pass\"\nfails = \"at-most-once\"",
        ),
        &["a run of which a checker `fails` has no other `verdict`"],
    );
    check(
        &with("verdict          = \"pass\"", "fails = []"),
        &["`fails` names no checker"],
    );
    check(
        &with("fails = \"process-survives\"", "fails = 3"),
        &["`fails` is a string or a list; this is an integer"],
    );
    check(
        &with("policy = \"codex-0.134\"\n", ""),
        &["this `case` has the same subject as the script itself"],
    );
}
