//! The planted bugs of a client's source of signed URLs.

use std::collections::VecDeque;
use std::sync::Arc;

use unplug_reconnect::credential::{Credential, Input, Output};
use unplug_reconnect::id::{ConnId, ConnIds};
use unplug_reconnect::policy::CredentialPolicy;
use unplug_reconnect::time::Time;

use super::PATIENCE;
use crate::client_bug::ClientBug;

/// A credential machine, with a mistake if one is planted.
pub(crate) struct UrlSaboteur {
    machine: Credential,
    policy: CredentialPolicy,
    bug: Option<ClientBug>,
    /// Counts with the machine.
    ids: ConnIds,
    /// Of `ForgetFetch`.
    fetch: Option<(Time, ConnId)>,
    /// Of `ShowUrl`.
    url: Option<Arc<str>>,
    outputs: VecDeque<Output>,
}

impl UrlSaboteur {
    pub(crate) fn new(bug: Option<ClientBug>, policy: CredentialPolicy, ids: ConnIds) -> Self {
        Self {
            machine: Credential::new(policy, ids.clone()),
            policy,
            bug,
            ids,
            fetch: None,
            url: None,
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn handle(&mut self, input: Input, now: Time) {
        let Some(bug) = self.bug else {
            self.machine.handle(input, now);
            return;
        };
        if let Some((_, fetch)) = self.fetch.take_if(|(at, _)| *at <= now) {
            self.pass_on(bug, Input::Unreachable { fetch }, now);
        }
        self.pass_on(bug, input, now);
    }

    fn pass_on(&mut self, bug: ClientBug, input: Input, now: Time) {
        self.machine.handle(input, now);
        while let Some(output) = self.machine.poll() {
            let output = self.tell(bug, output, now);
            self.outputs.push_back(output);
        }
    }

    fn tell(&mut self, bug: ClientBug, output: Output, now: Time) -> Output {
        match output {
            Output::Fetch { fetch } => {
                self.ids.mint();
                self.fetch = (bug == ClientBug::ForgetFetch).then_some((now + PATIENCE, fetch));
                Output::Fetch { fetch }
            }
            Output::Granted { url } => {
                self.fetch = None;
                self.url = Some(Arc::clone(&url));
                Output::Granted { url }
            }
            Output::Denied { mut why, again } => {
                if bug == ClientBug::ForgetRefusal && !again {
                    self.machine = Credential::new(self.policy, self.ids.clone());
                }
                if let Some(url) = self.url.as_ref().filter(|_| bug == ClientBug::ShowUrl) {
                    why = format!("{why} after {url}");
                }
                Output::Denied { why, again }
            }
            Output::Abandon { .. } => output,
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        match self.bug {
            None => self.machine.poll(),
            Some(_) => self.outputs.pop_front(),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        let rash = self.fetch.map(|(at, _)| at);
        [self.machine.deadline(), rash].into_iter().flatten().min()
    }
}
