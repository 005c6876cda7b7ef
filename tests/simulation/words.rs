//! Exceptions and verdicts by their names, and in words for those who look into a run.

use std::collections::BTreeSet;

use crate::domain::{Exception, Str, StreamId, Timestamp, exception_id};
use crate::kafka::offsets::ShardOffsets;

use super::log::Seen;
use super::oracle::{Record, Ruling, Verdict};
use super::shop::{CHECKOUT, TOPICS};

pub fn is_below(record: &Record, offsets: &ShardOffsets) -> bool {
    let of = |(stream, position, _): &(StreamId, i64, i64)| stream.0 == record.stream && record.offset < *position;
    offsets.positions.iter().any(of)
}

/// What had been read where a shard stood so.
pub fn below<'a>(seen: &'a [Seen], offsets: &ShardOffsets) -> impl Iterator<Item = &'a Seen> {
    seen.iter().filter(|of| is_below(&of.record, offsets))
}

/// The orders that records tell of.
pub fn orders_of<'a>(seen: impl Iterator<Item = &'a Seen>) -> BTreeSet<&'a str> {
    seen.filter_map(|of| Some(of.record.event.as_ref()?.order_id.as_str())).collect()
}

/// One order's records, each behind one that carries the effective time which its partition had reached.
pub fn of_order<'a>(seen: impl Iterator<Item = &'a Seen>, order: &str) -> Vec<Record> {
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

pub fn reason_of(e: &Exception) -> Option<String> {
    e.check.as_ref().map(|figures| figures.reason.to_string())
}

pub fn is_of(verdict: &Verdict, e: &Exception) -> bool {
    id_of(verdict) == e.exception_id
}

/// No name in the shop needs escaping.
pub fn id_of(verdict: &Verdict) -> Str {
    let start =
        verdict.start.as_ref().map(|(stream, source, id)| format!("{}/{source}/{id}", TOPICS[usize::from(*stream)]));
    let more = verdict.reason.clone().or(start).or(verdict.parcel.clone());
    let (entity, id) = match verdict.order_id.strip_prefix(CHECKOUT) {
        Some(id) => ("checkout", id),
        None => ("order", verdict.order_id.as_str()),
    };
    exception_id(&verdict.policy, entity, id, more.as_deref())
}

pub fn order_of(e: &Exception) -> String {
    match e.subject.entity_and_id().expect("no backlog is told of here") {
        ("order", id) => id.to_string(),
        (entity, id) => format!("{entity}/{id}"),
    }
}

pub fn partition_of(e: &Exception, partitions: i32) -> i32 {
    let number: i32 =
        order_of(e).trim_start_matches(CHECKOUT).trim_start_matches("o-").parse().expect("an order of the shop");
    number % partitions
}

pub fn words(e: &Exception) -> String {
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

pub fn story(records: &[Record], rulings: &[Ruling]) -> String {
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
    lines.extend(rulings.iter().map(|ruling| format!("  => {ruling:?}")));
    lines.join("\n")
}
