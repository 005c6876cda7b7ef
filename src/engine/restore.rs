//! What a shard takes back from a snapshot ([`super::copy`] gives it), and from `exceptions-current` (DESIGN section 9).

use std::sync::Arc;

use hashbrown::HashSet;

use crate::domain::{EntityId, Event, Exception, ExceptionId, Str, Timestamp};
use crate::guard::{Guard, is_off};
use crate::policy::Settings;

use super::copy::{Held, Names, PackedOrders};
use super::facts::{Codebook, Facts, Head, Spare};
use super::former::Unsure;
use super::history::History;
use super::index::Waiting;
use super::judge::key_of;
use super::order::{CaseKey, Frozen, Order, Published};
use super::shard::Shard;
use super::tombstones::Tombstone;

/// An order as a snapshot gives it back.
#[derive(Clone, Debug, PartialEq)]
pub enum RestoredOrder {
    /// Its events in any order.
    Open(Vec<Event>),
    /// It was closed, and is only remembered.
    Tombstone(Tombstone),
}

/// What a snapshot gives back.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// So much comes.
    Announced(Held),
    /// An order.
    Order(RestoredOrder),
    /// Many, as they lay.
    Packed(PackedOrders),
}

/// Takes back what a snapshot holds, into a shard that is muted and knows nothing yet.
#[derive(Debug)]
pub struct Restoring<'s> {
    shard: &'s mut Shard,
    names: Names,
    /// Orders that were laid down, and are not found by their ids yet.
    waiting: Waiting,
    /// What is to be merged or packed, which would number words that later stretches number too.
    later: Vec<RestoredOrder>,
    held: Held,
    refused: usize,
}

impl<'s> Restoring<'s> {
    /// Begins.
    pub fn new(shard: &'s mut Shard) -> Self {
        let (names, waiting, later) = (Names::default(), Waiting::default(), Vec::new());
        Restoring { shard, names, waiting, later, held: Held::default(), refused: 0 }
    }

    /// Takes what comes next.
    pub fn take(&mut self, stored: Stored) {
        let packed = match stored {
            Stored::Packed(packed) => packed,
            Stored::Announced(held) => return self.shard.make_room(held.orders as usize),
            Stored::Order(order) => {
                self.held += Held::of(&order);
                self.find_all();
                self.refused += self.shard.restore_order(order);
                return;
            }
        };
        self.held += packed.held();
        let mut words = packed.words();
        self.names.learn(&mut words);
        self.shard.slots.learn(&mut words);
        let entities: Vec<_> = self.names.all().iter().map(|name| self.shard.index.id_of(name)).collect();
        packed.facts().for_each(|facts| self.take_facts(&entities, facts));
        packed.tombstones().for_each(|tombstone| self.shard.add_tombstone(tombstone));
    }

    /// `entities`: what those are here that the facts name by number.
    fn take_facts(&mut self, entities: &[Option<EntityId>], facts: Facts<'_>) {
        let head = facts.head();
        // What no stream is about any more.
        let Some(entity) = entities.get(usize::from(head.entity.0)).copied().flatten() else { return };
        if let Some(closed_at) = head.closed_at {
            self.shard.remember(entity, head.id, closed_at);
            return;
        }
        if !self.shard.lay_down(&mut self.waiting, facts, head, entity) {
            self.find_all();
            self.later.push(open(self.shard.slots.codebook(), facts));
        }
    }

    /// From here on all that was laid down is found. Of what a copy holds twice, what came first stays, and the rest is merged.
    fn find_all(&mut self) {
        let Shard { index, slots, .. } = &mut *self.shard;
        index.insert_waiting(slots, &mut self.waiting);
        for slot in self.waiting.take_twice() {
            self.later.extend(slots.take_resting(slot, open));
        }
    }

    /// Ends. What was taken, and how many events the shard could not take (a snapshot made under other bounds).
    pub fn finish(mut self) -> (Held, usize) {
        self.find_all();
        for order in std::mem::take(&mut self.later) {
            self.refused += self.shard.restore_order(order);
        }
        (self.held, self.refused)
    }
}

/// Reads packed orders where no shard takes them as they lie: the stretches of one snapshot, in their order.
#[derive(Debug, Default)]
pub struct Unpacker {
    names: Names,
    codebook: Codebook,
}

impl Unpacker {
    /// Hands each order to `take`. Their events name the streams as they were numbered where they were packed.
    pub fn read(&mut self, packed: &PackedOrders, take: &mut dyn FnMut(RestoredOrder)) {
        let mut words = packed.words();
        self.names.learn(&mut words);
        self.codebook.learn(&mut words);
        for facts in packed.facts() {
            let head = facts.head();
            take(match head.closed_at {
                Some(closed_at) => {
                    let entity = self.names.all().get(usize::from(head.entity.0)).map_or("", Str::as_str);
                    RestoredOrder::Tombstone(Tombstone::of(entity, head.id, closed_at))
                }
                None => open(&self.codebook, facts),
            });
        }
        packed.tombstones().map(RestoredOrder::Tombstone).for_each(take);
    }
}

/// An order, unpacked.
fn open(codebook: &Codebook, facts: Facts<'_>) -> RestoredOrder {
    let (_, count, rest) = facts.parts();
    // An event takes a byte at the least, whatever is said of their number.
    let mut events = Vec::with_capacity(count.min(rest.0.len()));
    codebook.unpack(facts, &mut Spare::default(), &mut events);
    RestoredOrder::Open(events)
}

impl Shard {
    /// So many are to come: tables that grow while they do take as long as all else.
    fn make_room(&mut self, orders: usize) {
        self.index.reserve(&self.slots, orders);
        self.dirty.reserve(orders);
    }

    /// Puts an order that comes back as it lay into a free slot, and does not ask whether its id is known: that would wait for
    /// memory. `entity`: what `head` names is this one here. False where there is no room for more.
    fn lay_down(&mut self, waiting: &mut Waiting, facts: Facts<'_>, head: Head<'_>, entity: EntityId) -> bool {
        let birth = self.next_birth();
        // The very bytes, nearly always. A head's id is text, whatever they are.
        let is_same = head.entity == entity && facts.id() == head.id.as_bytes();
        let other = (!is_same).then_some(Head { entity, ..head });
        let Some(slot) = self.slots.add_resting(facts, other, birth) else { return false };
        self.touch(slot);
        self.index.insert_later(&self.slots, waiting, entity, head.id, slot);
        true
    }

    /// Takes back an order that a snapshot holds. Only while muted. Events that a shard could not take (a snapshot made
    /// under other bounds) are left out and counted in the result.
    pub fn restore_order(&mut self, order: RestoredOrder) -> usize {
        let events = match order {
            RestoredOrder::Open(events) => events,
            RestoredOrder::Tombstone(tombstone) => {
                self.add_tombstone(tombstone);
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
        let slot = match self.index.get(&self.slots, entity, &id) {
            Some(slot) => slot,
            // Its last state is done with, and its tombstone was not written yet.
            None if self.was_closed(entity, &id) => {
                return self.outbox.tombstone(exception.exception_id, self.frontier);
            }
            None => self.occupy(entity, id),
        };
        let key = key_of(&self.policies, &exception);
        let Some(order) = self.slots.order_mut(slot) else { return };
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
