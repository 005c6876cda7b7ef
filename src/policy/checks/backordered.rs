//! `backordered`: the warehouse said that it cannot serve the order, and has not served it since.
//!
//! A `fulfillment.backordered` with lines is about their skus, one without about the whole order. It ends when those skus
//! are allocated, picked, packed or shipped (an event without lines speaks for all), or the order is cancelled.

use std::collections::BTreeSet;

use crate::domain::{CheckFigures, Event, Milestone, Standard, Str, Timestamp};
use crate::policy::derived::{instants, lines_of};
use crate::policy::view::OrderView;

use super::settle::Point;

/// The only reason.
pub const REASONS: &[&str] = &["waiting"];

/// What the order waits for.
#[derive(Default)]
struct Waiting<'a> {
    /// Without a word of what.
    whole: bool,
    skus: BTreeSet<&'a Str>,
}

/// What the check thinks after each word of the warehouse.
pub fn points<'a>(view: &OrderView<'a>) -> Vec<Point<'a>> {
    let mut waiting = Waiting::default();
    let (mut points, mut known_at) = (Vec::new(), Timestamp::MIN);
    for instant in instants(view.events()) {
        let mut last = None;
        // What is served at the instant at which it is said to be missing is served.
        let (missing, served): (Vec<_>, Vec<_>) =
            instant.iter().partition(|event| event.milestone == Standard::FulfillmentBackordered);
        for event in missing.iter().chain(&served) {
            if waiting.hears(event) {
                known_at = event.record_time.max(known_at);
                last = Some(*event);
            }
        }
        let Some(event) = last else { continue };
        let finding = (waiting.whole || !waiting.skus.is_empty()).then(|| CheckFigures {
            about: waiting.skus.first().map(|sku| (*sku).clone()),
            ..CheckFigures::new("backordered", REASONS[0])
        });
        points.push(Point { at: event.event_time, event, known_at, finding });
    }
    points
}

impl<'a> Waiting<'a> {
    /// True where the event changes what is waited for.
    fn hears(&mut self, event: &'a Event) -> bool {
        use Standard as S;
        let Milestone::Standard(milestone) = event.milestone else { return false };
        let before = (self.whole, self.skus.len());
        let lines = lines_of(event);
        match milestone {
            S::FulfillmentBackordered if lines.is_empty() => self.whole = true,
            S::FulfillmentBackordered => self.skus.extend(lines.iter().map(|line| &line.sku)),
            S::OrderCancelled => *self = Waiting::default(),
            S::FulfillmentAllocated | S::FulfillmentPicked | S::FulfillmentPacked | S::FulfillmentShipped => {
                match lines {
                    [] => *self = Waiting::default(),
                    // Of an order that waits as a whole, a part says nothing.
                    lines => self.skus.retain(|sku| lines.iter().all(|line| line.sku != **sku)),
                }
            }
            _ => {}
        }
        before != (self.whole, self.skus.len())
    }
}
