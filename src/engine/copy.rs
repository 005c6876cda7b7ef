//! A copy of a shard for a snapshot, taken in stretches while the shard goes on: its orders as they lie packed in memory, then its
//! tombstones, then what left memory meanwhile.
//!
//! Orders come first: one that is closed and leaves before it was copied is among the tombstones when these are, and one that leaves
//! later is told twice, as which the replay from where the copy began makes the same of it. All tombstones stay while a copy is
//! taken, but those of ids that begin anew, which are kept for it; one whose time was over when it began is none.

use foldhash::fast::RandomState;
use hashbrown::HashSet;

use crate::domain::{EntityId, Str, Timestamp};
use crate::guard::{Guard, is_off};

use super::facts::{Codebook, Facts, Reader, Told, learn_texts, put_text, put_varint, tell};
use super::restore::RestoredOrder;
use super::shard::Shard;
use super::tombstones::Tombstone;

/// A stretch of a shard's orders as they lie in memory, and what their facts refer to that no stretch before it told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedOrders {
    words: Vec<u8>,
    /// One behind the other.
    tombstones: Vec<u8>,
    /// Each one's facts, behind their length.
    orders: Vec<u8>,
    held: Held,
}

/// A stretch ends after the order with which it has come to so many bytes.
const BYTES: usize = 1 << 20;

/// Room that is made for an order at first; most take less.
const ORDER_BYTES: usize = 256;

/// To copy an order takes as long as to copy so many tombstones.
const TOMBSTONES_COUNT: usize = 8;

/// To pack an order takes as long as to copy so many that lie packed.
const PACKED_COUNTS: usize = 8;

/// How much a stretch holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Orders with their events.
    pub orders: u64,
    /// Closed orders that are only remembered.
    pub tombstones: u64,
    /// Events of all orders.
    pub events: u64,
}

impl PackedOrders {
    /// Its tombstones, as they lie.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> &[u8] {
        &self.tombstones
    }

    /// What it holds.
    pub fn held(&self) -> Held {
        self.held
    }

    /// Appends it to `out`, as [`PackedOrders::parse`] takes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.words.len() as u64);
        out.extend_from_slice(&self.words);
        put_varint(out, self.tombstones.len() as u64);
        out.extend_from_slice(&self.tombstones);
        out.extend_from_slice(&self.orders);
    }

    /// The stretch that these bytes are; `None` where they are none.
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        let (words, rest) = split(&bytes)?;
        let (tombstones, orders) = split(rest)?;
        let (words, tombstones, before) = (words.to_vec(), tombstones.to_vec(), bytes.len() - orders.len());
        Self::of_parts(words, tombstones, without(bytes, before))
    }

    /// The same as it was written when tombstones were facts without events.
    pub fn parse_without_tombstones(bytes: Vec<u8>) -> Option<Self> {
        let (words, orders) = split(&bytes)?;
        let (words, before) = (words.to_vec(), bytes.len() - orders.len());
        Self::of_parts(words, Vec::new(), without(bytes, before))
    }

    fn of_parts(words: Vec<u8>, tombstones: Vec<u8>, orders: Vec<u8>) -> Option<Self> {
        let (whole, []) = tombstones.as_chunks::<{ Tombstone::BYTES }>() else { return None };
        let mut held = Held { tombstones: whole.len() as u64, ..Held::default() };
        let mut rest = orders.as_slice();
        while !rest.is_empty() {
            let (facts, more) = split(rest)?;
            held.count(Facts(facts).parts().1);
            rest = more;
        }
        Some(PackedOrders { words, tombstones, orders, held })
    }

    fn has_room(&self) -> bool {
        self.orders.len() + self.tombstones.len() < BYTES
    }

    pub(super) fn words(&self) -> Reader<'_> {
        Reader(&self.words)
    }

    /// The tombstones.
    pub(super) fn tombstones(&self) -> impl Iterator<Item = Tombstone> {
        self.tombstones.as_chunks().0.iter().map(|bytes| Tombstone::of_bytes(*bytes))
    }

    /// The facts of each order; in earlier files also of tombstones, which have no events.
    pub(super) fn facts(&self) -> impl Iterator<Item = Facts<'_>> {
        let mut rest = self.orders.as_slice();
        std::iter::from_fn(move || {
            let (facts, more) = split(rest).filter(|_| !rest.is_empty())?;
            rest = more;
            Some(Facts(facts))
        })
    }

    /// Adds a tombstone.
    pub(super) fn add_tombstone(&mut self, tombstone: Tombstone) {
        if !is_off(Guard::SnapshotKeepsTombstones) {
            self.tombstones.extend_from_slice(tombstone.bytes());
            self.held.tombstones += 1;
        }
    }

    /// Adds facts of so many events. When an order closed is found again by whoever takes it back, and is not told.
    pub(super) fn add(&mut self, facts: Facts<'_>, events: usize) {
        self.add_behind(facts.0, &[], events);
    }

    /// The same of facts that lie behind another head.
    pub(super) fn add_behind(&mut self, head: &[u8], rest: &[u8], events: usize) {
        put_varint(&mut self.orders, (head.len() + rest.len()) as u64);
        self.orders.extend_from_slice(head);
        self.orders.extend_from_slice(rest);
        self.held.count(events);
    }

    /// Tells what its facts refer to.
    fn tell<'a>(&mut self, names: impl Iterator<Item = &'a Str>, codebook: &Codebook, told: &mut ToldBefore) {
        let names: Vec<&Str> = names.collect();
        tell(&names, &mut told.entities, &mut self.words, |name, out| put_text(out, name));
        codebook.tell(&mut told.codebook, &mut self.words);
    }
}

