//! The numbers of TCP, as far as a client can tell: what is lost comes later.

use std::time::Duration;

/// TCP's first retransmission comes after this, each further one after twice the time. Linux' lower bound.
const RTO: Duration = Duration::from_millis(200);
/// No two retransmissions are further apart. Linux' upper bound.
const RTO_MAX: Duration = Duration::from_secs(120);
/// A SYN is repeated after this, then after twice the time, and so on.
pub(super) const SYN_RTO: Duration = Duration::from_secs(1);
/// So often; then the connect fails.
pub(super) const SYN_RETRIES: u32 = 6;
/// How many bytes a peer may send without being read.
pub(super) const WINDOW: usize = 64 * 1024;

/// When TCP sends what was sent `after` ago again, counted from the first time: the first retransmission that is not
/// before `not_before`.
pub(super) fn retransmission(not_before: Duration) -> Duration {
    let (mut at, mut rto) = (RTO, RTO * 2);
    while at < not_before {
        at += rto;
        rto = (rto * 2).min(RTO_MAX);
    }
    at
}

/// How long so many bytes take at so many bytes a second.
pub(super) fn transfer(bytes: usize, rate: u64) -> Duration {
    Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retransmissions_double() {
        let at = |millis| retransmission(Duration::from_millis(millis)).as_millis();
        assert_eq!(
            [at(0), at(201), at(601), at(700), at(1401)],
            [200, 600, 1400, 1400, 3000]
        );
    }
}
