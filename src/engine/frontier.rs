//! The frontier: up to which time every input of a shard is known to have been read (DESIGN section 4).
//!
//! It is exclusive: every record whose effective time lies below it has been read. Time comes in as an argument; the
//! live run takes it from [`super::clock`], a replay from its start.

use crate::domain::{StreamId, Timestamp};
use crate::guard::{Guard, is_off};

/// Why a frontier stands still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeldCause {
    /// Records are waiting to be read.
    Behind,
    /// A transaction upstream is open.
    OpenTransaction,
    /// The broker does not answer.
    BrokerUnreachable,
    /// An input of the shard is not assigned here.
    NotAssigned,
    /// The wall clock and the monotonic clock disagree.
    ClockHold,
}

impl HeldCause {
    /// Every cause.
    pub const ALL: [HeldCause; 5] = [
        HeldCause::Behind,
        HeldCause::OpenTransaction,
        HeldCause::BrokerUnreachable,
        HeldCause::NotAssigned,
        HeldCause::ClockHold,
    ];

    /// As metrics and logs spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            HeldCause::Behind => "behind",
            HeldCause::OpenTransaction => "open_transaction",
            HeldCause::BrokerUnreachable => "broker_unreachable",
            HeldCause::NotAssigned => "not_assigned",
            HeldCause::ClockHold => "clock_hold",
        }
    }
}

/// The running maximum of record time in one partition, in offset order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EffectiveTime {
    maximum: Option<Timestamp>,
}

impl EffectiveTime {
    /// As a snapshot gives it back.
    pub const fn restored(maximum: Option<Timestamp>) -> Self {
        EffectiveTime { maximum }
    }

    /// The maximum so far; `None` before the first record that has a time.
    pub const fn maximum(&self) -> Option<Timestamp> {
        self.maximum
    }

    /// The effective time that the next record would have. A record time ahead of `clock` counts for nothing, so one
    /// bad producer moves no frontier; before any record that counts it is `Timestamp::MIN`.
    pub fn peek(&self, record_time: Option<Timestamp>, clock: Timestamp) -> Timestamp {
        let counted = record_time.filter(|time| *time <= clock);
        self.maximum.max(counted).unwrap_or(Timestamp::MIN)
    }

    /// The record was read: its time enters the maximum, which is its effective time.
    pub fn enter(&mut self, record_time: Option<Timestamp>, clock: Timestamp) -> Timestamp {
        self.maximum = self.maximum.max(record_time.filter(|time| *time <= clock));
        self.maximum.unwrap_or(Timestamp::MIN)
    }
}

/// What a query for the ends of a partition answered, in offsets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// The high watermark, as a read_uncommitted client is told.
    pub high: i64,
    /// The last stable offset, as a read_committed client is told. It was asked after `high`.
    pub stable: i64,
}

/// One input stream's part of the shard.
#[derive(Clone, Copy, Debug)]
struct Input {
    assigned: bool,
    /// The next offset to read, transaction markers passed.
    position: i64,
    effective: EffectiveTime,
    /// When the last query was sent that found nothing left to read.
    caught_up_at: Option<Timestamp>,
    held: Option<HeldCause>,
}

impl Input {
    const UNASSIGNED: Input = Input {
        assigned: false,
        position: 0,
        effective: EffectiveTime::restored(None),
        caught_up_at: None,
        held: Some(HeldCause::NotAssigned),
    };

    fn frontier(&self) -> Option<Timestamp> {
        if self.assigned { self.caught_up_at.max(self.effective.maximum()) } else { None }
    }
}

/// One shard's frontier over all the declared inputs.
#[derive(Clone, Debug)]
pub struct Frontier {
    inputs: Vec<Input>,
    reached: Option<Timestamp>,
}

impl Frontier {
    /// Nothing is assigned yet; `inputs` is the number of declared streams.
    pub fn new(inputs: usize) -> Self {
        Frontier { inputs: vec![Input::UNASSIGNED; inputs], reached: None }
    }

    /// The stream's partition is read here from `position` on, with the maximum of what lies before it.
    pub fn assign(&mut self, stream: StreamId, position: i64, effective: EffectiveTime) {
        if let Some(input) = self.input(stream) {
            *input = Input { assigned: true, position, effective, caught_up_at: None, held: Some(HeldCause::Behind) };
        }
    }

    /// The frontier as a restart finds it committed: it goes on from there.
    pub fn restore(&mut self, committed: Timestamp) {
        self.reached = self.reached.max(Some(committed));
    }

    /// The effective time that the stream's next record would have; what the merge of siblings goes by.
    pub fn peek(&self, stream: StreamId, record_time: Option<Timestamp>, clock: Timestamp) -> Timestamp {
        self.inputs.get(usize::from(stream.0)).map_or(Timestamp::MIN, |input| input.effective.peek(record_time, clock))
    }

