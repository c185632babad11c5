//! The text of a signed URL. What comes back is a peer's text: nothing in it can make this panic.

use unplug_reconnect::id::UrlId;
use unplug_reconnect::seed::Seed;
use unplug_reconnect::time::Time;

/// What a URL says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) serial: UrlId,
    pub(super) expires: Time,
    pub(super) is_genuine: bool,
}

/// The URL with this serial.
pub(super) fn sign(base: &str, serial: UrlId, expires: Time) -> String {
    let signature = signature(serial, expires);
    let expires = expires.as_nanos();
    format!("{base}?role=harness&serial={serial}&expires={expires}&signature={signature:016x}")
}

/// Which URL this is, if it is one of the issuer's: a name that holds no secret.
pub fn url_id(url: &str) -> Option<UrlId> {
    claims(url)
        .filter(|claims| claims.is_genuine)
        .map(|claims| claims.serial)
}

/// What the query says; `None` without a serial.
pub(super) fn claims(url: &str) -> Option<Claims> {
    let query = url.split('#').next()?.split_once('?')?.1;
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let serial = value("serial")?.parse().ok()?;
    let expires = value("expires")
        .and_then(|text| text.parse().ok())
        .map(Time::from_nanos);
    let signed = value("signature").and_then(|text| u64::from_str_radix(text, 16).ok());
    let is_genuine = match (expires, signed) {
        (Some(expires), Some(signed)) => signed == signature(serial, expires),
        (None, _) | (_, None) => false,
    };
    Some(Claims {
        serial,
        expires: expires.unwrap_or(Time::ZERO),
        is_genuine,
    })
}

fn signature(serial: UrlId, expires: Time) -> u64 {
    Seed(serial.number()).of("signature").draw(expires.as_nanos())
}
