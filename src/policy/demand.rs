//! What an order still wants of each sku, and from when until when: what `oversold` holds against the stock.
//!
//! Everything is told by event_time, as a queue's stays are.
//!
//! - An order wants what its lines say from `order.placed` on; lines that `order.changed` brings replace the former ones.
//! - What has shipped is wanted no more. The same parcel told twice, with equal lines, is one; a shipment without lines
//!   says everything. What comes back is not wanted again.
//! - It wants nothing once it is cancelled, completed or fully delivered.
//! - `when` is asked once, with the attributes in force when it was placed.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Event, Line, Standard, StockEvent, Str, Timestamp};

use super::backlog::{Backlog, GroupKey, Membership};
use super::derived::{instants, lines_of, sets_lines};
use super::view::OrderView;

impl Backlog {
    /// Every stretch of time in which the order wants so many pieces of a sku, by its beginning and the sku.
    pub(super) fn demand(&self, order: &OrderView<'_>) -> Vec<Membership> {
        let Some(placed) = order.first(&Standard::OrderPlaced.into()).map(|reached| reached.at) else {
            return Vec::new();
        };
        let end = order.first_of(order.entity().ends()).map_or(Timestamp::MAX, |reached| reached.at);
        if end <= placed || !self.applies(order, placed) {
            return Vec::new();
        }
        let mut wanted = Wanted::default();
        let mut open: BTreeMap<&Str, Membership> = BTreeMap::new();
        let mut stays = Vec::new();
        for instant in instants(order.events()) {
            let Some(at) = instant.first().map(|event| event.event_time).filter(|at| *at < end) else { break };
            instant.iter().for_each(|event| wanted.take(event));
            if at < placed {
                continue;
            }
            for sku in std::mem::take(&mut wanted.touched) {
                let quantity = wanted.quantity(sku);
                if open.get(sku).map_or(0, |stay| stay.quantity) == quantity {
                    continue;
                }
                stays.extend(open.remove(sku).map(|stay| Membership { until: Some(at), ..stay }));
                if quantity > 0 {
                    let group = GroupKey::new([Some(sku.clone())]);
                    open.insert(sku, Membership { group, from: at, until: None, since: placed, quantity });
                }
            }
        }
        let until = (end != Timestamp::MAX).then_some(end);
        stays.extend(open.into_values().map(|stay| Membership { until, ..stay }));
        stays.sort_by(|a, b| (a.from, &a.group).cmp(&(b.from, &b.group)));
        stays
    }
}

/// What is ordered and has not left, event by event.
#[derive(Default)]
struct Wanted<'a> {
    ordered: BTreeMap<&'a Str, i128>,
    shipped: BTreeMap<&'a Str, i128>,
    parcels: BTreeSet<(&'a Str, &'a [Line])>,
    everything_left: bool,
    /// The skus of which that may have changed.
    touched: BTreeSet<&'a Str>,
}

impl<'a> Wanted<'a> {
    fn take(&mut self, event: &'a Event) {
        if let Some(lines) = sets_lines(event) {
            self.touched.extend(self.ordered.keys().copied());
            self.ordered.clear();
            for line in lines {
                *self.ordered.entry(&line.sku).or_default() += i128::from(line.quantity);
            }
            self.touched.extend(self.ordered.keys().copied());
        } else if event.milestone == Standard::FulfillmentShipped {
            let lines = lines_of(event);
            if lines.is_empty() {
                self.everything_left = true;
                self.touched.extend(self.ordered.keys().copied());
            }
            if event.fulfillment_id().is_some_and(|id| !self.parcels.insert((id, lines))) {
                return;
            }
            for line in lines {
                *self.shipped.entry(&line.sku).or_default() += i128::from(line.quantity);
                self.touched.insert(&line.sku);
            }
        }
    }

    fn quantity(&self, sku: &Str) -> i64 {
        if self.everything_left {
            return 0;
        }
        let of = |pieces: &BTreeMap<&'a Str, i128>| pieces.get(sku).copied().unwrap_or(0);
        let open = (of(&self.ordered) - of(&self.shipped)).clamp(0, i128::from(StockEvent::PIECES_MAX));
        i64::try_from(open).unwrap_or(StockEvent::PIECES_MAX)
    }
}

#[cfg(test)]
#[path = "demand_tests.rs"]
mod tests;
