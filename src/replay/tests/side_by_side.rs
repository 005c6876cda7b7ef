//! However many workers there are, a replay says what the replay on one thread says, in the same order.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::one_by_one;
use super::random;
use crate::codec::{Format, encode_exception};
use crate::domain::{Exception, Str};
use crate::replay::{Dump, Plan, ReplayError, Summary, replay_by};
use crate::simulation::rng::Rng;

const WORKERS: [usize; 4] = [1, 2, 3, 64];

fn topics() -> Vec<Str> {
    random::TOPICS.map(Str::new).into()
}

/// What is written, and how it ends. `room`: for so many lines.
type Run = (Vec<String>, Result<Summary, String>);

fn written(
    room: usize,
    run: impl FnOnce(&mut dyn FnMut(&Exception) -> Result<(), ReplayError>) -> Result<Summary, ReplayError>,
) -> Run {
    let mut lines = Vec::new();
    let ended = run(&mut |exception| {
        if lines.len() == room {
            return Err(ReplayError::Write { path: "out".into(), source: std::io::ErrorKind::StorageFull.into() });
        }
        lines.push(String::from_utf8(encode_exception(exception, Format::Json)).unwrap());
        Ok(())
    });
    (lines, ended.map_err(|e| e.to_string()))
}

fn one_by_one(dump: &Dump, plan: &Plan, room: usize) -> Run {
    written(room, |write| one_by_one::replay(dump, plan, write))
}

fn side_by_side(workers: usize, dump: &Dump, plan: &Plan, room: usize) -> Run {
    written(room, |write| replay_by(workers, dump, plan, write, &mut |_| ()).map(|(summary, _)| summary))
}

fn assert_same(one: &Run, other: &Run, what: &str) {
    for (n, (want, got)) in one.0.iter().zip(&other.0).enumerate() {
        assert_eq!(want, got, "{what}: line {n}");
    }
    assert_eq!(one.0.len(), other.0.len(), "{what}: lines");
    match (&one.1, &other.1) {
        (Ok(one), Ok(other)) => {
            assert_eq!(
                (one.to_json().unwrap(), one.to_table()),
                (other.to_json().unwrap(), other.to_table()),
                "{what}"
            );
            assert_eq!(one.counters, other.counters, "{what}");
        }
        (one, other) => assert_eq!(one.as_ref().err(), other.as_ref().err(), "{what}"),
    }
}

#[test]
fn any_number_of_workers_says_what_one_thread_says() {
    let mut policies = BTreeSet::new();
    let (mut dead_letters, mut evicted, mut late) = (0, 0, 0);
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let records = rng.between(0, 900);
        let text = random::lines(&mut rng, records).concat();
        let dump = Dump::spool(&text[..], Path::new("dump"), &topics(), &mut |_| ()).unwrap();
        let plan = random::plan(rng.chance(50).then(|| random::instant(&mut rng, records)));
        let one = one_by_one(&dump, &plan, usize::MAX);
        for workers in WORKERS {
            let many = side_by_side(workers, &dump, &plan, usize::MAX);
            assert_same(&one, &many, &format!("seed {seed}, {workers} workers"));
        }
        let summary = one.1.unwrap();
        dead_letters += summary.dead_letters;
        evicted += summary.counters.evicted;
        late += summary.counters.after_close;
        policies.extend(summary.exceptions.into_keys());
    }
    assert!(dead_letters > 100 && evicted > 10 && late > 0, "{dead_letters} {evicted} {late}");
    let policies: Vec<&str> = policies.iter().map(Str::as_str).collect();
    let all =
        ["amount-mismatch", "each-hold", "goes-on", "old", "oversold", "paid", "shipped-before-payment", "unshipped"];
    assert_eq!(policies, all, "the dumps have too little to say");
}

#[test]
fn a_write_that_fails_ends_it_after_what_came_before() {
    let mut rng = Rng::new(7);
    let text = random::lines(&mut rng, 700).concat();
    let dump = Dump::spool(&text[..], Path::new("dump"), &topics(), &mut |_| ()).unwrap();
    let plan = random::plan(None);
    for room in [0, 1, 20, 50] {
        let one = one_by_one(&dump, &plan, room);
        assert_eq!(one.0.len(), room, "the dump has more to say than that");
        for workers in WORKERS {
            assert_same(
                &one,
                &side_by_side(workers, &dump, &plan, room),
                &format!("{workers} workers, room for {room}"),
            );
        }
    }
}

#[test]
fn a_dump_that_changed_ends_it_after_what_was_read_before() {
    for seed in 0..15 {
        let mut rng = Rng::new(seed);
        let mut lines = random::lines(&mut rng, 400);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&lines.concat()).unwrap();
        let dump = Dump::open(file.path(), &topics(), &mut |_| ()).unwrap();
        // One or several: the first in the replay's order is told, whoever reads which.
        for _ in 0..=seed % 3 {
            let broken = rng.below(lines.len());
            lines[broken][0] = b'[';
        }
        fs::write(file.path(), lines.concat()).unwrap();
        let plan = random::plan(None);
        let one = one_by_one(&dump, &plan, usize::MAX);
        assert!(one.1.as_ref().unwrap_err().contains("changed while it was replayed"), "{:?}", one.1);
        // Many come to the time of the record that cannot be read, and fire what is due by then.
        let many = side_by_side(1, &dump, &plan, usize::MAX);
        assert!(many.0.starts_with(&one.0), "seed {seed}");
        assert_eq!(many.1.as_ref().err(), one.1.as_ref().err(), "seed {seed}");
        for workers in WORKERS {
            let others = side_by_side(workers, &dump, &plan, usize::MAX);
            assert_same(&many, &others, &format!("seed {seed}, {workers} workers"));
        }
    }
}

/// One ends at once, one has many batches of one instant, one has a record a day: whoever is done goes on with its deadlines as
/// far as the others are, and waits for nobody who waits for it.
#[test]
fn partitions_that_end_far_apart_wait_for_each_other_and_come_to_an_end() {
    const DAY_MS: i64 = 86_400_000;
    let line = |partition: i64, offset: i64, after: i64| {
        let (ts, id) = (random::BEGINNING + after, format!("o-{partition}-{offset}"));
        let value = format!(r#"{{\"event_id\":\"{id}\",\"type\":\"order.placed\",\"order_id\":\"{id}\"}}"#);
        format!(
            "{{\"topic\":\"orders\",\"partition\":{partition},\"offset\":{offset},\"ts\":{ts},\"key\":\"{id}\",\
             \"payload\":\"{value}\"}}\n"
        )
    };
    for instant in [0, DAY_MS, 7 * DAY_MS] {
        let text = line(0, 0, instant)
            + &(0..300).map(|n| line(1, n, instant)).collect::<String>()
            + &(0..8).map(|n| line(2, n, n * DAY_MS)).collect::<String>();
        let dump = Dump::spool(text.as_bytes(), Path::new("dump"), &topics(), &mut |_| ()).unwrap();
        let plan = random::plan(None);
        let one = one_by_one(&dump, &plan, usize::MAX);
        assert_eq!(one.1.as_ref().unwrap().events, 309);
        assert!(one.0.len() > 7, "who waited a day has broken a promise");
        for workers in WORKERS {
            assert_same(&one, &side_by_side(workers, &dump, &plan, usize::MAX), &format!("{workers} workers"));
        }
    }
}
