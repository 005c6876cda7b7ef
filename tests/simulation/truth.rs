//! What must be true of a run, said by the oracle and by a few invariants; nothing here knows how the engine judges.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::{Format, decode_exception};
use crate::config::Delivery;
use crate::domain::{Exception, Status, Str, StreamId, Timestamp, exception_id};
use crate::kafka::offsets::ShardOffsets;

use super::broker::{Broker, Member};
use super::oracle::{self, Record, Rules, Standing, Verdict};
use super::process::Surroundings;
use super::shop::{Content, Shop, TOPICS};

/// What processes tried to commit.
#[derive(Debug, Default)]
pub struct Batches {
    begun: Vec<Batch>,
    /// Their numbers, in the order in which the log took them.
    committed: Vec<usize>,
}

/// One of them.
#[derive(Debug)]
pub struct Batch {
    pub member: Member,
    pub offsets: Vec<ShardOffsets>,
}

impl Batches {
    pub fn begin(&mut self, member: Member, offsets: Vec<ShardOffsets>) -> usize {
        self.begun.push(Batch { member, offsets });
        self.begun.len() - 1
    }

    pub fn commit(&mut self, number: usize) {
        self.committed.push(number);
    }

    pub fn len(&self) -> usize {
        self.committed.len()
    }
}

/// A record of an input that a reader may see, with what the oracle needs.
#[derive(Debug)]
struct Seen {
    record: Record,
    effective: i64,
    appended: i64,
}

/// A published state.
#[derive(Debug)]
struct Told {
    exception: Exception,
    batch: usize,
}

/// Everything that a run left behind.
pub struct Aftermath<'a> {
    pub around: &'a Surroundings,
    pub shop: &'a Shop,
    pub rules: &'a Rules,
    /// Where each shard's frontier stands.
    pub frontiers: &'a BTreeMap<i32, Timestamp>,
}

