//! Which entity each stream is about, and how long its late events are waited for.

use crate::domain::{Entity, EntityId, Millis, StreamId};

use super::Settings;

/// The entities of the declared streams; every stream is about orders where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Entities {
    /// By stream; one beyond the end is about orders.
    of_streams: Vec<EntityId>,
    /// Those that are no orders, from id 1 on, each with the largest grace of its streams.
    others: Vec<(Entity, Millis)>,
}

impl Entities {
    /// From each stream's entity and grace, in the order of `streams:`.
    pub fn of<'a>(streams: impl IntoIterator<Item = (&'a Entity, Millis)>) -> Self {
        let mut entities = Entities::default();
        for (entity, grace) in streams {
            let id = match entities.others.iter().position(|(known, _)| known == entity) {
                _ if entity.is_order() => EntityId::ORDER,
                Some(place) => {
                    let longest = &mut entities.others[place].1;
                    *longest = grace.max(*longest);
                    id_at(place)
                }
                None => {
                    entities.others.push((entity.clone(), grace));
                    id_at(entities.others.len() - 1)
                }
            };
            entities.of_streams.push(id);
        }
        entities
    }

    /// What a stream's events are about.
    pub fn of_stream(&self, stream: StreamId) -> EntityId {
        self.of_streams.get(usize::from(stream.0)).copied().unwrap_or_default()
    }

    /// Those that are no orders, from id 1 on.
    pub fn others(&self) -> impl Iterator<Item = &Entity> {
        self.others.iter().map(|(entity, _)| entity)
    }
}

fn id_at(place: usize) -> EntityId {
    // There are at most as many as streams.
    EntityId(u16::try_from(place + 1).unwrap_or(u16::MAX))
}

impl Settings {
    /// How long past a due instant the frontier must be: what the policy itself says, else the largest grace of its
    /// entity's streams.
    pub fn grace_for(&self, own: Option<Millis>, entity: &Entity) -> Millis {
        let of_streams = || self.entities.others.iter().find(|(known, _)| known == entity).map(|(_, grace)| *grace);
        own.or_else(of_streams).unwrap_or(self.grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entity_waits_for_its_own_streams() {
        let (order, checkout, task) = (Entity::order(), Entity::named("checkout"), Entity::named("task"));
        let secs = Millis::from_secs;
        let streams = [(&order, secs(5)), (&task, secs(1)), (&checkout, secs(60)), (&task, secs(9))];
        let entities = Entities::of(streams);
        let ids: Vec<u16> = (0..5).map(|stream| entities.of_stream(StreamId(stream)).0).collect();
        assert_eq!(ids, [0, 1, 2, 1, 0]);
        assert_eq!(entities.others().collect::<Vec<_>>(), [&task, &checkout]);
        assert_eq!(entities.others, [(task, secs(9)), (checkout, secs(60))]);
    }
}
