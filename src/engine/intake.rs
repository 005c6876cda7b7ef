//! How an event becomes a fact: to which order it belongs, whether that may still have it, and how it joins.

use crate::domain::{EntityId, Event, Timestamp};
use crate::guard::{Guard, is_off};
use crate::policy::interest::Interest;

use super::bounds::Sums;
use super::facts::Skimmed;
use super::lifecycle::Lateness;
use super::order::Changed;
use super::remember::Remembered;
use super::shard::{Applied, Rejected, Shard};
use super::tombstones::Tombstone;

impl Shard {
    /// Puts the event where it belongs. Whether its order is closed for good follows from the facts and the record's effective
    /// time, whatever memory still holds.
    pub(super) fn take_in(&mut self, event: Event, effective_time: Timestamp) -> Result<Applied, Rejected> {
        let apart = !is_off(Guard::EntitiesApart);
        let entity = if apart { self.settings.entities.of_stream(event.position.stream) } else { EntityId::ORDER };
        let Some(slot) = self.index.get(&self.slots, entity, &event.order_id) else {
            let before = match self.remembered(entity, &event.order_id, effective_time) {
                Remembered::Closed => return Ok(Applied::AfterClose),
                Remembered::Nothing => None,
                Remembered::Forgotten(tombstone) => Some(tombstone),
            };
            return self.begin(entity, event, before);
        };
        if self.append(slot, &event, effective_time) {
            return Ok(Applied::New);
        }
        // Facts of this batch may have closed the order; a record from long after must find that out first.
        self.settle_if_stale(slot, effective_time);
        let Some(order) = self.slots.order_mut(slot) else { return Ok(Applied::AfterClose) };
        match self.settings.lateness(order.closed_at, || order.last_activity(), effective_time) {
            Lateness::InTime => self.merge(slot, event),
            Lateness::AfterClose => Ok(Applied::AfterClose),
            Lateness::Forgotten if self.may_have_to_tell(slot, effective_time) => Ok(Applied::NotYet),
            Lateness::Forgotten => {
                // What no order may have ends none.
                Sums::default().with(&event)?;
                self.retire(slot);
                // It is remembered as closed, or not at all; the record comes after either.
                self.take_in(event, effective_time)
            }
        }
    }

    /// An order of which this event is the first. `before`: what is remembered of one that had its name, and is no more.
    fn begin(&mut self, entity: EntityId, event: Event, before: Option<Tombstone>) -> Result<Applied, Rejected> {
        Sums::default().with(&event)?;
        if let Some(before) = before {
            self.drop_tombstone(entity, &event.order_id, before);
        }
        let birth = self.next_birth();
        let Some(slot) = self.slots.begin(entity, birth, &event) else {
            let slot = self.occupy(entity, event.order_id.clone());
            return self.merge(slot, event);
        };
        self.note_open(entity, slot);
        self.dirty.push((slot, Interest::touched_by(&event, true)));
        Ok(Applied::New)
    }

    /// Adds the event to its order where that lies, as nearly every one can be; false where it must be merged.
    fn append(&mut self, slot: u32, event: &Event, effective_time: Timestamp) -> bool {
        let settings = &self.settings;
        let is_welcome = |known: &Skimmed<'_>, is_dirty: bool| {
            let is_stale = is_dirty && settings.may_be_too_late(known.first_record_time, effective_time);
            let lateness = settings.lateness(known.head.closed_at, || known.last_record_time, effective_time);
            !is_stale && lateness == Lateness::InTime
        };
        let Some(joined) = self.slots.append(slot, event, is_welcome) else { return false };
        if !joined.was_dirty {
            self.dirty.push((slot, joined.touched));
        }
        true
    }

    fn merge(&mut self, slot: u32, event: Event) -> Result<Applied, Rejected> {
        let Some(order) = self.slots.order_mut(slot) else { return Ok(Applied::AfterClose) };
        let (applied, Changed(changed)) = order.merge(event)?;
        // A repeat adds nothing, so a flood of them costs no judging.
        if changed {
            order.settled.clear();
            self.touch(slot);
        }
        Ok(applied)
    }

    /// Whether an order in memory may still have something to tell of the time before `until`: while a transaction upstream
    /// holds the frontier, records of another input may lie months ahead of it.
    fn may_have_to_tell(&self, slot: u32, until: Timestamp) -> bool {
        let is_told = until <= self.frontier && !self.slots.is_dirty(slot) && !self.outbox.holds(slot);
        !self.muted && !is_told
    }
}
