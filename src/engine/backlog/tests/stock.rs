//! The stock against a plain function of the set of events.

use proptest::prelude::*;

use super::*;

const GRID: i64 = 10_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn stock() -> Stock {
    Stock::new(Grid::new(Millis::new(GRID)), Millis::from_secs(5))
}

fn event(id: &str, seconds: i64, location: &str, change: StockChange) -> StockEvent {
    StockEvent {
        sku: "A".into(),
        event_id: id.into(),
        source: "wms".into(),
        location: location.into(),
        change,
        event_time: at(seconds * 1000),
        position: Position { stream: StreamId(1), partition: 0, offset: id.parse().unwrap_or(0) },
    }
}

fn level(id: &str, seconds: i64, location: &str, available: i64) -> StockEvent {
    event(id, seconds, location, StockChange::Level(available))
}

fn moved(id: &str, seconds: i64, location: &str, by: i64) -> StockEvent {
    event(id, seconds, location, StockChange::Moved(by))
}

/// `SECONDS available` for each grid point that is told up to a frontier.
fn told(stock: &mut Stock, frontier_s: i64) -> Vec<String> {
    let told = stock.advance(at(frontier_s * 1000));
    told.into_iter().map(|(at, sku, n)| format!("{} {sku} {n}", at.as_millis() / 1000)).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_newest_level_of_each_location_and_what_moved_since() {
    let mut s = stock();
    s.apply(&level("1", 5, "BER", 40));
    s.apply(&moved("2", 15, "BER", -3));
    s.apply(&level("3", 25, "HAM", 7));
    s.apply(&level("4", 35, "BER", 10));
    s.apply(&moved("5", 35, "BER", -9));
    assert_eq!(told(&mut s, 15), NOTHING, "10 is not passed");
    assert_eq!(told(&mut s, 16), ["10 A 40"]);
    assert_eq!(told(&mut s, 100), ["20 A 37", "30 A 44", "40 A 17"], "a level tells what moved at its instant");
}

#[test]
fn what_moved_before_any_level_says_nothing() {
    let mut s = stock();
    s.apply(&moved("1", 5, "BER", 9));
    assert_eq!(told(&mut s, 100), NOTHING);
    s.apply(&level("2", 3, "BER", 1));
    assert_eq!(told(&mut s, 120), ["100 A 10"], "told late, it counts from the next grid point on");
}

#[test]
fn repeats_and_what_a_newer_level_covers_change_nothing() {
    let mut s = stock();
    assert_eq!(s.apply(&level("1", 5, "BER", 40)), StockApplied::New);
    assert_eq!(s.apply(&moved("2", 7, "BER", -1)), StockApplied::New);
    assert_eq!(s.apply(&moved("2", 7, "BER", -1)), StockApplied::Repeat);
    assert_eq!(s.apply(&moved("2", 8, "HAM", -5)), StockApplied::Repeat, "the first with an identity stands");
    assert_eq!(told(&mut s, 20), ["10 A 39"]);
    assert_eq!(s.apply(&level("1", 5, "BER", 40)), StockApplied::Repeat);
    assert_eq!(s.apply(&moved("3", 4, "BER", -1)), StockApplied::Superseded);
    assert_eq!(s.apply(&moved("4", 5, "BER", -1)), StockApplied::Superseded);
    assert_eq!(told(&mut s, 100), NOTHING);
}

#[test]
fn a_location_keeps_a_bounded_number_of_movements() {
    let mut s = stock();
    s.apply(&level("0", 1, "BER", 1_000_000));
    let count = EVENTS_MAX as i64 + 500;
    for i in 1..=count {
        s.apply(&moved(&i.to_string(), 1 + i, "BER", -1));
    }
    let place = &s.skus["A"].places["BER"];
    assert!(place.later.len() <= EVENTS_MAX && s.skus["A"].identities.len() <= EVENTS_MAX + 1);
    assert_eq!(told(&mut s, 100_000).last().unwrap().rsplit(' ').next().unwrap(), (1_000_000 - count).to_string());
}

/// The stock at an instant, by everything that was ever said.
fn plain(events: &[StockEvent], t: Timestamp) -> Option<i64> {
    let locations: BTreeSet<&Str> = events.iter().map(|e| &e.location).collect();
    let mut sum = None;
    for location in locations {
        let mut here: Vec<&StockEvent> =
            events.iter().filter(|e| e.location == *location && e.event_time <= t).collect();
        here.sort_by_key(|e| (e.event_time, e.position));
        let newest = here.iter().rev().find_map(|e| match e.change {
            StockChange::Level(n) => Some((e.event_time, n)),
            StockChange::Moved(_) => None,
        });
        let Some((since, available)) = newest else { continue };
        let moved: i64 = here
            .iter()
            .filter(|e| e.event_time > since)
            .map(|e| match e.change {
                StockChange::Moved(by) => by,
                StockChange::Level(_) => 0,
            })
            .sum();
        sum = Some(sum.unwrap_or(0) + available + moved);
    }
    sum
}

fn change() -> impl Strategy<Value = StockChange> {
    prop_oneof![(0..50_i64).prop_map(StockChange::Level), (-20..20_i64).prop_map(StockChange::Moved)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever comes in which order, twice, and while the frontier moves: at the end the stock is that of the set.
    #[test]
    fn any_order_of_arrival_ends_in_the_same_stock(
        said in prop::collection::vec((0..200_i64, 0..2_usize, change()), 1..30),
        arrivals in prop::collection::vec((any::<prop::sample::Index>(), 0..40_i64), 0..60),
    ) {
        let event = |(i, (s, place, change)): (usize, &(i64, usize, StockChange))| {
            event(&i.to_string(), *s, ["BER", "HAM"][*place], *change)
        };
        let events: Vec<StockEvent> = said.iter().enumerate().map(event).collect();
        let (mut s, mut frontier) = (stock(), 0);
        let mut last = None;
        for (index, step) in arrivals {
            s.apply(&events[index.index(events.len())]);
            frontier += step;
            last = s.advance(at(frontier * 1000)).last().map(|(_, _, n)| *n).or(last);
        }
        // The others come last, in reverse.
        for event in events.iter().rev() {
            s.apply(event);
        }
        last = s.advance(at(10_000_000)).last().map(|(_, _, n)| *n).or(last);
        prop_assert_eq!(last, plain(&events, at(10_000_000)));
    }

    /// What is told in time is told of every grid point as it stood there.
    #[test]
    fn in_time_every_grid_point_is_as_it_was(said in prop::collection::vec((0..200_i64, 0..2_usize, change()), 1..30)) {
        let event = |(i, (s, place, change)): (usize, &(i64, usize, StockChange))| {
            event(&i.to_string(), *s, ["BER", "HAM"][*place], *change)
        };
        let mut events: Vec<StockEvent> = said.iter().enumerate().map(event).collect();
        events.sort_by_key(|e| e.event_time);
        let mut s = stock();
        let mut told: BTreeMap<i64, i64> = BTreeMap::new();
        for event in &events {
            let passed = s.advance(event.event_time);
            told.extend(passed.into_iter().map(|(at, _, n)| (at.as_millis(), n)));
            s.apply(event);
        }
        told.extend(s.advance(at(1_000_000)).into_iter().map(|(at, _, n)| (at.as_millis(), n)));
        for point in (0..300_000).step_by(GRID as usize) {
            let known = told.range(..=point).next_back().map(|(_, n)| *n);
            prop_assert_eq!(known, plain(&events, at(point)), "at {}", point);
        }
    }
}
