//! Do the words of a scenario mean something together?
//!
//! The scenario is read by then: this checks names against what they name, and steps against what they need. Places in
//! the file are looked up by path (`step.3.when.dir`).

mod steps;

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::problem::Problem;
use super::shape::with_article;
use super::{Case, Expect, Mock, Scenario, Server, Transport};

/// What a scenario may name that is defined elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    /// The policy presets.
    pub policies: &'a [&'a str],
    /// The exec versions that the mock reproduces.
    pub versions: &'a [&'a str],
    /// The mistakes that can be planted in servers.
    pub bugs: &'a [&'a str],
    /// The mistakes that can be planted in clients.
    pub client_bugs: &'a [&'a str],
    /// The checkers.
    pub checkers: &'a [&'a str],
}

/// Everything in a scenario that does not mean anything.
pub(super) fn problems(
    scenario: &Scenario,
    text: &str,
    document: &Spanned<DeTable<'_>>,
    names: &Names<'_>,
) -> Vec<Problem> {
    let mut check = Check {
        scenario,
        text,
        document: document.get_ref(),
        names,
        problems: Vec::new(),
    };
    check.script();
    check.hosts();
    check.clients();
    check.servers();
    check.steps();
    check.expect("expect", &scenario.expect);
    check.cases();
    check.problems
}

