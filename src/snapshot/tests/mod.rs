mod any;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::format::{Chunk, Decoder, Encoder, FORMAT_VERSION, unpack};
use super::*;
use crate::domain::event::Details;
use crate::domain::{Currency, Event, Money, Position, Standard, Str, StreamId, Timestamp};
use crate::engine::{RestoredOrder, StoredOrder};

const TOPICS: [&str; 3] = ["orders", "payments", "fulfillments"];

fn header(shard: i32, taken_at: i64) -> SnapshotHeader {
    SnapshotHeader {
        shard,
        cluster_id: "cluster-1".into(),
        group_id: "orderwatch".into(),
        inputs: TOPICS
            .iter()
            .enumerate()
            .map(|(i, topic)| SnapshotInput {
                topic: (*topic).into(),
                next_offset: i as i64 * 100,
                effective_max: (i > 0).then(|| Timestamp::from_millis(1_000)),
            })
            .collect(),
        frontier: Some(Timestamp::from_millis(1_000)),
        policies: PolicyDocument { text: "slas: []\n".into(), version: "abc".into(), revision: Some(7) },
        taken_at: Timestamp::from_millis(taken_at),
        written_by: SnapshotHeader::VERSION.into(),
    }
}

fn event(order_id: &str, number: i64) -> Event {
    Event {
        order_id: order_id.into(),
        event_id: format!("e-{number}").into(),
        source: "webshop".into(),
        milestone: Standard::OrderPlaced.into(),
        event_time: Timestamp::from_millis(number * 10),
        event_time_inferred: false,
        record_time: Timestamp::from_millis(number * 10 + 3),
        position: Position { stream: StreamId((number % 3) as u16), partition: 4, offset: number },
        details: (number % 2 == 0).then(|| {
            Box::new(Details {
                total: Some(Money { amount_minor: -5, currency: Currency::parse("EUR").unwrap() }),
                ..Details::default()
            })
        }),
    }
}

fn orders(count: i64) -> Vec<RestoredOrder> {
    (0..count)
        .map(|n| match n % 5 {
            4 => RestoredOrder::Tombstone { order_id: format!("o-{n}").into(), closed_at: Timestamp::from_millis(n) },
            _ => RestoredOrder::Open((0..=n % 5).map(|k| event(&format!("o-{n}"), n * 10 + k)).collect()),
        })
        .collect()
}

fn encode(header: &SnapshotHeader, orders: &[RestoredOrder]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(header, &mut out).unwrap();
    for order in orders {
        encoder.push(order.clone(), &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    out
}

/// Reads a file whole, without the store.
fn decode(bytes: &[u8]) -> Result<Vec<Chunk>, FormatError> {
    let mut decoder = Decoder::default();
    let mut chunks = Vec::new();
    // In odd pieces, as a network brings them.
    for piece in bytes.chunks(7) {
        decoder.feed(piece);
        while let Some(chunk) = decoder.next_chunk()? {
            if let Chunk::Body { offset, packed } = &chunk {
                unpack(packed, *offset, |_| Ok(()))?;
            }
            chunks.push(chunk);
        }
    }
    decoder.finish()?;
    Ok(chunks)
}

fn expected(shard: i32) -> Expected {
    Expected {
        group_id: "orderwatch".into(),
        cluster_id: "cluster-1".into(),
        shard,
        topics: TOPICS.iter().map(Str::new).collect(),
    }
}

struct Place {
    dir: tempfile::TempDir,
    store: SnapshotStore,
    runtime: tokio::runtime::Runtime,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(&format!("file://{}/snapshots", dir.path().display())).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Place { dir, store, runtime }
    }

    fn put(&self, header: &SnapshotHeader, bytes: &[u8]) -> String {
        self.runtime.block_on(async {
            let mut file = self.store.create(&header.group_id, header.shard, header.taken_at).await.unwrap();
            file.write(bytes).await.unwrap();
            file.finish().await.unwrap().0
        })
    }

    fn newest(&self, expected: &Expected) -> Option<Found> {
        self.runtime.block_on(self.store.newest(expected)).unwrap()
    }

    fn read(&self, found: &Found) -> Vec<RestoredOrder> {
        let mut orders = Vec::new();
        self.runtime.block_on(found.read(&mut |o| orders.push(o))).unwrap();
        orders
    }

    fn names(&self, shard: i32) -> Vec<String> {
        let names = self.runtime.block_on(self.store.list("orderwatch", shard)).unwrap();
        names.into_iter().map(|n| n.path).collect()
    }

    fn file(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join("snapshots").join(path)
    }

    fn writer(&self, keep: usize) -> SnapshotWriter {
        SnapshotWriter::new(self.store.clone(), keep, self.runtime.handle().clone())
    }
}

/// Feeds `orders` as a shard would, and waits for the outcome.
fn take(writer: &mut SnapshotWriter, shard: i32, orders: &[RestoredOrder]) -> Result<u64, String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        writer.feed_from(shard, true, |cursor, visit| slice(orders, cursor, visit));
        if let Some(outcome) = writer.poll().pop() {
            assert_eq!(outcome.shard, shard);
            return outcome.result.map(|status| status.bytes).map_err(|e| e.to_string());
        }
        assert!(Instant::now() < deadline, "the snapshot did not end");
        std::thread::yield_now();
    }
}

