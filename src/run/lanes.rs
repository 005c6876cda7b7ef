//! A shard's bounded buffers, one for each input, and which record is taken next. Pure.
//!
//! While catching up, no input is read far ahead of its siblings: the record with the least effective time goes first,
//! and one that lies ahead of a sibling that is still behind waits for it.

use std::collections::VecDeque;

use crate::domain::{Millis, StreamId, Timestamp};
use crate::engine::{Frontier, HeldCause};
use crate::kafka::Fetched;

/// A buffer that holds more than this is not fetched for, until it is half empty. To stop fetching throws away what was
/// fetched ahead, so that a buffer holds more than comes in one answer, many times over.
const RECORDS_MAX: usize = 32_768;
/// The same in bytes.
const BYTES_MAX: usize = 16 << 20;
/// How far in record time an input may be read ahead of a sibling whose next record is not here yet.
const AHEAD_MAX: Millis = Millis::from_secs(60);

#[derive(Debug, Default)]
struct Lane {
    records: VecDeque<Fetched>,
    bytes: usize,
    paused: bool,
}

impl Lane {
    fn pop(&mut self) -> Option<Fetched> {
        let record = self.records.pop_front()?;
        self.bytes = self.bytes.saturating_sub(record.size());
        Some(record)
    }
}

/// The buffers of one shard, indexed by stream.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<Lane>,
}

/// What the next record is.
#[derive(Debug)]
pub enum Next {
    /// This one.
    Take(Fetched),
    /// There is one, and it waits for a sibling.
    Wait,
    /// There is none.
    Empty,
}

impl Lanes {
    /// Empty buffers for so many streams.
    pub fn new(streams: usize) -> Self {
        Lanes { lanes: (0..streams).map(|_| Lane::default()).collect() }
    }

    /// Adds a record that was polled.
    pub fn push(&mut self, record: Fetched) {
        if let Some(lane) = self.lanes.get_mut(usize::from(record.input.stream.0)) {
            lane.bytes += record.size();
            lane.records.push_back(record);
        }
    }

    /// Takes the next record of a stream, where it is such a one.
    pub fn take_if(&mut self, stream: StreamId, is_one: impl FnOnce(&Fetched) -> bool) -> Option<Fetched> {
        let lane = self.lanes.get_mut(usize::from(stream.0))?;
        lane.records.front().filter(|head| is_one(head))?;
        lane.pop()
    }

    /// Takes back what [`Lanes::next`] gave last: it comes first again.
    pub fn put_back(&mut self, record: Fetched) {
        if let Some(lane) = self.lanes.get_mut(usize::from(record.input.stream.0)) {
            lane.bytes += record.size();
            lane.records.push_front(record);
        }
    }

    /// Throws away what is buffered: it is fetched again from the position.
    pub fn clear(&mut self) {
        self.lanes.iter_mut().for_each(|lane| *lane = Lane::default());
    }

    /// Whether nothing of a stream waits.
    pub fn is_empty(&self, stream: StreamId) -> bool {
        self.lanes.get(usize::from(stream.0)).is_none_or(|lane| lane.records.is_empty())
    }

    /// Whether the next record of a stream lies at or past `offset`.
    pub fn starts_at(&self, stream: StreamId, offset: i64) -> bool {
        let lane = self.lanes.get(usize::from(stream.0));
        lane.and_then(|lane| lane.records.front()).is_some_and(|head| head.offset >= offset)
    }

    /// How many records wait.
    pub fn count(&self) -> usize {
        self.lanes.iter().map(|lane| lane.records.len()).sum()
    }

