//! Credentials, queues, and that things come to an end.

use unplug_reconnect::wire::exec::method;

use super::run::{Run, ms};
use crate::fault::Fault;
use crate::history::{DialError, Event, Truth};

#[test]
fn fresh_credential_per_dial() {
    const NAME: &str = "fresh-credential-per-dial";
    let dialed = || Run::new().with_issuer().dials_with("c1", "u1");
    dialed().dials_with("c2", "u2").passes(NAME);
    dialed().is_vacuous(NAME);
    dialed()
        .dials_with("c2", "u1")
        .fails(NAME, "laptop dialed c2 with u1, which c1 had used");
}

#[test]
fn expired_credential_refused() {
    const NAME: &str = "expired-credential-refused";
    let dialed = || {
        Run::new()
            .with_issuer()
            .dials("f1")
            .issues("f1", "u1", 5_000)
            .dials_with("c1", "u1")
    };
    dialed().at(6_000).turns_away("c1", 401).passes(NAME);
    dialed().at(4_000).accepts("c1").is_vacuous(NAME);
    dialed()
        .at(6_000)
        .accepts("c1")
        .fails(NAME, "executor accepted c1 with u1, which had expired at +5.000s");
    let expire = Fault::ExpireUrl {
        issuer: "registry".to_owned(),
    };
    dialed()
        .at(1_000)
        .strikes(expire)
        .at(1_001)
        .accepts("c1")
        .fails(NAME, "executor accepted c1 with u1, which had expired at +1.000s");
    let jump = Fault::ClockJump {
        host: "executor".to_owned(),
        ahead: None,
        behind: Some(ms(9_000)),
    };
    dialed().strikes(jump).at(6_000).accepts("c1").is_vacuous(NAME);
}

#[test]
fn single_flight_refresh() {
    const NAME: &str = "single-flight-refresh";
    let asked = || Run::new().with_issuer().dials("f1");
    asked()
        .issues("f1", "u1", 9_000)
        .dials("f2")
        .dial_fails("f2", DialError::Refused)
        .dials("f3")
        .passes(NAME);
    Run::new().with_issuer().dials("c1").is_vacuous(NAME);
    asked()
        .dials("f1/2")
        .dials("f2")
        .fails(NAME, "laptop asked its issuer on f2 while f1 was in flight");
}

#[test]
fn no_refresh_after_permanent_failure() {
    const NAME: &str = "no-refresh-after-permanent-failure";
    let lost = || {
        Run::new()
            .with_issuer()
            .dials("f1")
            .laptop(Event::CredentialLost {
                why: "403".to_owned(),
            })
    };
    lost().passes(NAME);
    Run::new().with_issuer().dials("f1").is_vacuous(NAME);
    lost().dials("f2").fails(
        NAME,
        "laptop asked its issuer on f2 after it was refused for good",
    );
}

#[test]
fn no_secret_in_history() {
    const NAME: &str = "no-secret-in-history";
    let gave_up = |why: &str| {
        Run::new()
            .with_issuer()
            .laptop(Event::GaveUp { why: why.to_owned() })
    };
    gave_up("cannot reach wss://executor/s1: why?").passes(NAME);
    Run::new().with_issuer().is_vacuous(NAME);
    let place = |place: &str| format!("laptop showed the query of a signed URL in {place}");
    gave_up("cannot reach wss://executor/?x=1").fails(NAME, &place("the reason why it gave up"));
    gave_up("sig=1").fails(NAME, &place("the reason why it gave up"));
    let why = "token=1".to_owned();
    Run::new()
        .laptop(Event::CredentialLost { why: why.clone() })
        .fails(NAME, &place("the reason why it has no credentials"));
    Run::new()
        .laptop(Event::Lost {
            process: "sh".into(),
            why: why.clone(),
        })
        .fails(NAME, &place("the reason why it lost sh"));
    Run::new()
        .laptop(Event::Hangup {
            conn: "c1".parse().unwrap(),
            why: why.clone(),
        })
        .fails(NAME, &place("the reason why it hung up c1"));
    let call = crate::history::Call {
        call: "k1".parse().unwrap(),
        method: method::READ.into(),
        process: Some("sh".into()),
        about: None,
        write: None,
    };
    Run::new()
        .laptop(Event::Settled {
            call,
            truth: Truth::NotApplied,
            why: Some(why),
            by: None,
        })
        .fails(NAME, &place("what became of k1 (process/read)"));
}

#[test]
fn bounded_queues() {
    const NAME: &str = "bounded-queues";
    let held = |most, bound| {
        Run::new().laptop(Event::HighWater {
            queue: "outbox".into(),
            most,
            bound,
        })
    };
    held(8, Some(8)).passes(NAME);
    held(8, None).is_vacuous(NAME);
    held(9, Some(8)).fails(NAME, "the queue outbox of laptop held 9, but promised at most 8");
}

#[test]
fn everything_settles() {
    const NAME: &str = "everything-settles";
    Run::started().passes(NAME);
    Run::up().is_vacuous(NAME);
    let asked = || Run::started().at(2_000).asks_write(1, "a\n").asks_write(2, "b\n");
    asked()
        .settles_write(1, Truth::Applied)
        .settles_write(2, Truth::Ambiguous)
        .passes(NAME);
    asked().settles_write(2, Truth::Applied).fails(
        NAME,
        "laptop never learned what became of w1, asked for at +2.000s",
    );
    asked()
        .strikes(Fault::Crash {
            host: "laptop".to_owned(),
        })
        .passes(NAME);
    asked()
        .strikes(Fault::Crash {
            host: "executor".to_owned(),
        })
        .fails(
            NAME,
            "laptop never learned what became of w1, asked for at +2.000s",
        );
}

#[test]
fn recovered_within() {
    const NAME: &str = "recovered-within";
    let lost = || {
        Run::up()
            .recovered_within(5_000)
            .at(1_000)
            .strikes(Fault::Reset)
            .closed("c1")
    };
    let late = "laptop was not usable within 5s of the end of the last fault at +1.000s";
    lost().at(6_000).resumes("c2", "s1").passes(NAME);
    Run::up()
        .at(1_000)
        .strikes(Fault::Reset)
        .closed("c1")
        .is_vacuous(NAME);
    Run::up()
        .recovered_within(5_000)
        .strikes(Fault::Blackhole)
        .is_vacuous(NAME);
    lost().fails(NAME, late);
    lost().at(6_001).resumes("c2", "s1").fails(NAME, late);
    lost().until(4_000).is_vacuous(NAME);
    lost()
        .at(2_000)
        .gives_up()
        .fails(NAME, "laptop gave up its session at +2.000s");
    // The connection died with the fault, and nobody noticed for a while.
    let unnoticed = || {
        Run::up()
            .recovered_within(5_000)
            .at(1_000)
            .strikes(Fault::Blackhole)
    };
    unnoticed()
        .at(20_000)
        .closed("c1")
        .at(20_100)
        .resumes("c2", "s1")
        .fails(NAME, late);
    unnoticed().detaches("s1", "c1", 31_000).fails(NAME, late);
    // The clock starts when the last fault is over.
    let healed = lost().at(9_000).heals(Fault::Partition { r#for: None }, 8_000);
    healed.at(13_000).resumes("c2", "s1").passes(NAME);
}
