//! How very many entries come into the index at once.
//!
//! An index of millions is in no cache, and one entry after the other would wait for memory, each in another place of it. So entries
//! wait by table until there are many for one: a table alone fits into a core's cache, and a line of it that is fetched takes
//! several of them.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;

use crate::domain::EntityId;

use super::super::slots::Slots;
use super::{Index, TABLES, table_of};

/// So many that wait for one table are put into it: an eighth of what a table has room for where ten million orders are restored,
/// and 32 MB in all. (Few in tests, which have few orders.)
const AT_ONCE: usize = if cfg!(test) { 1 << 2 } else { 1 << 11 };

/// Slots whose ids are not found yet.
#[derive(Debug, Default)]
pub(in crate::engine) struct Waiting {
    /// By entity, and then by table: the hash of an id, and its slot.
    entities: Vec<Vec<Vec<(u64, u32)>>>,
    /// Slots that are not found, for their id is in another.
    twice: Vec<u32>,
}

impl Waiting {
    /// Slots whose id is found in another, which came first. They are the caller's to free.
    pub fn take_twice(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.twice)
    }
}

impl Index {
    /// An order that is open: it is counted, and found by its id, from [`Index::insert_waiting`] on, if not before.
    pub fn insert_later(&mut self, slots: &Slots, waiting: &mut Waiting, entity: EntityId, id: &str, slot: u32) {
        let hash = self.hash(id.as_bytes());
        let table = table_of(hash);
        let (Waiting { entities, twice }, place) = (waiting, usize::from(entity.0));
        if entities.len() <= place {
            entities.resize_with(place + 1, || vec![Vec::new(); TABLES]);
        }
        let Some(entries) = entities.get_mut(place).and_then(|tables| tables.get_mut(table)) else { return };
        entries.push((hash, slot));
        if entries.len() >= AT_ONCE {
            self.insert_all(slots, entity, table, entries, twice);
        }
    }

    /// Puts all that wait into their tables.
    pub fn insert_waiting(&mut self, slots: &Slots, waiting: &mut Waiting) {
        let Waiting { entities, twice } = waiting;
        for (entity, tables) in (0..).map(EntityId).zip(entities) {
            for (table, entries) in tables.iter_mut().enumerate().filter(|(_, entries)| !entries.is_empty()) {
                self.insert_all(slots, entity, table, entries, twice);
            }
        }
    }

    fn insert_all(
        &mut self,
        slots: &Slots,
        entity: EntityId,
        table: usize,
        entries: &mut Vec<(u64, u32)>,
        twice: &mut Vec<u32>,
    ) {
        let hasher = &self.hasher;
        let Some(known) = self.entities.get_mut(usize::from(entity.0)) else { return };
        known.make_tables();
        let Some(table) = known.tables.get_mut(table) else { return };
        let before = table.len();
        for (hash, slot) in entries.drain(..) {
            let is_it = |other: &u32| slots.id_bytes(*other) == slots.id_bytes(slot);
            let entry = table.entry(hash, is_it, |other| hasher.hash_one(slots.id_bytes(*other)));
            match entry {
                Entry::Vacant(place) => drop(place.insert(slot)),
                Entry::Occupied(_) => twice.push(slot),
            }
        }
        known.open += table.len() - before;
    }
}
