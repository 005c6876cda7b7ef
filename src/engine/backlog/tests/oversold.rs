//! Demand over the shards against the stock.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::{Position, StockChange, StockEvent, StreamId};
use crate::policy::backlog::SKUS_MAX;

fn oversold(settle_s: i64) -> Backlog {
    Backlog {
        id: "oversold".into(),
        counts: Counts::Demand,
        group_by: vec!["sku".into()],
        max_groups: SKUS_MAX,
        open_when: Bounds { held_for: secs(settle_s), ..Bounds::default() },
        clear_when: Bounds::default(),
        ..policy(depth(1, 0), depth(0, 0), false)
    }
}

fn wants(sku: &str, pieces: i64, from: i64, until: Option<i64>) -> Membership {
    Membership { quantity: pieces, ..stay(GroupKey::new([Some(sku.into())]), from, until) }
}

fn level(sku: &str, at: i64, available: i64) -> StockEvent {
    StockEvent {
        sku: sku.into(),
        event_id: Str::from(format!("{at}/{available}")),
        source: "wms".into(),
        location: "BER".into(),
        change: StockChange::Level(available),
        event_time: s(at),
        position: Position { stream: StreamId(1), partition: 0, offset: at },
    }
}

fn stock_at(world: &mut World, events: &[StockEvent], frontier: i64) {
    for event in events {
        world.sum.take_stock(event);
    }
    world.sum.stock_passed(s(frontier));
}

/// `opened oversold?sku=A at 25.001: 5 of 3, o-2 o-1`: demand, stock and who goes short.
fn told(world: &mut World) -> Vec<String> {
    let said = world.drain();
    world.sum.committed();
    said.iter().map(line_of).collect()
}

fn line_of(e: &Exception) -> String {
    let check = e.check.as_ref().unwrap();
    assert_eq!((e.kind, &*check.name, e.backlog), (crate::domain::Kind::Reconciliation, "oversold", None));
    let orders: Vec<&str> = check.orders.iter().map(|o| &*o.order_id).collect();
    let line = format!("{}: {} of {}, {}", line(e), check.actual.unwrap(), check.expected.unwrap(), orders.join(" "));
    line.trim_end_matches([',', ' ']).to_owned()
}

const NOTHING: [&str; 0] = [];

#[test]
fn it_opens_once_demand_exceeds_stock_for_settle_and_resolves_when_it_does_not() {
    let mut world = World::new(vec![oversold(20)], settings(), 2);
    world.shards[0].replace(0, &"o-1".into(), &[], &[wants("A", 2, 1, None)]);
    world.shards[1].replace(0, &"o-2".into(), &[], &[wants("A", 3, 2, None)]);
    stock_at(&mut world, &[level("A", 1, 3)], 100);
    world.advance_all(s(35));
    assert_eq!(told(&mut world), NOTHING, "reached at 10, it has not held for 20 s before 30 is passed");
    world.advance_all(s(36));
    assert_eq!(told(&mut world), ["opened oversold?sku=A at 35.001: 5 of 3, o-2"]);
    world.shards[0].replace(0, &"o-1".into(), &[wants("A", 2, 1, None)], &[wants("A", 2, 1, Some(41))]);
    world.advance_all(s(56));
    assert_eq!(told(&mut world), ["resolved oversold?sku=A at 55.001: 3 of 3"]);
}

#[test]
fn a_restock_within_settle_is_no_finding() {
    let mut world = World::new(vec![oversold(20)], settings(), 1);
    world.shards[0].replace(0, &"o-1".into(), &[], &[wants("A", 2, 1, None)]);
    stock_at(&mut world, &[level("A", 1, 1), level("A", 25, 2)], 100);
    world.advance_all(s(90));
    assert_eq!(told(&mut world), NOTHING);
}

#[test]
fn lag_on_either_side_says_nothing() {
    let mut world = World::new(vec![oversold(0)], settings(), 2);
    world.shards[0].replace(0, &"o-1".into(), &[], &[wants("A", 9, 1, None)]);
    stock_at(&mut world, &[level("A", 1, 1)], 14);
    world.advance_all(s(500));
    assert_eq!(told(&mut world), NOTHING, "the inventory has not passed 10");
    stock_at(&mut world, &[level("A", 31, 9)], 600);
    assert_eq!(
        told(&mut world),
        ["opened oversold?sku=A at 15.001: 9 of 1, o-1", "resolved oversold?sku=A at 45.001: 9 of 9"],
        "as it stood at each grid point"
    );
    stock_at(&mut world, &[level("A", 601, 0)], 700);
    world.advance(0, s(700));
    assert_eq!(told(&mut world), NOTHING, "shard 1 has not passed 610");
    assert_eq!(world.sum.waiting_for(), [] as [i32; 0]);
}

