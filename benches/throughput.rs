//! `make bench`: events a second of decoding, of the engine, and of a replay from a file, over a generated shop whose
//! exceptions are known. A figure is printed only after the exceptions were counted and found right.
//!
//! `cargo bench -- 50000` takes another number of orders, `--only "engine, two promises"` one of the five.

mod goals;
#[path = "shop/promises.rs"]
mod promises;
#[path = "shop/setup.rs"]
mod setup;
#[path = "shop/streams.rs"]
mod streams;

use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderwatch::codec::{self, Format, RawRecord, encode_exception};
use orderwatch::demo::log::{LogRecord, ShopLog, TOPICS};
use orderwatch::demo::policies;
use orderwatch::demo::shop::Shop;
use orderwatch::demo::truth::{Counts, Truth};
use orderwatch::domain::{Event, Exception, Millis, Str, StreamId, Timestamp};
use orderwatch::engine::{LOOK_AHEAD, Shard, Transition};
use orderwatch::policy::Policies;
use orderwatch::replay::decode::Codecs;
use orderwatch::replay::drive::Drive;
use orderwatch::replay::{Dump, Plan, ReplayError, replay};

const PARTITIONS: i32 = 6;
const ROUNDS: usize = 3;
/// About as many as a shard of the live loop takes in before it judges, far behind.
const BATCH: usize = 20_000;
const DAY: i64 = 86_400_000;

/// The product's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let orders = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(200_000);
    let only = std::env::args().skip_while(|arg| arg != "--only").nth(1);
    let bench = Bench::new(orders);
    let breaching = bench.truth.breaching as f64 * 100.0 / orders as f64;
    println!(
        "{orders} orders, {} events, {breaching:.1} % break the promise of payment or of shipment; {PARTITIONS} shards, one thread",
        bench.log.records.len()
    );
    let each: [(&str, Measure, Option<f64>); 5] = [
        ("decode", Bench::decode, None),
        ("engine", Bench::engine, None),
        ("engine, two promises", Bench::engine_alone, Some(2.5)),
        ("replay", Bench::replay, None),
        ("replay, two promises", Bench::replay_of_two, Some(0.7)),
    ];
    let mut decoding = None;
    for (name, run, goal) in each.into_iter().filter(|(name, ..)| only.as_ref().is_none_or(|only| only == name)) {
        let rate = bench.report(name, run, decoding);
        if let Some(goal) = goal {
            goals::at_least(&format!("{name}: a second"), rate, goal, "M events");
        }
        decoding.get_or_insert(rate);
    }
}

/// One of them.
type Measure = fn(&Bench) -> Duration;

/// What every measurement takes.
struct Bench {
    log: ShopLog,
    truth: Truth,
    plan: Plan,
    promises: Arc<Policies>,
    dump: tempfile::NamedTempFile,
}

impl Bench {
    fn new(orders: u64) -> Self {
        let minute = Millis::from_secs(60);
        let opened_at = Timestamp::from_millis(1_750_000_000_000);
        let shop = Shop { seed: 7, opened_at, minute, stoppage: None };
        let log = ShopLog::new(&shop, orders, Millis::from_secs(1), PARTITIONS);
        let end = log.records.last().expect("a shop has events").event.at + Millis::new(DAY);
        let mut truth = Truth::new(&shop, Millis::ZERO, end);
        log.stories.iter().for_each(|story| truth.tell(story));
        let plan = plan(setup::policies(&policies::yaml(minute)), end);
        let promises = setup::policies(&promises::policies(minute));
        let dump = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut out = BufWriter::new(dump.as_file());
        log.dump_lines().for_each(|line| out.write_all(&line).expect("the dump is written"));
        out.flush().expect("the dump is written");
        drop(out);
        Bench { log, truth, plan, promises, dump }
    }

    /// Runs a measurement some times and prints the median, beside the first that was measured. How many million events a
    /// second that is.
    fn report(&self, name: &str, run: Measure, first: Option<f64>) -> f64 {
        let mut times: Vec<Duration> = (0..ROUNDS).map(|_| run(self)).collect();
        times.sort();
        let seconds = times.get(ROUNDS / 2).expect("there are rounds").as_secs_f64();
        let events = self.log.records.len() as f64;
        let (rate, each) = (events / seconds / 1e6, seconds * 1e6 / events);
        let of_first = first.map(|first| format!("   {:.2} of decoding", rate / first)).unwrap_or_default();
        println!("{name:20} {:>10.0} events/s   {each:6.2} µs/event{of_first}", rate * 1e6);
        rate
    }

    fn event(&self, record: &LogRecord) -> Event {
        let raw = RawRecord {
            stream: StreamId(record.stream),
            partition: record.partition,
            offset: record.offset,
            timestamp: Some(record.event.at),
            key: Some(record.event.order_id.as_bytes()),
            value: Some(record.event.payload.as_bytes()),
            headers: &[],
        };
        codec::decode(&self.plan.codecs.orders[usize::from(record.stream)], &raw).expect("the shop sends events")
    }

    fn decode(&self) -> Duration {
        let began = Instant::now();
        let events: Vec<Event> = self.log.records.iter().map(|record| self.event(record)).collect();
        let took = began.elapsed();
        for (event, LogRecord { event: told, offset, .. }) in events.iter().zip(&self.log.records) {
            let read = (event.order_id.as_str(), event.position.offset, event.record_time);
            assert_eq!(read, (told.order_id.as_str(), *offset, told.at), "decoding is wrong");
        }
        took
    }