impl Aftermath<'_> {
    /// Holds the run against the oracle; gives how many states were published.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<usize, String> {
        let broker = self.around.broker.borrow();
        let seen: BTreeMap<i32, Vec<Seen>> =
            (0..self.shop.partitions).map(|partition| (partition, self.seen(&broker, partition))).collect();
        if let Ok(order) = std::env::var("ORDERWATCH_SIM_ORDER") {
            self.tell_of(&broker, &order);
        }
        self.frontiers_only_rise()?;
        self.frontiers_were_earned(&seen)?;
        let told = self.told(&broker);
        self.nothing_is_told_twice(&told)?;
        for Told { exception, batch } in &told {
            let mut was_true = self.was_true(&seen, exception, *batch);
            if self.around.config.delivery == Delivery::AtLeastOnce {
                // It may be told once more by a batch that has read on.
                was_true = was_true.or_else(|wrong| self.was_once_true(&seen, exception, *batch).ok_or(wrong));
            }
            was_true?;
        }
        for (partition, seen) in &seen {
            self.stands(&broker, *partition, seen)?;
            self.histories_end_alike(&told, &self.current(&broker, *partition))?;
        }
        Ok(told.len())
    }

    /// For those who look into a run: what was told of an order, and every batch.
    fn tell_of(&self, broker: &Broker, order: &str) {
        for Told { exception, batch } in self.told(broker).iter().filter(|told| order_of(&told.exception) == order) {
            println!("batch {batch}: {}", words(exception));
        }
        let batches = self.around.batches.borrow();
        for (number, Batch { member, offsets }) in batches.begun.iter().enumerate() {
            let stands = batches.committed.contains(&number);
            println!("batch {number} by {member}, committed: {stands}: {offsets:?}");
        }
    }

    fn seen(&self, broker: &Broker, partition: i32) -> Vec<Seen> {
        let mut seen = Vec::new();
        for (stream, topic) in (0u16..).zip(TOPICS) {
            let mut maximum = i64::MIN;
            for entry in broker.log(topic, partition).entries.iter().filter(|entry| broker.is_visible(entry)) {
                let Some(told) = &entry.record else { continue };
                let event = match &self.shop.contents[told.tag] {
                    Content::Event(event) => Some((**event).clone()),
                    Content::Nothing => None,
                    Content::Skewed => continue,
                };
                maximum = maximum.max(told.time);
                let record = Record { stream, partition, offset: entry.offset, record_time: told.time, event };
                seen.push(Seen { record, effective: maximum, appended: entry.appended });
            }
        }
        seen
    }

    fn committed(&self) -> Vec<ShardOffsets> {
        let batches = self.around.batches.borrow();
        batches.committed.iter().flat_map(|number| batches.begun[*number].offsets.clone()).collect()
    }

    fn frontiers_only_rise(&self) -> Result<(), String> {
        let mut highest: BTreeMap<i32, Option<Timestamp>> = BTreeMap::new();
        for offsets in self.committed() {
            let before = highest.entry(offsets.partition).or_default();
            if offsets.frontier < *before {
                return Err(format!("shard {}: frontier {:?} after {before:?}", offsets.partition, offsets.frontier));
            }
            *before = offsets.frontier;
        }
        Ok(())
    }

    /// Whatever was in the log before the frontier, by its own time and the world's, had been read.
    fn frontiers_were_earned(&self, seen: &BTreeMap<i32, Vec<Seen>>) -> Result<(), String> {
        for offsets in self.committed() {
            let Some(frontier) = offsets.frontier.map(Timestamp::as_millis) else { continue };
            let passed =
                |of: &&Seen| of.effective < frontier && of.appended < frontier && !is_below(&of.record, &offsets);
            if let Some(missed) = seen[&offsets.partition].iter().find(passed) {
                return Err(format!("frontier {frontier} passed what was not read: {missed:?} at {offsets:?}"));
            }
        }
        Ok(())
    }

    /// The histories: what subscribers read, in the order of the log.
    fn told(&self, broker: &Broker) -> Vec<Told> {
        let outputs = &self.around.config.outputs;
        let mut told = Vec::new();
        for topic in [&outputs.sla, &outputs.reconciliation] {
            for entry in broker.log(topic, 0).entries.iter().filter(|entry| broker.is_visible(entry)) {
                let Some(record) = &entry.record else { continue };
                let value = record.value.as_deref().expect("histories have no tombstones");
                let exception = decode_exception(value, Format::Json).expect("ours");
                told.push(Told { exception, batch: record.tag });
            }
        }
        told
    }

    fn nothing_is_told_twice(&self, told: &[Told]) -> Result<(), String> {
        let mut ids = BTreeSet::new();
        for Told { exception: e, .. } in told {
            // An id that comes back after its order was forgotten is another order's.
            let life = e.trigger.as_ref().map(|trigger| (trigger.topic.clone(), trigger.offset));
            let id = (e.exception_id.clone(), e.status.as_str(), e.level(), e.incarnation, life);
            if !ids.insert(id) && self.around.config.delivery == Delivery::ExactlyOnce {
                return Err(format!("told twice: {}", words(e)));
            }
        }
        Ok(())
    }

    fn was_once_true(&self, seen: &BTreeMap<i32, Vec<Seen>>, e: &Exception, last: usize) -> Option<()> {
        let partition = partition_of(e, self.shop.partitions);
        let carried = |batch: &usize| {
            self.around.batches.borrow().begun[*batch].offsets.iter().any(|offsets| offsets.partition == partition)
        };
        (0..last).filter(carried).find_map(|batch| self.was_true(seen, e, batch).ok())
    }

    /// At the frontier that a state states, by what its batch had read, it was so.
    fn was_true(&self, seen: &BTreeMap<i32, Vec<Seen>>, e: &Exception, batch: usize) -> Result<(), String> {
        let (order, partition) = (order_of(e), partition_of(e, self.shop.partitions));
        let batches = self.around.batches.borrow();
        let Batch { member, offsets } = &batches.begun[batch];
        let offsets = offsets.iter().find(|offsets| offsets.partition == partition).expect("its own shard's offsets");
        let read = seen[&partition].iter().filter(|of| is_below(&of.record, offsets));
        let records = of_order(read, &order);
        let verdicts = oracle::judge(&records, self.rules, e.frontier.as_millis());
        let ours = || verdicts.iter().filter(|v| is_of(v, e));
        let same = || ours().filter(|v| v.deadline.map(Timestamp::from_millis) == e.deadline);
        let is = |expected: &dyn Fn(Standing) -> bool| same().any(|v| expected(v.standing));
        let breached = is(&is_breach);
        let fine = match e.status {
            Status::Opened => breached,
            Status::Escalated => is(&|s| matches!(s, Standing::Open { level } if level >= e.escalation_level)),
            Status::Resolved => is(&|s| matches!(s, Standing::Resolved { .. })),
            Status::Cancelled if e.breached_at.is_some() => is(&|s| matches!(s, Standing::CancelledLate { .. })),
            Status::Cancelled => !ours().any(|v| v.in_memory && is_breach(v.standing)),
            Status::Retracted => !breached,
            Status::AtRisk => is(&|s| matches!(s, Standing::Running { warn } if warn >= e.warn_percent)),
            Status::Averted => ours().any(|v| v.standing == Standing::Met),
        };
        if fine {
            return Ok(());
        }
        Err(format!("not true when it was told (by process {member}): {}\n{}", words(e), story(&records, &verdicts)))
    }

    /// `exceptions-current` compacts to what the oracle says stands.
    fn stands(&self, broker: &Broker, partition: i32, seen: &[Seen]) -> Result<(), String> {
        let mut current = self.current(broker, partition);
        let frontier = self.frontiers.get(&partition).ok_or(format!("shard {partition} is not live"))?.as_millis();
        let orders: BTreeSet<&str> =
            seen.iter().filter_map(|of| Some(of.record.event.as_ref()?.order_id.as_str())).collect();
        for order in orders {
            let records = of_order(seen.iter(), order);
            let verdicts = oracle::judge(&records, self.rules, frontier);
            let last: BTreeMap<_, _> = verdicts.iter().map(|v| (id_of(v), v)).collect();
            for (id, verdict) in last {
                let entry = current.remove(id.as_str());
                if let Err(wrong) = agrees(verdict, entry.as_ref()) {
                    return Err(format!(
                        "at the end, frontier {frontier}: {wrong}, in the log: {}\n{}",
                        entry.as_ref().map_or("nothing".to_owned(), words),
                        story(&records, &verdicts)
                    ));
                }
            }
        }
        match current.values().find(|e| stands_as_breach(e)) {
            Some(e) => Err(format!("at the end: of no cycle at all: {}", words(e))),
            None => Ok(()),
        }
    }

    /// Who follows the histories knows at the end what `exceptions-current` says.
    fn histories_end_alike(&self, told: &[Told], current: &BTreeMap<Str, Exception>) -> Result<(), String> {
        let mut last: BTreeMap<&Str, &Exception> = BTreeMap::new();
        for Told { exception: e, .. } in told {
            if last.get(&e.exception_id).is_none_or(|held| held.frontier <= e.frontier) {
                last.insert(&e.exception_id, e);
            }
        }
        let differs = |(id, e): &(&Str, &Exception)| last.get(id).is_none_or(|l| l.status != e.status);
        match current.iter().find(differs) {
            Some((id, e)) => Err(format!(
                "the history ends with {}, exceptions-current with {}",
                last.get(id).map_or("nothing".to_owned(), |e| words(e)),
                words(e)
            )),
            None => Ok(()),
        }
    }

    fn current(&self, broker: &Broker, partition: i32) -> BTreeMap<Str, Exception> {
        let mut current = BTreeMap::new();
        let topic = &self.around.config.outputs.current;
        for entry in broker.log(topic, partition).entries.iter().filter(|entry| broker.is_visible(entry)) {
            let Some(record) = &entry.record else { continue };
            let key = Str::new(String::from_utf8_lossy(&record.key));
            match &record.value {
                Some(value) => {
                    let exception = decode_exception(value, Format::Json).expect("ours");
                    // As subscribers are told to do.
                    if current.get(&key).is_none_or(|held: &Exception| held.frontier <= exception.frontier) {
                        current.insert(key, exception);
                    }
                }
                None => drop(current.remove(&key)),
            }
        }
        current
    }
}

