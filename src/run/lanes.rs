//! A shard's lanes, one for each input, and which record is taken next. Pure.
//!
//! A lane holds a few records; the others wait where they are fed from.
//!
//! While catching up, no input is read far ahead of its siblings: the record with the least effective time goes first,
//! and one that lies ahead of a sibling that is still behind waits for it.

use std::collections::VecDeque;
use std::fmt::Debug;

use crate::domain::{Millis, StreamId, Timestamp};
use crate::engine::{Frontier, HeldCause, LOOK_AHEAD};
use crate::kafka::Fetched;
use crate::kafka::input::Input;

/// How far in record time an input may be read ahead of a sibling whose next record is not here yet.
const AHEAD_MAX: Millis = Millis::from_secs(60);

/// Where the records of an input come from.
pub trait Feed: Debug + Send {
    /// The next one, where it is here.
    fn take(&mut self) -> Option<Fetched>;
}

impl Feed for Input {
    fn take(&mut self) -> Option<Fetched> {
        Input::take(self)
    }
}

#[derive(Debug, Default)]
struct Lane {
    records: VecDeque<Fetched>,
    feed: Option<Box<dyn Feed>>,
    /// Was filled since it was last asked.
    is_fresh: bool,
}

impl Lane {
    fn pop(&mut self) -> Option<Fetched> {
        let record = self.records.pop_front()?;
        self.fill();
        Some(record)
    }

    /// So few at once that they are in the caches still when it is their turn.
    fn fill(&mut self) {
        if let Some(feed) = self.feed.as_mut().filter(|_| self.records.is_empty()) {
            self.records.extend(std::iter::from_fn(|| feed.take()).take(LOOK_AHEAD));
            self.is_fresh = true;
        }
    }
}

/// The lanes of one shard, indexed by stream.
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
    /// Empty lanes for so many streams.
    pub fn new(streams: usize) -> Self {
        Lanes { lanes: (0..streams).map(|_| Lane::default()).collect() }
    }

    /// Says where a stream's records come from.
    pub fn feed(&mut self, stream: StreamId, from: Box<dyn Feed>) {
        if let Some(lane) = self.lanes.get_mut(usize::from(stream.0)) {
            lane.feed = Some(from);
        }
    }

    /// Takes what has come for the lanes that are empty.
    pub fn fill(&mut self) {
        self.lanes.iter_mut().for_each(Lane::fill);
    }

    /// The keys of what came since the last call, with their streams.
    pub fn fresh(&mut self) -> impl Iterator<Item = (StreamId, &[u8])> {
        let fresh = self.lanes.iter_mut().filter_map(|lane| std::mem::take(&mut lane.is_fresh).then_some(&*lane));
        fresh.flat_map(|lane| &lane.records).filter_map(|record| Some((record.input.stream, record.key()?)))
    }

    /// Adds a record.
    pub fn push(&mut self, record: Fetched) {
        if let Some(lane) = self.lanes.get_mut(usize::from(record.input.stream.0)) {
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
            lane.records.push_front(record);
        }
    }

    /// Throws away what waits, and what it is fed from: it is fetched again from the position.
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

    /// Records that come one after the other, until there is none for now.
    #[derive(Debug)]
    struct Coming(Vec<Option<Fetched>>);

    impl Feed for Coming {
        fn take(&mut self) -> Option<Fetched> {
            self.0.pop().flatten()
        }
    }

    #[test]
    fn a_lane_is_fed_as_it_empties_and_a_dry_one_is_asked_in_the_next_turn() {
        let (mut lanes, mut frontier) = (Lanes::new(2), assigned());
        frontier.ends(B, Ends { high: 0, stable: 0 }, Some(CLOCK));
        let first = (0..LOOK_AHEAD as i64 + 2).map(|offset| Some(record(A, offset, offset)));
        let mut feed: Vec<_> = first.chain([None, None, Some(record(A, 99, 99))]).collect();
        feed.reverse();
        lanes.feed(A, Box::new(Coming(feed)));
        assert!(lanes.all_empty(), "nothing is taken before its turn");
        lanes.fill();
        assert_eq!(lanes.lanes[0].records.len(), LOOK_AHEAD);
        for offset in 0..LOOK_AHEAD as i64 + 2 {
            assert_eq!(taken(lanes.next(&frontier, CLOCK, None)), (0, offset));
        }
        assert!(matches!(lanes.next(&frontier, CLOCK, None), Next::Empty));
        lanes.fill();
        assert_eq!(taken(lanes.next(&frontier, CLOCK, None)), (0, 99));
        lanes.clear();
        lanes.fill();
        assert!(lanes.all_empty());
    }
}
