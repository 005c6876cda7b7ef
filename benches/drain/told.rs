//! The shop's events in the order of their times, as `ShopLog` has them, with no more of them in memory than are under way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use orderwatch::demo::log::TOPICS;
use orderwatch::demo::shop::{Shop, ShopEvent, Story};
use orderwatch::domain::{Millis, Timestamp};

/// One record to write.
pub struct Told {
    pub partition: i32,
    pub event: ShopEvent,
}

/// Events wait here for those of later orders that come before them.
pub struct Telling<'a> {
    pub shop: Shop,
    /// From one order to the next.
    pub every: Millis,
    pub orders: u64,
    pub partitions: i32,
    /// Is told every story.
    pub listener: &'a mut dyn FnMut(&Story),
    begun: u64,
    waiting: BinaryHeap<Reverse<Waiting>>,
}

/// By time, topic, partition, and the place in its own story.
struct Waiting {
    key: (Timestamp, usize, i32, u64, usize),
    event: ShopEvent,
}

impl<'a> Telling<'a> {
    pub fn new(shop: Shop, every: Millis, orders: u64, partitions: i32, listener: &'a mut dyn FnMut(&Story)) -> Self {
        Telling { shop, every, orders, partitions, listener, begun: 0, waiting: BinaryHeap::new() }
    }

    fn placed(&self, order: u64) -> Timestamp {
        self.shop.opened_at + Millis::new(self.every.get() * order as i64)
    }

    fn begin(&mut self) {
        let order = self.begun;
        self.begun += 1;
        let story = self.shop.story(order, self.placed(order));
        (self.listener)(&story);
        let partition = (order % self.partitions as u64) as i32;
        for (place, event) in story.events.into_iter().enumerate() {
            let stream = TOPICS.iter().position(|topic| *topic == event.topic).expect("a topic of ours");
            self.waiting.push(Reverse(Waiting { key: (event.at, stream, partition, order, place), event }));
        }
    }
}

impl Iterator for Telling<'_> {
    type Item = Told;

    fn next(&mut self) -> Option<Told> {
        // No story tells of anything before its order is placed.
        let is_early = |first: &Reverse<Waiting>, placed| first.0.key.0 < placed;
        while self.begun < self.orders
            && !self.waiting.peek().is_some_and(|first| is_early(first, self.placed(self.begun)))
        {
            self.begin();
        }
        let Reverse(Waiting { key: (_, _, partition, ..), event }) = self.waiting.pop()?;
        Some(Told { partition, event })
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}
