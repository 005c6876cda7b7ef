//! Snapshots, taken slice by slice while the shard goes on.

use crate::domain::Timestamp;
use crate::engine::PackedOrders;
use crate::run::snapshots::header;
use crate::snapshot::{PolicyDocument, SnapshotHeader};

use super::process::{Process, Surroundings};
use super::rng::Rng;
use super::shelf::Snapshot;

/// Orders that a snapshot takes at a time.
const SLICE: usize = 3;

/// A snapshot that is being taken.
#[derive(Debug)]
pub struct Taking {
    header: SnapshotHeader,
    cursor: usize,
    orders: Vec<PackedOrders>,
}

impl Process {
    pub fn begin_snapshots(&mut self, clock: Timestamp) {
        for task in self.shards.tasks_mut().filter(|task| task.is_live() && task.is_settled()) {
            if self.taking.contains_key(&task.partition) {
                continue;
            }
            let header = header(task, &self.config, "sim", &PolicyDocument::default(), clock);
            task.shard.begin_copy();
            self.taking.insert(task.partition, Taking { header, cursor: 0, orders: Vec::new() });
        }
    }

    /// Takes a slice of one snapshot while the shard goes on, and puts it on the shelf once it is whole.
    pub fn take_snapshots(&mut self, rng: &mut Rng, around: &Surroundings) {
        let partitions: Vec<i32> = self.taking.keys().copied().collect();
        let Some(partition) = rng.pick(&partitions) else { return };
        let Some(mut taking) = self.taking.remove(partition) else { return };
        let Some(task) = self.shards.task_mut(*partition) else { return };
        if taking.cursor == usize::MAX {
            // Copied; it is whole once the group has committed all that was read meanwhile.
            match task.is_settled() {
                true => {
                    task.shard.end_copy();
                    around.shelf.put(Snapshot { header: taking.header, orders: taking.orders });
                }
                false => drop(self.taking.insert(*partition, taking)),
            }
            return;
        }
        let (packed, next) = task.shard.copy_orders(taking.cursor, SLICE);
        taking.orders.push(packed);
        taking.cursor = next.unwrap_or(usize::MAX);
        self.taking.insert(*partition, taking);
    }
}
