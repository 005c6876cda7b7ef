//! Events that join orders where they lie, without unpacking them.

use crate::domain::{EntityId, Event};
use crate::policy::interest::Interest;

use super::super::facts::{Facts, Head, Skimmed};
use super::resting::{Dirty, Resting};
use super::{Slot, Slots};

/// An event that joined an order.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Joined {
    pub touched: Interest,
    /// Whether the order waited to be judged before.
    pub was_dirty: bool,
}

impl Slots {
    /// Adds an event to an order at rest that it follows, if that is so ([`super::super::facts::Codebook::skim`]), there is
    /// room, and who asks finds nothing against it: told what is known of the order, and whether it waits to be judged.
    pub fn append(
        &mut self,
        slot: u32,
        event: &Event,
        is_welcome: impl FnOnce(&Skimmed<'_>, bool) -> bool,
    ) -> Option<Joined> {
        let Some(Slot::Resting(resting)) = self.slots.get_mut(slot) else { return None };
        let rare = if resting.has_rare() { self.rare.get(&slot) } else { None };
        if rare.is_some_and(|rare| !rare.settled.is_empty()) {
            return None;
        }
        let was_dirty = resting.dirty != Dirty::No;
        let skimmed = self.codebook.skim(Facts(self.store.get(resting.facts)), event)?;
        if !is_welcome(&skimmed, was_dirty) {
            return None;
        }
        let touched = Interest::touched_by(event, skimmed.last.0 < event.event_time);
        let facts = self.codebook.append(&skimmed, event);
        let handle = self.store.put(slot, facts.0)?;
        self.store.free(std::mem::replace(&mut resting.facts, handle));
        resting.dirty = if was_dirty { Dirty::Yes } else { Dirty::Once };
        self.tidy();
        Some(Joined { touched, was_dirty })
    }

    /// An order that begins with this event, at rest and to be judged; `None` where there is no room for more.
    pub fn begin(&mut self, entity: EntityId, birth: u32, event: &Event) -> Option<u32> {
        let slot = self.vacant();
        let head = Head { id: &event.order_id, entity, closed_at: None };
        let facts = self.codebook.pack(head, std::slice::from_ref(event), None);
        let facts = facts.and_then(|facts| self.store.put(slot, facts.0));
        self.lie_resting(slot, facts, birth, Dirty::Once)
    }

    /// The order to be judged, unpacked. `touched`: by the event for which it was marked; where it was marked for more, all is
    /// touched. A slot that has another order since finds it new, of which all is asked.
    pub fn wake_to_judge(&mut self, slot: u32, touched: Interest) {
        let once = matches!(self.slots.get(slot), Some(Slot::Resting(Resting { dirty: Dirty::Once, .. })));
        if once && let Some(order) = self.order_mut(slot) {
            order.touched = touched;
        }
    }
}
