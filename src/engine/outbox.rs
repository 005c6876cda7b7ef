//! What was drained and is not committed yet, and how to take it back.
//!
//! The published set follows the drained transitions at once; until the transaction commits, the states it replaced
//! are kept here, so an abort puts them back and the difference is made anew.

use crate::domain::{Exception, ExceptionId, Timestamp};

use super::order::{CaseKey, Published};
use super::shard::{Slot, Transition};

/// A published state that an uncommitted one has replaced.
#[derive(Debug)]
struct Undo {
    slot: u32,
    key: CaseKey,
    before: Option<Published>,
}

/// Transitions on their way out.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: Vec<Transition>,
    undo: Vec<Undo>,
    tombstones: Vec<ExceptionId>,
}

impl Outbox {
    /// Queues a state that replaces `before` in the published set.
    pub(super) fn publish(&mut self, slot: u32, key: CaseKey, before: Option<Published>, exception: Exception) {
        self.replaced(slot, key, before);
        self.waiting.push(Transition::Publish(Box::new(exception)));
    }

    /// Notes a state that is known here and told to nobody.
    pub(super) fn replaced(&mut self, slot: u32, key: CaseKey, before: Option<Published>) {
        self.undo.push(Undo { slot, key, before });
    }

    /// Queues the tombstones of what leaves memory.
    pub(super) fn tombstone(&mut self, exception_id: ExceptionId) {
        self.tombstones.push(exception_id.clone());
        self.waiting.push(Transition::Tombstone(exception_id));
    }

    /// True where states of this slot wait to be committed.
    pub(super) fn holds(&self, slot: u32) -> bool {
        self.undo.iter().any(|undo| undo.slot == slot)
    }

    /// Hands out what waits, in the order of the frontiers that it states.
    pub fn drain(&mut self) -> Vec<Transition> {
        let mut drained = std::mem::take(&mut self.waiting);
        // Stable: what an order says at one frontier stays in sequence. A tombstone comes only after a commit of what
        // it ends, so it may go last.
        drained.sort_by_key(|transition| match transition {
            Transition::Publish(exception) => exception.frontier,
            Transition::Tombstone(_) => Timestamp::MAX,
        });
        drained
    }

    /// The drained transitions are in the log for good.
    pub fn committed(&mut self) {
        self.undo.clear();
        self.tombstones.clear();
    }

    /// Puts the replaced states back and returns the slots to judge again.
    pub(super) fn aborted(&mut self, slots: &mut [Slot]) -> Vec<u32> {
        self.waiting.clear();
        let mut touched = Vec::new();
        for undo in self.undo.drain(..).rev() {
            let Some(Slot::Open(order)) = slots.get_mut(undo.slot as usize) else { continue };
            order.published.retain(|p| p.key != undo.key);
            order.published.extend(undo.before);
            touched.push(undo.slot);
        }
        self.waiting.extend(self.tombstones.iter().cloned().map(Transition::Tombstone));
        touched.sort_unstable();
        touched.dedup();
        touched
    }
}
