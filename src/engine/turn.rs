//! A shard's turn: which orders are judged when, and how they enter and leave memory.

use crate::domain::{EntityId, Str, Timestamp};
use crate::policy::interest::Interest;

use super::judge::{Judge, Sink, earliest};
use super::reconcile::Move;
use super::restore::RestoredOrder;
use super::shard::Shard;

/// So large may the list of those to be judged stay when it is empty.
const MOST_KEPT: usize = 1 << 16;

impl Shard {
    /// Judges every order whose facts changed, at the frontier as it stands.
    pub(super) fn judge_dirty(&mut self) {
        let standing = Move { from: self.frontier, to: self.frontier };
        let mut dirty = std::mem::take(&mut self.dirty);
        for (slot, touched) in dirty.drain(..) {
            if self.slots.is_dirty(slot) {
                self.slots.wake_to_judge(slot, touched);
                self.judge(slot, standing);
                self.leave_if_overdue(slot, self.frontier);
                self.slots.rest_some();
            }
        }
        // The same memory for the next, but for what a restore took.
        if dirty.capacity() <= MOST_KEPT {
            dirty.append(&mut self.dirty);
            self.dirty = dirty;
        }
        if !self.unsure.is_empty() && !self.muted {
            self.judge_unsure();
            self.slots.rest_some();
        }
    }

    /// A timer is due: judge the order, and retire it where its time has come.
    pub(super) fn fire(&mut self, slot: u32, from: Timestamp, to: Timestamp) {
        self.judge(slot, Move { from, to });
        self.leave_if_overdue(slot, to);
        self.slots.rest_some();
    }

    /// Lets an order go whose time in memory has passed; it may be told of only then.
    fn leave_if_overdue(&mut self, slot: u32, to: Timestamp) {
        let Some(order) = self.slots.order_mut(slot) else { return };
        if self.settings.leaves_memory_at(order) >= to {
            return;
        }
        self.timers.set(slot, None);
        // What an order says last must be in the log for good before the order and its states are forgotten.
        if self.outbox.holds(slot) {
            self.deferred.push(slot);
        } else {
            self.retire(slot);
        }
    }

    /// Comes back to the orders that waited for a commit before they could leave memory.
    pub(super) fn fire_deferred(&mut self) {
        self.touch_deferred();
        self.judge_dirty();
    }

    pub(super) fn touch_deferred(&mut self) {
        for slot in std::mem::take(&mut self.deferred) {
            self.touch(slot);
        }
    }

    /// Marks an order to be judged again.
    pub(super) fn touch(&mut self, slot: u32) {
        if self.slots.mark_dirty(slot) {
            self.dirty.push((slot, Interest::ALL));
        }
    }

    /// Judges an order now if facts that wait to be judged could have closed it long before `effective_time`, so that how
    /// late a record is does not depend on how the log was cut into batches.
    pub(super) fn settle_if_stale(&mut self, slot: u32, effective_time: Timestamp) {
        if !self.slots.is_dirty(slot) {
            return;
        }
        let Some(order) = self.slots.order_mut(slot) else { return };
        if self.settings.may_be_too_late(order.first_record_time(), effective_time) {
            self.look(slot);
        }
    }

    /// Finds out whether an order is closed, and publishes nothing: more of its facts may be in the same batch.
    fn look(&mut self, slot: u32) {
        let Some(order) = self.slots.order_mut(slot) else { return };
        let moved = Move { from: self.frontier, to: self.frontier };
        let (policies, settings, birth, since) = (&self.policies, &self.settings, order.birth, &self.since);
        let (entity, past, interests) = (self.index.entity(order.entity), self.past, &self.interests);
        let judge =
            Judge { policies, settings, interests, entity, slot, birth, past, since, moved, sink: None, queues: None };
        let closed_at = judge.order(order).closed_at;
        self.close(slot, closed_at);
    }

    fn close(&mut self, slot: u32, closed_at: Option<Timestamp>) {
        let Some(order) = self.slots.order_mut(slot) else { return };
        match (order.closed_at, closed_at) {
            (None, Some(_)) => self.index.closed(order.entity),
            (Some(_), None) => self.index.opened(order.entity),
            _ => {}
        }
        order.closed_at = closed_at;
    }

    fn judge(&mut self, slot: u32, moved: Move) {
        let Some(order) = self.slots.order_mut(slot) else { return };
        let sink = (!self.muted).then_some(Sink {
            outbox: &mut self.outbox,
            counters: &mut self.counters,
            cycles_ended: (!self.restoring).then_some(&mut self.cycles_ended),
        });
        let queues = (order.dirty && !self.muted).then_some(&mut self.queues);
        let (policies, settings, birth, since) = (&self.policies, &self.settings, order.birth, &self.since);
        let (entity, past, interests) = (self.index.entity(order.entity), self.past, &self.interests);
        let judge = Judge { policies, settings, interests, entity, slot, birth, past, since, moved, sink, queues };
        order.dirty = false;
        let verdict = judge.order(order);
        self.close(slot, verdict.closed_at);
        let Some(order) = self.slots.order_mut(slot) else { return };
        let policy_due = verdict.next_due.filter(|_| !self.muted);
        let due = earliest(policy_due, Some(self.settings.leaves_memory_at(order)));
        self.timers.set(slot, due);
    }

    /// Puts a new order into a free slot.
    pub(super) fn occupy(&mut self, entity: EntityId, id: Str) -> u32 {
        let birth = self.next_birth();
        let slot = self.slots.add_order(&id, entity, birth);
        self.note_open(entity, slot);
        slot
    }

    /// What tells the next order from those before it.
    pub(super) fn next_birth(&mut self) -> u32 {
        self.born = self.born.wrapping_add(1);
        self.born
    }

    /// The slot has an order that is open: it is found by its id, and counted.
    pub(super) fn note_open(&mut self, entity: EntityId, slot: u32) {
        self.index.insert(&self.slots, entity, slot);
        self.index.opened(entity);
    }

    /// Takes an order out of memory: its published states get tombstones, and a closed one is remembered.
    pub(super) fn retire(&mut self, slot: u32) {
        let is_copied = self.is_being_copied();
        let Some(order) = self.slots.order_mut(slot) else { return };
        for published in order.published.iter().filter(|p| !p.silent) {
            self.outbox.tombstone(published.last.exception_id.clone(), self.frontier);
        }
        let (entity, id, closed_at) = (order.entity, order.id.clone(), order.closed_at);
        let events = if is_copied { order.events.clone() } else { Vec::new() };
        self.release(slot);
        if closed_at.is_none() {
            self.counters.evicted += 1;
        }
        if closed_at.is_some_and(|closed_at| self.remember(entity, &id, closed_at)) {
            return;
        }
        if !events.is_empty() {
            self.keep_for_copy(entity, &id, || RestoredOrder::Open(events));
        }
        if self.muted {
            self.forgotten.insert((entity, id));
        }
    }

    /// Frees an order's slot.
    pub(super) fn release(&mut self, slot: u32) {
        let Some(order) = self.slots.take(slot) else { return };
        self.index.remove(order.entity, &order.id, slot);
        order.stays.iter().enumerate().for_each(|(i, stays)| self.queues.replace(i, &order.id, stays, &[]));
        if order.closed_at.is_none() {
            self.index.closed(order.entity);
        }
        self.slots.reuse(order);
        self.timers.set(slot, None);
    }
}
