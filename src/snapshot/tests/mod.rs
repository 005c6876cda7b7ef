//! Snapshots in a directory; `tests/snapshots` has those in a bucket and those of a whole run.

mod format;
mod released;
mod restore;
mod writer;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::format::{Chunk, Decoder, Encoder, FORMAT_VERSION};
use super::*;
use crate::domain::event::Details;
use crate::domain::{Currency, Entity, Event, Money, Position, Standard, Str, StreamId, Timestamp};
use crate::engine::{PackedOrders, Packer, RestoredOrder, Stored, Tombstone, Unpacker};

const TOPICS: [&str; 3] = ["orders", "payments", "fulfillments"];

fn header(shard: i32, taken_at: i64) -> SnapshotHeader {
    SnapshotHeader {
        shard,
        cluster_id: "cluster-1".into(),
        group_id: "orderwatch".into(),
        inputs: TOPICS
            .iter()
            .enumerate()
            .map(|(i, topic)| {
                let read_up_to = (i > 0).then(|| Timestamp::from_millis(1_000));
                SnapshotInput::of_orders((*topic).into(), i as i64 * 100, read_up_to)
            })
            .collect(),
        frontier: Some(Timestamp::from_millis(1_000)),
        complete_since: Some(Timestamp::from_millis(900)),
        policies: PolicyDocument { text: "slas: []\n".into(), version: "abc".into(), revision: Some(7) },
        taken_at: Timestamp::from_millis(taken_at),
        written_by: SnapshotHeader::VERSION.into(),
    }
}

fn event(order_id: &str, number: i64) -> Event {
    Event {
        order_id: order_id.into(),
        event_id: format!("e-{number}").into(),
        source: "webshop".into(),
        milestone: Standard::OrderPlaced.into(),
        event_time: Timestamp::from_millis(number * 10),
        event_time_inferred: false,
        record_time: Timestamp::from_millis(number * 10 + 3),
        position: Position { stream: StreamId((number % 3) as u16), partition: 4, offset: number },
        details: (number % 2 == 0).then(|| {
            Box::new(Details {
                total: Some(Money { amount_minor: -5, currency: Currency::parse("EUR").unwrap() }),
                ..Details::default()
            })
        }),
    }
}

fn tombstone(entity: &str, id: &str, closed_at: i64) -> RestoredOrder {
    let closed_at = Timestamp::from_millis(closed_at);
    RestoredOrder::Tombstone(Tombstone::of(entity, id, closed_at))
}

fn orders(count: i64) -> Vec<RestoredOrder> {
    let each = (0..count).map(|n| match n % 5 {
        4 => tombstone("order", &format!("o-{n}"), n),
        _ => RestoredOrder::Open((0..=n % 5).map(|k| event(&format!("o-{n}"), n * 10 + k)).collect()),
    });
    tombstones_last(each.collect())
}

/// As they lie in a copy.
fn tombstones_last(mut orders: Vec<RestoredOrder>) -> Vec<RestoredOrder> {
    orders.sort_by_key(|order| matches!(order, RestoredOrder::Tombstone(_)));
    orders
}

/// So many orders to a stretch.
const STRETCH: usize = 1_000;

fn encode(header: &SnapshotHeader, orders: &[RestoredOrder]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(header, &mut out).unwrap();
    let mut packer = Packer::default();
    for stretch in orders.chunks(STRETCH) {
        encoder.push(&packer.pack(stretch), &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    out
}

/// Reads a file whole, without the store.
fn decode(bytes: &[u8]) -> Result<Vec<Chunk>, FormatError> {
    let mut decoder = Decoder::default();
    let mut chunks = Vec::new();
    // In odd pieces, as a network brings them.
    for piece in bytes.chunks(7) {
        decoder.feed(piece);
        while let Some(chunk) = decoder.next_chunk()? {
            if let Chunk::Body(body) = &chunk {
                body.open()?;
            }
            chunks.push(chunk);
        }
    }
    decoder.finish()?;
    Ok(chunks)
}

fn expected(shard: i32) -> Expected {
    Expected {
        group_id: "orderwatch".into(),
        cluster_id: "cluster-1".into(),
        shard,
        streams: TOPICS.iter().map(|topic| (Str::new(topic), Entity::order())).collect(),
    }
}

struct Place {
    dir: tempfile::TempDir,
    store: SnapshotStore,
    runtime: tokio::runtime::Runtime,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(&format!("file://{}/snapshots", dir.path().display())).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Place { dir, store, runtime }
    }

    fn put(&self, header: &SnapshotHeader, bytes: &[u8]) -> String {
        self.runtime.block_on(async {
            let mut file = self.store.create(&header.group_id, header.shard, header.taken_at).await.unwrap();
            file.write(bytes).await.unwrap();
            file.finish().await.unwrap().0
        })
    }

    fn newest(&self, expected: &Expected) -> Option<Found> {
        self.runtime.block_on(self.store.newest(expected)).unwrap()
    }

    fn read(&self, found: &Found) -> Vec<RestoredOrder> {
        let (mut orders, mut unpacker) = (Vec::new(), Unpacker::default());
        let mut take = |stored| match stored {
            Stored::Announced(_) => {}
            Stored::Order(order) => orders.push(order),
            Stored::Packed(packed) => unpacker.read(&packed, &mut |order| orders.push(order)),
        };
        self.runtime.block_on(found.read(&mut take)).unwrap();
        orders
    }

    fn names(&self, shard: i32) -> Vec<String> {
        let names = self.runtime.block_on(self.store.list("orderwatch", shard)).unwrap();
        names.into_iter().map(|n| n.path).collect()
    }

    fn file(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join("snapshots").join(path)
    }

    fn writer(&self, keep: usize) -> SnapshotWriter {
        SnapshotWriter::new(self.store.clone(), keep, self.runtime.handle().clone())
    }
}

/// Feeds `orders` as a shard would, and waits for the outcome.
fn take(writer: &mut SnapshotWriter, shard: i32, orders: &[RestoredOrder]) -> Result<u64, String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut packer = Packer::default();
    loop {
        writer.feed_from(shard, true, |cursor| slice(&mut packer, orders, cursor));
        if let Some(outcome) = writer.poll().pop() {
            assert_eq!(outcome.shard, shard);
            return outcome.result.map(|status| status.bytes).map_err(|e| e.to_string());
        }
        assert!(Instant::now() < deadline, "the snapshot did not end");
        std::thread::yield_now();
    }
}

fn slice(packer: &mut Packer, orders: &[RestoredOrder], cursor: usize) -> (PackedOrders, Option<usize>) {
    let end = (cursor + 7).min(orders.len());
    (packer.pack(&orders[cursor..end]), (end < orders.len()).then_some(end))
}
