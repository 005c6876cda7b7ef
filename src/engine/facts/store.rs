//! Where packed orders lie: one after the other in segments, each with the number of the slot that it belongs to. One that is
//! packed anew goes to the end; a segment with much that is void is emptied, and what is left goes to the end too. So no
//! more is lost than a megabyte and a thirtieth, whatever sizes orders grow through, where an allocator would lose a third.

use super::bytes::{Reader, put_varint};

/// Bytes in a segment. What is larger than a quarter of it has a segment of its own.
const SEGMENT: usize = 1 << 16;
/// A record begins at a multiple of so many bytes, so that 32 bits reach 16 GB.
const UNIT: usize = 4;
/// Binary digits of a record's place in its segment.
const PLACE_BITS: u32 = 14;
/// One part of so many may be void.
const SLACK: usize = 32;
/// So many bytes may be void in any case: the less, the more often a record is moved, which tests want.
const BORNE: usize = if cfg!(test) { SEGMENT } else { 1 << 20 };
/// The fullest with void of so many segments is emptied.
const CHOICE: usize = 32;

/// Bytes that a cache takes in at once.
const CACHE_LINE: usize = 64;
/// So many of them has a usual order's record.
const GLANCE_LINES: usize = 4;

/// Where a record lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::engine) struct Handle(u32);

/// The records of a shard.
#[derive(Debug, Default)]
pub(in crate::engine) struct Store {
    segments: Vec<Segment>,
    vacant: Vec<u32>,
    /// The one that is written to.
    current: Option<u32>,
    /// The next to be looked at.
    cursor: usize,
    bytes: usize,
    void: usize,
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    void: usize,
}

/// What a segment held: its records are to be put again, if they are the ones that their slots refer to.
#[derive(Debug)]
pub(in crate::engine) struct Emptied {
    segment: u32,
    bytes: Vec<u8>,
}

impl Handle {
    fn new(segment: u32, place: usize) -> Self {
        Handle(segment << PLACE_BITS | (place / UNIT) as u32)
    }

    fn segment(self) -> usize {
        (self.0 >> PLACE_BITS) as usize
    }

    fn place(self) -> usize {
        (self.0 & ((1 << PLACE_BITS) - 1)) as usize * UNIT
    }
}

impl Store {
    /// A record's bytes.
    pub fn get(&self, handle: Handle) -> &[u8] {
        let segment = self.segments.get(handle.segment());
        let from = segment.and_then(|segment| segment.bytes.get(handle.place()..));
        from.map(|from| record(&mut Reader(from)).1).unwrap_or_default()
    }

    /// Looks at a record where it lies: at its beginning, and where its last events may be.
    pub fn glance(&self, handle: Handle) -> u8 {
        let Some(segment) = self.segments.get(handle.segment()) else { return 0 };
        let at = |line: usize| segment.bytes.get(handle.place() + line * CACHE_LINE).copied().unwrap_or(0);
        (0..GLANCE_LINES).map(at).fold(0, u8::wrapping_add)
    }

    /// Keeps a record; `None` where there is no room for more.
    pub fn put(&mut self, slot: u32, facts: &[u8]) -> Option<Handle> {
        // A length takes at most ten bytes.
        let most = facts.len() + 14 + UNIT;
        let segment = match self.current.filter(|current| self.fits(*current, most)) {
            _ if most > SEGMENT / 4 => self.add(most)?,
            Some(current) => current,
            None => {
                let added = self.add(SEGMENT)?;
                self.current = Some(added);
                added
            }
        };
        let bytes = &mut self.segments.get_mut(segment as usize)?.bytes;
        let place = bytes.len();
        bytes.extend_from_slice(&slot.to_le_bytes());
        put_varint(bytes, facts.len() as u64);
        bytes.extend_from_slice(facts);
        bytes.resize(bytes.len().next_multiple_of(UNIT), 0);
        self.bytes += bytes.len() - place;
        Some(Handle::new(segment, place))
    }

    fn fits(&self, segment: u32, most: usize) -> bool {
        self.segments.get(segment as usize).is_some_and(|segment| segment.bytes.len() + most <= SEGMENT)
    }

