//! One behaviour a test.

use super::*;
use crate::domain::Status;
use crate::engine::Told;

const EU: Option<&str> = Some("EU");

fn world(backlog: Backlog) -> World {
    World::new(vec![backlog], settings(), 1)
}

/// Puts `n` orders into a group over a time.
fn fill(world: &mut World, group: &GroupKey, n: usize, from: i64, until: Option<i64>) {
    for _ in 0..n {
        world.shards[0].replace(0, &Str::default(), &[], &[stay(group.clone(), from, until)]);
    }
}

#[test]
fn a_break_starts_the_opening_clock_anew() {
    let mut world = world(policy(depth(2, 30), depth(0, 0), false));
    // Two stand there from 10 to 30, one at 40, and two from 50 on.
    fill(&mut world, &none(), 1, 1, None);
    fill(&mut world, &none(), 1, 2, Some(33));
    fill(&mut world, &none(), 1, 42, None);
    world.advance_all(s(300));
    let told = world.drain();
    assert_eq!(told.iter().map(line).collect::<Vec<_>>(), ["opened q at 85.001"]);
    assert_eq!(told[0].started_at, Some(s(50)));
}

#[test]
fn a_dip_between_two_grid_points_is_not_seen() {
    let mut world = world(policy(depth(2, 30), depth(0, 0), false));
    fill(&mut world, &none(), 2, 1, None);
    fill(&mut world, &none(), 1, 1, Some(22));
    let stays = [stay(none(), 1, Some(23)), stay(none(), 27, None)];
    world.shards[0].replace(0, &Str::default(), &[], &stays);
    world.advance_all(s(100));
    assert_eq!(world.published(), ["opened q at 45.001"]);
}

#[test]
fn between_the_bounds_it_stays_as_it_is() {
    let mut world = world(policy(depth(4, 0), depth(2, 20), false));
    fill(&mut world, &none(), 2, 1, None);
    fill(&mut world, &none(), 1, 1, Some(55));
    fill(&mut world, &none(), 1, 1, Some(35));
    // 10: 4, 40: 3, 60: 2 until 70, 3 at 80, 2 from 90 on: clear at 60, broken at 80, clear from 90 for 20 s.
    fill(&mut world, &none(), 1, 75, Some(85));
    world.advance_all(s(300));
    assert_eq!(world.published(), ["opened q at 15.001", "resolved q at 115.001"]);
}

#[test]
fn without_clearing_bounds_it_clears_where_no_opening_bound_is_reached() {
    let mut world = world(policy(depth(2, 0), Bounds::default(), false));
    fill(&mut world, &none(), 1, 1, None);
    fill(&mut world, &none(), 1, 1, Some(35));
    world.advance_all(s(300));
    assert_eq!(world.published(), ["opened q at 15.001", "resolved q at 45.001"]);
}

#[test]
fn an_age_bound_is_judged_without_traffic() {
    let mut world = world(policy(age(60, 20), age(30, 0), false));
    fill(&mut world, &none(), 1, 7, None);
    world.advance_all(s(20));
    // 67 rounds up to 70; nothing else is due before.
    assert_eq!(world.sum.next_deadline(), Some(s(75)));
    world.advance_all(s(75));
    assert_eq!(world.sum.next_deadline(), Some(s(75)), "the frontier must be strictly past it");
    world.advance_all(s(75).next());
    assert_eq!(world.sum.next_deadline(), Some(s(95)), "70 + `for`");
    world.advance_all(s(95).next());
    let told = world.drain();
    assert_eq!(told.iter().map(line).collect::<Vec<_>>(), ["opened q at 95.001"]);
    assert_eq!(told[0].backlog.unwrap().oldest_age_ms, Some(83_000));
    assert_eq!(world.sum.next_deadline(), None);
}

