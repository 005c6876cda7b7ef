//! Holidays from an iCalendar file (RFC 5545): the dates of its all-day events.
//!
//! A policy document must mean the same wherever it is read back, so the dates are written into its text before it is
//! parsed: `{ics: holidays.ics}` becomes `{ics: holidays.ics, dates: [2026-12-25, …]}`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;

use crate::policy::Calendar;

use super::problem::{Level, Problem, SourceFile};
use super::yaml::{self, Node, Value};

/// Fills in the dates of every `{ics: FILE}`. `read` opens a file that stands beside the document.
pub fn filled_in(
    file: SourceFile,
    read: &dyn Fn(&Path) -> Result<SourceFile, Problem>,
) -> Result<SourceFile, Vec<Problem>> {
    // What is no YAML is said by who reads it.
    let Ok(root) = yaml::parse(file.text()) else { return Ok(file) };
    let (mut text, mut problems) = (file.text().to_string(), Vec::new());
    let document = Arc::new(SourceFile::new(file.name(), Arc::clone(file.text())));
    // A file that cannot be read is said where it is named.
    let named_at = |span: &Range<usize>, problem: Problem| Problem {
        span: Some(span.clone()),
        message: problem.to_string(),
        file: Arc::clone(&document),
        ..problem
    };
    // From the last to the first, so that the places of those before stay.
    for (span, path) in named(&root).into_iter().rev() {
        let ics = read(Path::new(&path)).map_err(|problem| named_at(&span, problem));
        match ics.and_then(|ics| dates(&Arc::new(ics))) {
            Ok(dates) => {
                let dates: Vec<String> = dates.iter().map(Date::to_string).collect();
                text.replace_range(span, &format!("{{ics: {path:?}, dates: [{}]}}", dates.join(", ")));
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(SourceFile::new(file.name(), text)) } else { Err(problems) }
}

/// Every holidays file that is not filled in, with the place of its entry.
fn named(root: &Node) -> Vec<(Range<usize>, String)> {
    let Some(Node { value: Value::Map(calendars), .. }) = root.field("calendars") else { return Vec::new() };
    let holidays = calendars.iter().filter_map(|(_, calendar)| match &calendar.field("holidays")?.value {
        Value::List(holidays) => Some(holidays),
        _ => None,
    });
    let entry = |node: &Node| match node.field("ics") {
        Some(Node { value: Value::Scalar(path), .. }) if node.field("dates").is_none() => {
            Some((node.span.clone(), path.clone()))
        }
        _ => None,
    };
    holidays.flatten().filter_map(entry).collect()
}

/// The dates of the file's all-day events within a calendar's dates. An event at a time of the day is no holiday, and a
/// cancelled one is none.
fn dates(file: &Arc<SourceFile>) -> Result<BTreeSet<Date>, Problem> {
    let (mut dates, mut event, mut ruled_at) = (BTreeSet::new(), None::<Event>, None);
    for (mut span, line) in unfolded(file.text()) {
        let Some((property, value)) = line.split_once(':') else { continue };
        let name = property.split(';').next().unwrap_or_default().to_ascii_uppercase();
        let told = match (name.as_str(), value.trim(), &mut event) {
            ("BEGIN", "VEVENT", _) => {
                event = Some(Event::default());
                Ok(())
            }
            ("END", "VEVENT", _) => {
                span = ruled_at.take().unwrap_or(span);
                event.take().map_or(Ok(()), |event| event.add_to(&mut dates))
            }
            (name, value, Some(event)) => {
                ruled_at = ruled_at.or_else(|| (name == "RRULE").then(|| span.clone()));
                event.hears(name, value)
            }
            _ => Ok(()),
        };
        told.map_err(|message| Problem {
            level: Level::Error,
            file: Arc::clone(file),
            span: Some(span),
            message,
            help: Some("write the dates themselves under `holidays`".to_owned()),
        })?;
    }
    Ok(dates)
}

/// Content lines, with where each begins; a line that begins with a space goes on with the one before.
fn unfolded(text: &str) -> Vec<(Range<usize>, String)> {
    let (mut lines, mut at): (Vec<(Range<usize>, String)>, _) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let span = at..at + line.trim_end().len();
        at += line.len();
        let line = line.trim_end_matches(['\r', '\n']);
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(more), Some((_, last))) => last.push_str(more),
            _ => lines.push((span, line.to_owned())),
        }
    }
    lines
}

#[derive(Default)]
struct Event {
    first: Option<Date>,
    /// The day after the last.
    end: Option<Date>,
    rule: Option<String>,
    without: Vec<Date>,
    is_cancelled: bool,
}

