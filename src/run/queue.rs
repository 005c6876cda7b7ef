//! What is to be read back, and in which order. Pure.
//!
//! With the classic protocol every rebalance takes all shards and gives most of them back. Those whose state is still in
//! memory want no more than a look at the group's commits: they go first, so that a takeover does not silence the shards
//! that stay until the ones that came are restored.

use std::collections::VecDeque;

use super::restore::Job;

/// Jobs that wait.
#[derive(Debug, Default)]
pub struct Queue {
    asked: VecDeque<Job>,
    failed: VecDeque<Job>,
}

impl Queue {
    /// Takes one in. A shard that came back has a job of its own: nobody waits for its old one.
    pub fn push(&mut self, job: Job) {
        self.asked.retain(|old| !job.replaces(old));
        self.failed.retain(|old| !job.replaces(old));
        self.asked.push_back(job);
    }

    /// Keeps one that is to be tried again later.
    pub fn failed(&mut self, job: Job) {
        self.failed.push_back(job);
    }

    /// The next of those that were asked for.
    pub fn take(&mut self) -> Option<Job> {
        let first = self.asked.iter().position(Job::is_quick).unwrap_or(0);
        self.asked.remove(first)
    }

    /// The next of those that failed.
    pub fn take_failed(&mut self) -> Option<Job> {
        self.failed.pop_front()
    }

    /// Whether any has failed.
    pub fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::recovery::ShardJob;

    fn shard(partition: i32, epoch: u64) -> Job {
        Job::Shard(ShardJob { partition, epoch, known: None })
    }

    fn in_memory(partition: i32, epoch: u64) -> Job {
        Job::Shard(ShardJob { partition, epoch, known: Some(Vec::new()) })
    }

    fn place(job: &Job) -> (i32, u64) {
        match job {
            Job::Shard(job) => (job.partition, job.epoch),
            Job::Backlogs(epoch) => (-1, *epoch),
            Job::Published(partition, epoch) => (*partition, *epoch),
        }
    }

    fn order(mut queue: Queue) -> Vec<(i32, u64)> {
        std::iter::from_fn(|| queue.take()).map(|job| place(&job)).collect()
    }

    #[test]
    fn shards_that_stay_go_before_those_that_came() {
        let mut queue = Queue::default();
        for job in [shard(0, 1), shard(1, 2), in_memory(2, 3), in_memory(3, 4), Job::Backlogs(1)] {
            queue.push(job);
        }
        assert_eq!(order(queue), [(2, 3), (3, 4), (0, 1), (1, 2), (-1, 1)]);
    }

    #[test]
    fn a_newer_job_takes_the_place_of_the_old_one() {
        let mut queue = Queue::default();
        queue.failed(shard(2, 3));
        for job in [shard(0, 1), shard(1, 2), shard(0, 4), shard(2, 5)] {
            queue.push(job);
        }
        assert!(!queue.has_failed());
        assert_eq!(order(queue), [(1, 2), (0, 4), (2, 5)]);
    }

    #[test]
    fn what_failed_comes_in_its_turn() {
        let mut queue = Queue::default();
        queue.failed(shard(0, 1));
        queue.failed(shard(1, 2));
        assert!(queue.take().is_none() && queue.has_failed());
        assert_eq!(queue.take_failed().map(|job| place(&job)), Some((0, 1)));
        queue.failed(shard(0, 1));
        assert_eq!(queue.take_failed().map(|job| place(&job)), Some((1, 2)));
    }
}
