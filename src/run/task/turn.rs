//! A shard's turn: what is buffered is applied and judged.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::domain::{StreamId, Timestamp};
use crate::run::lanes::Next;
use crate::run::put_off::PutOff;
use crate::run::wire::Wire;
use crate::telemetry::emit;
use crate::telemetry::events::{BatchApplied, StreamCounts};

use super::{BATCH_DEAD_LETTERS, Fate, Phase, Task};

/// Records applied in one turn, so that a turn stays short while catching up.
const BATCH_RECORDS: usize = 2_000;

/// What became of what is buffered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// All that can be applied is.
    All,
    /// There is more that can be applied now.
    Some,
    /// A record waits until the frontier has come to it.
    Waits,
}

/// What a turn goes by.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Our clock.
    pub clock: Timestamp,
    /// The same, for what is measured and not told.
    pub monotonic: Instant,
    /// For how long things were put off.
    pub put_off: PutOff,
    /// In the turn before, a shard had more records than one turn takes.
    pub more_to_read: bool,
}

impl Task {
    /// Applies what is buffered and judges it, unless that is put off. Tells whether there is more that can be applied now.
    pub fn turn(&mut self, wire: &Wire, turn: Turn) -> bool {
        let taken = self.take_batch(wire, turn.clock);
        let goes_on = taken == Taken::Some || taken == Taken::All && turn.more_to_read;
        if !goes_on || !turn.put_off.judging(self.behind(turn.clock)) {
            self.advance(turn.monotonic);
        }
        taken == Taken::Some
    }

    /// Applies what is buffered, in the order of effective time.
    pub fn take_batch(&mut self, wire: &Wire, clock: Timestamp) -> Taken {
        let mut counts: BTreeMap<StreamId, StreamCounts> = BTreeMap::new();
        let mut taken = Taken::All;
        self.took = 0;
        self.lanes.fill();
        for number in 0..=BATCH_RECORDS {
            if number == BATCH_RECORDS || self.dead_letters.len() >= BATCH_DEAD_LETTERS {
                taken = if self.lanes.all_empty() { Taken::All } else { Taken::Some };
                break;
            }
            let until = match &self.phase {
                Phase::Replaying(replaying) => Some(replaying.until.as_slice()),
                _ => None,
            };
            self.shard.look_ahead(self.lanes.fresh());
            match self.lanes.next(&self.frontier, clock, until) {
                Next::Take(record) => {
                    let stream = record.input.stream;
                    self.took += 1;
                    if self.apply(wire, &record, clock, counts.entry(stream).or_default()) == Fate::NotYet {
                        self.wait_with(wire, record, clock, &mut counts);
                        taken = Taken::Waits;
                        break;
                    }
                }
                Next::Wait | Next::Empty => break,
            }
        }
        match &mut self.phase {
            Phase::Replaying(replaying) => replaying.records += counts.values().map(|c| c.events).sum::<u64>(),
            _ => {
                for (stream, counts) in counts {
                    emit(BatchApplied { meters: &wire.meters, stream, counts });
                }
            }
        }
        taken
    }
}
