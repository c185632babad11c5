//! The steps of a script: what each of them names, and what it needs in order to fire.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Check, Mock, Problem};
use crate::fault::{Fault, Scope};
use crate::scenario::{Action, Anchor, Do, Edge, Step, Trigger, When};

impl<'a> Check<'a> {
    pub(super) fn steps(&mut self) {
        let steps = &self.scenario.steps;
        let named = steps
            .iter()
            .enumerate()
            .filter_map(|(i, step)| Some((i, step.name.as_deref()?)));
        let names: Vec<_> = named.map(|(i, name)| (format!("step.{i}.name"), name)).collect();
        self.unique("step", &names);
        for (i, step) in steps.iter().enumerate() {
            let path = format!("step.{i}");
            if let Some(client) = &step.client {
                self.client(&format!("{path}.client"), client);
            }
            self.trigger(&path, step);
            self.subject_of(&path, step);
            match &step.action {
                Action::Do(r#do) => self.process_of(&path, step, r#do),
                Action::Fault(fault) => self.fault(&path, step, fault),
            }
        }
        self.circles();
    }

    fn trigger(&mut self, path: &str, step: &Step) {
        let when = format!("{path}.when");
        let watched = match &step.trigger {
            Trigger::At(at) => {
                if self.scenario.until <= *at {
                    let until = humantime::format_duration(self.scenario.until);
                    let problem =
                        Problem::at(self.place(&format!("{path}.at")), "this step would never fire");
                    self.problems
                        .push(problem.label(format!("the run ends at {until}")));
                }
                return;
            }
            Trigger::When(When::Step(after), _) => {
                let steps = self.scenario.steps.iter();
                let names: Vec<&str> = steps.filter_map(|step| step.name.as_deref()).collect();
                return self.known(&format!("{when}.step"), "step", &after.step, &names);
            }
            Trigger::When(When::State(reaches), _) => &reaches.client,
            Trigger::When(When::Anchor(anchor), _) => {
                self.direction(&when, anchor);
                &anchor.client
            }
        };
        match watched {
            Some(client) => self.client(&format!("{when}.client"), client),
            None if self.scenario.watched_by(step).is_none() => self.ambiguous(&when),
            None => {}
        }
    }

    fn direction(&mut self, when: &str, anchor: &Anchor) {
        if let Some(dir) = anchor.method.only_dir().filter(|dir| *dir != anchor.dir) {
            let method = anchor.method;
            self.report(&format!("{when}.dir"), format!("`{method}` only goes `{dir}`"));
        }
    }

    /// A step of which nobody knows whose it is.
    fn subject_of(&mut self, path: &str, step: &Step) {
        let (key, scope) = match &step.action {
            Action::Do(_) => ("do", Scope::Connections),
            Action::Fault(fault) => ("fault", fault.kind().scope()),
        };
        if scope == Scope::Connections && self.scenario.client_of(step).is_none() {
            self.ambiguous(&format!("{path}.{key}"));
        }
    }

    fn ambiguous(&mut self, path: &str) {
        let clients = self.client_names().join(", ");
        let problem = Problem::at(self.place(path), "which client is meant?");
        self.problems
            .push(problem.help(format!("add `client = …` with one of {clients}")));
    }

    /// A process that a caller uses must have been started by the same caller, somewhere in the script.
    fn process_of(&mut self, path: &str, step: &Step, r#do: &Do) {
        let Some(client) = self.scenario.client_of(step) else {
            return;
        };
        let started = self.started(|other| other == client);
        let verb = match r#do {
            Do::Start { .. } | Do::Info {} | Do::Status {} => return,
            Do::ReadFile { path: file } => return self.absolute(&format!("{path}.do.read_file.path"), file),
            Do::WriteFile { path: file, .. } => {
                return self.absolute(&format!("{path}.do.write_file.path"), file);
            }
            Do::File { path: file, .. } => return self.absolute(&format!("{path}.do.file.path"), file),
            Do::CopyFile { from, to } => {
                self.absolute(&format!("{path}.do.copy_file.from"), from);
                return self.absolute(&format!("{path}.do.copy_file.to"), to);
            }
            Do::Http {
                url,
                stream,
                reads_after,
                ..
            } => return self.http(&format!("{path}.do.http"), url, *stream, *reads_after),
            Do::Write { .. } => "write",
            Do::Read { .. } => "read",
            Do::Signal { .. } => "signal",
            Do::Terminate { .. } => "terminate",
        };
        if let Some(process) = r#do.process() {
            self.process(&format!("{path}.do.{verb}.process"), process, &started);
        }
    }

    fn absolute(&mut self, path: &str, file: &str) {
        if !file.starts_with('/') {
            let problem = Problem::at(self.place(path), format!("`{file}` is no absolute path"));
            self.problems.push(problem.help("for example `/srv/hello.txt`"));
        }
    }

    fn http(&mut self, path: &str, url: &str, stream: bool, reads_after: Option<Duration>) {
        if !url.starts_with("http://") {
            let problem = Problem::at(self.place(&format!("{path}.url")), "this is no absolute URL");
            self.problems
                .push(problem.help("for example `http://ticks.test/5/200ms`"));
        }
        if reads_after.is_some() && !stream {
            let message = "`reads_after` needs `stream = true`: any other body comes with the answer";
            self.report_key(&format!("{path}.reads_after"), message);
        }
    }

    fn process(&mut self, path: &str, name: &str, started: &BTreeSet<&str>) {
        let started: Vec<&str> = started.iter().copied().collect();
        if started.contains(&name) {
            return;
        }
        let problem = Problem::unknown(self.place(path), "process", name, &started);
        let message = format!("no step starts the process `{name}`");
        self.problems.push(Problem { message, ..problem });
    }

    /// The processes that the script starts for these clients.
    fn started(&self, whose: impl Fn(&str) -> bool) -> BTreeSet<&'a str> {
        let scenario = self.scenario;
        let starts = scenario.steps.iter().filter_map(|step| match &step.action {
            Action::Do(Do::Start { process, .. }) => Some((scenario.client_of(step)?, process.as_str())),
            Action::Do(_) | Action::Fault(_) => None,
        });
        starts
            .filter(|(client, _)| whose(client))
            .map(|(_, process)| process)
            .collect()
    }

    fn fault(&mut self, path: &str, step: &Step, fault: &Fault) {
        let at = |key: &str| format!("{path}.fault.{}.{key}", fault.kind());
        match fault {
            Fault::LinkDown { host, .. }
            | Fault::SlowReader { host, .. }
            | Fault::Crash { host }
            | Fault::Bounce { host, .. }
            | Fault::Stall { host, .. } => self.host(&at("host"), host),
            Fault::ClockJump { host, ahead, behind } => {
                self.host(&at("host"), host);
                if ahead.is_some() == behind.is_some() {
                    let problem = Problem::at(self.place(&at("")), "where does the clock jump?");
                    self.problems
                        .push(problem.help("a `clock_jump` has either `ahead` or `behind`"));
                }
            }
            Fault::Refuse { host, .. } | Fault::ConnectHang { host, .. } => {
                self.server_of(&at("host"), host, None);
            }
            Fault::RejectUpgrade { host, .. } | Fault::HangUpgrade { host, .. } => {
                self.server_of(&at("host"), host, Some(Mock::Exec));
            }
            Fault::Throttle { host, .. } => self.server_of(&at("host"), host, Some(Mock::Issuer)),
            Fault::ExpireUrl { issuer } | Fault::Revoke { issuer } => {
                self.server_of(&at("issuer"), issuer, Some(Mock::Issuer));
            }
            Fault::Exit { host, process, .. } | Fault::Burst { host, process, .. } => {
                self.server_of(&at("host"), host, Some(Mock::Exec));
                let scenario = self.scenario;
                let started = self.started(|name| scenario.client(name).is_some_and(|it| it.to == *host));
                self.process(&at("process"), process, &started);
            }
            Fault::CutFrame { .. } | Fault::DropFrame | Fault::DuplicateFrame => {
                self.frame(path, step, fault)
            }
            Fault::Partition { .. }
            | Fault::PartitionOneWay { .. }
            | Fault::Blackhole
            | Fault::Reset
            | Fault::Close
            | Fault::HalfClose { .. }
            | Fault::HalfOpen { .. }
            | Fault::WsClose { .. }
            | Fault::Latency { .. }
            | Fault::Jitter { .. }
            | Fault::Bandwidth { .. }
            | Fault::ReorderConnections { .. }
            | Fault::Garbage { .. }
            | Fault::Heal => {}
        }
    }

    /// A fault of one frame needs that frame, as it is sent: later it is no longer on the way.
    fn frame(&mut self, path: &str, step: &Step, fault: &Fault) {
        let kind = fault.kind();
        let help = format!("`{kind}` needs its frame: when = {{ method = …, dir = …, edge = \"sent\" }}");
        let (key, message) = match &step.trigger {
            Trigger::When(When::Anchor(anchor), after) if !after.is_zero() && anchor.edge == Edge::Sent => {
                ("after", "by then the frame is gone".to_owned())
            }
            Trigger::When(When::Anchor(Anchor { edge: Edge::Sent, .. }), _) => return,
            Trigger::When(When::Anchor(Anchor { edge, .. }), _) => (
                "when.edge",
                format!("`{kind}` needs the edge `sent`, not `{edge}`"),
            ),
            Trigger::When(When::State(_) | When::Step(_), _) | Trigger::At(_) => {
                ("fault", format!("`{kind}` of which frame?"))
            }
        };
        let problem = Problem::at(self.place(&format!("{path}.{key}")), message);
        self.problems.push(problem.help(help));
    }

    fn host(&mut self, path: &str, name: &str) {
        let servers = self.scenario.servers.iter().map(|server| server.name.as_str());
        let hosts: Vec<&str> = self.client_names().into_iter().chain(servers).collect();
        self.known(path, "host", name, &hosts);
    }

    fn client(&mut self, path: &str, name: &str) {
        let names = self.client_names();
        self.known(path, "client", name, &names);
    }

    fn client_names(&self) -> Vec<&'a str> {
        self.scenario
            .clients
            .iter()
            .map(|client| client.name.as_str())
            .collect()
    }

    /// Steps that wait for each other never fire.
    fn circles(&mut self) {
        let steps = &self.scenario.steps;
        let named = steps
            .iter()
            .enumerate()
            .filter_map(|(i, step)| Some((step.name.as_deref()?, i)));
        let named: BTreeMap<&str, usize> = named.collect();
        let waits_for = |i: usize| match &steps[i].trigger {
            Trigger::When(When::Step(after), _) => named.get(after.step.as_str()).copied(),
            Trigger::When(When::State(_) | When::Anchor(_), _) | Trigger::At(_) => None,
        };
        for first in 0..steps.len() {
            let chain = std::iter::successors(waits_for(first), |&next| waits_for(next)).take(steps.len());
            let chain: Vec<usize> = chain.collect();
            let Some(length) = chain.iter().position(|&next| next == first) else {
                continue;
            };
            // Of the steps in a circle, the first one in the file tells.
            if chain[..length].iter().any(|&next| next < first) {
                continue;
            }
            let names = chain[..=length]
                .iter()
                .filter_map(|&next| steps[next].name.as_deref());
            let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
            let message = match names.as_slice() {
                [_] => "this step waits for itself".to_owned(),
                names => format!(
                    "this step waits for {}, which is itself",
                    names.join(", which waits for ")
                ),
            };
            let problem = Problem::at(self.place(&format!("step.{first}.when.step")), message);
            self.problems
                .push(problem.help("begin the circle with `at`, or with a moment of the protocol"));
        }
    }
}
