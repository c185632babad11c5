//! The environment registry that issues signed WebSocket URLs, and the gate that checks them (exec-server sheet, 8).
//!
//! [`Issuer`] keeps the contract of every machine here: `handle` one [`Input`], drain `poll`. It waits for nothing, so
//! it has no deadline. [`Gate`] is what an exec server behind signed URLs does at the upgrade. Expiry is a matter of
//! wall clocks: each host's is an argument, and a jump of one of them is what a scenario does to it.
//!
//! A URL here carries its serial, its expiry and a signature that keeps nobody out but a broken client: it is made of
//! the other two. [`url_id`] names a URL for a history, which must not hold the secret part.

mod gate;
mod url;

use std::collections::VecDeque;
use std::time::Duration;

use unplug_reconnect::id::{ConnId, Id, UrlId};
use unplug_reconnect::time::Time;
use unplug_reconnect::wire::registry::{
    ConnectReply, ConnectRequest, ErrorBody, ErrorReply, SECURITY_PROFILE,
};

pub use gate::{Gate, Refusal, Why};
pub use url::url_id;

/// How long a URL lives unless told (sheet 8: "about 5 minutes").
pub const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// What an issuer is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// The one environment that it knows.
    pub environment_id: String,
    /// Where its URLs lead: scheme, host and path.
    pub base_url: String,
    /// How long a URL lives.
    pub lifetime: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            environment_id: "env-1".to_owned(),
            base_url: "wss://relay.example/environment/env-1".to_owned(),
            lifetime: LIFETIME,
        }
    }
}

/// What happens to the issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// `POST …/connect` arrived.
    Connect {
        /// The request's own connection.
        conn: ConnId,
        /// Its body.
        request: ConnectRequest,
        /// What the issuer's wall clock says.
        wall: Time,
    },
    /// Fault: the next requests are refused like this. Orders queue up.
    Fail {
        /// The HTTP status.
        status: u16,
        /// The error code in the body.
        code: Option<String>,
        /// How many requests.
        times: u32,
        /// What the answer says about when to come back.
        retry_after: Option<Duration>,
    },
    /// Fault: the next requests are never answered. Orders queue up.
    Hang {
        /// How many requests.
        times: u32,
    },
    /// Fault: every URL issued so far is expired. [`News::Expired`] says up to which one, for [`Gate::expire_up_to`].
    Expire,
    /// Fault: from now on, every request is refused with 403.
    Revoke,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// With status 200.
    Connect(Box<ConnectReply>),
    /// With any other.
    Error(ErrorReply),
}

/// What the issuer did, as its own books say it; always before the answer that tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It signed a URL.
    Issued {
        /// In answer to this request.
        conn: ConnId,
        /// Which.
        url: UrlId,
        /// When it dies, by the issuer's wall clock.
        expires: Time,
    },
    /// It refused.
    Refused {
        /// This request.
        conn: ConnId,
        /// With this status.
        status: u16,
    },
    /// Every URL up to this one is expired.
    Expired {
        /// The last one.
        up_to: UrlId,
    },
}

/// What the issuer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Answers.
    Reply {
        /// This request.
        conn: ConnId,
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Body,
        /// The `Retry-After` header.
        retry_after: Option<Duration>,
    },
    /// Tells what it did.
    News(News),
}

#[derive(Clone, Debug)]
struct Trouble {
    kind: TroubleKind,
    times: u32,
}

#[derive(Clone, Debug)]
enum TroubleKind {
    Fail {
        status: u16,
        code: Option<String>,
        retry_after: Option<Duration>,
    },
    Hang,
}

/// The registry. See the module's documentation.
#[derive(Debug)]
pub struct Issuer {
    config: Config,
    issued: u64,
    revoked: bool,
    troubles: VecDeque<Trouble>,
    outputs: VecDeque<Output>,
}

impl Issuer {
    /// An issuer that has issued nothing.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            issued: 0,
            revoked: false,
            troubles: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes note of what happened. `_now` is the run's time, as for every machine; what expires goes by `wall`.
    ///
    /// # Panics
    /// If `poll` was not drained before.
    pub fn handle(&mut self, input: Input, _now: Time) {
        assert!(self.outputs.is_empty(), "drain poll() before the next handle()");
        match input {
            Input::Connect { conn, request, wall } => self.on_connect(conn, &request, wall),
            Input::Fail {
                status,
                code,
                times,
                retry_after,
            } => self.troubles.push_back(Trouble {
                kind: TroubleKind::Fail {
                    status,
                    code,
                    retry_after,
                },
                times,
            }),
            Input::Hang { times } => self.troubles.push_back(Trouble {
                kind: TroubleKind::Hang,
                times,
            }),
            Input::Expire => {
                let up_to = Id::new(self.issued);
                self.outputs.push_back(Output::News(News::Expired { up_to }));
            }
            Input::Revoke => self.revoked = true,
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn on_connect(&mut self, conn: ConnId, request: &ConnectRequest, wall: Time) {
        if self.revoked {
            return self.refuse(conn, 403, Some("revoked".to_owned()), None);
        }
        match self.next_trouble() {
            Some(TroubleKind::Hang) => {}
            Some(TroubleKind::Fail {
                status,
                code,
                retry_after,
            }) => {
                self.refuse(conn, status, code, retry_after);
            }
            None => self.issue(conn, request, wall),
        }
    }

    fn next_trouble(&mut self) -> Option<TroubleKind> {
        while let Some(trouble) = self.troubles.front_mut() {
            if 0 < trouble.times {
                trouble.times -= 1;
                return Some(trouble.kind.clone());
            }
            self.troubles.pop_front();
        }
        None
    }

    fn refuse(&mut self, conn: ConnId, status: u16, code: Option<String>, retry_after: Option<Duration>) {
        self.outputs
            .push_back(Output::News(News::Refused { conn, status }));
        let code = code.unwrap_or_else(|| "unspecified".to_owned());
        let message = format!("refused on order with status {status}");
        let body = Body::Error(ErrorReply {
            error: ErrorBody { code, message },
        });
        self.outputs.push_back(Output::Reply {
            conn,
            status,
            body,
            retry_after,
        });
    }

    fn issue(&mut self, conn: ConnId, request: &ConnectRequest, wall: Time) {
        self.issued += 1;
        let serial = Id::new(self.issued);
        let expires = wall + self.config.lifetime;
        self.outputs.push_back(Output::News(News::Issued {
            conn,
            url: serial,
            expires,
        }));
        let reply = ConnectReply {
            environment_id: self.config.environment_id.clone(),
            url: url::sign(&self.config.base_url, serial, expires),
            security_profile: SECURITY_PROFILE.to_owned(),
            executor_registration_id: "registration-1".to_owned(),
            executor_public_key: "executor-key-1".to_owned(),
            harness_key_authorization: format!("{} may connect with {serial}", request.harness_public_key),
        };
        self.outputs.push_back(Output::Reply {
            conn,
            status: 200,
            body: Body::Connect(Box::new(reply)),
            retry_after: None,
        });
    }
}
