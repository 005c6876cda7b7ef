//! Events in, backlog transitions out: two shards and their sum.

use std::sync::Arc;

use super::recovery::orders_of;
use super::story::*;
use crate::domain::{Event, Exception, Milestone, Millis, Str, Timestamp};
use crate::engine::{BacklogSum, PartialsRecord, RestoredOrder, Shard, Teller, Transition};
use crate::policy::backlog::Bounds;
use crate::policy::sla::Pause;
use crate::policy::{Backlog, Policies, Settings};

/// Paid and not shipped, by region: opens at two, or when one is two hours old.
fn awaiting_shipment() -> Backlog {
    Backlog {
        id: "awaiting-shipment".into(),
        entity: crate::domain::Entity::order(),
        counts: crate::policy::backlog::Counts::Orders,
        from: Milestone::parse("order.paid_in_full"),
        until: Milestone::parse("order.fully_shipped"),
        when: None,
        exclude_between: Some(Pause {
            from: Milestone::parse("order.held"),
            until: Milestone::parse("order.released"),
        }),
        group_by: vec!["region".into()],
        max_groups: 1000,
        open_when: Bounds {
            depth: Some(2),
            oldest_age: Some(Millis::new(2 * HOUR)),
            held_for: Millis::new(5 * MINUTE),
        },
        clear_when: Bounds { depth: Some(1), oldest_age: Some(Millis::new(HOUR)), held_for: Millis::ZERO },
        escalate_after: vec![rung(60)],
        grace: None,
        responsibility: responsibility(),
    }
}

struct Shop {
    policies: Arc<Policies>,
    settings: Arc<Settings>,
    shards: Vec<Shard>,
    tellers: Vec<Teller>,
    topic: Vec<Vec<u8>>,
    sum: BacklogSum,
    memory: std::collections::BTreeMap<String, Option<Vec<u8>>>,
    published: Vec<Exception>,
    offset: i64,
}

impl Shop {
    fn new() -> Self {
        let policies = Policies { version: "v1".into(), backlogs: vec![awaiting_shipment()], ..Policies::default() };
        let (policies, settings) = (Arc::new(policies), Arc::new(settings()));
        let shard = |n| Shard::new(n, Arc::clone(&policies), Arc::clone(&settings));
        let mut sum = BacklogSum::new(Arc::clone(&policies), Arc::clone(&settings));
        sum.set_shards(2);
        let mut shards = vec![shard(0), shard(1)];
        shards.iter_mut().for_each(|shard| {
            shard.mute();
            shard.unmute();
        });
        let tellers =
            shards.iter().map(|shard| shard.teller(Str::from(format!("first/{}", shard.partition())), None)).collect();
        let (memory, topic, published) = (Default::default(), Vec::new(), Vec::new());
        Shop { policies, settings, shards, tellers, topic, sum, memory, published, offset: 0 }
    }

    fn read(&mut self, order: &str, mut event: Event) {
        let shard = usize::from(order.ends_with(['1', '3', '5', '7', '9']));
        event.order_id = Str::new(order);
        event.event_id = Str::new(format!("{order}-{}", event.event_id));
        event.position.offset = self.offset;
        self.offset += 1;
        let record_time = event.record_time;
        self.advance_to(record_time);
        self.shards[shard].apply(event, record_time).unwrap();
    }

    fn pay(&mut self, order: &str, region: &'static str, minute: i64) {
        self.read(
            order,
            with(attribute(event("order.placed", minute), "region", region), |d| d.total = Some(money(100))),
        );
        self.read(order, with(event("payment.captured", minute), |d| d.amount = Some(money(100))));
    }

    fn advance(&mut self, minute: i64) {
        self.advance_to(at(minute));
    }

    fn advance_to(&mut self, frontier: Timestamp) {
        for (n, shard) in self.shards.iter_mut().enumerate() {
            shard.advance(frontier);
            let teller = &mut self.tellers[n];
            teller.take(shard.drain_partials());
            self.topic.extend(teller.drain(shard.frontier()).iter().map(PartialsRecord::to_json));
            teller.committed();
        }
        for offset in self.sum.reads_from()..self.topic.len() as i64 {
            self.sum.hear(PartialsRecord::parse(&self.topic[offset as usize]).unwrap(), offset);
        }
        for transition in self.sum.drain_transitions(None) {
            if let Transition::Publish(exception) = transition {
                self.published.push(*exception);
            }
        }
        self.memory.extend(self.sum.drain_memory().into_iter().map(|record| (record.key, record.value)));
        self.sum.committed();
    }

    fn said(&self) -> Vec<String> {
        let told = |e: &Exception| format!("{} {}", line(e), e.subject.key(&e.policy.id));
        self.published.iter().map(told).collect()
    }

