//! What callers ask and are told.

use unplug_reconnect::wire::exec::method;
use unplug_reconnect::wire::rpc::RequestId;

use super::Run;
use crate::history::{Asked, Call, Event, Truth};

impl Run {
    fn call(call: &str, name: &'static str, process: &str) -> Call {
        Call {
            call: call.parse().unwrap(),
            method: name.into(),
            process: Some(process.into()),
            about: None,
            write: None,
        }
    }

    pub(in crate::checkers::tests) fn asks(self, call: &str, name: &'static str) -> Self {
        self.asks_of(call, name, "sh")
    }

    pub(in crate::checkers::tests) fn asks_of(self, call: &str, name: &'static str, process: &str) -> Self {
        self.laptop(Event::Asked {
            call: Self::call(call, name, process),
            data: None,
        })
    }

    /// Asks for the write `wN` by the call `kN+1` (the first call is the start).
    pub(in crate::checkers::tests) fn asks_write(self, n: u64, data: &str) -> Self {
        let call = Self::write(n);
        self.laptop(Event::Asked {
            call,
            data: Some(data.into()),
        })
    }

    /// The caller of a write goes away.
    pub(in crate::checkers::tests) fn leaves_write(self, n: u64) -> Self {
        let call = Self::write(n);
        self.laptop(Event::Left { call })
    }

    /// The same without a key.
    pub(in crate::checkers::tests) fn asks_keyless(self, n: u64, data: &str) -> Self {
        let call = Call {
            write: None,
            ..Self::write(n)
        };
        self.laptop(Event::Asked {
            call,
            data: Some(data.into()),
        })
    }

    fn write(n: u64) -> Call {
        let call = Self::call(&format!("k{}", n + 1), method::WRITE, "sh");
        Call {
            write: Some(format!("w{n}").parse().unwrap()),
            ..call
        }
    }

    pub(in crate::checkers::tests) fn settles(self, call: &str, name: &'static str, truth: Truth) -> Self {
        self.laptop(Event::Settled {
            call: Self::call(call, name, "sh"),
            truth,
            why: None,
            by: None,
        })
    }

    pub(in crate::checkers::tests) fn settles_write(self, n: u64, truth: Truth) -> Self {
        self.laptop(Event::Settled {
            call: Self::write(n),
            truth,
            why: None,
            by: None,
        })
    }

    pub(in crate::checkers::tests) fn settles_write_by(self, n: u64, conn: &str, request: i64) -> Self {
        let by = Some(Asked {
            conn: conn.parse().unwrap(),
            request: RequestId::Number(request),
        });
        self.laptop(Event::Settled {
            call: Self::write(n),
            truth: Truth::Applied,
            why: None,
            by,
        })
    }
}
