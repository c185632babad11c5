//! The score: how many random storms it takes until each planted bug is caught.
//!
//! Method: for one bug after the other, storms are drawn from the seeds 1, 2, 3, … Each is run twice, with the bug and
//! without it. The bug is caught by the first storm in which a checker that names it fails with the bug and does not
//! fail without, so that nothing else can take the credit. Where a bug can only show under some kinds of fault, only those
//! are drawn; the table says so. See it with `cargo test -p unplug-tests --test score -- --nocapture`.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use strum::VariantArray as _;
use unplug::checkers::{self, Reading, Verdict};
use unplug::client_bug::ClientBug;
use unplug::fault::FaultKind;
use unplug::judge::WorldName;
use unplug::scenario::{Action, Do, Mock, Scenario, Step, Trigger};
use unplug_mocks::exec::Bug;
use unplug_reconnect::seed::Seed;
use unplug_tests::storm::{calm_after_the_storm, storm_of};

/// A bug that so many storms do not find counts as missed: the bound on the worst of them.
const RUNS_MAX: u64 = 400;
/// Half of all bugs are found by so many.
const MEDIAN_MAX: u64 = 40;
/// When somebody asks for a new process although the storm may have taken everything.
const LATE: Duration = Duration::from_secs(100);
const THREADS: usize = 2;
/// Bodies that stream through the storm, and one that its origin cuts short.
const BODIES: [&str; 2] = ["http://ticks.test/60/500ms", "http://breaks.test/3/1s"];

/// Where a mistake is planted.
#[derive(Clone, Copy)]
enum Plant {
    Mock(Bug),
    Client(ClientBug),
}

/// A bug, and the storms that are to find it.
struct Planted {
    plant: Plant,
    /// The checkers that name it.
    checkers: &'static [&'static str],
    policy: &'static str,
    version: &'static str,
    clients: usize,
    /// Empty: all that there are.
    kinds: &'static [FaultKind],
    /// Whether callers ask for bodies that stream: the script of a storm has none.
    bodies: bool,
}

/// What it took.
struct Row {
    bug: String,
    side: &'static str,
    checker: Option<&'static str>,
    runs: u64,
    storms: String,
}

const fn planted(plant: Plant, checkers: &'static [&'static str]) -> Planted {
    Planted {
        plant,
        checkers,
        policy: "recommended",
        version: "0.142",
        clients: 1,
        kinds: &[],
        bodies: false,
    }
}

/// Every bug of the mocks.
fn of_mock(bug: Bug) -> Planted {
    let checkers: &[&str] = match bug {
        Bug::ForgetWriteIds => &["at-most-once"],
        Bug::AckBeforeApply => &["accepted-means-applied"],
        Bug::SwallowResend => &["everything-settles"],
        Bug::AnswerOnCurrentConnection => &["no-response-leak"],
        Bug::ReorderOutput | Bug::DropRetained => &["gapless-or-declared"],
        Bug::KillOnDetach => &["process-survives"],
        Bug::AcceptExpiredUrl => &["expired-credential-refused"],
        Bug::TornWrite => &["untorn"],
        Bug::ReorderWrites => &["in-order"],
        Bug::LeakSession => &["no-cross-session"],
        Bug::KeepAfterExpiry | Bug::ReviveDead => &["lease-honoured"],
        Bug::AttachTwice => &["one-live-generation"],
        Bug::DoneWhenCut => &["body-ends-honestly"],
        Bug::LeakBody => &["no-response-leak"],
        Bug::NoPings => &["everything-settles"],
    };
    let planted = planted(Plant::Mock(bug), checkers);
    match bug {
        // Two who could be mixed up.
        Bug::LeakSession => Planted {
            clients: 2,
            ..planted
        },
        // A client that still tries when the lease is over.
        Bug::KeepAfterExpiry => Planted {
            policy: "codex-0.169",
            ..planted
        },
        Bug::DoneWhenCut | Bug::LeakBody => Planted {
            bodies: true,
            ..planted
        },
        Bug::AcceptExpiredUrl => Planted {
            kinds: &[FaultKind::ExpireUrl],
            ..planted
        },
        // Our own client asks again until the process is gone, and then it knows.
        Bug::SwallowResend => Planted {
            policy: "codex-0.142",
            kinds: &[FaultKind::Reset, FaultKind::LinkDown],
            ..planted
        },
        // Something must be printed while the client is away.
        Bug::DropRetained => Planted {
            kinds: &[FaultKind::Burst, FaultKind::LinkDown, FaultKind::Reset],
            ..planted
        },
        // The client knows that its connection is dead, and the server does not.
        Bug::NoPings => Planted {
            kinds: &[FaultKind::HalfOpen],
            ..planted
        },
        Bug::ForgetWriteIds
        | Bug::AckBeforeApply
        | Bug::AnswerOnCurrentConnection
        | Bug::ReorderOutput
        | Bug::KillOnDetach
        | Bug::TornWrite
        | Bug::ReorderWrites
        | Bug::ReviveDead
        | Bug::AttachTwice => planted,
    }
}

