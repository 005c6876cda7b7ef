//! Whether a shard that was given back, and waits in memory, is taken up again as it is.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use crate::config::{Config, Delivery};
use crate::domain::Timestamp;
use crate::kafka::offsets::CommitNote;
use crate::run::recovery::{Log, Recovered, Recovery, ShardJob};

use super::broker::{Broker, Record};
use super::policies::config;
use super::shelf::Shelf;
use super::shop::TOPICS;

/// A group that has committed, with so many records in `exceptions-current`, of which its commits name one.
fn broker(published: usize) -> Broker {
    let mut broker = Broker::new(1_800_000_000_000);
    for _ in 0..published {
        broker.append(&config().outputs.current, 0, None, Record { key: b"e".to_vec(), ..Record::default() });
    }
    let policies = config().policies.version.clone();
    let note = CommitNote { frontier_ms: None, policies, current_next: 1, began_at: 0, complete_since_ms: None };
    broker.members.insert(1);
    assert!(broker.take_offsets(
        1,
        broker.generation,
        None,
        TOPICS.map(|topic| (topic.to_owned(), 0, 0, note.clone()))
    ));
    broker
}

fn is_taken_up(delivery: Delivery, published: usize) -> bool {
    let broker = broker(published);
    let now = Timestamp::from_millis(broker.now);
    let log = RefCell::new(broker);
    let known = log.commits(&TOPICS.map(Into::into), 0).expect("they are there");
    let (config, settings) = (Config { delivery, ..config().clone() }, Arc::new(config().settings()));
    let shelf = Shelf::default();
    let recovery = Recovery { config: &config, settings: &settings, started: now, now, log: &log, shelf: &shelf };
    let job = ShardJob { partition: 0, epoch: 1, known: Some(known) };
    matches!(recovery.shard(&job, Instant::now()), Ok(Recovered::StillOurs))
}

#[test]
fn it_is_where_the_commits_are_its_own_and_nobody_spoke_since() {
    assert!(is_taken_up(Delivery::AtLeastOnce, 1));
    assert!(!is_taken_up(Delivery::AtLeastOnce, 2), "somebody was cut off before its commit");
    // What is written in a transaction stands with its commit, or not at all; markers come after the records.
    assert!(is_taken_up(Delivery::ExactlyOnce, 2));
}
