//! How long to wait before the next attempt.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::seed::Seed;
use crate::time::length;

/// Delays that grow, with a cap and a seeded spread.
///
/// With `d = min(base * factor^n, cap)` the n-th delay (from 0) lies in the range that [`Jitter`] names; it depends on
/// the seed and on n alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// The first delay before jitter.
    #[serde(with = "length")]
    pub base: Duration,
    /// What each delay is multiplied with to get the next one; 1 keeps it fixed.
    #[serde(default = "one")]
    pub factor: u32,
    /// No delay before jitter is longer than this.
    #[serde(with = "length")]
    pub cap: Duration,
    /// The seeded spread.
    #[serde(default)]
    pub jitter: Jitter,
}

/// Where in relation to its computed value `d` a delay may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Exactly `d`.
    #[default]
    None,
    /// In `[d / 2, d]`: the registry of 0.142 (exec-server sheet, 8).
    Below,
    /// In `[d, 1.5 d]`: the registry of later versions (exec-server sheet, 8).
    Above,
    /// In `[0, d]`, which spreads a crowd best.
    Full,
}

const fn one() -> u32 {
    1
}

impl Backoff {
    /// The shortest and the longest value that the n-th delay (from 0) may have.
    pub fn bounds(&self, n: u32) -> (Duration, Duration) {
        let growth = self.factor.saturating_pow(n.min(31));
        let d = self.base.saturating_mul(growth).min(self.cap);
        match self.jitter {
            Jitter::None => (d, d),
            Jitter::Below => (d / 2, d),
            Jitter::Above => (d, d + d / 2),
            Jitter::Full => (Duration::ZERO, d),
        }
    }

    /// The n-th delay (from 0), to the millisecond: the grain of the timers that real clients use.
    pub fn delay(&self, seed: Seed, n: u32) -> Duration {
        let (shortest, longest) = self.bounds(n);
        let spread = u64::try_from((longest - shortest).as_millis()).unwrap_or(u64::MAX - 1);
        shortest + Duration::from_millis(seed.draw(u64::from(n)) % (spread + 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REGISTRY: Backoff = Backoff {
        base: Duration::from_millis(500),
        factor: 2,
        cap: Duration::from_secs(5),
        jitter: Jitter::Below,
    };

    #[test]
    fn grows_to_its_cap() {
        let longest: Vec<_> = (0..6).map(|n| REGISTRY.bounds(n).1.as_millis()).collect();
        assert_eq!(longest, [500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(REGISTRY.bounds(u32::MAX).1, REGISTRY.cap);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn stays_within_its_bounds_and_depends_on_seed_and_n_alone(seed: u64, n: u32) {
            for jitter in [Jitter::None, Jitter::Below, Jitter::Above, Jitter::Full] {
                let backoff = Backoff { jitter, ..REGISTRY };
                let (shortest, longest) = backoff.bounds(n);
                let delay = backoff.delay(Seed(seed), n);
                prop_assert!(shortest <= delay && delay <= longest);
                prop_assert_eq!(delay, backoff.delay(Seed(seed), n));
            }
        }
    }
}
