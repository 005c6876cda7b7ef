//! How the demo looks: an exception as a line or two, a headline now and then. Colours on a terminal alone.

use std::fmt::{self, Display};

use owo_colors::{OwoColorize, Style};

use crate::config::units::format_duration;
use crate::domain::{Exception, Kind, Millis, Severity, Status, Subject, Timestamp};

use super::figures::Figures;

/// Whether colours are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Palette {
    /// False where standard output is no terminal, or NO_COLOR is set.
    pub colours: bool,
}

/// Exceptions that stand, by status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// At risk.
    pub at_risk: usize,
    /// Breached.
    pub opened: usize,
    /// Breached for long.
    pub escalated: usize,
}

impl Palette {
    fn paint(self, text: impl Display, style: Style) -> String {
        if self.colours { text.style(style).to_string() } else { text.to_string() }
    }

    /// One published state. What opens says also what started it and what should happen.
    pub fn exception(self, e: &Exception) -> String {
        let (mark, style) = look(e);
        let status = match e.status {
            Status::AtRisk => "at risk",
            other => other.as_str(),
        };
        let head = self.paint(format_args!("{mark} {status:<9}"), style);
        let time = self.paint(clock(e.frontier), Style::new().dimmed());
        let subject = subject(&e.subject);
        let owner = self.paint(&e.owner, Style::new().dimmed());
        let mut text = format!("{time} {head} {:<22} {subject:<17} {:<34} {owner}\n", e.policy.id, what(e));
        if e.status == Status::Opened {
            let cause = e.trigger.as_ref().map(|t| {
                let source = e.source.as_deref().unwrap_or("?");
                let place = format_args!("{}/{} at {}", t.topic, t.partition, t.offset);
                format!("{} at {} from {source} ({place}) ", t.kind, clock(t.event_time))
            });
            let cause = cause.unwrap_or_default();
            let arrow = if cause.is_empty() { "" } else { "→ " };
            let rest = format_args!("           └ {cause}{arrow}{}: {}\n", e.route, e.expected_outcome);
            text.push_str(&self.paint(rest, Style::new().dimmed()));
        }
        text
    }

    /// How things stand, every few seconds.
    pub fn headline(self, now: Timestamp, figures: &Figures, standing: Standing) -> String {
        let Standing { at_risk, opened, escalated } = standing;
        let text = format!(
            "── {} ── {} orders open · {:.0} events/s · exceptions: {at_risk} at risk, {opened} opened, {escalated} escalated \
             · frontier {:.1} s behind ──",
            clock(now),
            figures.orders_open,
            figures.events_per_second,
            figures.frontier_lag_seconds.max(0.0),
        );
        self.paint(text, Style::new().bold()) + "\n"
    }

    /// A heading.
    pub fn title(self, text: impl Display) -> String {
        self.paint(text, Style::new().bold())
    }

    /// Something beside the point.
    pub fn aside(self, text: impl Display) -> String {
        self.paint(text, Style::new().dimmed())
    }
}

fn look(e: &Exception) -> (char, Style) {
    let style = Style::new();
    match e.status {
        Status::AtRisk => ('▲', style.yellow()),
        Status::Opened if e.severity == Severity::Critical => ('●', style.red().bold()),
        Status::Opened => ('●', style.red()),
        Status::Escalated => ('◆', style.magenta().bold()),
        Status::Averted | Status::Resolved => ('✓', style.green()),
        Status::Retracted => ('↩', style.cyan()),
        Status::Cancelled => ('✗', style.dimmed()),
    }
}

fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Order(id) => id.to_string(),
        Subject::Other(other) => format!("{} {}", other.entity, other.id),
        Subject::Group(group) => {
            let part = |(name, value): &(_, Option<_>)| match value {
                Some(value) => format!("{name}={value}"),
                None => format!("without {name}"),
            };
            group.iter().map(part).collect::<Vec<_>>().join(" ")
        }
    }
}

/// What happened, in a few words.
fn what(e: &Exception) -> String {
    match e.kind {
        Kind::Sla => of_sla(e),
        Kind::Backlog => of_backlog(e),
        Kind::Reconciliation => of_check(e),
    }
}

fn of_sla(e: &Exception) -> String {
    let late = |until: Option<Timestamp>| Some(span(until? - e.deadline?));
    match e.status {
        Status::AtRisk => {
            let left =
                e.deadline.map_or_else(String::new, |deadline| format!(", {} left", span(deadline - e.frontier)));
            format!("{} % gone{left}", e.warn_percent.unwrap_or(0))
        }
        Status::Averted => "done in time after all".to_owned(),
        Status::Opened => match (e.target_ms, late(e.ended_at)) {
            (_, Some(late)) => format!("done {late} late"),
            (Some(target), None) => format!("not done within {}{}", span(Millis::new(target)), by_the_clock(e)),
            (None, None) => "not done in time".to_owned(),
        },
        Status::Escalated => {
            late(Some(e.frontier)).map_or_else(|| "still open".to_owned(), |late| format!("still open, {late} over"))
        }
        Status::Resolved => late(e.ended_at).map_or_else(|| "done late".to_owned(), |late| format!("done {late} late")),
        Status::Retracted => "was kept: the proof came late".to_owned(),
        Status::Cancelled => "no longer wanted: cancelled".to_owned(),
    }
}

/// How long it took by the clock, where hours or a hold make that more.
fn by_the_clock(e: &Exception) -> String {
    let more = e.actual_elapsed_ms.filter(|actual| e.business_elapsed_ms.is_some_and(|open| open < *actual));
    more.map_or_else(String::new, |actual| format!(" (by the clock {})", span(Millis::new(actual))))
}

fn of_backlog(e: &Exception) -> String {
    let Some(figures) = e.backlog else { return String::new() };
    let oldest = figures.oldest_age_ms.map_or_else(String::new, |age| format!(", oldest {}", span(Millis::new(age))));
    format!("{} waiting{oldest}", figures.depth)
}

fn of_check(e: &Exception) -> String {
    let Some(check) = &e.check else { return String::new() };
    let money =
        |minor: Option<i64>| minor.map_or_else(|| "?".to_owned(), |m| format!("{}.{:02}", m / 100, m.abs() % 100));
    match (e.status, check.currency) {
        (Status::Resolved, _) => "no longer so".to_owned(),
        (_, None) if e.is_summed() => {
            let pieces = |n: Option<i64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
            format!("{} wanted, {} there", pieces(check.actual), pieces(check.expected))
        }
        (_, Some(currency)) => {
            format!("{} {currency} instead of {} ({})", money(check.actual), money(check.expected), check.reason)
        }
        _ => check.reason.replace('_', " "),
    }
}

/// A length of time to a tenth of a second.
fn span(length: Millis) -> String {
    let ms = length.get().abs();
    if ms < 60_000 && ms % 1000 != 0 {
        return format!("{:.1}s", ms as f64 / 1000.0);
    }
    format_duration(Millis::new(ms - ms % 1000))
}

/// The time of day, in UTC.
fn clock(at: Timestamp) -> impl Display {
    struct Clock(Timestamp);
    impl Display for Clock {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let text = self.0.to_string();
            f.write_str(text.get(11..21).unwrap_or(&text))
        }
    }
    Clock(at)
}
