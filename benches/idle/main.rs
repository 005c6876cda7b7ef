//! `make bench`: what a process takes that holds many open orders while nothing happens: CPU, and transactions.
//!
//! It reads the orders, commits, writes its snapshots, and is then left alone. The orders are counted before and after; in
//! the end one promise breaks, and must be told: it was awake all along.
//!
//! `cargo bench --bench idle -- 1000000` takes another number of open orders, `--seconds 330` looks for longer: a shard in
//! which nothing happens is written out every five minutes.

#[path = "../goals/mod.rs"]
mod goals;
#[path = "../live/mod.rs"]
mod live;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use clap::Parser;
use orderwatch::demo::log::TOPICS;
use rdkafka::Offset;
use rdkafka::consumer::BaseConsumer;

use live::group::Group;
use live::orders::{POLICIES, open, placed};
use live::reader::reader;
use live::{RUN, Service, cpu, now_ms};
use support::topics::Isolation;
use support::{Broker, Process, Workdir, eventually, unique};

const PARTITIONS: i32 = 4;
/// The transactions' log, as tests/support sets the broker up.
const TRANSACTIONS: (&str, i32) = ("__transaction_state", 4);
const STARTS_WITHIN: Duration = Duration::from_secs(60);
const READS_WITHIN: Duration = Duration::from_secs(600);
const TELLS_WITHIN: Duration = Duration::from_secs(30);
const LEAVES_WITHIN: Duration = Duration::from_secs(60);

/// Leaves a process with many open orders alone.
#[derive(Parser)]
struct Args {
    /// Open orders
    #[arg(default_value_t = 200_000)]
    orders: u64,
    /// How long it is looked at
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is counted before and after.
struct Counted {
    at: Instant,
    cpu: Duration,
    /// What this process takes, which does nothing but hold a consumer of the same topics.
    bare: Duration,
    commits: f64,
    transactions: i64,
    snapshots: f64,
}

fn main() {
    let args = Args::parse();
    let broker = Broker::shared();
    broker.create_topics(&TOPICS, PARTITIONS, &[]);
    let workdir = Workdir::new();
    let snapshots = workdir.path().join("snapshots");
    let service = Service { broker, group: unique("idle"), properties: "", snapshots: &snapshots, policies: POLICIES };
    service.write(&workdir);
    let events = live::load(broker, open(args.orders, PARTITIONS));
    let mut process = Process::spawn(&workdir, &RUN);
    process.wait_ready(STARTS_WITHIN);
    settle(&process, &service, events, args.orders);
    let bare = bare_consumer(broker);
    let before = count(&process, broker);
    // What is measured is a time in which nothing happens.
    let nothing = bare.poll(Duration::from_secs(args.seconds));
    assert!(nothing.is_none(), "something was written: {nothing:?}");
    let after = count(&process, broker);
    check(&process, &service, args.orders);
    report(&args, &before, &after);
    let status = process.terminate(LEAVES_WITHIN);
    assert!(status.success(), "it left with {status}:\n{}", process.stderr());
}

/// Everything is read, committed and in a snapshot.
fn settle(process: &Process, service: &Service<'_>, events: usize, orders: u64) {
    let group = Group::of(service.broker, &service.group, PARTITIONS);
    eventually(READS_WITHIN, "the end of every input to be committed", || group.is_at(events));
    let held = |held: f64| held == orders as f64;
    process.wait_metric("orderwatch_orders_open", &[], READS_WITHIN, held);
    // The first of a shard may have been begun before all of it was read; of what was read since, another follows.
    let committed = Instant::now();
    eventually(READS_WITHIN, "a snapshot of each shard, of all that was read", || {
        let samples = process.samples();
        let ages = samples.iter().filter(|sample| sample.name == "orderwatch_snapshot_age_seconds");
        let newer = ages.filter(|age| age.value < committed.elapsed().as_secs_f64()).count();
        if newer == PARTITIONS as usize { Ok(()) } else { Err(format!("of {newer} shards alone")) }
    });
}

/// At the ends of the same inputs.
fn bare_consumer(broker: &Broker) -> BaseConsumer {
    reader(broker.client(), &TOPICS, PARTITIONS, Offset::End)
}

fn count(process: &Process, broker: &Broker) -> Counted {
    let (topic, partitions) = TRANSACTIONS;
    Counted {
        at: Instant::now(),
        cpu: cpu::time(&process.pid().to_string()),
        bare: cpu::time("self"),
        commits: process.try_metric("orderwatch_commit_seconds_count", &[]).unwrap_or(0.0),
        transactions: (0..partitions).map(|p| broker.end_offset(topic, p, Isolation::Uncommitted)).sum(),
        snapshots: process.snapshots(),
    }
}

fn report(args: &Args, before: &Counted, after: &Counted) {
    let seconds = (after.at - before.at).as_secs_f64();
    let commits = after.commits - before.commits;
    println!(
        "{} open orders in {PARTITIONS} shards, {seconds:.0} s without an event; snapshots written meanwhile: {}",
        args.orders,
        after.snapshots - before.snapshots
    );
    let (ours, bare) = (after.cpu - before.cpu, after.bare - before.bare);
    goals::at_most("CPU, of one core", ours.as_secs_f64() / seconds * 100.0, 1.0, "%");
    goals::figure("a consumer that only waits, beside it", bare.as_secs_f64() / seconds * 100.0, "%");
    if bare > Duration::ZERO {
        goals::figure("CPU, of that consumer's", ours.as_secs_f64() / bare.as_secs_f64(), "x");
    }
    goals::at_most("transactions committed, a minute", commits * 60.0 / seconds, 1.0, "");
    let records = after.transactions - before.transactions;
    goals::figure("records in the transactions' log", records as f64, "");
    assert!(
        commits > 0.0 || records == 0,
        "it counted no commit, and the broker has {records} records of transactions"
    );
}

/// It holds what it held, told nothing, and is awake.
fn check(process: &Process, service: &Service<'_>, orders: u64) {
    assert_eq!(process.metric("orderwatch_orders_open", &[]), orders as f64, "it holds the orders");
    let told = || service.broker.read_committed(&service.output("sla"));
    assert_eq!(told(), [], "every promise lies far off");
    let now = now_ms();
    service.broker.producer().send(placed("late", 0, now, now + 500));
    eventually(TELLS_WITHIN, "the exception of the order that is late", || {
        let told = told();
        let of: Vec<String> = told.iter().map(support::Record::key).collect();
        if of == ["late"] { Ok(()) } else { Err(format!("told of {of:?}")) }
    });
}