fn agrees(verdict: &Verdict, entry: Option<&Exception>) -> Result<(), String> {
    let wanted = |what: &str| Err(format!("{what} is wanted, by {verdict:?}"));
    if !verdict.in_memory {
        return if entry.is_none() { Ok(()) } else { wanted("a tombstone") };
    }
    let is = |status: Status| entry.is_some_and(|e| e.status == status && e.breached_at.is_some());
    let same_deadline = entry.is_some_and(|e| e.deadline.map(Timestamp::as_millis) == verdict.deadline);
    let fine = match verdict.standing {
        // An escalation that was published stands, also where a pause that was told late moves its rung away.
        Standing::Open { level } => {
            same_deadline
                && (is(Status::Opened) && level == 0
                    || is(Status::Escalated) && entry.is_some_and(|e| e.escalation_level >= level))
        }
        Standing::Resolved { .. } => is(Status::Resolved) && same_deadline,
        Standing::CancelledLate { .. } => is(Status::Cancelled) && same_deadline,
        // `averted` may differ between runs: an end in time that a total or a pause told late has undone was true when it
        // was told, and a breach will say the rest.
        Standing::Running { .. } => entry.is_none_or(|e| !stands_as_breach(e)),
        Standing::Met | Standing::CancelledInTime => {
            entry.is_none_or(|e| !stands_as_breach(e) && e.status != Status::AtRisk)
        }
    };
    if fine { Ok(()) } else { wanted("another state") }
}

