//! A source of signed URLs, its issuer, and the dials that want one.

use datadriven::TestCase;
use unplug_reconnect::credential::{Credential, Input, Output};
use unplug_reconnect::id::{ConnIds, Purpose};
use unplug_reconnect::policy::{Refresh, Reuse};
use unplug_reconnect::time::Time;

use super::{Result, answer, flag, needed, preset, span, value, word};

#[derive(Default)]
pub(crate) struct Stage {
    machine: Option<Credential>,
    now: Time,
    lines: Vec<String>,
}

impl Stage {
    pub(crate) fn perform(&mut self, case: &mut TestCase) -> Result<String> {
        match case.directive.as_str() {
            "policy" => self.policy(case)?,
            "wanted" => {
                let within = span(case, "within")?;
                self.handle(Input::Wanted { within })?;
            }
            "rejected" => self.handle(Input::Rejected)?,
            "issued" => {
                let url: String = needed(case, "url")?;
                let fetch = word(case, "a request")?;
                self.handle(Input::Issued {
                    fetch,
                    url: url.into(),
                })?;
            }
            "refused" => {
                let status = needed(case, "status")?;
                let code = value(case, "code")?;
                let fetch = word(case, "a request")?;
                self.handle(Input::Refused { fetch, status, code })?;
            }
            "unreachable" => {
                let fetch = word(case, "a request")?;
                self.handle(Input::Unreachable { fetch })?;
            }
            "wait" => self.now = self.now + span(case, "for")?.ok_or("for is missing")?,
            "wake" => self.wake(flag(case, "now")?)?,
            "due" => {
                let due = self.machine()?.deadline();
                self.lines
                    .push(due.map_or_else(|| "never".to_owned(), |due| due.to_string()));
            }
            verb => return Err(format!("unknown verb {verb}")),
        }
        Ok(answer(&mut self.lines))
    }

    fn policy(&mut self, case: &mut TestCase) -> Result<()> {
        let refresh = match (span(case, "lifetime")?, span(case, "window")?) {
            (Some(lifetime), Some(window)) => Some(Refresh { lifetime, window }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err("lifetime and window belong together".to_owned()),
        };
        let always = flag(case, "reuse")?;
        let mut policy = preset(case)?.credential;
        policy.refresh = refresh;
        if always {
            policy.reuse = Reuse::Always;
        }
        self.machine = Some(Credential::new(policy, ConnIds::new(0, Purpose::Fetch)));
        Ok(())
    }

    fn machine(&mut self) -> Result<&mut Credential> {
        self.machine
            .as_mut()
            .ok_or_else(|| "begin with `policy`".to_owned())
    }

    fn wake(&mut self, at_once: bool) -> Result<()> {
        if !at_once {
            let due = self.machine()?.deadline().ok_or("nothing is due")?;
            self.now = self.now.max(due);
        }
        self.handle(Input::Wake)
    }

    fn handle(&mut self, input: Input) -> Result<()> {
        let now = self.now;
        let machine = self.machine()?;
        machine.handle(input, now);
        while let Some(output) = self.machine()?.poll() {
            let line = match output {
                Output::Fetch { fetch } => format!("fetch {fetch}"),
                Output::Abandon { fetch } => format!("abandon {fetch}"),
                Output::Granted { url } => format!("granted {url}"),
                Output::Denied { why, again: true } => format!("denied for the moment: {why}"),
                Output::Denied { why, again: false } => format!("denied for good: {why}"),
            };
            self.lines.push(format!("{now} {line}"));
        }
        Ok(())
    }
}
