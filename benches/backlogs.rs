//! `make bench`: what a backlog policy with a thousand groups costs, in twelve shards: an event with it beside one without,
//! and the sum of all shards, a grid point. The depth of every group was found right at every tenth grid point.
//!
//! `cargo bench --bench backlogs -- 1000000` takes another number of orders.

mod goals;
mod orders;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use orderwatch::domain::{Millis, Subject, Timestamp};
use orderwatch::engine::backlog::BacklogStanding;
use orderwatch::engine::{BacklogSum, PartialsRecord, Shard, Teller};
use orderwatch::policy::Policies;

use orders::{PAID_IN_1H, Shop};

/// Takes a shop through twelve shards, with and without a grouped backlog.
#[derive(Parser)]
struct Args {
    #[arg(default_value_t = 200_000)]
    orders: u64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

const BACKLOG: &str = "backlogs:\n  - {id: awaiting-shipment, from: order.paid_in_full, until: order.fully_shipped, \
     group_by: [warehouse], max_groups: 1000, open_when: {depth: 1000000000}, clear_when: {depth: 1}, severity: warning, \
     owner: desk, route: desk, expected_outcome: shipped}\n";
/// A hundred orders a second; one is paid after 20 s and stands in the queue for eight minutes.
const SHOP: Shop = Shop {
    partitions: 12,
    warehouses: 1_000,
    tick: Millis::new(10),
    after: [0, 2_000, 50_000, 60_000],
    late_every: 0,
    late_by: 0,
};
/// The frontier moves, and the shards tell, ten times a second.
const TICKS_A_TURN: u64 = 10;
const GRID_TICKS: u64 = 1_000;
/// Grid points between two looks at the truth, and between two times that the sum's memory is written.
const LOOK_EVERY: u64 = 10;

fn main() {
    let args = Args::parse();
    let [without, with] = ["", BACKLOG].map(|more| orders::policies(&format!("{PAID_IN_1H}{more}")));
    let (mut base, mut grouped, mut summed) = (Vec::new(), Vec::new(), Vec::new());
    let mut run = Run::default();
    for _ in 0..args.rounds.max(1) {
        base.push(Run::through(&without, args.orders).took);
        run = Run::through(&with, args.orders);
        grouped.push(run.took);
        summed.push(sum(&with, &run.topic, args.orders));
    }
    let [base, grouped] = [base, grouped].map(|took| median(took).as_secs_f64() * 1e6 / run.events as f64);
    let grid_points = summed.first().map_or(0, |summed| summed.grid_points);
    let figures: usize = run.topic.iter().map(Vec::len).sum();
    println!(
        "{} orders, {} events in 12 shards, {grid_points} grid points, {} records of partials of {} bytes",
        args.orders,
        run.events,
        run.topic.len(),
        figures / run.topic.len().max(1)
    );
    goals::figure("an event without a backlog policy", base, "µs");
    goals::figure("an event with one of 1,000 groups", grouped, "µs");
    goals::figure("the same, of that without", grouped / base, "x");
    let a_point = median(summed.iter().map(|summed| summed.took).collect()).as_secs_f64() * 1e3 / grid_points as f64;
    goals::figure("the sum over 12 shards, a grid point", a_point, "ms");
    let remembered = median(summed.iter().map(|summed| summed.remembered).collect()).as_secs_f64() * 1e3;
    let times = (grid_points / LOOK_EVERY).max(1);
    goals::figure("what it remembers, each time", remembered / times as f64, "ms");
    println!("depths looked at and found right: {}", summed.iter().map(|summed| summed.depths).sum::<usize>());
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The shards' side.
#[derive(Default)]
struct Run {
    took: Duration,
    events: u64,
    /// What the shards told.
    topic: Vec<Vec<u8>>,
}

impl Run {
    fn through(policies: &Arc<Policies>, orders: u64) -> Run {
        let settings = Arc::new(orders::settings());
        let mut shards: Vec<(Shard, Teller)> = (0..SHOP.partitions)
            .map(|partition| {
                let mut shard = Shard::new(partition, Arc::clone(policies), Arc::clone(&settings));
                // As after a restore: it begins with the whole, which is nothing.
                shard.mute();
                shard.unmute();
                let teller = shard.teller(format!("bench/{partition}").into(), None);
                (shard, teller)
            })
            .collect();
        let mut run = Run::default();
        for tick in 0..=last_tick(orders) {
            // Making the events is not what is measured.
            let events: Vec<_> = SHOP.events_at(tick, 0..orders).collect();
            run.events += events.len() as u64;
            let began = Instant::now();
            for event in events {
                let (shard, _) = &mut shards[event.position.partition as usize];
                let at = event.record_time;
                shard.apply(event, at).expect("a fact");
            }
            if tick.is_multiple_of(TICKS_A_TURN) {
                shards.iter_mut().for_each(|shard| turn(shard, SHOP.time(tick), &mut run.topic));
            }
            run.took += began.elapsed();
        }
        run
    }
}

fn last_tick(orders: u64) -> u64 {
    orders + SHOP.after[3] + GRID_TICKS
}

fn turn((shard, teller): &mut (Shard, Teller), frontier: Timestamp, topic: &mut Vec<Vec<u8>>) {
    shard.advance(frontier);
    assert!(shard.drain_transitions(None).is_empty(), "no order breaks its promise");
    drop(shard.drain_cycles_ended());
    teller.take(shard.drain_partials());
    if teller.has_news() || teller.is_due(frontier) {
        topic.extend(teller.drain(frontier).iter().map(PartialsRecord::to_json));
        teller.committed();
    }
}

/// The sum's side.
struct Summed {
    took: Duration,
    remembered: Duration,
    grid_points: u64,
    depths: usize,
}

fn sum(policies: &Arc<Policies>, topic: &[Vec<u8>], orders: u64) -> Summed {
    let mut sum = BacklogSum::new(Arc::clone(policies), Arc::new(orders::settings()));
    sum.set_shards(SHOP.partitions as usize);
    let mut summed = Summed { took: Duration::ZERO, remembered: Duration::ZERO, grid_points: 0, depths: 0 };
    let mut judged = None;
    for (offset, value) in (0..).zip(topic) {
        let began = Instant::now();
        sum.hear(PartialsRecord::parse(value).expect("a record of ours"), offset);
        assert!(sum.drain_transitions(None).is_empty(), "no queue is as deep as that");
        summed.took += began.elapsed();
        let passed = sum.frontier().map(|frontier| frontier.as_millis().div_euclid(10_000));
        if passed.is_some() && passed != judged {
            summed.grid_points += u64::from(judged.is_some());
            judged = passed;
            if summed.grid_points.is_multiple_of(LOOK_EVERY) {
                summed.depths += look(sum.standing(), orders);
                let began = Instant::now();
                drop(sum.drain_memory());
                sum.committed();
                summed.remembered += began.elapsed();
            }
        }
    }
    assert!(summed.depths > 0, "some depths were looked at");
    summed
}

/// Compares each group's depth with the orders' own times, and gives how many there are.
fn look(standing: impl Iterator<Item = BacklogStanding>, orders: u64) -> usize {
    let mut depths: BTreeMap<String, i64> = BTreeMap::new();
    let mut at = None;
    for queue in standing {
        assert_eq!(*at.get_or_insert(queue.at), queue.at, "all groups at one grid point");
        let Subject::Group(pairs) = &queue.group else { panic!("a group: {:?}", queue.group) };
        let warehouse = pairs.first().and_then(|(_, value)| value.as_ref()).expect("every order has a warehouse");
        depths.insert(warehouse.to_string(), queue.figures.depth);
    }
    depths.retain(|_, depth| *depth != 0);
    let Some(at) = at else { return 0 };
    let mut truth: BTreeMap<String, i64> = BTreeMap::new();
    let time = |order, kind| SHOP.time(SHOP.tick_of(order, kind));
    for order in (0..orders).filter(|order| time(*order, 1) <= at && at < time(*order, 2)) {
        *truth.entry(format!("W-{:04}", SHOP.warehouse(order))).or_default() += 1;
    }
    assert!(depths == truth, "the depths at {at} are wrong: {} groups, of truly {}", depths.len(), truth.len());
    truth.len()
}
