//! `payment_without_order`: money moved for an order of which no `order.*` event is known.
//!
//! A later order resolves it; one whose time is at or before the payment's retracts it.

use crate::domain::{CheckFigures, Event};
use crate::policy::view::{OrderView, Reached};

use super::settle::Point;

/// The only reason.
pub const REASONS: &[&str] = &["orphan"];

/// What the check thinks after each instant that can change its mind.
pub fn points<'a>(view: &OrderView<'a>) -> Vec<Point<'a>> {
    let first = |is_one: fn(&Event) -> bool| view.events().iter().find(|event| is_one(event)).map(Reached::by);
    let Some(payment) = first(Event::is_payment) else { return Vec::new() };
    let order = first(Event::is_order);
    if order.is_some_and(|order| order.at <= payment.at) {
        return Vec::new();
    }
    let figures = CheckFigures::new("payment_without_order", REASONS[0]);
    let mut points = vec![Point::of(payment, Some(figures))];
    points.extend(order.map(|order| Point::of(order, None)));
    points
}
