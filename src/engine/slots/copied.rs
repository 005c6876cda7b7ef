//! Orders on their way to a snapshot and back, as they lie.

use crate::domain::EntityId;

use super::super::copy::PackedOrders;
use super::super::facts::{Codebook, Facts, Head, Reader};
use super::super::restore::RestoredOrder;
use super::resting::{Dirty, Resting};
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
        let facts = match self.slots.get(slot) {
            Some(Slot::Resting(resting)) => Facts(self.store.get(resting.facts)),
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
        if events == 0 || is_left_out(head.entity, head.id) {
            return false;
        }
        match head.closed_at {
            None => packed.add(facts, events),
            Some(_) => {
                let head = self.codebook.join(Head { closed_at: None, ..head }, events, Reader(&[]));
                packed.add_behind(head.0, rest.0, events);
            }
        }
        false
    }

    /// Copies what has left memory.
    pub fn copy_removed(&mut self, entity: EntityId, order: &RestoredOrder, packed: &mut PackedOrders) {
        let events = match order {
            RestoredOrder::Open(events) => events,
            RestoredOrder::Tombstone(tombstone) => return packed.add_tombstone(*tombstone),
        };
        let Some(first) = events.first() else { return };
        let head = Head { id: &first.order_id, entity, closed_at: None };
        if let Some(facts) = self.codebook.pack(head, events, None) {
            packed.add(facts, events.len());
        }
    }

    /// An order that comes back as it lay, at rest in a free slot; `None` where there is no room for more. `head`: another than its
    /// facts have.
    pub fn add_resting(&mut self, facts: Facts<'_>, head: Option<Head<'_>>, birth: u32) -> Option<u32> {
        let slot = self.vacant();
        let facts = match head {
            None => facts,
            Some(head) => {
                let (_, events, rest) = facts.parts();
                self.codebook.join(head, events, rest)
            }
        };
        let facts = self.store.put(slot, facts.0);
        self.lie_resting(slot, facts, birth, Dirty::No)
    }

    /// Takes such an order out again, and shows what it was.
    pub fn take_resting<T>(&mut self, slot: u32, show: impl FnOnce(&Codebook, Facts<'_>) -> T) -> Option<T> {
        let place = self.slots.get_mut(slot)?;
        let Slot::Resting(Resting { facts, .. }) = *place else { return None };
        *place = Slot::Free;
        self.free.push(slot);
        let shown = show(&self.codebook, Facts(self.store.get(facts)));
        self.store.free(facts);
        self.tidy();
        Some(shown)
    }
}
