//! What is put off while there is more to read at once: judging what was read, and the commit of what it tells. Pure.
//!
//! A transaction takes the loop some ten milliseconds or more, however little it carries, and an order of which several events
//! come need be judged only once for all of them. So a shard that lies behind reads on for some turns before it judges. An alarm
//! that is an hour late is not hurt by one second more, and one that is in time must not wait: it waits for a share of the
//! time by which what it follows from lies behind. Where more comes than a commit in each turn leaves time for, that is a few
//! milliseconds, and they keep it from falling further behind.
//!
//! What is judged and has something to say is committed in the same turn. If it waited, what is read meanwhile could show that it
//! was none.

use std::time::Duration;

use crate::domain::Millis;

/// What is no further behind than this is judged and committed in each turn: nearer, the wait itself is what keeps it there.
const NOTHING_BELOW: Millis = Millis::new(100);
/// The share of the time by which it is behind, in hundredths.
const SHARE: u8 = 20;
/// It waits no longer than this, however far it is behind.
const AT_MOST: Millis = Millis::from_secs(1);

/// So many orders, of all shards together, may wait to be judged: to judge them takes the loop some ten milliseconds.
const MOST_UNJUDGED: usize = 1 << 14;

/// For how long things were put off, and how many wait for it.
#[derive(Clone, Copy, Debug)]
pub struct PutOff {
    /// Since the last commit, or the last time that there was nothing to commit.
    pub since: Duration,
    /// Orders that wait to be judged.
    pub unjudged: usize,
}

impl PutOff {
    /// Whether a shard that lies so far `behind` may read on before it judges.
    pub fn judging(&self, behind: Millis) -> bool {
        self.unjudged < MOST_UNJUDGED && self.since < share(behind)
    }

    /// Whether offsets with which nothing is told may wait, where the last of the shards lies so far `behind`.
    pub fn offsets(&self, behind: Millis) -> bool {
        self.since < share(behind)
    }
}

fn share(behind: Millis) -> Duration {
    if behind < NOTHING_BELOW {
        return Duration::ZERO;
    }
    Duration::from_millis(u64::try_from(behind.percent(SHARE).min(AT_MOST).get()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = Millis::from_secs(3_600);

    fn ms(ms: i64) -> Millis {
        Millis::new(ms)
    }

    #[test]
    fn what_is_hardly_behind_does_not_wait() {
        for behind in [ms(i64::MIN), ms(-1), Millis::ZERO, ms(50), ms(99)] {
            assert_eq!(share(behind), Duration::ZERO, "{behind:?}");
        }
    }

    #[test]
    fn what_is_behind_waits_for_a_fifth_of_that_and_never_for_more_than_a_second() {
        assert_eq!(share(ms(100)), Duration::from_millis(20));
        assert_eq!(share(ms(1_009)), Duration::from_millis(201));
        assert_eq!(share(ms(4_999)), Duration::from_millis(999));
        for behind in [ms(5_000), ms(5_010), HOUR, ms(i64::MAX)] {
            assert_eq!(share(behind), Duration::from_secs(1), "{behind:?}");
        }
    }

    fn put_off(since: u64, unjudged: usize) -> PutOff {
        PutOff { since: Duration::from_millis(since), unjudged }
    }

    #[test]
    fn a_shard_that_is_far_behind_judges_once_a_second_and_one_that_is_not_each_turn() {
        assert!(put_off(999, 0).judging(HOUR));
        assert!(!put_off(1_000, 0).judging(HOUR));
        assert!(!put_off(0, 0).judging(ms(99)));
        assert!(!put_off(0, MOST_UNJUDGED).judging(HOUR), "too many orders wait to be judged");
    }

    #[test]
    fn offsets_alone_wait_as_long() {
        assert!(put_off(499, MOST_UNJUDGED).offsets(ms(2_500)));
        assert!(!put_off(500, 0).offsets(ms(2_500)));
        assert!(!put_off(0, 0).offsets(Millis::ZERO));
    }
}
