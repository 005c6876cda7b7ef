//! What the integration tests stand on: a real Apache Kafka broker, the orderwatch binary as a process, and waiting
//! for conditions. A test binary takes it in with `mod support;`.
//!
//! - [`broker`]: `Broker::shared()` (one for each test binary) and `Broker::start()` (one that a test may stop).
//! - [`topics`]: topics, committed offsets and reading a topic to its end.
//! - [`producer`]: records with chosen keys, times and headers; transactions that commit, abort or are left open.
//! - [`process`]: the orderwatch binary in a work folder, its signals, its output, its HTTP side.
//! - [`door`]: a process's own way to the broker, which can be cut and slowed down.
//! - [`acl`]: what a broker with an authorizer lets nobody do.
//! - [`wall_clock`]: moves a process's wall clock.
//! - [`monitoring`]: the dashboard, the Prometheus rules and the metrics that they name.
//! - [`wait`]: `eventually`, the one way to wait.
//!
//! Every test binary compiles all of this and uses a part, hence the `allow`s.
#![allow(dead_code, unused_imports)]

pub mod acl;
pub mod broker;
pub mod daemon;
pub mod door;
pub mod jars;
pub mod metrics;
pub mod monitoring;
pub mod process;
pub mod producer;
pub mod rng;
pub mod topics;
pub mod wait;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub mod wall_clock;

pub use broker::Broker;
pub use process::{Process, Workdir};
pub use producer::{Message, Producer};
pub use topics::Record;
pub use wait::eventually;

use std::sync::atomic::{AtomicU32, Ordering};

/// A number that no other call in this process gets.
pub fn serial() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// `base` made unique for topics, groups and transactional ids: tests share a broker, and with
/// `ORDERWATCH_TEST_BROKERS` that broker outlives the run.
pub fn unique(base: &str) -> String {
    let since_epoch = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
    format!("{base}-{:x}-{:x}-{}", since_epoch.as_millis(), std::process::id(), serial())
}
