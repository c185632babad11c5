//! The planted bugs of clients that are another policy than the one that they claim to have.

use std::sync::Arc;
use std::time::Duration;

use unplug_reconnect::policy::{Policy, Retry, Reuse, SessionMode};

use crate::client_bug::ClientBug;

/// The policy that a client with this bug really has.
pub(crate) fn altered(bug: Option<ClientBug>, policy: &Arc<Policy>) -> Arc<Policy> {
    let mut other = Policy::clone(policy);
    match bug {
        Some(ClientBug::HalfWait) => retries(&mut other).for_each(|retry| {
            retry.backoff.base /= 2;
            retry.backoff.cap /= 2;
        }),
        Some(ClientBug::DoubleWait) => retries(&mut other).for_each(|retry| {
            retry.backoff.base *= 2;
            retry.backoff.cap *= 2;
        }),
        Some(ClientBug::OutliveWindow) => {
            retries(&mut other).for_each(|retry| retry.window *= 2);
            let first = other.credential.first_connect.as_mut();
            first.into_iter().for_each(|first| first.phase *= 2);
        }
        Some(ClientBug::OneMoreAttempt) => retries(&mut other).for_each(one_more),
        Some(ClientBug::NoBound) => other.limits.calls_max = None,
        Some(ClientBug::PipelineWrites) => other.limits.writes_in_flight_max = None,
        Some(ClientBug::KeepUrl) => other.credential.reuse = Reuse::Always,
        Some(ClientBug::IgnoreSilence) => (other.heartbeat, other.answer_timeout) = (None, None),
        Some(ClientBug::ForgetSession) => (other.session, other.recovery) = (SessionMode::Fresh, None),
        None
        | Some(
            ClientBug::ClaimNotApplied
            | ClientBug::ClaimApplied
            | ClientBug::SurrenderResent
            | ClientBug::TellTwice
            | ClientBug::ForgetCaller
            | ClientBug::SkipOutput
            | ClientBug::RepeatOutput
            | ClientBug::ExitFirst
            | ClientBug::CloseTwice
            | ClientBug::KeepDeadClient
            | ClientBug::TruncateResend
            | ClientBug::NewKeyOnResend
            | ClientBug::ResendSlowStart
            | ClientBug::WrapRequestIds
            | ClientBug::StaleAnswers
            | ClientBug::ForgetCleanUp
            | ClientBug::PingOldConnection
            | ClientBug::CleanCut
            | ClientBug::ForgetDial
            | ClientBug::DialAfterGivingUp
            | ClientBug::ForgetFetch
            | ClientBug::ForgetRefusal
            | ClientBug::ShowUrl,
        ) => return Arc::clone(policy),
    }
    Arc::new(other)
}

fn retries(policy: &mut Policy) -> impl Iterator<Item = &mut Retry> {
    let recovery = policy.recovery.as_mut().map(|recovery| &mut recovery.retry);
    std::iter::once(&mut policy.startup).chain(recovery)
}

/// A window of zero is one attempt.
fn one_more(retry: &mut Retry) {
    if retry.window.is_zero() {
        (retry.window, retry.attempts_max) = (Duration::from_secs(10), Some(2));
    } else {
        retry.attempts_max = retry.attempts_max.map(|max| max + 1);
    }
}
