//! `calendars:` and what runs on them.

use super::*;
use crate::policy::calendar::BusinessDays;
use crate::policy::sla::Target;

fn calendar(fields: &str) -> String {
    format!("calendars:\n  c: {{{fields}}}\n{POLICY}")
}

#[test]
fn every_field_of_a_calendar_that_is_wrong_is_said() {
    let rows: &[(&str, &[&str])] = &[
        ("time_zone: Europe/Berlin, hours: 24/7", &[]),
        ("time_zone: UTC, hours: {mon-fri: [\"08:00-12:00\", \"13:00-17:00\"], \"sat,sun\": \"22:00-06:00\"}", &[]),
        ("time_zone: UTC, hours: {sat-mon: \"00:00-24:00\"}, exceptions: {2026-12-24: closed}", &[]),
        ("hours: 24/7", &["2:6: calendars.c: `time_zone` is missing"]),
        (
            "time_zone: Europe/Berln, hours: 24/7",
            &[
                "2:18: calendars.c.time_zone: expected a time zone such as `Europe/Berlin`, found `Europe/Berln` (did you mean `Europe/Berlin`?)",
            ],
        ),
        (
            "time_zone: UTC, hours: {mon-fri: \"8:00-18:00\"}",
            &[
                "2:40: calendars.c.hours.mon-fri: expected hours such as `08:00-18:00`, `08:00-12:00, 13:00-17:00`, `22:00-06:00` or `closed`, found `8:00-18:00` (`8:00` is no time of the day such as `08:00`)",
            ],
        ),
        (
            "time_zone: UTC, hours: {mo: \"08:00-18:00\"}",
            &[
                "2:31: calendars.c.hours.mo: expected days such as `mon`, `mon-fri` or `sat,sun`, found `mo` (did you mean `mon`?)",
            ],
        ),
        (
            "time_zone: UTC, hours: {mon-fri: \"08:00-18:00\", wed: closed}",
            &["2:55: calendars.c.hours.wed: `wed` is named twice"],
        ),
        (
            "time_zone: UTC, hours: {mon: closed}",
            &["2:30: calendars.c: no day has hours: nothing on this calendar would ever be due"],
        ),
        (
            "time_zone: UTC, hours: 24/7, holidays: [2026-02-30, 2126-01-01], exceptions: {christmas: closed}",
            &[
                "2:47: calendars.c.holidays[0]: expected a date such as `2026-12-25`, found `2026-02-30` (there is no such day)",
                "2:59: calendars.c.holidays[1]: expected a date such as `2026-12-25`, found `2126-01-01` (calendars reach from 1990-01-01 to 2099-12-31)",
                "2:85: calendars.c.exceptions.christmas: expected a date such as `2026-12-25`, found `christmas` (it is written year, month, day, with `-` between them)",
            ],
        ),
    ];
    assert_rows(rows, |fields| policy_errors(&calendar(fields)));
}

/// An SLA on a calendar.
fn sla(target: &str, calendar: &str) -> String {
    format!(
        "calendars: {{berlin: {{time_zone: Europe/Berlin, hours: {{mon-fri: \"08:00-18:00\"}}}}}}\nslas:\n\
         - {{id: x, start: order.placed, stop: order.completed, severity: info, owner: a, route: b, \
         expected_outcome: c, target: {target}{calendar}}}\n"
    )
}

#[test]
fn a_target_fits_its_calendar() {
    let rows: &[(&str, &[&str])] = &[
        ("10h", &[]),
        ("{business_days: 0}", &[]),
        (
            "1d",
            &[
                "3:120: slas[0]: with a calendar a day is not 24 hours (write the open hours (`10h`), or {business_days: 1})",
            ],
        ),
        (
            "{business_days: -1}",
            &[
                "3:136: slas[0].target.business_days: expected a whole number of at least 0, found `-1` (it is too small)",
            ],
        ),
        (
            "{business_days: 0, cutoff: \"14:00\", by: \"14:00\"}",
            &["3:160: slas[0].target: what comes just before the cutoff would be due before it starts"],
        ),
        (
            "{business_days: 1, by: \"24:00\"}",
            &[
                "3:143: slas[0].target.by: expected a time such as `14:00`, found `24:00` (the day's end is written `23:59`)",
            ],
        ),
    ];
    assert_rows(rows, |target| policy_errors(&sla(target, ", calendar: berlin")));
    assert_eq!(
        policy_errors(&sla("1h", ", calendar: berln")),
        ["3:134: slas[0].calendar: there is no calendar `berln` (did you mean `berlin`?)"]
    );
    let (policies, warnings) = parse_policies("p.yaml", &sla("promised_ship_by", ", calendar: berlin")).unwrap();
    assert_eq!(policies.slas[0].calendar.as_ref().unwrap().name, "berlin");
    assert_eq!(warnings[0].message, "slas[0]: a calendar does not shift a promised date, only business_elapsed_ms");

    let (policies, _) =
        parse_policies("p.yaml", &sla("{business_days: 2, cutoff: \"14:00\"}", ", calendar: berlin")).unwrap();
    let cutoff = Some(jiff::civil::time(14, 0, 0, 0));
    assert_eq!(policies.slas[0].target, Target::BusinessDays(BusinessDays { days: 2, cutoff, by: None }));
}

#[test]
fn holidays_come_from_a_file_beside_the_document_which_then_stands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policies.yaml");
    let text = calendar("time_zone: UTC, hours: 24/7, holidays: [2026-05-01, {ics: holidays.ics}]");
    std::fs::write(&path, &text).unwrap();
    let errors = |path: &std::path::Path| load_policies(path).unwrap_err().to_string();
    let unread = errors(&path).replace(&dir.path().display().to_string(), "DIR");
    assert!(unread.starts_with("DIR/policies.yaml:2:59: DIR/holidays.ics: cannot be read: No such file"), "{unread}");

    let event = "BEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\nEND:VEVENT\n";
    std::fs::write(dir.path().join("holidays.ics"), event).unwrap();
    let (policies, _) = load_policies(&path).unwrap();
    assert!(policies.text.contains("[2026-05-01, {ics: \"holidays.ics\", dates: [2026-12-25]}]"), "{}", policies.text);
    let (again, _) = parse_policies("from the topic", &policies.text).unwrap();
    assert_eq!(again.version, policies.version);
    assert_eq!(policy_errors(&text), ["2:59: calendars.c.holidays[1]: `dates` is missing"]);

    std::fs::write(dir.path().join("holidays.ics"), event.replace("END", "RRULE:FREQ=WEEKLY\nEND")).unwrap();
    assert!(errors(&path).contains("holidays.ics:3:1: of RRULE only a yearly date"), "{}", errors(&path));
}