    /// Another process takes over: orders from snapshots, memory and published states from their topics.
    fn restarted(&mut self) -> Shop {
        let mut shop = Shop::new();
        self.memory.values().flatten().for_each(|value| shop.sum.restore_memory(value).unwrap());
        self.published.iter().for_each(|exception| shop.sum.restore_published(exception.clone()));
        for (n, old) in self.shards.iter_mut().enumerate() {
            let mut shard = Shard::new(n as i32, Arc::clone(&self.policies), Arc::clone(&self.settings));
            shard.mute();
            for order in orders_of(old).into_iter().filter(|order| matches!(order, RestoredOrder::Open(_))) {
                assert_eq!(shard.restore_order(order), 0);
            }
            shard.advance(old.frontier());
            shard.unmute();
            shop.tellers[n] = shard.teller(Str::from(format!("{}/{n}", self.topic.len())), None);
            shop.shards[n] = shard;
        }
        Shop { memory: self.memory.clone(), topic: self.topic.clone(), offset: self.offset, ..shop }
    }
}

#[test]
fn a_queue_backs_up_over_two_shards_and_is_worked_off() {
    let mut shop = Shop::new();
    shop.pay("o-1", "EU", 0);
    shop.pay("o-2", "EU", 10);
    shop.pay("o-3", "US", 11);
    shop.advance(16);
    assert_eq!(shop.said(), ["15+ opened awaiting-shipment?region=EU"]);
    let opened = &shop.published[0];
    assert_eq!((opened.started_at, opened.deadline), (Some(at(10)), Some(at(15))));
    shop.read("o-2", event("fulfillment.shipped", 40));
    shop.advance(50);
    assert_eq!(shop.said()[1..], ["40+ resolved awaiting-shipment?region=EU"]);
    // Without any traffic, both that are left grow old.
    shop.advance(300);
    let aged = [
        "125+ opened #2 awaiting-shipment?region=EU",
        "136+ opened awaiting-shipment?region=US",
        "185+ escalated 1 #2 awaiting-shipment?region=EU",
        "196+ escalated 1 awaiting-shipment?region=US",
    ];
    assert_eq!(shop.said()[2..], aged);
}

#[test]
fn the_next_deadline_leads_from_one_transition_to_the_next() {
    let mut shop = Shop::new();
    shop.pay("o-1", "EU", 0);
    shop.advance(1);
    let mut wakes = Vec::new();
    while shop.published.len() < 2 {
        let shards = shop.shards.iter().filter_map(Shard::next_deadline).min();
        let due = [shop.sum.next_deadline(), shards].into_iter().flatten().min().unwrap();
        wakes.push((due - at(0)).get() / MINUTE);
        shop.advance_to(due.next());
    }
    assert_eq!(wakes, [120, 125, 185], "two hours old; for five minutes; the first rung");
}

#[test]
fn a_held_order_and_a_cancelled_one_do_not_count() {
    let mut shop = Shop::new();
    shop.pay("o-1", "EU", 0);
    shop.pay("o-2", "EU", 0);
    shop.read("o-2", event("order.held", 1));
    shop.pay("o-3", "EU", 2);
    shop.read("o-3", event("order.cancelled", 3));
    shop.advance(60);
    assert_eq!(shop.said(), [""; 0]);
    shop.read("o-2", event("order.released", 61));
    shop.advance(70);
    assert_eq!(shop.said(), ["66+ opened awaiting-shipment?region=EU"]);
    assert_eq!(shop.published[0].backlog.unwrap().oldest_age_ms, Some(66 * MINUTE));
}

#[test]
fn an_order_that_changes_its_region_changes_its_queue() {
    let mut shop = Shop::new();
    shop.pay("o-1", "EU", 0);
    shop.pay("o-3", "US", 0);
    shop.read("o-1", attribute(event("order.changed", 30), "region", "US"));
    shop.advance(40);
    assert_eq!(shop.said(), ["35+ opened awaiting-shipment?region=US"]);
    assert_eq!(shop.sum.standing().map(|b| b.figures.depth).sum::<i64>(), 2);
}

#[test]
fn an_evicted_order_leaves_its_queue() {
    let mut shop = Shop::new();
    shop.pay("o-1", "EU", 0);
    shop.advance(179 * 24 * 60);
    assert_eq!(shop.sum.standing().map(|b| b.figures.depth).sum::<i64>(), 1);
    shop.advance(181 * 24 * 60);
    assert_eq!(shop.shards[1].counters().evicted, 1);
    assert_eq!(shop.said().last().unwrap(), "259200+ resolved 1 awaiting-shipment?region=EU");
}

#[test]
fn a_restart_at_any_minute_says_what_one_run_says() {
    let tell = |shop: &mut Shop, minute: i64| match minute {
        0 => shop.pay("o-1", "EU", 0),
        10 => shop.pay("o-2", "EU", 10),
        20 => shop.pay("o-3", "US", 20),
        40 => shop.read("o-2", event("fulfillment.shipped", 40)),
        180 => shop.read("o-1", event("fulfillment.shipped", 180)),
        _ => {}
    };
    let mut whole = Shop::new();
    (0..400).for_each(|minute| {
        tell(&mut whole, minute);
        whole.advance(minute + 1);
    });
    assert_eq!(whole.published.len(), 6);
    for killed_after in (0..400).step_by(7) {
        let mut shop = Shop::new();
        let mut before = Vec::new();
        for minute in 0..400 {
            tell(&mut shop, minute);
            shop.advance(minute + 1);
            if minute == killed_after {
                before = shop.published.clone();
                shop = shop.restarted();
            }
        }
        assert_eq!([before, shop.published].concat(), whole.published, "killed after {killed_after} minutes");
    }
}
