//! The issuer of signed URLs and the gate that checks them.
//!
//! Method: the issuer is asked and ordered to fail; its URLs are shown to a gate, whole, late, twice and damaged.

use std::time::Duration;

use unplug_mocks::exec::Bug;
use unplug_mocks::issuer::{Body, Config, Gate, Input, Issuer, News, Output, Refusal, Why, url_id};
use unplug_reconnect::id::{ConnIds, Id, Purpose, UrlId};
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::registry::{ConnectRequest, ENVIRONMENT_OFFLINE};

struct Registry {
    issuer: Issuer,
    conns: ConnIds,
}

impl Registry {
    fn new() -> Self {
        Self {
            issuer: Issuer::new(Config::default()),
            conns: ConnIds::new(0, Purpose::Fetch),
        }
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.issuer.handle(input, Time::ZERO);
        std::iter::from_fn(|| self.issuer.poll()).collect()
    }

    fn connect(&mut self, wall: Time) -> Vec<Output> {
        let conn = self.conns.mint();
        let request = ConnectRequest {
            harness_public_key: "key".to_owned(),
        };
        self.handle(Input::Connect { conn, request, wall })
    }

    fn url(&mut self, wall: Time) -> String {
        match self.connect(wall).pop() {
            Some(Output::Reply {
                status: 200,
                body: Body::Connect(reply),
                ..
            }) => reply.url,
            other => panic!("{other:?}"),
        }
    }
}

fn why(outcome: Result<UrlId, Refusal>) -> Why {
    let refusal = outcome.expect_err("the gate must not admit it");
    assert_eq!(refusal.status, 401);
    refusal.why
}

#[test]
fn a_url_is_good_for_one_dial_within_five_minutes() {
    let mut registry = Registry::new();
    let mut gate = Gate::new(None);
    let (first, second, third) = (
        registry.url(Time::ZERO),
        registry.url(Time::ZERO),
        registry.url(Time::ZERO),
    );
    assert_eq!(url_id(&first), Some(Id::new(1)));
    assert_eq!(gate.admit(&first, Time::ZERO), Ok(Id::new(1)));
    assert_eq!(why(gate.admit(&first, Time::ZERO)), Why::Reused);
    assert_eq!(gate.admit(&second, Time::from_millis(299_999)), Ok(Id::new(2)));
    assert_eq!(why(gate.admit(&third, Time::from_millis(300_000))), Why::Expired);
    // A refused dial does not use it up: the clock of this host was wrong, and is set.
    assert_eq!(gate.admit(&third, Time::from_millis(1)), Ok(Id::new(3)));
}

#[test]
fn the_issuer_tells_before_it_answers() {
    let outputs = Registry::new().connect(Time::from_millis(1_000));
    let expires = Time::from_millis(301_000);
    assert!(
        matches!(outputs[0], Output::News(News::Issued { expires: at, .. }) if at == expires),
        "{outputs:?}"
    );
    assert!(matches!(outputs[1], Output::Reply { status: 200, .. }));
    assert_eq!(outputs.len(), 2);
}

#[test]
fn failures_come_on_order_and_in_order() {
    let mut registry = Registry::new();
    let offline = Some(ENVIRONMENT_OFFLINE.to_owned());
    let retry_after = Some(Duration::from_secs(3));
    registry.handle(Input::Fail {
        status: 409,
        code: offline.clone(),
        times: 2,
        retry_after: None,
    });
    registry.handle(Input::Hang { times: 1 });
    registry.handle(Input::Fail {
        status: 429,
        code: None,
        times: 1,
        retry_after,
    });
    for _ in 0..2 {
        let outputs = registry.connect(Time::ZERO);
        assert!(matches!(
            outputs[0],
            Output::News(News::Refused { status: 409, .. })
        ));
        let Some(Output::Reply {
            status: 409,
            body: Body::Error(body),
            ..
        }) = outputs.last()
        else {
            panic!("{outputs:?}")
        };
        assert_eq!(Some(&body.error.code), offline.as_ref());
    }
    assert_eq!(registry.connect(Time::ZERO), [], "a request that hangs");
    let outputs = registry.connect(Time::ZERO);
    assert!(
        matches!(outputs.last(), Some(Output::Reply { status: 429, retry_after: after, .. }) if *after == retry_after)
    );
    assert_eq!(
        url_id(&registry.url(Time::ZERO)),
        Some(Id::new(1)),
        "failures use up no serial"
    );
    registry.handle(Input::Revoke);
    for _ in 0..3 {
        assert!(matches!(
            registry.connect(Time::ZERO).last(),
            Some(Output::Reply { status: 403, .. })
        ));
    }
}

#[test]
fn what_was_issued_can_be_expired_and_revoked() {
    let mut registry = Registry::new();
    let mut gate = Gate::new(None);
    let old = registry.url(Time::ZERO);
    let outputs = registry.handle(Input::Expire);
    assert_eq!(outputs, [Output::News(News::Expired { up_to: Id::new(1) })]);
    gate.expire_up_to(Id::new(1));
    let new = registry.url(Time::ZERO);
    assert_eq!(why(gate.admit(&old, Time::ZERO)), Why::Expired);
    assert_eq!(gate.admit(&new, Time::ZERO), Ok(Id::new(2)));
    gate.revoke();
    assert_eq!(
        why(gate.admit(&registry.url(Time::ZERO), Time::ZERO)),
        Why::Revoked
    );
}

#[test]
fn the_bug_admits_what_has_expired_and_nothing_else() {
    let mut registry = Registry::new();
    let mut gate = Gate::new(Some(Bug::AcceptExpiredUrl));
    let url = registry.url(Time::ZERO);
    assert_eq!(gate.admit(&url, Time::from_millis(900_000)), Ok(Id::new(1)));
    assert_eq!(why(gate.admit(&url, Time::ZERO)), Why::Reused);
}

#[test]
fn a_hostile_url_is_refused() {
    let mut gate = Gate::new(None);
    let good = Registry::new().url(Time::ZERO);
    for url in [
        "",
        "?",
        "wss://relay.example",
        "wss://relay.example#serial=u1",
        "?&&=&serial",
        "?serial=x",
    ] {
        assert_eq!(why(gate.admit(url, Time::ZERO)), Why::Missing, "{url}");
        assert_eq!(url_id(url), None);
    }
    let later = good.replace("expires=300000000000", "expires=900000000000");
    assert_ne!(later, good);
    let unsigned = good.split("&signature").next().unwrap().to_owned();
    for url in [
        later,
        unsigned,
        good.replace("serial=u1", "serial=u2"),
        "?serial=u1&expires=-1&signature=zz".to_owned(),
    ] {
        assert_eq!(why(gate.admit(&url, Time::ZERO)), Why::Forged, "{url}");
        assert_eq!(url_id(&url), None);
    }
    // No prefix of a good one is admitted, and none makes it panic.
    for end in 0..good.len() {
        assert!(gate.admit(&good[..end], Time::ZERO).is_err());
    }
    assert_eq!(gate.admit(&good, Time::ZERO), Ok(Id::new(1)));
}
