//! `make bench`: how long after deadline + grace the exception is read by a subscriber that reads committed records alone.
//!
//! Every order carries its own promise, so each deadline is known to the millisecond, and all times are of one machine's
//! clock. Quiet topics: the orders were placed seconds ago, and nothing comes any more when their deadlines pass. Full load:
//! as many of other orders' events come as it takes. Half load: half of that. Figures are printed only after each broken
//! promise was read once, with its deadline, and no kept one at all.
//!
//! `cargo bench --bench latency -- 200000` takes another number of orders for the drain, `--samples` and `--seconds` other
//! phases.

mod bare;
#[path = "../goals/mod.rs"]
mod goals;
#[path = "../live/mod.rs"]
mod live;
mod load;
mod promises;
#[path = "../../tests/support/mod.rs"]
mod support;
mod watch;

use std::time::{Duration, Instant};

use clap::Parser;
use orderwatch::demo::log::TOPICS;

use live::group::Group;
use live::{RUN, Service};
use load::{Load, Pace};
use promises::Promises;
use support::{Broker, Process, Workdir, eventually, unique};
use watch::Watch;

pub const PARTITIONS: i32 = 4;
/// As `Service` sets it.
const GRACE_MS: i64 = 100;
const STARTS_WITHIN: Duration = Duration::from_secs(60);
const DRAINS_WITHIN: Duration = Duration::from_secs(600);
const LEAVES_WITHIN: Duration = Duration::from_secs(15);
/// Under full load the process is never further behind than what it drains in so many seconds.
const AHEAD_S: f64 = 0.25;

/// Measures from a deadline to its exception.
#[derive(Parser)]
struct Args {
    /// How many orders are drained to know the rate, with four events each
    #[arg(default_value_t = 100_000)]
    orders: u64,
    /// Broken promises in each phase
    #[arg(long, default_value_t = 600)]
    samples: usize,
    /// Over how many seconds they are spread
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    let broker = Broker::shared();
    broker.create_topics(&TOPICS, PARTITIONS, &[]);
    let mut written = 0;
    let mut before = Promises::default();
    let alo_p50 = {
        let bench = Bench::start(broker, "at_least_once", &args);
        // A broker that has just started is slow for some seconds, while its own code is compiled.
        let first = bench.idle();
        written += first.events();
        let fresh = bench.measure("at_least_once, quiet topics, a broker that has just started", &first);
        before.add(first);

        let promises = bench.idle();
        written += promises.events();
        let quiet = bench.measure("at_least_once, quiet topics", &promises);
        before.add(promises);
        bench.finish(&before);
        [&fresh, &quiet].into_iter().for_each(Delays::report);
        goals::at_most("at_least_once, quiet topics: p99", quiet.p99, 15.0, "ms");
        quiet.p50
    };
    let bare = bare::measure(broker);
    goals::figure("a record that is written alone, until it is read: p50", bare.record, "ms");
    goals::figure("at_least_once, quiet topics, of that: p50", alo_p50 / bare.record, "x");
    let mut load = Load::new(broker);
    written += load.backlog(args.orders);
    let bench = Bench::start(broker, "exactly_once", &args);
    let rate = bench.drain(written);
    let mut all = before;

    let promises = bench.idle();
    written += promises.events();
    let quiet = bench.measure("exactly_once, quiet topics", &promises);
    all.add(promises);

    bench.settle(written);
    let ahead = (rate * AHEAD_S) as i64;
    let (promises, most) = load.run(bench.spread(), Pace::Ahead { read: &|| bench.read(), written, records: ahead });
    written += most.written;
    let full = bench.measure(&format!("full load, at most {ahead} records ahead of it, {}", most.line()), &promises);
    all.add(promises);

    bench.settle(written);
    let (promises, events) = load.run(bench.spread(), Pace::Rate(most.rate() / 2.0));
    let half = bench.measure(&format!("half load, {}", events.line()), &promises);
    all.add(promises);
    bench.finish(&all);

