//! The saboteur: stands between a client machine and its host, and plants a mistake.
//!
//! It keeps the contract of the machine that it wraps, so that the host cannot tell. Without a bug it passes everything
//! on. With one it alters what the machine hears, what it orders, or what it tells, and nothing else: the machine stays
//! as it ships. [`policy`] holds the bugs that are another policy, [`urls`] those of the credential machine.

mod policy;
mod sends;
mod urls;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::exec::{Exec, Input, Link, News, Op, Output};
use unplug_reconnect::id::{CallId, ConnId, ConnIds, ProcessId};
use unplug_reconnect::policy::Policy;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;
use unplug_reconnect::transport::{DialError, Truth};
use unplug_reconnect::wire::rpc::RequestId;

pub(crate) use policy::altered;
pub(crate) use urls::UrlSaboteur;

use crate::client_bug::ClientBug;
use sends::Sends;

/// How long an impatient client waits before it does something rash.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long [`ClientBug::ExitFirst`] holds output back.
const HOLD: Duration = Duration::from_millis(50);
/// The call that nobody asked for of [`ClientBug::DialAfterGivingUp`].
const PHANTOM: CallId = CallId::new(u64::MAX);

/// An exec client machine, with a mistake if one is planted.
pub(crate) struct Saboteur {
    machine: Exec,
    bug: Option<ClientBug>,
    mischief: Mischief,
    inbox: VecDeque<Input>,
    outputs: VecDeque<Output>,
}

/// What planted bugs remember. Empty without a bug.
#[derive(Default)]
struct Mischief {
    sends: Sends,
    /// Of `ForgetDial`.
    dial: Option<(Time, ConnId)>,
    /// Of `PingOldConnection`: the connection that is usable, and the one that was given up.
    up: Option<ConnId>,
    old: Option<ConnId>,
    /// Of `KeepDeadClient`: whether a connection has ended.
    dead: bool,
    /// Of `SkipOutput`: between a resume and its end.
    catching_up: bool,
    /// Of `ExitFirst`: output that is held back, and until when.
    held: Vec<News>,
    held_until: Option<Time>,
    /// Of `RepeatOutput`.
    last: BTreeMap<ProcessId, News>,
}

