//! The store on a real S3 server.

use std::time::{Duration, Instant};

use orderwatch::domain::{Entity, Timestamp};
use orderwatch::engine::Stored;
use orderwatch::snapshot::{
    Expected, PolicyDocument, SnapshotHeader, SnapshotInput, SnapshotStore, SnapshotWriter, StoreError,
};
use tokio::runtime::Runtime;

use crate::proxy::Proxy;
use crate::shard::shard;
use crate::support::eventually;

const PATIENCE: Duration = Duration::from_secs(60);
/// More than one part of an upload (8 MiB), and more than the reader takes at once.
const MANY_BYTES: usize = 12 << 20;

/// A store in a bucket of its own.
struct Place {
    proxy: Proxy,
    store: SnapshotStore,
    runtime: Runtime,
}

impl Place {
    fn new() -> Place {
        let proxy = Proxy::start();
        let store = open(&proxy, None).expect("a store");
        Place { proxy, store, runtime: Runtime::new().expect("a runtime") }
    }

    fn writer(&self, keep: usize) -> SnapshotWriter {
        SnapshotWriter::new(self.store.clone(), keep, self.runtime.handle().clone())
    }

    /// Takes a snapshot; gives the moment it was taken at.
    fn write(&self, taken_at: i64, text_bytes: usize) -> Result<i64, String> {
        let mut writer = self.writer(3);
        assert!(writer.begin(header(taken_at, text_bytes)));
        finish(&mut writer).map(|at| at.as_millis())
    }

    fn newest(&self) -> Result<Option<i64>, StoreError> {
        let found = self.runtime.block_on(self.store.newest(&expected()))?;
        Ok(found.map(|found| {
            let mut remembered = 0;
            let totals = self.runtime.block_on(found.read(&mut |stored| match stored {
                Stored::Announced(held) => assert_eq!(held.tombstones, ORDERS),
                Stored::Packed(packed) => remembered += packed.held().tombstones,
                Stored::Order(order) => panic!("{order:?}"),
            }));
            assert_eq!(remembered, ORDERS);
            assert_eq!(totals.expect("a whole snapshot").tombstones, ORDERS);
            found.taken_at().as_millis()
        }))
    }

    fn listed(&self) -> Vec<i64> {
        let names = self.runtime.block_on(self.store.list("shop", 7)).expect("a list");
        names.iter().map(|name| name.taken_at_ms).collect()
    }
}

const ORDERS: u64 = 50;

fn open(proxy: &Proxy, secret: Option<&str>) -> Result<SnapshotStore, StoreError> {
    let environment = proxy.environment().map(|(key, value)| (key.to_ascii_lowercase(), value));
    let mut settings: Vec<_> = environment.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    settings.extend(secret.map(|secret| ("aws_secret_access_key", secret)));
    SnapshotStore::open_with(&proxy.url(), &settings)
}

fn header(taken_at: i64, text_bytes: usize) -> SnapshotHeader {
    SnapshotHeader {
        shard: 7,
        group_id: "shop".into(),
        inputs: vec![SnapshotInput::of_orders("orders".into(), 42, None)],
        policies: PolicyDocument { text: "#".repeat(text_bytes), ..PolicyDocument::default() },
        taken_at: Timestamp::from_millis(taken_at),
        ..SnapshotHeader::default()
    }
}

fn expected() -> Expected {
    Expected {
        group_id: "shop".into(),
        cluster_id: String::new(),
        shard: 7,
        streams: vec![("orders".into(), Entity::order())],
    }
}

fn finish(writer: &mut SnapshotWriter) -> Result<Timestamp, String> {
    let mut shard = shard(7, ORDERS);
    let mut ended = writer.finish(&mut [(&mut shard, true)], Instant::now() + PATIENCE, || {});
    let outcome = ended.pop().expect("an end");
    outcome.result.map(|status| status.taken_at).map_err(|e| e.to_string())
}

#[test]
fn a_bucket_keeps_the_last_n_in_one_part_or_in_many() {
    let place = Place::new();
    place.runtime.block_on(place.store.check_writable()).expect("a bucket that can be written");
    assert_eq!(place.newest().expect("a bucket"), None);
    for (taken_at, text_bytes) in [(1_000, 10), (2_000, MANY_BYTES), (3_000, 10), (4_000, MANY_BYTES)] {
        assert_eq!(place.write(taken_at, text_bytes), Ok(taken_at));
    }
    assert_eq!(place.listed(), [2_000, 3_000, 4_000]);
    assert_eq!(place.newest().expect("a bucket"), Some(4_000));
    let whole = place.runtime.block_on(place.store.list_all()).expect("a list");
    assert!(whole.iter().all(|name| name.path.starts_with("of/orderwatch/shop/00007/")), "{whole:?}");
}

#[test]
fn a_secret_that_is_wrong_is_said_with_what_to_do() {
    let place = Place::new();
    let store = open(&place.proxy, Some("another")).expect("a store");
    let said = place.runtime.block_on(store.check_writable()).unwrap_err().to_string();
    assert!(said.starts_with(&format!("cannot write {}/", place.proxy.url())), "{said}");
    assert!(said.contains("403") && said.contains("check snapshots.url, the credentials"), "{said}");
    assert!(!said.contains("another"), "a secret is nobody's to read: {said}");
}

#[test]
fn a_bucket_is_read_with_its_makers_variables_and_no_others() {
    let place = Place::new();
    place.write(1_000, 10).expect("a snapshot");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_orderwatch"));
    command.args(["snapshot", "inspect", &place.proxy.url()]).envs(place.proxy.environment());
    // Another program's, which the library would take for its own.
    command.envs([("ENDPOINT", "http://127.0.0.1:1"), ("TOKEN", "x\ny"), ("TIMEOUT", "soon")]);
    let output = command.output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("whole, ") && said.contains("7 of group shop"), "{said}");
}

