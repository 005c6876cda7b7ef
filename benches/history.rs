//! `make bench`: an engine that has seen ten times the events and holds as many orders takes no more memory, and no more
//! time for an event.
//!
//! Some orders stay open all along. In each round as many again are placed, paid, shipped, delivered and forgotten; some
//! are paid late, and each of those must have been told as opened and as resolved, once.
//!
//! `cargo bench --bench history -- 1000000` takes another number of orders.

mod goals;
mod orders;
mod resident;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use orderwatch::domain::{Millis, Status};
use orderwatch::engine::{Shard, Transition};
use orderwatch::policy::Settings;

use orders::Shop;

/// Takes order after order through a shard that forgets them.
#[derive(Parser)]
struct Args {
    /// How many orders stay open, and how many come and go in a round
    #[arg(default_value_t = 50_000)]
    orders: u64,
    #[arg(long, default_value_t = 10)]
    rounds: u64,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

const POLICIES: &str = "slas:\n  - {id: paid-in-60s, start: order.placed, stop: order.paid_in_full, target: 60s, \
     severity: critical, owner: desk, route: desk, expected_outcome: paid}\n";
const SHOP: Shop = Shop {
    partitions: 1,
    warehouses: 4,
    tick: Millis::from_secs(1),
    after: [0, 20, 40, 55],
    late_every: 50,
    late_by: 100,
};
/// By then an order's last event was long ago, and it is forgotten.
const FORGOTTEN_AFTER: u64 = 400;
/// The frontier moves so often.
const TICKS_A_TURN: u64 = 16;

/// The product's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let args = Args::parse();
    let mut engine = Engine::new(args.orders);
    println!("{} open orders, and {} that come, go and are forgotten in each round", args.orders, args.orders);
    let rounds: Vec<Round> = (1..=args.rounds.max(2)).map(|round| engine.round(round, args.orders)).collect();
    let [first, .., last] = rounds.as_slice() else { unreachable!("two rounds at least") };
    goals::at_most(
        &format!("memory after round {}, of that after the first", rounds.len()),
        last.rss as f64 / first.rss as f64,
        1.05,
        "x",
    );
    let slow = last.took.as_secs_f64() / first.took.as_secs_f64();
    goals::figure(&format!("time of round {}, of that of the first", rounds.len()), slow, "x");
}

struct Round {
    took: Duration,
    rss: u64,
}

struct Engine {
    shard: Shard,
    /// The number of the next order.
    next: u64,
    tick: u64,
    opened: u64,
    resolved: u64,
}

impl Engine {
    /// Holds orders that were placed and paid, and stay open.
    fn new(open: u64) -> Engine {
        let (retain_closed, remember_closed) = (Millis::from_secs(60), Millis::from_secs(60));
        let settings = Settings { retain_closed, remember_closed, ..orders::settings() };
        let mut shard = Shard::new(0, orders::policies(POLICIES), Arc::new(settings));
        let paid = Shop { late_every: 0, ..SHOP };
        for event in (0..open).flat_map(|order| [paid.event(order, 0), paid.event(order, 1)]) {
            shard.apply(event, SHOP.time(0)).expect("a fact");
        }
        let mut engine = Engine { shard, next: open, tick: open, opened: 0, resolved: 0 };
        engine.advance();
        assert_eq!((engine.opened, engine.resolved), (0, 0), "all that stay open were paid in time");
        engine
    }

    fn round(&mut self, round: u64, orders: u64) -> Round {
        let began = Instant::now();
        let numbers = self.next..self.next + orders;
        let until = numbers.end + FORGOTTEN_AFTER;
        let mut events = 0_u64;
        while self.tick < until {
            for event in SHOP.events_at(self.tick, numbers.clone()) {
                let at = event.record_time;
                self.shard.apply(event, at).expect("a fact");
                events += 1;
            }
            self.tick += 1;
            if self.tick.is_multiple_of(TICKS_A_TURN) {
                self.advance();
            }
        }
        self.advance();
        let took = began.elapsed();
        let late = numbers.filter(|order| SHOP.is_late(*order)).count() as u64;
        assert_eq!(events, 4 * orders, "every event of every order");
        assert_eq!((self.opened, self.resolved), (late, late), "what was told of those paid late");
        (self.opened, self.resolved) = (0, 0);
        self.next = until;
        let (held, rss) = (self.held(), resident::bytes());
        assert_eq!(held, orders, "only those that stay open are held");
        println!(
            "round {round:2} {:>10.0} events/s {:6.2} µs/event, {:.1} MB resident",
            events as f64 / took.as_secs_f64(),
            took.as_secs_f64() * 1e6 / events as f64,
            rss as f64 / 1e6
        );
        Round { took, rss }
    }

    fn advance(&mut self) {
        self.shard.advance(SHOP.time(self.tick));
        let told = self.shard.drain_transitions(None);
        for transition in &told {
            match transition {
                Transition::Publish(exception) if exception.status == Status::Opened => self.opened += 1,
                Transition::Publish(exception) if exception.status == Status::Resolved => self.resolved += 1,
                Transition::Publish(exception) => panic!("a state that nobody expects: {exception:?}"),
                Transition::Tombstone(_) => {}
            }
        }
        if !told.is_empty() {
            self.shard.committed();
        }
        drop(self.shard.drain_cycles_ended());
    }

    /// Everything that a snapshot would hold.
    fn held(&mut self) -> u64 {
        let mut held = 0;
        orders::copied(&mut self.shard, |packed| held += packed.held().orders + packed.held().tombstones);
        held
    }
}
