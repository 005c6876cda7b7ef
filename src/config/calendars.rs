//! `calendars:` and what runs on them: hours, holidays, business days.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::domain::Str;
use crate::policy::calendar::{BusinessDays, Calendar, DayHours, Hours};

use super::read::{Reader, did_you_mean, quoted};
use super::values;
use super::yaml::{Node, Value};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const SPANS: &str = "hours such as `08:00-18:00`, `08:00-12:00, 13:00-17:00`, `22:00-06:00` or `closed`";

const DATE: &str = "a date such as `2026-12-25`";

/// The calendars of a document, by name.
pub type Calendars = HashMap<Str, Arc<Calendar>>;

/// `calendars: {berlin: {time_zone, hours, holidays, exceptions}}`
pub fn calendars(r: &mut Reader<'_>, node: &Node) -> Option<Calendars> {
    let read = r.entries(node, |r, key, node| {
        let name = Str::new(&key.name);
        Some((name.clone(), Arc::new(calendar(r, name, node)?)))
    })?;
    Some(read.into_iter().collect())
}

fn calendar(r: &mut Reader<'_>, name: Str, node: &Node) -> Option<Calendar> {
    r.fields(node, |f| {
        let zone = f.required("time_zone", time_zone);
        let week = f.required("hours", week);
        let holidays = f.or("holidays", Vec::new(), |r, n| r.list(n, holiday).map(|dates| dates.concat()));
        let exceptions = f.or("exceptions", Vec::new(), |r, n| {
            r.entries(n, |r, key, node| {
                let wrong = format!("expected {DATE}, found {}", quoted(&key.name));
                let day = day_of_calendar(&key.name).map_err(|why| r.error_with_help(&key.span, wrong, Some(why))).ok();
                Some((day?, day_hours(r, node)?))
            })
        });
        let (week, holidays, exceptions) = (week?, holidays?, exceptions?);
        if week.iter().all(DayHours::is_closed) {
            f.reader.error(f.span("hours"), "no day has hours: nothing on this calendar would ever be due");
        }
        // An exception says more than a holiday: it has the hours of that very day.
        let mut dates: BTreeMap<Date, DayHours> =
            holidays.into_iter().map(|date| (date, DayHours::default())).collect();
        dates.extend(exceptions);
        Some(Calendar::new(name, zone?, Hours { week, dates }))
    })
}

fn time_zone(r: &mut Reader<'_>, node: &Node) -> Option<TimeZone> {
    // jiff's bundled data, so that a document means the same on every machine.
    r.parsed(node, "a time zone such as `Europe/Berlin`", |name| {
        let zones = jiff::tz::TimeZoneDatabase::bundled();
        zones.get(name).map_err(|_| {
            let names: Vec<String> = zones.available().map(|zone| zone.as_str().to_owned()).collect();
            zone_meant(name, &names).unwrap_or_else(|| "the IANA time zone database has no such zone".to_owned())
        })
    })
}

/// `Berlin` and `Europe/Berln` both mean `Europe/Berlin`. Of `GMT+1` nobody can tell: the database has its signs reversed.
fn zone_meant(name: &str, zones: &[String]) -> Option<String> {
    if name.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let is_city = |zone: &&String| zone.rsplit_once('/').is_some_and(|(_, city)| city.eq_ignore_ascii_case(name));
    let city = zones.iter().find(is_city).map(|zone| format!("did you mean `{zone}`?"));
    city.or_else(|| did_you_mean(name, zones.iter().map(String::as_str)))
}

/// `{mon-fri: "08:00-18:00", sat: "09:00-13:00"}`, or `24/7`.
fn week(r: &mut Reader<'_>, node: &Node) -> Option<[DayHours; 7]> {
    if let Value::Scalar(text) = &node.value
        && text == "24/7"
    {
        return Some(std::array::from_fn(|_| DayHours::whole()));
    }
    let mut named: [Option<DayHours>; 7] = std::array::from_fn(|_| None);
    let read = r.entries(node, |r, key, node| {
        let days = days(&key.name).map_err(|why| r.error(&key.span, why)).ok();
        let hours = day_hours(r, node)?;
        for day in days? {
            if named.get_mut(day)?.replace(hours.clone()).is_some() {
                r.error(&key.span, format!("`{}` is named twice", DAYS.get(day)?));
                return None;
            }
        }
        Some(())
    });
    read?;
    Some(named.map(Option::unwrap_or_default))
}

/// `mon`, `mon-fri`, `sat,sun`; a range may run over the end of the week.
fn days(text: &str) -> Result<Vec<usize>, String> {
    let day = |name: &str| {
        DAYS.iter().position(|day| *day == name).ok_or_else(|| {
            let written_out = DAYS.into_iter().find(|day| name.to_lowercase().starts_with(day));
            let hint = written_out.map(|day| format!("did you mean `{day}`?")).or_else(|| did_you_mean(name, DAYS));
            let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
            format!("expected days such as `mon`, `mon-fri` or `sat,sun`, found {}{hint}", quoted(text))
        })
    };
    let mut days = Vec::new();
    for part in text.split(',').map(str::trim) {
        match part.split_once('-') {
            None => days.push(day(part)?),
            Some((first, last)) => {
                let (first, last) = (day(first.trim())?, day(last.trim())?);
                let length = (last + DAYS.len() - first) % DAYS.len();
                days.extend((0..=length).map(|n| (first + n) % DAYS.len()));
            }
        }
    }
    Ok(days)
}