#[test]
fn unknown_stock_is_no_finding_and_ends_none() {
    let mut world = World::new(vec![oversold(0)], settings(), 1);
    world.shards[0].replace(0, &"o-1".into(), &[], &[wants("A", 9, 1, None)]);
    world.shards[0].replace(0, &"o-2".into(), &[], &[wants("B", 9, 1, None)]);
    stock_at(&mut world, &[level("A", 1, 1)], 50);
    world.advance_all(s(50));
    assert_eq!(told(&mut world), ["opened oversold?sku=A at 15.001: 9 of 1, o-1"]);
    // Retention has taken the level meanwhile.
    let (memory, published) = (world.sum.drain_memory(), standing(&world));
    world.move_sum(&memory, published);
    world.hear();
    stock_at(&mut world, &[], 100);
    world.advance_all(s(100));
    assert_eq!(told(&mut world), NOTHING, "nobody knows");
    stock_at(&mut world, &[level("A", 101, 20)], 200);
    world.advance_all(s(200));
    assert_eq!(told(&mut world), ["resolved oversold?sku=A at 115.001: 9 of 20"]);
}

#[test]
fn who_came_last_goes_short_and_at_most_twenty_are_named() {
    let mut world = World::new(vec![oversold(0)], settings(), 2);
    for i in 0..60 {
        let order = Str::from(format!("o-{i:02}"));
        world.shards[i % 2].replace(0, &order, &[], &[wants("A", 1, i as i64, None)]);
    }
    stock_at(&mut world, &[level("A", 1, 58)], 100);
    world.advance_all(s(100));
    assert_eq!(told(&mut world), ["opened oversold?sku=A at 65.001: 60 of 58, o-59 o-58"]);
    stock_at(&mut world, &[level("A", 111, 100), level("A", 131, -5)], 200);
    world.advance_all(s(200));
    let said = told(&mut world);
    assert_eq!(said[0], "resolved oversold?sku=A at 125.001: 60 of 100");
    let named: Vec<&str> = said[1].split(", ").nth(1).unwrap().split(' ').collect();
    assert_eq!((named.len(), named[0], named[19]), (20, "o-59", "o-40"));
    assert!(
        said[1].starts_with("opened oversold?sku=A at 145.001: 60 of 0"),
        "less than nothing is nothing: {}",
        said[1]
    );
}

#[test]
fn a_sku_may_be_called_other_and_enough_of_a_sku_is_not_remembered() {
    let mut world = World::new(vec![oversold(0)], settings(), 1);
    world.shards[0].replace(0, &"o-1".into(), &[], &[wants("other", 9, 1, None), wants("B", 1, 1, None)]);
    stock_at(&mut world, &[level("other", 1, 1), level("B", 1, 1)], 100);
    world.advance_all(s(100));
    assert_eq!(told(&mut world), ["opened oversold?sku=other at 15.001: 9 of 1, o-1"]);
    let memory = world.sum.drain_memory();
    let queues: Vec<&str> = memory.iter().map(|m| m.key.as_str()).filter(|key| key.contains("queue/")).collect();
    assert_eq!(queues, ["backlog-sum/queue/oversold?sku=other"]);
    assert_eq!(world.sum.standing().count(), 0, "no figure of a sku is a backlog's");
}

fn standing(world: &World) -> Vec<Exception> {
    let mut standing = Vec::new();
    world.sum.visit_standing(&mut |exception| standing.push(exception.clone()));
    standing
}

