//! Histories by hand, written like a script: who, what, in order.

mod calls;
mod conns;
mod policy;
mod wire;

use std::time::Duration;

use unplug_reconnect::id::ConnId;
use unplug_reconnect::policy::Policy;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::exec::method;

use crate::checkers::{ALL, Reading, Verdict};
use crate::fault::Fault;
use crate::history::{Entry, Event, Header, History, Host, Role, SCHEMA, Truth};

use policy::policy;
pub(super) use wire::{answer, request};

const SCRIPT: usize = 0;
const LAPTOP: usize = 1;
const TABLET: usize = 2;
const EXECUTOR: usize = 3;
const REGISTRY: usize = 4;

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A history that grows line by line. Connections `c1/2`, `f1/2` are the tablet's, all others the laptop's.
pub(super) struct Run {
    history: History,
    now: Time,
}

impl Run {
    pub(super) fn new() -> Self {
        let client = || Role::Client {
            preset: "test".to_owned(),
            policy: Box::new(policy()),
        };
        let host = |name: &str, role| Host {
            name: name.into(),
            role,
        };
        let hosts = vec![
            host("!", Role::Script),
            host("laptop", client()),
            host("tablet", client()),
            host(
                "executor",
                Role::ExecServer {
                    version: "0.142".to_owned(),
                    lease: ms(30_000),
                },
            ),
        ];
        let header = Header {
            schema: SCHEMA,
            scenario: "test".to_owned(),
            case: String::new(),
            world: "fast".to_owned(),
            seed: Seed(1),
            until: Time::from_millis(60_000),
            hosts,
            recovered_within: None,
            stays_connected: false,
        };
        Self {
            history: History {
                header,
                entries: Vec::new(),
            },
            now: Time::ZERO,
        }
    }

    /// The laptop is attached to `s1` by `c1`.
    pub(super) fn up() -> Self {
        Self::new().connects("c1").attaches("c1", "s1")
    }

    /// And runs `sh` in it.
    pub(super) fn started() -> Self {
        Self::up()
            .starts("k1", "c1", "s1", 2)
            .settles("k1", method::START, Truth::Applied)
    }

    pub(super) fn with_issuer(mut self) -> Self {
        self.history.header.hosts.push(Host {
            name: "registry".into(),
            role: Role::Issuer,
        });
        self
    }

    pub(super) fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        if let Role::Client { policy, .. } = &mut self.history.header.hosts[LAPTOP].role {
            change(policy);
        }
        self
    }

    pub(super) fn recovered_within(mut self, millis: u64) -> Self {
        self.history.header.recovered_within = Some(ms(millis));
        self
    }

    pub(super) fn stays_connected(mut self) -> Self {
        self.history.header.stays_connected = true;
        self
    }

    pub(super) fn until(mut self, millis: u64) -> Self {
        self.history.header.until = Time::from_millis(millis);
        self
    }

    /// What follows happens then.
    pub(super) fn at(mut self, millis: u64) -> Self {
        self.now = Time::from_millis(millis);
        self
    }

    pub(super) fn add(mut self, who: usize, event: Event) -> Self {
        self.history.entries.push(Entry {
            t: self.now,
            who,
            event,
        });
        self
    }

    pub(super) fn laptop(self, event: Event) -> Self {
        self.add(LAPTOP, event)
    }

    pub(super) fn executor(self, event: Event) -> Self {
        self.add(EXECUTOR, event)
    }

    fn client(self, conn: &str, event: impl FnOnce(ConnId) -> Event) -> Self {
        let conn: ConnId = conn.parse().unwrap();
        let who = if conn.client() == 0 { LAPTOP } else { TABLET };
        self.add(who, event(conn))
    }

    /// Everything about a start but its outcome.
    pub(super) fn starts(self, call: &str, conn: &str, session: &str, id: i64) -> Self {
        let frame = request(id, method::START).call(call);
        self.asks(call, method::START)
            .sends(conn, frame.clone())
            .arrives(conn, frame)
            .runs(session, "sh")
    }

    pub(super) fn runs(self, session: &str, process: &str) -> Self {
        self.executor(Event::ProcessStarted {
            session: session.parse().unwrap(),
            process: process.into(),
        })
    }

    pub(super) fn strikes(self, fault: Fault) -> Self {
        self.add(SCRIPT, Event::Fault { fault, conn: None })
    }

    pub(super) fn strikes_on(self, conn: &str, fault: Fault) -> Self {
        self.add(
            SCRIPT,
            Event::Fault {
                fault,
                conn: Some(conn.parse().unwrap()),
            },
        )
    }

    pub(super) fn heals(self, fault: Fault, after: u64) -> Self {
        self.add(
            SCRIPT,
            Event::Healed {
                fault,
                after: ms(after),
            },
        )
    }

    pub(super) fn issues(self, conn: &str, url: &str, expires: u64) -> Self {
        let (conn, url) = (conn.parse().unwrap(), url.parse().unwrap());
        self.add(
            REGISTRY,
            Event::Issued {
                conn,
                url,
                expires: Time::from_millis(expires),
            },
        )
        .client("c1", |_| Event::Credential { conn, url })
    }

    pub(super) fn refuses(self, conn: &str, status: u16) -> Self {
        self.add(
            REGISTRY,
            Event::IssueRefused {
                conn: conn.parse().unwrap(),
                status,
            },
        )
    }

    pub(super) fn into_history(self) -> History {
        self.history
    }

    #[track_caller]
    fn verdict(&self, name: &str) -> Verdict {
        let checker = ALL
            .iter()
            .find(|checker| checker.name == name)
            .expect("a checker of this name");
        checker.judge(&Reading::new(&self.history))
    }

    #[track_caller]
    pub(super) fn passes(&self, name: &str) {
        assert_eq!(self.verdict(name), Verdict::Pass);
    }

    #[track_caller]
    pub(super) fn is_vacuous(&self, name: &str) {
        assert_eq!(self.verdict(name), Verdict::Vacuous);
    }

    #[track_caller]
    pub(super) fn fails(&self, name: &str, why: &str) {
        assert_eq!(self.verdict(name), Verdict::Fail(why.to_owned()));
    }
}
