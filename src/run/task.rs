//! One shard held here: from a polled record to what is to be published.

mod apply;
mod turn;

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::codec::OutputRecord;
use crate::domain::{Exception, Millis, Str, StreamId, Timestamp};
use crate::engine::{Frontier, Shard, ShardCounters, Teller, Transition};
use crate::kafka::InputPartition;
use crate::kafka::offsets::ShardOffsets;
use crate::telemetry::emit;
use crate::telemetry::events::ShardRestored;

use super::commits::{Commits, streams};
use super::lanes::Lanes;
use super::overheard::Overheard;
use super::recovery::Restored;
use super::replaying::Replaying;
use super::told::Published;
use super::wire::Wire;

pub use turn::{Taken, Turn};

/// Dead letters in one turn: each may be as large as the largest record.
const BATCH_DEAD_LETTERS: usize = 100;
/// What is to be told to the backlogs' sum waits so long for other reasons to commit.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Done,
    /// It is to be taken again when the frontier has come to it.
    NotYet,
}

/// What a task is doing.
#[derive(Debug)]
pub enum Phase {
    /// The inputs are replayed from the snapshot's offsets to the committed ones, muted.
    Replaying(Replaying),
    /// It judges.
    Live,
    /// Its partitions were revoked; it waits in memory until the next assignment is known.
    Parked {
        /// Since when.
        since: Instant,
    },
}

/// One shard.
#[derive(Debug)]
pub struct Task {
    /// Partition n of every input.
    pub partition: i32,
    /// Tells this state of the shard from others that were here.
    pub epoch: u64,
    /// Its facts, timers and published set.
    pub shard: Shard,
    /// Its frontier.
    pub frontier: Frontier,
    /// What was read and not applied.
    pub lanes: Lanes,
    /// How many records its last turn took.
    pub took: usize,
    /// What it is doing.
    pub phase: Phase,
    /// The version of the policy document that it is judged by.
    pub policies: Str,
    /// Whether its partitions were let go; until then `from` says from where.
    pub started: bool,
    /// The high watermark of each input, as it was told last.
    pub high: Vec<Option<i64>>,
    /// What was committed of it.
    pub commits: Commits,
    /// The counters as they were reported last.
    pub reported: ShardCounters,
    /// Whether anything was published since the standing exceptions were counted.
    pub news: bool,
    /// How long its restore took, once it is done.
    pub restored_in: Option<Duration>,
    /// The committed frontier, where the last commit was made under another policy document.
    pub in_force_from: Option<Timestamp>,
    /// What was published of it last is in the log in part, or not; nobody knows.
    pub uncertain: bool,
    /// What it has to tell the backlogs' sum.
    teller: Teller,
    /// What others published of it.
    pub overheard: Overheard,
    told_at: Option<Instant>,
    dead_letters: Vec<OutputRecord>,
    /// What the control topic is to be told of its policy document.
    decree: Vec<OutputRecord>,
    /// States that the histories may lack.
    retell: Vec<Exception>,
    /// States that an older one lies behind, said by somebody whom nothing fenced.
    repair: Vec<Exception>,
}

impl Task {
    /// A shard as the restore gives it. `process` and `epoch` together name no other state of a shard; `began` is our clock,
    /// where nothing fences a process that has lost it.
    pub fn restored(restored: Restored, epoch: u64, process: &str, began: Option<Timestamp>) -> Self {
        let streams = restored.inputs.from.len();
        Task {
            teller: restored.shard.teller(format!("{process}/{epoch}").into(), began),
            epoch,
            overheard: Overheard::default(),
            told_at: None,
            partition: restored.shard.partition(),
            reported: restored.shard.counters(),
            news: true,
            restored_in: None,
            in_force_from: restored.in_force_from(),
            policies: restored.policies.version.clone(),
            decree: restored.decree,
            shard: restored.shard,
            frontier: restored.inputs.frontier,
            lanes: Lanes::new(streams),
            took: 0,
            phase: Phase::Replaying(Replaying {
                until: restored.inputs.until,
                published: restored.published,
                doubted: restored.doubted,
                reached: restored.reached,
                told: restored.told,
                orders: restored.orders,
                records: 0,
                began: restored.began,
            }),
            started: false,
            uncertain: false,
            high: vec![None; streams],
            commits: Commits::restored(
                restored.inputs.committed,
                restored.inputs.began_at,
                restored.inputs.completeness.since,
                restored.current_next,
                restored.began,
            ),
            dead_letters: Vec::new(),
            retell: restored.retell,
            repair: restored.repair,
        }
    }

