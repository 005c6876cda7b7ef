//! The store beside a map that does the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// Scattered as a hash is, and made faster than one.
fn mark(n: u64) -> Mark {
    Mark(u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) >> (TIME_BITS + 8))
}

/// By mark. All that there is, once each.
fn all(tombstones: &Tombstones) -> BTreeMap<u128, Timestamp> {
    let each = (0..tombstones.partitions()).flat_map(|place| tombstones.partition(place));
    let mut count = 0;
    let map = each.inspect(|_| count += 1).map(|tombstone| (tombstone.mark().0, tombstone.closed_at())).collect();
    assert_eq!(count, tombstones.len);
    map
}

/// Of the digest.
const OF_O_1: [u8; 4] = [0xa0, 0xf1, 0x10, 0x70];

#[test]
fn the_bytes_are_fixed_for_good() {
    let tombstone = Tombstone::of("order", "o-1", at(0x123_4567_89ab));
    // The first 76 bits of the digest, and the time's 44.
    let digest = digest_of_pair("order", "o-1");
    assert_eq!(tombstone.0[..9], digest[..9]);
    assert_eq!(tombstone.0[9], digest[9] & 0xf0 | 0x1);
    assert_eq!(tombstone.0[10..], [0x23, 0x45, 0x67, 0x89, 0xab]);
    assert_eq!(tombstone.0[..4], OF_O_1);
    assert_eq!(tombstone.closed_at(), at(0x123_4567_89ab));
    assert_ne!(Mark::of("order", "o-1"), Mark::of("checkout", "o-1"));
    assert_eq!(Tombstone::of("order", "x", Timestamp::MIN).closed_at(), at(0));
    assert_eq!(Tombstone::of("order", "x", Timestamp::MAX).closed_at(), at((1 << 44) - 1));
}

#[test]
fn a_page_is_just_below_a_kilobyte_and_a_partition_small() {
    let page = size_of::<[Tombstone; PAGE]>();
    assert!(page <= 1_024 && page + size_of::<Tombstone>() > 1_024, "{page}");
    assert_eq!(size_of::<Partition>(), 32);
}

#[derive(Clone, Debug)]
enum Act {
    /// So many with one time, from a number on.
    Insert(u64, u64, i64),
    Remove(u64),
    /// The frontier moves on, and what is so old may go.
    Sweep(i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..20_000_u64, 1..1_500_u64, 0..1_000_i64).prop_map(|(from, count, at)| Act::Insert(from, count, at)),
        3 => (0..20_000_u64).prop_map(Act::Remove),
        1 => (0..500_i64).prop_map(Act::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever was dropped of what is past, all that is not is there, with its last time.
    #[test]
    fn as_a_map_would(acts in prop::collection::vec(act(), 1..40)) {
        let (mut tombstones, mut map) = (Tombstones::default(), BTreeMap::<u128, Timestamp>::new());
        let (mut now, mut past) = (0, Timestamp::MIN);
        for act in acts {
            match act {
                Act::Insert(from, count, after) => for n in from..from + count {
                    tombstones.insert(mark(n).closed_at(at(now + after)), past);
                    map.insert(mark(n).0, at(now + after));
                },
                Act::Remove(n) => {
                    tombstones.remove(mark(n));
                    map.remove(&mark(n).0);
                }
                Act::Sweep(on) => {
                    (now, past) = (now + on, at(now + on));
                    tombstones.sweep(at(now), past, Millis::new(100));
                    map.retain(|_, closed_at| *closed_at >= past);
                }
            }
            let held = all(&tombstones);
            let left: BTreeMap<_, _> = held.into_iter().filter(|(_, closed_at)| *closed_at >= past).collect();
            prop_assert_eq!(&left, &map);
        }
        for (mark, closed_at) in map {
            prop_assert_eq!(tombstones.get(Mark(mark)), Some(closed_at));
        }
        prop_assert_eq!(tombstones.get(mark(1 << 40)), None);
    }
}

const MANY: u64 = 50_000;

fn many() -> Tombstones {
    let mut tombstones = Tombstones::default();
    (0..MANY).for_each(|n| tombstones.insert(mark(n).closed_at(at(n as i64)), Timestamp::MIN));
    tombstones
}

#[test]
fn no_partition_is_ever_large_and_pages_are_full() {
    let tombstones = many();
    assert_eq!(tombstones.partitions(), MANY as usize / PARTITION + 1);
    let largest = tombstones.partitions.iter().map(Partition::len).max();
    assert!(largest <= Some(3 * PARTITION), "{largest:?}");
    let tail = tombstones.partitions.iter().map(Partition::tail).max();
    assert!(tail <= Some(3 * PARTITION / TAIL_SHARE), "{tail:?}");
    let pages: usize = tombstones.partitions.iter().map(|partition| partition.pages.len()).sum();
    assert!(pages * PAGE - tombstones.len <= tombstones.partitions() * PAGE);
}

#[test]
fn what_nobody_asks_for_goes_within_a_round_and_takes_its_memory_with_it() {
    let mut tombstones = many();
    let round = Millis::new(1_000);
    let mut now = 0;
    let mut advance = |tombstones: &mut Tombstones, past: i64| {
        for _ in 0..100 {
            now += 20;
            tombstones.sweep(at(now), at(past), round);
        }
    };
    advance(&mut tombstones, MANY as i64 / 2);
    assert_eq!(tombstones.len as u64, MANY / 2);
    advance(&mut tombstones, MANY as i64 - 100);
    assert_eq!((tombstones.len, tombstones.partitions()), (100, 1));
    assert_eq!(tombstones.partitions[0].pages.len(), 2);
    assert_eq!(tombstones.get(mark(MANY - 1)), Some(at(MANY as i64 - 1)));
    advance(&mut tombstones, MANY as i64);
    assert_eq!((tombstones.len, tombstones.partitions.capacity()), (0, 0));
}

#[test]
fn one_that_is_read_partition_by_partition_while_more_come_is_read_whole() {
    let (mut tombstones, mut read, mut place, mut next) = (many(), BTreeMap::new(), 0, MANY);
    while place < tombstones.partitions() {
        read.extend(tombstones.partition(place).map(|tombstone| (tombstone.mark().0, tombstone.closed_at())));
        place += 1;
        let more = if place < 20 { 3 * PARTITION as u64 } else { 0 };
        (next..next + more).for_each(|n| tombstones.insert(mark(n).closed_at(at(0)), Timestamp::MIN));
        next += more;
    }
    assert!(place > 2 * MANY as usize / PARTITION, "partitions were split meanwhile");
    assert_eq!((0..MANY).find(|n| read.get(&mark(*n).0) != Some(&at(*n as i64))), None);
}