/// What its length stands before, and what follows that; `None` where these bytes end before it does.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = Reader(bytes);
    let length = usize::try_from(from.varint()).ok()?;
    from.0.split_at_checked(length)
}

/// These bytes, but for so many at their beginning.
fn without(mut bytes: Vec<u8>, before: usize) -> Vec<u8> {
    bytes.drain(..before);
    bytes
}

impl std::ops::AddAssign for Held {
    fn add_assign(&mut self, more: Held) {
        self.orders += more.orders;
        self.tombstones += more.tombstones;
        self.events += more.events;
    }
}

impl Held {
    /// What one order is.
    pub(super) fn of(order: &RestoredOrder) -> Self {
        let mut held = Held::default();
        held.count(match order {
            RestoredOrder::Open(events) => events.len(),
            RestoredOrder::Tombstone(_) => 0,
        });
        held
    }

    fn count(&mut self, events: usize) {
        self.events += events as u64;
        *(if events == 0 { &mut self.tombstones } else { &mut self.orders }) += 1;
    }
}

/// The names of the entities that stretches have told, by number.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<Str>);

impl Names {
    /// Learns what a stretch tells of entities, and leaves what it tells of the codebook.
    pub fn learn(&mut self, from: &mut Reader<'_>) {
        learn_texts(from, self.0.len(), |name| self.0.push(Str::new(name)));
    }

    /// All of them.
    pub fn all(&self) -> &[Str] {
        &self.0
    }
}

/// What the stretches before have told.
#[derive(Clone, Copy, Debug, Default)]
struct ToldBefore {
    entities: usize,
    codebook: Told,
}

/// A copy that is being taken.
#[derive(Debug, Default)]
pub(super) struct Copying {
    /// What closed before this was forgotten when it began.
    forgotten_before: Timestamp,
    told: ToldBefore,
    removed: Removed,
}

/// What left memory while the shard is being copied: without it, a replay from the copy's offsets would take what is told of
/// such an order for the beginning of another.
#[derive(Debug, Default)]
struct Removed {
    ids: HashSet<(EntityId, Str), RandomState>,
    orders: Vec<(EntityId, RestoredOrder)>,
}

impl Removed {
    fn has(&self, entity: EntityId, id: &str) -> bool {
        !self.ids.is_empty() && self.ids.contains(&(entity, Str::new(id)))
    }
}

/// Cursors from here on go over the tombstones' partitions …
const TOMBSTONES: usize = usize::MAX / 4;
/// … and from here on over what left memory.
const REMOVED: usize = usize::MAX / 2;

impl Shard {
    /// A copy of the shard begins: until [`Shard::end_copy`], what leaves memory is kept for it.
    pub fn begin_copy(&mut self) {
        self.copying = Some(Copying { forgotten_before: self.forgotten_before(), ..Copying::default() });
    }

    /// The copy is whole, or given up.
    pub fn end_copy(&mut self) {
        self.copying = None;
    }

