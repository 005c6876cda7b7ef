//! Snapshots: what the loop's share costs, and how fast a shard of 100,000 orders is written to a directory and read back.
//! Figures are orders; each has four events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use divan::Bencher;
use divan::counter::ItemsCount;
use orderwatch::domain::event::Details;
use orderwatch::domain::{
    AttributeValue, Currency, Entity, Event, Line, Milestone, Millis, Money, Position, StreamId, Timestamp,
};
use orderwatch::engine::{RestoredOrder, Shard, StoredOrder};
use orderwatch::policy::Settings;
use orderwatch::snapshot::{Expected, SnapshotHeader, SnapshotInput, SnapshotStore, SnapshotWriter};

const ORDERS: usize = 100_000;
const TOPICS: [&str; 3] = ["orders", "payments", "fulfillments"];

fn main() {
    divan::main();
}

/// One order as a shop sends it: placed with lines and attributes, authorized, captured, shipped.
fn order(number: usize) -> RestoredOrder {
    let order_id = format!("{:08x}-{:04x}-order", number.wrapping_mul(0x9E37_79B1), number % 65_536);
    let euros = Money { amount_minor: 1_000 + number as i64, currency: Currency::parse("EUR").expect("a currency") };
    let kinds = ["order.placed", "payment.authorized", "payment.captured", "fulfillment.shipped"];
    let events = kinds.iter().enumerate().map(|(i, kind)| {
        let mut details = Details { amount: (i == 1 || i == 2).then_some(euros), ..Details::default() };
        if i == 0 {
            details.total = Some(euros);
            details.lines = Some(vec![Line { sku: format!("SKU-{}", number % 997).into(), quantity: 2 }]);
            details.attributes = vec![
                ("channel".into(), AttributeValue::Text("web".into())),
                ("region".into(), AttributeValue::Text("EU".into())),
            ];
        }
        let at = Timestamp::from_millis(1_763_719_200_000 + number as i64 * 37 + i as i64 * 60_000);
        Event {
            order_id: order_id.as_str().into(),
            event_id: format!("{:012x}{i}", number.wrapping_mul(0x85EB_CA6B)).into(),
            source: "webshop".into(),
            milestone: Milestone::parse(kind),
            event_time: at,
            event_time_inferred: false,
            record_time: at + Millis::new(250),
            position: Position { stream: StreamId((i as u16).div_ceil(2)), partition: 0, offset: number as i64 },
            details: Some(Box::new(details)),
        }
    });
    RestoredOrder::Open(events.collect())
}

fn shard() -> Shard {
    let settings = Settings {
        streams: TOPICS.map(Into::into).to_vec(),
        group_id: "shop".into(),
        entities: Default::default(),
        grace: Millis::ZERO,
        retain_closed: Millis::from_secs(86_400),
        remember_closed: Millis::from_secs(86_400),
        max_open: Millis::from_secs(86_400),
        backlog_grid: Millis::from_secs(10),
        publish_after: Timestamp::MIN,
        replay: None,
    };
    let mut shard = Shard::new(0, Arc::default(), Arc::new(settings));
    shard.mute();
    for number in 0..ORDERS {
        shard.restore_order(order(number));
    }
    shard
}

fn header() -> SnapshotHeader {
    let inputs = TOPICS.map(|topic| SnapshotInput::of_orders(topic.into(), 0, None));
    SnapshotHeader { group_id: "shop".into(), inputs: inputs.to_vec(), ..SnapshotHeader::default() }
}

struct Place {
    _dir: tempfile::TempDir,
    store: SnapshotStore,
    runtime: tokio::runtime::Runtime,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SnapshotStore::open(dir.path().to_str().expect("UTF-8")).expect("a store");
        Place { _dir: dir, store, runtime: tokio::runtime::Runtime::new().expect("a runtime") }
    }

    fn write(&self, shard: &Shard) -> u64 {
        let mut writer = SnapshotWriter::new(self.store.clone(), 1, self.runtime.handle().clone());
        assert!(writer.begin(header()));
        let ended = writer.finish([(shard, true)].into_iter(), Instant::now() + Duration::from_secs(60), || {});
        ended.first().and_then(|e| e.result.as_ref().ok()).expect("a snapshot").bytes
    }
}

/// The loop's share: copying the orders out of the shard.
#[divan::bench(sample_count = 10)]
fn copy_in_the_loop(bencher: Bencher<'_, '_>) {
    let shard = shard();
    bencher.counter(ItemsCount::new(ORDERS)).bench_local(|| {
        let mut orders = Vec::with_capacity(ORDERS);
        shard.visit_orders(0, usize::MAX, &mut |order| {
            if let StoredOrder::Open { events, .. } = order {
                orders.push(events.to_vec());
            }
        });
        orders
    });
}

/// Copied, packed, written, synced and switched.
#[divan::bench(sample_count = 10)]
fn write(bencher: Bencher<'_, '_>) {
    let (shard, place) = (shard(), Place::new());
    let bytes = place.write(&shard);
    eprintln!("{:.1} bytes an order", bytes as f64 / ORDERS as f64);
    bencher.counter(ItemsCount::new(ORDERS)).bench_local(|| place.write(&shard));
}

/// Every checksum verified, then unpacked and handed over.
#[divan::bench(sample_count = 10)]
fn read(bencher: Bencher<'_, '_>) {
    let place = Place::new();
    place.write(&shard());
    let expected = Expected {
        group_id: "shop".into(),
        cluster_id: String::new(),
        shard: 0,
        streams: TOPICS.map(|topic| (topic.into(), Entity::order())).to_vec(),
    };
    bencher.counter(ItemsCount::new(ORDERS)).bench_local(|| {
        let found = place.runtime.block_on(place.store.newest(&expected)).expect("a store").expect("a snapshot");
        let mut orders = Vec::with_capacity(ORDERS);
        place.runtime.block_on(found.read(&mut |order| orders.push(order))).expect("a whole snapshot");
        assert_eq!(orders.len(), ORDERS);
        orders
    });
}
