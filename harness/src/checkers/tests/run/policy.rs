//! The policy of clients in histories by hand.

use unplug_reconnect::backoff::{Backoff, Jitter};
use unplug_reconnect::policy::{
    BeyondRead, CredentialPolicy, CwdForm, Limits, Policy, Recovery, Replay, ReplayClass, Retry, Reuse,
    SessionMode, StillAttached, Ungreeted,
};

use super::ms;

pub(super) fn policy() -> Policy {
    let fixed = |millis| Backoff {
        base: ms(millis),
        factor: 1,
        cap: ms(millis),
        jitter: Jitter::None,
    };
    let growing = Backoff {
        base: ms(500),
        factor: 2,
        cap: ms(5_000),
        jitter: Jitter::None,
    };
    Policy {
        about: String::new(),
        session: SessionMode::Resume,
        write_ids: true,
        cwd: CwdForm::Uri,
        connect_timeout: ms(10_000),
        initialize_timeout: ms(10_000),
        answer_timeout: None,
        startup: Retry {
            window: ms(0),
            attempts_max: None,
            backoff: fixed(1_000),
        },
        recovery: Some(Recovery {
            retry: Retry {
                window: ms(25_000),
                attempts_max: None,
                backoff: fixed(100),
            },
            still_attached: StillAttached::Retry,
            described_window: None,
        }),
        replay: Replay {
            read: ReplayClass::SameCursor,
            write: ReplayClass::SameId,
            ..Replay::default()
        },
        heartbeat: None,
        catch_up: None,
        ungreeted: Ungreeted::Refusal,
        beyond_read: BeyondRead::Keep,
        credential: CredentialPolicy {
            reuse: Reuse::Never,
            refresh: None,
            fetch_timeout: ms(10_000),
            first_connect: None,
            refusals_add_up: false,
            backoff: growing,
            offline_is_retryable: true,
        },
        limits: Limits::default(),
    }
}
