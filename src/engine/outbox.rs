//! What was drained and is not committed yet, and how to take it back.
//!
//! The published set follows the drained transitions at once; until the transaction commits, the states it replaced
//! are kept here, so an abort puts them back and the difference is made anew.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::domain::{Exception, ExceptionId, Timestamp};

use super::order::Published;
use super::shard::Transition;
use super::slots::Slots;

/// A published state that an uncommitted one has replaced.
#[derive(Debug)]
struct Undo {
    slot: u32,
    /// A slot may have another order by the time of an abort, and it may have the same id.
    birth: u32,
    exception_id: ExceptionId,
    before: Option<Published>,
}

/// Transitions on their way out.
#[derive(Debug, Default)]
pub struct Outbox {
    /// With the frontier that each states, or at which it was queued.
    waiting: Vec<(Timestamp, Transition)>,
    undo: Vec<Undo>,
    tombstones: Vec<(Timestamp, ExceptionId)>,
    /// How many of `undo` each slot has.
    held: HashMap<u32, u32, RandomState>,
    /// How much of `undo` and `tombstones` belongs to what was drained.
    drained: (usize, usize),
}

impl Outbox {
    /// Queues a state that replaces `before` in the published set.
    pub(super) fn publish(&mut self, slot: u32, birth: u32, before: Option<Published>, exception: Exception) {
        self.undo.push(Undo { slot, birth, exception_id: exception.exception_id.clone(), before });
        *self.held.entry(slot).or_default() += 1;
        self.waiting.push((exception.frontier, Transition::Publish(Box::new(exception))));
    }

    /// Queues the tombstone of what leaves memory at this frontier.
    pub(super) fn tombstone(&mut self, exception_id: ExceptionId, frontier: Timestamp) {
        self.tombstones.push((frontier, exception_id.clone()));
        self.waiting.push((frontier, Transition::Tombstone(exception_id)));
    }

    /// True where everything that was queued is in the log for good.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.undo.is_empty() && self.tombstones.is_empty()
    }

    /// True where states of this slot wait to be committed.
    pub(super) fn holds(&self, slot: u32) -> bool {
        self.held.contains_key(&slot)
    }

    /// Hands out what waits, in the order of the frontiers that it states. Stable: what an order says at one frontier
    /// stays in sequence.
    pub fn drain(&mut self) -> Vec<Transition> {
        self.drained = (self.undo.len(), self.tombstones.len());
        let mut drained = std::mem::take(&mut self.waiting);
        drained.sort_by_key(|(frontier, _)| *frontier);
        drained.into_iter().map(|(_, transition)| transition).collect()
    }

    /// What was drained is in the log for good; what was queued since is not.
    pub fn committed(&mut self) {
        let (undo, tombstones) = std::mem::take(&mut self.drained);
        for undo in self.undo.drain(..undo.min(self.undo.len())) {
            release(&mut self.held, undo.slot);
        }
        self.tombstones.drain(..tombstones.min(self.tombstones.len()));
    }

    /// Puts the replaced states back and returns the slots to judge again.
    pub(super) fn aborted(&mut self, slots: &mut Slots) -> Vec<u32> {
        self.waiting.clear();
        self.held.clear();
        self.drained = (0, 0);
        let mut touched = Vec::new();
        for undo in self.undo.drain(..).rev() {
            let Some(order) = slots.order_mut(undo.slot) else { continue };
            if order.birth != undo.birth {
                continue;
            }
            order.published.retain(|p| p.last.exception_id != undo.exception_id);
            order.published.extend(undo.before);
            touched.push(undo.slot);
        }
        let again = self.tombstones.iter().cloned();
        self.waiting.extend(again.map(|(frontier, id)| (frontier, Transition::Tombstone(id))));
        touched.sort_unstable();
        touched.dedup();
        touched
    }
}

fn release(held: &mut HashMap<u32, u32, RandomState>, slot: u32) {
    if let Some(count) = held.get_mut(&slot) {
        *count -= 1;
        if *count == 0 {
            held.remove(&slot);
        }
    }
}
