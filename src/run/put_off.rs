//! How long a commit may be put off. Pure.
//!
//! A transaction takes the loop some ten milliseconds or more, however little it carries, so that while there is more to read
//! at once several turns are committed together. An alarm that is an hour late is not hurt by one second more, and one that
//! is 50 ms late must not wait: what is said may wait for a share of the time by which what it follows from lies behind.

use std::time::Duration;

use crate::domain::Millis;

/// What is no further behind than this is committed in each turn.
const NOTHING_BELOW: Millis = Millis::from_secs(1);
/// The share of the time by which it is behind, in hundredths.
const SHARE: u8 = 10;
/// It waits no longer than this, however far it is behind.
const AT_MOST: Millis = Millis::from_secs(1);

/// A shard, as far as a commit is put off for it.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// Whether anything of it is to be written, other than offsets.
    pub says: bool,
    /// By how much what is read of its inputs lies behind the clock.
    pub behind: Millis,
}

/// How long after the last commit the next may come. The least behind of the shards that have something to say decides: one
/// that reads back hours makes no other late. Where no shard has, what the backlogs' sum has to say is as far behind as the
/// last of all.
pub fn longest(shards: impl Iterator<Item = Waiting> + Clone) -> Duration {
    let said = shards.clone().filter(|shard| shard.says).map(|shard| shard.behind).min();
    let behind = said.or_else(|| shards.map(|shard| shard.behind).max());
    behind.map_or(Duration::ZERO, share)
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

    fn shard(says: bool, behind: Millis) -> Waiting {
        Waiting { says, behind }
    }

    #[test]
    fn what_is_hardly_behind_does_not_wait() {
        for behind in [ms(i64::MIN), ms(-1), Millis::ZERO, ms(50), ms(999)] {
            assert_eq!(share(behind), Duration::ZERO, "{behind:?}");
        }
    }

    #[test]
    fn what_is_behind_waits_for_a_tenth_of_that_and_never_for_more_than_a_second() {
        assert_eq!(share(ms(1_000)), Duration::from_millis(100));
        assert_eq!(share(ms(5_009)), Duration::from_millis(500));
        assert_eq!(share(ms(9_999)), Duration::from_millis(999));
        for behind in [ms(10_000), ms(10_010), HOUR, ms(i64::MAX)] {
            assert_eq!(share(behind), Duration::from_secs(1), "{behind:?}");
        }
    }

    #[test]
    fn a_shard_that_reads_back_hours_makes_no_other_late() {
        let shards = [shard(true, HOUR), shard(true, ms(50)), shard(false, ms(20))];
        assert_eq!(longest(shards.into_iter()), Duration::ZERO);
        let quiet = [shard(true, HOUR), shard(false, ms(50))];
        assert_eq!(longest(quiet.into_iter()), Duration::from_secs(1));
    }

    #[test]
    fn where_no_shard_says_anything_the_last_of_all_decides() {
        let shards = [shard(false, ms(50)), shard(false, ms(5_000))];
        assert_eq!(longest(shards.into_iter()), Duration::from_millis(500));
        assert_eq!(longest(std::iter::empty()), Duration::ZERO);
    }
}
