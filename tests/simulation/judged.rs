//! What must hold where policy documents follow one another: by which each shard is judged, and that every state is told while
//! its document is in force.

use std::collections::BTreeMap;

use crate::domain::{Exception, Str, Timestamp};
use crate::kafka::offsets::ShardOffsets;

use super::eras::{Era, Eras};
use super::log::{Batch, Seen, Told};
use super::oracle::{self, Record, Ruling};
use super::shop::TOPICS;
use super::truth::{Aftermath, agrees};
use super::words::{below, id_of, of_order, orders_of, story, words};

/// Of the commits under one document, one in so many is looked at: the oracle is slow.
const EVERY: usize = 4;

/// So many documents are remembered of a shard.
const REMEMBERED: usize = 16;

/// A document that came into force where the commit before it had come.
fn era_after(before: Option<&ShardOffsets>, version: &Str) -> Era {
    let of = |stream: usize| before?.positions.iter().find(|(s, _, _)| usize::from(s.0) == stream).map(|(_, p, _)| *p);
    let positions = (0..).zip(TOPICS).map(|(stream, topic)| (topic.into(), of(stream).unwrap_or(0)));
    Era { version: version.clone(), frontier: before.and_then(|of| of.frontier), positions: positions.collect() }
}

impl Aftermath<'_> {
    /// What the documents say of records, the last one being in force.
    pub fn rulings(&self, eras: &Eras, records: &[Record], frontier: i64) -> Vec<Ruling> {
        let era = |era: &Era| {
            let document = &self.around.documents[&era.version];
            // As `of_order` counts.
            let position = |topic: &str| era.positions.get(topic).copied().unwrap_or(0) * 2;
            oracle::Era {
                rules: &document.rules,
                backfill: &document.backfill,
                frontier: era.frontier.map_or(i64::MIN, Timestamp::as_millis),
                positions: TOPICS.map(position).to_vec(),
            }
        };
        oracle::judge_edited(records, &eras.iter().map(era).collect::<Vec<_>>(), frontier)
    }

    /// By what a shard is judged since its last commit.
    pub fn in_force(&self, partition: i32) -> Eras {
        let batches = self.around.batches.borrow();
        let of_shard = |number: &usize| batches.begun[*number].eras.get(&partition).cloned();
        batches.committed.iter().rev().find_map(of_shard).unwrap_or_default()
    }

    /// The history of a shard's documents is what its commits say: a document is in force from the commit before its first.
    pub fn documents_follow_the_commits(&self) -> Result<(), String> {
        let mut known: BTreeMap<i32, Vec<Era>> = BTreeMap::new();
        let mut before: BTreeMap<i32, &ShardOffsets> = BTreeMap::new();
        let batches = self.around.batches.borrow();
        for Batch { offsets, eras, .. } in batches.committed.iter().map(|number| &batches.begun[*number]) {
            for of in offsets {
                let history = known.entry(of.partition).or_default();
                let before = before.insert(of.partition, of);
                if history.last().is_none_or(|era| era.version != of.policies) {
                    self.revision_does_not_fall(of.partition, history.last(), &of.policies)?;
                    history.push(era_after(before, &of.policies));
                }
                let said = eras.get(&of.partition).map(|eras| eras.as_slice()).unwrap_or_default();
                if said.is_empty() || !history.ends_with(said) || said.len() < history.len().min(REMEMBERED) {
                    return Err(format!("shard {}: judged by {said:?}, its commits say {history:?}", of.partition));
                }
            }
        }
        Ok(())
    }

    fn revision_does_not_fall(&self, shard: i32, before: Option<&Era>, after: &Str) -> Result<(), String> {
        let revision = |version: &Str| self.around.documents[version].policies.revision;
        match before.map(|era| revision(&era.version)) {
            Some(before) if before > revision(after) => {
                Err(format!("shard {shard} goes from revision {before:?} to {:?}", revision(after)))
            }
            _ => Ok(()),
        }
    }

    /// With a commit, what holds at its frontier by the document in force has been told. Looked at where another document
    /// comes next, and now and then.
    pub fn was_told_in_time(&self, seen: &BTreeMap<i32, Vec<Seen>>, told: &[Told]) -> Result<(), String> {
        let batches = self.around.batches.borrow();
        let mut last: BTreeMap<Str, &Exception> = BTreeMap::new();
        for (place, number) in batches.committed.iter().enumerate() {
            let by_it = told.iter().filter(|told| told.batch == *number);
            last.extend(by_it.map(|told| (told.exception.exception_id.clone(), &told.exception)));
            let Batch { offsets, eras, .. } = &batches.begun[*number];
            for of in offsets {
                let later = batches.committed[place + 1..].iter().flat_map(|number| &batches.begun[*number].offsets);
                let next = later.into_iter().find(|later| later.partition == of.partition);
                if place % EVERY == 0 || next.is_none_or(|next| next.policies != of.policies) {
                    self.stood(&seen[&of.partition], &eras[&of.partition], of, &last)
                        .map_err(|wrong| format!("after batch {number}, {wrong}"))?;
                }
            }
        }
        Ok(())
    }

    /// Whether what was told last is what the documents say of a shard that has come so far.
    fn stood(
        &self,
        seen: &[Seen],
        eras: &Eras,
        offsets: &ShardOffsets,
        last: &BTreeMap<Str, &Exception>,
    ) -> Result<(), String> {
        let Some(frontier) = offsets.frontier.map(Timestamp::as_millis) else { return Ok(()) };
        for order in orders_of(below(seen, offsets)) {
            let records = of_order(below(seen, offsets), order);
            let rulings = self.rulings(eras, &records, frontier);
            let newest: BTreeMap<_, _> = rulings.iter().map(|r| (id_of(&r.verdict), r)).collect();
            // The histories have no tombstones.
            for (id, ruling) in newest.into_iter().filter(|(_, ruling)| ruling.verdict.in_memory) {
                let entry = last.get(&id).copied();
                agrees(ruling, entry).map_err(|wrong| {
                    let told = entry.map_or("nothing".to_owned(), words);
                    format!("frontier {frontier}: {wrong}, told: {told}\n{}\n{eras:?}", story(&records, &rulings))
                })?;
            }
        }
        Ok(())
    }
}
