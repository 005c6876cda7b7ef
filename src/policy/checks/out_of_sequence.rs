//! `out_of_sequence`: a milestone of `sequence` was reached while one before it was not.
//!
//! The one that was skipped resolves it when it is reached later, and retracts it when it turns out to have been reached in
//! time. Milestones of one instant are in order. Only first occurrences count.

use crate::domain::{CheckFigures, Milestone, Str, Timestamp};
use crate::policy::view::{OrderView, Reached};

use super::settle::Point;

/// The only reason.
pub const REASONS: &[&str] = &["skipped"];

/// What the check thinks after each instant at which one of the sequence is reached.
pub fn points<'a>(view: &OrderView<'a>, sequence: &[Milestone]) -> Vec<Point<'a>> {
    let firsts: Vec<Option<Reached<'a>>> = sequence.iter().map(|milestone| view.first(milestone)).collect();
    let mut reached: Vec<Reached<'a>> = firsts.iter().flatten().copied().collect();
    reached.sort_by_key(|reached| (reached.at, reached.event.position));
    let (mut points, mut known_at): (Vec<Point<'a>>, _) = (Vec::new(), Timestamp::MIN);
    for at in reached {
        known_at = at.known_at.max(known_at);
        let is_reached = |first: &Option<Reached<'_>>| first.is_some_and(|first| first.at <= at.at);
        let missing = firsts.iter().position(|first| !is_reached(first));
        let skipped = missing.filter(|missing| firsts.iter().skip(*missing).any(is_reached));
        let finding = skipped.and_then(|place| sequence.get(place)).map(|milestone| CheckFigures {
            about: Some(Str::new(milestone.as_str())),
            ..CheckFigures::new("out_of_sequence", REASONS[0])
        });
        // Of several at one instant the last speaks for all.
        points.pop_if(|last| last.at == at.at);
        points.push(Point { known_at, ..Point::of(at, finding) });
    }
    points
}
