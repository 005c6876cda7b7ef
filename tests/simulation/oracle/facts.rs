//! What is known of one order: the same answer for the same set of records, whatever their order and repeats.

use std::collections::{BTreeMap, BTreeSet};

use super::{Event, Money, Promise, Record};

/// (event_time, stream, partition, offset): the order in which an order's events happened.
type Position = (i64, u16, i32, i64);

/// What ends the life of an order, or of a checkout; neither has the other's (R48).
pub(super) const ENDS: [&str; 4] = ["order.completed", "order.cancelled", "checkout.completed", "checkout.cancelled"];

/// An event that stands, with its place.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) event: &'a Event,
    pub(super) record_time: i64,
    position: Position,
}

impl Known<'_> {
    /// Its event time.
    pub(super) fn at(&self) -> i64 {
        self.event.event_time
    }

    /// Whether it lies below the positions of its stream.
    pub(super) fn is_below(&self, positions: &[i64]) -> bool {
        let (_, stream, _, offset) = self.position;
        positions.get(usize::from(stream)).is_some_and(|position| offset < *position)
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { at: self.at(), record_time: self.record_time }
    }

    /// Its identity.
    pub(super) fn identity(&self) -> (u16, String, String) {
        (self.position.1, self.event.source.clone(), self.event.event_id.clone())
    }

    /// Which parcel it is about; an order's event is about all of them, whatever it carries (R41).
    fn parcel(&self) -> Option<&str> {
        self.event.fulfillment_id.as_deref().filter(|_| !self.is_of_order())
    }

    /// Whether it counts for a cycle that begins with `start` (R44): later, or at the same instant and not before it in the
    /// log of one topic.
    fn is_from(&self, start: &Known) -> bool {
        let same_log = self.position.1 == start.position.1;
        self.at() > start.at() || self.at() == start.at() && !(same_log && self.position.3 < start.position.3)
    }

    /// Only the order's own events speak of its total, its lines and its promises (R10).
    fn is_of_order(&self) -> bool {
        self.event.kind.starts_with("order.")
    }
}

/// Something that happened: when, and the greatest record time among the events that made it known (R33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: i64,
    pub(super) record_time: i64,
}

/// The events of one life of one order that stand, by position.
#[derive(Clone)]
pub(super) struct Facts<'a> {
    pub(super) events: Vec<Known<'a>>,
    /// Where `events` are those that one parcel sees: all of them, for sums are the order's.
    whole: Option<Vec<Known<'a>>>,
}

impl<'a> Facts<'a> {
    /// One event for each identity (stream, source, event_id): the first in the log. A repeat and a conflict add
    /// nothing.
    pub(super) fn new(records: &[&'a Record]) -> Facts<'a> {
        let mut in_log_order = records.to_vec();
        in_log_order.sort_by_key(|record| (record.stream, record.partition, record.offset));
        let mut first: BTreeMap<(u16, &str, &str), Known<'a>> = BTreeMap::new();
        for record in in_log_order {
            let Some(event) = &record.event else { continue };
            let position = (event.event_time, record.stream, record.partition, record.offset);
            let known = Known { event, record_time: record.record_time, position };
            first.entry((record.stream, &event.source, &event.event_id)).or_insert(known);
        }
        let mut events: Vec<Known<'a>> = first.into_values().collect();
        events.sort_by_key(|known| known.position);
        Facts { events, whole: None }
    }

    /// The parcels that are known: those that an event names (R41).
    pub(super) fn parcels_named(&self) -> BTreeSet<String> {
        self.events.iter().filter_map(|known| known.parcel().map(str::to_owned)).collect()
    }

    /// What one parcel sees: its own events, and those that name none (R42).
    pub(super) fn of_parcel(&self, id: &str) -> Facts<'a> {
        let sees = |known: &&Known| known.parcel().is_none_or(|named| named == id);
        Facts { events: self.events.iter().filter(sees).copied().collect(), whole: Some(self.events.clone()) }
    }

    /// The occurrences of a milestone that count for a cycle of `each` (R44, R45).
    pub(super) fn occurrences_from(&self, milestone: &str, start: Option<&Known>) -> Vec<Moment> {
        let for_good = ENDS.contains(&milestone) || is_derived(milestone);
        match start.filter(|_| !for_good) {
            Some(start) => self.of_kind(milestone).filter(|known| known.is_from(start)).map(Known::moment).collect(),
            None => self.occurrences(milestone),
        }
    }

    /// The events of one kind, by position.
    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Known<'a>> {
        self.events.iter().filter(move |known| known.event.kind == kind)
    }

    /// Every time a milestone was reached, the earliest first; a derived one is reached once.
    pub(super) fn occurrences(&self, milestone: &str) -> Vec<Moment> {
        if let Some(whole) = self.whole.as_ref().filter(|_| is_derived(milestone)) {
            return Facts { events: whole.clone(), whole: None }.occurrences(milestone);
        }
        match milestone {
            "order.paid_in_full" => self.paid_in_full().into_iter().collect(),
            "order.fully_shipped" => self.all_lines("fulfillment.shipped").into_iter().collect(),
            "order.fully_delivered" => self.all_lines("fulfillment.delivered").into_iter().collect(),
            kind => self.of_kind(kind).map(Known::moment).collect(),
        }
    }

    /// The first time a milestone was reached.
    pub(super) fn milestone(&self, milestone: &str) -> Option<Moment> {
        self.occurrences(milestone).into_iter().next()
    }

    /// Whether the newest value of an attribute among the events up to `at` equals `text`; a missing one does not.
    pub(super) fn attribute_is(&self, key: &str, text: &str, at: i64) -> bool {
        let told = self.up_to(at).flat_map(|known| &known.event.attributes).filter(|(name, _)| name == key);
        told.last().is_some_and(|(_, value)| value == text)
    }