/// Spans as one text, or a list of texts.
fn day_hours(r: &mut Reader<'_>, node: &Node) -> Option<DayHours> {
    let spans = |r: &mut Reader<'_>, node: &Node| r.parsed(node, SPANS, spans);
    let mut spans: Vec<(u16, u16)> = match &node.value {
        Value::List(_) => r.list(node, spans)?.concat(),
        _ => spans(r, node)?,
    };
    spans.sort_unstable();
    if spans.iter().zip(spans.iter().skip(1)).any(|(one, next)| next.0 < one.1) {
        r.error(&node.span, "two of these spans overlap");
        return None;
    }
    Some(DayHours::new(spans))
}

fn spans(text: &str) -> Result<Vec<(u16, u16)>, String> {
    if text == "closed" {
        return Ok(Vec::new());
    }
    let span = |part: &str| {
        let (from, until) = part.split_once('-').ok_or("its two times stand apart by a plain `-`")?;
        let (from, until) = (minutes(from.trim())?, minutes(until.trim())?);
        match from.cmp(&until) {
            std::cmp::Ordering::Less => Ok((from, until)),
            std::cmp::Ordering::Equal => Err("it begins when it ends; all day is `00:00-24:00`".to_owned()),
            // Over midnight: it belongs to the day where it begins.
            std::cmp::Ordering::Greater => Ok((from, until + 24 * 60)),
        }
    };
    text.split(',').map(|part| span(part.trim())).collect()
}

/// Minutes since midnight; `24:00` is the end of the day.
fn minutes(text: &str) -> Result<u16, String> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 2);
    let parts = text.split_once(':').and_then(|(hours, minutes)| Some((number(hours)?, number(minutes)?)));
    match parts {
        Some((24, 0)) => Ok(24 * 60),
        Some((hours, minutes)) if hours < 24 && minutes < 60 => Ok(hours * 60 + minutes),
        _ => Err(format!("{} is no time of the day such as `08:00`", quoted(text))),
    }
}

/// A date, or `{ics: FILE}`, whose dates the loader has filled in.
fn holiday(r: &mut Reader<'_>, node: &Node) -> Option<Vec<Date>> {
    if !matches!(node.value, Value::Map(_)) {
        return date(r, node).map(|date| vec![date]);
    }
    r.fields(node, |f| {
        f.required("ics", values::text)?;
        f.required("dates", |r, n| r.list(n, date))
    })
}

fn date(r: &mut Reader<'_>, node: &Node) -> Option<Date> {
    r.parsed(node, DATE, day_of_calendar)
}

fn day_of_calendar(text: &str) -> Result<Date, String> {
    let (first, last) = Calendar::DATES;
    match text.parse::<Date>() {
        Ok(date) if text.len() == 10 && (first..=last).contains(&date) => Ok(date),
        Ok(_) if text.len() == 10 => Err(format!("calendars reach from {first} to {last}")),
        _ if looks_like_a_date(text) => Err("there is no such day".to_owned()),
        _ => Err("it is written year, month, day, with `-` between them".to_owned()),
    }
}

fn looks_like_a_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() })
}

/// `calendar: berlin`
pub fn named(r: &mut Reader<'_>, node: &Node, calendars: &Calendars) -> Option<Arc<Calendar>> {
    let name = values::text(r, node)?;
    let found = calendars.get(&name).cloned();
    if found.is_none() {
        let mut known: Vec<&str> = calendars.keys().map(Str::as_str).collect();
        known.sort_unstable();
        let help = match did_you_mean(&name, known.iter().copied()) {
            None if known.is_empty() => "describe it under `calendars`".to_owned(),
            None => format!("there are {}", known.join(", ")),
            Some(near) => near,
        };
        r.error_with_help(&node.span, format!("there is no calendar {}", quoted(&name)), Some(help));
    }
    found
}

/// `{business_days: 1, cutoff: "14:00", by: "18:00"}`
pub fn business_days(r: &mut Reader<'_>, node: &Node) -> Option<BusinessDays> {
    r.fields(node, |f| {
        let days = f.required("business_days", values::at_least(0));
        let cutoff = f.optional("cutoff", time);
        let by = f.optional("by", time);
        let (days, cutoff, by) = (days?, cutoff?, by?);
        if let (0, Some(cutoff), Some(by)) = (days, cutoff, by)
            && by <= cutoff
        {
            f.reader.error(f.span("by"), "what comes just before the cutoff would be due before it starts");
        }
        Some(BusinessDays { days: usize::try_from(days).unwrap_or(usize::MAX), cutoff, by })
    })
}

fn time(r: &mut Reader<'_>, node: &Node) -> Option<Time> {
    r.parsed(node, "a time such as `14:00`", |text| {
        let minutes = minutes(text)?;
        let time = Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
        time.map_err(|_| "the day's end is written `23:59`".to_owned())
    })
}