    /// Whether nothing waits at all.
    pub fn all_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.records.is_empty())
    }

    /// Takes the record with the least effective time. Records at or past `until`, by stream, stay where they are.
    pub fn next(&mut self, frontier: &Frontier, clock: Timestamp, until: Option<&[i64]>) -> Next {
        let may_go = |index: u16, offset| until.and_then(|u| u.get(usize::from(index))).is_none_or(|end| offset < *end);
        let heads = self.lanes.iter().zip(0u16..).filter_map(|(lane, index)| {
            let head = lane.records.front().filter(|head| may_go(index, head.offset))?;
            Some((frontier.peek(StreamId(index), head.timestamp, clock), index))
        });
        let Some((effective, index)) = heads.min() else { return Next::Empty };
        if self.waits_for_a_sibling(frontier, effective, clock) {
            return Next::Wait;
        }
        let record = self.lanes.get_mut(usize::from(index)).and_then(Lane::pop);
        record.map_or(Next::Empty, Next::Take)
    }

    fn waits_for_a_sibling(&self, frontier: &Frontier, effective: Timestamp, clock: Timestamp) -> bool {
        self.lanes.iter().zip(0u16..).any(|(lane, index)| {
            let stream = StreamId(index);
            // An open transaction upstream may last: the frontier waits for it, the siblings do not. What is merely slow is
            // waited for as long as it takes: read far ahead of it, an order could not tell what is late for it.
            let comes =
                || matches!(frontier.held_cause(stream), Some(HeldCause::Behind | HeldCause::BrokerUnreachable));
            lane.records.is_empty() && comes() && effective > frontier.peek(stream, None, clock) + AHEAD_MAX
        })
    }

    /// By how much that input lies behind the clock which is the furthest behind of those that have something to be read, here or
    /// at the broker. What stands still for another reason, such as an open transaction, has nothing to be read.
    pub fn behind(&self, frontier: &Frontier, clock: Timestamp) -> Millis {
        let behind = self.lanes.iter().zip(0u16..).filter_map(|(lane, index)| {
            let stream = StreamId(index);
            let next = match lane.records.front() {
                Some(head) => Some(frontier.peek(stream, head.timestamp, clock)),
                None if frontier.is_behind(stream) => None,
                None => return None,
            };
            Some(clock - next.max(frontier.reached_in(stream)).unwrap_or(Timestamp::MIN))
        });
        behind.max().unwrap_or(Millis::ZERO)
    }

    /// The streams whose buffers have become full: they are to be paused.
    pub fn take_full(&mut self) -> Vec<StreamId> {
        self.switch(|lane| !lane.paused && (lane.records.len() >= RECORDS_MAX || lane.bytes >= BYTES_MAX), true)
    }

    /// The paused streams whose buffers are half empty: they are to be resumed.
    pub fn take_drained(&mut self) -> Vec<StreamId> {
        self.switch(|lane| lane.paused && lane.records.len() <= RECORDS_MAX / 2 && lane.bytes <= BYTES_MAX / 2, false)
    }

    fn switch(&mut self, which: impl Fn(&Lane) -> bool, paused: bool) -> Vec<StreamId> {
        let lanes = self.lanes.iter_mut().zip(0u16..).filter(|(lane, _)| which(lane));
        let switched = lanes.map(|(lane, index)| {
            lane.paused = paused;
            StreamId(index)
        });
        switched.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EffectiveTime, Ends};
    use crate::kafka::InputPartition;

    const A: StreamId = StreamId(0);
    const B: StreamId = StreamId(1);

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    const CLOCK: Timestamp = Timestamp::from_millis(10_000_000);

    fn record(stream: StreamId, offset: i64, time: i64) -> Fetched {
        Fetched::bare(InputPartition { stream, partition: 0 }, offset, Some(at(time)))
    }

    fn assigned() -> Frontier {
        let mut frontier = Frontier::new(2);
        frontier.assign(A, 0, EffectiveTime::default());
        frontier.assign(B, 0, EffectiveTime::default());
        frontier
    }

    fn taken(next: Next) -> (u16, i64) {
        match next {
            Next::Take(record) => (record.input.stream.0, record.offset),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_least_effective_time_goes_first() {
        let (mut lanes, mut frontier) = (Lanes::new(2), assigned());
        for record in [record(A, 0, 500), record(A, 1, 100), record(B, 0, 300)] {
            lanes.push(record);
        }
        assert_eq!(taken(lanes.next(&frontier, CLOCK, None)), (1, 0));
        frontier.read(B, 0, Some(at(300)), CLOCK);
        assert_eq!(taken(lanes.next(&frontier, CLOCK, None)), (0, 0));
        frontier.read(A, 0, Some(at(500)), CLOCK);
        lanes.push(record(B, 1, 400));
        assert_eq!(taken(lanes.next(&frontier, CLOCK, None)), (1, 1), "A's next has an effective time of 500");
    }

    #[test]
    fn a_sibling_that_is_behind_is_waited_for_and_one_at_its_end_is_not() {
        let (mut lanes, mut frontier) = (Lanes::new(2), assigned());
        lanes.push(record(A, 0, 500));
        assert!(matches!(lanes.next(&frontier, CLOCK, None), Next::Wait), "nobody knows yet what B has");
        frontier.ends(B, Ends { high: 0, stable: 0 }, Some(CLOCK));
        assert_eq!(taken(lanes.next(&frontier, CLOCK, None)), (0, 0));
    }

    #[test]
    fn an_open_transaction_is_not_waited_for() {
        let (mut lanes, mut frontier) = (Lanes::new(2), assigned());
        lanes.push(record(A, 0, 500));
        lanes.push(record(A, 1, 600));
        frontier.ends(B, Ends { high: 2, stable: 0 }, Some(CLOCK));
        assert_eq!(taken(lanes.next(&frontier, CLOCK, None)), (0, 0));
        frontier.ends(B, Ends { high: 2, stable: 2 }, Some(CLOCK));
        assert!(matches!(lanes.next(&frontier, CLOCK, None), Next::Wait));
        frontier.unreachable();
        assert!(matches!(lanes.next(&frontier, CLOCK, None), Next::Wait), "nobody knows what B has");
    }

    #[test]
    fn a_little_ahead_is_fine() {
        let (mut lanes, mut frontier) = (Lanes::new(2), assigned());
        frontier.read(B, 0, Some(at(100_000)), CLOCK);
        lanes.push(record(A, 0, 160_000));
        lanes.push(record(A, 1, 160_001));
        assert_eq!(taken(lanes.next(&frontier, CLOCK, None)), (0, 0));
        frontier.read(A, 0, Some(at(160_000)), CLOCK);
        assert!(matches!(lanes.next(&frontier, CLOCK, None), Next::Wait));
    }

    #[test]
    fn what_is_behind_is_what_there_is_to_read() {
        let (mut lanes, mut frontier) = (Lanes::new(2), Frontier::new(2));
        let read_to_its_end = Ends { high: 0, stable: 0 };
        assert_eq!(lanes.behind(&frontier, CLOCK), Millis::ZERO, "nothing is assigned");
        for stream in [A, B] {
            frontier.assign(stream, 0, EffectiveTime::default());
            frontier.ends(stream, read_to_its_end, Some(at(1_000)));
        }
        assert_eq!(lanes.behind(&frontier, CLOCK), Millis::ZERO, "both were read to their ends");
        lanes.push(record(A, 0, 9_000_000));
        lanes.push(record(B, 0, 9_999_950));
        assert_eq!(lanes.behind(&frontier, CLOCK), Millis::from_secs(1_000), "A's comes first");
        lanes.clear();
        lanes.push(record(A, 0, 500));
        frontier.ends(A, read_to_its_end, Some(at(9_999_900)));
        assert_eq!(lanes.behind(&frontier, CLOCK), Millis::new(100), "of A all is read that was there 100 ms ago");
    }

    #[test]
    fn what_the_broker_still_has_is_behind_as_far_as_it_was_read_and_an_open_transaction_is_not() {
        let (lanes, mut frontier) = (Lanes::new(2), assigned());
        assert_eq!(lanes.behind(&frontier, CLOCK), CLOCK - Timestamp::MIN, "nobody knows what there is");
        frontier.read(A, 0, Some(at(9_000_000)), CLOCK);
        frontier.ends(A, Ends { high: 9, stable: 9 }, Some(CLOCK));
        frontier.ends(B, Ends { high: 9, stable: 0 }, Some(CLOCK));
        assert_eq!(lanes.behind(&frontier, CLOCK), Millis::from_secs(1_000));
        frontier.ends(A, Ends { high: 9, stable: 1 }, Some(CLOCK));
        assert_eq!(lanes.behind(&frontier, CLOCK), Millis::ZERO);
    }

    #[test]
    fn a_full_buffer_is_paused_once_and_resumed_when_half_empty() {
        let (mut lanes, mut frontier) = (Lanes::new(2), assigned());
        frontier.ends(B, Ends { high: 0, stable: 0 }, Some(CLOCK));
        for offset in 0..RECORDS_MAX as i64 {
            lanes.push(record(A, offset, 1));
        }
        assert_eq!((lanes.take_full(), lanes.take_full()), (vec![A], vec![]));
        assert!(lanes.take_drained().is_empty());
        for _ in 0..RECORDS_MAX / 2 {
            taken(lanes.next(&frontier, CLOCK, None));
        }
        assert_eq!((lanes.take_drained(), lanes.take_drained()), (vec![A], vec![]));
    }
}