    /// A record was read and its time counts: everything but a dead letter whose event_time lies too far from it.
    /// Gives its effective time.
    pub fn read(
        &mut self,
        stream: StreamId,
        offset: i64,
        record_time: Option<Timestamp>,
        clock: Timestamp,
    ) -> Timestamp {
        let Some(input) = self.input(stream) else {
            return Timestamp::MIN;
        };
        input.position = input.position.max(offset.saturating_add(1));
        input.effective.enter(record_time, clock)
    }

    /// The stream's next record is here and has this time or a later one: everything before that was read.
    pub fn comes(&mut self, stream: StreamId, record_time: Option<Timestamp>, clock: Timestamp) {
        if let Some(input) = self.input(stream) {
            input.effective.enter(record_time, clock);
        }
    }

    /// The consumer stands at `position` and nothing that it gave waits to be applied: transaction markers and records
    /// that do not count are behind us.
    pub fn moved(&mut self, stream: StreamId, position: i64) {
        if let Some(input) = self.input(stream) {
            input.position = input.position.max(position);
        }
    }

    /// A query was answered. `asked_at` is the clock when it was **sent**; `None` while the clock holds.
    pub fn ends(&mut self, stream: StreamId, ends: Ends, asked_at: Option<Timestamp>) {
        let Some(input) = self.input(stream).filter(|input| input.assigned) else {
            return;
        };
        input.held = if input.position >= ends.high {
            // Everything written before the query has been read; what comes later has an effective time of its own.
            input.caught_up_at = input.caught_up_at.max(asked_at);
            asked_at.is_none().then_some(HeldCause::ClockHold)
        } else if input.position >= ends.stable {
            Some(HeldCause::OpenTransaction)
        } else {
            Some(HeldCause::Behind)
        };
    }

    /// A query was not answered: nobody knows what there is to read.
    pub fn unreachable(&mut self) {
        for input in self.inputs.iter_mut().filter(|input| input.assigned) {
            input.held = Some(HeldCause::BrokerUnreachable);
        }
    }

    /// The least of all inputs', and `None` while one of them is not assigned or has shown nothing. It never goes back.
    pub fn advance(&mut self) -> Option<Timestamp> {
        let mut least = Timestamp::MAX;
        let inputs = match is_off(Guard::FrontierOverAllInputs) {
            true => self.inputs.get(..1).unwrap_or_default(),
            false => &self.inputs,
        };
        for input in inputs {
            least = least.min(input.frontier()?);
        }
        if !self.inputs.is_empty() {
            self.reached = self.reached.max(Some(least));
        }
        self.reached
    }

    /// What [`Frontier::advance`] gave last, or what was restored.
    pub fn reached(&self) -> Option<Timestamp> {
        self.reached
    }

    /// Whether every declared input is assigned here.
    pub fn is_whole(&self) -> bool {
        self.inputs.iter().all(|input| input.assigned)
    }

    /// The input that holds the frontier back most, and why; `None` when all have been read to their ends.
    pub fn held(&self) -> Option<(StreamId, HeldCause)> {
        let held = self.inputs.iter().zip(0u16..).filter_map(|(input, index)| Some((input, index, input.held?)));
        held.min_by_key(|(input, ..)| input.frontier()).map(|(_, index, cause)| (StreamId(index), cause))
    }

    /// The time up to which this input is known to have been read; `None` while it has shown nothing.
    pub fn reached_in(&self, stream: StreamId) -> Option<Timestamp> {
        self.inputs.get(usize::from(stream.0)).and_then(Input::frontier)
    }

    /// Why this input is held; `None` when it was read to its end.
    pub fn held_cause(&self, stream: StreamId) -> Option<HeldCause> {
        self.inputs.get(usize::from(stream.0)).and_then(|input| input.held)
    }

    /// Whether this input has records that were not read, as far as is known.
    pub fn is_behind(&self, stream: StreamId) -> bool {
        self.held_cause(stream) == Some(HeldCause::Behind)
    }

    /// The next offset to read of a stream; `None` while it is not assigned.
    pub fn position(&self, stream: StreamId) -> Option<i64> {
        self.inputs.get(usize::from(stream.0)).filter(|input| input.assigned).map(|input| input.position)
    }

    /// The running maximum of a stream, for a snapshot.
    pub fn effective(&self, stream: StreamId) -> EffectiveTime {
        self.inputs.get(usize::from(stream.0)).map(|input| input.effective).unwrap_or_default()
    }

    fn input(&mut self, stream: StreamId) -> Option<&mut Input> {
        self.inputs.get_mut(usize::from(stream.0))
    }
}

#[cfg(test)]
#[path = "frontier_tests.rs"]
mod tests;
