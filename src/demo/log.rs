//! The shop's stories as Kafka would hold them: topics, partitions, offsets; and as a dump for `replay`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::{Millis, Timestamp};
use crate::replay::line::Line;

use super::shop::{Shop, ShopEvent, Story};

/// Where an order begins.
pub const ORDERS: &str = "orders";
/// The topics of the shop, in the order of `streams:`.
pub const TOPICS: [&str; 3] = [ORDERS, "payments", "fulfillments"];

/// An event and where it lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogRecord {
    /// The event.
    pub event: ShopEvent,
    /// The place of its topic in [`TOPICS`].
    pub stream: u16,
    /// Its partition: the same for all events of an order.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// Everything that happened in a shop, in the order in which a replay reads it.
#[derive(Debug)]
pub struct ShopLog {
    /// The orders.
    pub stories: Vec<Story>,
    /// Their events.
    pub records: Vec<LogRecord>,
}

impl ShopLog {
    /// `orders` orders, one every `every`, on topics with `partitions` partitions.
    pub fn new(shop: &Shop, orders: u64, every: Millis, partitions: i32) -> Self {
        let placed = |n: u64| Timestamp::from_millis(shop.opened_at.as_millis() + n as i64 * every.get());
        let stories: Vec<Story> = (0..orders).map(|n| shop.story(n, placed(n))).collect();
        let mut records = Vec::new();
        for (number, story) in stories.iter().enumerate() {
            let partition = number as i32 % partitions.max(1);
            for event in &story.events {
                let stream = TOPICS.iter().position(|topic| *topic == event.topic).unwrap_or(0) as u16;
                records.push(LogRecord { event: event.clone(), stream, partition, offset: 0 });
            }
        }
        // Stable: events of one instant keep the order in which their stories tell them.
        records.sort_by_key(|r| (r.event.at, r.stream, r.partition));
        let mut ends: BTreeMap<(u16, i32), i64> = BTreeMap::new();
        for record in &mut records {
            let end = ends.entry((record.stream, record.partition)).or_default();
            record.offset = *end;
            *end += 1;
        }
        ShopLog { stories, records }
    }

    /// The lines of `kcat -C -J`, each with its line feed, in the order of the records.
    pub fn dump_lines(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.records.iter().map(|record| {
            let mut bytes = Vec::with_capacity(512);
            Line {
                topic: Cow::Borrowed(record.event.topic),
                partition: record.partition,
                offset: record.offset,
                timestamp: Some(record.event.at),
                key: Some(Cow::Borrowed(record.event.order_id.as_bytes())),
                value: Some(Cow::Borrowed(record.event.payload.as_bytes())),
                headers: Vec::new(),
            }
            .write(&mut bytes);
            bytes
        })
    }
}
