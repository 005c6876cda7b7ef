//! `over_shipped`: more pieces of a sku left than were ordered by the lines then in force.
//!
//! Parcels without lines say nothing of pieces; the same parcel told twice, with equal lines, is one. Without lines on the
//! order it is silent. An order that is changed to cover what left resolves it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{CheckFigures, Line, Standard, Str, Timestamp};
use crate::policy::derived::{instants, lines_of, sets_lines};
use crate::policy::view::OrderView;

use super::settle::Point;

/// The only reason.
pub const REASONS: &[&str] = &["pieces"];

/// What the check thinks after each change of the lines and each parcel. The first sku by name is told.
pub fn points<'a>(view: &OrderView<'a>) -> Vec<Point<'a>> {
    let mut ordered: Option<BTreeMap<&Str, i128>> = None;
    let mut shipped: BTreeMap<&Str, i128> = BTreeMap::new();
    let mut parcels: BTreeSet<(&Str, &[Line])> = BTreeSet::new();
    let (mut points, mut known_at) = (Vec::new(), Timestamp::MIN);
    for instant in instants(view.events()) {
        let mut last = None;
        for event in instant {
            if let Some(lines) = sets_lines(event) {
                ordered = Some(pieces(lines));
            } else if event.milestone == Standard::FulfillmentShipped {
                let lines = lines_of(event);
                let id = event.details.as_ref().and_then(|details| details.fulfillment_id.as_ref());
                if id.is_none_or(|id| parcels.insert((id, lines))) {
                    pieces(lines).into_iter().for_each(|(sku, n)| *shipped.entry(sku).or_default() += n);
                }
            } else {
                continue;
            }
            known_at = event.record_time.max(known_at);
            last = Some(event);
        }
        let (Some(event), Some(ordered)) = (last, &ordered) else { continue };
        let wanted = |sku: &Str| ordered.get(sku).copied().unwrap_or(0);
        let exceeds = |(sku, n): &(&&Str, &i128)| **n > wanted(sku);
        let finding = shipped.iter().find(exceeds).map(|(sku, n)| CheckFigures {
            about: Some((*sku).clone()),
            expected: i64::try_from(wanted(sku)).ok(),
            actual: i64::try_from(*n).ok(),
            ..CheckFigures::new("over_shipped", REASONS[0])
        });
        points.push(Point { at: event.event_time, event, known_at, finding });
    }
    points
}

fn pieces(lines: &[Line]) -> BTreeMap<&Str, i128> {
    let mut pieces = BTreeMap::new();
    lines.iter().for_each(|line| *pieces.entry(&line.sku).or_default() += i128::from(line.quantity));
    pieces
}
