//! What a restore makes of inputs whose beginning is gone.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use crate::config::StreamConfig;
use crate::domain::Timestamp;
use crate::kafka::offsets::CommitNote;
use crate::run::recovery::{Recovered, Recovery, Restored, ShardJob};
use crate::snapshot::{SnapshotHeader, SnapshotInput};

use super::broker::{Broker, Record};
use super::policies::config;
use super::shelf::{Shelf, Snapshot};
use super::shop::TOPICS;

/// Record n of each input has this time.
fn time(offset: i64) -> i64 {
    1_800_000_000_000 + offset * 1_000
}

fn at(offset: i64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(time(offset)))
}

/// Thirty records in each input, of which the first are gone.
fn broker(first: i64) -> Broker {
    let mut broker = Broker::new(time(100));
    for (topic, offset) in TOPICS.iter().flat_map(|topic| (0..30).map(move |offset| (topic, offset))) {
        broker.append(topic, 0, None, Record { time: time(offset), ..Record::default() });
    }
    broker.cut(TOPICS[1], 0, first);
    broker
}

fn commit(broker: &mut Broker, offset: i64, began_at: i64, complete_since: Option<Timestamp>) {
    let complete_since_ms = complete_since.map(Timestamp::as_millis);
    let policies = config().policies.version.clone();
    let note = CommitNote { frontier_ms: None, policies, current_next: 0, began_at, complete_since_ms };
    broker.members.insert(1);
    let all = TOPICS.map(|topic| (topic.to_owned(), 0, offset, note.clone()));
    assert!(broker.take_offsets(1, broker.generation, None, all));
}

fn snapshot(next_offset: i64, complete_since: Option<Timestamp>) -> Shelf {
    let input = |stream: &StreamConfig| SnapshotInput {
        entity: stream.entity.name().clone(),
        ..SnapshotInput::of_orders(stream.topic.clone(), next_offset, None)
    };
    let inputs = config().streams.iter().map(input).collect();
    let shelf = Shelf::default();
    let header = SnapshotHeader { inputs, complete_since, ..SnapshotHeader::default() };
    shelf.put(Snapshot { header, orders: Vec::new() });
    shelf
}

fn restored(broker: Broker, shelf: &Shelf) -> Restored {
    let settings = Arc::new(config().settings());
    let now = Timestamp::from_millis(broker.now);
    let log = RefCell::new(broker);
    let recovery = Recovery { config: config(), settings: &settings, started: now, now, log: &log, shelf };
    let job = ShardJob { partition: 0, epoch: 1, known: None };
    match recovery.shard(&job, Instant::now()).expect("it is all there") {
        Recovered::Anew(restored) => *restored,
        Recovered::StillOurs => panic!("nobody had it before"),
    }
}

#[test]
fn a_group_begins_with_what_is_left() {
    assert_eq!(restored(broker(0), &Shelf::default()).inputs.completeness.since, None);
    let cut = restored(broker(5), &Shelf::default());
    assert_eq!((cut.inputs.completeness.since, cut.shard.complete_since()), (at(5), at(5)));
    assert_eq!((cut.inputs.from, cut.inputs.began_at), (vec![0, 5, 0, 0], vec![0, 5, 0, 0]));
    let empty = restored(broker(30), &Shelf::default());
    assert_eq!(empty.inputs.completeness.since, at(100), "nothing is left to tell a time: it is now");
}

#[test]
fn what_was_noted_stands_while_nothing_more_is_lost() {
    for shelf in [Shelf::default(), snapshot(11, None)] {
        let mut broker = broker(9);
        commit(&mut broker, 12, 9, at(3));
        assert_eq!(restored(broker, &shelf).inputs.completeness.since, at(3));
    }
    // The commits have expired: the snapshot says it.
    let again = restored(broker(9), &snapshot(11, at(4)));
    assert_eq!((again.inputs.completeness.since, again.inputs.from), (at(4), vec![11; 4]));
}

#[test]
fn a_restore_that_lacks_records_begins_anew_with_a_snapshot_too_old_or_without_one() {
    for (shelf, from) in [(Shelf::default(), 9), (snapshot(11, None), 11)] {
        let mut broker = broker(20);
        commit(&mut broker, 12, 9, at(3));
        let lost = restored(broker, &shelf);
        assert_eq!((lost.inputs.completeness.since, lost.inputs.from), (at(20), vec![from, 20, from, from]));
        assert_eq!(lost.inputs.began_at, [9, 20, 9, 9], "it is not missed again");
    }
}
