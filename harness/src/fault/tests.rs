//! Every kind of fault, as a scenario writes it and as a timeline prints it.

use super::*;

/// One fault as a scenario writes it, and as a timeline prints it.
#[track_caller]
fn check(written: &str, printed: &str) -> FaultKind {
    let read = |text: &str| Fault::deserialize_text(text).unwrap();
    let fault = read(written);
    assert_eq!(fault.to_string(), printed);
    let json = serde_json::to_string(&fault).unwrap();
    assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault, "{json}");
    fault.kind()
}

impl Fault {
    fn deserialize_text(text: &str) -> Result<Self, toml::de::Error> {
        <Self as Deserialize>::deserialize(toml::de::ValueDeserializer::parse(text)?)
    }
}

#[test]
fn every_kind_is_read_written_and_printed() {
    let seen = [
        check("\"partition\"", "partition"),
        check("{ partition = {} }", "partition"),
        check("{ partition = { for = \"800ms\" } }", "partition 800ms"),
        check(
            "{ partition_one_way = { dir = \"c2s\", for = \"1m 30s\" } }",
            "partition_one_way c2s 1m 30s",
        ),
        check(
            "{ link_down = { host = \"laptop\", for = \"800ms\" } }",
            "link_down laptop 800ms",
        ),
        check(
            "{ link_down = { host = \"laptop\", for = \"1s\", address = \"new\" } }",
            "link_down laptop 1s, new address",
        ),
        check("\"blackhole\"", "blackhole"),
        check("\"reset\"", "reset"),
        check("\"close\"", "close"),
        check("{ half_close = { side = \"client\" } }", "half_close client"),
        check("{ half_open = { told = \"server\" } }", "half_open server"),
        check("{ cut_frame = { bytes = 12 } }", "cut_frame 12 bytes"),
        check("{ ws_close = { code = 1001 } }", "ws_close 1001 from server"),
        check(
            "{ ws_close = { code = 1008, reason = \"no\", from = \"client\" } }",
            "ws_close 1008 from client: no",
        ),
        check("{ refuse = { host = \"executor\" } }", "refuse executor"),
        check(
            "{ connect_hang = { host = \"executor\", for = \"2s\" } }",
            "connect_hang executor 2s",
        ),
        check(
            "{ reject_upgrade = { host = \"executor\", status = 401 } }",
            "reject_upgrade executor 401",
        ),
        check(
            "{ hang_upgrade = { host = \"executor\", times = 3 } }",
            "hang_upgrade executor x3",
        ),
        check("{ latency = { to = \"200ms\" } }", "latency 200ms"),
        check("{ jitter = { up_to = \"5ms\" } }", "jitter 5ms"),
        check(
            "{ bandwidth = { bytes_per_second = 1000 } }",
            "bandwidth 1000 B/s",
        ),
        check(
            "{ reorder_connections = { up_to = \"5ms\" } }",
            "reorder_connections 5ms",
        ),
        check(
            "{ slow_reader = { host = \"laptop\", bytes_per_second = 0, for = \"3s\" } }",
            "slow_reader laptop 0 B/s 3s",
        ),
        check("\"drop_frame\"", "drop_frame"),
        check("\"duplicate_frame\"", "duplicate_frame"),
        check("{ garbage = { dir = \"s2c\" } }", "garbage s2c"),
        check(
            "{ expire_url = { issuer = \"registry\" } }",
            "expire_url registry",
        ),
        check("{ revoke = { issuer = \"registry\" } }", "revoke registry"),
        check(
            "{ throttle = { host = \"registry\", status = 429, code = \"slow_down\", times = 2, retry_after = \"1s\" } }",
            "throttle registry 429 x2",
        ),
        check("{ crash = { host = \"executor\" } }", "crash executor"),
        check(
            "{ bounce = { host = \"executor\", after = \"1s\" } }",
            "bounce executor 1s",
        ),
        check(
            "{ exit = { host = \"executor\", process = \"sh\", code = -1 } }",
            "exit executor sh -1",
        ),
        check(
            "{ stall = { host = \"laptop\", for = \"3s\" } }",
            "stall laptop 3s",
        ),
        check(
            "{ clock_jump = { host = \"laptop\", behind = \"5m\" } }",
            "clock_jump laptop behind 5m",
        ),
        check(
            "{ burst = { host = \"executor\", process = \"sh\", chunks = 100 } }",
            "burst executor sh 100 chunks",
        ),
        check("\"heal\"", "heal"),
    ];
    for kind in FaultKind::VARIANTS {
        assert!(seen.contains(kind), "{kind} is not tried");
        assert_eq!(kind.to_string().parse(), Ok(*kind));
    }
}

#[test]
fn a_fault_that_needs_details_is_no_bare_name() {
    assert!(Fault::deserialize_text("\"link_down\"").is_err());
    assert!(Fault::deserialize_text("{ blackhole = { host = \"x\" } }").is_err());
    assert!(Fault::deserialize_text("{ crash = { host = \"x\", hots = \"y\" } }").is_err());
    assert!(Fault::deserialize_text("\"partion\"").is_err());
}
