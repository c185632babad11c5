//! How long processes and sessions live.

use unplug_reconnect::policy::SessionMode;
use unplug_reconnect::wire::exec::method;

use super::run::{Run, request};
use crate::fault::Fault;
use crate::history::{Kind, Truth};

/// The server has noticed the end of `c1`; the lease runs for 30 seconds.
fn detached() -> Run {
    Run::started().at(1_000).closed("c1").detaches("s1", "c1", 31_000)
}

#[test]
fn process_survives() {
    const NAME: &str = "process-survives";
    detached().resumes("c2", "s1").passes(NAME);
    Run::started().is_vacuous(NAME);
    Run::started()
        .at(1_000)
        .closed("c1")
        .loses()
        .fails(NAME, "laptop lost sh although executor still ran it in s1");
    detached().loses().fails(
        NAME,
        "laptop lost sh although executor still ran it in s1, with a lease until +31.000s",
    );
    detached().at(26_000).gives_up().fails(
        NAME,
        "laptop lost sh although executor still ran it in s1, with a lease until +31.000s",
    );
}

#[test]
fn there_are_good_reasons_to_lose_a_process() {
    const NAME: &str = "process-survives";
    detached()
        .at(31_000)
        .expires("s1")
        .loses()
        .gives_up()
        .passes(NAME);
    detached().exits(1, 0).loses().passes(NAME);
    detached()
        .strikes(Fault::Crash {
            host: "executor".to_owned(),
        })
        .loses()
        .passes(NAME);
    Run::started()
        .asks("k2", method::TERMINATE)
        .closed("c1")
        .loses()
        .passes(NAME);
    // Nobody could have come back in time.
    let away = || Fault::Refuse {
        host: "executor".to_owned(),
        r#for: None,
    };
    let out = || detached().strikes(away()).at(26_000).gives_up();
    out().at(31_000).expires("s1").heals(away(), 30_000).passes(NAME);
    out().at(30_000).heals(away(), 29_000).fails(
        NAME,
        "laptop lost sh although executor still ran it in s1, with a lease until +31.000s",
    );
    // Nor before a lease that did not run yet, because the server had not noticed.
    const UNNOTICED: &str = "laptop lost sh although executor still ran it in s1";
    let given_up = |run: Run| run.strikes(away()).at(26_000).closed("c1").gives_up();
    let noticed = || given_up(Run::started()).at(27_000).detaches("s1", "c1", 57_000);
    noticed()
        .at(57_000)
        .expires("s1")
        .heals(away(), 57_000)
        .passes(NAME);
    noticed().at(50_000).heals(away(), 50_000).fails(NAME, UNNOTICED);
    // A client that does not even try is not excused by that.
    let fresh = Run::started().policy(|policy| policy.session = SessionMode::Fresh);
    given_up(fresh).fails(NAME, UNNOTICED);
    // A start that nobody was told of is no-orphan's matter.
    let unknown = Run::up()
        .starts("k1", "c1", "s1", 2)
        .settles("k1", method::START, Truth::Ambiguous);
    unknown.closed("c1").loses().passes(NAME);
}

#[test]
fn a_server_keeps_its_processes_while_the_lease_runs() {
    const NAME: &str = "process-survives";
    let killed = "sh of s1 was killed when its connection ended, although its lease ran until +31.000s";
    detached().exits(1, -1).fails(NAME, killed);
    detached().at(2_000).exits(1, 137).fails(NAME, killed);
    Run::started()
        .at(1_000)
        .exits(1, -1)
        .detaches("s1", "c1", 31_000)
        .fails(NAME, killed);
    detached().at(31_000).exits(1, -1).expires("s1").passes(NAME);
    let terminate = request(3, method::TERMINATE);
    Run::started()
        .arrives("c1", terminate)
        .at(1_000)
        .detaches("s1", "c1", 31_000)
        .exits(1, -1)
        .passes(NAME);
    let exit = Fault::Exit {
        host: "executor".to_owned(),
        process: "sh".to_owned(),
        code: -1,
    };
    detached().strikes(exit).exits(1, -1).passes(NAME);
    detached().at(11_000).expires("s1").fails(
        NAME,
        "s1 expired at +11.000s before its lease was over at +31.000s",
    );
    Run::started()
        .at(11_000)
        .expires("s1")
        .fails(NAME, "s1 expired at +11.000s before its connection had ended");
}

#[test]
fn no_orphan() {
    const NAME: &str = "no-orphan";
    Run::started().loses().exits(1, -1).passes(NAME);
    Run::started().is_vacuous(NAME);
    Run::started()
        .loses()
        .fails(NAME, "sh still runs in s1, and laptop cannot reach it");
    Run::up()
        .starts("k1", "c1", "s1", 2)
        .settles("k1", method::START, Truth::Ambiguous)
        .fails(NAME, "sh still runs in s1, and laptop cannot reach it");
    detached().loses().at(31_000).expires("s1").passes(NAME);
    detached().loses().until(20_000).is_vacuous(NAME);
    detached()
        .loses()
        .strikes(Fault::Bounce {
            host: "executor".to_owned(),
            after: super::run::ms(1),
        })
        .passes(NAME);
}

#[test]
fn a_session_does_not_outlive_its_lease() {
    const NAME: &str = "no-orphan";
    detached().fails(NAME, "sh still runs in s1, whose lease was over at +31.000s");
    detached().at(30_000).resumes("c2", "s1").is_vacuous(NAME);
}

#[test]
fn one_live_generation() {
    const NAME: &str = "one-live-generation";
    let resumed = || detached().connects("c2").resumes("c2", "s1");
    resumed().sends("c2", request(3, method::READ)).passes(NAME);
    detached().is_vacuous(NAME);
    resumed()
        .sends("c1", request(3, method::READ))
        .fails(NAME, "laptop sent process/read on c1 after it had attached c2");
    resumed()
        .sends("c1", request(3, "close").kind(Kind::Close))
        .passes(NAME);
    Run::started()
        .closed("c1")
        .connects("c2")
        .resumes("c2", "s1")
        .fails(NAME, "s1 was attached to c1 and to c2 at once");
}
