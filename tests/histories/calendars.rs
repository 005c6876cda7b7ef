//! Calendars to draw from: each is a number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use crate::oracle::minutes::{Calendar, Hours, MINUTE, OpenMinutes, day};
use crate::rng::Rng;

const DAY: i64 = 24 * 60 * MINUTE;

/// Where histories begin: before the clock changes in spring and in autumn, and before the holidays.
pub const SEASONS: [(i16, i8, i8); 4] = [(2026, 3, 20), (2026, 9, 29), (2026, 10, 20), (2026, 12, 18)];

/// How many calendars there are in a season.
pub const CALENDARS: usize = 10;

/// Zones whose clocks change by an hour, by half an hour, at midnight or never.
const ZONES: [&str; 10] = [
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/New_York",
    "America/St_Johns",
    "Asia/Beirut",
    "Pacific/Chatham",
    "Asia/Kolkata",
    "America/Santiago",
    "UTC",
];

/// A day's hours, in minutes.
const HOURS: [&[(i64, i64)]; 9] = [
    &[(480, 1080)],
    &[(480, 720), (780, 1020)],
    &[(540, 1290)],
    &[(1320, 360)],
    &[(360, 840), (1320, 240)],
    &[(0, 1440)],
    &[(0, 180), (1200, 1440)],
    &[(615, 1005)],
    &[(90, 150), (600, 1200)],
];

/// The first instant of a season.
pub fn season(number: usize) -> i64 {
    let (year, month, first) = SEASONS[number];
    day(year, month, first) * DAY
}

type Stepped = Mutex<HashMap<(usize, usize), Arc<OnceLock<Arc<OpenMinutes>>>>>;

/// The calendar of a number in a season, with its minutes from five days before the season to eighty after. Each is
/// stepped through once.
pub fn calendar(season_number: usize, number: usize) -> Arc<OpenMinutes> {
    static STEPPED: OnceLock<Stepped> = OnceLock::new();
    let stepped = STEPPED.get_or_init(Stepped::default);
    let place = Arc::clone(stepped.lock().expect("no holder panics").entry((season_number, number)).or_default());
    let made = place.get_or_init(|| {
        let begin = season(season_number);
        Arc::new(OpenMinutes::new(draw(season_number, number), begin - 5 * DAY, begin + 80 * DAY))
    });
    Arc::clone(made)
}

fn draw(season_number: usize, number: usize) -> Calendar {
    let mut rng = Rng::new((number * SEASONS.len() + season_number) as u64);
    let mut hours =
        |none: u64| -> Hours { if rng.chance(none) { Vec::new() } else { HOURS[rng.below(HOURS.len())].to_vec() } };
    let weekday = hours(0);
    let (saturday, sunday, other) = (hours(60), hours(70), hours(30));
    let mut week: [Hours; 7] = std::array::from_fn(|_| weekday.clone());
    week[5] = saturday;
    week[6] = sunday;
    let mut calendar = Calendar { time_zone: ZONES[number % ZONES.len()].to_string(), week, ..Calendar::default() };
    if rng.chance(30) {
        calendar.week[rng.below(5)] = other;
    }
    let (year, month, first) = SEASONS[season_number];
    let some_day = |rng: &mut Rng| day(year, month, first) + rng.between(0, 20);
    for _ in 0..rng.below(4) {
        calendar.holidays.insert(some_day(&mut rng));
    }
    for _ in 0..rng.below(3) {
        let hours = if rng.chance(20) { Vec::new() } else { HOURS[rng.below(HOURS.len())].to_vec() };
        calendar.exceptions.insert(some_day(&mut rng), hours);
    }
    calendar
}
