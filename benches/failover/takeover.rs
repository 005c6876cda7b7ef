//! Two processes of one group, of which one is killed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::SHARDS;
use super::log::{self, Line};
use super::watch::{Seen, Watch};
use crate::live::{RUN, Service, now_ms};
use crate::support::topics::Isolation;
use crate::support::{Broker, Process, Workdir, eventually};

const STARTS_WITHIN: Duration = Duration::from_secs(120);
const READS_WITHIN: Duration = Duration::from_secs(600);
const SNAPSHOTS_WITHIN: Duration = Duration::from_secs(180);
const TAKES_OVER_WITHIN: Duration = Duration::from_secs(120);
/// How long before the kill the shards that stay are looked at.
pub const BEFORE_MS: i64 = 2_000;

/// What was seen of a kill.
pub struct Takeover {
    pub killed_ms: i64,
    /// The shards that the killed process held.
    pub moved: BTreeSet<i32>,
    /// The orders in them.
    pub orders: u64,
    /// It was killed amid a transaction: what it had written of it hides what comes after until the broker aborts it.
    pub left_a_transaction: bool,
    /// The survivor's log since the kill.
    pub log: Vec<Line>,
    /// The exceptions that a subscriber read, from a little before the kill on.
    pub seen: Vec<Seen>,
}

pub struct Pair<'a> {
    folder: &'a Workdir,
    victim: Process,
    survivor: Process,
}

impl<'a> Pair<'a> {
    /// Both have joined, and each holds half of the shards.
    pub fn start(folders: &'a [Workdir; 2]) -> Pair<'a> {
        let [victim, survivor] = folders.each_ref().map(|folder| Process::spawn(folder, &RUN));
        let pair = Pair { folder: &folders[0], victim, survivor };
        pair.wait_running();
        pair
    }

    fn wait_running(&self) {
        eventually(STARTS_WITHIN, "each process to hold half of the shards", || {
            let running = |process: &Process| shards(process, "orderwatch_frontier_lag_seconds", |_| true);
            let [one, other] = [running(&self.victim)?, running(&self.survivor)?];
            let all = one.len() + other.len() == SHARDS as usize && one.is_disjoint(&other);
            if all && one.len() == other.len() { Ok(()) } else { Err(format!("{one:?} and {other:?}")) }
        });
    }

    /// So many open orders are known.
    pub fn wait_read(&self, orders: u64) {
        eventually(READS_WITHIN, "all orders to be read", || {
            let open = |process: &Process| process.try_metric("orderwatch_orders_open", &[]).unwrap_or(0.0);
            let known = open(&self.victim) + open(&self.survivor);
            if known >= orders as f64 { Ok(()) } else { Err(format!("{known} of {orders}")) }
        });
    }

    /// Each shard is in a snapshot that was begun after this call.
    pub fn wait_snapshots(&self) {
        let since = Instant::now();
        eventually(SNAPSHOTS_WITHIN, "a snapshot of each shard", || {
            let newer = |age: f64| age < since.elapsed().as_secs_f64();
            let mut held = shards(&self.victim, "orderwatch_snapshot_age_seconds", newer)?;
            held.extend(shards(&self.survivor, "orderwatch_snapshot_age_seconds", newer)?);
            if held.len() == SHARDS as usize { Ok(()) } else { Err(format!("of {held:?} alone")) }
        });
    }

    /// Kills one process and follows the other until it publishes for every shard again.
    pub fn kill_one(&mut self, service: &Service<'_>, watch: &Watch) -> Takeover {
        let moved = shards(&self.victim, "orderwatch_frontier_lag_seconds", |_| true).expect("it answers");
        let orders = self.victim.metric("orderwatch_orders_open", &[]) as u64;
        self.victim.kill();
        let killed_ms = now_ms();
        let mut left_a_transaction = None;
        let log = eventually(TAKES_OVER_WITHIN, "an exception of each shard", || {
            if let Some(status) = self.survivor.exited() {
                panic!("the survivor ended ({status}):\n{}", self.survivor.stderr());
            }
            let log = log::since(&self.survivor.stderr(), killed_ms);
            // Nobody else writes to these partitions before the survivor is assigned them.
            if left_a_transaction.is_none() && log.iter().any(|line| line.says("shards revoked")) {
                left_a_transaction = Some(has_open(service.broker, &service.output("current"), &moved));
            }
            let assigned = log.iter().find(|line| line.says("shards assigned")).ok_or("nothing is assigned")?;
            let publishing: BTreeSet<i32> = watch.since(assigned.at_ms).iter().map(|seen| seen.shard).collect();
            let waiting: Vec<_> = (0..SHARDS).filter(|shard| !publishing.contains(shard)).collect();
            if waiting.is_empty() { Ok(log) } else { Err(format!("not yet of {waiting:?}")) }
        });
        let seen = watch.since(killed_ms - BEFORE_MS);
        Takeover { killed_ms, moved, orders, left_a_transaction: left_a_transaction == Some(true), log, seen }
    }

    /// The killed process comes back and has its half again.
    pub fn restart_killed(&mut self, orders: u64) {
        self.victim = Process::spawn(self.folder, &RUN);
        self.wait_running();
        self.wait_read(orders);
    }
}

/// The shards for which a process tells a metric that is as wanted.
fn shards(process: &Process, metric: &str, wanted: impl Fn(f64) -> bool) -> Result<BTreeSet<i32>, String> {
    let page = crate::support::metrics::parse(&process.try_get("/metrics")?.body);
    let of_metric = page.iter().filter(|sample| sample.name == metric && wanted(sample.value));
    Ok(of_metric.filter_map(|sample| sample.label("shard")?.parse().ok()).collect())
}

/// Whether a transaction is open in one of these partitions.
fn has_open(broker: &Broker, topic: &str, partitions: &BTreeSet<i32>) -> bool {
    let end = |partition, isolation| broker.end_offset(topic, partition, isolation);
    partitions.iter().any(|n| end(*n, Isolation::Committed) < end(*n, Isolation::Uncommitted))
}
