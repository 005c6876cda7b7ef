//! A shard's turn: which orders are judged when, and how they enter and leave memory.

use crate::domain::{EntityId, Str, Timestamp};

use super::judge::{Judge, Sink, earliest};
use super::lifecycle;
use super::order::Order;
use super::reconcile::Move;
use super::restore::RestoredOrder;
use super::shard::{Shard, Slot, Tombstone};

impl Shard {
    /// Judges every order whose facts changed, at the frontier as it stands.
    pub(super) fn judge_dirty(&mut self) {
        let standing = Move { from: self.frontier, to: self.frontier };
        for slot in std::mem::take(&mut self.dirty) {
            if matches!(self.slots.get(slot as usize), Some(Slot::Open(order)) if order.dirty) {
                self.judge(slot, standing);
                self.leave_if_overdue(slot, self.frontier);
            }
        }
        if !self.unsure.is_empty() && !self.muted {
            self.judge_unsure();
        }
    }

    /// A timer is due: judge the order, and retire it where its time has come.
    pub(super) fn fire(&mut self, slot: u32, from: Timestamp, to: Timestamp) {
        match self.slots.get_mut(slot as usize) {
            Some(Slot::Open(order)) => order.timer = None,
            Some(Slot::Closed(_)) => return self.release(slot),
            _ => return,
        }
        self.judge(slot, Move { from, to });
        self.leave_if_overdue(slot, to);
    }

    /// Lets an order go whose time in memory has passed; it may be told of only then.
    fn leave_if_overdue(&mut self, slot: u32, to: Timestamp) {
        let Some(Slot::Open(order)) = self.slots.get_mut(slot as usize) else { return };
        if self.settings.leaves_memory_at(order) >= to {
            return;
        }
        self.timers.set(slot, order.timer.take(), None);
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
        if let Some(Slot::Open(order)) = self.slots.get_mut(slot as usize)
            && !order.dirty
        {
            order.dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Judges an order now if facts that wait to be judged could have closed it long before `effective_time`, so that how
    /// late a record is does not depend on how the log was cut into batches. It closed no earlier than its first event.
    pub(super) fn settle_if_stale(&mut self, slot: u32, effective_time: Timestamp) {
        let Some(Slot::Open(order)) = self.slots.get(slot as usize) else { return };
        if order.dirty && effective_time >= order.first_record_time() + self.settings.retain_closed {
            self.look(slot);
        }
    }

    /// Finds out whether an order is closed, and publishes nothing: more of its facts may be in the same batch.
    fn look(&mut self, slot: u32) {
        let Some(Slot::Open(order)) = self.slots.get_mut(slot as usize) else { return };
        let moved = Move { from: self.frontier, to: self.frontier };
        let (policies, settings, birth, since) = (&self.policies, &self.settings, order.birth, &self.since);
        let (entity, past, interests) = (self.index.entity(order.entity), self.past, &self.interests);
        let judge =
            Judge { policies, settings, interests, entity, slot, birth, past, since, moved, sink: None, queues: None };
        let closed_at = judge.order(order).closed_at;
        self.close(slot, closed_at);
    }

    fn close(&mut self, slot: u32, closed_at: Option<Timestamp>) {
        let Some(Slot::Open(order)) = self.slots.get_mut(slot as usize) else { return };
        match (order.closed_at, closed_at) {
            (None, Some(_)) => self.index.closed(order.entity),
            (Some(_), None) => self.index.opened(order.entity),
            _ => {}
        }
        order.closed_at = closed_at;
    }

    fn judge(&mut self, slot: u32, moved: Move) {
        let Some(Slot::Open(order)) = self.slots.get_mut(slot as usize) else { return };
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
        let Some(Slot::Open(order)) = self.slots.get_mut(slot as usize) else { return };
        let policy_due = verdict.next_due.filter(|_| !self.muted);
        let due = earliest(policy_due, Some(self.settings.leaves_memory_at(order)));
        self.timers.set(slot, order.timer, due);
        order.timer = due;
    }

    /// Puts a new order into a free slot.
    pub(super) fn occupy(&mut self, entity: EntityId, id: Str) -> u32 {
        self.born += 1;
        let order = Order { id: id.clone(), entity, birth: self.born, ..Order::default() };
        let slot = self.vacant(Slot::Open(Box::new(order)));
        self.index.insert(entity, id, slot);
        self.index.opened(entity);
        slot
    }

    /// Puts a tombstone into a free slot.
    pub(super) fn remember(&mut self, entity: EntityId, id: Str, closed_at: Timestamp) {
        let timer = lifecycle::forget_at(closed_at, &self.settings);
        if timer < self.frontier {
            return;
        }
        let slot = self.vacant(Slot::Closed(Tombstone { id: id.clone(), closed_at, entity }));
        self.index.insert(entity, id, slot);
        self.timers.set(slot, None, Some(timer));
    }

    fn vacant(&mut self, content: Slot) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = content;
                slot
            }
            None => {
                self.slots.push(content);
                self.slots.len() as u32 - 1
            }
        }
    }

    /// Takes an order out of memory: its published states get tombstones, and a closed one is remembered.
    pub(super) fn retire(&mut self, slot: u32) {
        let Some(Slot::Open(order)) = self.slots.get_mut(slot as usize) else { return };
        for published in order.published.iter().filter(|p| !p.silent) {
            self.outbox.tombstone(published.last.exception_id.clone(), self.frontier);
        }
        let (entity, id, closed_at) = (order.entity, order.id.clone(), order.closed_at);
        let events = self.removed.as_ref().map(|_| order.events.clone()).unwrap_or_default();
        if closed_at.is_none() {
            self.counters.evicted += 1;
            if self.muted {
                self.forgotten.insert((entity, id.clone()));
            }
        }
        self.release(slot);
        if let Some(closed_at) = closed_at {
            self.remember(entity, id.clone(), closed_at);
        }
        if !events.is_empty() && self.index.get(entity, &id).is_none() {
            self.keep_for_copy(entity, &id, || RestoredOrder::Open(events));
        }
    }

    /// Frees a slot.
    pub(super) fn release(&mut self, slot: u32) {
        let Some(content) = self.slots.get_mut(slot as usize) else { return };
        match std::mem::replace(content, Slot::Free) {
            Slot::Open(order) => {
                self.index.remove(order.entity, &order.id);
                order.stays.iter().enumerate().for_each(|(i, stays)| self.queues.replace(i, &order.id, stays, &[]));
                self.timers.set(slot, order.timer, None);
                if order.closed_at.is_none() {
                    self.index.closed(order.entity);
                }
            }
            Slot::Closed(tombstone) => {
                let Tombstone { id, closed_at, entity } = tombstone;
                self.index.remove(entity, &id);
                self.timers.set(slot, Some(lifecycle::forget_at(closed_at, &self.settings)), None);
                let name = self.index.entity(entity).name().clone();
                let told = || RestoredOrder::Tombstone { entity: name, order_id: id.clone(), closed_at };
                self.keep_for_copy(entity, &id, told);
                if self.muted {
                    self.forgotten.insert((entity, id));
                }
            }
            Slot::Free => return,
        }
        self.free.push(slot);
    }
}
