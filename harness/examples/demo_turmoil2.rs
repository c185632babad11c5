use std::collections::BTreeMap;
use unplug::*;
const BASE: &str = r#"
title = "x"
why = "y"
until = "12s"
[link]
latency = "20ms"
[[client]]
name = "laptop"
machine = "exec"
policy = "POLICY"
to = "executor"
[[server]]
name = "executor"
mock = "exec"
version = "VERSION"
ISSUER
[[step]]
at = "0s"
do = { start = { process = "sh", program = "echo" } }
[[step]]
at = "1s"
do = { write = { process = "sh", data = "ls\n" } }
[[step]]
at = "5s"
do = { write = { process = "sh", data = "pwd\n" } }
"#;
const ISS: &str = "issuer = \"registry\"\n[[server]]\nname = \"registry\"\nmock = \"issuer\"\n";
fn faults() -> Vec<(&'static str, bool)> {
    // text, frame fault
    vec![
        ("{ partition = { for = \"800ms\" } }", false),
        (
            "{ partition_one_way = { dir = \"s2c\", for = \"900ms\" } }",
            false,
        ),
        (
            "{ partition_one_way = { dir = \"c2s\", for = \"900ms\" } }",
            false,
        ),
        ("{ link_down = { host = \"laptop\", for = \"800ms\" } }", false),
        ("{ link_down = { host = \"executor\", for = \"800ms\" } }", false),
        (
            "{ link_down = { host = \"laptop\", for = \"800ms\", address = \"new\" } }",
            false,
        ),
        ("\"blackhole\"", false),
        ("\"reset\"", false),
        ("\"close\"", false),
        ("{ half_close = { side = \"client\" } }", false),
        ("{ half_close = { side = \"server\" } }", false),
        ("{ half_open = { told = \"client\" } }", false),
        ("{ half_open = { told = \"server\" } }", false),
        ("{ ws_close = { code = 1012 } }", false),
        ("{ ws_close = { code = 1001, from = \"client\" } }", false),
        ("{ garbage = { dir = \"s2c\" } }", false),
        ("{ garbage = { dir = \"c2s\" } }", false),
        ("{ cut_frame = { bytes = 7 } }", true),
        ("\"drop_frame\"", true),
        ("\"duplicate_frame\"", true),
        ("{ refuse = { host = \"executor\", for = \"3s\" } }", false),
        ("{ connect_hang = { host = \"executor\", for = \"3s\" } }", false),
        (
            "{ reject_upgrade = { host = \"executor\", status = 503 } }",
            false,
        ),
        ("{ hang_upgrade = { host = \"executor\" } }", false),
        ("{ latency = { to = \"7ms\" } }", false),
        ("{ latency = { to = \"70ms\" } }", false),
        ("{ jitter = { up_to = \"30ms\" } }", false),
        ("{ bandwidth = { bytes_per_second = 3000 } }", false),
        ("{ reorder_connections = { up_to = \"30ms\" } }", false),
        (
            "{ slow_reader = { host = \"laptop\", bytes_per_second = 0, for = \"2s\" } }",
            false,
        ),
        (
            "{ slow_reader = { host = \"executor\", bytes_per_second = 100, for = \"2s\" } }",
            false,
        ),
        ("{ expire_url = { issuer = \"registry\" } }", false),
        ("{ revoke = { issuer = \"registry\" } }", false),
        (
            "{ throttle = { host = \"registry\", status = 429, times = 2, retry_after = \"2s\" } }",
            false,
        ),
        ("{ crash = { host = \"executor\" } }", false),
        ("{ bounce = { host = \"executor\", after = \"1s\" } }", false),
        ("{ bounce = { host = \"laptop\", after = \"1s\" } }", false),
        (
            "{ exit = { host = \"executor\", process = \"sh\", code = 3 } }",
            false,
        ),
        ("{ stall = { host = \"laptop\", for = \"2s\" } }", false),
        ("{ stall = { host = \"executor\", for = \"2s\" } }", false),
        ("{ clock_jump = { host = \"executor\", ahead = \"1h\" } }", false),
        (
            "{ burst = { host = \"executor\", process = \"sh\", chunks = 50 } }",
            false,
        ),
        ("\"heal\"", false),
    ]
}
fn main() {
    let names = presets::names();
    let only = std::env::args().nth(1).unwrap_or_default();
    let show = std::env::var("H").is_ok();
    let mut score: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut refused: BTreeMap<String, u32> = BTreeMap::new();
    let mut slow = std::time::Duration::ZERO;
    let mut runs = 0;
    for (policy, version) in [("codex-0.142", "0.142"), ("codex-0.134", "0.134")] {
        for issuer in [if version == "0.142" { ISS } else { "" }] {
            for (fault, frame) in faults() {
                let mut whens = vec![];
                if !frame {
                    for at in ["1.003s", "1.0203s", "70ms", "131ms"] {
                        let at = match at.split_once('.') {
                            Some((s, f)) => format!(
                                "{}us",
                                s.parse::<u64>().unwrap() * 1_000_000
                                    + f.trim_end_matches('s').parse::<u64>().unwrap()
                                        * 10u64.pow(6 - f.trim_end_matches('s').len() as u32)
                            ),
                            None => at.to_owned(),
                        };
                        whens.push(format!("at = \"{at}\""));
                    }
                }
                for (method, dirs) in [
                    ("initialize", vec!["c2s", "s2c"]),
                    ("initialized", vec!["c2s"]),
                    ("process/start", vec!["c2s", "s2c"]),
                    ("process/write", vec!["c2s", "s2c"]),
                    ("process/output", vec!["s2c"]),
                    ("ping", vec!["c2s"]),
                    ("pong", vec!["s2c"]),
                    ("upgrade", vec!["c2s", "s2c"]),
                    ("registry/connect", vec!["c2s", "s2c"]),
                ] {
                    for dir in dirs {
                        for edge in ["sent", "half", "delivered", "applied"] {
                            if frame && edge != "sent" {
                                continue;
                            }
                            whens.push(format!(
                                "when = {{ method = \"{method}\", dir = \"{dir}\", edge = \"{edge}\" }}"
                            ));
                        }
                    }
                }
                for when in whens {
                    let text = format!("{BASE}\n[[step]]\n{when}\nfault = {fault}\n")
                        .replace("ISSUER", issuer)
                        .replace("POLICY", policy)
                        .replace("VERSION", version);
                    let name = format!(
                        "{policy} {} {fault} {when}",
                        if issuer.is_empty() { "plain" } else { "signed" }
                    );
                    if !name.contains(&only) {
                        continue;
                    }
                    let sc = match scenario::parse(&name, text.as_bytes(), &names) {
                        Ok(sc) => sc,
                        Err(e) => {
                            *refused
                                .entry(format!(
                                    "{} {}",
                                    e.render(false).lines().next().unwrap_or_default().to_owned(),
                                    when
                                ))
                                .or_default() += 1;
                            continue;
                        }
                    };
                    let v = &sc.variants()[0];
                    let p = plan::Plan::new("x", v);
                    let seed = unplug_reconnect::seed::Seed(7);
                    let f = worlds::fast::run(&p, seed);
                    let t = std::time::Instant::now();
                    let r = match std::panic::catch_unwind(|| worlds::turmoil::run(&p, seed)) {
                        Ok(r) => r,
                        Err(_) => {
                            println!("PANIC {name}");
                            continue;
                        }
                    };
                    slow += t.elapsed();
                    runs += 1;
                    let lines = |r: &worlds::Run| {
                        String::from_utf8(r.history.to_jsonl())
                            .unwrap()
                            .lines()
                            .skip(1)
                            .map(str::to_owned)
                            .collect::<Vec<_>>()
                    };
                    let lines = |r: &worlds::Run| {
                        let mut l: Vec<(usize, String)> =
                            r.history.entries.iter().map(|e| e.who).zip(lines(r)).collect();
                        l.sort_by_key(|x| x.0);
                        l.into_iter().map(|x| x.1).collect::<Vec<_>>()
                    };
                    let (a, b) = (lines(&f), lines(&r));
                    let e = score.entry(fault.to_owned()).or_default();
                    e.0 += 1;
                    if a != b || f.stale != r.stale {
                        e.1 += 1;
                        if e.1 <= 3 || !only.is_empty() {
                            let i = (0..).find(|&i| a.get(i) != b.get(i) || i > a.len()).unwrap();
                            println!(
                                "DIFF {name}: at {i} of {}/{}\n   fast    {:?}\n   turmoil {:?}",
                                a.len(),
                                b.len(),
                                a.get(i),
                                b.get(i)
                            );
                        }
                    }
                    if show {
                        println!("--fast\n{}\n--turmoil\n{}", a.join("\n"), b.join("\n"));
                    }
                }
            }
        }
    }
    for (k, (n, d)) in score {
        println!("{d:4} of {n:4} differ: {k}");
    }
    println!("{refused:?}");
    println!("{:?} a turmoil run of {runs}", slow / runs.max(1));
}
