//! Looks at the orders of the next events before their turn, for the sake of the caches.
//!
//! What is known of an order that comes at random lies in no cache: its entry in the index, its slot, its facts, its timer, each found by
//! the one before. One event after the other, every one of them is waited for. Looked at for some events together, step by step, the
//! waits lie side by side: no look hangs on another event's. It changes nothing, and what it finds is worth nothing.

use std::hint::black_box;

use smallvec::SmallVec;

use crate::domain::StreamId;

use super::shard::Shard;

/// As many as are looked at together; who reads records takes so many at once.
pub const LOOK_AHEAD: usize = 32;

impl Shard {
    /// Looks at what the next events need: each one's stream and order id, in bytes.
    pub fn look_ahead<'a>(&self, events: impl IntoIterator<Item = (StreamId, &'a [u8])>) {
        let mut events = events.into_iter();
        loop {
            let together = events.by_ref().take(LOOK_AHEAD);
            let entity = |stream| self.settings.entities.of_stream(stream);
            let slots = together.map(|(stream, id)| self.index.likely(entity(stream), id));
            let slots: SmallVec<[_; LOOK_AHEAD]> = slots.collect();
            if slots.is_empty() {
                return;
            }
            let lies: SmallVec<[_; LOOK_AHEAD]> = slots.iter().flatten().map(|slot| self.slots.lies(*slot)).collect();
            black_box(lies.iter().map(|lies| self.slots.glance(*lies)).fold(0, u8::wrapping_add));
            black_box(slots.iter().flatten().filter(|slot| self.timers.has(**slot)).count());
        }
    }
}
