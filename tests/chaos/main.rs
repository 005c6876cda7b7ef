//! `make chaos`: three processes of one group against a real broker, faults by the seed, and a truth known beforehand.
//!
//! - [`fate`], [`book`], [`load`]: orders whose fate the seed decides, told as time goes on.
//! - [`truth`]: what must come of them, computed from their events alone.
//! - [`seat`], `support::door`: the processes and their ways to the broker; [`faults`], [`storm`]: what is broken of them.
//! - [`said`], [`check`], [`report`]: what was published, what of it is lost, doubled or false, and the ledger;
//!   [`proof`]: that the check would find it.

mod book;
mod check;
mod fate;
mod faults;
mod load;
mod proof;
mod random;
mod report;
mod said;
mod seat;
mod settings;
mod storm;
#[path = "../support/mod.rs"]
mod support;
mod traces;
mod truth;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use check::{Verdict, check};
use clap::Parser;
use load::Load;
use report::Settled;
use said::Output;
use seat::Seat;
use settings::{Args, PARTITIONS, PROCESSES, Topics, now_ms};
use storm::Storm;
use support::Broker;

const READY_WITHIN: Duration = Duration::from_secs(90);

fn main() -> ExitCode {
    let args = Args::parse();
    let run = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{}-{:x}", args.seed, now_ms()));
    std::fs::create_dir_all(run.join("snapshots")).expect("a folder for the run");
    let seats: Vec<Seat> = (1..=PROCESSES).map(|number| Seat::new(&run, number, args.delivery)).collect();
    let doors: Vec<_> = seats.iter().map(|seat| seat.door.listener).collect();
    let broker: &'static Broker = Box::leak(Box::new(Broker::start_behind(&doors)));
    broker.create_topics(&Topics::INPUTS, PARTITIONS, &[]);
    let mut storm = Storm::new(broker, seats, &run, &args);
    storm.say(&format!("{args:?}, logs in {}", run.display()));
    for seat in &mut storm.seats {
        seat.start();
    }
    for seat in &storm.seats {
        seat.wait_ready(READY_WITHIN).unwrap_or_else(|reason| panic!("{} is not ready: {reason}", seat.name));
    }
    let clean = through(&args, &mut storm, broker, &run);
    storm.seats.iter_mut().for_each(Seat::kill);
    broker.stop();
    if !clean {
        std::fs::copy(broker.log(), run.join("broker.log")).expect("the broker's log can be kept");
    }
    // It lives for ever, so nobody else does it.
    std::fs::remove_dir_all(broker.log().parent().expect("its folder")).expect("the broker's folder can be removed");
    if clean {
        std::fs::remove_dir_all(&run).expect("the run's folder can be removed");
        return ExitCode::SUCCESS;
    }
    println!("logs, snapshots and the broker's log are kept in {}", run.display());
    ExitCode::FAILURE
}

/// Storms and settled phases in turn; true where nothing came out wrong.
fn through(args: &Args, storm: &mut Storm, broker: &'static Broker, run: &Path) -> bool {
    let load = Load::start(&broker.client(), Topics, args.seed, args.rate);
    let (began, lasts) = (Instant::now(), Duration::from_secs_f64(args.minutes * 60.0));
    let bound = Duration::from_secs(args.bound);
    let mut settled = Settled::new();
    while began.elapsed() < lasts {
        storm.rage((began + lasts).min(Instant::now() + Duration::from_secs(args.storm)));
        storm.mend_all();
        settled.push(settle(args, storm, broker, &load, bound));
        if settled.last().is_some_and(Option::is_none) {
            break;
        }
    }
    storm.say("no more orders; the last events are told");
    let book = load.finish();
    // What was told last falls due.
    let due = now_ms() + 10_000;
    let orders = book.copy();
    let took = storm
        .settle(bound, || now_ms() > due && check(&orders, &Output::read(broker), args.delivery, now_ms()).is_clean());
    settled.push(took);
    let mut notes = leave(storm);
    let output = Output::read(broker);
    let verdict = check(&orders, &output, args.delivery, now_ms());
    let logs: Vec<_> = storm.seats.iter().map(|seat| (seat.name.clone(), seat.logs())).collect();
    let mut bad = traces::panics(&all(&logs));
    if verdict.is_clean() {
        bad.extend(proof::unnoticed(&orders, &output, args.delivery));
    }
    notes.extend(bad.iter().cloned());
    println!("{}", report::ledger(args, storm, &book, &verdict, &settled, &notes, &traces::effects(&all(&logs))));
    let wrongs = report::wrongs(&verdict, &orders, &output, &logs);
    if !wrongs.is_empty() {
        println!("{wrongs}");
        std::fs::write(run.join("wrong.txt"), &wrongs).expect("the run's folder can be written");
    }
    verdict.is_clean() && settled.iter().all(Option::is_some) && bad.is_empty()
}

/// Everything that is due now must be there within the bound, what must be taken back too. What is doubled stays so.
fn settle(args: &Args, storm: &mut Storm, broker: &Broker, load: &Load, bound: Duration) -> Option<Duration> {
    let by_ms = now_ms();
    let mut last = Verdict::default();
    let took = storm.settle(bound, || {
        // The states first: what is known of the orders then is newer than what was said of them.
        let output = Output::read(broker);
        last = check(&load.book.copy(), &output, args.delivery, by_ms);
        last.is_clean()
    });
    let (wrong, seen) = (last.doubled.len() + last.falses.len(), last.seen);
    match took {
        Some(took) => {
            storm.say(&format!("settled after {:.1} s: {seen} transitions, {wrong} wrong", took.as_secs_f64()))
        }
        None => storm.say(&format!("NOT settled after {bound:?}: {} lost, {wrong} wrong", last.lost.len())),
    }
    took.filter(|_| wrong == 0)
}

/// SIGTERM to each; what is odd about how they left.
fn leave(storm: &mut Storm) -> Vec<String> {
    let mut odd = Vec::new();
    for seat in &mut storm.seats {
        match seat.leave() {
            Some(status) if status.success() => {}
            other => odd.push(format!("{} left the calm with {other:?}", seat.name)),
        }
    }
    odd
}

fn all(logs: &[(String, Vec<PathBuf>)]) -> Vec<PathBuf> {
    logs.iter().flat_map(|(_, logs)| logs.clone()).collect()
}