impl Event {
    fn hears(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            // With a time of the day it is no date, and the event no holiday.
            "DTSTART" => self.first = date(value),
            "DTEND" => self.end = date(value),
            "EXDATE" => self.without.extend(value.split(',').filter_map(date)),
            "STATUS" => self.is_cancelled = value.eq_ignore_ascii_case("CANCELLED"),
            "RRULE" => self.rule = Some(value.to_ascii_uppercase()),
            "RDATE" => return Err("RDATE is not understood here".to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn add_to(self, dates: &mut BTreeSet<Date>) -> Result<(), String> {
        let Some(first) = self.first.filter(|_| !self.is_cancelled) else { return Ok(()) };
        let days = self.end.map_or(1, |end| (end - first).get_days().max(1));
        let (earliest, last) = Calendar::DATES;
        for start in self.starts(first)?.into_iter().filter(|start| !self.without.contains(start)) {
            let of_one = (0..days).filter_map(|day| start.checked_add(day.days()).ok());
            dates.extend(of_one.filter(|date| (earliest..=last).contains(date)));
        }
        Ok(())
    }

    /// Once, or each year on the same date: what holidays that move need, only their authors know.
    fn starts(&self, first: Date) -> Result<Vec<Date>, String> {
        let Some(rule) = &self.rule else { return Ok(vec![first]) };
        let (mut until, mut count) = (Calendar::DATES.1, usize::MAX);
        for part in rule.split(';').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("FREQ", "YEARLY") | ("INTERVAL", "1") | ("WKST", _)) => {}
                Some(("BYMONTH", month)) if month.parse() == Ok(first.month()) => {}
                Some(("BYMONTHDAY", day)) if day.parse() == Ok(first.day()) => {}
                Some(("UNTIL", day)) => until = date(day.get(..8).unwrap_or(day)).ok_or("UNTIL is no date")?,
                Some(("COUNT", n)) => count = n.parse().map_err(|_| "COUNT is no number".to_owned())?,
                _ => return Err(format!("of RRULE only a yearly date is understood, and this says {part}")),
            }
        }
        let years = first.year()..=until.year();
        // The 29th of February is left out where there is none, as RFC 5545 says.
        let dates = years.filter_map(|year| Date::new(year, first.month(), first.day()).ok());
        Ok(dates.take_while(|date| *date <= until).take(count).collect())
    }
}

/// `20261225`
fn date(text: &str) -> Option<Date> {
    let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
    let part = |range: Range<usize>| text.get(range)?.parse::<i16>().ok();
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    Date::new(year, month as i8, day as i8).ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(events: &str) -> Result<Vec<String>, String> {
        let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n");
        let dates = dates(&Arc::new(SourceFile::new("h.ics", text)));
        dates.map(|dates| dates.iter().map(Date::to_string).collect()).map_err(|problem| problem.to_string())
    }

    fn event(lines: &[&str]) -> String {
        format!("BEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\n", lines.join("\r\n"))
    }

    #[test]
    fn all_day_events_are_holidays() {
        let christmas = event(&["DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261227", "SUMMARY:Christmas"]);
        let folded = event(&["DTSTART;VALUE=DATE:2026", " 0101", "SUMMARY:New", " Year"]);
        let party = event(&["DTSTART;TZID=Europe/Berlin:20260612T180000", "SUMMARY:Summer party"]);
        let gone = event(&["DTSTART;VALUE=DATE:20260501", "STATUS:CANCELLED"]);
        let alarm = "BEGIN:VTODO\r\nDTSTART;VALUE=DATE:20260707\r\nEND:VTODO\r\n";
        let all = of(&(christmas + &folded + &party + &gone + alarm)).unwrap();
        assert_eq!(all, ["2026-01-01", "2026-12-25", "2026-12-26"]);
    }

    #[test]
    fn a_yearly_date_comes_again_and_other_rules_are_refused() {
        let yearly = |rule: &str| of(&event(&["DTSTART;VALUE=DATE:20240229", "EXDATE;VALUE=DATE:20280229", rule]));
        assert_eq!(yearly("RRULE:FREQ=YEARLY;UNTIL=20330101").unwrap(), ["2024-02-29", "2032-02-29"]);
        assert_eq!(yearly("RRULE:FREQ=YEARLY;BYMONTH=2;COUNT=1").unwrap(), ["2024-02-29"]);
        let error = yearly("RRULE:FREQ=YEARLY;BYDAY=-1MO;BYMONTH=5").unwrap_err();
        assert!(
            error.contains("h.ics:6:1: of RRULE only a yearly date is understood, and this says BYDAY=-1MO"),
            "{error}"
        );
    }
}
