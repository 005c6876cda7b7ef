//! What befalls the processes: crashes, pauses, clocks that jump, rebalances; and the logs: compaction, retention.

use crate::config::Delivery;
use crate::domain::StreamId;
use crate::engine::clock::CLOCK_HOLD;
use crate::kafka::InputPartition;
use crate::kafka::source::GroupChange;

use super::broker::Member;
use super::process::Process;
use super::shop::{MINUTE, SECOND, TOPICS};
use super::world::World;

impl World {
    /// Its open transaction stays open, and the group finds out later.
    pub fn crash_one(&mut self) {
        let members: Vec<Member> = self.processes.keys().copied().collect();
        if let Some(member) = self.rng.pick(&members) {
            self.processes.remove(member);
            self.outcome.crashes += 1;
            if self.rng.chance(50) {
                self.rebalance();
            }
        }
    }

    pub fn crash_all(&mut self) {
        self.outcome.crashes += self.processes.len();
        self.processes.clear();
        self.paused.clear();
    }

    pub fn pause_one(&mut self) {
        // Nothing fences a process of `at_least_once` that stands still amid a batch: what it says then is old, and true of
        // its own frontier.
        let exactly_once = self.around.config.delivery == Delivery::ExactlyOnce;
        let may_pause = |process: &Process| exactly_once || !process.is_publishing();
        let members: Vec<Member> =
            self.processes.iter().filter(|(_, process)| may_pause(process)).map(|(member, _)| *member).collect();
        if let Some(member) = self.rng.pick(&members) {
            let until = self.now() + self.rng.between(SECOND, MINUTE);
            self.paused.insert(*member, until);
            if self.rng.chance(60) {
                self.rebalance();
            }
        }
    }

    pub fn jump_a_clock(&mut self) {
        let now = self.now();
        let members: Vec<Member> = self.processes.keys().copied().collect();
        let process = self.rng.pick(&members).and_then(|member| self.processes.get_mut(member));
        if let Some(process) = process.filter(|process| process.wall_until == 0) {
            process.wall_offset = [-60 * MINUTE, 60 * MINUTE][self.rng.below(2)];
            // It is put right before the process would believe it.
            process.wall_until = now + self.rng.between(0, CLOCK_HOLD.get() - MINUTE);
        }
    }

    pub fn compact(&mut self) {
        let mut broker = self.around.broker.borrow_mut();
        for partition in 0..self.shop.partitions {
            broker.compact(&self.around.config.outputs.current, partition);
        }
        if self.around.is_edited() {
            broker.compact(&self.around.config.outputs.control, 0);
        }
    }

    /// Retention takes the beginning of a shard's inputs: never what a restore or a reader still needs, for the oracle
    /// forgets nothing.
    pub fn cut(&mut self) {
        let shard = self.rng.below(self.shop.partitions as usize) as i32;
        let covered = self.around.shelf.covers(shard);
        let is_read = |stream, to: i64| {
            let input = InputPartition { stream: StreamId(stream), partition: shard };
            self.processes.values().filter_map(|process| process.position(input)).all(|position| position >= to)
        };
        let of = |topic: &str| covered.get(topic).copied();
        if !(0u16..).zip(TOPICS).all(|(stream, topic)| of(topic).is_some_and(|to| is_read(stream, to))) {
            return;
        }
        let mut broker = self.around.broker.borrow_mut();
        TOPICS.iter().for_each(|topic| broker.cut(topic, shard, of(topic).unwrap_or(0)));
        drop(broker);
        self.outcome.cuts += 1;
        self.around.shelf.was_cut(shard, covered);
    }

    /// The coordinator gives the shards to those who are awake: ranges of them, as the range assignor does.
    pub fn rebalance(&mut self) {
        self.outcome.rebalances += 1;
        let members = self.awake();
        if self.around.config.delivery == Delivery::AtLeastOnce {
            // A member that is awake gives its shards back before another has them: it ends its batch first.
            for member in &members {
                if let Some(process) = self.processes.get_mut(member) {
                    process.end_batch(&mut self.rng, &self.around);
                }
            }
        }
        let mut broker = self.around.broker.borrow_mut();
        broker.generation += 1;
        broker.members = members.iter().copied().collect();
        let inputs = |shards: &mut dyn Iterator<Item = i32>| -> Vec<InputPartition> {
            let of = |partition| {
                (0u16..).zip(TOPICS).map(move |(stream, _)| InputPartition { stream: StreamId(stream), partition })
            };
            shards.flat_map(of).collect()
        };
        let all = inputs(&mut (0..self.shop.partitions));
        for (member, process) in &mut self.processes {
            let revoked = GroupChange::Revoked { inputs: all.clone(), lost: !members.contains(member) };
            process.inbox.push_back((broker.generation, revoked));
            let Some(place) = members.iter().position(|held| held == member) else { continue };
            let share = |n: usize| (n * self.shop.partitions as usize / members.len()) as i32;
            let mine = inputs(&mut (share(place)..share(place + 1)));
            process.inbox.push_back((broker.generation, GroupChange::Assigned(mine)));
        }
    }
}
