//! What a shard gives to a snapshot and takes back from one, and from `exceptions-current` (DESIGN section 9).

use std::sync::Arc;

use crate::domain::{EntityId, Event, Exception, ExceptionId, Str, Timestamp};
use crate::guard::{Guard, is_off};
use crate::policy::Settings;

use foldhash::fast::RandomState;
use hashbrown::HashSet;

use super::former::Unsure;
use super::history::History;
use super::judge::key_of;
use super::order::{CaseKey, Frozen, Order, Published};
use super::shard::Shard;
use super::slots::Scratch;

/// An order as a snapshot stores it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StoredOrder<'a> {
    /// Its events, in (event_time, position) order.
    Open {
        /// The order.
        order_id: &'a str,
        /// What is known of it.
        events: &'a [Event],
    },
    /// It was closed and is only remembered.
    Tombstone {
        /// The name of its entity; that of an open one is its events' streams'.
        entity: &'a Str,
        /// The order.
        order_id: &'a str,
        /// When it closed, in record time.
        closed_at: Timestamp,
    },
}

/// An order as a snapshot gives it back.
#[derive(Clone, Debug, PartialEq)]
pub enum RestoredOrder {
    /// Its events in any order.
    Open(Vec<Event>),
    /// It was closed.
    Tombstone {
        /// The name of its entity.
        entity: Str,
        /// The order.
        order_id: Str,
        /// When it closed, in record time.
        closed_at: Timestamp,
    },
}

/// What left memory while the shard is being copied: without it, a replay from the copy's offsets would take what is told of
/// such an order for the beginning of another.
#[derive(Debug, Default)]
pub(super) struct Removed {
    ids: HashSet<(EntityId, Str), RandomState>,
    orders: Vec<RestoredOrder>,
}

/// Cursors from here on go over what left memory.
const REMOVED: usize = usize::MAX / 2;

impl Shard {
    /// A copy of the shard begins: until [`Shard::end_copy`], what leaves memory is kept for it.
    pub fn begin_copy(&mut self) {
        self.removed = Some(Removed::default());
    }

    /// The copy is whole, or given up.
    pub fn end_copy(&mut self) {
        self.removed = None;
    }

