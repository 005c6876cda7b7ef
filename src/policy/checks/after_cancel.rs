//! `after_cancel`: money was captured, or a parcel left, later than the order was cancelled. What was done cannot be undone:
//! it ends only by retraction.

use crate::domain::{CheckFigures, Standard};
use crate::policy::view::OrderView;

use super::settle::Point;

/// The reasons, each an exception of its own.
pub const REASONS: &[&str] = &["captured", "shipped"];

/// What the check thinks after the first event of its reason that came after the cancel.
pub fn points<'a>(view: &OrderView<'a>, reason: &str) -> Vec<Point<'a>> {
    let milestone = if reason == "captured" { Standard::PaymentCaptured } else { Standard::FulfillmentShipped };
    let Some(cancel) = view.first(&Standard::OrderCancelled.into()) else { return Vec::new() };
    let after = view.occurrences(&milestone.into()).find(|reached| reached.at > cancel.at);
    let point = after.map(|mut reached| {
        reached.known_at = reached.known_at.max(cancel.known_at);
        Point::of(reached, Some(CheckFigures::new("after_cancel", reason)))
    });
    point.into_iter().collect()
}