/// Every bug of the clients.
fn of_client(bug: ClientBug) -> Planted {
    let checkers: &[&str] = match bug {
        ClientBug::ClaimNotApplied => &["no-false-certainty"],
        ClientBug::ClaimApplied => &["accepted-means-applied"],
        ClientBug::SurrenderResent => &["no-needless-surrender"],
        ClientBug::TellTwice | ClientBug::WrapRequestIds => &["one-outcome-per-request"],
        ClientBug::ForgetCaller | ClientBug::IgnoreSilence | ClientBug::KeepDeadClient => {
            &["everything-settles"]
        }
        ClientBug::SkipOutput | ClientBug::RepeatOutput => &["gapless-or-declared"],
        ClientBug::ExitFirst => &["exit-after-output"],
        ClientBug::CloseTwice => &["closed-once-and-last"],
        ClientBug::TruncateResend => &["untorn"],
        ClientBug::NewKeyOnResend | ClientBug::ResendSlowStart => &["replay-only-what-is-safe"],
        ClientBug::StaleAnswers => &["no-response-leak"],
        ClientBug::ForgetCleanUp => &["no-orphan"],
        ClientBug::PingOldConnection => &["one-live-generation"],
        ClientBug::ForgetDial => &["single-flight-dial"],
        ClientBug::DialAfterGivingUp => &["no-dial-after-terminal"],
        ClientBug::ForgetFetch => &["single-flight-refresh"],
        ClientBug::ForgetRefusal => &["no-refresh-after-permanent-failure"],
        ClientBug::ShowUrl => &["no-secret-in-history"],
        ClientBug::HalfWait | ClientBug::DoubleWait => &["backoff-within-policy"],
        ClientBug::OutliveWindow | ClientBug::OneMoreAttempt => &["attempts-within-budget"],
        ClientBug::NoBound => &["bounded-queues"],
        ClientBug::PipelineWrites => &["in-order"],
        ClientBug::KeepUrl => &["fresh-credential-per-dial"],
        ClientBug::ForgetSession => &["process-survives"],
        ClientBug::CleanCut => &["body-ends-honestly"],
    };
    let planted = planted(Plant::Client(bug), checkers);
    match bug {
        // With full jitter no wait is too short.
        ClientBug::HalfWait => Planted {
            policy: "codex-0.142",
            ..planted
        },
        // The last version in which a caller is handed another client.
        ClientBug::KeepDeadClient => Planted {
            policy: "codex-0.134",
            version: "0.134",
            ..planted
        },
        // The one policy that counts its attempts.
        ClientBug::OneMoreAttempt => Planted {
            policy: "codex-0.134",
            version: "0.134",
            ..planted
        },
        // Room for two calls; a storm never asks for 257.
        ClientBug::NoBound => Planted {
            policy: "tight",
            ..planted
        },
        ClientBug::CleanCut => Planted {
            bodies: true,
            ..planted
        },
        // It must leave right behind its last word.
        ClientBug::ExitFirst => Planted {
            kinds: &[FaultKind::Burst, FaultKind::Exit],
            ..planted
        },
        // Only what is lost on a connection that lives on can be overtaken.
        ClientBug::PipelineWrites => Planted {
            kinds: &[FaultKind::DropFrame],
            ..planted
        },
        ClientBug::ClaimNotApplied
        | ClientBug::ClaimApplied
        | ClientBug::SurrenderResent
        | ClientBug::TellTwice
        | ClientBug::ForgetCaller
        | ClientBug::SkipOutput
        | ClientBug::RepeatOutput
        | ClientBug::CloseTwice
        | ClientBug::TruncateResend
        | ClientBug::NewKeyOnResend
        | ClientBug::ResendSlowStart
        | ClientBug::WrapRequestIds
        | ClientBug::StaleAnswers
        | ClientBug::ForgetCleanUp
        | ClientBug::PingOldConnection
        | ClientBug::ForgetDial
        | ClientBug::DialAfterGivingUp
        | ClientBug::ForgetFetch
        | ClientBug::ForgetRefusal
        | ClientBug::ShowUrl
        | ClientBug::DoubleWait
        | ClientBug::OutliveWindow
        | ClientBug::KeepUrl
        | ClientBug::IgnoreSilence
        | ClientBug::ForgetSession => planted,
    }
}