struct Check<'a> {
    scenario: &'a Scenario,
    text: &'a str,
    document: &'a DeTable<'a>,
    names: &'a Names<'a>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn script(&mut self) {
        for (key, text) in [("title", &self.scenario.title), ("why", &self.scenario.why)] {
            if text.trim().is_empty() {
                self.report(key, format!("`{key}` says nothing"));
            }
        }
        if self.scenario.until.is_zero() {
            self.report("until", "a run that ends at once shows nothing");
        }
    }

    /// Names of hosts stand in timelines and in addresses, and no two hosts share one.
    fn hosts(&mut self) {
        let clients = self.scenario.clients.iter().map(|client| client.name.as_str());
        let servers = self.scenario.servers.iter().map(|server| server.name.as_str());
        let clients = clients
            .enumerate()
            .map(|(i, name)| (format!("client.{i}.name"), name));
        let servers = servers
            .enumerate()
            .map(|(i, name)| (format!("server.{i}.name"), name));
        let hosts: Vec<_> = clients.chain(servers).collect();
        self.unique("host", &hosts);
        for (path, name) in hosts {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if !(name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(fits)) {
                let help = "the name of a host is of a-z, 0-9 and -, and begins with a letter";
                let problem = Problem::at(
                    self.place(&path),
                    format!("`{name}` cannot be the name of a host"),
                );
                self.problems.push(problem.help(help));
            }
        }
    }

    fn clients(&mut self) {
        for (i, client) in self.scenario.clients.iter().enumerate() {
            self.known(
                &format!("client.{i}.policy"),
                "policy",
                &client.policy,
                self.names.policies,
            );
            self.server_of(&format!("client.{i}.to"), &client.to, Some(Mock::Exec));
            if let Some(bug) = &client.bug {
                self.known(
                    &format!("client.{i}.bug"),
                    "client bug",
                    bug,
                    self.names.client_bugs,
                );
            }
        }
    }

    fn servers(&mut self) {
        for (i, server) in self.scenario.servers.iter().enumerate() {
            let path = |key: &str| format!("server.{i}.{key}");
            self.subject(&path(""), server.version.as_deref(), server.bug.as_deref());
            if let (Mock::Exec, Some(issuer)) = (server.mock, &server.issuer) {
                self.server_of(&path("issuer"), issuer, Some(Mock::Issuer));
            }
            let Server {
                version,
                issuer,
                transport,
                initialize_delay,
                start_delay,
                shuffle,
                url_lifetime,
                ..
            } = server;
            let misplaced: &[(&str, bool, &str)] = match server.mock {
                Mock::Exec => &[
                    (
                        "url_lifetime",
                        url_lifetime.is_some(),
                        "an exec server signs no URLs",
                    ),
                    (
                        "issuer",
                        issuer.is_some() && *transport == Transport::Stdio,
                        "a child is reached without a URL",
                    ),
                ],
                Mock::Issuer => &[
                    ("version", version.is_some(), "an issuer has no exec version"),
                    ("issuer", issuer.is_some(), "an issuer needs no issuer"),
                    (
                        "transport",
                        *transport == Transport::Stdio,
                        "an issuer is reached over the network",
                    ),
                    (
                        "initialize_delay",
                        initialize_delay.is_some(),
                        "nobody initializes an issuer",
                    ),
                    (
                        "start_delay",
                        start_delay.is_some(),
                        "an issuer starts no process",
                    ),
                    ("shuffle", shuffle.is_some(), "an issuer notifies nobody"),
                ],
            };
            for (key, _, why) in misplaced.iter().filter(|(_, there, _)| *there) {
                self.report_key(&path(key), *why);
            }
        }
    }

    fn cases(&mut self) {
        let names: Vec<String> = self.scenario.cases.iter().map(Case::name).collect();
        let paths = names
            .iter()
            .enumerate()
            .map(|(i, name)| (format!("case.{i}.name"), name.as_str()));
        self.unique("case", &paths.collect::<Vec<_>>());
        for (i, case) in self.scenario.cases.iter().enumerate() {
            let path = format!("case.{i}");
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
            if case
                .name
                .as_ref()
                .is_some_and(|name| name.is_empty() || !name.bytes().all(fits))
            {
                let message = "this cannot be the name of a case";
                let problem = Problem::at(self.place(&format!("{path}.name")), message);
                self.problems
                    .push(problem.help("the name of a case is of letters, digits and -_.+"));
            }
            if let Some(policy) = &case.policy {
                self.known(&format!("{path}.policy"), "policy", policy, self.names.policies);
            }
            if let Some(bug) = &case.client_bug {
                let path = format!("{path}.client_bug");
                self.known(&path, "client bug", bug, self.names.client_bugs);
            }
            self.subject(&format!("{path}."), case.version.as_deref(), case.bug.as_deref());
            if let Some(expect) = &case.expect {
                self.expect(&format!("{path}.expect"), expect);
            }
            let same = Scenario {
                expect: self.scenario.expect.clone(),
                ..self.scenario.with(case)
            };
            if same == *self.scenario {
                let problem = Problem::at(
                    self.place(&path),
                    "this `case` has the same subject as the script itself",
                );
                self.problems
                    .push(problem.help("a case names another policy, version, bug or client bug"));
            }
        }
    }

    /// The version and the bug of a server or a case.
    fn subject(&mut self, prefix: &str, version: Option<&str>, bug: Option<&str>) {
        let prefix = prefix.trim_end_matches('.');
        if let Some(version) = version {
            self.known(
                &format!("{prefix}.version"),
                "version",
                version,
                self.names.versions,
            );
        }
        if let Some(bug) = bug {
            self.known(&format!("{prefix}.bug"), "bug", bug, self.names.bugs);
        }
    }

    fn expect(&mut self, path: &str, expect: &Expect) {
        let fails = format!("{path}.fails");
        for (i, checker) in expect.fails().iter().enumerate() {
            self.known(&format!("{fails}.{i}"), "checker", checker, self.names.checkers);
        }
        if expect.fails.is_some() && expect.fails().is_empty() {
            self.report(&fails, "`fails` names no checker");
        }
        if expect.fails.is_some() && expect.verdict.is_some() {
            self.report_key(&fails, "a run of which a checker `fails` has no other `verdict`");
        }
    }

    /// A host that must be a server, of a kind if one is given.
    fn server_of(&mut self, path: &str, name: &str, mock: Option<Mock>) {
        let fits = |server: &&Server| mock.is_none_or(|mock| server.mock == mock);
        let servers = self.scenario.servers.iter().filter(fits);
        let names: Vec<&str> = servers.map(|server| server.name.as_str()).collect();
        let noun = mock.map_or("server", noun_of);
        let is = match (self.scenario.client(name), self.scenario.server(name)) {
            (_, Some(server)) if fits(&server) => return,
            (_, Some(server)) => noun_of(server.mock),
            (Some(_), None) => "client",
            (None, None) => return self.known(path, noun, name, &names),
        };
        let message = format!("`{name}` is {}, not {}", with_article(is), with_article(noun));
        let help = match names.as_slice() {
            [] => format!("there is no {noun} here"),
            names => format!("{noun}s here: {}", names.join(", ")),
        };
        self.problems
            .push(Problem::at(self.place(path), message).help(help));
    }

    /// A name that must be one of several.
    fn known(&mut self, path: &str, noun: &str, name: &str, choices: &[&str]) {
        if !choices.contains(&name) {
            self.problems
                .push(Problem::unknown(self.place(path), noun, name, choices));
        }
    }

    /// Names of which no two may be the same.
    fn unique(&mut self, noun: &str, names: &[(String, &str)]) {
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        for (path, name) in names {
            let Some(first) = first.insert(name, path) else {
                continue;
            };
            let line = self.text[..self.place(first).start].matches('\n').count() + 1;
            let message = format!("two {noun}s are called `{name}`");
            let problem = Problem::at(self.place(path), message).label("the second one");
            self.problems
                .push(problem.help(format!("the first one is on line {line}")));
        }
    }

    fn report(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::at(self.place(path), message));
    }

    /// The same, pointing at the key instead of its value.
    fn report_key(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::at(self.key(path), message));
    }

    /// The place of a value in the file, or of the nearest one around it that is written there.
    fn place(&self, path: &str) -> Range<usize> {
        self.find(path).1
    }

    /// The place of its key.
    fn key(&self, path: &str) -> Range<usize> {
        self.find(path).0
    }

    fn find(&self, path: &str) -> (Range<usize>, Range<usize>) {
        let mut names = path.split('.');
        let entry = names.next().and_then(|name| self.document.get_key_value(name));
        let Some((key, mut value)) = entry else {
            return (0..0, 0..0);
        };
        let mut key = key.span();
        for name in names {
            let node = value.get_ref();
            let table = node.as_table().and_then(|table| table.get_key_value(name));
            let item = || node.as_array()?.get(name.parse::<usize>().ok()?);
            (key, value) = match (table, item()) {
                (Some((key, value)), _) => (key.span(), value),
                (None, Some(item)) => (item.span(), item),
                (None, None) => break,
            };
        }
        (key, value.span())
    }
}

const fn noun_of(mock: Mock) -> &'static str {
    match mock {
        Mock::Exec => "exec server",
        Mock::Issuer => "issuer",
    }
}