    println!("\nit drained {rate:.0} events/s, with the broker beside it");
    [&quiet, &half, &full].into_iter().for_each(Delays::report);
    goals::figure("a transaction with one record, until it is read: p50", bare.transaction, "ms");
    goals::figure("exactly_once, quiet topics, of that: p50", quiet.p50 / bare.transaction, "x");
    goals::at_most("exactly_once, quiet topics: p50", quiet.p50, 15.0, "ms");
    goals::at_most("exactly_once, quiet topics: p99", quiet.p99, 50.0, "ms");
    goals::at_most("half load: p99", half.p99, 100.0, "ms");
}

/// A process under way, with its subscriber.
struct Bench<'a> {
    broker: &'a Broker,
    group: String,
    sla: String,
    process: std::cell::RefCell<Process>,
    watch: Watch,
    started: Instant,
    args: &'a Args,
    _workdir: Workdir,
}

/// Of a phase, in milliseconds.
struct Delays {
    what: String,
    exceptions: usize,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Delays {
    fn report(&self) {
        let Delays { what, exceptions, p50, p90, p99, max } = self;
        println!("\n{what}: {exceptions} exceptions, p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  max {max:.1} ms");
    }
}

impl<'a> Bench<'a> {
    fn start(broker: &'a Broker, delivery: &str, args: &'a Args) -> Bench<'a> {
        let workdir = Workdir::new();
        let snapshots = workdir.path().join("snapshots");
        let service = Service {
            broker,
            group: unique("latency"),
            properties: "",
            snapshots: &snapshots,
            policies: live::orders::POLICIES,
        };
        service.write_as(&workdir, delivery);
        let mut process = Process::spawn(&workdir, &RUN);
        process.wait_ready(STARTS_WITHIN);
        let (sla, started) = (service.output("sla"), Instant::now());
        let watch = Watch::start(broker, &sla, PARTITIONS);
        let process = std::cell::RefCell::new(process);
        Bench { broker, group: service.group.clone(), sla, process, watch, started, args, _workdir: workdir }
    }

    /// Everything that was written is committed; how many events a second since the start.
    fn drain(&self, written: usize) -> f64 {
        self.settle(written);
        written as f64 / self.started.elapsed().as_secs_f64()
    }

    fn settle(&self, written: usize) {
        let group = Group::of(self.broker, &self.group, PARTITIONS);
        eventually(DRAINS_WITHIN, "the end of every input to be committed", || group.is_at(written));
    }

    /// How many records it has read.
    fn read(&self) -> i64 {
        self.process.borrow().try_metric("orderwatch_events_total", &[]).unwrap_or(0.0) as i64
    }

    fn spread(&self) -> promises::Spread {
        promises::Spread { samples: self.args.samples, over: Duration::from_secs(self.args.seconds) }
    }

    /// Orders are placed all at once; their deadlines come later, one by one.
    fn idle(&self) -> Promises {
        let promises = Promises::soon(self.spread());
        self.broker.producer().send_all(promises.messages());
        promises
    }

    /// Waits for the exceptions of all broken promises: how late they were.
    fn measure(&self, what: &str, promises: &Promises) -> Delays {
        let latest = promises.latest_ms() + GRACE_MS - live::now_ms();
        let patience = Duration::from_millis(u64::try_from(latest).unwrap_or(0)) + Duration::from_secs(60);
        let mut late = eventually(patience, "the exceptions of all broken promises", || {
            if let Some(status) = self.process.borrow_mut().exited() {
                panic!("it ended ({status}):\n{}", self.process.borrow().stderr());
            }
            self.watch.delays(promises, GRACE_MS)
        });
        late.sort_by(f64::total_cmp);
        let at = |share: f64| late[((late.len() - 1) as f64 * share).round() as usize];
        let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(at);
        Delays { what: what.to_owned(), exceptions: late.len(), p50, p90, p99, max }
    }

    /// What it said in all is what is true in all; then it leaves.
    fn finish(self, promises: &Promises) {
        promises.check(&self.broker.read_committed(&self.sla));
        let mut process = self.process.into_inner();
        let status = process.terminate(LEAVES_WITHIN);
        assert!(status.success(), "it left with {status}:\n{}", process.stderr());
    }
}
