//! The records of some or all partitions of a dump in one order: (effective time, topic's place in `streams:`, partition,
//! offset).
//!
//! The effective time never falls within a partition, so it is enough to hold the next record of each one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::codec::RawRecord;
use crate::domain::{Position, Timestamp};
use crate::engine::frontier::EffectiveTime;

use super::ReplayError;
use super::blocks::Blocks;
use super::decode::{Content, Decoded};
use super::dump::{Dump, StreamPartition};
use super::index::{Cursor, Entry, PartitionIndex};
use super::line::Line;

/// The next record of the merge.
#[derive(Debug)]
pub struct Merged {
    /// The running maximum of record time in its partition.
    pub effective_time: Timestamp,
    /// Where it lies.
    pub position: Position,
    /// What it is.
    pub content: Content,
}

/// The merge. `decode` turns bytes into events; a record time past `clock` counts for nothing.
#[derive(Debug)]
pub struct Merge<'d, D> {
    dump: &'d Dump,
    decode: D,
    clock: Timestamp,
    sources: Vec<Source<'d>>,
    /// The next record's (effective time, index of its source); sources are in (stream, partition) order.
    heads: BinaryHeap<Reverse<(Timestamp, usize)>>,
    blocks: Blocks,
}

/// One partition of the dump.
#[derive(Debug)]
struct Source<'d> {
    place: StreamPartition,
    index: &'d PartitionIndex,
    cursor: Cursor,
    effective_time: EffectiveTime,
    /// The next record, or why it cannot be read.
    head: Option<(Position, Result<Content, ReplayError>)>,
}

impl<'d, D: FnMut(&RawRecord<'_>) -> Decoded> Merge<'d, D> {
    /// Begins at the first record of every partition of which `is_wanted` is true.
    pub fn of(dump: &'d Dump, is_wanted: impl Fn(StreamPartition) -> bool, clock: Timestamp, decode: D) -> Self {
        let wanted = dump.partitions().iter().filter(|(place, _)| is_wanted(**place));
        let sources = wanted.map(|(place, index)| Source {
            place: *place,
            index,
            cursor: Cursor::default(),
            effective_time: EffectiveTime::default(),
            head: None,
        });
        let sources: Vec<_> = sources.collect();
        let heads = BinaryHeap::with_capacity(sources.len());
        let blocks = Blocks::new(sources.len());
        let mut merge = Merge { dump, decode, clock, sources, heads, blocks };
        (0..merge.sources.len()).for_each(|i| merge.fill(i));
        merge
    }

    /// The effective time of the next record, and where it lies; `None` after the last.
    pub fn peek(&self) -> Option<(Timestamp, Position)> {
        let Reverse((time, i)) = self.heads.peek()?;
        let (position, _) = self.sources.get(*i)?.head.as_ref()?;
        Some((*time, *position))
    }

    /// The next record; `None` after the last.
    ///
    /// # Errors
    /// It cannot be read; it has the effective time of those before it in its partition.
    pub fn next_record(&mut self) -> Result<Option<Merged>, ReplayError> {
        let Some(Reverse((effective_time, i))) = self.heads.pop() else { return Ok(None) };
        let Some((position, content)) = self.sources.get_mut(i).and_then(|source| source.head.take()) else {
            return Ok(None);
        };
        let content = content?;
        self.fill(i);
        Ok(Some(Merged { effective_time, position, content }))
    }

    /// Reads the next record of source `i`, if there is one.
    fn fill(&mut self, i: usize) {
        let Some(source) = self.sources.get_mut(i) else { return };
        let Some(entry) = source.cursor.next(source.index) else { return };
        let (stream, partition) = source.place;
        let position = Position { stream, partition, offset: entry.offset };
        let read = read(self.dump, entry, position, &mut self.blocks, &mut self.decode);
        let (time, content) = match read {
            Ok((time, content)) => (time, Ok(content)),
            Err(error) => (None, Err(error)),
        };
        let effective_time = source.effective_time.enter(time, self.clock);
        source.head = Some((position, content));
        self.heads.push(Reverse((effective_time, i)));
    }
}