impl Planted {
    /// The storm of this seed, and a start after it.
    fn storm(&self, seed: u64) -> Scenario {
        let kinds = if self.kinds.is_empty() {
            FaultKind::VARIANTS
        } else {
            self.kinds
        };
        let config = Config {
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            ..Config::default()
        };
        let storms = storm_of(
            kinds.to_vec(),
            self.clients..=self.clients,
            self.policy,
            self.version,
        );
        let tree = storms.new_tree(&mut TestRunner::new(config));
        let mut scenario = tree.expect("a storm is always drawn").current();
        for client in &scenario.clients {
            let (process, program) = ("late".to_owned(), "cat".to_owned());
            let start = Do::Start {
                process,
                program,
                args: Vec::new(),
                stdin: true,
            };
            scenario.steps.push(Step {
                name: None,
                leaves_after: None,
                trigger: Trigger::At(LATE),
                client: Some(client.name.clone()),
                action: Action::Do(start),
            });
            for url in BODIES.iter().filter(|_| self.bodies) {
                let body = Do::Http {
                    url: (*url).to_owned(),
                    method: "GET".to_owned(),
                    stream: true,
                    timeout: None,
                    reads_after: None,
                };
                scenario.steps.push(Step {
                    name: None,
                    leaves_after: None,
                    trigger: Trigger::At(Duration::from_secs(1)),
                    client: Some(client.name.clone()),
                    action: Action::Do(body),
                });
            }
        }
        scenario
    }

    fn plant(&self, mut scenario: Scenario) -> Scenario {
        match self.plant {
            Plant::Mock(bug) => {
                let servers = scenario.servers.iter_mut();
                let exec = servers.filter(|server| server.mock == Mock::Exec);
                exec.for_each(|server| server.bug = Some(bug.to_string()));
            }
            Plant::Client(bug) => {
                let clients = scenario.clients.iter_mut();
                clients.for_each(|client| client.bug = Some(bug.to_string()));
            }
        }
        scenario
    }

    /// The checker that catches the bug in this storm.
    fn caught_by(&self, seed: u64) -> Option<&'static str> {
        let world = WorldName::Fast;
        let mut script = self.storm(seed);
        // Both runs must be calm after the storm, or what strikes late is taken for the bug.
        let (with, without) = loop {
            let (planted, with) = calm_after_the_storm(self.plant(script.clone()), world, Seed(seed));
            script.steps = planted.steps;
            let (clean, without) = calm_after_the_storm(script.clone(), world, Seed(seed));
            if clean.steps == script.steps {
                break (with, without);
            }
            script.steps = clean.steps;
        };
        let (with, without) = (Reading::new(&with), Reading::new(&without));
        let fails = |history: &Reading<'_>, name: &&str| {
            checkers::ALL
                .iter()
                .filter(|checker| checker.name == *name)
                .any(|checker| matches!(checker.judge(history), Verdict::Fail(_)))
        };
        let mut names = self.checkers.iter();
        names
            .find(|name| fails(&with, name) && !fails(&without, name))
            .copied()
    }

    fn hunt(&self) -> Row {
        let found = (1..=RUNS_MAX).find_map(|seed| Some((seed, self.caught_by(seed)?)));
        let (bug, side) = match self.plant {
            Plant::Mock(bug) => (bug.to_string(), "mock"),
            Plant::Client(bug) => (bug.to_string(), "client"),
        };
        let kinds: Vec<_> = self.kinds.iter().map(FaultKind::to_string).collect();
        let kinds = if kinds.is_empty() {
            "any".to_owned()
        } else {
            kinds.join(", ")
        };
        let clients = if self.clients == 1 { "" } else { ", 2 clients" };
        Row {
            bug,
            side,
            checker: found.map(|(_, checker)| checker),
            runs: found.map_or(RUNS_MAX, |(seed, _)| seed),
            storms: format!("{kinds}; {}{clients}", self.policy),
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the score is to be read")]
fn every_planted_bug_is_found_by_a_storm() {
    let clients = ClientBug::VARIANTS.iter().copied().map(of_client);
    let all: Vec<_> = Bug::VARIANTS
        .iter()
        .copied()
        .map(of_mock)
        .chain(clients)
        .collect();
    let hunters: Vec<Vec<&Planted>> = (0..THREADS)
        .map(|nth| all.iter().skip(nth).step_by(THREADS).collect())
        .collect();
    let mut rows: Vec<Row> = thread::scope(|scope| {
        let hunt = |group: Vec<&Planted>| group.into_iter().map(Planted::hunt).collect::<Vec<_>>();
        let threads: Vec<_> = hunters
            .into_iter()
            .map(|group| scope.spawn(move || hunt(group)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    rows.sort_by_key(|row| (row.runs, row.bug.clone()));
    println!(
        "{:5} {:29} {:7} {:35} storms",
        "runs", "planted", "in", "caught by"
    );
    for row in &rows {
        let checker = row.checker.unwrap_or("MISSED");
        println!(
            "{:4}  {:29} {:7} {checker:35} {}",
            row.runs, row.bug, row.side, row.storms
        );
    }
    let missed: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.checker.is_none())
        .map(|row| &row.bug)
        .collect();
    let (median, worst) = (rows[rows.len() / 2].runs, rows[rows.len() - 1].runs);
    let caught = rows.len() - missed.len();
    println!(
        "score {caught}/{}, median {median} runs, worst {worst} runs",
        rows.len()
    );
    assert_eq!(missed, BTreeSet::new(), "planted and never found");
    assert!(median <= MEDIAN_MAX, "storms have become blunt: median {median}");
    assert!(25 <= rows.len(), "the zoo has shrunk to {}", rows.len());
}
