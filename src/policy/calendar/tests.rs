//! Against a plain function: minute by minute, what does the wall clock show?

use jiff::civil::{Date, date, time};
use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone of the bundled data")
}

/// DST in both hemispheres, offsets of half and three quarter hours, a change of half an hour, zones whose rules changed,
/// one that skipped a day, and one whose clock goes back for Ramadan.
const ZONES: [(&str, i16); 11] = [
    ("UTC", 2024),
    ("Europe/Berlin", 2025),
    ("America/New_York", 2006),
    ("America/St_Johns", 2011),
    ("Australia/Lord_Howe", 2025),
    ("Asia/Kathmandu", 2025),
    ("Pacific/Chatham", 2025),
    ("America/Caracas", 2007),
    ("Asia/Pyongyang", 2015),
    ("Pacific/Apia", 2011),
    ("Africa/Casablanca", 2025),
];

/// Weekdays with a lunch break, a night shift over the weekend, one day off, a holiday, a short day and a long one.
fn hours(year: i16) -> Hours {
    let weekday = || DayHours::new(vec![(8 * 60, 12 * 60 + 30), (13 * 60, 18 * 60)]);
    let night = || DayHours::new(vec![(22 * 60, 30 * 60)]);
    let week = [weekday(), weekday(), DayHours::default(), weekday(), weekday(), night(), night()];
    let dates = [
        (date(year, 12, 25), DayHours::default()),
        (date(year, 12, 24), DayHours::new(vec![(8 * 60, 12 * 60)])),
        (date(year, 7, 2), DayHours::whole()),
    ];
    Hours { week, dates: dates.into() }
}

/// The oracle: whether the wall clock shows a time of the hours.
fn shows_open(hours: &Hours, zone: &TimeZone, at: Timestamp) -> bool {
    let shown = zone.to_datetime(jiff::Timestamp::from_millisecond(at.as_millis()).expect("an instant"));
    let minute = i32::from(shown.hour()) * 60 + i32::from(shown.minute());
    let within = |day: Date, minute: i32| {
        hours.of(day).spans().iter().any(|(from, until)| (i32::from(*from)..i32::from(*until)).contains(&minute))
    };
    within(shown.date(), minute) || within(shown.date().yesterday().expect("a day before"), minute + 24 * 60)
}

fn calendar(zone: &TimeZone, hours: Hours) -> Calendar {
    Calendar::new("c".into(), zone.clone(), hours)
}

const MINUTE: i64 = 60_000;

#[test]
fn a_year_in_each_zone_is_open_when_its_wall_clock_shows_it() {
    for (name, year) in ZONES {
        let (zone, hours) = (zone(name), hours(year));
        let calendar = calendar(&zone, hours.clone());
        let begin = calendar.instant(date(year, 1, 1).at(0, 0, 0, 0)).expect("an instant");
        let (mut ran, mut opened) = (0, begin);
        for minute in 0..366 * 24 * 60 {
            let at = begin + Millis::new(minute * MINUTE);
            if minute % 60 == 0 {
                assert_eq!(calendar.elapsed(begin, at).get(), ran * MINUTE, "{name}, {minute} minutes into {year}");
            }
            let is_open = shows_open(&hours, &zone, at);
            assert_eq!(calendar.is_open(at), is_open, "{name}, {minute} minutes into {year}");
            if is_open {
                ran += 1;
                opened = at + Millis::new(MINUTE);
            }
            if minute % 360 == 0 && ran > 0 {
                let deadline = calendar.deadline(begin, Millis::new(ran * MINUTE));
                assert_eq!(deadline, Some(opened), "{name}, {minute} minutes into {year}: the first instant");
            }
        }
        assert!(ran > 100_000, "{name}: {ran}");
    }
}

/// Spans of a day by a few numbers; some run over midnight.
fn some_hours() -> impl Strategy<Value = DayHours> {
    let span = (0u16..1440, 1u16..900).prop_map(|(from, length)| (from, (from + length).min(from.max(1440) + 1200)));
    proptest::collection::vec(span, 0..3).prop_map(DayHours::new)
}

