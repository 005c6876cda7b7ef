//! Closed orders that are only remembered: 15 bytes each, a hash of what it was and when it closed.
//!
//! They lie in partitions by the last bits of the hash, some two thousand in each. A partition is sorted but for what came last,
//! which is sorted in once it is a sixteenth; so to find one is a binary search and a short scan, and nothing takes longer than
//! to sort one partition. There is one partition more for each two thousand (linear hashing: the new one takes half of one
//! other), so that none grows and nothing ever moves all at once. The bytes are in pages of one size: whatever sizes partitions
//! grow through, an allocator loses nothing on them.
//!
//! Nothing happens when a tombstone's time is over: it is dropped when its partition is next sorted, or swept. Whoever asks
//! compares times, so that one whose time is over and none at all are the same.

use std::fmt;

use crate::domain::hash::digest_of_pair;
use crate::domain::{Millis, Timestamp};

/// Binary digits of a time in milliseconds from 1970 on: up to the year 2527.
const TIME_BITS: u32 = 44;
const TIME_MASK: u128 = (1 << TIME_BITS) - 1;
/// A page of so many is just below a kilobyte, which is a size of its own for the allocator.
const PAGE: usize = 68;
/// So many a partition, on average.
const PARTITION: usize = 1 << 11;
/// So many lie unsorted in any case.
const TAIL: usize = 16;
/// Else one of so many.
const TAIL_SHARE: usize = 16;
/// So many partitions are swept at once.
const SWEPT_AT_ONCE: usize = 8;

/// What is remembered of a closed order: 76 bits of the SHA-256 of its entity's name and its id, and when it closed.
///
/// Among n of a shard, a new order is taken for one of them with a probability of n / 2^76: with fifty million, once in 1.5e15
/// orders. Snapshots hold these bytes, so the hash is the same in every process and version, and numbers that
/// a configuration gives have no part in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tombstone([u8; Tombstone::BYTES]);

/// The hash of an order, behind zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark(u128);

impl Mark {
    /// What this entity with this id is found by.
    pub fn of(entity: &str, id: &str) -> Self {
        let digest = digest_of_pair(entity, id);
        let first = digest.first_chunk().copied().unwrap_or_default();
        Mark(u128::from_be_bytes(first) >> (u128::BITS - (Tombstone::BITS - TIME_BITS)))
    }

    /// A tombstone of it.
    pub fn closed_at(self, at: Timestamp) -> Tombstone {
        let time = u128::try_from(at.as_millis()).unwrap_or(0).min(TIME_MASK);
        let [_, bytes @ ..] = (self.0 << TIME_BITS | time).to_be_bytes();
        Tombstone(bytes)
    }
}

impl Tombstone {
    /// Its size, in memory and in a snapshot.
    pub const BYTES: usize = 15;
    const BITS: u32 = Self::BYTES as u32 * 8;

    /// That this closed then, in record time; a time before 1970 or after 2527 is taken for the nearest in between.
    pub fn of(entity: &str, id: &str, closed_at: Timestamp) -> Self {
        Mark::of(entity, id).closed_at(closed_at)
    }

    pub(super) fn of_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Tombstone(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    fn number(self) -> u128 {
        let mut bytes = [0; 16];
        let [_, rest @ ..] = &mut bytes;
        *rest = self.0;
        u128::from_be_bytes(bytes)
    }

    pub(super) fn mark(self) -> Mark {
        Mark(self.number() >> TIME_BITS)
    }

    /// When it closed.
    pub fn closed_at(self) -> Timestamp {
        Timestamp::from_millis((self.number() & TIME_MASK) as i64)
    }
}

impl fmt::Debug for Tombstone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tombstone({:019x} closed at {})", self.mark().0, self.closed_at())
    }
}

/// A shard's tombstones, one for each mark.
#[derive(Debug)]
pub(super) struct Tombstones {
    partitions: Vec<Partition>,
    len: usize,
    /// Which partition is swept next.
    next_swept: usize,
    /// Up to which frontier the sweep is done with its part.
    swept_to: Timestamp,
}

