//! What somebody else published of a shard that is here (`at_least_once`, where nothing fences a process that stood still).

use crate::domain::Exception;

use super::shard::Shard;

impl Shard {
    /// The last state that we know to be published of the same exception.
    pub fn told(&self, exception: &Exception) -> Option<&Exception> {
        let (entity, id) = exception.subject.entity_and_id()?;
        let slot = self.index.get(&self.slots, self.index.id_of(entity)?, id)?;
        let mut told = self.slots.published(slot).iter().filter(|told| !told.silent);
        told.find(|told| told.last.exception_id == exception.exception_id).map(|told| &told.last)
    }

    /// Takes in a state that is in `exceptions-current`, and that we may not have published: a subscriber holds it now, so
    /// the difference to what holds is published next. True where it was news.
    ///
    /// Only while [`Shard::is_published`], and of a frontier that ours has passed: what rests on records that are not read
    /// yet cannot be judged.
    pub fn overhear(&mut self, exception: Exception) -> bool {
        let Some((entity, order_id)) = self.subject_of(&exception) else { return false };
        // Subscribers hold the later state.
        if self.told(&exception).is_some_and(|ours| ours.age() >= exception.age()) {
            return false;
        }
        let id = exception.exception_id.clone();
        self.restore_published(exception);
        if let Some(slot) = self.index.get(&self.slots, entity, &order_id) {
            self.freeze_told(slot, &id);
            self.touch(slot);
        }
        true
    }
}
