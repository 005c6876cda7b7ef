//! The sentence that says why.

use std::fmt::Write;

use crate::domain::{Millis, Timestamp};

use super::{ExplainedCycle, NoCycle, Verdict};

/// Why a cycle stands as it does at `frontier`.
pub(super) fn why(cycle: &ExplainedCycle, frontier: Timestamp) -> String {
    match &cycle.check {
        Some(_) => finding(cycle, frontier),
        None => promise(cycle, frontier),
    }
}

/// Why an SLA runs no cycle.
pub(super) fn none(reason: &NoCycle) -> String {
    match reason {
        NoCycle::NotStarted { start } => format!("no {start} yet"),
        NoCycle::WhenDoesNotHold => "its `when` did not hold at the start".to_owned(),
        NoCycle::AnotherOfItsGroup => "another SLA of its `first_match` group runs".to_owned(),
        NoCycle::NothingPromised => "no date was promised".to_owned(),
        NoCycle::EndedBeforeItBegan => "cancelled at or before its start, or its calendar has no such day".to_owned(),
    }
}

fn promise(cycle: &ExplainedCycle, frontier: Timestamp) -> String {
    let awaited = cycle.awaits.as_deref().unwrap_or("the end");
    let deadline = cycle.deadline.map_or_else(|| "a time that is not known yet".to_owned(), |at| at.to_string());
    let by = |what: &str| cycle.ended.as_ref().map_or(String::new(), |end| format!("{what} at {}", end.at));
    let from_deadline = cycle.ended.as_ref().zip(cycle.deadline).map(|(end, deadline)| end.at - deadline);
    let mut text = match cycle.verdict {
        Verdict::Running => match cycle.deadline {
            Some(at) if at >= frontier => {
                format!("running: {awaited} is due by {deadline}, {} ahead", length(at - frontier))
            }
            _ => format!(
                "due by {deadline}, and not judged before the frontier is past that by {}",
                length(Millis::new(cycle.grace_ms))
            ),
        },
        Verdict::Paused => format!("its clock stands still; due by {deadline}"),
        Verdict::Met => {
            let early =
                from_deadline.filter(|by| by.get() < 0).map(|by| format!(", {} early", length(Millis::new(-by.get()))));
            format!("met: {}, due by {deadline}{}", by(awaited), early.unwrap_or_default())
        }
        Verdict::Breached => format!("breached: no {awaited} by {deadline}; it is still missing"),
        Verdict::BreachedThenDone => {
            let late = from_deadline.map(length).unwrap_or_default();
            format!(
                "breached: no {awaited} by {deadline}; it came at {}, {late} late",
                by("").trim_start_matches(" at ")
            )
        }
        Verdict::Cancelled => format!("cancelled{}, before {deadline}", by(&ender(cycle))),
        Verdict::BreachedThenCancelled => {
            format!("breached: no {awaited} by {deadline}; cancelled{}", by(&ender(cycle)))
        }
    };
    add_told_late(&mut text, cycle);
    add_pauses(&mut text, cycle);
    add_published(&mut text, cycle);
    text
}

fn finding(cycle: &ExplainedCycle, frontier: Timestamp) -> String {
    let Some(figures) = &cycle.check else { return String::new() };
    let mut text = format!("{} {}", figures.name, figures.reason);
    if let (Some(expected), Some(actual)) = (figures.expected, figures.actual) {
        let currency = figures.currency.as_ref().map(|currency| format!(" {currency}")).unwrap_or_default();
        let _ = write!(text, ": expected {expected}, found {actual}{currency}");
    }
    if let Some(about) = &figures.about {
        let _ = write!(text, " ({about})");
    }
    let _ = match (cycle.verdict, cycle.deadline) {
        (Verdict::Running | Verdict::Paused, Some(at)) if at >= frontier => {
            write!(text, "; it opens if it holds until {at}")
        }
        (Verdict::Met | Verdict::Cancelled, _) => write!(text, "; it did not hold for long enough"),
        (Verdict::Breached, _) => write!(text, "; it stands since {}", cycle.started_at),
        (_, _) => cycle.ended.as_ref().map_or(Ok(()), |end| write!(text, "; it ended at {}", end.at)),
    };
    add_published(&mut text, cycle);
    text
}

fn ender(cycle: &ExplainedCycle) -> String {
    cycle.ended.as_ref().map_or(String::new(), |end| format!(" by {}", end.by.kind))
}

/// A stop that was told long after it happened explains an alarm that came and went.
fn add_told_late(text: &mut String, cycle: &ExplainedCycle) {
    let Some(end) = &cycle.ended else { return };
    let is_late =
        cycle.deadline.is_some_and(|deadline| end.in_time && end.known_at > deadline + Millis::new(cycle.grace_ms));
    if is_late {
        let _ = write!(text, "; it was told only at {}", end.known_at);
    }
}

fn add_pauses(text: &mut String, cycle: &ExplainedCycle) {
    for pause in &cycle.pauses {
        let _ = match pause.until {
            Some(until) => write!(text, "; its clock stood still from {} to {until}", pause.from),
            None => write!(text, "; its clock stands still since {}", pause.from),
        };
    }
}

fn add_published(text: &mut String, cycle: &ExplainedCycle) {
    if let Some(told) = &cycle.published {
        let _ = write!(text, "; `{}` was published at frontier {}", told.status, told.frontier);
    }
}

/// `2 d 3 h 5 min`; what is shorter than a second in milliseconds.
fn length(length: Millis) -> String {
    let ms = length.get();
    if ms < 1000 {
        return format!("{ms} ms");
    }
    let units = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)];
    let mut left = ms;
    let mut parts = Vec::new();
    for (unit, size) in units {
        let count = left / size;
        left %= size;
        if count > 0 && parts.len() < 2 {
            parts.push(format!("{count} {unit}"));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_two_units() {
        let told = |ms| length(Millis::new(ms));
        assert_eq!((told(0), told(999)), ("0 ms".to_owned(), "999 ms".to_owned()));
        assert_eq!((told(61_000), told(720_000)), ("1 min 1 s".to_owned(), "12 min".to_owned()));
        assert_eq!(told(2 * 86_400_000 + 3 * 3_600_000 + 60_000), "2 d 3 h");
    }
}
