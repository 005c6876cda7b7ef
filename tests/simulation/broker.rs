//! A Kafka of the mind: partitions, transactions whose markers arrive partition by partition, a group whose generation
//! fences, commits that hang on a transaction's marker, compaction.
//!
//! What a read_committed reader sees, where the last stable offset stands, and when a commit is refused are as the
//! protocol has them (KIP-98, KIP-447); everything else is left out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::codec::Format;
use crate::domain::{Str, Timestamp};
use crate::kafka::KafkaFailure;
use crate::kafka::current::{Entry as ReadBack, Visit};
use crate::kafka::offsets::{CommitNote, Committed};
use crate::run::RunError;
use crate::run::recovery::Log;

use super::rng::Rng;

pub type Txn = u64;
/// A process's number; a restarted one has another.
pub type Member = u64;

/// A transaction as its coordinator has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Open,
    Committed,
    Aborted,
}

/// Where a transaction has written, and its marker must come.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Place {
    Log(String, i32),
    /// The group's offsets: one partition of Kafka's own topic.
    Offsets,
}

#[derive(Debug)]
struct Transaction {
    fate: Fate,
    owner: Option<Member>,
    begun: i64,
    /// Where its marker has not arrived.
    unmarked: BTreeSet<Place>,
}

/// A record to append.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub time: i64,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    /// What the simulation knows of it: an input's place among the shop's records, an output's batch.
    pub tag: usize,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub offset: i64,
    /// When it was appended, by the world's time.
    pub appended: i64,
    pub txn: Option<Txn>,
    /// `None` is a transaction's marker.
    pub record: Option<Record>,
}

#[derive(Debug, Default)]
pub struct Partition {
    pub entries: Vec<Entry>,
    next: i64,
    first: i64,
    /// First offset of each transaction whose marker is not here.
    undecided: BTreeMap<Txn, i64>,
}

impl Partition {
    pub fn high(&self) -> i64 {
        self.next
    }

    /// The last stable offset.
    pub fn stable(&self) -> i64 {
        self.undecided.values().copied().min().unwrap_or(self.next)
    }
}

/// Offsets that a transaction's marker decides.
#[derive(Debug)]
struct Pending {
    txn: Txn,
    commits: Vec<(String, i32, Commit)>,
}

#[derive(Clone, Debug)]
struct Commit {
    offset: i64,
    note: String,
}

#[derive(Debug, Default)]
pub struct Broker {
    pub now: i64,
    logs: BTreeMap<(String, i32), Partition>,
    txns: BTreeMap<Txn, Transaction>,
    next_txn: Txn,
    commits: BTreeMap<(String, i32), Commit>,
    pending: Vec<Pending>,
    pub generation: u64,
    pub members: BTreeSet<Member>,
    /// Whose commits were refused, in words, for those who look into a run.
    pub refused: u64,
}

impl Broker {
    pub fn new(now: i64) -> Self {
        Broker { now, ..Broker::default() }
    }

    pub fn log(&self, topic: &str, partition: i32) -> &Partition {
        static EMPTY: Partition = Partition { entries: Vec::new(), next: 0, first: 0, undecided: BTreeMap::new() };
        self.logs.get(&(topic.to_owned(), partition)).unwrap_or(&EMPTY)
    }

    /// Begins a transaction. A producer's next one waits until all markers of the one before have arrived.
    pub fn begin(&mut self, owner: Option<Member>) -> Txn {
        let earlier = self.txns.iter().filter(|(_, held)| owner.is_some() && held.owner == owner);
        let places: Vec<_> =
            earlier.flat_map(|(txn, held)| held.unmarked.iter().map(|place| (*txn, place.clone()))).collect();
        places.iter().for_each(|(txn, place)| self.deliver(*txn, place));
        self.next_txn += 1;
        let begun = self.now;
        self.txns.insert(self.next_txn, Transaction { fate: Fate::Open, owner, begun, unmarked: BTreeSet::new() });
        self.next_txn
    }

    /// Appends; `None` where the transaction was ended meanwhile.
    pub fn append(&mut self, topic: &str, partition: i32, txn: Option<Txn>, record: Record) -> Option<i64> {
        if let Some(txn) = txn {
            let held = self.txns.get_mut(&txn).filter(|held| held.fate == Fate::Open)?;
            held.unmarked.insert(Place::Log(topic.to_owned(), partition));
        }
        let appended = self.now;
        let log = self.logs.entry((topic.to_owned(), partition)).or_default();
        let offset = log.next;
        log.next += 1;
        log.entries.push(Entry { offset, appended, txn, record: Some(record) });
        if let Some(txn) = txn {
            log.undecided.entry(txn).or_insert(offset);
        }
        Some(offset)
    }