/// What should be said, from everything there is: (opened, sku, at, demand, stock).
fn oracle(settle: i64, stays: &[Membership], stock: &[StockEvent], horizon: i64) -> Vec<(bool, String, i64, i64, i64)> {
    let mut said = Vec::new();
    for sku in ["A", "B"] {
        let (mut since, mut open) = (None, false);
        for t in (0..horizon).step_by(10) {
            let mine = stays.iter().filter(|m| m.group.values()[0].as_deref() == Some(sku));
            let stands = mine.filter(|m| m.from <= s(t) && m.until.is_none_or(|until| s(t) < until));
            let demand: i64 = stands.map(|m| m.quantity).sum();
            let known = stock.iter().filter(|e| e.sku == sku && e.event_time <= s(t));
            let newest = known.max_by_key(|e| (e.event_time, e.position)).map(|e| e.change);
            let Some(StockChange::Level(available)) = newest else { continue };
            let exceeds = demand > available;
            since = if exceeds { since.or(Some(t)) } else { None };
            if !open && since.is_some_and(|since| t - since >= settle) {
                open = true;
                said.push((true, sku.to_owned(), t, demand, available));
            } else if open && !exceeds {
                open = false;
                said.push((false, sku.to_owned(), t, demand, available));
            }
        }
    }
    said.sort();
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Whoever is ahead, and whenever another process sums: what a plain function says of every grid point is said once.
    #[test]
    fn it_says_what_a_plain_function_says(
        orders in prop::collection::vec((0..2_usize, prop::bool::ANY, 1..6_i64, 0..300_i64, prop::option::of(1..200_i64)), 1..20),
        levels in prop::collection::vec((prop::bool::ANY, 0..300_i64, 0..15_i64), 0..12),
        steps in prop::collection::vec((0..3_usize, 1..120_i64, prop::bool::weighted(0.2)), 0..30),
        settle in prop::sample::select(vec![0, 20, 50]),
    ) {
        let sku = |a: bool| if a { "A" } else { "B" };
        let stays: Vec<(usize, Membership)> = orders.iter()
            .map(|(shard, a, pieces, from, length)| (*shard, wants(sku(*a), *pieces, *from, length.map(|l| from + l))))
            .collect();
        let mut stock: Vec<StockEvent> = levels.iter().map(|(a, at, n)| level(sku(*a), *at, *n)).collect();
        stock.sort_by_key(|e| e.event_time);
        // One level an instant and sku: which of two stands is the stock's own test.
        stock.dedup_by(|a, b| a.event_time == b.event_time);
        let mut world = World::new(vec![oversold(settle)], settings(), 2);
        for (i, (shard, stay)) in stays.iter().enumerate() {
            world.shards[*shard].replace(0, &Str::from(format!("o-{i}")), &[], std::slice::from_ref(stay));
        }
        let (mut read, mut read_to) = (0, 0);
        let mut last: BTreeMap<Str, Exception> = BTreeMap::new();
        let mut memory: Vec<MemoryRecord> = Vec::new();
        let mut said = Vec::new();
        let ends = [(0, 1_000, false), (1, 1_000, false), (2, 1_000, false)];
        for (who, by, moves) in steps.into_iter().chain(ends) {
            if who < 2 {
                let to = world.frontiers[who].max(s(0)) + secs(by);
                world.advance(who, to);
            } else {
                read_to += by;
                while stock.get(read).is_some_and(|e| e.event_time < s(read_to)) {
                    world.sum.take_stock(&stock[read]);
                    read += 1;
                }
                world.sum.stock_passed(s(read_to));
            }
            for e in world.drain() {
                let check = e.check.clone().unwrap();
                let opened = e.status == crate::domain::Status::Opened;
                let at = (e.frontier.as_millis() - 5_001) / 1000;
                said.push((opened, check.about.unwrap().to_string(), at, check.actual.unwrap(), check.expected.unwrap()));
                last.insert(e.exception_id.clone(), e);
            }
            memory.extend(world.sum.drain_memory());
            world.sum.committed();
            if moves {
                world.move_sum(&memory, last.values().cloned());
                world.hear();
                // The inventory is read again from its beginning.
                for event in &stock[..read] {
                    world.sum.take_stock(event);
                }
                world.sum.stock_passed(s(read_to));
            }
        }
        let horizon = 1_000 - 5;
        let all: Vec<Membership> = stays.into_iter().map(|(_, stay)| stay).collect();
        said.retain(|(.., at, _, _)| *at < horizon);
        said.sort();
        prop_assert_eq!(said, oracle(settle, &all, &stock, horizon));
    }
}
