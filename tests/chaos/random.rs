//! Numbers that follow from the seed alone.

use std::time::Duration;

use crate::support::rng::Rng;

pub struct Random(Rng);

impl Random {
    /// Each `stream` of a seed has numbers of its own, so that an order's fate hangs on no other's.
    pub fn new(seed: u64, stream: u64) -> Random {
        Random(Rng::new(seed ^ Rng::new(stream).next()))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.between(low, high)
    }

    pub fn millis(&mut self, low: i64, high: i64) -> Duration {
        Duration::from_millis(u64::try_from(self.between(low, high)).expect("no time before zero"))
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.0.chance(percent)
    }

    /// One of the things, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, things: &[(T, i64)]) -> T {
        let mut left = self.between(1, things.iter().map(|(_, weight)| weight).sum());
        for (thing, weight) in things {
            left -= weight;
            if left <= 0 {
                return *thing;
            }
        }
        unreachable!("the weights add up")
    }

    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        self.0.pick(things)
    }
}