    /// Its partitions went; its state stays until it is known who has them next.
    pub fn park(&mut self, monotonic: Instant) {
        self.lanes.clear();
        self.started = false;
        if matches!(self.phase, Phase::Live) {
            self.phase = Phase::Parked { since: monotonic };
        }
    }

    /// Nobody had it in between: it goes on from where it stood.
    pub fn unpark(&mut self) {
        for stream in self.streams() {
            let (position, effective) = (self.frontier.position(stream).unwrap_or(0), self.frontier.effective(stream));
            self.frontier.assign(stream, position, effective);
        }
        self.phase = Phase::Live;
    }

    /// Whether it waits for the next assignment.
    pub fn is_parked(&self) -> bool {
        matches!(self.phase, Phase::Parked { .. })
    }

    /// Whether it judges.
    pub fn is_live(&self) -> bool {
        self.started && matches!(self.phase, Phase::Live)
    }

    /// The declared streams.
    pub fn streams(&self) -> impl Iterator<Item = StreamId> + use<> {
        streams(self.high.len())
    }

    /// Its inputs, each with the next offset to read.
    pub fn positions(&self) -> Vec<(InputPartition, i64)> {
        let partition = self.partition;
        let each = self
            .streams()
            .filter_map(|stream| Some((InputPartition { stream, partition }, self.frontier.position(stream)?)));
        each.collect()
    }

    /// The consumer stands there: what lies between is transaction markers, unless records still wait in the buffers.
    pub fn moved(&mut self, stream: StreamId, position: i64) {
        if self.started && self.lanes.is_empty(stream) {
            self.frontier.moved(stream, position);
        }
    }

    /// Judges what was applied, moves the shard's frontier to where its inputs have come, and ends the replay where it is at its
    /// end.
    pub fn advance(&mut self, monotonic: Instant) {
        let Some(frontier) = self.frontier.advance() else {
            self.finish_replay(monotonic);
            return;
        };
        if let Phase::Replaying(replaying) = &self.phase {
            self.shard.advance(replaying.reached.map_or(frontier, |reached| frontier.min(reached)));
            self.finish_replay(monotonic);
        }
        if matches!(self.phase, Phase::Live) {
            self.shard.advance(frontier);
            self.teller.take(self.shard.drain_partials());
            self.overheard.hand_to(&mut self.shard);
        }
    }

    fn finish_replay(&mut self, monotonic: Instant) {
        let Phase::Replaying(replaying) = &mut self.phase else { return };
        let streams = (0u16..).map(StreamId);
        let at_its_end = replaying.until.iter().zip(streams).all(|(until, stream)| {
            self.frontier.position(stream).is_some_and(|position| position >= *until)
                || self.lanes.starts_at(stream, *until)
        });
        if !self.started || !at_its_end {
            return;
        }
        let published = std::mem::take(&mut replaying.published);
        let count = published.len() as u64;
        self.shard.doubt(std::mem::take(&mut replaying.doubted));
        for exception in published {
            self.shard.restore_published(exception);
        }
        if let Some(reached) = replaying.reached {
            self.frontier.restore(reached);
            self.shard.advance(reached);
        }
        self.shard.unmute_from(replaying.told.unwrap_or(Timestamp::MIN));
        let took = monotonic.saturating_duration_since(replaying.began);
        emit(ShardRestored {
            shard: self.partition,
            took,
            orders: replaying.orders,
            records: replaying.records,
            published: count,
            frontier: replaying.reached.unwrap_or(Timestamp::MIN),
        });
        self.restored_in = Some(took);
        self.reported = self.shard.counters();
        self.commits.nothing_new();
        self.phase = Phase::Live;
    }

    /// The replay as it stands, for those who watch: records done.
    pub fn replayed(&self) -> Option<u64> {
        match &self.phase {
            Phase::Replaying(replaying) => Some(replaying.records),
            _ => None,
        }
    }

    /// What holds now and was not published, the dead letters before it.
    pub fn drain(&mut self, wire: &Wire, clock: Timestamp, records: &mut Vec<OutputRecord>) -> Vec<Transition> {
        if !self.is_live() {
            return Vec::new();
        }
        let transitions = self.shard.drain_transitions(Some(clock));
        records.extend(self.decree.iter().chain(&self.dead_letters).cloned());
        records.extend(self.retell.iter().flat_map(|exception| wire.outputs.history_of(exception)));
        for exception in &self.repair {
            let again = Transition::Publish(Box::new(exception.clone()));
            records.extend(wire.outputs.transition(&again, self.partition));
        }
        for transition in &transitions {
            records.extend(wire.outputs.transition(transition, self.partition));
        }
        transitions
    }

