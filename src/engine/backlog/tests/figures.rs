//! Figures and times, worked out by hand.

use super::*;
use crate::domain::Status;
use crate::engine::Told;

/// Grid 10 s, grace 5 s, opens at depth 3 held for 20 s, clears at 1 held for 10 s.
///
/// | order | from | until | counts at                    |
/// |-------|------|-------|------------------------------|
/// | a     | 1    | 95    | 10 … 90                      |
/// | b     | 12   | 96    | 20 … 90                      |
/// | c     | 25   | 131   | 30 … 130 (131 → gone at 140) |
/// | d     | 40   | 97    | 40 (on the point) … 90       |
///
/// depth: 10:1 20:2 30:3 40:4 … 90:4 100:1 … 130:1 140:0
#[test]
fn a_queue_from_its_first_order_to_its_last() {
    let mut world = World::new(vec![policy(depth(3, 20), depth(1, 10), false)], settings(), 2);
    for (shard, from, until) in [(0, 1, 95), (1, 12, 96), (0, 25, 131), (1, 40, 97)] {
        world.shards[shard].replace(0, &Str::default(), &[], &[stay(none(), from, Some(until))]);
    }
    world.advance_all(s(200));
    let [opened, resolved] = &world.drain()[..] else { panic!("one opening, one end") };

    assert_eq!(opened.status, Status::Opened);
    assert_eq!((opened.started_at, opened.deadline, opened.breached_at), (Some(s(30)), Some(s(50)), Some(s(50))));
    assert_eq!((opened.target_ms, opened.actual_elapsed_ms), (Some(20_000), Some(20_000)));
    assert_eq!(opened.frontier, Timestamp::from_millis(55_001));
    assert_eq!(opened.detected_at, opened.frontier);
    assert_eq!((opened.sequence, opened.incarnation, opened.escalation_level), (1, 1, 0));
    assert_eq!((&*opened.owner, &*opened.route, &*opened.policy.version), ("leads", "ops", "v1"));
    let figures = opened.backlog.unwrap();
    assert_eq!((figures.depth, figures.oldest_age_ms), (4, Some(49_000)));
    // Four came within the last five minutes and none left.
    assert_eq!((figures.inflow_per_min, figures.outflow_per_min), (0.8, 0.0));
    assert_eq!(figures.time_to_clear_ms, None);

    assert_eq!(resolved.status, Status::Resolved);
    // One order is left at 100; ten seconds later it has been so for long enough.
    assert_eq!((resolved.started_at, resolved.ended_at), (Some(s(30)), Some(s(110))));
    assert_eq!(resolved.actual_elapsed_ms, Some(80_000));
    assert_eq!(resolved.frontier, Timestamp::from_millis(115_001));
    assert_eq!((resolved.sequence, resolved.incarnation), (2, 1));
    let figures = resolved.backlog.unwrap();
    assert_eq!((figures.depth, figures.oldest_age_ms), (1, Some(85_000)));
    assert_eq!((figures.inflow_per_min, figures.outflow_per_min), (0.8, 0.6));
    assert_eq!(figures.time_to_clear_ms, None);
}

#[test]
fn rates_forget_what_is_five_minutes_old() {
    let mut world = World::new(vec![policy(depth(1, 0), depth(0, 0), false)], settings(), 1);
    // Ten come by 10, four leave by 300, one leaves by 310.
    for i in 0..10 {
        let until = [(300, 4), (310, 5)].into_iter().find(|(_, n)| i < *n).map(|(until, _)| until);
        world.shards[0].replace(0, &Str::default(), &[], &[stay(none(), 3, until)]);
    }
    let figures = |world: &mut World, frontier| {
        world.advance_all(frontier);
        world.sum.standing().next().unwrap().figures
    };
    let at_300 = figures(&mut world, s(306));
    assert_eq!((at_300.depth, at_300.inflow_per_min, at_300.outflow_per_min), (6, 2.0, 0.8));
    assert_eq!(at_300.time_to_clear_ms, None);
    // The ten of 10 s lie out of (10, 310] now: five left in five minutes, so one a minute, and five are there.
    let at_310 = figures(&mut world, s(316));
    assert_eq!((at_310.depth, at_310.inflow_per_min, at_310.outflow_per_min), (5, 0.0, 1.0));
    assert_eq!(at_310.time_to_clear_ms, Some(300_000));
    assert_eq!(at_310.oldest_age_ms, Some(307_000));
}

#[test]
fn nothing_is_told_between_changes() {
    let world = World::new(vec![policy(depth(3, 0), depth(1, 0), false)], settings(), 1);
    let mut partials = Partials::new(&world.policies, &world.settings);
    partials.replace(0, &Str::default(), &[], &[stay(none(), 1, Some(365 * 86_400))]);
    assert_eq!(partials.next_deadline(), Some(s(15)));
    partials.advance(s(15));
    assert_eq!(partials.drain(), vec![], "the frontier must be past 10 + grace");
    partials.advance(s(15).next());
    assert_eq!(partials.drain().len(), 1);
    assert_eq!(partials.next_deadline(), Some(s(365 * 86_400 + 5)));
    partials.advance(s(400 * 86_400));
    let gone = partials.drain();
    let [Told::Partial(left)] = gone.as_slice() else { panic!("one group changed: {gone:?}") };
    assert_eq!((left.depth, left.left, left.oldest_since), (0, 1, None));
    assert_eq!((partials.groups(), partials.next_deadline()), (0, None));
}
