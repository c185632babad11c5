//! The host of a mock credential issuer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use unplug_mocks::issuer::{self, Config, Issuer, News};
use unplug_reconnect::time::Time;

use super::{Effect, Input, Payload, REGISTRY_CONNECT, bare_frame};
use crate::history::{Event, Kind};

/// A host's wall clock: the run's time, and how far it has jumped.
#[derive(Debug, Default)]
pub(crate) struct Wall {
    jumped_nanos: i128,
}

impl Wall {
    /// The wall clock jumps.
    pub(crate) fn jump(&mut self, nanos: i128) {
        self.jumped_nanos = self.jumped_nanos.saturating_add(nanos);
    }

    /// What the wall clock says; not less than the start of the run.
    pub(crate) fn at(&self, now: Time) -> Time {
        let nanos = i128::from(now.as_nanos())
            .saturating_add(self.jumped_nanos)
            .max(0);
        Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// A mock issuer.
pub(crate) struct IssuerHost {
    issuer: Issuer,
    wall: Wall,
    effects: VecDeque<Effect>,
}

impl IssuerHost {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            issuer: Issuer::new(Config {
                lifetime,
                ..Config::default()
            }),
            wall: Wall::default(),
            effects: VecDeque::new(),
        }
    }

    pub(crate) fn handle(&mut self, input: Input, now: Time) {
        let wall = self.wall.at(now);
        let input = match input {
            Input::Frame {
                conn,
                payload: Payload::Connect(request),
            } => issuer::Input::Connect { conn, request, wall },
            Input::ExpireUrls => issuer::Input::Expire,
            Input::RevokeUrls => issuer::Input::Revoke,
            Input::Throttle {
                status,
                code,
                times,
                retry_after,
            } => issuer::Input::Fail {
                status,
                code,
                times,
                retry_after,
            },
            Input::ClockJump(by) => return self.wall.jump(by),
            Input::Frame { .. }
            | Input::Upgrade { .. }
            | Input::Closed(..)
            | Input::Congested(_)
            | Input::Writable(_)
            | Input::Exit { .. }
            | Input::Burst { .. }
            | Input::ExpireUrlsUpTo(_)
            | Input::Wake
            | Input::Do { .. }
            | Input::Dialed(_)
            | Input::DialFailed(..) => return,
        };
        self.issuer.handle(input, now);
        while let Some(output) = self.issuer.poll() {
            match output {
                issuer::Output::Reply {
                    conn,
                    status,
                    body,
                    retry_after,
                } => {
                    let kind = if status == 200 {
                        Kind::Response
                    } else {
                        Kind::Error
                    };
                    let frame = Arc::new(bare_frame(kind, REGISTRY_CONNECT));
                    let payload = Payload::ConnectReply {
                        status,
                        body,
                        retry_after,
                    };
                    self.effects.push_back(Effect::Send { conn, frame, payload });
                }
                issuer::Output::News(News::Issued { conn, url, expires }) => {
                    self.effects
                        .push_back(Effect::Record(Event::Issued { conn, url, expires }));
                }
                issuer::Output::News(News::Refused { conn, status }) => {
                    self.effects
                        .push_back(Effect::Record(Event::IssueRefused { conn, status }));
                }
                issuer::Output::News(News::Expired { up_to }) => {
                    self.effects.push_back(Effect::Expire { up_to })
                }
            }
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }
}
