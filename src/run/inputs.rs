//! Where the inputs of a restored shard go on: from its snapshot, its commits, or, where both are gone, from the
//! beginning that is left.

use crate::config::StartFrom;
use crate::domain::{Str, StreamId, entity};
use crate::engine::{EffectiveTime, Frontier};
use crate::kafka::offsets::Committed;
use crate::snapshot::{SnapshotHeader, SnapshotInput};
use crate::telemetry::emit;
use crate::telemetry::events::InputMadeAnew;

use super::RunError;
use super::completeness::{Completeness, Missing};
use super::recovery::{Log, Recovery, Shelf};

/// Where the inputs of a shard go on; lists are by stream.
#[derive(Debug)]
pub struct Inputs {
    /// Assigned, with the snapshot's maxima.
    pub frontier: Frontier,
    /// The first offset to read.
    pub from: Vec<i64>,
    /// The commit up to which they are replayed muted.
    pub until: Vec<i64>,
    /// The first offset that the group ever read.
    pub began_at: Vec<i64>,
    /// The group's commits, of inputs that are still the ones that they were made of.
    pub committed: Vec<Option<Committed>>,
    /// An input that ends below what was read of it, and where it ends.
    pub made_anew: Option<(Str, i64)>,
    /// From when on the shard's facts are whole.
    pub completeness: Completeness,
}

/// What is known of one input.
struct Known<'a> {
    topic: &'a Str,
    /// What its events are about.
    entity: &'a Str,
    partition: i32,
    commit: Option<&'a Committed>,
    header: Option<&'a SnapshotHeader>,
    /// The first offset kept.
    first: i64,
    /// The last stable offset.
    end: i64,
}

struct Place {
    from: i64,
    until: i64,
    began_at: i64,
    /// Where it would begin, had nothing been removed and nothing been left out.
    needed: i64,
    /// Whether the group has read this input before.
    known: bool,
    /// The topic was made anew since the commit, which is worth nothing, and ends there.
    anew: Option<i64>,
}

impl Place {
    /// The records that it needs and cannot have.
    fn missing(&self) -> Option<Missing> {
        (self.needed < self.from).then_some(Missing { needed: self.needed, first: self.from, lost: self.known })
    }
}

impl<L: Log, S: Shelf> Recovery<'_, L, S> {
    /// Where the inputs of a shard go on. `to_the_end`: what was said ahead of the commits rests on records beyond them
    /// (`at_least_once`), none of them beyond the end as it is now.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) fn inputs(
        &self,
        partition: i32,
        committed: &[Option<Committed>],
        header: Option<&SnapshotHeader>,
        to_the_end: bool,
    ) -> Result<Inputs, RunError> {
        let topics = self.topics();
        let mut inputs = Inputs {
            frontier: Frontier::new(topics.len()),
            from: Vec::with_capacity(topics.len()),
            until: Vec::with_capacity(topics.len()),
            began_at: Vec::with_capacity(topics.len()),
            committed: Vec::with_capacity(topics.len()),
            made_anew: None,
            completeness: Completeness::noted(committed, header),
        };
        for (index, (topic, commit)) in topics.iter().zip(committed).enumerate() {
            let (first, end) = self.log.bounds(topic, partition)?;
            let entity = self.config.streams.get(index).map_or(entity::ORDER.name(), |stream| stream.entity.name());
            let known = Known { topic, entity, partition, commit: commit.as_ref(), header, first, end };
            let place = self.place(&known)?;
            if let Some(missing) = place.missing() {
                let time = self.log.time_at(topic, partition, place.from)?;
                inputs.completeness.lacks(topic, missing, time.unwrap_or(self.now).min(self.now));
            }
            let stream = StreamId(u16::try_from(index).unwrap_or(u16::MAX));
            inputs.frontier.assign(stream, place.from, known.effective());
            inputs.from.push(place.from);
            inputs.until.push(if to_the_end { place.until.max(end) } else { place.until });
            inputs.began_at.push(place.began_at);
            inputs.committed.push(commit.clone().filter(|_| place.anew.is_none()));
            inputs.made_anew = place.anew.map(|end| (topic.clone(), end)).or(inputs.made_anew);
        }
        Ok(inputs)
    }

    fn place(&self, known: &Known<'_>) -> Result<Place, RunError> {
        let Known { topic, partition, commit, first, end, .. } = *known;
        let noted = commit.and_then(|commit| commit.note.as_ref()).map(|note| note.began_at);
        let (committed, held) = (commit.map(|commit| commit.offset), known.held());
        let is_known = commit.is_some() || held.is_some();
        if let Some(expected) = committed.or(held).filter(|expected| *expected > end) {
            // It was made anew, and what there is, is new.
            emit(InputMadeAnew { topic, partition, expected, end });
            let (from, until, began_at, anew) = (first, first, first, Some(end));
            return Ok(Place { from, until, began_at, needed: first, known: is_known, anew });
        }
        // A snapshot from before that knows nothing of where the new one begins.
        let next = held.map(|next| if next > end { first } else { next });
        let place = |needed: i64, until: i64, began_at: i64| {
            // What retention has removed meanwhile cannot be read: the shard begins anew with what is left.
            let began_at = if needed < first { first } else { began_at };
            Place { from: needed.max(first), until, began_at, needed, known: is_known, anew: None }
        };
        Ok(match (next, committed) {
            (Some(held), Some(committed)) => place(held, committed.max(held), noted.unwrap_or(first)),
            (Some(held), None) => place(held, held, first),
            (None, Some(committed)) => {
                let needed = noted.unwrap_or(0).min(committed.max(first));
                place(needed, committed, needed)
            }
            (None, None) => {
                let from = self.first_offset(known)?;
                Place { needed: 0, ..place(from, from, from) }
            }
        })
    }

    /// Where a group without offsets begins.
    fn first_offset(&self, known: &Known<'_>) -> Result<i64, RunError> {
        let at = match self.config.start.from {
            StartFrom::Earliest => return Ok(known.first),
            StartFrom::Latest => return Ok(known.end),
            StartFrom::At(at) => at,
            StartFrom::Ago(ago) => self.started - ago,
        };
        Ok(self.log.offset_at(known.topic, known.partition, at)?.unwrap_or(known.end))
    }
}

impl Known<'_> {
    /// What the snapshot says of it. One that was about another entity then holds nothing that counts: it is read again.
    fn of_header(&self) -> Option<&SnapshotInput> {
        let is_it = |input: &&SnapshotInput| input.topic == *self.topic && input.entity == *self.entity;
        self.header.and_then(|header| header.inputs.iter().find(is_it))
    }

    /// The next offset by the snapshot.
    fn held(&self) -> Option<i64> {
        self.of_header().map(|input| input.next_offset)
    }

    fn effective(&self) -> EffectiveTime {
        EffectiveTime::restored(self.of_header().and_then(|input| input.effective_max))
    }
}
