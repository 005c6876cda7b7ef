//! A shard's word to the sum: what it has to tell, until that is in the log.

use std::sync::Arc;

use crate::domain::{Millis, Str, Timestamp};
use crate::policy::{Policies, Settings};

use super::record::{Entry, Saying, meaning};
use super::{Grid, PartialsRecord, Told};

/// A record is cut there, in bytes, so that it fits into any topic.
const RECORD_BYTES: usize = 192 << 10;

/// What one shard has to tell.
///
/// It goes into the very transaction that commits the shard's frontier: whoever restores the shard from there finds
/// everything up to it told, and nothing beyond.
#[derive(Debug)]
pub struct Teller {
    shard: i32,
    name: Str,
    began: Option<i64>,
    records: u64,
    /// Id and meaning of each policy.
    policies: Vec<(Str, Str)>,
    grid: Grid,
    grace: Millis,
    waiting: Vec<Told>,
    in_flight: Vec<Told>,
    /// How far was told, and how far is on its way.
    told: Option<Timestamp>,
    telling: Option<Timestamp>,
}

impl Teller {
    /// Nothing told yet. `name` is no other teller's, of this shard or another; `began` is our clock, where one that has lost
    /// the shard may still speak.
    pub fn new(shard: i32, name: Str, began: Option<Timestamp>, policies: &Arc<Policies>, settings: &Settings) -> Self {
        let grace = |policy: &crate::policy::Backlog| settings.grace_for(policy.grace, &policy.entity);
        Teller {
            shard,
            name,
            began: began.map(Timestamp::as_millis),
            records: 0,
            policies: policies.backlogs.iter().map(|p| (p.id.clone(), meaning(p, settings))).collect(),
            grid: Grid::new(settings.backlog_grid),
            grace: policies.backlogs.iter().map(grace).min().unwrap_or_default(),
            waiting: Vec::new(),
            in_flight: Vec::new(),
            told: None,
            telling: None,
        }
    }

    /// Takes what the shard says (`Shard::drain_partials`).
    pub fn take(&mut self, told: Vec<Told>) {
        if !self.policies.is_empty() {
            self.waiting.extend(told);
        }
    }

    /// Whether figures wait to be told.
    pub fn has_news(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether `frontier` has passed a grid point since it was told last: the sum waits for every shard, however quiet.
    pub fn is_due(&self, frontier: Timestamp) -> bool {
        let passed = |frontier| self.grid.passed(frontier, self.grace);
        !self.policies.is_empty() && self.told.is_none_or(|told| passed(frontier) > passed(told))
    }

    /// What the frontier must pass, strictly, for that.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let told = self.told.filter(|_| !self.policies.is_empty())?;
        Some(self.grid.after(self.grid.passed(told, self.grace)) + self.grace)
    }

    /// Everything that waits, with the frontier that it holds at.
    pub fn drain(&mut self, frontier: Timestamp) -> Vec<PartialsRecord> {
        if self.policies.is_empty() {
            return Vec::new();
        }
        self.in_flight.append(&mut self.waiting);
        self.telling = Some(frontier);
        let mut records = vec![self.record(0)];
        let mut bytes = 0;
        for told in &self.in_flight {
            let policy = told.policy();
            let entry = Entry::of(told.clone());
            if bytes > 0 && bytes + entry.bytes() > RECORD_BYTES {
                records.push(self.record(records.len() as u64));
                bytes = 0;
            }
            bytes += entry.bytes();
            let saying = records.last_mut().and_then(|record| record.backlogs.get_mut(policy));
            saying.into_iter().for_each(|saying| saying.told.push(entry.clone()));
        }
        if let Some((last, before)) = records.split_last_mut() {
            last.frontier = Some(frontier.as_millis());
            before.iter_mut().for_each(|record| record.backlogs.retain(|saying| !saying.told.is_empty()));
        }
        self.records += records.len() as u64;
        records
    }

    /// What was drained is in the log for good.
    pub fn committed(&mut self) {
        self.in_flight.clear();
        self.told = self.telling.take().or(self.told);
    }

    /// It is not: it is told with the next.
    pub fn aborted(&mut self) {
        self.in_flight.append(&mut self.waiting);
        self.waiting = std::mem::take(&mut self.in_flight);
        self.telling = None;
    }

    fn record(&self, nth: u64) -> PartialsRecord {
        let saying = |(policy, meaning): &(Str, Str)| Saying {
            policy: policy.clone(),
            meaning: meaning.clone(),
            told: Vec::new(),
        };
        PartialsRecord {
            shard: self.shard,
            teller: self.name.clone(),
            began: self.began,
            number: self.records + nth + 1,
            frontier: None,
            backlogs: self.policies.iter().map(saying).collect(),
        }
    }
}