fn stands_as_breach(e: &Exception) -> bool {
    match e.status {
        Status::Opened | Status::Escalated | Status::Resolved => true,
        Status::Cancelled => e.breached_at.is_some(),
        Status::AtRisk | Status::Averted | Status::Retracted => false,
    }
}

fn is_breach(standing: Standing) -> bool {
    matches!(standing, Standing::Open { .. } | Standing::Resolved { .. } | Standing::CancelledLate { .. })
}

fn is_below(record: &Record, offsets: &ShardOffsets) -> bool {
    let of = |(stream, position, _): &(StreamId, i64, i64)| stream.0 == record.stream && record.offset < *position;
    offsets.positions.iter().any(of)
}

/// One order's records, each behind one that carries the effective time which its partition had reached.
fn of_order<'a>(seen: impl Iterator<Item = &'a Seen>, order: &str) -> Vec<Record> {
    let mut records = Vec::new();
    for Seen { record, effective, .. } in seen {
        if record.event.as_ref().is_none_or(|event| event.order_id != order) {
            continue;
        }
        let offset = record.offset * 2;
        records.push(Record { offset, record_time: *effective, event: None, ..record.clone() });
        records.push(Record { offset: offset + 1, ..record.clone() });
    }
    records
}

fn reason_of(e: &Exception) -> Option<String> {
    e.check.as_ref().map(|figures| figures.reason.to_string())
}

fn is_of(verdict: &Verdict, e: &Exception) -> bool {
    id_of(verdict) == e.exception_id
}

/// No name in the shop needs escaping.
fn id_of(verdict: &Verdict) -> Str {
    let start =
        verdict.start.as_ref().map(|(stream, source, id)| format!("{}/{source}/{id}", TOPICS[usize::from(*stream)]));
    let more = verdict.reason.clone().or(start).or(verdict.parcel.clone());
    exception_id(&verdict.policy, "order", &verdict.order_id, more.as_deref())
}

fn order_of(e: &Exception) -> String {
    e.subject.key(&e.policy.id).to_string()
}

fn partition_of(e: &Exception, partitions: i32) -> i32 {
    let number: i32 = order_of(e).trim_start_matches("o-").parse().expect("an order of the shop");
    number % partitions
}

fn words(e: &Exception) -> String {
    let ms = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
    format!(
        "{} {} of {} {:?} level {} incarnation {} deadline {:?} frontier {} warn {:?} ended {:?} reason {:?}",
        e.policy.id,
        e.status.as_str(),
        order_of(e),
        e.fulfillment_id,
        e.escalation_level,
        e.incarnation,
        ms(e.deadline),
        e.frontier.as_millis(),
        e.warn_percent,
        ms(e.ended_at),
        reason_of(e)
    )
}

fn story(records: &[Record], verdicts: &[Verdict]) -> String {
    let mut lines = Vec::new();
    for Record { stream, offset, record_time, event, .. } in records {
        let Some(e) = event else { continue };
        lines.push(format!(
            "  {}@{} record {record_time} event {} {} {} total {:?} amount {:?} lines {:?} parcel {:?} promise {:?} {:?}",
            TOPICS[usize::from(*stream)],
            offset / 2,
            e.event_time,
            e.event_id,
            e.kind,
            e.total.as_ref().map(|m| m.minor),
            e.amount.as_ref().map(|m| (m.minor, &m.currency)),
            e.lines,
            e.fulfillment_id,
            e.promised_ship_by,
            e.attributes
        ));
    }
    lines.extend(verdicts.iter().map(|verdict| format!("  => {verdict:?}")));
    lines.join("\n")
}
