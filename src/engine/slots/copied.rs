//! Orders on their way to a snapshot and back, as they lie.

use crate::domain::EntityId;
use crate::guard::{Guard, is_off};

use super::super::copy::PackedOrders;
use super::super::facts::{Codebook, Facts, Head, Reader};
use super::super::restore::RestoredOrder;
use super::resting::Resting;
use super::{Slot, Slots};

impl Slots {
    /// What the facts refer to.
    pub fn codebook(&self) -> &Codebook {
        &self.codebook
    }

    /// Learns what the facts of others refer to, before there are any here.
    pub fn learn(&mut self, from: &mut Reader<'_>) {
        self.codebook.learn(from);
    }

    /// Copies what is in a slot, but for orders of which only is known what was published, and what is `left_out`. True where it
    /// had to be packed for it.
    pub fn copy(&mut self, slot: u32, is_left_out: impl Fn(EntityId, &str) -> bool, packed: &mut PackedOrders) -> bool {
        let is_tombstone = matches!(self.slots.get(slot), Some(Slot::Closed(_)));
        let facts = match self.slots.get(slot) {
            Some(Slot::Resting(Resting { facts, .. }) | Slot::Closed(facts)) => Facts(self.store.get(*facts)),
            Some(Slot::Awake(at)) => {
                let Some((_, Some(order))) = self.awake.get(*at as usize) else { return false };
                if !order.events.is_empty() && !is_left_out(order.entity, &order.id) {
                    let head = Head { id: &order.id, entity: order.entity, closed_at: None };
                    if let Some(facts) = self.codebook.pack(head, &order.events, None) {
                        packed.add(facts, order.events.len());
                    }
                }
                return true;
            }
            Some(Slot::Free) | None => return false,
        };
        let (head, events, rest) = facts.parts();
        let is_nothing = events == 0 && (!is_tombstone || is_off(Guard::SnapshotKeepsTombstones));
        if is_nothing || is_left_out(head.entity, head.id) {
            return false;
        }
        match head.closed_at.filter(|_| !is_tombstone) {
            None => packed.add(facts, events),
            Some(_) => packed.add(self.codebook.join(Head { closed_at: None, ..head }, events, rest), events),
        }
        false
    }

    /// Copies what has left memory.
    pub fn copy_removed(&mut self, entity: EntityId, order: &RestoredOrder, packed: &mut PackedOrders) {
        let (id, closed_at, events) = match order {
            RestoredOrder::Open(events) => (events.first().map(|event| &event.order_id), None, events.as_slice()),
            RestoredOrder::Tombstone { .. } if is_off(Guard::SnapshotKeepsTombstones) => return,
            RestoredOrder::Tombstone { order_id, closed_at, .. } => (Some(order_id), Some(*closed_at), [].as_slice()),
        };
        let Some(id) = id else { return };
        if let Some(facts) = self.codebook.pack(Head { id, entity, closed_at }, events, None) {
            packed.add(facts, events.len());
        }
    }

    /// An order that comes back as it lay, at rest in a free slot; `None` where there is no room for more.
    pub fn add_resting(&mut self, head: Head<'_>, events: usize, rest: Reader<'_>, birth: u32) -> Option<u32> {
        let slot = self.vacant();
        let facts = self.store.put(slot, self.codebook.join(head, events, rest).0);
        self.settle(slot, facts.map(|facts| Slot::Resting(Resting { facts, birth, ended: 0, marks: 0, dirty: false })))
    }
}
