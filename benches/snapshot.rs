//! `make bench`: what a shard's snapshots cost while events come in, how long the loop stands still for one, how large it is,
//! and how fast it is read back. What was read back is compared with what was written, order by order.
//!
//! `cargo bench --bench snapshot -- 10000000` takes another number of orders; each has four events.

mod goals;
mod orders;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use orderwatch::demo::log::TOPICS;
use orderwatch::domain::event::Details;
use orderwatch::domain::{Entity, Event, Millis};
use orderwatch::engine::{RestoredOrder, Restoring, Shard, Unpacker};
use orderwatch::snapshot::{Expected, SnapshotHeader, SnapshotInput, SnapshotStore, SnapshotWriter};

use orders::{PAID_IN_1H, Shop};

/// Writes and reads a shard's snapshot.
#[derive(Parser)]
struct Args {
    #[arg(default_value_t = 200_000)]
    orders: u64,
    /// How many snapshots are taken while events come in
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

const SHOP: Shop = Shop {
    partitions: 1,
    warehouses: 4,
    // Ten million of them come within the day for which a closed one is kept.
    tick: Millis::new(2),
    after: [0, 500, 1_000, 1_500],
    late_every: 0,
    late_by: 0,
};
/// As in a turn of a busy shop's loop.
const EVENTS_A_TURN: usize = 200;
/// As `snapshots.every` has it.
const EVERY_S: f64 = 30.0;
/// What the goals are set for.
const MANY: f64 = 10_000_000.0;

/// The product's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let args = Args::parse();
    let mut live = Live::new(args.orders);
    let place = Place::new();
    println!("{} orders of four events in one shard", args.orders);
    let costs = live.costs(&place, args.rounds.max(1));
    let began = Instant::now();
    let bytes = place.write(&mut live.shard);
    let took = began.elapsed();
    let (held, written) = digest(&mut live.shard);
    // Ten million orders are to be held once.
    drop(live);
    let restored = place.restore(held, written);
    costs.report();
    goals::figure("written, with nothing else to do", held as f64 / took.as_secs_f64() / 1e6, "M orders/s");
    goals::figure("size of a snapshot", bytes as f64 / held as f64, "bytes an order");
    goals::at_most("size at 10 million orders", bytes as f64 / held as f64 * MANY / 1e9, 1.0, "GB");
    restored.report();
}

fn empty() -> Shard {
    let mut shard = Shard::new(0, orders::policies(PAID_IN_1H), Arc::new(orders::settings()));
    shard.mute();
    shard
}

/// A shard that events come to.
struct Live {
    shard: Shard,
    /// The first of the orders that come.
    first: u64,
    tick: u64,
}

/// Of one snapshot that is taken while events come in.
struct Taken {
    took: Duration,
    events: usize,
    stalls: Vec<Stall>,
}

/// The loop hands over a slice.
#[derive(Clone, Copy)]
struct Stall {
    wall: Duration,
    /// Without what the machine did meanwhile.
    cpu: Duration,
}

/// Of snapshots that are taken while events come in.
struct Costs {
    /// From the beginning to the end of one.
    seconds: f64,
    /// One every 30 s, percent.
    of_throughput: f64,
    /// Milliseconds.
    longest: f64,
    longest_cpu: f64,
}

impl Costs {
    fn report(&self) {
        goals::figure("a snapshot while events come in takes", self.seconds, "s");
        goals::at_most("throughput that a snapshot every 30 s takes", self.of_throughput, 10.0, "%");
        goals::at_most("longest stall of a shard", self.longest, 10.0, "ms");
        goals::figure("the same in CPU time", self.longest_cpu, "ms");
    }
}

/// Of a restore.
struct Restored {
    orders: u64,
    checked: Duration,
    took: Duration,
}

impl Restored {
    fn report(&self) {
        let rate = self.orders as f64 / self.took.as_secs_f64() / 1e6;
        goals::at_least("restored, a thread beside that reads ahead", rate, 2.0, "M orders/s");
        let checked = self.checked.as_secs_f64() / self.took.as_secs_f64();
        goals::figure("of that the check of every checksum", checked * 100.0, "%");
    }
}

impl Live {
    fn new(orders: u64) -> Live {
        let mut shard = empty();
        for order in 0..orders {
            assert_eq!(shard.restore_order(RestoredOrder::Open(SHOP.order(order))), 0, "no event is refused");
        }
        let first = orders + SHOP.after[3];
        let mut live = Live { shard, first, tick: first };
        live.shard.unmute();
        live.turn();
        live
    }

    /// Applies some events of new orders, as the loop does in a turn. How many, and how long it took.
    fn turn(&mut self) -> (usize, Duration) {
        let mut events = Vec::with_capacity(EVENTS_A_TURN + 4);
        while events.len() < EVENTS_A_TURN {
            events.extend(SHOP.events_at(self.tick, self.first..u64::MAX));
            self.tick += 1;
        }
        let (count, began) = (events.len(), Instant::now());
        for event in events {
            let at = event.record_time;
            self.shard.apply(event, at).expect("a fact");
        }
        self.shard.advance(SHOP.time(self.tick));
        assert!(self.shard.drain_transitions(None).is_empty(), "every order is paid in time");
        drop(self.shard.drain_cycles_ended());
        (count, began.elapsed())
    }

