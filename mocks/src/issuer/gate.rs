//! The check of a signed URL at the WebSocket upgrade.

use std::collections::BTreeSet;

use unplug_reconnect::id::{Id, UrlId};
use unplug_reconnect::time::Time;

use super::url::claims;
use crate::exec::Bug;

/// Why an upgrade was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its time is over.
    Expired,
    /// It has been used: a URL is good for one dial (sheet 8, "single use").
    Reused,
    /// The right to connect was taken back.
    Revoked,
    /// Its signature is wrong or missing.
    Forged,
    /// It carries no credential at all.
    Missing,
}

/// An upgrade that is answered with an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status: 401 (sheet 8).
    pub status: u16,
    /// The URL that was shown, if it is one of the issuer's.
    pub url: Option<UrlId>,
    /// Why.
    pub why: Why,
}

/// What stands before an exec server behind signed URLs.
#[derive(Debug)]
pub struct Gate {
    bug: Option<Bug>,
    used: BTreeSet<UrlId>,
    expired_up_to: UrlId,
    revoked: bool,
}

impl Gate {
    /// A gate that has admitted nobody.
    pub fn new(bug: Option<Bug>) -> Self {
        Self {
            bug,
            used: BTreeSet::new(),
            expired_up_to: Id::new(0),
            revoked: false,
        }
    }

    /// Admits a dial with this URL, once. `wall` is what this host's wall clock says.
    ///
    /// # Errors
    /// Says with which status the upgrade is answered, and why.
    pub fn admit(&mut self, url: &str, wall: Time) -> Result<UrlId, Refusal> {
        let refuse = |url, why| {
            Err(Refusal {
                status: 401,
                url,
                why,
            })
        };
        let Some(claims) = claims(url) else {
            return refuse(None, Why::Missing);
        };
        if !claims.is_genuine {
            return refuse(None, Why::Forged);
        }
        let serial = claims.serial;
        if self.revoked {
            return refuse(Some(serial), Why::Revoked);
        }
        let is_expired = claims.expires <= wall || serial <= self.expired_up_to;
        if is_expired && self.bug != Some(Bug::AcceptExpiredUrl) {
            return refuse(Some(serial), Why::Expired);
        }
        if !self.used.insert(serial) {
            return refuse(Some(serial), Why::Reused);
        }
        Ok(serial)
    }

    /// Every URL up to this one is expired, whatever it says of itself.
    pub fn expire_up_to(&mut self, url: UrlId) {
        self.expired_up_to = self.expired_up_to.max(url);
    }

    /// Nobody is admitted any more.
    pub fn revoke(&mut self) {
        self.revoked = true;
    }
}