impl Default for Tombstones {
    fn default() -> Self {
        Tombstones { partitions: Vec::new(), len: 0, next_swept: 0, swept_to: Timestamp::MIN }
    }
}

impl Tombstones {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When this one closed, where it is remembered.
    pub fn get(&self, mark: Mark) -> Option<Timestamp> {
        let partition = self.partitions.get(place_of(mark, self.partitions.len()))?;
        Some(partition.get(partition.find(mark)?)?.closed_at())
    }

    /// Remembers it, in place of what is remembered of the same. What closed before `past` may be dropped on the way.
    pub fn insert(&mut self, tombstone: Tombstone, past: Timestamp) {
        if self.partitions.is_empty() {
            self.partitions.push(Partition::default());
        }
        let place = place_of(tombstone.mark(), self.partitions.len());
        let Some(partition) = self.partitions.get_mut(place) else { return };
        match partition.find(tombstone.mark()) {
            Some(at) => partition.set(at, tombstone),
            None => {
                partition.push(tombstone);
                self.len += 1;
                if partition.tail() > TAIL.max(partition.len() / TAIL_SHARE) {
                    self.len -= partition.settle(past);
                }
            }
        }
        if self.len > self.partitions.len() * PARTITION {
            self.split(past);
        }
    }

    /// Remembers it no more.
    pub fn remove(&mut self, mark: Mark) {
        let place = place_of(mark, self.partitions.len());
        let Some(partition) = self.partitions.get_mut(place) else { return };
        if let Some(at) = partition.find(mark) {
            partition.remove(at);
            self.len -= 1;
        }
    }

    /// One partition more, which takes its part of the one that holds it now.
    fn split(&mut self, past: Timestamp) {
        let new = self.partitions.len();
        let Some(source) = self.partitions.get_mut(split_from(new)) else { return };
        self.len -= source.settle(past);
        let goes = |tombstone: &Tombstone| place_of(tombstone.mark(), new + 1) == new;
        let (gone, left): (Vec<_>, Vec<_>) = source.all().partition(goes);
        source.replace(&left);
        self.partitions.push(Partition::default());
        if let Some(partition) = self.partitions.last_mut() {
            partition.replace(&gone);
        }
    }

    /// One partition less, where there are far too many.
    fn join(&mut self, past: Timestamp) {
        if self.partitions.len() < 2 || self.len > self.partitions.len() * PARTITION / 4 {
            return;
        }
        let Some(last) = self.partitions.pop() else { return };
        let buddy = split_from(self.partitions.len());
        if let Some(partition) = self.partitions.get_mut(buddy) {
            last.all().for_each(|tombstone| partition.push(tombstone));
            self.len -= partition.settle(past);
        }
    }

    /// The frontier has moved: drops what closed before `past`, a few partitions at a time and all of them in each `round` of
    /// frontier, so that what nobody asks for goes too.
    pub fn sweep(&mut self, frontier: Timestamp, past: Timestamp, round: Millis) {
        self.swept_to = self.swept_to.max(frontier - round);
        for _ in 0..SWEPT_AT_ONCE {
            let partitions = self.partitions.len().max(1);
            let each = Millis::new((round.get() / partitions as i64).max(1));
            if self.len == 0 || self.swept_to + each > frontier {
                break;
            }
            self.swept_to = self.swept_to + each;
            self.next_swept = (self.next_swept + 1) % partitions;
            if let Some(partition) = self.partitions.get_mut(self.next_swept)
                && partition.all().any(|tombstone| tombstone.closed_at() < past)
            {
                self.len -= partition.settle(past);
            }
        }
        (0..SWEPT_AT_ONCE).for_each(|_| self.join(past));
        if self.len == 0 {
            self.partitions = Vec::new();
        }
    }

    /// How many partitions there are. What lies in one may move to one with a higher number; to a lower one only in a sweep.
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// All of one partition.
    pub fn partition(&self, place: usize) -> impl Iterator<Item = Tombstone> {
        self.partitions.get(place).into_iter().flat_map(Partition::all)
    }
}