    /// What the order's events say of a promise, by position; an absent one says nothing.
    pub(super) fn promises(&self, of: fn(&Event) -> Promise) -> Vec<(Moment, Promise)> {
        let orders = self.events.iter().filter(|known| known.is_of_order());
        let said = orders.map(|known| (known.moment(), of(known.event)));
        said.filter(|(_, promise)| *promise != Promise::Absent).collect()
    }

    /// Whether an event carries a total that comes into force.
    pub(super) fn sets_total(known: &Known) -> bool {
        known.is_of_order() && known.event.total.is_some()
    }

    /// The total in force at an instant, by everything that happened up to and at it.
    pub(super) fn total_at(&self, at: i64) -> Option<&'a Money> {
        self.total_event(at).and_then(|known| known.event.total.as_ref())
    }

    /// The sum of one kind of payment up to an instant, in one currency: another is never summed with it.
    pub(super) fn paid_at(&self, kind: &str, currency: &str, at: i64) -> i128 {
        self.payments(kind, currency, at).map(|(_, minor)| i128::from(minor)).sum()
    }

    fn up_to(&self, at: i64) -> impl Iterator<Item = &Known<'a>> {
        self.events.iter().filter(move |known| known.at() <= at)
    }

    /// Every instant at which something happened; sums and comparisons can change at no other.
    fn instants(&self) -> Vec<i64> {
        let mut instants: Vec<i64> = self.events.iter().map(Known::at).collect();
        instants.dedup();
        instants
    }

    fn total_event(&self, at: i64) -> Option<&Known<'a>> {
        self.up_to(at).filter(|known| Facts::sets_total(known)).last()
    }

    fn lines_event(&self, at: i64) -> Option<&Known<'a>> {
        self.up_to(at).filter(|known| known.is_of_order() && known.event.lines.is_some()).last()
    }

    fn payments(&self, kind: &str, currency: &str, at: i64) -> impl Iterator<Item = (&Known<'a>, i64)> {
        let of_kind = self.up_to(at).filter(move |known| known.event.kind == kind);
        of_kind.filter_map(move |known| {
            let amount = known.event.amount.as_ref()?;
            (amount.currency == currency).then_some((known, amount.minor))
        })
    }

    /// The first instant at which captured reaches the total then in force; without a total, the first capture.
    fn paid_in_full(&self) -> Option<Moment> {
        const CAPTURED: &str = "payment.captured";
        if !self.events.iter().any(Facts::sets_total) {
            return self.milestone(CAPTURED);
        }
        self.instants().into_iter().find_map(|at| {
            let told = self.total_event(at)?;
            let total = told.event.total.as_ref()?;
            let reached = self.paid_at(CAPTURED, &total.currency, at) >= i128::from(total.minor);
            let counted = self.payments(CAPTURED, &total.currency, at).map(|(known, _)| known.record_time);
            reached.then(|| Moment { at, record_time: counted.fold(told.record_time, i64::max) })
        })
    }

    /// The first instant at which the parcels of a kind reach the lines then in force; without lines, the first parcel.
    fn all_lines(&self, kind: &str) -> Option<Moment> {
        let has_lines = |known: &Known| known.is_of_order() && known.event.lines.is_some();
        if !self.events.iter().any(has_lines) {
            return self.milestone(kind);
        }
        self.instants().into_iter().find_map(|at| {
            let told = self.lines_event(at)?;
            let ordered = quantities(told.event.lines.as_ref()?);
            let parcels = self.parcels(kind, at);
            let counted = parcels.iter().map(|known| known.record_time);
            reach(&parcels, &ordered).then(|| Moment { at, record_time: counted.fold(told.record_time, i64::max) })
        })
    }

    /// The parcels told up to an instant; the same one told again with equal lines is one.
    fn parcels(&self, kind: &str, at: i64) -> Vec<&Known<'a>> {
        let mut parcels: Vec<&Known<'a>> = Vec::new();
        for known in self.up_to(at).filter(|known| known.event.kind == kind) {
            let is_same = |earlier: &&Known| {
                known.event.fulfillment_id.is_some()
                    && earlier.event.fulfillment_id == known.event.fulfillment_id
                    && earlier.event.lines.as_deref().map(quantities) == known.event.lines.as_deref().map(quantities)
            };
            let told_before = parcels.iter().any(is_same);
            if !told_before {
                parcels.push(known);
            }
        }
        parcels
    }
}

/// Whether a milestone is a sum's.
pub(super) fn is_derived(kind: &str) -> bool {
    ["order.paid_in_full", "order.fully_shipped", "order.fully_delivered"].contains(&kind)
}

/// Quantities by sku.
fn quantities(lines: &[(String, i64)]) -> BTreeMap<&str, i128> {
    let mut quantities = BTreeMap::new();
    for (sku, quantity) in lines {
        *quantities.entry(sku.as_str()).or_insert(0) += i128::from(*quantity);
    }
    quantities
}

/// Whether parcels hold at least what was ordered of each sku; one without lines says "everything".
fn reach(parcels: &[&Known], ordered: &BTreeMap<&str, i128>) -> bool {
    if parcels.iter().any(|parcel| parcel.event.lines.is_none()) {
        return true;
    }
    let of_sku = |sku: &str| -> i128 {
        let lines = parcels.iter().filter_map(|parcel| parcel.event.lines.as_ref()).flatten();
        lines.filter(|(name, _)| name == sku).map(|(_, quantity)| i128::from(*quantity)).sum()
    };
    ordered.iter().all(|(sku, quantity)| of_sku(sku) >= *quantity)
}
