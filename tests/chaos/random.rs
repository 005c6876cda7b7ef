//! Numbers that follow from the seed alone (SplitMix64).

use std::time::Duration;

pub struct Random(u64);

impl Random {
    /// Each `stream` of a seed has numbers of its own, so that an order's fate hangs on no other's.
    pub fn new(seed: u64, stream: u64) -> Random {
        let mut mixed = Random(seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Random(mixed.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).expect("low is not above high") + 1;
        low + i64::try_from(self.next() % span).expect("within the span")
    }

    pub fn millis(&mut self, low: i64, high: i64) -> Duration {
        Duration::from_millis(u64::try_from(self.between(low, high)).expect("no time before zero"))
    }

    pub fn chance(&mut self, percent: i64) -> bool {
        self.between(1, 100) <= percent
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
        let last = i64::try_from(things.len()).ok()? - 1;
        if last < 0 { None } else { things.get(usize::try_from(self.between(0, last)).ok()?) }
    }
}