    pub fn fate(&self, txn: Txn) -> Fate {
        self.txns.get(&txn).map_or(Fate::Aborted, |held| held.fate)
    }

    /// Decides a transaction; `false` where it was decided otherwise before.
    pub fn end(&mut self, txn: Txn, fate: Fate) -> bool {
        match self.txns.get_mut(&txn) {
            Some(held) if held.fate == Fate::Open => {
                held.fate = fate;
                true
            }
            Some(held) => held.fate == fate,
            None => false,
        }
    }

    /// Aborts what was begun before `since`, as the coordinator does when its time is up.
    pub fn expire(&mut self, since: i64) {
        for txn in self.txns.values_mut().filter(|txn| txn.fate == Fate::Open && txn.begun < since) {
            txn.fate = Fate::Aborted;
        }
    }

    fn due_markers(&self) -> Vec<(Txn, Place)> {
        let decided = self.txns.iter().filter(|(_, held)| held.fate != Fate::Open);
        decided.flat_map(|(txn, held)| held.unmarked.iter().map(|place| (*txn, place.clone()))).collect()
    }

    /// One marker arrives somewhere.
    pub fn deliver_a_marker(&mut self, rng: &mut Rng) {
        if let Some((txn, place)) = rng.pick(&self.due_markers()).cloned() {
            self.deliver(txn, &place);
        }
    }

    pub fn deliver_all_markers(&mut self) {
        for (txn, place) in self.due_markers() {
            self.deliver(txn, &place);
        }
    }

    fn deliver(&mut self, txn: Txn, place: &Place) {
        let Some(held) = self.txns.get_mut(&txn) else { return };
        held.unmarked.remove(place);
        let committed = held.fate == Fate::Committed;
        match place {
            Place::Log(topic, partition) => {
                let appended = self.now;
                let Some(log) = self.logs.get_mut(&(topic.clone(), *partition)) else { return };
                log.entries.push(Entry { offset: log.next, appended, txn: Some(txn), record: None });
                log.next += 1;
                log.undecided.remove(&txn);
            }
            Place::Offsets => {
                let (ours, others): (Vec<Pending>, _) =
                    std::mem::take(&mut self.pending).into_iter().partition(|pending| pending.txn == txn);
                self.pending = others;
                let stand = ours.into_iter().flat_map(|pending| pending.commits).filter(|_| committed);
                self.commits.extend(stand.map(|(topic, partition, commit)| ((topic, partition), commit)));
            }
        }
    }

    /// Takes offsets into a transaction, or commits them at once; `false` for a member of another time.
    pub fn take_offsets(
        &mut self,
        member: Member,
        generation: u64,
        txn: Option<Txn>,
        offsets: impl IntoIterator<Item = (String, i32, i64, CommitNote)>,
    ) -> bool {
        if generation != self.generation || !self.members.contains(&member) {
            self.refused += 1;
            return false;
        }
        let each = offsets
            .into_iter()
            .map(|(topic, partition, offset, note)| (topic, partition, Commit { offset, note: note.encode() }));
        let all: Vec<_> = each.collect();
        match txn {
            None => all.into_iter().for_each(|(topic, partition, commit)| {
                self.commits.insert((topic, partition), commit);
            }),
            Some(txn) => {
                let Some(held) = self.txns.get_mut(&txn).filter(|held| held.fate == Fate::Open) else {
                    return false;
                };
                held.unmarked.insert(Place::Offsets);
                self.pending.push(Pending { txn, commits: all });
            }
        }
        true
    }

    /// What a read_committed reader finds from `position` on, up to `max` records, and where it stands then.
    pub fn fetch(&self, topic: &str, partition: i32, position: i64, max: usize) -> (Vec<&Entry>, i64) {
        let log = self.log(topic, partition);
        let (stable, mut found, mut position) = (log.stable(), Vec::new(), position.max(log.first));
        for entry in log.entries.iter().filter(|entry| entry.offset < stable) {
            if entry.offset < position {
                continue;
            }
            if found.len() == max {
                return (found, position);
            }
            if self.is_visible(entry) {
                found.push(entry);
            }
            position = entry.offset + 1;
        }
        (found, position.max(stable))
    }

