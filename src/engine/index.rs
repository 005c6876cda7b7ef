//! Where in memory what is known lies: by entity and id. An order and a checkout with one id are two.
//!
//! An entry is a slot's number; the id lies in the slot, and is compared there. Each entity has many small tables, so that
//! none takes long to grow: for that each of its entries is fetched from memory. They get shares of the entries that are not
//! alike, the largest twice the smallest. Of a size they would grow all at once, at every doubling of what there is.

mod waiting;

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::domain::{Entity, EntityId};
use crate::policy::Entities;

use super::slots::Slots;

pub(super) use waiting::Waiting;

/// Tables of one entity.
const TABLES: usize = 1 << 10;

/// The slots by id, for each entity: an order's entry says nothing of entities.
#[derive(Debug)]
pub(super) struct Index {
    /// By [`EntityId`]; orders first.
    entities: Vec<Known>,
    hasher: RandomState,
}

/// What is known of one entity.
#[derive(Debug)]
struct Known {
    entity: Entity,
    /// By [`table_of`]; none before the first entry.
    tables: Vec<HashTable<u32>>,
    /// How many are not closed.
    open: usize,
}

impl Known {
    fn none_of(entity: Entity) -> Self {
        Known { entity, tables: Vec::new(), open: 0 }
    }

    fn make_tables(&mut self) {
        if self.tables.is_empty() {
            self.tables.resize_with(TABLES, HashTable::new);
        }
    }
}

/// So many parts are shared out among the tables.
const PARTS: usize = 1 << 16;

/// By digits of the hash that the tables themselves do not look at.
const fn table_of(hash: u64) -> usize {
    table_of_part((hash >> 40) as usize % PARTS)
}

/// Of a part, as a number from 0 to 1, the logarithm of one more to the base of two (within a hundredth): so the times at which
/// tables grow lie evenly between two doublings.
const fn table_of_part(part: usize) -> usize {
    let logarithm = part + part * (PARTS - part) / PARTS * 11 / 32;
    logarithm * TABLES / PARTS
}

/// How many parts each table has.
fn shares() -> Vec<usize> {
    let mut shares = vec![0; TABLES];
    for part in 0..PARTS {
        shares[table_of_part(part)] += 1;
    }
    shares
}

impl Index {
    /// Nothing is known yet.
    pub fn new(entities: &Entities) -> Self {
        let all = std::iter::once(Entity::order()).chain(entities.others().cloned());
        Index { entities: all.map(Known::none_of).collect(), hasher: RandomState::default() }
    }

    /// The entity with this id; orders where there is none, which the shard never asks for.
    pub fn entity(&self, id: EntityId) -> &Entity {
        let known = self.entities.get(usize::from(id.0));
        known.map_or(&crate::domain::entity::ORDER, |known| &known.entity)
    }

    /// The id of the entity with this name.
    pub fn id_of(&self, entity: &str) -> Option<EntityId> {
        let place = self.entities.iter().position(|known| known.entity.name() == entity)?;
        u16::try_from(place).ok().map(EntityId)
    }

    /// The same for one that no stream is about any more: what was published of it is still to be ended.
    pub fn id_of_former(&mut self, entity: &str) -> Option<EntityId> {
        self.id_of(entity).or_else(|| {
            self.entities.push(Known::none_of(Entity::named(entity)));
            self.id_of(entity)
        })
    }

    /// The slot of what has this id.
    pub fn get(&self, slots: &Slots, entity: EntityId, id: &str) -> Option<u32> {
        let hash = self.hash(id.as_bytes());
        let table = self.entities.get(usize::from(entity.0))?.tables.get(table_of(hash))?;
        table.find(hash, |slot| slots.has_id(*slot, id)).copied()
    }

    /// A slot that very likely has this id, if any has: by its hash alone.
    pub fn likely(&self, entity: EntityId, id: &[u8]) -> Option<u32> {
        let hash = self.hash(id);
        let table = self.entities.get(usize::from(entity.0))?.tables.get(table_of(hash))?;
        table.find(hash, |_| true).copied()
    }

    /// Finds the id of this slot, which has it already, from now on.
    pub fn insert(&mut self, slots: &Slots, entity: EntityId, slot: u32) {
        let hash = self.hash(slots.id_bytes(slot));
        let hasher = &self.hasher;
        let Some(known) = self.entities.get_mut(usize::from(entity.0)) else { return };
        known.make_tables();
        if let Some(table) = known.tables.get_mut(table_of(hash)) {
            table.insert_unique(hash, slot, |slot| hasher.hash_one(slots.id_bytes(*slot)));
        }
    }

    /// Makes room for so many, where all of them are of one entity.
    pub fn reserve(&mut self, slots: &Slots, count: usize) {
        let hasher = &self.hasher;
        let [known] = self.entities.as_mut_slice() else { return };
        known.make_tables();
        for (table, share) in known.tables.iter_mut().zip(shares()) {
            table.reserve(count * share / PARTS, |slot| hasher.hash_one(slots.id_bytes(*slot)));
        }
    }

    /// Finds it no more.
    pub fn remove(&mut self, entity: EntityId, id: &str, slot: u32) {
        let hash = self.hash(id.as_bytes());
        let known = self.entities.get_mut(usize::from(entity.0));
        if let Some(table) = known.and_then(|known| known.tables.get_mut(table_of(hash)))
            && let Ok(entry) = table.find_entry(hash, |known| *known == slot)
        {
            entry.remove();
        }
    }

    fn hash(&self, id: &[u8]) -> u64 {
        self.hasher.hash_one(id)
    }

    /// One more that is not closed.
    pub fn opened(&mut self, entity: EntityId) {
        if let Some(known) = self.entities.get_mut(usize::from(entity.0)) {
            known.open += 1;
        }
    }

    /// One less.
    pub fn closed(&mut self, entity: EntityId) {
        if let Some(known) = self.entities.get_mut(usize::from(entity.0)) {
            known.open -= 1;
        }
    }

    /// How many of each entity are not closed; orders first.
    pub fn open(&self) -> impl Iterator<Item = (&Entity, usize)> {
        self.entities.iter().map(|known| (&known.entity, known.open))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_do_not_grow_all_at_once() {
        let shares = shares();
        assert_eq!(shares.iter().sum::<usize>(), PARTS);
        // Of a million entries that double in ten steps, in each of them some of the tables come past a power of two.
        for step in 0..10 {
            let entries = |step: i32| 1e6 * 2f64.powf(f64::from(step) / 10.0);
            let size = |step, share: usize| (entries(step) * share as f64 / PARTS as f64).log2().floor();
            let grown = shares.iter().filter(|share| size(step + 1, **share) > size(step, **share)).count();
            assert!((TABLES / 25..TABLES / 5).contains(&grown), "{grown} of {TABLES} in step {step}");
        }
    }
}
