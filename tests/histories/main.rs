//! Random histories of single orders under random policies, told to the engine in several orders of arrival, and held
//! against an oracle that was written from the documents alone.
//!
//! A seed is a history. One that fails prints its seed and the smallest story that still fails.
//! `ORDERWATCH_HISTORIES=n` runs so many, `ORDERWATCH_HISTORY=seed` that one alone; `make histories RUNS=100000`.
//!
//! - `history`: policies (`draft`, `calendars`), events and a frontier (`story`) from a seed
//! - `document`: the history as YAML and JSON; `tell`: the engine is told it
//! - `oracle`: what must stand; `compare`: whether it does; `shrink`: what is left of a history that fails

mod calendars;
mod compare;
mod document;
mod draft;
mod history;
mod oracle;
#[path = "../support/rng.rs"]
mod rng;
mod shrink;
mod story;
mod tell;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use orderwatch::config::Config;

use compare::Tally;
use history::{FAMILY, History};
use rng::Rng;
use tell::Arrival;

/// Histories in `make test`.
const RUNS: u64 = 2_000;
/// One of so many is held against the oracle at every step, not only at its end.
const EACH_STEP: u64 = 16;
/// Failures that are shrunk and told of.
const TOLD: usize = 3;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// What is wrong with a history, and in which order of arrival; `None` where it is its documents.
type Wrong = (String, Option<Arrival>);

/// Tells a history in every order of arrival.
fn run(history: &History, config: &Config, seed: u64, tally: &mut Tally) -> Result<(), Wrong> {
    let slas = history.slas();
    for (number, arrival) in (0..).zip([Arrival::AtOnce, Arrival::Along, Arrival::Jumbled, Arrival::Jumbled]) {
        let mut rng = Rng::new(seed ^ (number << 60));
        let told = tell::tell(history, config, arrival, &mut rng).map_err(|wrong| (wrong, None))?;
        let each = seed.is_multiple_of(EACH_STEP);
        compare::check(&slas, &history.records, &told, arrival, each, tally).map_err(|wrong| (wrong, Some(arrival)))?;
    }
    Ok(())
}

fn load_and_run(history: &History, seed: u64, dir: &Path) -> Result<(), Wrong> {
    let config = tell::load(history, dir).map_err(|wrong| (wrong, None))?;
    run(history, &config, seed, &mut Tally::default())
}

/// The seeds of one family that fail.
fn failures_of_family(seeds: &[u64], dir: &Path, tally: &mut Tally) -> Vec<u64> {
    let loaded = seeds.first().and_then(|seed| tell::load(&History::draw(*seed), dir).ok());
    let Some(config) = loaded else { return seeds.to_vec() };
    seeds.iter().copied().filter(|seed| run(&History::draw(*seed), &config, *seed, tally).is_err()).collect()
}

/// The story of a failure, made as small as it goes.
fn told(seed: u64, dir: &Path) -> String {
    let fails = |history: &History| load_and_run(history, seed, dir).is_err_and(|(_, arrival)| arrival.is_some());
    let smallest = shrink::shrink(History::draw(seed), &fails);
    let mut text = format!("\n== seed {seed}\n{}{}", document::configuration(&smallest), document::policies(&smallest));
    let mut records: Vec<_> = smallest.records.iter().enumerate().collect();
    records.sort_by_key(|(_, record)| (record.record_time, record.stream, record.offset));
    for (place, record) in records {
        let topic = smallest.topics[record.stream];
        let (at, told) = (compare::at(record.event.event_time), compare::at(record.record_time));
        text += &format!("{place}: {at} told {told} {topic}@{}: {}\n", record.offset, document::event(&record.event));
    }
    text += &format!("until {}\n", compare::at(smallest.until));
    match load_and_run(&smallest, seed, dir) {
        Err((wrong, arrival)) => text + &format!("{arrival:?}: {wrong}\n"),
        Ok(()) => text + "it does not fail twice\n",
    }
}

#[test]
fn every_history_stands() {
    let seeds: Vec<u64> = match number("ORDERWATCH_HISTORY") {
        Some(seed) => vec![seed],
        None => (0..number("ORDERWATCH_HISTORIES").unwrap_or(RUNS)).collect(),
    };
    let families: Vec<&[u64]> = seeds.chunk_by(|a, b| a / FAMILY == b / FAMILY).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut failed, mut tally) = (Vec::new(), Tally::default());
        while let Some(family) = families.get(next.fetch_add(1, Ordering::Relaxed)) {
            failed.extend(failures_of_family(family, dir.path(), &mut tally));
        }
        (failed, tally)
    };
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    let (mut failed, mut tally) = (Vec::new(), Tally::default());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let (more, counted) = thread.join().expect("a thread ends");
            failed.extend(more);
            tally.add(counted);
        }
    });
    let (first, last) = (seeds.first(), seeds.last());
    println!("{} histories, seeds {first:?} to {last:?}: {:?}", seeds.len(), tally.0);
    failed.sort_unstable();
    let dir = tempfile::tempdir().expect("a directory");
    let stories: String = failed.iter().take(TOLD).map(|seed| told(*seed, dir.path())).collect();
    assert!(failed.is_empty(), "{} of {} histories fail: {failed:?}\n{stories}", failed.len(), seeds.len());
    // Nine standings and seven statuses: otherwise the histories are not what they are meant to be.
    assert!(tally.0.len() == 16 || seeds.len() < 1_000, "{tally:?}");
}
