//! Several processes of one group: who has which shards.

use std::collections::BTreeSet;

use crate::support::{Process, eventually};

use super::{PATIENCE, Shop};

/// How a process is started.
pub const RUN: [&str; 3] = ["run", "--config", "orderwatch.yaml"];

pub fn readiness(process: &Process) -> Result<serde_json::Value, String> {
    serde_json::from_str(&process.try_get("/readyz")?.body).map_err(|e| e.to_string())
}

/// The shards that a process judges.
pub fn running(process: &Process) -> Result<BTreeSet<i64>, String> {
    let body = readiness(process)?;
    let shards = body["shards"].as_array().cloned().unwrap_or_default();
    let running = shards.iter().filter(|shard| shard["state"] == "running");
    Ok(running.filter_map(|shard| shard["shard"].as_i64()).collect())
}

/// Waits until the processes judge all shards, each by one of them, and gives who has which.
#[track_caller]
pub fn wait_shared(shop: &Shop, processes: &[&Process]) -> Vec<BTreeSet<i64>> {
    eventually(PATIENCE, "every shard in one process", || shared(shop, processes))
}

/// Who has which, where the processes judge all shards, each by one of them.
pub fn shared(shop: &Shop, processes: &[&Process]) -> Result<Vec<BTreeSet<i64>>, String> {
    let held = processes.iter().map(|process| running(process)).collect::<Result<Vec<_>, _>>()?;
    let all: Vec<i64> = held.iter().flatten().copied().collect();
    let each: BTreeSet<i64> = (0..i64::from(shop.partitions)).collect();
    let shared = all.len() == each.len() && all.iter().copied().collect::<BTreeSet<_>>() == each;
    if shared { Ok(held) } else { Err(format!("{held:?}")) }
}