    fn costs(&mut self, place: &Place, rounds: usize) -> Costs {
        let mut costs = Vec::new();
        let mut stalls: Vec<Stall> = Vec::new();
        let mut seconds = Vec::new();
        for _ in 0..rounds {
            let taken = self.turns_with(place);
            let (mut events, mut took) = (0, Duration::ZERO);
            while events < taken.events {
                let (more, time) = self.turn();
                events += more;
                took += time;
            }
            let without = took.as_secs_f64() * taken.events as f64 / events as f64;
            costs.push((taken.took.as_secs_f64() - without).max(0.0));
            seconds.push(taken.took.as_secs_f64());
            stalls.extend(taken.stalls);
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let longest =
            |part: fn(&Stall) -> Duration| stalls.iter().map(part).max().unwrap_or_default().as_secs_f64() * 1e3;
        Costs {
            seconds: median(seconds),
            of_throughput: median(costs) / EVERY_S * 100.0,
            longest: longest(|stall| stall.wall),
            longest_cpu: longest(|stall| stall.cpu),
        }
    }

    /// Turns, as fast as they go, with a slice of a snapshot between them, until it is written.
    fn turns_with(&mut self, place: &Place) -> Taken {
        let mut writer = place.writer();
        let mut taken = Taken { took: Duration::ZERO, events: 0, stalls: Vec::new() };
        assert!(writer.begin(header()));
        self.shard.begin_copy();
        while writer.is_under_way(0) {
            let (events, took) = self.turn();
            let (began, cpu) = (Instant::now(), thread_cpu());
            writer.feed(&mut self.shard, true);
            let stall = Stall { wall: began.elapsed(), cpu: thread_cpu() - cpu };
            for ended in writer.poll() {
                ended.result.expect("it is written");
            }
            taken.took += took + stall.wall;
            taken.events += events;
            taken.stalls.push(stall);
        }
        self.shard.end_copy();
        taken
    }
}

/// Of this thread, in user and system mode.
fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn header() -> SnapshotHeader {
    let inputs = TOPICS.map(|topic| SnapshotInput::of_orders(topic.into(), 0, None));
    SnapshotHeader { group_id: "shop".into(), inputs: inputs.to_vec(), ..SnapshotHeader::default() }
}

/// All that an event says.
fn hash(event: &Event, hasher: &mut DefaultHasher) {
    let Event {
        order_id,
        event_id,
        source,
        milestone,
        event_time,
        event_time_inferred,
        record_time,
        position,
        details,
    } = event;
    (order_id, event_id, source, milestone.as_str(), event_time, event_time_inferred, record_time, position)
        .hash(hasher);
    let Some(details) = details.as_deref() else { return };
    let Details {
        total,
        lines,
        promised_ship_by,
        promised_deliver_by,
        attributes,
        payment_id,
        capture_id,
        amount,
        fee,
        fulfillment_id,
        reason,
    } = details;
    (total, lines, promised_ship_by, promised_deliver_by).hash(hasher);
    (payment_id, capture_id, amount, fee, fulfillment_id, reason).hash(hasher);
    attributes.iter().for_each(|(name, value)| (name, format!("{value:?}")).hash(hasher));
}

/// How many orders a shard holds, and a number that stands for all of their events, whatever their order.
fn digest(shard: &mut Shard) -> (u64, u64) {
    let (mut held, mut all, mut unpacker) = (0, 0_u64, Unpacker::default());
    orders::copied(shard, |packed| {
        unpacker.read(packed, &mut |order| {
            let RestoredOrder::Open(events) = order else { panic!("no order was forgotten") };
            let mut hasher = DefaultHasher::new();
            for event in &events {
                hash(event, &mut hasher);
            }
            held += 1;
            all = all.wrapping_add(hasher.finish());
        });
    });
    (held, all)
}

struct Place {
    _dir: tempfile::TempDir,
    store: SnapshotStore,
    runtime: tokio::runtime::Runtime,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let store = SnapshotStore::open(dir.path().to_str().expect("UTF-8")).expect("a store");
        Place { _dir: dir, store, runtime: tokio::runtime::Runtime::new().expect("a runtime") }
    }

    fn writer(&self) -> SnapshotWriter {
        SnapshotWriter::new(self.store.clone(), 1, self.runtime.handle().clone())
    }

    fn write(&self, shard: &mut Shard) -> u64 {
        let mut writer = self.writer();
        assert!(writer.begin(header()));
        let ended = writer.finish(&mut [(shard, true)], Instant::now() + Duration::from_secs(600), || {});
        ended.first().and_then(|e| e.result.as_ref().ok()).expect("a snapshot").bytes
    }

    /// Every checksum verified, then unpacked and taken back by a shard, which must be the one that was written.
    fn restore(&self, held: u64, written: u64) -> Restored {
        let expected = Expected {
            group_id: "shop".into(),
            cluster_id: String::new(),
            shard: 0,
            streams: TOPICS.map(|topic| (topic.into(), Entity::order())).to_vec(),
        };
        let mut shard = empty();
        let began = Instant::now();
        let found = self.runtime.block_on(self.store.newest(&expected)).expect("a store").expect("a snapshot");
        let checked = began.elapsed();
        let mut restoring = Restoring::new(&mut shard);
        self.runtime.block_on(found.read(&mut |stored| restoring.take(stored))).expect("a whole snapshot");
        let refused = restoring.finish().1;
        let took = began.elapsed();
        assert_eq!(refused, 0, "events of a snapshot of ours are refused");
        assert_eq!(digest(&mut shard), (held, written), "what was read back is not what was written");
        Restored { orders: held, checked, took }
    }
}