    /// Visits up to `limit` orders from `cursor` on and returns the next cursor, `None` at the end. Orders that change
    /// between two calls may be seen in either state: facts are idempotent, so the replay that follows mends it. What left
    /// memory since [`Shard::begin_copy`] is seen as it left, whatever has the same id now: the replay removes it again.
    pub fn visit_orders(&self, cursor: usize, limit: usize, visit: &mut dyn FnMut(StoredOrder<'_>)) -> Option<usize> {
        if let Some(cursor) = cursor.checked_sub(REMOVED) {
            return self.visit_removed(cursor, limit, visit);
        }
        let end = (self.slots.len() as usize).min(cursor.saturating_add(limit));
        let mut scratch = Scratch::default();
        for slot in cursor.min(end)..end {
            let slot = slot as u32;
            self.slots.visit_events(slot, &mut scratch, |entity, order_id, events| {
                if !events.is_empty() && !self.has_removed(entity, order_id) {
                    visit(StoredOrder::Open { order_id, events });
                }
            });
            let closed = self.slots.closed(slot).filter(|_| !is_off(Guard::SnapshotKeepsTombstones));
            if let Some(t) = closed.filter(|t| !self.has_removed(t.entity, &t.id)) {
                let entity = self.index.entity(t.entity).name();
                visit(StoredOrder::Tombstone { entity, order_id: &t.id, closed_at: t.closed_at });
            }
        }
        let has_more = end < self.slots.len() as usize;
        let then = self.removed.as_ref().filter(|removed| !removed.orders.is_empty()).map(|_| REMOVED);
        if has_more { Some(end) } else { then }
    }

    fn visit_removed(&self, cursor: usize, limit: usize, visit: &mut dyn FnMut(StoredOrder<'_>)) -> Option<usize> {
        let orders = self.removed.as_ref().map(|removed| removed.orders.as_slice()).unwrap_or_default();
        let end = orders.len().min(cursor.saturating_add(limit));
        for order in orders.get(cursor..end).unwrap_or_default() {
            match order {
                RestoredOrder::Open(events) => {
                    let order_id = events.first().map_or("", |event| event.order_id.as_str());
                    visit(StoredOrder::Open { order_id, events });
                }
                RestoredOrder::Tombstone { .. } if is_off(Guard::SnapshotKeepsTombstones) => {}
                RestoredOrder::Tombstone { entity, order_id, closed_at } => {
                    visit(StoredOrder::Tombstone { entity, order_id, closed_at: *closed_at });
                }
            }
        }
        (end < orders.len()).then_some(REMOVED + end)
    }

    fn has_removed(&self, entity: EntityId, id: &Str) -> bool {
        let removed = self.removed.as_ref().filter(|removed| !removed.ids.is_empty());
        removed.is_some_and(|removed| removed.ids.contains(&(entity, id.clone())))
    }

    /// An order leaves memory for good while the shard may be being copied. Of several with one id the first counts.
    pub(super) fn keep_for_copy(&mut self, entity: EntityId, id: &Str, order: impl FnOnce() -> RestoredOrder) {
        if let Some(removed) = &mut self.removed
            && removed.ids.insert((entity, id.clone()))
        {
            removed.orders.push(order());
        }
    }

    /// Takes back an order that a snapshot holds. Only while muted. Events that a shard could not take (a snapshot made
    /// under other bounds) are left out and counted in the result.
    pub fn restore_order(&mut self, order: RestoredOrder) -> usize {
        let events = match order {
            RestoredOrder::Open(events) => events,
            RestoredOrder::Tombstone { entity, order_id, closed_at } => {
                // Of what no stream is about any more nothing can come that would be late.
                let entity = self.index.id_of(&entity);
                if let Some(entity) = entity.filter(|entity| self.index.get(&self.slots, *entity, &order_id).is_none())
                {
                    self.remember(entity, order_id, closed_at);
                }
                return 0;
            }
        };
        let mut refused = 0;
        let Some(first) = events.first() else { return 0 };
        let (entity, id) = (self.settings.entities.of_stream(first.position.stream), first.order_id.clone());
        let slot = self.index.get(&self.slots, entity, &id).unwrap_or_else(|| self.occupy(entity, id));
        if let Some(order) = self.slots.order_mut(slot) {
            refused = events.into_iter().map(|event| order.merge(event)).filter(Result::is_err).count();
        }
        self.touch(slot);
        self.slots.rest_some();
        refused
    }

    /// While muted, `apply` and `advance` change facts and evict, and nothing is judged or published.
    pub fn mute(&mut self) {
        self.muted = !is_off(Guard::RestoreIsMuted);
    }

    /// Takes back one entry of `exceptions-current`: what was published, read and not guessed. After the inputs were
    /// replayed, while muted.
    pub fn restore_published(&mut self, exception: Exception) {
        let Some(subject) = self.subject_of(&exception) else { return };
        if self.forgotten.contains(&subject) && !self.knows(&subject, &exception) {
            return self.outbox.tombstone(exception.exception_id, self.frontier);
        }
        let (entity, id) = subject;
        let slot = self.index.get(&self.slots, entity, &id).unwrap_or_else(|| self.occupy(entity, id));
        let key = key_of(&self.policies, &exception);
        let Some(order) = self.slots.order_mut(slot) else {
            // Remembered as closed: its last state is done with, and its tombstone was not written yet.
            return self.outbox.tombstone(exception.exception_id, self.frontier);
        };
        order.published.retain(|p| p.last.exception_id != exception.exception_id);
        let unknown = CaseKey::Unknown(u16::try_from(order.published.len()).unwrap_or(u16::MAX));
        let key = key.unwrap_or(unknown);
        order.published.push(Published { key, last: exception, silent: false, frozen: Frozen::No });
        self.touch(slot);
        self.slots.rest_some();
    }

    /// What an exception is about; `None` for a group.
    pub(super) fn subject_of(&mut self, exception: &Exception) -> Option<(EntityId, Str)> {
        let (entity, id) = exception.subject.entity_and_id()?;
        Some((self.index.id_of_former(entity)?, id.clone()))
    }

    /// Whether the facts of the order that has this id now hold what an exception rests on.
    fn knows(&self, (entity, id): &(EntityId, Str), exception: &Exception) -> bool {
        let order = self.index.get(&self.slots, *entity, id).and_then(|slot| self.slots.order(slot));
        order.is_some_and(|order| Order::knows_trigger(&order.events, exception, &self.settings.streams))
    }

    /// The documents that the shard was judged by, the one in force last. Only while muted.
    pub fn set_history(&mut self, history: History) {
        self.since = history.since();
        self.history = history;
    }

    /// Exceptions whose last published state may come from somebody who had lost the shard (`at_least_once`): they are judged,
    /// where an edit has settled them by the document before it. Only while muted.
    pub fn doubt(&mut self, exceptions: impl IntoIterator<Item = ExceptionId>) {
        self.doubted = exceptions.into_iter().collect();
    }

    /// Ends the muted time: every order is judged at the frontier, and what holds and was not published is drained next.
    pub fn unmute(&mut self) {
        self.unmute_from(self.frontier);
    }

    /// The same, where the backlogs' sum was told everything up to `told`, which may lie before the frontier.
    pub fn unmute_from(&mut self, told: Timestamp) {
        self.muted = false;
        self.forgotten = HashSet::default();
        for slot in 0..self.slots.len() {
            self.freeze(slot);
            self.touch(slot);
            self.slots.rest_some();
        }
        self.doubted = HashSet::default();
        self.queues.restore_at(told.min(self.frontier));
        self.restoring = true;
        self.judge_dirty();
        self.restoring = false;
        self.queues.restored();
    }

    /// As [`Shard::freeze`], for one state that nobody vouches for.
    pub(super) fn freeze_told(&mut self, slot: u32, id: &str) {
        let Some(order) = self.slots.order_mut(slot) else { return };
        for told in order.published.iter_mut().filter(|told| told.last.exception_id == *id) {
            told.frozen = frozen(told, &order.events, &self.settings);
        }
        if !order.settled.is_empty() {
            self.settle(slot, &|told| told.last.exception_id != *id);
        }
    }

    /// Finds what was published of an order and cannot be judged: it rests on what was never read here.
    fn freeze(&mut self, slot: u32) {
        if self.slots.published(slot).is_empty() && self.history.is_plain() {
            return;
        }
        let Some(order) = self.slots.order_mut(slot) else { return };
        for told in &mut order.published {
            told.frozen = frozen(told, &order.events, &self.settings);
        }
        let doubted = std::mem::take(&mut self.doubted);
        // What stands was ended once, and what is doubted may have been said otherwise by who had the shard.
        self.settle(slot, &|told| told.last.status.has_ended() && !doubted.contains(&told.last.exception_id));
        self.doubted = doubted;
    }

    /// Finds what an edit has settled on an order, and of that, what was told and is not sure.
    fn settle(&mut self, slot: u32, is_sure: &dyn Fn(&Published) -> bool) {
        let Some(order) = self.slots.order_mut(slot) else { return };
        let Order { id, entity, birth, events, published, settled, .. } = order;
        let mut found = self.history.settled(self.index.entity(*entity), id, events, published, &self.settings);
        for told in published.iter().filter(|told| !told.silent && !is_sure(told)) {
            let Some(place) = found.iter().position(|(key, _)| *key == told.key) else { continue };
            let judged_by = found.get(place).and_then(|(_, by)| self.history.document(*by));
            // One whose cycles were others cannot say anything of this one: it is judged as what is not over.
            let Some(judged_by) = judged_by.filter(|document| key_of(document, &told.last).is_some()) else {
                found.remove(place);
                continue;
            };
            let (exception_id, judged_by) = (told.last.exception_id.clone(), Arc::clone(judged_by));
            self.unsure.push(Unsure { slot, birth: *birth, exception_id, judged_by });
        }
        *settled = found.into_iter().map(|(key, _)| key).collect();
    }
}

fn frozen(told: &Published, events: &[Event], settings: &Settings) -> Frozen {
    match told.key {
        CaseKey::Unknown(_) => Frozen::Past,
        _ if Order::knows_trigger(events, &told.last, &settings.streams) => Frozen::No,
        _ => Frozen::Past,
    }
}
