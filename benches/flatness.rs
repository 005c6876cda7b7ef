//! What an event costs with few open orders in memory and with very many: the same events of open orders taken at random,
//! told in turns to a small shop and to a large one. A figure is printed only after every event was found new, and every order
//! open.
//!
//! `cargo bench --bench flatness -- 10000 10000000` takes other sizes, the smaller first.

mod goals;
mod open_orders;
#[path = "shop/streams.rs"]
mod streams;

use std::time::{Duration, Instant};

use open_orders::{EVENTS, Shop, advance, mix};
use orderwatch::codec::{self, Format, RawRecord, StreamCodec};
use orderwatch::demo::log::TOPICS;
use orderwatch::domain::{Event, Millis};
use orderwatch::engine::{Applied, LOOK_AHEAD, Shard};

/// Few, so that the small shop's orders stay as short as the large one's.
const ROUNDS: usize = 21;
/// Events told in a round, and in one turn of the loop.
const ROUND: usize = 500;
/// The large shop may cost so many times what the small one costs, decoded and applied.
const GOAL: f64 = 1.3;
/// The same where it is applied alone: memory that is in no cache.
const GOAL_IN_ENGINE: f64 = 2.0;

/// The product's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut sizes: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![10_000, 1_000_000];
    }
    let mut worlds: Vec<World> = sizes.into_iter().map(World::new).collect();
    for round in 0..ROUNDS {
        worlds.iter_mut().for_each(|world| world.round(round));
    }
    let figures: Vec<[f64; 2]> = worlds.iter().map(World::report).collect();
    if let [[few_whole, few], .., [many_whole, many]] = figures.as_slice() {
        goals::at_most("an event of the largest, of the smallest's", many_whole / few_whole, GOAL, "x");
        goals::at_most("the same in the engine", many / few, GOAL_IN_ENGINE, "x");
    }
}

struct World {
    shop: Shop,
    shards: Vec<Shard>,
    codecs: [StreamCodec; 3],
    /// What each order was told beside its story, by its number.
    told: Vec<u8>,
    decoding: Vec<Duration>,
    engine: Vec<Duration>,
}

impl World {
    fn new(orders: u64) -> Self {
        let shop = Shop { orders };
        let mut shards = shop.shards();
        shop.tell(&mut shards);
        let codecs = TOPICS.map(|topic| streams::codec(topic, Format::Json));
        let told = vec![0; orders as usize];
        World { shop, shards, codecs, told, decoding: Vec::new(), engine: Vec::new() }
    }

    fn round(&mut self, round: usize) {
        let events: Vec<Event> = (0..ROUND).map(|n| self.next(mix((round * ROUND + n) as u64))).collect();
        let payloads: Vec<String> = events.iter().map(json).collect();
        let began = Instant::now();
        let decoded: Vec<Event> =
            events.iter().zip(&payloads).map(|(event, payload)| self.decode(event, payload)).collect();
        self.decoding.push(began.elapsed());
        assert_eq!(decoded, events);
        let began = Instant::now();
        let mut decoded = decoded.into_iter();
        while !decoded.as_slice().is_empty() {
            // As the live loop does: before a lane's records are applied, their orders are looked at.
            let next = decoded.as_slice().iter().take(LOOK_AHEAD * self.shards.len());
            for (partition, shard) in (0..).zip(&self.shards) {
                let own = next.clone().filter(|event| event.position.partition == partition);
                shard.look_ahead(own.map(|event| (event.position.stream, event.order_id.as_bytes())));
            }
            for event in decoded.by_ref().take(LOOK_AHEAD * self.shards.len()) {
                let (at, shard) = (event.record_time, event.position.partition as usize);
                assert_eq!(self.shards[shard].apply(event, at), Ok(Applied::New));
            }
        }
        let to = self.shop.told_until() + Millis::new(round as i64);
        self.shards.iter_mut().for_each(|shard| assert_eq!(advance(shard, to), 0));
        self.engine.push(began.elapsed());
    }

    /// The next event of an order taken at random.
    fn next(&mut self, random: u64) -> Event {
        let order = random % self.shop.orders;
        let told = &mut self.told[order as usize];
        *told += 1;
        self.shop.event(order, EVENTS + u64::from(*told) - 1)
    }

    fn decode(&self, event: &Event, payload: &str) -> Event {
        let stream = event.position.stream;
        let raw = RawRecord {
            stream,
            partition: event.position.partition,
            offset: event.position.offset,
            timestamp: Some(event.record_time),
            key: Some(event.order_id.as_bytes()),
            value: Some(payload.as_bytes()),
            headers: &[],
        };
        codec::decode(&self.codecs[usize::from(stream.0)], &raw).expect("the shop sends events")
    }

    /// Prints and gives back the medians, with decoding and without, in microseconds.
    fn report(&self) -> [f64; 2] {
        let open: usize = self.shards.iter().map(Shard::orders_open).sum();
        assert_eq!(open as u64, self.shop.orders);
        let late: u64 = self.shards.iter().map(|shard| shard.counters().duplicates + shard.counters().conflicts).sum();
        assert_eq!(late, 0);
        let [decoding, engine] = [&self.decoding, &self.engine].map(|times| {
            let mut times = times.clone();
            times.sort();
            times[ROUNDS / 2].as_secs_f64() * 1e6 / ROUND as f64
        });
        println!(
            "{:>10} open orders: {:5.2} µs an event, {engine:5.2} of it in the engine",
            self.shop.orders,
            decoding + engine
        );
        [decoding + engine, engine]
    }
}

fn json(event: &Event) -> String {
    let details = event.details.as_deref().expect("a parcel has a number");
    format!(
        r#"{{"event_id":"{}","order_id":"{}","type":"{}","event_time":"{}","source":"{}","fulfillment_id":"{}"}}"#,
        event.event_id,
        event.order_id,
        event.milestone,
        event.event_time,
        event.source,
        details.fulfillment_id.as_deref().expect("a parcel has a number"),
    )
}
