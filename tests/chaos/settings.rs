//! What a run is asked for, and the configuration of its processes.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};

use super::fate::{PAID_WITHIN_MS, SHIPPED_WITHIN_MS};
use super::truth::GRACE_MS;

pub const PROCESSES: usize = 3;
pub const PARTITIONS: i32 = 6;
pub const GROUP: &str = "chaos";
/// After so long without a word from a process its shards go to others.
pub const SESSION: Duration = Duration::from_secs(6);
/// After so long the broker aborts what a process left open.
const TRANSACTION_MS: u32 = 5_000;
/// For so long a rebalance waits for a member that does not come.
const POLL_MS: u32 = 12_000;

/// Runs three processes of one group against a real broker, breaks things by the seed, and compares what they publish
/// with what is true. Ends with 1 unless nothing was lost, doubled or false.
#[derive(Clone, Debug, Parser)]
#[command(name = "make chaos", no_binary_name = false)]
pub struct Args {
    /// How long things are broken, settled phases included
    #[arg(long, default_value_t = 10.0)]
    pub minutes: f64,
    /// Decides orders and faults
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[arg(long, value_enum, default_value_t = Delivery::ExactlyOnce)]
    pub delivery: Delivery,
    /// Orders a second
    #[arg(long, default_value_t = 20)]
    pub rate: u32,
    /// Seconds of faults between two settled phases
    #[arg(long, default_value_t = 100)]
    pub storm: u64,
    /// All that is due must be there so many seconds after the last fault was mended
    #[arg(long, default_value_t = 60)]
    pub bound: u64,
    /// Also restarts processes with an edited policy document; the edit changes no verdict
    #[arg(long)]
    pub policy_edits: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Delivery {
    #[value(name = "exactly_once")]
    ExactlyOnce,
    #[value(name = "at_least_once")]
    AtLeastOnce,
}

impl Delivery {
    pub fn as_str(self) -> &'static str {
        match self {
            Delivery::ExactlyOnce => "exactly_once",
            Delivery::AtLeastOnce => "at_least_once",
        }
    }
}

/// The topics' names; the broker is the run's own.
#[derive(Clone, Debug)]
pub struct Topics;

impl Topics {
    pub const INPUTS: [&'static str; 3] = ["orders", "payments", "fulfillments"];
    pub const HISTORY: &'static str = "sla-exceptions";
    pub const CURRENT: &'static str = "exceptions-current";
    pub const DEAD_LETTERS: &'static str = "dead-letters";

    /// The topic of an event.
    pub fn of(&self, kind: &str) -> &'static str {
        match kind.split('.').next() {
            Some("payment") => "payments",
            Some("fulfillment") => "fulfillments",
            _ => "orders",
        }
    }
}

/// orderwatch.yaml of one process.
pub fn service(delivery: Delivery, brokers: &str, listen: &str, snapshots: &Path) -> String {
    format!(
        "kafka:\n  brokers: {brokers}\n  group_id: {GROUP}\n  \
         properties: {{session.timeout.ms: \"{session}\", heartbeat.interval.ms: \"500\", \
         transaction.timeout.ms: \"{TRANSACTION_MS}\", max.poll.interval.ms: \"{POLL_MS}\"}}\n\
         streams: [{{topic: orders}}, {{topic: payments}}, {{topic: fulfillments}}]\n\
         outputs: {{create_topics: true}}\ndelivery: {delivery}\ngrace: {GRACE_MS}ms\n\
         start: {{publish_after: 2000-01-01T00:00:00Z}}\n\
         snapshots: {{url: \"file://{snapshots}\", every: 3s, keep: 3}}\n\
         http: {{listen: \"{listen}\"}}\npolicies: policies.yaml\n",
        session = SESSION.as_millis(),
        delivery = delivery.as_str(),
        snapshots = snapshots.display(),
    )
}

/// policies.yaml; `edit` changes its text and no verdict.
pub fn policies(edit: u32) -> String {
    format!(
        "slas:\n  - {{id: paid, start: order.placed, stop: payment.captured, cancel_on: [order.cancelled], \
         target: {paid}ms, warn_at: [50%], escalate_after: [2s], severity: critical, owner: payments, route: oncall, \
         expected_outcome: \"paid, text {edit}\"}}\n  \
         - {{id: shipped, start: payment.captured, stop: fulfillment.shipped, cancel_on: [order.cancelled], \
         target: {shipped}ms, severity: warning, owner: warehouse, route: ops, expected_outcome: \"shipped, text {edit}\"}}\n",
        paid = PAID_WITHIN_MS,
        shipped = SHIPPED_WITHIN_MS,
    )
}

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before 9999")
}
