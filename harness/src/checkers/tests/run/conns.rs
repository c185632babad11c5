//! Connections and sessions.

use unplug_reconnect::time::Time;

use super::Run;
use crate::history::{CloseReason, DialError, Event, ResumeRefusal};

impl Run {
    pub(in crate::checkers::tests) fn dials(self, conn: &str) -> Self {
        self.client(conn, |conn| Event::Dial {
            conn,
            to: "executor".into(),
            url: None,
        })
    }

    pub(in crate::checkers::tests) fn dials_with(self, conn: &str, url: &str) -> Self {
        self.client(conn, |conn| Event::Dial {
            conn,
            to: "executor".into(),
            url: Some(url.parse().unwrap()),
        })
    }

    pub(in crate::checkers::tests) fn dialed(self, conn: &str) -> Self {
        self.client(conn, |conn| Event::Dialed { conn })
    }

    pub(in crate::checkers::tests) fn dial_fails(self, conn: &str, why: DialError) -> Self {
        self.client(conn, |conn| Event::DialFailed { conn, why })
    }

    pub(in crate::checkers::tests) fn connects(self, conn: &str) -> Self {
        self.dials(conn).accepts(conn).dialed(conn)
    }

    pub(in crate::checkers::tests) fn accepts(self, conn: &str) -> Self {
        self.executor(Event::Accepted {
            conn: conn.parse().unwrap(),
            from: "laptop".into(),
        })
    }

    pub(in crate::checkers::tests) fn turns_away(self, conn: &str, status: u16) -> Self {
        self.executor(Event::TurnedAway {
            conn: conn.parse().unwrap(),
            status,
            url: None,
        })
    }

    /// A new session.
    pub(in crate::checkers::tests) fn attaches(self, conn: &str, session: &str) -> Self {
        let id = session.parse().unwrap();
        self.executor(Event::SessionOpened {
            session: id,
            conn: conn.parse().unwrap(),
        })
        .told(conn, session, false)
    }

    /// The same session.
    pub(in crate::checkers::tests) fn resumes(self, conn: &str, session: &str) -> Self {
        self.resumed(conn, session).told(conn, session, true)
    }

    pub(in crate::checkers::tests) fn resumed(self, conn: &str, session: &str) -> Self {
        let session = session.parse().unwrap();
        self.executor(Event::SessionResumed {
            session,
            conn: conn.parse().unwrap(),
        })
    }

    pub(in crate::checkers::tests) fn told(self, conn: &str, session: &str, resumed: bool) -> Self {
        let session = session.parse().unwrap();
        self.client(conn, |conn| Event::Attached {
            conn,
            session,
            resumed,
        })
        .client(conn, |conn| Event::Ready { conn })
    }

    pub(in crate::checkers::tests) fn still_attached(self, conn: &str, session: &str) -> Self {
        let (session, conn) = (session.parse().unwrap(), conn.parse().unwrap());
        self.executor(Event::ResumeRefused {
            session,
            conn,
            why: ResumeRefusal::StillAttached,
        })
    }

    pub(in crate::checkers::tests) fn closed(self, conn: &str) -> Self {
        self.client(conn, |conn| Event::Closed {
            conn,
            why: CloseReason::Reset,
        })
    }

    pub(in crate::checkers::tests) fn hangs_up(self, conn: &str) -> Self {
        self.client(conn, |conn| Event::Hangup {
            conn,
            why: "no sign of life".to_owned(),
        })
    }

    pub(in crate::checkers::tests) fn detaches(self, session: &str, conn: &str, until: u64) -> Self {
        let (session, conn) = (session.parse().unwrap(), conn.parse().unwrap());
        self.executor(Event::Detached {
            session,
            conn,
            until: Time::from_millis(until),
        })
    }

    pub(in crate::checkers::tests) fn expires(self, session: &str) -> Self {
        self.executor(Event::SessionExpired {
            session: session.parse().unwrap(),
        })
    }

    pub(in crate::checkers::tests) fn gives_up(self) -> Self {
        self.laptop(Event::GaveUp {
            why: "enough".to_owned(),
        })
    }
}
