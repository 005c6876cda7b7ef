//! What the people who run orderwatch see of each shard: its status, and the counters that the engine keeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::{Exception, Kind, Millis, Str, Timestamp};
use crate::engine::HeldCause;
use crate::policy::{Policies, Settings};
use crate::telemetry::events::{CycleEnded, FrontierHeld, FrontierMoves, KeptBack, OrdersEvicted, UnprovenKeptBack};
use crate::telemetry::{Health, Held, InputStatus, OpenCount, RestoreStatus, ShardState, emit};

use super::service::{delay, is_opening};
use super::task::Task;
use super::wire::Wire;

/// A frontier that stands still for less than this is no news.
const HELD_MIN: Duration = Duration::from_secs(2);

/// Remembers what was said of each shard.
#[derive(Debug)]
pub struct Reporter {
    topics: Vec<Str>,
    graces: BTreeMap<(Kind, Str), Millis>,
    grace: Millis,
    held: BTreeMap<i32, HeldSince>,
}

#[derive(Debug)]
struct HeldSince {
    cause: HeldCause,
    since: Instant,
    said: bool,
}

impl Reporter {
    /// Nothing was said yet.
    pub fn new(topics: Vec<Str>, policies: &Arc<Policies>, settings: &Settings) -> Self {
        let of = |kind, id: &Str, grace| ((kind, id.clone()), grace);
        let grace = |own, entity| settings.grace_for(own, entity);
        let slas = policies.slas.iter().map(|p| of(Kind::Sla, &p.id, grace(p.grace, &p.entity)));
        let checks = policies.checks.iter().map(|p| of(Kind::Reconciliation, &p.id, grace(p.grace, &p.entity)));
        let backlogs = policies.backlogs.iter().map(|p| of(Kind::Backlog, &p.id, grace(p.grace, &p.entity)));
        Reporter {
            topics,
            graces: slas.chain(checks).chain(backlogs).collect(),
            grace: settings.grace,
            held: BTreeMap::new(),
        }
    }

    /// For an opening: from deadline and grace until now, when its commit was confirmed.
    pub fn detection_delay(&self, exception: &Exception, now: Timestamp) -> Option<Millis> {
        let key = (exception.kind, exception.policy.id.clone());
        let grace = self.graces.get(&key).copied().unwrap_or(self.grace);
        is_opening(exception).then(|| delay(exception, grace, now)).flatten()
    }

    /// Tells of one shard.
    pub fn report(&mut self, task: &mut Task, wire: &Wire, health: &Health) {
        if task.is_parked() {
            return;
        }
        self.status(task, health);
        if !task.is_live() {
            return;
        }
        self.held(task);
        self.counters(task, wire);
    }

    fn status(&self, task: &mut Task, health: &Health) {
        let held = task.frontier.held().map(|(stream, cause)| Held { cause, note: self.note(task, stream.0, cause) });
        let inputs = task.streams().zip(&self.topics).map(|(stream, topic)| {
            let high = task.high.get(usize::from(stream.0)).copied().flatten();
            let lag = high.zip(task.frontier.position(stream)).map(|(high, position)| (high - position).max(0));
            InputStatus { topic: topic.clone(), lag_records: lag }
        });
        let inputs = inputs.collect();
        // Every order is looked at for it, so not more often than there is news.
        let open = (task.is_live() && std::mem::take(&mut task.news))
            .then(|| open_counts(|visit| task.shard.visit_standing(visit)));
        let restore = task.replayed().map(|done| RestoreStatus { step: "inputs", done, total: None });
        health.update_shard(task.partition, |status| {
            status.state = if task.is_live() { ShardState::Running } else { ShardState::Restoring };
            status.frontier = task.frontier.reached();
            status.held = held;
            status.inputs = inputs;
            status.orders_open = task.shard.orders_open() as u64;
            let others = task.shard.open().filter(|(entity, _)| !entity.is_order());
            status.others_open = others.map(|(entity, open)| (entity.name().clone(), open as u64)).collect();
            status.open = open.unwrap_or_else(|| std::mem::take(&mut status.open));
            status.restore = restore;
            status.restore_took = task.restored_in;
        });
    }