#[test]
fn a_clearing_age_that_is_outgrown_breaks_the_clearing_clock() {
    let open = Bounds { depth: Some(3), oldest_age: None, held_for: secs(0) };
    let clear = Bounds { depth: Some(1), oldest_age: Some(secs(50)), held_for: secs(60) };
    let mut world = world(policy(open, clear, false));
    fill(&mut world, &none(), 2, 1, Some(15));
    fill(&mut world, &none(), 1, 5, Some(105));
    fill(&mut world, &none(), 1, 100, Some(101));
    // Clear from 20 on, but at 60 the one left is 55 s old: too old. It leaves at 110, so clear from 110 for 60 s.
    world.advance_all(s(300));
    assert_eq!(world.published(), ["opened q at 15.001", "resolved q at 175.001"]);
}

#[test]
fn a_break_of_the_clearing_clock_is_seen_though_nothing_changes_there() {
    // Clear from 20 on, for 60 s; the one left grows too old at 60 and leaves at 70, so it is clear from 70 for 60 s.
    for (since, too_old_s) in [(5, 50), (10, 40)] {
        let clear = Bounds { depth: Some(1), oldest_age: Some(secs(too_old_s)), held_for: secs(60) };
        let mut world = world(policy(depth(3, 0), clear, false));
        fill(&mut world, &none(), 2, 1, Some(15));
        fill(&mut world, &none(), 1, since, Some(65));
        world.advance_all(s(300));
        assert_eq!(world.published(), ["opened q at 15.001", "resolved q at 135.001"]);
    }
}

#[test]
fn an_abort_keeps_what_was_judged_since_the_drain() {
    let mut world = world(policy(depth(1, 0), Bounds::default(), false));
    fill(&mut world, &none(), 1, 1, Some(55));
    world.advance_all(s(20));
    assert_eq!(world.drain().len(), 1);
    world.advance_all(s(100));
    world.sum.aborted();
    assert_eq!(world.published(), ["opened q at 15.001", "resolved q at 65.001"]);
}

#[test]
fn an_order_that_moves_keeps_its_age() {
    let mut world = world(policy(age(100, 0), Bounds::default(), true));
    let moves = |until| Membership { group: group(EU), from: s(1), until, since: s(1), quantity: 1 };
    world.shards[0].replace(0, &Str::default(), &[], &[moves(None)]);
    world.advance_all(s(50));
    let us = Membership { group: group(Some("US")), from: s(72), until: None, since: s(1), quantity: 1 };
    world.shards[0].replace(0, &Str::default(), &[moves(None)], &[moves(Some(s(72))), us]);
    world.advance_all(s(300));
    assert_eq!(world.published(), ["opened q?region=US at 115.001"]);
}

#[test]
fn a_missing_value_is_a_group_of_its_own() {
    let mut world = world(policy(depth(2, 0), Bounds::default(), true));
    fill(&mut world, &group(None), 2, 1, None);
    fill(&mut world, &group(EU), 1, 1, None);
    fill(&mut world, &group(Some("")), 1, 1, None);
    world.advance_all(s(100));
    assert_eq!(world.published(), ["opened q?region at 15.001"]);
}

