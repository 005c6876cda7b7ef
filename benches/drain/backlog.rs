//! What is to be drained: a shop's log on topics, and what must come of it.

use std::fmt;

use orderwatch::demo::log::TOPICS;
use orderwatch::demo::shop::{Shop, Story};
use orderwatch::demo::truth::Truth;
use orderwatch::domain::{Millis, Status, Timestamp};

use super::told::Telling;
use crate::live::{load, now_ms};
use crate::promises;
use crate::support::{Broker, Message};

pub const PARTITIONS: i32 = 4;
const SEED: u64 = 7;
const MINUTE: Millis = Millis::from_secs(60);
/// From one order to the next.
const EVERY: Millis = Millis::from_secs(1);
/// The log ends so long before now: nothing of it is due any more.
const AGO: Millis = Millis::from_secs(86_400);

pub struct Backlog {
    pub events: usize,
    /// The transitions that must be published, once each: of which order, which promise, and what it came to. Sorted.
    pub truth: Vec<(String, String, String)>,
    orders: u64,
    bytes: usize,
}

impl Backlog {
    /// Makes the topics and fills them.
    pub fn load(broker: &Broker, orders: u64) -> Backlog {
        let span = Millis::new(EVERY.get() * i64::try_from(orders).expect("a number of orders"));
        let opened_at = Timestamp::from_millis(now_ms()) - AGO - span;
        let shop = Shop { seed: SEED, opened_at, minute: MINUTE, stoppage: None };
        let mut truth = Vec::new();
        let mut listener = |story: &Story| {
            let mut of_order = Truth::new(&shop, Millis::ZERO, Timestamp::MAX);
            of_order.tell(story);
            for ((policy, status), times) in promises::published(of_order.counts) {
                let told = (story.order_id.clone(), policy.to_owned(), status.as_str().to_owned());
                truth.extend(vec![told; times as usize]);
            }
        };
        let mut bytes = 0;
        broker.create_topics(&TOPICS, PARTITIONS, &[]);
        let messages = Telling::new(shop, EVERY, orders, PARTITIONS, &mut listener).map(|told| {
            let event = told.event;
            bytes += event.payload.len();
            let message = Message::to(event.topic).partition(told.partition).at(event.at.as_millis());
            message.key(&event.order_id).value(&event.payload)
        });
        let events = load(broker, messages);
        truth.sort();
        Backlog { events, truth, orders, bytes }
    }
}

/// The two promises, in the shop's time.
pub fn policies() -> String {
    promises::policies(MINUTE)
}

impl fmt::Display for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opened = self.truth.iter().filter(|(.., status)| status == Status::Opened.as_str()).count();
        let (Backlog { events, orders, bytes, .. }, topics) = (self, TOPICS.len());
        let each = bytes / events.max(&1);
        write!(
            f,
            "{orders} orders, {events} events of {each} bytes on {topics} topics of {PARTITIONS} partitions, {opened} broken promises"
        )
    }
}
