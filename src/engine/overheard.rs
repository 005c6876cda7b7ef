//! What somebody else published of a shard that is here (`at_least_once`, where nothing fences a process that stood still).

use crate::domain::Exception;

use super::shard::{Shard, Slot};

impl Shard {
    /// Takes in a state that is in `exceptions-current`, and that we may not have published: a subscriber holds it now, so
    /// the difference to what holds is published next. True where it was news.
    ///
    /// Only while [`Shard::is_published`], and of a frontier that ours has passed: what rests on records that are not read
    /// yet cannot be judged.
    pub fn overhear(&mut self, exception: Exception) -> bool {
        let Some((entity, order_id)) = self.subject_of(&exception) else { return false };
        let known = self.index.get(entity, &order_id).and_then(|slot| self.slots.get(slot as usize));
        if let Some(Slot::Open(order)) = known {
            let ours = order.published.iter().find(|p| p.last.exception_id == exception.exception_id && !p.silent);
            // Subscribers hold the state of the later frontier.
            if ours.is_some_and(|ours| ours.last.frontier >= exception.frontier) {
                return false;
            }
        }
        let id = exception.exception_id.clone();
        self.restore_published(exception);
        if let Some(slot) = self.index.get(entity, &order_id) {
            self.freeze_told(slot, &id);
            self.touch(slot);
        }
        true
    }
}
