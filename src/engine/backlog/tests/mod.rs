//! The two phases together: shards' partials in, transitions out.
#![allow(dead_code)]

mod figures;
mod oracle;
mod scenarios;
mod takeovers;

use std::sync::Arc;

use crate::domain::{Exception, Milestone, Millis, Severity, Str, Subject, Timestamp};
use crate::engine::Transition;
use crate::policy::backlog::{Bounds, GroupKey, Membership};
use crate::policy::{Backlog, Policies, Responsibility, Rung, Settings};

use super::{BacklogSum, MemoryRecord, Partials, PartialsRecord, Teller};

/// Seconds since the epoch.
pub fn s(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

pub fn secs(seconds: i64) -> Millis {
    Millis::from_secs(seconds)
}

pub fn depth(depth: i64, held_for_s: i64) -> Bounds {
    Bounds { depth: Some(depth), oldest_age: None, held_for: secs(held_for_s) }
}

pub fn age(age_s: i64, held_for_s: i64) -> Bounds {
    Bounds { depth: None, oldest_age: Some(secs(age_s)), held_for: secs(held_for_s) }
}

/// A queue `q`, by region where `grouped`.
pub fn policy(open_when: Bounds, clear_when: Bounds, grouped: bool) -> Backlog {
    Backlog {
        id: "q".into(),
        entity: crate::domain::Entity::order(),
        from: Milestone::parse("order.placed"),
        until: Milestone::parse("fulfillment.shipped"),
        when: None,
        exclude_between: None,
        group_by: if grouped { vec!["region".into()] } else { vec![] },
        max_groups: 1000,
        open_when,
        clear_when,
        escalate_after: vec![],
        grace: None,
        responsibility: Responsibility {
            severity: Severity::Warning,
            owner: "leads".into(),
            route: "ops".into(),
            expected_outcome: "more hands".into(),
            runbook: None,
        },
    }
}

pub fn rung(after_s: i64, severity: Option<Severity>) -> Rung {
    Rung { after: secs(after_s), severity, owner: None, route: None }
}

/// Grace 5 s, grid 10 s.
pub fn settings() -> Settings {
    Settings {
        streams: vec!["orders".into()],
        group_id: "g".into(),
        entities: Default::default(),
        grace: secs(5),
        retain_closed: secs(30 * 86_400),
        remember_closed: secs(90 * 86_400),
        max_open: secs(180 * 86_400),
        backlog_grid: secs(10),
        publish_after: Timestamp::MIN,
        replay: None,
    }
}

pub fn group(region: Option<&str>) -> GroupKey {
    GroupKey::new([region.map(Str::new)])
}

pub fn none() -> GroupKey {
    GroupKey::new([])
}

/// A stay whose age counts from its beginning, in seconds.
pub fn stay(group: GroupKey, from: i64, until: Option<i64>) -> Membership {
    Membership { group, from: s(from), until: until.map(s), since: s(from) }
}

/// Some shards and their sum, driven together, with the topic between them.
pub struct World {
    pub policies: Arc<Policies>,
    pub settings: Arc<Settings>,
    pub shards: Vec<Partials>,
    pub tellers: Vec<Teller>,
    pub topic: Vec<Vec<u8>>,
    pub sum: BacklogSum,
    pub frontiers: Vec<Timestamp>,
    tellers_made: usize,
}

impl World {
    pub fn new(backlogs: Vec<Backlog>, settings: Settings, shards: usize) -> Self {
        let policies = Arc::new(Policies { version: "v1".into(), backlogs, ..Policies::default() });
        let settings = Arc::new(settings);
        let mut sum = BacklogSum::new(Arc::clone(&policies), Arc::clone(&settings));
        sum.set_shards(shards);
        let mut world = World {
            policies,
            settings,
            shards: Vec::new(),
            tellers: Vec::new(),
            topic: Vec::new(),
            sum,
            frontiers: vec![Timestamp::MIN; shards],
            tellers_made: 0,
        };
        for shard in 0..shards {
            let (partials, teller) = world.restored(shard, Timestamp::MIN, &[]);
            world.shards.push(partials);
            world.tellers.push(teller);
        }
        world
    }

    /// The shard as another process restores it: it has come to `frontier`, and its orders' stays are these.
    pub fn restored(&mut self, shard: usize, frontier: Timestamp, stays: &[Vec<Membership>]) -> (Partials, Teller) {
        self.tellers_made += 1;
        let name = format!("t{}", self.tellers_made);
        let mut partials = Partials::new(&self.policies, &self.settings);
        partials.restore_at(frontier);
        stays.iter().for_each(|stays| partials.replace(0, &[], stays));
        partials.restored();
        (
            partials,
            Teller::new(shard as i32, name.into(), Some(s(self.tellers_made as i64)), &self.policies, &self.settings),
        )
    }

    /// Another process has the shard now.
    pub fn move_shard(&mut self, shard: usize, frontier: Timestamp, stays: &[Vec<Membership>]) {
        (self.shards[shard], self.tellers[shard]) = self.restored(shard, frontier, stays);
        self.frontiers[shard] = frontier;
    }

    /// What the shard has to tell goes to the topic.
    pub fn tell(&mut self, shard: usize) {
        let told = self.shards[shard].drain();
        self.tellers[shard].take(told);
        let records = self.tellers[shard].drain(self.frontiers[shard]);
        self.topic.extend(records.iter().map(PartialsRecord::to_json));
        self.tellers[shard].committed();
    }

    /// The sum reads the topic to its end.
    pub fn hear(&mut self) {
        for offset in self.sum.reads_from()..self.topic.len() as i64 {
            let record = PartialsRecord::parse(&self.topic[offset as usize]).unwrap();
            self.sum.hear(record, offset);
        }
    }

    /// Another process sums: what was remembered and published is all that it knows.
    pub fn move_sum(&mut self, memory: &[MemoryRecord], published: impl IntoIterator<Item = Exception>) {
        self.sum = BacklogSum::new(Arc::clone(&self.policies), Arc::clone(&self.settings));
        self.sum.set_shards(self.shards.len());
        compacted(memory).iter().for_each(|value| self.sum.restore_memory(value).unwrap());
        published.into_iter().for_each(|exception| self.sum.restore_published(exception));
    }

    pub fn advance(&mut self, shard: usize, frontier: Timestamp) {
        self.frontiers[shard] = self.frontiers[shard].max(frontier);
        self.shards[shard].advance(frontier);
        self.tell(shard);
        self.hear();
    }

    pub fn advance_all(&mut self, frontier: Timestamp) {
        (0..self.shards.len()).for_each(|shard| self.advance(shard, frontier));
    }

    /// What is published now, committed at once: (status, key, at what second of frontier).
    pub fn published(&mut self) -> Vec<String> {
        let out = self.drain().iter().map(line).collect();
        self.sum.committed();
        out
    }

    pub fn drain(&mut self) -> Vec<Exception> {
        exceptions(self.sum.drain_transitions(None))
    }
}

pub fn exceptions(transitions: Vec<Transition>) -> Vec<Exception> {
    let exception = |t| match t {
        Transition::Publish(e) => Some(*e),
        Transition::Tombstone(_) => None,
    };
    transitions.into_iter().filter_map(exception).collect()
}

/// `opened q?region=EU at 120.001`: the frontier in seconds.
pub fn line(e: &Exception) -> String {
    let level = if e.escalation_level > 0 { format!(" {}", e.escalation_level) } else { String::new() };
    let at = e.frontier.as_millis() as f64 / 1000.0;
    format!("{}{level} {} at {at}", e.status.as_str(), e.subject.key(&e.policy.id))
}

/// Every record of a compacted topic that these were written to, in order.
pub fn compacted(log: &[MemoryRecord]) -> Vec<Vec<u8>> {
    let mut newest = std::collections::BTreeMap::new();
    for record in log {
        newest.insert(record.key.clone(), record.value.clone());
    }
    newest.into_values().flatten().collect()
}

pub fn region(e: &Exception) -> Option<String> {
    match &e.subject {
        Subject::Group(pairs) => pairs.first().and_then(|(_, v)| v.as_ref()).map(ToString::to_string),
        Subject::Order(_) | Subject::Other(_) => None,
    }
}
