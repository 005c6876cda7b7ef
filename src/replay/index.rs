//! Where the records of one partition lie in a dump, in offset order.
//!
//! Kept as differences in variable-length integers: a dump whose partitions stand in offset order takes about 5 bytes a
//! record. A partition whose lines are out of order is sorted once, when the whole dump has been seen.

/// Where one record lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Entry {
    /// Its Kafka offset.
    pub offset: i64,
    /// The first byte of its line.
    pub start: u64,
    /// The length of its line in bytes.
    pub len: u32,
}

/// The records of one partition.
#[derive(Debug, Default)]
pub struct PartitionIndex {
    packed: Vec<u8>,
    last: Entry,
    count: u64,
    out_of_order: bool,
}

impl PartitionIndex {
    /// Adds a record, in the order of the file.
    pub fn push(&mut self, entry: Entry) {
        self.out_of_order |= self.count > 0 && entry.offset <= self.last.offset;
        self.pack(entry);
    }

    /// Puts the records into offset order. Where an offset stands twice, its first line stands. Returns how many lines
    /// were left out for that.
    pub fn finish(&mut self) -> u64 {
        if !self.out_of_order {
            self.packed.shrink_to_fit();
            return 0;
        }
        let mut entries: Vec<Entry> = self.iter().collect();
        // By offset, then by place in the file: of equal offsets the first line stands.
        entries.sort_unstable();
        let lines = entries.len();
        entries.dedup_by_key(|e| e.offset);
        let repeated = lines - entries.len();
        *self = PartitionIndex::default();
        entries.into_iter().for_each(|e| self.pack(e));
        repeated as u64
    }

    /// How many records it holds.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// True where it holds none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records, in the order in which they were pushed, or by offset after [`PartitionIndex::finish`].
    pub fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut cursor = Cursor::default();
        std::iter::from_fn(move || cursor.next(self))
    }

    fn pack(&mut self, entry: Entry) {
        let Entry { offset, start, len } = self.last;
        push_varint(&mut self.packed, zigzag(entry.offset.wrapping_sub(offset)));
        push_varint(&mut self.packed, zigzag(entry.start.wrapping_sub(start.wrapping_add(len.into())) as i64));
        push_varint(&mut self.packed, entry.len.into());
        self.last = entry;
        self.count += 1;
    }
}

/// A place in a [`PartitionIndex`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    at: usize,
    last: Entry,
}

impl Cursor {
    /// The next record, `None` after the last.
    pub fn next(&mut self, index: &PartitionIndex) -> Option<Entry> {
        let offset = self.last.offset.wrapping_add(unzigzag(self.varint(index)?));
        let end = self.last.start.wrapping_add(self.last.len.into());
        let start = end.wrapping_add(unzigzag(self.varint(index)?) as u64);
        let len = self.varint(index)? as u32;
        self.last = Entry { offset, start, len };
        Some(self.last)
    }

    fn varint(&mut self, index: &PartitionIndex) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *index.packed.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Some(value)
    }
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small numbers of either sign become small unsigned ones.
const fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

const fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &[(i64, u64, u32)]) -> Vec<Entry> {
        list.iter().map(|&(offset, start, len)| Entry { offset, start, len }).collect()
    }

    fn index(list: &[(i64, u64, u32)]) -> PartitionIndex {
        let mut index = PartitionIndex::default();
        entries(list).into_iter().for_each(|e| index.push(e));
        index
    }

    #[test]
    fn gives_back_what_was_pushed() {
        let list = [(0, 0, 300), (1, 300, 1), (700, 5000, u32::MAX), (i64::MAX, u64::MAX >> 1, 0)];
        let mut index = index(&list);
        assert_eq!(index.finish(), 0);
        assert_eq!(index.iter().collect::<Vec<_>>(), entries(&list));
        assert_eq!(index.len(), 4);
    }

    #[test]
    fn sorts_by_offset_and_keeps_the_first_of_two() {
        let mut index = index(&[(5, 0, 10), (3, 10, 10), (5, 20, 10), (4, 30, 10), (3, 40, 10)]);
        assert_eq!(index.finish(), 2);
        assert_eq!(index.iter().collect::<Vec<_>>(), entries(&[(3, 10, 10), (4, 30, 10), (5, 0, 10)]));
    }

    #[test]
    fn is_small_for_a_dump_in_order() {
        // 12 partitions taking turns, lines of some 300 bytes.
        let list: Vec<_> = (0..10_000).map(|i| (i, i as u64 * 3600, 300)).collect();
        assert!(index(&list).packed.len() <= 50_000, "{} bytes", index(&list).packed.len());
    }
}