    fn note(&self, task: &Task, stream: u16, cause: HeldCause) -> String {
        let topic = self.topics.get(usize::from(stream)).map_or("?", Str::as_str);
        let at = format!("{topic}/{}", task.partition);
        match cause {
            HeldCause::Behind => format!("{at} is being read"),
            HeldCause::OpenTransaction => {
                format!("{at} has a transaction open upstream; its producer commits it, or the broker ends it")
            }
            HeldCause::BrokerUnreachable => "the broker does not answer".to_owned(),
            HeldCause::NotAssigned => format!("{at} is not assigned here: do all members have the same streams?"),
            HeldCause::ClockHold => "the wall clock jumped, or was set back and has not caught up".to_owned(),
        }
    }

    fn held(&mut self, task: &Task) {
        let shard = task.partition;
        let Some((stream, cause)) = task.frontier.held() else {
            if let Some(held) = self.held.remove(&shard).filter(|held| held.said)
                && let Some(frontier) = task.frontier.reached()
            {
                emit(FrontierMoves { shard, frontier, cause: held.cause, held_for: held.since.elapsed() });
            }
            return;
        };
        let note = self.note(task, stream.0, cause);
        let held = self.held.entry(shard).or_insert(HeldSince { cause, since: Instant::now(), said: false });
        if held.cause != cause {
            *held = HeldSince { cause, since: Instant::now(), said: false };
        }
        if !held.said && held.since.elapsed() >= HELD_MIN {
            held.said = true;
            emit(FrontierHeld { shard, frontier: task.frontier.reached(), cause, note: &note });
        }
    }

    fn counters(&self, task: &mut Task, wire: &Wire) {
        let (shard, now, before) = (task.partition, task.shard.counters(), task.reported);
        if now.evicted > before.evicted {
            emit(OrdersEvicted { shard, count: now.evicted - before.evicted });
            task.reported.evicted = now.evicted;
        }
        // Summed up until all of the past has been read.
        if now.kept_back > before.kept_back && task.frontier.held().is_none() {
            emit(KeptBack { shard, count: now.kept_back - before.kept_back });
            task.reported.kept_back = now.kept_back;
        }
        if let Some(complete_since) = task.shard.complete_since()
            && now.unproven > before.unproven
            && task.frontier.held().is_none()
        {
            emit(UnprovenKeptBack { shard, count: now.unproven - before.unproven, complete_since });
            task.reported.unproven = now.unproven;
        }
        for cycle in task.shard.drain_cycles_ended() {
            emit(CycleEnded { meters: &wire.meters, cycle: &cycle });
        }
    }
}

/// Owners and routes may come from events, and series must not grow with them: beyond so many they are one.
const SERIES_MAX: usize = 1_000;
/// The owner and the route of what is counted beyond that.
const OTHER: &str = "other";

/// What stands of the published set, counted by label.
pub(super) fn open_counts(standing: impl FnOnce(&mut dyn FnMut(&Exception))) -> Vec<OpenCount> {
    let mut counts: Vec<OpenCount> = Vec::new();
    standing(&mut |exception| {
        let same = |owner: &str, route: &str, count: &OpenCount| {
            count.kind == exception.kind
                && count.status == exception.status
                && count.policy == exception.policy.id
                && count.severity == exception.severity
                && count.owner == owner
                && count.route == route
        };
        let known = counts.iter().position(|count| same(&exception.owner, &exception.route, count));
        let is_full = counts.len() >= SERIES_MAX;
        let place = known.or_else(|| counts.iter().position(|count| is_full && same(OTHER, OTHER, count)));
        let label = |name: &Str| if is_full { Str::new_static(OTHER) } else { name.clone() };
        match place.and_then(|place| counts.get_mut(place)) {
            Some(count) => count.count += 1,
            None => counts.push(OpenCount {
                kind: exception.kind,
                policy: exception.policy.id.clone(),
                severity: exception.severity,
                owner: label(&exception.owner),
                route: label(&exception.route),
                status: exception.status,
                count: 1,
            }),
        }
    });
    counts
}
