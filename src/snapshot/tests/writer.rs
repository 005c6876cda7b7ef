//! Taking snapshots, and what is left in the store.

use super::*;

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
fn it_waits_for_a_commit_before_it_ends() {
    let place = Place::new();
    let mut writer = place.writer(3);
    writer.begin(header(4, 5_000));
    let (few, mut packer) = (orders(3), Packer::default());
    assert!(!writer.waits_for_a_commit(4));
    writer.feed_from(4, false, |cursor| slice(&mut packer, &few, cursor));
    for _ in 0..3 {
        assert!(writer.waits_for_a_commit(4), "all of it was copied");
        assert!(!writer.feed_from(4, false, |cursor| slice(&mut packer, &few, cursor)));
    }
    take(&mut writer, 4, &few).unwrap();
    assert_eq!(place.names(4).len(), 1);
}

#[test]
fn of_a_shard_that_left_nothing_is_told() {
    let place = Place::new();
    let mut writer = place.writer(3);
    writer.begin(header(4, 5_000));
    let (few, mut packer) = (orders(3), Packer::default());
    // One turn hands over the orders, the next their end.
    for _ in 0..2 {
        writer.feed_from(4, true, |cursor| slice(&mut packer, &few, cursor));
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
    let (many, mut packer) = (orders(20), Packer::default());
    assert!(writer.feed_from(4, true, |cursor| slice(&mut packer, &many, cursor)));
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
fn the_last_slices_are_handed_over_at_the_end_of_a_run() {
    let place = Place::new();
    let mut writer = place.writer(3);
    let mut shard = crate::engine::Shard::new(4, Arc::default(), Arc::new(settings()));
    writer.begin(header(4, 1_000));
    let turns = Mutex::new(0);
    let ended = writer.finish(&mut [(&mut shard, true)], Instant::now() + Duration::from_secs(20), || {
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
        entities: Default::default(),
        grace: Millis::ZERO,
        stock_grace: Millis::ZERO,
        retain_closed: Millis::ZERO,
        remember_closed: Millis::ZERO,
        max_open: Millis::ZERO,
        backlog_grid: Millis::from_secs(10),
        publish_after: Timestamp::MIN,
        replay: None,
    }
}