    fn add(&mut self, capacity: usize) -> Option<u32> {
        let fresh = Segment { bytes: Vec::with_capacity(capacity), void: 0 };
        if let Some(place) = self.vacant.pop() {
            *self.segments.get_mut(place as usize)? = fresh;
            return Some(place);
        }
        let place = u32::try_from(self.segments.len()).ok().filter(|place| place.leading_zeros() >= PLACE_BITS)?;
        self.segments.push(fresh);
        Some(place)
    }

    /// A record is void from now on.
    pub fn free(&mut self, handle: Handle) {
        let Some(segment) = self.segments.get_mut(handle.segment()) else { return };
        let Some(from) = segment.bytes.get(handle.place()..) else { return };
        let mut rest = Reader(from);
        record(&mut rest);
        let size = (from.len() - rest.0.len()).next_multiple_of(UNIT);
        segment.void += size;
        self.void += size;
        let number = handle.segment() as u32;
        if segment.void == segment.bytes.len() && self.current != Some(number) {
            self.empty(number);
        }
    }

    /// A segment to be emptied, where too much is void.
    pub fn wasteful(&mut self) -> Option<Emptied> {
        if self.void <= self.bytes / SLACK + BORNE {
            return None;
        }
        let count = self.segments.len();
        let looked_at = (0..CHOICE.min(count)).map(|i| (self.cursor + i) % count);
        let void = |number: &usize| self.segments.get(*number).map_or(0, |segment| segment.void);
        let most = looked_at.filter(|number| self.current != Some(*number as u32)).max_by_key(void)?;
        self.cursor = (self.cursor + CHOICE) % count;
        (void(&most) > 0).then(|| self.empty(most as u32))
    }

    fn empty(&mut self, number: u32) -> Emptied {
        let segment = self.segments.get_mut(number as usize).map(std::mem::take).unwrap_or_default();
        self.bytes -= segment.bytes.len();
        self.void -= segment.void;
        self.vacant.push(number);
        Emptied { segment: number, bytes: segment.bytes }
    }
}

impl Emptied {
    /// Its records: the slot, where it lay, and what it says.
    pub fn records(&self) -> impl Iterator<Item = (u32, Handle, &[u8])> {
        let mut place = 0;
        std::iter::from_fn(move || {
            let from = self.bytes.get(place..).filter(|from| !from.is_empty())?;
            let mut rest = Reader(from);
            let (slot, facts) = record(&mut rest);
            let handle = Handle::new(self.segment, place);
            place += (from.len() - rest.0.len()).next_multiple_of(UNIT);
            Some((slot, handle, facts))
        })
    }
}

fn record<'a>(from: &mut Reader<'a>) -> (u32, &'a [u8]) {
    let slot = u32::from_le_bytes(from.array());
    let length = from.varint();
    (slot, from.bytes(length))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What [`super::super::super::slots::Slots`] does.
    fn settle(store: &mut Store, kept: &mut BTreeMap<u32, (Handle, Vec<u8>)>) {
        while let Some(emptied) = store.wasteful() {
            for (slot, handle, facts) in emptied.records() {
                if let Some(known) = kept.get_mut(&slot).filter(|known| known.0 == handle) {
                    known.0 = store.put(slot, facts).unwrap();
                }
            }
        }
    }

    proptest! {
        #[test]
        fn records_stay_what_they_are(acts in prop::collection::vec((0..300_u32, prop::option::of(0..40_000_usize)), 0..2_000)) {
            let (mut store, mut kept) = (Store::default(), BTreeMap::<u32, (Handle, Vec<u8>)>::new());
            for (i, (slot, length)) in acts.into_iter().enumerate() {
                if let Some((handle, _)) = kept.remove(&slot) {
                    store.free(handle);
                }
                if let Some(length) = length {
                    let facts = vec![i as u8; if i % 20 == 0 { length } else { length % 400 }];
                    kept.insert(slot, (store.put(slot, &facts).unwrap(), facts));
                }
                settle(&mut store, &mut kept);
                prop_assert!(store.void <= store.bytes / SLACK + BORNE);
            }
            for (handle, facts) in kept.values() {
                prop_assert_eq!(store.get(*handle), &facts[..]);
            }
            let live: usize = kept.values().map(|(_, facts)| facts.len()).sum();
            prop_assert!(store.bytes - store.void >= live && store.bytes - store.void <= live + kept.len() * 12);
        }
    }
}
