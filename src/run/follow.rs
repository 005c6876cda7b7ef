//! What the loop hears of its group and of the thread that reads shards back, and when it lets them go.

use std::time::{Duration, Instant};

use crate::kafka::KafkaFailure;
use crate::telemetry::emit;
use crate::telemetry::events::BacklogMemoryLost;

use super::RunError;
use super::backlogs;
use super::recovery::Recovered;
use super::restore::{self, Job};
use super::service::Service;
use super::task::Task;

/// A shard that was read back waits so long for those that are being read back: a leader answers one fetch at a time, and one
/// that asks for the first shard alone, where that has nothing to read, keeps the others waiting for half a second.
const GATHERS_FOR: Duration = Duration::from_millis(100);

impl Service {
    /// Takes what the coordinator and the restoring thread have done, and lets restored shards go.
    pub(super) fn follow_the_group(&mut self) -> Result<(), RunError> {
        for change in self.source.changes() {
            if let Some(torn) = self.torn.take() {
                torn.given_up(self.shards.tasks_mut(), &mut self.backlogs);
            }
            let changed = self.shards.change(change, &self.health, Instant::now());
            changed.restore.into_iter().for_each(|job| self.restorer.ask(Job::Shard(job)));
            changed.gone.into_iter().for_each(|partition| self.snapshots.went(partition));
        }
        while let Some((partition, epoch, outcome)) = self.restorer.next() {
            self.restored(partition, epoch, outcome)?;
        }
        self.let_go()
    }

    /// Lets shards go that were read back, those of a moment together.
    fn let_go(&mut self) -> Result<(), RunError> {
        let waits = |task: &Task| !task.started && !task.is_parked();
        if !self.shards.tasks().any(waits) {
            self.gathers = None;
            return Ok(());
        }
        if !self.seek.is_due() {
            return Ok(());
        }
        let since = *self.gathers.get_or_insert_with(Instant::now);
        if self.shards.restoring() && since.elapsed() < GATHERS_FOR {
            return Ok(());
        }
        let mut let_go = Vec::new();
        for task in self.shards.tasks_mut().filter(|task| waits(task)) {
            let Some(inputs) = self.source.start(&task.positions())? else { continue };
            for input in inputs {
                let_go.push(input.at());
                task.lanes.feed(input.at().stream, Box::new(input));
            }
            task.started = true;
            self.has_read = true;
            self.snapshots.came(task);
        }
        if !let_go.is_empty() {
            self.source.wake_leaders(&let_go);
        }
        Ok(())
    }

    fn restored(&mut self, partition: i32, epoch: u64, outcome: restore::Outcome) -> Result<(), RunError> {
        match outcome {
            restore::Outcome::Backlogs(remembered) => {
                let owner = self.shards.task_mut(backlogs::OWNER).map(|task| &*task);
                if let Err(detail) = self.backlogs.restore(epoch, remembered, owner) {
                    emit(BacklogMemoryLost { detail: &detail });
                }
            }
            restore::Outcome::Shard(recovered) => {
                // Clients that knew the old topic may never fetch from the new one.
                if let Recovered::Anew(restored) = &recovered
                    && let Some((topic, end)) = restored.inputs.made_anew.clone().filter(|_| self.has_read)
                {
                    return Err(KafkaFailure::MadeAnew { topic, partition, end }.into());
                }
                let is_another =
                    self.shards.restored(partition, epoch, recovered, &self.wire, self.clock.now(), &self.health);
                if is_another {
                    self.snapshots.went(partition);
                }
            }
            restore::Outcome::Published(published) => {
                if let Some(task) = self.shards.task_mut(partition).filter(|task| task.epoch == epoch) {
                    if partition == backlogs::OWNER {
                        self.backlogs.overhear(&published.last);
                    }
                    task.heard(*published);
                }
            }
            // It is suspected still, and read again.
            restore::Outcome::Unheard => {
                let task = self.shards.task_mut(partition).filter(|task| task.epoch == epoch);
                task.into_iter().for_each(|task| task.overheard.unread(Instant::now()));
            }
            restore::Outcome::Failed(source) => return Err(RunError::Restore { shard: partition, source }),
        }
        Ok(())
    }
}
