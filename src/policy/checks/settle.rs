//! Settling: a finding opens when it has held for `settle` without another relevant event, and ends at once.
//!
//! A check tells what it thinks after each relevant instant; this finds the stretches that held long enough. The clock
//! starts anew with each relevant event that comes while it runs, also with one exactly at its end.

use crate::domain::{CheckFigures, Event, Millis, Timestamp};
use crate::policy::case::{Case, CaseClock, End, EndKind};
use crate::policy::view::Reached;

/// What a check thinks after a relevant instant.
#[derive(Clone, Debug)]
pub struct Point<'a> {
    /// The instant; each at most once, ascending.
    pub at: Timestamp,
    /// The last relevant event of it.
    pub event: &'a Event,
    /// In record time: since when all relevant events up to it can be known.
    pub known_at: Timestamp,
    /// What disagrees from here on, if anything does.
    pub finding: Option<CheckFigures>,
}

impl<'a> Point<'a> {
    /// What the check thinks after what was reached.
    pub fn of(reached: Reached<'a>, finding: Option<CheckFigures>) -> Self {
        Point { at: reached.at, event: reached.event, known_at: reached.known_at, finding }
    }
}

/// Every stretch that held for `settle`, or will have if nothing else comes. One pass over the points.
pub fn findings<'a>(points: &[Point<'a>], settle: Millis) -> Vec<Case<'a>> {
    let mut found: Vec<Case<'a>> = Vec::new();
    let mut began: Option<&Point<'a>> = None;
    let mut opened = false;
    for (i, point) in points.iter().enumerate() {
        let Some(figures) = &point.finding else {
            if opened && let Some(case) = found.last_mut() {
                case.end = Some(End {
                    kind: EndKind::Done,
                    at: point.at,
                    by: point.event,
                    known_at: point.known_at,
                    in_time: false,
                });
            }
            (began, opened) = (None, false);
            continue;
        };
        let first = *began.get_or_insert(point);
        let undisturbed = points.get(i + 1).is_none_or(|next| next.at > point.at + settle);
        if opened || !undisturbed {
            continue;
        }
        opened = true;
        found.push(Case {
            trigger: first.event,
            started_at: first.at,
            deadline: Some(point.at + settle),
            clock: CaseClock::Plain,
            end: None,
            figures: Some(Box::new(figures.clone())),
            follows: None,
        });
    }
    found
}