#[test]
fn escalations_come_one_by_one_and_name_what_they_change() {
    let mut policy = policy(depth(1, 0), Bounds::default(), false);
    let head =
        Rung { owner: Some("head".into()), route: Some("management".into()), ..rung(60, Some(Severity::Critical)) };
    policy.escalate_after = vec![rung(30, None), head];
    let mut world = world(policy);
    fill(&mut world, &none(), 1, 1, Some(205));
    let mut told = Vec::new();
    for frontier in 1..300 {
        world.advance_all(s(frontier));
        told.extend(world.drain());
        world.sum.committed();
    }
    let lines: Vec<_> = told.iter().map(line).collect();
    assert_eq!(
        lines,
        ["opened q at 15.001", "escalated 1 q at 45.001", "escalated 2 q at 75.001", "resolved 2 q at 215.001"]
    );
    assert_eq!(told.iter().map(|e| &*e.owner).collect::<Vec<_>>(), ["leads", "leads", "head", "head"]);
    assert_eq!((told[2].severity, &*told[2].route), (Severity::Critical, "management"));
    assert_eq!(told.iter().map(|e| e.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn rungs_that_fall_due_together_collapse_to_the_highest() {
    let mut policy = policy(depth(1, 0), Bounds::default(), false);
    policy.escalate_after = vec![rung(30, None), rung(60, None), rung(600, None)];
    let mut world = world(policy);
    fill(&mut world, &none(), 1, 1, None);
    world.advance_all(s(300));
    let told = world.drain();
    assert_eq!(told.iter().map(line).collect::<Vec<_>>(), ["opened q at 15.001", "escalated 2 q at 75.001"]);
    assert_eq!((told[1].sequence, told[1].escalation_level), (2, 2));
    assert_eq!(world.sum.next_deadline(), Some(s(615)));
}

#[test]
fn a_shard_that_lags_raises_and_clears_nothing() {
    let mut world = World::new(vec![policy(depth(3, 0), depth(2, 0), false)], settings(), 2);
    // Shard 1 holds one of the three until 55.
    fill(&mut world, &none(), 2, 1, None);
    world.shards[1].replace(0, &Str::default(), &[], &[stay(none(), 1, None)]);
    world.advance(0, s(500));
    assert_eq!((world.published(), world.sum.waiting_for()), (vec![], vec![1]));
    world.advance(1, s(15));
    assert_eq!(world.published(), Vec::<String>::new());
    world.advance(1, s(16));
    assert_eq!(world.published(), ["opened q at 15.001"]);
    assert_eq!(world.sum.next_deadline(), None);
    world.shards[1].replace(0, &Str::default(), &[stay(none(), 1, None)], &[stay(none(), 1, Some(55))]);
    world.advance(1, s(400));
    assert_eq!(world.published(), ["resolved q at 65.001"]);
}

#[test]
fn a_change_told_too_late_counts_at_the_next_grid_point() {
    let mut world = world(policy(depth(1, 0), Bounds::default(), false));
    world.advance_all(s(100));
    let late = [stay(none(), 3, None)];
    world.shards[0].replace(0, &Str::default(), &[], &late);
    world.advance_all(s(106));
    let told = world.drain();
    assert_eq!(told.iter().map(line).collect::<Vec<_>>(), ["opened q at 105.001"]);
    assert_eq!(told[0].backlog.unwrap().oldest_age_ms, Some(97_000), "its age is the true one");
    // And what was told too early is taken back as a departure.
    world.shards[0].replace(0, &Str::default(), &late, &[]);
    world.advance_all(s(116));
    let told = world.drain();
    assert_eq!(told.iter().map(line).collect::<Vec<_>>(), ["resolved q at 115.001"]);
    let figures = told[0].backlog.unwrap();
    assert_eq!((figures.depth, figures.inflow_per_min, figures.outflow_per_min), (0, 0.2, 0.2));
}

#[test]
fn what_is_taken_back_before_its_grid_point_leaves_no_trace() {
    let mut world = world(policy(depth(1, 0), Bounds::default(), true));
    world.advance_all(s(100));
    for (from, until) in [(3, None), (120, None), (60, Some(130)), (97, Some(98))] {
        let stays = [stay(group(EU), from, until)];
        world.shards[0].replace(0, &Str::default(), &[], &stays);
        world.shards[0].replace(0, &Str::default(), &stays, &[]);
    }
    assert_eq!((world.shards[0].next_deadline(), world.shards[0].groups()), (None, 0));
}

#[test]
fn an_order_that_leaves_memory_is_no_news_where_it_had_left_the_queue() {
    let mut world = world(policy(depth(1, 0), Bounds::default(), true));
    let (gone, stands) = ([stay(group(EU), 3, Some(55))], [stay(group(EU), 3, Some(55)), stay(group(EU), 60, None)]);
    world.shards[0].replace(0, &Str::default(), &[], &gone);
    world.shards[0].replace(0, &Str::default(), &[], &stands);
    world.advance_all(s(100));
    world.shards[0].replace(0, &Str::default(), &gone, &[]);
    assert_eq!(world.shards[0].next_deadline(), None);
    world.shards[0].replace(0, &Str::default(), &stands, &[]);
    world.advance_all(s(106));
    let left = world.sum.standing().next().unwrap().figures;
    assert_eq!((left.depth, left.inflow_per_min, left.outflow_per_min), (0, 0.6, 0.6));
}

#[test]
fn groups_vanish_when_they_are_empty_and_judged() {
    let mut world = world(policy(depth(1, 0), Bounds::default(), true));
    fill(&mut world, &group(EU), 1, 1, Some(55));
    world.advance_all(s(56));
    assert_eq!((world.shards[0].groups(), world.sum.standing().count()), (1, 1));
    world.advance_all(s(80));
    assert_eq!((world.shards[0].groups(), world.sum.standing().count()), (0, 1), "its rates still say something");
    // 60 + 5 min: the rates have run out. Nobody is woken for that, it is done in passing.
    assert_eq!(world.sum.next_deadline(), None);
    world.sum.drain_memory();
    world.advance_all(s(366));
    assert_eq!(world.sum.standing().count(), 0);
    let memory = world.sum.drain_memory();
    assert!(memory.iter().any(|r| r.key.ends_with("q?region=EU") && r.value.is_none()), "{memory:?}");
}

#[test]
fn beyond_max_groups_the_rest_is_summed_as_other() {
    let mut policy = policy(depth(3, 0), Bounds::default(), true);
    policy.max_groups = 2;
    let mut world = world(policy);
    // At one grid point they are taken in their order: AA and BB have queues of their own, CC and DD share one.
    fill(&mut world, &group(Some("DD")), 2, 1, None);
    fill(&mut world, &group(Some("CC")), 1, 2, Some(400));
    fill(&mut world, &group(Some("BB")), 1, 3, Some(25));
    fill(&mut world, &group(Some("AA")), 1, 4, None);
    world.advance_all(s(16));
    let depths = |world: &World| -> Vec<_> {
        let named =
            |b: crate::engine::backlog::BacklogStanding| format!("{} {}", b.group.key(&b.policy), b.figures.depth);
        world.sum.standing().map(named).collect()
    };
    assert_eq!(depths(&world), ["q?region=AA 1", "q?region=BB 1", "q?region=other 3"]);
    assert_eq!(world.published(), ["opened q?region=other at 15.001"]);
    // BB is empty from 30 on; five minutes later its place is free, and CC moves there with its order.
    world.advance_all(s(336));
    assert_eq!(depths(&world), ["q?region=AA 1", "q?region=CC 1", "q?region=other 2"]);
    assert_eq!(world.published(), ["resolved q?region=other at 335.001"]);
    world.advance_all(s(710));
    assert_eq!(depths(&world), ["q?region=AA 1", "q?region=DD 2"]);
}

#[test]
fn what_an_abort_took_back_is_told_again() {
    let mut world = world(policy(depth(1, 0), Bounds::default(), false));
    fill(&mut world, &none(), 1, 1, Some(55));
    world.advance_all(s(20));
    let first = world.drain();
    let memory = world.sum.drain_memory();
    world.sum.aborted();
    world.advance_all(s(100));
    let again = world.drain();
    assert_eq!(again.iter().map(line).collect::<Vec<_>>(), ["opened q at 15.001", "resolved q at 65.001"]);
    assert_eq!(again[0], first[0]);
    let keys = |records: Vec<MemoryRecord>| records.into_iter().map(|r| r.key).collect::<Vec<_>>();
    assert_eq!(keys(world.sum.drain_memory()), keys(memory));
    world.sum.committed();
    assert_eq!(world.drain(), vec![]);
    assert_eq!(keys(world.sum.drain_memory()), ["backlog-sum/judged/q", "backlog-sum/read"], "no queue changed");
}

#[test]
fn a_queue_that_stands_when_publishing_begins_opens_then() {
    let mut settings = settings();
    settings.publish_after = s(1003);
    let mut policy = policy(depth(1, 0), Bounds::default(), true);
    policy.escalate_after = vec![rung(60, None)];
    let mut world = World::new(vec![policy], settings, 1);
    fill(&mut world, &group(Some("gone")), 1, 1, Some(500));
    fill(&mut world, &group(EU), 1, 7, None);
    world.advance_all(s(1000));
    assert_eq!((world.drain(), world.sum.kept_back()), (vec![], 1));
    assert_eq!(world.sum.next_deadline(), Some(s(1015)));
    world.advance_all(s(1016));
    let told = world.drain();
    assert_eq!(told.iter().map(line).collect::<Vec<_>>(), ["opened q?region=EU at 1015.001"]);
    assert_eq!((told[0].started_at, told[0].breached_at), (Some(s(10)), Some(s(10))));
    // Nobody was told for a quarter of an hour, so the rung counts from now.
    world.advance_all(s(2000));
    assert_eq!(world.published(), ["escalated 1 q?region=EU at 1075.001"]);
}

#[test]
fn a_shard_that_went_and_came_back_tells_its_orders_anew() {
    let mut world = World::new(vec![policy(depth(3, 0), depth(1, 0), false)], settings(), 2);
    fill(&mut world, &none(), 2, 1, None);
    world.shards[1].replace(0, &Str::default(), &[], &[stay(none(), 1, None)]);
    world.advance_all(s(50));
    assert_eq!(world.published(), ["opened q at 15.001"]);
    // Its process dies. While the shard is on its way, nothing is judged.
    world.advance(0, s(300));
    assert_eq!((world.published(), world.sum.frontier()), (vec![], Some(s(50))));

    // Elsewhere its order leaves at 195.
    world.move_shard(1, s(50), &[vec![stay(none(), 1, Some(195))]]);
    world.advance(1, s(300));
    let told = world.drain();
    assert_eq!(told.iter().map(line).collect::<Vec<_>>(), Vec::<String>::new(), "two are left: more than one");
    let standing = world.sum.standing().next().unwrap();
    assert_eq!((standing.figures.depth, standing.open_since), (2, Some(s(10))));
    // One left, and what it found counted as no flow.
    assert_eq!((standing.figures.inflow_per_min, standing.figures.outflow_per_min), (0.6, 0.2));
}

#[test]
fn what_another_teller_left_behind_is_void_where_the_next_begins() {
    let mut world = World::new(vec![policy(depth(2, 0), depth(1, 0), true)], settings(), 1);
    fill(&mut world, &group(EU), 2, 1, None);
    world.advance_all(s(50));
    // at_least_once: what was told is ahead of the commits, and the next process groups the orders otherwise by now.
    world.move_shard(0, s(20), &[vec![stay(group(Some("US")), 1, None)]]);
    world.advance(0, s(100));
    let depths: Vec<_> = world.sum.standing().map(|queue| queue.figures.depth).collect();
    assert_eq!(depths, [0, 1]);
    assert_eq!(world.published(), ["opened q?region=EU at 15.001", "resolved q?region=EU at 55.001"]);
    // The one before wakes up, and is not heard.
    let mut zombie = Teller::new(0, "t1".into(), None, &world.policies, &world.settings);
    world.topic.extend(zombie.drain(s(500)).iter().map(PartialsRecord::to_json));
    world.hear();
    assert_eq!(world.sum.frontier(), Some(s(100)));
}

#[test]
fn the_sum_waits_for_a_shard_that_counts_otherwise() {
    let mut world = World::new(vec![policy(depth(1, 0), Bounds::default(), false)], settings(), 2);
    let edited =
        Backlog { until: Milestone::parse("order.completed"), ..policy(depth(1, 0), Bounds::default(), false) };
    let edited = Arc::new(Policies { backlogs: vec![edited], ..Policies::default() });
    world.advance_all(s(20));
    fill(&mut world, &none(), 1, 30, None);
    world.advance(0, s(100));
    // A rolling deploy: shard 1 is judged by another document already.
    let mut other = Teller::new(1, "other".into(), None, &edited, &world.settings);
    world.topic.extend(other.drain(s(100)).iter().map(PartialsRecord::to_json));
    world.hear();
    assert_eq!((world.published(), world.sum.waiting_for()), (vec![], vec![1]));
    // It comes back with the old one; what is between was not told by it, and is not judged.
    world.move_shard(1, s(200), &[]);
    world.advance_all(s(300));
    assert_eq!(world.published(), ["opened q at 205.001"]);
}

#[test]
fn a_policy_that_is_new_to_a_running_group_judges_from_now_on() {
    let mut world = world(policy(depth(1, 0), Bounds::default(), false));
    let stays = [vec![stay(none(), 1, Some(500))], vec![stay(none(), 600, None)]];
    world.move_shard(0, s(1007), &stays);
    world.advance_all(s(1100));
    assert_eq!(world.published(), ["opened q at 1015.001"]);
}

#[test]
fn a_new_owner_reads_no_further_back_than_it_must() {
    let mut world = World::new(vec![policy(depth(10_000, 0), Bounds::default(), false)], settings(), 2);
    let stays = |i: i64| [stay(none(), i * 10 + 1, Some(i * 10 + 35))];
    for i in 0..3_000 {
        world.shards[(i % 2) as usize].replace(0, &Str::default(), &[], &stays(i));
        world.advance_all(s(i * 10));
    }
    let memory = world.sum.drain_memory();
    let depth = world.sum.standing().next().unwrap().figures.depth;
    world.move_sum(&memory, []);
    let from = world.sum.reads_from();
    assert!(from > world.topic.len() as i64 / 2, "{from} of {}", world.topic.len());
    world.hear();
    world.advance_all(s(30_000));
    assert_eq!((depth, world.sum.standing().next().unwrap().figures.depth), (3, 3));
}

#[test]
fn what_stands_open_of_a_policy_that_is_gone_is_cancelled() {
    let mut old = world(policy(depth(1, 0), Bounds::default(), true));
    fill(&mut old, &group(EU), 1, 1, None);
    old.advance_all(s(100));
    let opened = old.drain().remove(0);
    let regrouped = Backlog { group_by: vec!["warehouse".into()], ..policy(depth(1, 0), Bounds::default(), true) };
    for backlogs in [vec![], vec![regrouped]] {
        let mut new = World::new(backlogs, settings(), 1);
        new.sum.restore_published(opened.clone());
        new.advance_all(s(200));
        new.sum.cancel_orphans(s(200));
        let told = new.drain();
        assert_eq!(told.iter().map(line).collect::<Vec<_>>(), ["cancelled q?region=EU at 200"]);
        assert_eq!((told[0].sequence, told[0].incarnation), (2, 1));
    }
}

#[test]
fn a_queue_that_does_not_stand_any_more_after_an_edit_resolves() {
    let mut old = world(policy(depth(1, 0), Bounds::default(), true));
    fill(&mut old, &group(EU), 1, 1, None);
    old.advance_all(s(100));
    let opened = old.drain().remove(0);
    // The bound was raised, the sum's memory was lost, and the group itself is gone.
    let mut new = world(policy(depth(9, 0), Bounds::default(), true));
    new.sum.restore_published(opened);
    new.advance_all(s(200));
    assert_eq!(new.published(), ["resolved q?region=EU at 195.001"]);
    assert_eq!(new.sum.standing().count(), 0);
}

#[test]
fn a_state_ahead_of_the_memory_is_frozen_until_it_is_passed() {
    // at_least_once: the opening of 10 was written, the memory and the offsets behind it were not.
    let mut first = world(policy(depth(1, 0), Bounds::default(), false));
    fill(&mut first, &none(), 1, 1, None);
    first.advance_all(s(100));
    let mut ahead = first.drain().remove(0);
    ahead.frontier = s(60);
    let mut second = world(policy(depth(1, 0), Bounds::default(), false));
    second.sum.restore_published(ahead);
    fill(&mut second, &none(), 1, 12, Some(18));
    second.advance_all(s(40));
    assert_eq!(second.published(), Vec::<String>::new());
    assert_eq!(second.sum.next_deadline(), Some(s(65)));
    second.advance_all(s(100));
    assert_eq!(second.published(), ["resolved q at 65.001"]);
}

#[test]
fn an_ended_exception_is_forgotten_with_a_tombstone_after_max_open() {
    let mut settings = settings();
    settings.max_open = secs(1000);
    let mut world = World::new(vec![policy(depth(1, 0), Bounds::default(), true)], settings, 1);
    let mut told = Vec::new();
    for (region, from, until) in [(EU, 1, 55), (EU, 500, 555), (Some("US"), 3000, 3055), (EU, 4000, 4055)] {
        fill(&mut world, &group(region), 1, from, Some(until));
        world.advance_all(s(until + 20));
        let transitions = world.sum.drain_transitions(None);
        told.extend(transitions.into_iter().map(|t| match t {
            Transition::Publish(e) => format!("{} {} {}", e.status.as_str(), region.unwrap_or(""), e.incarnation),
            Transition::Tombstone(_) => "tombstone".to_owned(),
        }));
    }
    let eu = ["opened EU 1", "resolved EU 1", "opened EU 2", "resolved EU 2"];
    let later = ["opened US 1", "tombstone", "resolved US 1", "opened EU 1", "resolved EU 1", "tombstone"];
    assert_eq!(told, [&eu[..], &later].concat());
}

#[test]
fn policies_may_have_a_grace_of_their_own() {
    let slow = Backlog { id: "slow".into(), grace: Some(secs(60)), ..policy(depth(1, 0), Bounds::default(), false) };
    let mut world = World::new(vec![slow, policy(depth(1, 0), Bounds::default(), false)], settings(), 1);
    for policy in [0, 1] {
        world.shards[0].replace(policy, &Str::default(), &[], &[stay(none(), 1, None)]);
    }
    world.advance_all(s(20));
    assert_eq!(world.published(), ["opened q at 15.001"]);
    assert_eq!(world.shards[0].next_deadline(), Some(s(70)));
    world.advance_all(s(71));
    assert_eq!(world.published(), ["opened slow at 70.001"]);
}

#[test]
fn garbage_in_the_memory_is_an_error_and_changes_nothing() {
    let mut world = world(policy(depth(1, 0), Bounds::default(), false));
    for garbage in [&b""[..], b"{}", b"[1]", b"\xff", br#"{"remembers":"judged","policy":"q","at":"never"}"#] {
        assert!(world.sum.restore_memory(garbage).is_err());
    }
    let other = br#"{"remembers":"judged","policy":"of another document","at":"1970-01-01T01:00:00.000Z"}"#;
    assert!(world.sum.restore_memory(other).is_ok());
    world.advance_all(s(20));
    assert_eq!(world.published(), [""; 0]);
}

#[test]
fn extreme_times_neither_panic_nor_stand_in_the_way() {
    let mut world = world(policy(age(60, 20), age(30, 10), false));
    let stays = |from, until| [Membership { group: none(), from, until, since: from, quantity: 1 }];
    for (from, until) in [(Timestamp::MIN, None), (Timestamp::MIN, Some(Timestamp::MAX)), (Timestamp::MAX, None)] {
        world.shards[0].replace(0, &Str::default(), &[], &stays(from, until));
    }
    world.advance_all(s(100));
    world.advance_all(Timestamp::MAX);
    let told = world.drain();
    assert_eq!(told.first().map(|e| e.status), Some(Status::Opened));
}

#[test]
fn a_year_is_caught_up_with_in_as_many_steps_as_there_were_changes() {
    let mut settings = settings();
    settings.backlog_grid = Millis::new(1);
    let clear_when = Bounds { held_for: secs(3600), ..Bounds::default() };
    let mut world = World::new(vec![policy(age(86_400, 3600), clear_when, false)], settings, 4);
    world.shards.iter_mut().for_each(|shard| *shard = Partials::new(&world.policies, &world.settings));
    let year = 365 * 86_400;
    // One every 31,536 s, each for 100,000 s: over age for 13,600 s, then none for 17,936 s.
    for i in 0..1000 {
        let from = i * 31_536;
        world.shards[(i % 4) as usize].replace(0, &Str::default(), &[], &[stay(none(), from, Some(from + 100_000))]);
    }
    world.shards.iter_mut().for_each(|shard| shard.advance(s(year)));
    let told: Vec<Vec<Told>> = world.shards.iter_mut().map(Partials::drain).collect();
    let partials = told.iter().flatten().filter(|told| matches!(told, Told::Partial(_)));
    assert_eq!(partials.count(), 1997, "the ends of the last three lie ahead");
    for (shard, partials) in told.into_iter().enumerate() {
        world.sum.observe(shard as i32, s(year), partials);
    }
    assert_eq!(world.sum.pending(), 0);
    let count = |told: &[Exception], status| told.iter().filter(|e| e.status == status).count();
    let told = world.drain();
    assert_eq!((count(&told, Status::Opened), count(&told, Status::Resolved), told.len()), (998, 997, 1995));
}
