//! What is known of the order: the same answer for the same set of records, whatever their order and repeats.

use std::collections::BTreeMap;

use super::{Event, Money, Record};

/// The events that stand, by (event_time, stream, offset).
pub(super) struct Facts<'a> {
    events: Vec<&'a Event>,
}

impl<'a> Facts<'a> {
    /// One event for each identity (stream, source, event_id): the first in the log. A repeat and a conflict add
    /// nothing.
    pub(super) fn new(records: &'a [Record]) -> Facts<'a> {
        let mut in_log_order: Vec<&Record> = records.iter().collect();
        in_log_order.sort_by_key(|record| (record.stream, record.offset));
        let mut stands: Vec<&Record> = Vec::new();
        for record in in_log_order {
            let identity = |of: &Record| (of.stream, of.event.source.clone(), of.event.event_id.clone());
            if !stands.iter().any(|earlier| identity(earlier) == identity(record)) {
                stands.push(record);
            }
        }
        stands.sort_by_key(|record| (record.event.event_time, record.stream, record.offset));
        Facts { events: stands.iter().map(|record| &record.event).collect() }
    }

    /// Every event, by position.
    pub(super) fn events(&self) -> impl Iterator<Item = &'a Event> {
        self.events.iter().copied()
    }

    /// Every time a milestone was reached, the earliest first; a derived one is reached once.
    pub(super) fn times(&self, milestone: &str) -> Vec<i64> {
        match milestone {
            "order.paid_in_full" => self.paid_in_full().into_iter().collect(),
            "order.fully_shipped" => self.all_lines("fulfillment.shipped").into_iter().collect(),
            "order.fully_delivered" => self.all_lines("fulfillment.delivered").into_iter().collect(),
            kind => self.of_kind(kind).map(|event| event.event_time).collect(),
        }
    }

    /// The newest value of an attribute by what had happened up to and at an instant.
    pub(super) fn attribute(&self, key: &str, at: i64) -> Option<&'a str> {
        let told = self.up_to(at).flat_map(|event| &event.attributes).filter(|(name, _)| name == key);
        told.last().map(|(_, value)| value.as_str())
    }

    /// The total in force at an instant. Only the order's own events speak of it, of lines and of promises (R9).
    pub(super) fn total(&self, at: i64) -> Option<&'a Money> {
        self.of_the_order(at).filter_map(|event| event.total.as_ref()).last()
    }

    fn lines(&self, at: i64) -> Option<&'a Vec<(String, i64)>> {
        self.of_the_order(at).filter_map(|event| event.lines.as_ref()).last()
    }

    fn up_to(&self, at: i64) -> impl Iterator<Item = &'a Event> {
        self.events().filter(move |event| event.event_time <= at)
    }

    fn of_the_order(&self, at: i64) -> impl Iterator<Item = &'a Event> {
        self.up_to(at).filter(|event| event.kind.starts_with("order."))
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &'a Event> {
        self.events().filter(move |event| event.kind == kind)
    }

    /// Every instant at which something happened; sums and comparisons can change at no other.
    fn instants(&self) -> impl Iterator<Item = i64> {
        self.events().map(|event| event.event_time)
    }

    /// The first instant at which captured reaches the total then in force (both after all that happened at that
    /// instant); without any total, the first capture.
    fn paid_in_full(&self) -> Option<i64> {
        const CAPTURED: &str = "payment.captured";
        if self.total(i64::MAX).is_none() {
            return self.of_kind(CAPTURED).next().map(|event| event.event_time);
        }
        self.instants().find(|&at| {
            let Some(total) = self.total(at) else { return false };
            let captures = self.up_to(at).filter(|event| event.kind == CAPTURED);
            let amounts = captures.filter_map(|event| event.amount.as_ref());
            let captured: i64 =
                amounts.filter(|amount| amount.currency == total.currency).map(|amount| amount.minor).sum();
            captured >= total.minor
        })
    }

    /// The first instant at which the parcels of a kind reach the lines then in force; without any lines, the first
    /// parcel.
    fn all_lines(&self, kind: &str) -> Option<i64> {
        if self.lines(i64::MAX).is_none() {
            return self.of_kind(kind).next().map(|event| event.event_time);
        }
        self.instants().find(|&at| {
            let Some(ordered) = self.lines(at) else { return false };
            let parcels = self.parcels(kind, at);
            let says_everything = parcels.iter().any(|parcel| parcel.lines.is_none());
            let sent = sum(parcels.iter().filter_map(|parcel| parcel.lines.as_ref()).flatten());
            // An order of no pieces waits for a parcel all the same (R18).
            !parcels.is_empty()
                && (says_everything
                    || sum(ordered.iter()).iter().all(|(sku, pieces)| sent.get(sku).unwrap_or(&0) >= pieces))
        })
    }

    /// The parcels told up to an instant; the same one told again with equal lines is one.
    fn parcels(&self, kind: &str, at: i64) -> Vec<&'a Event> {
        let mut parcels: Vec<&Event> = Vec::new();
        for event in self.up_to(at).filter(|event| event.kind == kind) {
            let pieces = |of: &Event| {
                of.lines
                    .as_ref()
                    .map(|lines| sum(lines.iter()).into_iter().map(|(sku, n)| (sku.to_string(), n)).collect::<Vec<_>>())
            };
            let is_same = |earlier: &&Event| {
                event.fulfillment_id.is_some()
                    && earlier.fulfillment_id == event.fulfillment_id
                    && pieces(earlier) == pieces(event)
            };
            if !parcels.iter().any(is_same) {
                parcels.push(event);
            }
        }
        parcels
    }
}

/// Pieces by sku.
fn sum<'a>(lines: impl Iterator<Item = &'a (String, i64)>) -> BTreeMap<&'a str, i64> {
    let mut pieces = BTreeMap::new();
    for (sku, quantity) in lines {
        *pieces.entry(sku.as_str()).or_insert(0) += quantity;
    }
    pieces
}