impl Saboteur {
    /// A machine that runs with this policy, which is the one that it claims to have or an [`altered`] one.
    pub(crate) fn new(
        bug: Option<ClientBug>,
        policy: Arc<Policy>,
        link: Link,
        ids: ConnIds,
        seed: Seed,
    ) -> Self {
        Self {
            machine: Exec::new(policy, link, ids, seed),
            bug,
            mischief: Mischief::default(),
            inbox: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn handle(&mut self, input: Input, now: Time) {
        let Some(bug) = self.bug else {
            self.machine.handle(input, now);
            return;
        };
        self.lose_patience(now);
        self.inbox.push_back(input);
        while let Some(mut input) = self.inbox.pop_front() {
            self.hear(bug, &mut input);
            if self.mischief.dead && bug == ClientBug::KeepDeadClient && matches!(input, Input::Call { .. }) {
                continue;
            }
            self.machine.handle(input, now);
            while let Some(output) = self.machine.poll() {
                self.tell(bug, output, now);
            }
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        match self.bug {
            None => self.machine.poll(),
            Some(_) => self.outputs.pop_front(),
        }
    }

    /// Bytes of bodies that their callers have not read.
    pub(crate) const fn queued_body_bytes(&self) -> usize {
        self.machine.queued_body_bytes()
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let rash = self.mischief.dial.map(|(at, _)| at);
        let held = self.mischief.held_until;
        [
            self.machine.deadline(),
            rash,
            held,
            self.mischief.sends.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is rash, if it is time.
    fn lose_patience(&mut self, now: Time) {
        if let Some((_, conn)) = self.mischief.dial.take_if(|(at, _)| *at <= now) {
            let why = DialError::TimedOut;
            self.inbox.push_back(Input::DialFailed { conn, why });
        }
        self.outputs.extend(self.mischief.sends.again(now));
        if self.mischief.held_until.is_some_and(|until| until <= now) {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        self.mischief.held_until = None;
        let held = std::mem::take(&mut self.mischief.held);
        held.into_iter().for_each(|news| self.say(news));
    }

    fn hear(&mut self, bug: ClientBug, input: &mut Input) {
        if let Input::Dialed { conn } | Input::DialFailed { conn, .. } = input {
            self.mischief.dial.take_if(|(_, dial)| dial == conn);
        } else if let Input::Closed { conn } = input {
            self.mischief.old.take_if(|old| old == conn);
            self.mischief.sends.on_end(*conn);
            self.mischief.dead = true;
        } else if let Input::Received { conn, message } = input {
            self.mischief.sends.on_received(bug, *conn, message);
        }
    }

    fn tell(&mut self, bug: ClientBug, output: Output, now: Time) {
        match output {
            Output::News(news) => self.on_news(bug, news, now),
            Output::Send { conn, message, call } if call == Some(PHANTOM) => {
                self.inbox.extend(sends::refusal(conn, &message));
            }
            Output::Send { conn, message, call } => {
                let sent = self.mischief.sends.on_send(bug, conn, message, call, now);
                self.outputs.extend(sent.passed_on);
                self.inbox.extend(sent.made_up);
            }
            Output::Dial { conn } => {
                self.mischief.sends.on_dial();
                if bug == ClientBug::ForgetDial {
                    self.mischief.dial = Some((now + PATIENCE, conn));
                }
                self.outputs.push_back(Output::Dial { conn });
            }
            Output::Hangup { conn, why } => {
                self.mischief.sends.on_end(conn);
                self.mischief.dial.take_if(|(_, dial)| *dial == conn);
                if bug == ClientBug::PingOldConnection && self.mischief.up == Some(conn) {
                    self.mischief.old = self.mischief.up.take();
                } else {
                    self.outputs.push_back(Output::Hangup { conn, why });
                }
            }
            Output::Full { call: PHANTOM, .. } => {}
            Output::Fetch { .. } | Output::Ping { .. } | Output::Full { .. } | Output::Room => {
                self.outputs.push_back(output);
            }
        }
    }

    fn on_news(&mut self, bug: ClientBug, news: News, now: Time) {
        match news {
            News::Settled { call: PHANTOM, .. } => {}
            News::Settled { call, truth, why, by } => self.on_settled(bug, call, truth, why, by),
            News::GaveUp { .. } => {
                self.say(news);
                if bug == ClientBug::DialAfterGivingUp {
                    let (process, argv, cwd) = ("ghost".into(), vec!["sh".to_owned()], "/".to_owned());
                    let op = Op::Start {
                        process,
                        argv,
                        cwd,
                        stdin: true,
                    };
                    self.inbox.push_back(Input::Call { call: PHANTOM, op });
                }
            }
            News::Attached { resumed, .. } => {
                self.mischief.catching_up = resumed;
                self.say(news);
                if let Some(conn) = self.mischief.old.take() {
                    self.outputs.push_back(Output::Ping { conn });
                }
            }
            News::Ready { conn } => {
                self.mischief.up = Some(conn);
                self.say(news);
                if std::mem::take(&mut self.mischief.catching_up) {
                    let again = std::mem::take(&mut self.mischief.last);
                    again.into_values().for_each(|news| self.say(news));
                }
            }
            News::Output { ref process, .. } => {
                if bug == ClientBug::SkipOutput && std::mem::take(&mut self.mischief.catching_up) {
                    return;
                }
                if bug == ClientBug::RepeatOutput {
                    self.mischief.last.insert(process.clone(), news.clone());
                }
                if bug == ClientBug::ExitFirst {
                    self.mischief.held_until.get_or_insert(now + HOLD);
                    self.mischief.held.push(news);
                    return;
                }
                self.say(news);
            }
            News::OutputClosed { ref process, .. } | News::Lost { ref process, .. } => {
                self.let_go();
                self.mischief.last.remove(process);
                if bug == ClientBug::CloseTwice && matches!(news, News::OutputClosed { .. }) {
                    self.say(news.clone());
                }
                self.say(news);
            }
            News::BodyEnded { call, why } => {
                let why = why.filter(|_| bug != ClientBug::CleanCut);
                self.say(News::BodyEnded { call, why });
            }
            News::Told { .. }
            | News::BodyOpened { .. }
            | News::BodyPart { .. }
            | News::Exited { .. }
            | News::Moved { .. }
            | News::Keyed { .. } => self.say(news),
        }
    }

    fn on_settled(
        &mut self,
        bug: ClientBug,
        call: CallId,
        mut truth: Truth,
        mut why: Option<String>,
        by: Option<(ConnId, RequestId)>,
    ) {
        let sends = self.mischief.sends.of_write(call);
        let unknown = truth == Truth::Ambiguous;
        if bug == ClientBug::ForgetCaller && unknown {
            return;
        }
        if bug == ClientBug::ClaimNotApplied && unknown {
            truth = Truth::NotApplied;
        } else if bug == ClientBug::ClaimApplied && unknown && 0 < sends {
            (truth, why) = (Truth::Applied, None);
        } else if bug == ClientBug::SurrenderResent && truth == Truth::Applied && 1 < sends {
            (truth, why) = (Truth::Ambiguous, Some("sent more than once".to_owned()));
        }
        let by = self.mischief.sends.settled_by(bug, by);
        let news = News::Settled { call, truth, why, by };
        let often = if bug == ClientBug::TellTwice {
            sends.max(1)
        } else {
            1
        };
        (0..often).for_each(|_| self.say(news.clone()));
    }

    fn say(&mut self, news: News) {
        self.outputs.push_back(Output::News(news));
    }
}