fn slice(orders: &[RestoredOrder], cursor: usize, visit: &mut dyn FnMut(StoredOrder<'_>)) -> Option<usize> {
    let end = (cursor + 7).min(orders.len());
    for order in &orders[cursor..end] {
        visit(match order {
            RestoredOrder::Open(events) => StoredOrder::Open { order_id: &events[0].order_id, events },
            RestoredOrder::Tombstone { order_id, closed_at } => {
                StoredOrder::Tombstone { order_id, closed_at: *closed_at }
            }
        });
    }
    (end < orders.len()).then_some(end)
}

#[test]
fn what_was_written_reads_back() {
    let place = Place::new();
    let orders = orders(100);
    let mut writer = place.writer(3);
    assert!(writer.begin(header(4, 5_000)));
    assert!(!writer.begin(header(4, 5_001)), "one at a time of a shard");
    let bytes = take(&mut writer, 4, &orders).unwrap();
    assert!(!writer.is_under_way(4));

    let found = place.newest(&expected(4)).unwrap();
    assert_eq!(found.header, header(4, 5_000));
    assert_eq!(found.name.bytes, bytes);
    assert_eq!((found.totals.orders, found.totals.tombstones), (80, 20));
    assert_eq!(place.read(&found), orders);
}

#[test]
fn of_a_shard_that_left_nothing_is_told() {
    let place = Place::new();
    let mut writer = place.writer(3);
    writer.begin(header(4, 5_000));
    let few = orders(3);
    // One turn hands over the orders, the next their end.
    for _ in 0..2 {
        writer.feed_from(4, true, |cursor, visit| slice(&few, cursor, visit));
    }
    writer.cancel(4);
    let deadline = Instant::now() + Duration::from_secs(20);
    while writer.is_under_way(4) {
        assert!(writer.poll().is_empty());
        assert!(Instant::now() < deadline, "the snapshot did not end");
        std::thread::yield_now();
    }
    assert_eq!(place.names(4).len(), 1, "it was whole, so it is kept");
}

#[test]
fn every_cut_is_found() {
    let whole = encode(&header(4, 5_000), &orders(12));
    assert!(decode(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(decode(&whole[..length]).is_err(), "cut at byte {length} of {}", whole.len());
    }
    let longer = [whole.as_slice(), b"x"].concat();
    assert_eq!(decode(&longer).unwrap_err(), FormatError::Trailing { offset: whole.len() as u64 });
}

#[test]
fn every_flipped_bit_is_found() {
    let whole = encode(&header(4, 5_000), &orders(12));
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&damaged).is_err(), "bit {bit} of {}", whole.len() * 8);
    }
}