    /// What the backlogs' sum is to be told with the offsets: whoever takes the shard up from there finds it told.
    pub fn tell(&mut self, wire: &Wire, monotonic: Instant, records: &mut Vec<OutputRecord>) {
        self.told_at = Some(monotonic);
        let key = Bytes::from(self.partition.to_string());
        records.extend(self.teller.drain(self.shard.frontier()).iter().map(|record| OutputRecord {
            topic: wire.partials.clone(),
            partition: Some(0),
            key: Some(key.clone()),
            value: Some(Bytes::from(record.to_json())),
            headers: Vec::new(),
        }));
    }

    /// Whether the backlogs' sum waits for it.
    pub fn wants_to_tell(&self, monotonic: Instant) -> bool {
        let is_time = self.told_at.is_none_or(|at| monotonic.saturating_duration_since(at) >= TELL_EVERY);
        is_time && self.has_to_tell()
    }

    /// Whether the sum is to be told with the next commit: of what changed, or that a grid point was passed.
    pub fn has_to_tell(&self) -> bool {
        self.is_live() && (self.teller.has_news() || self.teller.is_due(self.shard.frontier()))
    }

    /// Whether it has anything to write, other than offsets.
    pub fn says(&self, monotonic: Instant) -> bool {
        let says = !self.has_said_all() || !self.decree.is_empty() || self.wants_to_tell(monotonic);
        self.has_dead_letters() || says && self.is_live()
    }

    /// By how much what is read of its inputs lies behind the clock.
    pub fn behind(&self, clock: Timestamp) -> Millis {
        self.lanes.behind(&self.frontier, clock)
    }

    /// The earliest instant that the frontier must pass before something happens, or the sum is to be told.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let deadlines = [self.shard.next_deadline(), self.teller.next_deadline(), self.overheard.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// How many states are written to `exceptions-current` once more.
    pub fn repairs(&self) -> usize {
        self.repair.len()
    }

    /// What stands in its partition of `exceptions-current`.
    pub fn heard(&mut self, published: Published) {
        self.commits.written(Some(published.next.max(self.commits.current_next())));
        // What we have said since lies behind it anyway, and what is not in the log yet is still to be said.
        let ours = |e: &Exception| self.shard.told(e).filter(|ours| ours.age() == e.age()).cloned();
        let others = published.last.iter().filter(|theirs| ours(theirs).is_some_and(|ours| !ours.says(theirs)));
        let repair = published.overtaken.iter().chain(others).filter_map(ours).collect();
        self.repair = if self.shard.is_published() { repair } else { Vec::new() };
        self.overheard.read(published.last);
    }

    /// Whether dead letters wait for a commit.
    pub fn has_dead_letters(&self) -> bool {
        !self.dead_letters.is_empty()
    }

    /// Whether the offsets are to be committed although nothing is published. `force`: wherever they moved.
    pub fn wants_commit(&self, force: bool, monotonic: Instant) -> bool {
        self.is_live() && !self.is_settled() && (force || self.commits.are_due(monotonic))
    }

    /// Whether every offset stands committed, and what was published with it.
    pub fn is_settled(&self) -> bool {
        self.dead_letters.is_empty() && self.has_said_all() && self.commits.are_at(&self.frontier)
    }

    /// Whether no state of an exception waits to be written.
    fn has_said_all(&self) -> bool {
        self.shard.is_published() && self.retell.is_empty() && self.repair.is_empty()
    }

    /// What is to be committed.
    pub fn offsets(&self) -> ShardOffsets {
        self.commits.offsets(self.partition, &self.frontier, &self.policies)
    }

    /// The batch with these offsets stands.
    pub fn committed(&mut self, offsets: &ShardOffsets, current_next: Option<i64>, monotonic: Instant) {
        self.shard.committed();
        self.teller.committed();
        self.dead_letters.clear();
        self.retell.clear();
        self.repair.clear();
        self.decree.clear();
        self.commits.stand(offsets, current_next, monotonic);
    }

    /// Its records are in the log, its offsets are not committed.
    pub fn written(&mut self, current_next: Option<i64>) {
        self.shard.committed();
        self.teller.committed();
        self.dead_letters.clear();
        self.retell.clear();
        self.repair.clear();
        self.decree.clear();
        self.commits.written(current_next);
    }

    /// Nothing of it stands.
    pub fn aborted(&mut self) {
        self.shard.aborted();
        self.teller.aborted();
    }
}
