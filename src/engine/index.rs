//! Where in memory what is known lies: by entity and id. An order and a checkout with one id are two.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::domain::{Entity, EntityId, Str};
use crate::policy::Entities;

/// The slots by id, a table for each entity: an order's entry says nothing of entities.
#[derive(Debug)]
pub(super) struct Index {
    /// By [`EntityId`]; orders first.
    entities: Vec<Known>,
}

/// What is known of one entity.
#[derive(Debug)]
struct Known {
    entity: Entity,
    slots: HashMap<Str, u32, RandomState>,
    /// How many are not closed.
    open: usize,
}

impl Known {
    fn none_of(entity: Entity) -> Self {
        Known { entity, slots: HashMap::default(), open: 0 }
    }
}

impl Index {
    /// Nothing is known yet.
    pub fn new(entities: &Entities) -> Self {
        let all = std::iter::once(Entity::order()).chain(entities.others().cloned());
        Index { entities: all.map(Known::none_of).collect() }
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

    pub fn get(&self, entity: EntityId, id: &str) -> Option<u32> {
        self.entities.get(usize::from(entity.0))?.slots.get(id).copied()
    }

    pub fn insert(&mut self, entity: EntityId, id: Str, slot: u32) {
        if let Some(known) = self.entities.get_mut(usize::from(entity.0)) {
            known.slots.insert(id, slot);
        }
    }

    pub fn remove(&mut self, entity: EntityId, id: &str) {
        if let Some(known) = self.entities.get_mut(usize::from(entity.0)) {
            known.slots.remove(id);
        }
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