#[test]
fn a_chunk_that_is_missing_repeated_or_moved_is_found() {
    // Incompressible ids make several chunks.
    let many: Vec<_> = (0..40_000_i64)
        .map(|n| {
            let id = format!("{:016x}", (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            RestoredOrder::Open(vec![event(&id, n)])
        })
        .collect();
    let whole = encode(&header(4, 5_000), &many);
    let mut bounds = vec![10];
    while let Some(length) = whole.get(bounds[bounds.len() - 1] + 1..).and_then(|b| b.first_chunk::<4>()) {
        bounds.push(bounds[bounds.len() - 1] + 9 + u32::from_le_bytes(*length) as usize);
    }
    assert!(bounds.len() >= 5, "{bounds:?}");
    let part = |i: usize| &whole[bounds[i]..bounds[i + 1]];
    let rest = |i: usize| &whole[bounds[i]..];
    let missing = [&whole[..bounds[1]], rest(2)].concat();
    let repeated = [&whole[..bounds[2]], part(1), rest(2)].concat();
    let moved = [&whole[..bounds[1]], part(2), part(1), rest(3)].concat();
    for damaged in [missing, repeated, moved] {
        assert!(matches!(decode(&damaged), Err(FormatError::Checksum { .. })));
    }
}

#[test]
fn a_damaged_a_newer_and_a_foreign_one_are_skipped_for_the_one_before() {
    let place = Place::new();
    let good = encode(&header(4, 1_000), &orders(5));
    place.put(&header(4, 1_000), &good);
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let mut newer = good.clone();
    newer[8] = FORMAT_VERSION as u8 + 1;
    let mut elsewhere = header(4, 5_000);
    elsewhere.cluster_id = "cluster-2".into();
    let damaged = [flipped, newer, good[..good.len() - 3].to_vec(), encode(&elsewhere, &orders(5)), b"PK".to_vec()];
    for (i, bytes) in damaged.iter().enumerate() {
        place.put(&header(4, 2_000 + i as i64), bytes);
    }
    assert_eq!(place.names(4).len(), 6);
    let found = place.newest(&expected(4)).unwrap();
    assert_eq!(found.header.taken_at, Timestamp::from_millis(1_000));
    assert_eq!(place.read(&found), orders(5));
}

#[test]
fn nothing_good_is_nothing_and_not_an_error() {
    let place = Place::new();
    assert!(place.newest(&expected(4)).is_none());
    place.put(&header(4, 1_000), b"garbage");
    assert!(place.newest(&expected(4)).is_none());
}

#[test]
fn says_in_words_what_is_wrong() {
    let place = Place::new();
    let mut newer = encode(&header(4, 1_000), &[]);
    newer[8] = 9;
    let path = place.put(&header(4, 1_000), &newer);
    let error = place.runtime.block_on(place.store.verify(&path)).unwrap_err().to_string();
    assert!(error.contains(&path) && error.contains("format version is 9"), "{error}");
}

#[test]
fn another_clusters_snapshot_is_not_taken() {
    let place = Place::new();
    place.put(&header(4, 1_000), &encode(&header(4, 1_000), &[]));
    let mut other = expected(4);
    other.cluster_id = "cluster-9".into();
    assert!(place.newest(&other).is_none());
    // A broker that names no cluster is not told from any.
    other.cluster_id = String::new();
    assert!(place.newest(&other).is_some());
}

#[test]
fn the_last_n_are_kept_and_a_clock_that_goes_back_hides_no_newer_one() {
    let place = Place::new();
    let mut writer = place.writer(2);
    for (i, taken_at) in [1_000, 2_000, 500, 400].into_iter().enumerate() {
        writer.begin(header(4, taken_at));
        take(&mut writer, 4, &orders(i as i64 + 1)).unwrap();
    }
    writer.begin(header(5, 1));
    take(&mut writer, 5, &orders(1)).unwrap();
    assert_eq!(place.names(4).len(), 2);
    assert_eq!(place.names(5).len(), 1, "each shard has its own");
    let found = place.newest(&expected(4)).unwrap();
    assert_eq!(found.header.taken_at, Timestamp::from_millis(400), "the one written last");
}

#[test]
fn one_that_was_given_up_or_cut_short_leaves_the_old_one() {
    let place = Place::new();
    let mut writer = place.writer(3);
    writer.begin(header(4, 1_000));
    take(&mut writer, 4, &orders(5)).unwrap();
    let before = place.names(4);

    writer.begin(header(4, 2_000));
    let many = orders(20);
    assert!(writer.feed_from(4, true, |cursor, visit| slice(&many, cursor, visit)));
    writer.cancel(4);
    assert!(!writer.is_under_way(4));

    // Killed while writing: an upload that is never completed, its thread gone with it.
    place.runtime.block_on(async {
        let mut file = place.store.create("orderwatch", 4, Timestamp::from_millis(3_000)).await.unwrap();
        file.write(&vec![7; 20 << 20]).await.unwrap();
        std::mem::forget(file);
    });
    assert_eq!(place.names(4), before);
    assert_eq!(place.read(&place.newest(&expected(4)).unwrap()), orders(5));
}

#[test]
fn a_failing_place_fails_the_snapshot_and_the_next_one_tries_again() {
    let place = Place::new();
    let mut writer = place.writer(3);
    let group = place.file("orderwatch");
    std::fs::write(&group, b"in the way").unwrap();
    writer.begin(header(4, 1_000));
    let error = take(&mut writer, 4, &orders(50)).unwrap_err();
    assert!(error.starts_with("cannot "), "{error}");
    assert!(!writer.is_under_way(4));

    std::fs::remove_file(&group).unwrap();
    assert!(writer.begin(header(4, 2_000)));
    take(&mut writer, 4, &orders(50)).unwrap();
    assert_eq!(place.names(4).len(), 1);
}

#[test]
fn streams_are_found_by_topic_and_one_that_is_gone_is_left_out() {
    let place = Place::new();
    let order = RestoredOrder::Open((0..3).map(|n| event("o-1", n)).collect());
    let only_payments = RestoredOrder::Open(vec![event("o-2", 1)]);
    place.put(&header(4, 1_000), &encode(&header(4, 1_000), &[order, only_payments]));
    let mut expected = expected(4);
    expected.topics = vec!["fulfillments".into(), "returns".into(), "orders".into()];
    let read = place.read(&place.newest(&expected).unwrap());
    let streams: Vec<Vec<u16>> = read
        .iter()
        .map(|o| match o {
            RestoredOrder::Open(events) => events.iter().map(|e| e.position.stream.0).collect(),
            RestoredOrder::Tombstone { .. } => vec![],
        })
        .collect();
    assert_eq!(streams, [vec![2, 0]], "orders became 2, fulfillments 0; payments and the order of it alone are gone");
}

#[test]
fn an_order_with_very_many_events_comes_back_in_one_piece() {
    let place = Place::new();
    let order = RestoredOrder::Open((0..5_000).map(|n| event("o-1", n)).collect());
    place.put(&header(4, 1_000), &encode(&header(4, 1_000), std::slice::from_ref(&order)));
    let found = place.newest(&expected(4)).unwrap();
    assert_eq!((found.totals.orders, found.totals.events), (1, 5_000));
    assert_eq!(place.read(&found), [order]);
}

#[test]
fn the_last_slices_are_handed_over_at_the_end_of_a_run() {
    let place = Place::new();
    let mut writer = place.writer(3);
    let shard = crate::engine::Shard::new(4, Arc::default(), Arc::new(settings()));
    writer.begin(header(4, 1_000));
    let turns = Mutex::new(0);
    let ended = writer.finish([(&shard, true)].into_iter(), Instant::now() + Duration::from_secs(20), || {
        *turns.lock().unwrap() += 1;
    });
    assert_eq!(ended.len(), 1);
    assert!(ended[0].result.is_ok(), "{ended:?}");
    assert!(*turns.lock().unwrap() > 0);
    assert_eq!(place.names(4).len(), 1);
}

fn settings() -> crate::policy::Settings {
    use crate::domain::Millis;
    crate::policy::Settings {
        streams: TOPICS.iter().map(Str::new).collect(),
        group_id: "orderwatch".into(),
        grace: Millis::ZERO,
        retain_closed: Millis::ZERO,
        remember_closed: Millis::ZERO,
        max_open: Millis::ZERO,
        backlog_grid: Millis::from_secs(10),
        publish_after: Timestamp::MIN,
        replay: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn everything_of_an_event_survives(events in prop::collection::vec(any::event(), 1..6), id in "\\PC{0,30}") {
        let place = Place::new();
        let events: Vec<_> = events.into_iter().map(|e| Event { order_id: id.as_str().into(), ..e }).collect();
        place.put(&header(4, 1_000), &encode(&header(4, 1_000), &[RestoredOrder::Open(events.clone())]));
        let read = place.read(&place.newest(&expected(4)).unwrap());
        let [RestoredOrder::Open(back)] = read.as_slice() else { panic!("{read:?}") };
        prop_assert_eq!(back, &events);
    }

    #[test]
    fn damage_at_random_places_is_found(
        count in 0_i64..200,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
    ) {
        let whole = encode(&header(4, 5_000), &orders(count));
        let mut damaged = whole.clone();
        for (at, mask) in flips {
            let at = at.index(damaged.len());
            damaged[at] ^= mask;
        }
        prop_assert!(damaged == whole || decode(&damaged).is_err());
    }
}