    /// A record that stands: no marker, and of no transaction but a committed one.
    pub fn is_visible(&self, entry: &Entry) -> bool {
        entry.record.is_some() && entry.txn.is_none_or(|txn| self.fate(txn) == Fate::Committed)
    }

    /// Retention: what lies before `offset` cannot be read any more. The truth still knows it.
    pub fn cut(&mut self, topic: &str, partition: i32, offset: i64) {
        if let Some(log) = self.logs.get_mut(&(topic.to_owned(), partition)) {
            log.first = log.first.max(offset);
        }
    }

    /// Removes records that a later one of the same key has replaced.
    pub fn compact(&mut self, topic: &str, partition: i32) {
        let stable = self.log(topic, partition).stable();
        let mut last: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        for entry in self.log(topic, partition).entries.iter().filter(|entry| entry.offset < stable) {
            if let (true, Some(record)) = (self.is_visible(entry), &entry.record) {
                last.insert(record.key.clone(), entry.offset);
            }
        }
        let fates: BTreeSet<Txn> =
            self.txns.iter().filter(|(_, held)| held.fate == Fate::Committed).map(|(txn, _)| *txn).collect();
        let Some(log) = self.logs.get_mut(&(topic.to_owned(), partition)) else { return };
        log.entries.retain(|entry| match &entry.record {
            Some(record) if entry.offset < stable => {
                let stands = entry.txn.is_none_or(|txn| fates.contains(&txn));
                stands && last.get(&record.key) == Some(&entry.offset)
            }
            _ => true,
        });
    }
}

/// What a restore asks. What would make it wait is an error here: it asks again.
impl Log for RefCell<Broker> {
    fn commits(&self, topics: &[Str], partition: i32) -> Result<Vec<Option<Committed>>, RunError> {
        let broker = self.borrow();
        let undecided = broker.pending.iter().flat_map(|pending| &pending.commits).any(|(_, of, _)| *of == partition);
        if undecided {
            return Err(waits("the group's offsets", partition));
        }
        let each = topics.iter().map(|topic| {
            let commit = broker.commits.get(&(topic.to_string(), partition))?;
            Some(Committed { offset: commit.offset, note: CommitNote::decode(&commit.note) })
        });
        Ok(each.collect())
    }

    fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), RunError> {
        let broker = self.borrow();
        let log = broker.log(topic, partition);
        Ok((log.first, log.stable()))
    }

    fn end(&self, topic: &str, partition: i32) -> Result<i64, RunError> {
        Ok(self.borrow().log(topic, partition).high())
    }

    fn offset_at(&self, topic: &str, partition: i32, at: Timestamp) -> Result<Option<i64>, RunError> {
        let broker = self.borrow();
        let late = |entry: &&Entry| entry.record.as_ref().is_some_and(|record| record.time >= at.as_millis());
        Ok(broker.log(topic, partition).entries.iter().find(late).map(|entry| entry.offset))
    }

    fn time_at(&self, topic: &str, partition: i32, offset: i64) -> Result<Option<Timestamp>, RunError> {
        let broker = self.borrow();
        let (first, _) = broker.fetch(topic, partition, offset, 1);
        Ok(first.first().and_then(|entry| Some(Timestamp::from_millis(entry.record.as_ref()?.time))))
    }

    fn read_back(&self, topic: &str, partition: i32, target: i64, visit: &mut Visit<'_>) -> Result<i64, RunError> {
        let broker = self.borrow();
        // What was never written is not waited for.
        let log = broker.log(topic, partition);
        if log.stable() < target.min(log.high()) {
            return Err(waits(topic, partition));
        }
        let (entries, position) = broker.fetch(topic, partition, 0, usize::MAX);
        for (offset, record) in entries.iter().filter_map(|entry| Some((entry.offset, entry.record.as_ref()?))) {
            let entry = ReadBack {
                offset,
                key: Some(&record.key),
                value: record.value.as_deref(),
                content_type: Some(Format::Json.content_type().as_bytes()),
            };
            // The one error that a restore does not come back to: what we wrote cannot be read.
            visit(entry).map_err(RunError::Policies)?;
        }
        Ok(position)
    }
}

fn waits(topic: &str, partition: i32) -> RunError {
    KafkaFailure::NotReached { topic: Str::new(topic), partition, position: 0, target: 1, waited_s: 0 }.into()
}