    /// Judged after each event, as a replay does. The clock stands still while the next events are decoded.
    fn engine(&self) -> Duration {
        let mut counts = Counts::new();
        let mut publish = |transition: Transition| -> Result<(), ReplayError> {
            if let Transition::Publish(exception) = transition {
                count(&mut counts, &exception);
            }
            Ok(())
        };
        let mut took = Duration::ZERO;
        let mut drive = Drive::new(0..PARTITIONS, &self.plan.policies, &self.plan.settings);
        for lane in self.log.records.chunks(LOOK_AHEAD) {
            let events: Vec<Event> = lane.iter().map(|record| self.event(record)).collect();
            took += timed(|| {
                for event in events {
                    drive.advance(event.record_time, &mut publish).expect("counting does not fail");
                    let applied = drive.apply(event, &mut publish).expect("counting does not fail");
                    applied.expect("the shop's events are facts");
                }
            });
        }
        took += timed(|| {
            drive.advance(self.plan.to.expect("the bench has an end"), &mut publish).expect("counting does not fail");
            drive.finish(&mut publish).expect("counting does not fail");
        });
        assert_eq!(counts, self.truth.counts, "the engine is wrong");
        took
    }

    /// As the live loop drives its shards: records are decoded a lane at a time and applied, and judged once a batch. The
    /// clock stands still while they are decoded.
    fn engine_alone(&self) -> Duration {
        let mut partitions: Vec<Vec<&LogRecord>> = (0..PARTITIONS).map(|_| Vec::new()).collect();
        for record in &self.log.records {
            partitions[usize::try_from(record.partition).expect("a partition")].push(record);
        }
        let end = self.plan.to.expect("the bench has an end");
        let (mut counts, mut took) = (Counts::new(), Duration::ZERO);
        for (partition, records) in (0..).zip(partitions) {
            let mut shard = Shard::new(partition, Arc::clone(&self.promises), Arc::clone(&self.plan.settings));
            let mut behind = records.as_slice();
            while !behind.is_empty() {
                let (batch, rest) = behind.split_at(behind.len().min(BATCH));
                behind = rest;
                for lane in batch.chunks(LOOK_AHEAD) {
                    let events: Vec<Event> = lane.iter().map(|record| self.event(record)).collect();
                    took += timed(|| apply(&mut shard, events));
                }
                took += timed(|| {
                    shard.advance(behind.first().map_or(end, |next| next.event.at));
                    take(&mut shard, &mut counts);
                });
            }
        }
        assert_eq!(counts, promises::published(self.truth.counts.clone()), "the engine is wrong");
        took
    }

    /// By the demo's policies.
    fn replay(&self) -> Duration {
        self.replay_by(&self.plan, |counts| counts)
    }

    /// By those of a drain.
    fn replay_of_two(&self) -> Duration {
        let plan = Plan { policies: Arc::clone(&self.promises), ..self.plan.clone() };
        self.replay_by(&plan, promises::published)
    }

    fn replay_by(&self, plan: &Plan, known: fn(Counts) -> Counts) -> Duration {
        let topics: Vec<Str> = TOPICS.map(Str::new).into();
        let mut out = BufWriter::new(tempfile::tempfile().expect("a temporary file"));
        let mut counts = Counts::new();
        let mut write = |exception: &Exception| {
            count(&mut counts, exception);
            out.write_all(&encode_exception(exception, Format::Json)).expect("the output is written");
            Ok(())
        };
        let began = Instant::now();
        let dump = Dump::open(self.dump.path(), &topics, &mut |_| ()).expect("the dump is sound");
        let summary = replay(&dump, plan, &mut write, &mut |_| ()).expect("the replay runs");
        let took = began.elapsed();
        assert_eq!((summary.events, summary.dead_letters), (self.log.records.len() as u64, 0));
        assert_eq!(known(counts), known(self.truth.counts.clone()), "the replay is wrong");
        took
    }
}

fn timed(act: impl FnOnce()) -> Duration {
    let began = Instant::now();
    act();
    began.elapsed()
}

/// A lane of events, applied.
fn apply(shard: &mut Shard, events: Vec<Event>) {
    shard.look_ahead(events.iter().map(|event| (event.position.stream, event.order_id.as_bytes())));
    for event in events {
        let at = event.record_time;
        shard.apply(event, at).expect("the shop's events are facts");
    }
}

/// What a shard has to tell, told.
fn take(shard: &mut Shard, counts: &mut Counts) {
    for transition in shard.drain_transitions(None) {
        if let Transition::Publish(exception) = transition {
            let known = [policies::PAID.id, policies::SHIPPED.id].into_iter().find(|id| *id == exception.policy.id);
            if let Some(id) = known.filter(|id| promises::is_counted(id, exception.status)) {
                *counts.entry((id, exception.status)).or_default() += 1;
            }
        }
    }
    shard.committed();
    drop(shard.drain_cycles_ended());
}

fn plan(policies: Arc<Policies>, end: Timestamp) -> Plan {
    let codec = |topic| streams::codec(topic, Format::Json);
    Plan {
        codecs: Codecs { orders: TOPICS.map(codec).into(), inventory: Vec::new() },
        policies,
        settings: Arc::new(setup::settings()),
        clock: Timestamp::MAX,
        to: Some(end),
    }
}

/// Counts what the truth counts: it leaves backlogs out.
fn count(counts: &mut Counts, exception: &Exception) {
    let known = [
        policies::PAID.id,
        policies::SHIPPED.id,
        policies::DELIVERED,
        policies::AMOUNT_MISMATCH,
        policies::SHIPPED_BEFORE_PAYMENT,
    ];
    if let Some(id) = known.into_iter().find(|id| *id == exception.policy.id) {
        *counts.entry((id, exception.status)).or_default() += 1;
    }
}
