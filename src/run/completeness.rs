//! From when on a shard could read every record of its inputs (DESIGN section 9, `complete_since`).
//!
//! It is noted with each commit, in the transaction of what was judged by it, so whoever takes the shard over goes on
//! with it. It rises where a restore finds that retention has removed what it needs, and never falls.

use crate::domain::{Str, Timestamp};
use crate::kafka::offsets::{CommitNote, Committed};
use crate::snapshot::SnapshotHeader;
use crate::telemetry::events::{InputBeginsLate, InputRecordsLost};
use crate::telemetry::{Health, Incomplete, emit};

/// How far back a shard's facts are whole, and what was just found out about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Completeness {
    /// `None` where every input was read from its beginning.
    pub since: Option<Timestamp>,
    found: Vec<(Str, Missing, Timestamp)>,
}

/// Records of an input that a restore needs and cannot have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missing {
    /// From this offset on …
    pub needed: i64,
    /// … up to this one, the first that is read.
    pub first: i64,
    /// They were removed since the group began with the input; else it began behind them.
    pub lost: bool,
}

impl Completeness {
    /// What was noted with the commits, and, where those are gone, with the snapshot.
    pub fn noted(committed: &[Option<Committed>], snapshot: Option<&SnapshotHeader>) -> Self {
        let notes = committed.iter().flatten().filter_map(|commit| commit.note.as_ref());
        let since = notes.filter_map(CommitNote::complete_since).chain(snapshot.and_then(|s| s.complete_since)).max();
        Completeness { since, found: Vec::new() }
    }

    /// An input lacks records; the first that there is has this time.
    pub fn lacks(&mut self, topic: &Str, missing: Missing, first: Timestamp) {
        self.since = self.since.max(Some(first));
        self.found.push((topic.clone(), missing, first));
    }

    /// Tells those who run it.
    pub fn say(&self, shard: i32, health: &Health) {
        for (topic, missing, first) in &self.found {
            let Missing { needed, first: offset, lost } = *missing;
            let since = self.since.unwrap_or(*first);
            match lost {
                true => emit(InputRecordsLost { shard, topic, needed, offset, since }),
                false => emit(InputBeginsLate { shard, topic, offset, since }),
            }
        }
        let incomplete = self.since.map(|since| Incomplete { before: since, note: self.note(shard) });
        health.update_shard(shard, |status| status.incomplete = incomplete);
    }

    /// For the body of /readyz.
    fn note(&self, shard: i32) -> String {
        let lost: Vec<String> = self.found.iter().filter(|(_, missing, _)| missing.lost).map(of_input(shard)).collect();
        let kept_back = "what began before is counted and not published";
        match lost.as_slice() {
            [] => format!("the inputs' records are whole from then on alone; {kept_back}"),
            lost => format!("retention had removed what a restore needs: {}; {kept_back}", lost.join(", ")),
        }
    }
}

fn of_input(shard: i32) -> impl Fn(&(Str, Missing, Timestamp)) -> String {
    move |(topic, missing, _)| format!("{topic}/{shard} offsets {} to {}", missing.needed, missing.first - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn commit(complete_since_ms: Option<i64>) -> Option<Committed> {
        let note =
            CommitNote { frontier_ms: None, policies: "v".into(), current_next: 0, began_at: 0, complete_since_ms };
        Some(Committed { offset: 9, note: Some(note) })
    }

    #[test]
    fn the_latest_that_was_noted_or_found_counts() {
        let by_tool = Some(Committed { offset: 3, note: None });
        let header = SnapshotHeader { complete_since: Some(at(40)), ..SnapshotHeader::default() };
        assert_eq!(Completeness::noted(&[None, by_tool.clone(), commit(None)], None).since, None);
        assert_eq!(Completeness::noted(&[None], Some(&header)).since, Some(at(40)));
        let mut noted = Completeness::noted(&[commit(Some(50)), by_tool, commit(Some(30))], Some(&header));
        assert_eq!(noted.since, Some(at(50)));
        noted.lacks(&"orders".into(), Missing { needed: 0, first: 7, lost: true }, at(45));
        assert_eq!(noted.since, Some(at(50)), "it never falls");
        noted.lacks(&"payments".into(), Missing { needed: 2, first: 5, lost: true }, at(60));
        assert_eq!(noted.since, Some(at(60)));

        let health = Health::new("g".into());
        noted.say(3, &health);
        let held = health.snapshot().shards[&3].incomplete.clone().expect("a note");
        assert_eq!(held.before, at(60));
        assert!(held.note.contains("orders/3 offsets 0 to 6, payments/3 offsets 2 to 4"), "{}", held.note);
    }
}