/// Which of so many partitions.
const fn place_of(mark: Mark, partitions: usize) -> usize {
    let mask = partitions.next_power_of_two() - 1;
    let place = mark.0 as usize & mask;
    if place < partitions { place } else { place & mask >> 1 }
}

/// Where what belongs into the partition of this number lies while it is the first that there is not.
const fn split_from(new: usize) -> usize {
    new & ((new + 1).next_power_of_two() - 1) >> 1
}

/// Tombstones with like last bits.
#[derive(Debug, Default)]
struct Partition {
    #[expect(clippy::vec_box, reason = "a list of pages that grows would move them, and be of any size")]
    pages: Vec<Box<[Tombstone; PAGE]>>,
    len: u32,
    /// So many are sorted, from the first on.
    sorted: u32,
}

impl Partition {
    fn len(&self) -> usize {
        self.len as usize
    }

    /// How many are not sorted.
    fn tail(&self) -> usize {
        (self.len - self.sorted) as usize
    }

    fn all(&self) -> impl Iterator<Item = Tombstone> {
        self.pages.iter().flat_map(|page| page.iter()).take(self.len()).copied()
    }

    fn get(&self, at: usize) -> Option<Tombstone> {
        self.pages.get(at / PAGE)?.get(at % PAGE).copied()
    }

    fn set(&mut self, at: usize, tombstone: Tombstone) {
        if let Some(place) = self.pages.get_mut(at / PAGE).and_then(|page| page.get_mut(at % PAGE)) {
            *place = tombstone;
        }
    }

    fn find(&self, mark: Mark) -> Option<usize> {
        let (mut from, mut to) = (0, self.sorted as usize);
        while from < to {
            let middle = usize::midpoint(from, to);
            match self.get(middle) {
                Some(tombstone) if tombstone.mark().0 < mark.0 => from = middle + 1,
                _ => to = middle,
            }
        }
        let is_here = from < self.sorted as usize && self.get(from).is_some_and(|tombstone| tombstone.mark() == mark);
        let sorted = is_here.then_some(from);
        sorted.or_else(|| {
            // From the page on where the unsorted begin.
            let page = self.sorted as usize / PAGE;
            let mut rest = self.pages.iter().skip(page).flat_map(|page| page.iter()).take(self.len() - page * PAGE);
            rest.position(|tombstone| tombstone.mark() == mark).map(|at| page * PAGE + at)
        })
    }

    fn push(&mut self, tombstone: Tombstone) {
        match self.len().is_multiple_of(PAGE) {
            true => self.pages.push(Box::new([tombstone; PAGE])),
            false => self.set(self.len(), tombstone),
        }
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        for next in at + 1..self.len() {
            if let Some(tombstone) = self.get(next) {
                self.set(next - 1, tombstone);
            }
        }
        self.len -= 1;
        self.sorted -= u32::from(at < self.sorted as usize);
        self.pages.truncate(self.len().div_ceil(PAGE));
    }

    /// Drops what closed before `past` and sorts the rest. How many were dropped.
    fn settle(&mut self, past: Timestamp) -> usize {
        let mut left: Vec<Tombstone> = self.all().filter(|tombstone| tombstone.closed_at() >= past).collect();
        // What is sorted already costs little more than a look.
        left.sort_by_key(|tombstone| tombstone.number());
        let dropped = self.len() - left.len();
        self.replace(&left);
        dropped
    }

    /// Holds these, which are sorted, and no others.
    fn replace(&mut self, sorted: &[Tombstone]) {
        self.pages.truncate(sorted.len().div_ceil(PAGE));
        self.len = 0;
        for tombstone in sorted {
            match self.len() / PAGE < self.pages.len() {
                true => {
                    self.set(self.len(), *tombstone);
                    self.len += 1;
                }
                false => self.push(*tombstone),
            }
        }
        self.sorted = self.len;
        self.pages.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests;