    /// Copies up to `limit` orders, or a few partitions of tombstones; fewer orders where they are large or lie unpacked. From
    /// `cursor` on, and gives the next cursor, `None` at the end. Orders that change between two calls may be copied in either
    /// state: facts are idempotent, so the replay that follows mends it. What left memory since [`Shard::begin_copy`] is copied
    /// as it left, whatever has the same id now: the replay removes it again.
    pub fn copy_orders(&mut self, cursor: usize, limit: usize) -> (PackedOrders, Option<usize>) {
        let mut copying = self.copying.take();
        let nothing = Copying::default();
        let Copying { removed, told, forgotten_before } = copying.as_ref().unwrap_or(&nothing);
        let (mut packed, mut told) = (PackedOrders::default(), *told);
        let next = match cursor {
            REMOVED.. => self.copy_removed(removed, cursor - REMOVED, limit, &mut packed),
            TOMBSTONES.. => self.copy_tombstones(*forgotten_before, cursor - TOMBSTONES, limit, &mut packed),
            _ => self.copy_slots(removed, cursor, limit, &mut packed),
        };
        // Nothing but what left memory may be left.
        let next = next.filter(|next| *next != REMOVED || !removed.orders.is_empty());
        let names = self.index.open().map(|(entity, _)| entity.name());
        packed.tell(names, self.slots.codebook(), &mut told);
        if let Some(copying) = &mut copying {
            copying.told = told;
        }
        self.copying = copying;
        (packed, next)
    }

    fn copy_slots(
        &mut self,
        removed: &Removed,
        cursor: usize,
        limit: usize,
        packed: &mut PackedOrders,
    ) -> Option<usize> {
        let all = self.slots.len() as usize;
        let (mut next, mut left) = (cursor.min(all), limit);
        // A list that grows is copied once more in all.
        packed.orders.reserve(limit.min(all - next).saturating_mul(ORDER_BYTES).min(BYTES));
        while next < all && left > 0 && packed.has_room() {
            let was_packed = self.slots.copy(next as u32, |entity, id| removed.has(entity, id), packed);
            left = left.saturating_sub(if was_packed { PACKED_COUNTS } else { 1 });
            next += 1;
        }
        let then = if self.tombstones.is_empty() { REMOVED } else { TOMBSTONES };
        Some(if next < all { next } else { then })
    }

    /// The last stretch may have none: partitions that tombstones move to have higher numbers.
    fn copy_tombstones(
        &self,
        forgotten_before: Timestamp,
        cursor: usize,
        limit: usize,
        packed: &mut PackedOrders,
    ) -> Option<usize> {
        let (mut next, mut left) = (cursor, limit);
        while next < self.tombstones.partitions() && left > 0 && packed.has_room() {
            let before = packed.held.tombstones;
            let all = self.tombstones.partition(next);
            all.filter(|tombstone| tombstone.closed_at() >= forgotten_before).for_each(|t| packed.add_tombstone(t));
            left = left.saturating_sub((packed.held.tombstones - before) as usize / TOMBSTONES_COUNT + 1);
            next += 1;
        }
        Some(if next < self.tombstones.partitions() { TOMBSTONES + next } else { REMOVED })
    }

    fn copy_removed(
        &mut self,
        removed: &Removed,
        cursor: usize,
        limit: usize,
        packed: &mut PackedOrders,
    ) -> Option<usize> {
        let mut next = cursor;
        while let Some((entity, order)) =
            removed.orders.get(next).filter(|_| next - cursor < limit && packed.has_room())
        {
            self.slots.copy_removed(*entity, order, packed);
            next += 1;
        }
        (next < removed.orders.len()).then_some(REMOVED + next)
    }

    /// Whether what leaves memory is to be kept for a copy.
    pub(super) fn is_being_copied(&self) -> bool {
        self.copying.is_some()
    }

    /// Whether what closed then was remembered when the copy that is being taken began, or is since.
    pub(super) fn copies(&self, closed_at: Timestamp) -> bool {
        self.copying.as_ref().is_some_and(|copying| closed_at >= copying.forgotten_before)
    }

    /// An order leaves memory for good while the shard may be being copied. Of several with one id the first counts.
    pub(super) fn keep_for_copy(&mut self, entity: EntityId, id: &Str, order: impl FnOnce() -> RestoredOrder) {
        if let Some(Copying { removed, .. }) = &mut self.copying
            && removed.ids.insert((entity, id.clone()))
        {
            removed.orders.push((entity, order()));
        }
    }
}

/// Packs orders as a shard does, for tests of those who keep them.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Packer {
    slots: super::slots::Slots,
    told: ToldBefore,
}

#[cfg(test)]
impl Packer {
    /// The next stretch.
    pub fn pack(&mut self, orders: &[RestoredOrder]) -> PackedOrders {
        let mut packed = PackedOrders::default();
        for order in orders {
            self.slots.copy_removed(EntityId::ORDER, order, &mut packed);
        }
        packed.tell([Str::new("order")].iter(), self.slots.codebook(), &mut self.told);
        packed
    }
}
