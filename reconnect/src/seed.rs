//! Randomness as an argument.

use std::fmt;

use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

/// The one number behind everything random in a run.
///
/// Who needs randomness asks for a seed of its own by name, so that a new user of randomness does not change what the
/// others draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of the part of the run with this name.
    #[must_use]
    pub fn of(self, name: &str) -> Self {
        // FNV-1a: stable over versions and machines, which the standard hasher does not promise.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(mix(self.0 ^ hash))
    }

    /// The n-th number of this seed, whatever was drawn before: for draws that must not depend on their order.
    pub const fn draw(self, n: u64) -> u64 {
        mix(self.0.wrapping_add(mix(n)))
    }

    /// A generator that gives the same numbers on every machine.
    pub fn rng(self) -> Rng {
        Rng(Pcg64Mcg::seed_from_u64(self.0))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A portable seeded generator: PCG, so that the same seed means the same run everywhere.
#[derive(Clone, Debug)]
pub struct Rng(Pcg64Mcg);

impl Rng {
    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias of a plain remainder is below 2^-32 for every bound that is used here.
        self.draw().checked_rem(bound).unwrap_or(0)
    }
}

/// The finaliser of `SplitMix64`.
const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_everywhere() {
        // Numbers written down once: a change here makes every kept seed mean another run.
        assert_eq!(Seed(42).draw(0), Seed(42).draw(0));
        assert_ne!(Seed(42).of("laptop"), Seed(42).of("executor"));
        assert_eq!(Seed(0).of("a").0, 6_857_225_946_766_476_583);
        assert_eq!(Seed(42).rng().draw(), 10_580_897_095_847_554_459);
    }
}
