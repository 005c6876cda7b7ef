//! Which snapshot a restore takes, and what it reads of it.

use super::*;

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

/// Whatever byte is hit, of the magic, the version, a chunk's kind, length, payload or checksum: the one before is taken,
/// and each time it is counted.
#[test]
fn a_byte_changed_anywhere_costs_no_more_than_that_snapshot() {
    let place = Place::new();
    place.put(&header(4, 1_000), &encode(&header(4, 1_000), &orders(3)));
    let newer = encode(&header(4, 2_000), &orders(3));
    let file = place.file(&place.put(&header(4, 2_000), &newer));
    let recorder = crate::telemetry::recorder::build_recorder().unwrap();
    metrics::with_local_recorder(&recorder, || {
        for at in 0..newer.len() {
            let mut damaged = newer.clone();
            damaged[at] = !damaged[at];
            std::fs::write(&file, &damaged).unwrap();
            let found = place.newest(&expected(4)).unwrap();
            assert_eq!(found.taken_at(), Timestamp::from_millis(1_000), "byte {at} of {}", newer.len());
            assert_eq!(place.read(&found), orders(3));
        }
    });
    let counted = format!("orderwatch_snapshots_skipped_total {}", newer.len());
    let page = recorder.handle().render();
    assert!(page.lines().any(|line| line == counted), "{counted} is not in\n{page}");
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
fn streams_are_found_by_topic_and_one_that_is_gone_is_left_out() {
    let place = Place::new();
    let order = RestoredOrder::Open((0..3).map(|n| event("o-1", n)).collect());
    let only_payments = RestoredOrder::Open(vec![event("o-2", 1)]);
    place.put(&header(4, 1_000), &encode(&header(4, 1_000), &[order, only_payments]));
    let mut expected = expected(4);
    expected.streams = ["fulfillments", "returns", "orders"].map(|topic| (topic.into(), Entity::order())).to_vec();
    let read = place.read(&place.newest(&expected).unwrap());
    let streams: Vec<Vec<u16>> = read
        .iter()
        .map(|o| match o {
            RestoredOrder::Open(events) => events.iter().map(|e| e.position.stream.0).collect(),
            RestoredOrder::Tombstone(_) => vec![],
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn everything_of_an_event_survives(events in prop::collection::vec(crate::domain::any::event(), 1..6), id in "\\PC{0,30}") {
        let place = Place::new();
        let events: Vec<_> = events.into_iter().map(|e| Event { order_id: id.as_str().into(), ..e }).collect();
        place.put(&header(4, 1_000), &encode(&header(4, 1_000), &[RestoredOrder::Open(events.clone())]));
        let read = place.read(&place.newest(&expected(4)).unwrap());
        let [RestoredOrder::Open(back)] = read.as_slice() else { panic!("{read:?}") };
        prop_assert_eq!(back, &events);
    }
}
