//! Whether shards come to the same, whichever thread does their turns.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Config, Delivery};
use crate::domain::{Millis, StreamId, Timestamp};
use crate::engine::{Ends, Transition};
use crate::kafka::source::GroupChange;
use crate::kafka::{Fetched, InputPartition};
use crate::run::group::Shards;
use crate::run::put_off::PutOff;
use crate::run::recovery::Recovery;
use crate::run::task::Turn;
use crate::run::wire::Wire;
use crate::run::workers::Workers;
use crate::telemetry::Health;

use super::broker::Broker;
use super::policies::config;
use super::shelf::Shelf;
use super::shop::TOPICS;

const BEGAN: i64 = 1_800_000_000_000;
const SHARDS: i32 = 5;
/// Enough for a shard to be lent.
const ORDERS: i64 = 600;

/// Shards without a past, let go.
fn shards(wire: &Wire, clock: Timestamp) -> Shards {
    let (health, log, shelf) = (Health::new("shop".into()), RefCell::new(Broker::new(BEGAN)), Shelf::default());
    let (config, settings) = (config().clone(), Arc::new(config().settings()));
    let recovery = Recovery {
        config: &config,
        settings: &settings,
        started: Timestamp::from_millis(BEGAN),
        now: clock,
        log: &log,
        shelf: &shelf,
    };
    let inputs = (0..TOPICS.len() as u16).map(StreamId);
    let inputs = inputs.flat_map(|stream| (0..SHARDS).map(move |partition| InputPartition { stream, partition }));
    let mut shards = Shards::new(TOPICS.len());
    for job in shards.change(GroupChange::Assigned(inputs.collect()), &health, Instant::now()).restore {
        let recovered = recovery.shard(&job, Instant::now()).expect("nothing is to be read back");
        assert!(shards.restored(job.partition, job.epoch, recovered, wire, clock, &health));
    }
    for task in shards.tasks_mut() {
        task.started = true;
        for order in 0..ORDERS {
            let at = Timestamp::from_millis(BEGAN + order * 1_000);
            let (id, time) = (format!("o-{}-{order}", task.partition), at.as_millis());
            let value =
                format!(r#"{{"event_id": "e", "order_id": "{id}", "type": "order.placed", "event_time": {time}}}"#);
            let input = InputPartition { stream: StreamId(0), partition: task.partition };
            let record = Fetched::bare(input, order, Some(at));
            task.lanes.push(record.with_value(id.as_bytes(), Some(value.as_bytes())));
        }
        for stream in task.streams() {
            let last = if stream == StreamId(0) { ORDERS } else { 0 };
            task.frontier.ends(stream, Ends { high: last, stable: last }, Some(clock));
        }
    }
    shards
}

/// What each shard tells after each of its turns.
fn told(threads: usize) -> Vec<Vec<Transition>> {
    let config = Config { delivery: Delivery::ExactlyOnce, ..config().clone() };
    let wire = Arc::new(Wire::new(&config, 1 << 20));
    let clock = Timestamp::from_millis(BEGAN) + Millis::from_secs(ORDERS + 600);
    let workers = Workers::start(threads, &wire).expect("threads");
    let mut shards = shards(&wire, clock);
    let put_off = PutOff { since: Duration::MAX, unjudged: 0 };
    let turn = Turn { clock, monotonic: Instant::now(), put_off, more_to_read: false };
    let mut told = Vec::new();
    loop {
        workers.turn(&mut shards, turn).expect("the threads run");
        for task in shards.tasks_mut() {
            told.push(task.drain(&wire, clock, &mut Vec::new()));
            task.shard.committed();
        }
        if shards.tasks().all(|task| task.lanes.all_empty()) {
            return told;
        }
    }
}

#[test]
fn shards_come_to_the_same_whichever_thread_does_their_turns() {
    let alone = told(0);
    let transitions: usize = alone.iter().map(Vec::len).sum();
    assert!(transitions > 0, "promises break");
    for threads in [1, 3] {
        assert_eq!(told(threads), alone, "{threads}");
    }
}