/// The record time of an entry, where it counts, and what it is.
fn read(
    dump: &Dump,
    entry: Entry,
    Position { stream, partition, offset }: Position,
    blocks: &mut Blocks,
    decode: &mut impl FnMut(&RawRecord<'_>) -> Decoded,
) -> Result<(Option<Timestamp>, Content), ReplayError> {
    let bytes = dump.read(entry, blocks)?;
    let line = Line::parse(bytes).map_err(|e| dump.changed(e))?;
    if (line.partition, line.offset) != (partition, offset) {
        return Err(dump.changed(format!("offset {offset} is no longer where it was")));
    }
    let headers: Vec<(&str, Option<&[u8]>)> =
        line.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
    let Decoded { content, time_counts } = decode(&RawRecord {
        stream,
        partition,
        offset,
        timestamp: line.timestamp,
        key: line.key.as_deref(),
        value: line.value.as_deref(),
        headers: &headers,
    });
    Ok((line.timestamp.filter(|_| time_counts), content))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::{Str, StreamId};

    const CLOCK: i64 = 1_000_000;

    /// (topic, partition, offset, ts)
    type Row = (&'static str, i32, i64, i64);

    fn dump(rows: &[Row]) -> Dump {
        let lines: Vec<String> = rows
            .iter()
            .map(|(topic, partition, offset, ts)| {
                format!("{{\"topic\":\"{topic}\",\"partition\":{partition},\"offset\":{offset},\"ts\":{ts},\"payload\":\"x\"}}\n")
            })
            .collect();
        let topics = [Str::new("a"), Str::new("b")];
        Dump::spool(lines.concat().as_bytes(), Path::new("test"), &topics, &mut |_| ()).unwrap()
    }

    /// (effective time, stream, partition, offset) in the order of the merge. A record time of 666 is not trusted.
    fn merged(dump: &Dump) -> Vec<(i64, u16, i32, i64)> {
        let decode = |raw: &RawRecord<'_>| Decoded {
            content: Content::Tombstone,
            time_counts: raw.timestamp != Some(Timestamp::from_millis(666)),
        };
        let mut merge = Merge::of(dump, |_| true, Timestamp::from_millis(CLOCK), decode);
        let mut list = Vec::new();
        while let Some(next) = merge.next_record().unwrap() {
            let Position { stream: StreamId(stream), partition, offset } = next.position;
            list.push((next.effective_time.as_millis(), stream, partition, offset));
        }
        list
    }

    #[test]
    fn one_order_whatever_the_order_of_the_lines() {
        let rows = [
            ("b", 0, 0, 10),
            ("a", 0, 0, 10),
            ("a", 1, 0, 5),
            ("a", 0, 1, 7), // earlier than the record before it: the maximum stands
            ("a", 0, 2, 30),
            ("b", 0, 1, 20),
            ("a", 1, 1, 10),
        ];
        let want =
            [(5, 0, 1, 0), (10, 0, 0, 0), (10, 0, 0, 1), (10, 0, 1, 1), (10, 1, 0, 0), (20, 1, 0, 1), (30, 0, 0, 2)];
        assert_eq!(merged(&dump(&rows)), want);
        let mut shuffled = rows;
        for turn in 0..200 {
            shuffled.swap(turn % 7, (turn * 5 + 3) % 7);
            let twice = [shuffled, shuffled].concat();
            assert_eq!(merged(&dump(&shuffled)), want, "{shuffled:?}");
            assert_eq!(merged(&dump(&twice)), want, "{twice:?}");
        }
    }

    #[test]
    fn a_record_time_ahead_of_the_clock_moves_nothing() {
        let rows = [("a", 0, 0, 10), ("a", 0, 1, CLOCK + 1), ("a", 0, 2, 11), ("a", 1, 0, 12), ("a", 1, 1, CLOCK)];
        let want = [(10, 0, 0, 0), (10, 0, 0, 1), (11, 0, 0, 2), (12, 0, 1, 0), (CLOCK, 0, 1, 1)];
        assert_eq!(merged(&dump(&rows)), want);
    }

    #[test]
    fn a_missing_or_untrusted_time_moves_nothing() {
        let rows = [("a", 0, 0, -1), ("a", 0, 1, 10), ("a", 0, 2, 666), ("a", 0, 3, 11)];
        assert_eq!(merged(&dump(&rows)), [(i64::MIN, 0, 0, 0), (10, 0, 0, 1), (10, 0, 0, 2), (11, 0, 0, 3)]);
    }

    #[test]
    fn lines_of_other_topics_and_repeats_are_counted() {
        let dump = dump(&[("a", 0, 0, 1), ("x", 0, 0, 1), ("a", 0, 0, 2), ("x", 1, 0, 1), ("y", 0, 0, 1)]);
        assert_eq!((dump.records, dump.repeated_lines), (1, 1));
        assert_eq!(dump.undeclared, [(Str::new("x"), 2), (Str::new("y"), 1)].into());
        assert_eq!(merged(&dump), [(1, 0, 0, 0)], "of two lines of one record the first stands");
    }

    #[test]
    fn a_broken_line_is_named() {
        let text = b"\n{\"topic\":\"a\",\"partition\":0,\"offset\":0}\r\n\n{\"topic\":\"a\",\"partition\":0,\n";
        let error = Dump::spool(&text[..], Path::new("in.jsonl"), &[], &mut |_| ()).unwrap_err().to_string();
        assert!(error.starts_with("in.jsonl:4: column 27: EOF while parsing"), "{error}");
    }
}