#[test]
fn an_upload_slower_than_the_interval_holds_nobody_up_and_shows_nothing_half() {
    let place = Place::new();
    place.write(1_000, 10).expect("a first snapshot");
    place.proxy.set(|faults| faults.hold_parts = true);
    let (mut writer, mut shard) = (place.writer(3), shard(7, ORDERS));
    assert!(writer.begin(header(2_000, MANY_BYTES)));
    eventually(PATIENCE, "a part to be on its way", || {
        writer.feed(&mut shard, true);
        if place.proxy.held() > 0 { Ok(()) } else { Err("none".to_owned()) }
    });
    for taken_at in [3_000, 4_000] {
        assert!(!writer.begin(header(taken_at, 10)), "one at a time");
        assert!(writer.poll().is_empty());
        assert_eq!(place.newest().expect("a bucket"), Some(1_000));
    }
    place.proxy.set(|faults| faults.hold_parts = false);
    assert_eq!(finish(&mut writer), Ok(Timestamp::from_millis(2_000)));
    assert_eq!(place.listed(), [1_000, 2_000]);
    assert_eq!(place.newest().expect("a bucket"), Some(2_000));
}

/// Breaks every part of an upload until it is given up.
#[track_caller]
fn assert_left_alone(place: &Place, word: &str) {
    place.write(1_000, 10).expect("a first snapshot");
    let aborted = place.proxy.aborted();
    place.proxy.set(|faults| (faults.cut_parts, faults.fail_parts) = (u32::MAX * u32::from(word.is_empty()), u32::MAX));
    // Large enough that it is found before the last part.
    let said = place.write(2_000, 2 * MANY_BYTES).unwrap_err();
    assert!(said.contains("cannot write s3://") && said.contains(word), "{said}");
    assert_eq!(place.listed(), [1_000]);
    assert_eq!(place.newest().expect("a bucket"), Some(1_000));
    assert!(place.proxy.aborted() > aborted, "its parts are not left to be paid for");

    // A part or two that are lost are sent again, and nobody hears of it.
    place.proxy.set(|faults| (faults.cut_parts, faults.fail_parts) = (1, 1));
    assert_eq!(place.write(3_000, MANY_BYTES), Ok(3_000));
    assert_eq!(place.newest().expect("a bucket"), Some(3_000));
}

#[test]
fn an_upload_that_is_cut_off_halfway_leaves_the_one_before() {
    assert_left_alone(&Place::new(), "");
}

#[test]
fn an_upload_that_the_server_fails_leaves_the_one_before() {
    assert_left_alone(&Place::new(), "500");
}

#[test]
fn a_list_that_lags_gives_the_newest_that_it_shows() {
    let place = Place::new();
    place.write(1_000, 10).expect("a snapshot");
    place.write(2_000, 10).expect("a snapshot");
    place.proxy.set(|faults| faults.hide_newest = true);
    assert_eq!(place.newest().expect("a bucket"), Some(1_000));
    // What is written meanwhile is the newest once everything shows.
    place.write(3_000, 10).expect("a snapshot");
    assert_eq!(place.newest().expect("a bucket"), Some(2_000));
    place.write(4_000, 10).expect("a snapshot");
    place.proxy.set(|faults| faults.hide_newest = false);
    assert_eq!(place.listed(), [1_000, 2_000, 3_000, 4_000], "what does not show does not count as kept");
    assert_eq!(place.newest().expect("a bucket"), Some(4_000));
    place.write(5_000, 10).expect("a snapshot");
    assert_eq!(place.listed(), [3_000, 4_000, 5_000]);
}

#[test]
fn credentials_that_expire_are_no_empty_bucket_and_come_back() {
    let place = Place::new();
    place.write(1_000, 10).expect("a first snapshot");
    place.proxy.set(|faults| faults.expired = true);
    let said = place.write(2_000, 10).unwrap_err();
    assert!(said.contains("ExpiredToken") && said.contains("the credentials in the environment"), "{said}");
    let said = place.newest().expect_err("nothing can be known of the bucket").to_string();
    assert!(said.contains("ExpiredToken"), "{said}");
    place.proxy.set(|faults| faults.expired = false);
    assert_eq!(place.newest().expect("a bucket"), Some(1_000));
    assert_eq!(place.write(3_000, 10), Ok(3_000));
    assert_eq!(place.newest().expect("a bucket"), Some(3_000));
}

#[test]
fn credentials_that_expire_within_an_upload_leave_nothing_of_it() {
    let place = Place::new();
    place.proxy.set(|faults| faults.hold_parts = true);
    let (mut writer, mut shard) = (place.writer(3), shard(7, ORDERS));
    assert!(writer.begin(header(1_000, MANY_BYTES)));
    eventually(PATIENCE, "a part to be on its way", || {
        writer.feed(&mut shard, true);
        if place.proxy.held() > 0 { Ok(()) } else { Err("none".to_owned()) }
    });
    place.proxy.set(|faults| (faults.hold_parts, faults.expired) = (false, true));
    let said = finish(&mut writer).unwrap_err();
    assert!(said.contains("ExpiredToken"), "{said}");
    place.proxy.set(|faults| faults.expired = false);
    assert_eq!(place.newest().expect("a bucket"), None);
}

#[test]
fn a_read_that_breaks_off_goes_on_where_it_was() {
    let place = Place::new();
    place.write(1_000, MANY_BYTES).expect("a snapshot");
    place.proxy.set(|faults| faults.cut_reads = Some(1 << 20));
    assert_eq!(place.newest().expect("a bucket"), Some(1_000));
}