fn some_week() -> impl Strategy<Value = Hours> {
    (proptest::array::uniform7(some_hours()), proptest::collection::vec((0i64..20, some_hours()), 0..4)).prop_map(
        |(week, dates)| {
            let of =
                |(day, hours)| (date(2025, 3, 25).checked_add(jiff::Span::new().days(day)).expect("a date"), hours);
            Hours { week, dates: dates.into_iter().map(of).collect() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn elapsed_and_deadline_are_inverse_over_a_change_of_the_clock(
        hours in some_week(),
        zone in prop_oneof![Just("Europe/Berlin"), Just("Australia/Lord_Howe"), Just("Africa/Casablanca")],
        start in 0i64..20 * 24 * 60,
        length in 0i64..12 * 24 * 60,
        odd_ms in 0i64..MINUTE,
    ) {
        let zone = self::zone(zone);
        let calendar = calendar(&zone, hours.clone());
        let begin = calendar.instant(date(2025, 3, 22).at(0, 0, 0, 0)).expect("an instant") + Millis::new(start * MINUTE);
        let open = (0..length).filter(|m| shows_open(&hours, &zone, begin + Millis::new(m * MINUTE))).count() as i64;
        let until = begin + Millis::new(length * MINUTE);
        prop_assert_eq!(calendar.elapsed(begin, until).get(), open * MINUTE);
        // Within a minute too.
        let inside = if calendar.is_open(until) { odd_ms } else { 0 };
        let target = Millis::new(open * MINUTE + inside);
        prop_assert_eq!(calendar.elapsed(begin, until + Millis::new(odd_ms)), target);
        if let Some(deadline) = calendar.deadline(begin, target) {
            prop_assert_eq!(calendar.elapsed(begin, deadline), target);
            prop_assert!(target == Millis::ZERO || calendar.elapsed(begin, deadline - Millis::new(1)) < target);
        }
    }
}

fn berlin() -> Calendar {
    let weekday = || DayHours::new(vec![(8 * 60, 18 * 60)]);
    let week = [weekday(), weekday(), weekday(), weekday(), weekday(), DayHours::default(), DayHours::default()];
    let dates = [(date(2026, 12, 25), DayHours::default())];
    calendar(&zone("Europe/Berlin"), Hours { week, dates: dates.into() })
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("a time")
}

#[test]
fn a_working_day_has_a_cutoff_and_an_end() {
    let calendar = berlin();
    let promise = |days| BusinessDays { days, cutoff: Some(time(14, 0, 0, 0)), by: Some(time(18, 0, 0, 0)) };
    for (start, days, end) in [
        ("2026-12-21T13:59:59+01:00", 0, "2026-12-21T18:00:00+01:00"),
        ("2026-12-21T14:00:00+01:00", 0, "2026-12-22T18:00:00+01:00"),
        ("2026-12-21T05:00:00+01:00", 1, "2026-12-22T18:00:00+01:00"),
        // Christmas and the weekend.
        ("2026-12-24T15:00:00+01:00", 0, "2026-12-28T18:00:00+01:00"),
        ("2026-12-26T10:00:00+01:00", 0, "2026-12-28T18:00:00+01:00"),
        ("2026-12-23T10:00:00+01:00", 2, "2026-12-28T18:00:00+01:00"),
        // Over the change of the clock.
        ("2026-03-27T15:00:00+01:00", 0, "2026-03-30T18:00:00+02:00"),
    ] {
        assert_eq!(calendar.business_deadline(at(start), &promise(days)), Some(at(end)), "{start} + {days}");
    }
    let by_the_hours = BusinessDays { days: 0, cutoff: None, by: None };
    let evening = at("2026-12-21T19:30:00+01:00");
    assert_eq!(calendar.business_deadline(evening, &by_the_hours), Some(at("2026-12-22T18:00:00+01:00")));
    assert_eq!(
        calendar.business_deadline(evening - Millis::from_secs(7200), &by_the_hours),
        Some(at("2026-12-21T18:00:00+01:00"))
    );
    let never =
        calendar.business_deadline(at("2026-12-21T10:00:00Z"), &BusinessDays { days: 1 << 40, cutoff: None, by: None });
    assert_eq!(never, None);
    assert_eq!(
        calendar.rounded_up(at("2026-12-24T18:00:01+01:00"), &promise(0)),
        Some(at("2026-12-28T18:00:00+01:00"))
    );
    assert_eq!(
        calendar.rounded_up(at("2026-12-24T18:00:00+01:00"), &promise(0)),
        Some(at("2026-12-24T18:00:00+01:00"))
    );
}

#[test]
fn nothing_is_open_without_hours_or_beyond_the_dates() {
    let closed = calendar(&TimeZone::UTC, Hours::default());
    let (start, end) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    assert_eq!(closed.elapsed(start, end), Millis::ZERO);
    assert_eq!(closed.deadline(start, Millis::new(1)), None);
    assert_eq!(closed.business_deadline(start, &BusinessDays { days: 0, cutoff: None, by: None }), None);
    assert_eq!(closed.rounded_up(start, &BusinessDays { days: 0, cutoff: None, by: None }), None);

    let always = calendar(&TimeZone::UTC, Hours { week: std::array::from_fn(|_| DayHours::whole()), dates: [].into() });
    assert_eq!(always.open.len(), 1, "days that touch are one interval");
    let year = end - start;
    assert_eq!(always.elapsed(start, end), year);
    assert_eq!(always.deadline(start, year), Some(end));
    assert_eq!(always.deadline(Timestamp::MIN, Millis::new(5)), Some(at("1990-01-01T00:00:00.005Z")));
    assert_eq!(always.deadline(at("2099-12-31T23:59:59Z"), Millis::from_secs(2)), None);
    assert_eq!(always.elapsed(Timestamp::MIN, Timestamp::MAX), at("2100-01-01T00:00:00Z") - at("1990-01-01T00:00:00Z"));
}
