//! Shards and the sum that change hands amid edits, and processes that speak of what they have lost.

use super::*;

#[test]
fn what_begins_late_begins_with_the_newest_figures() {
    // A policy that is new to a running group: shard 0 restored at 100, shard 1 much later at 400.
    let mut world = World::new(vec![policy(depth(3, 0), Bounds::default(), false)], settings(), 2);
    world.move_shard(0, s(100), &[vec![stay(none(), 1, None)]]);
    world.advance(0, s(116));
    for from in [130, 140] {
        world.shards[0].replace(0, &Str::default(), &[], &[stay(none(), from, None)]);
        world.advance(0, s(from + 20));
    }
    world.advance(0, s(450));
    world.move_shard(1, s(400), &[]);
    world.advance(1, s(450));
    let d: Vec<_> = world.sum.standing().map(|q| q.figures.depth).collect();
    assert_eq!((d, world.published()), (vec![3], vec!["opened q at 405.001".to_owned()]));
}

#[test]
fn an_edit_of_how_a_queue_counts_ends_nothing_that_stands() {
    let mut old = World::new(vec![policy(depth(2, 0), depth(1, 0), false)], settings(), 1);
    let stays = [stay(none(), 1, None), stay(none(), 2, None), stay(none(), 3, None)];
    stays.iter().for_each(|m| old.shards[0].replace(0, &Str::default(), &[], std::slice::from_ref(m)));
    old.advance_all(s(100));
    let opened = old.drain().remove(0);
    let memory = old.sum.drain_memory();
    old.sum.committed();
    old.advance_all(s(150));
    // The document is edited: `until` is another milestone, and the three stand by it too.
    let edited = Backlog { until: Milestone::parse("order.completed"), ..policy(depth(2, 0), depth(1, 0), false) };
    let mut new = World::new(vec![edited], settings(), 1);
    new.topic = old.topic.clone();
    new.move_sum(&memory, [opened]);
    let each: Vec<Vec<Membership>> = stays.iter().map(|m| vec![m.clone()]).collect();
    new.move_shard(0, s(150), &each);
    new.advance_all(s(300));
    assert_eq!(new.published(), Vec::<String>::new());
}

#[test]
fn what_was_remembered_before_all_had_told_is_judged_from_when_they_have() {
    // Two shards, three orders, open. An edit. Shard 0 moves first, the sum is remembered, moves; then shard 1.
    let p = || policy(depth(3, 0), depth(2, 0), false);
    let edited = || Backlog { until: Milestone::parse("order.completed"), ..p() };
    let mut w = World::new(vec![edited()], settings(), 2);
    let one = |i| vec![stay(none(), i, None)];
    w.move_shard(0, s(100), &[one(1)]);
    w.advance(0, s(200));
    let memory = w.sum.drain_memory();
    w.sum.committed();
    let opened = {
        let mut o = World::new(vec![p()], settings(), 1);
        (1..4).for_each(|i| o.shards[0].replace(0, &Str::default(), &[], &one(i)));
        o.advance_all(s(50));
        o.drain().remove(0)
    };
    w.move_sum(&memory, [opened]);
    w.hear();
    w.move_shard(1, s(400), &[one(2), one(3)]);
    w.advance(1, s(500));
    w.advance(0, s(500));
    assert_eq!(w.published(), Vec::<String>::new());
}

#[test]
fn the_whole_of_one_that_has_lost_the_shard_silences_nobody() {
    let mut world = World::new(vec![policy(depth(1, 0), Bounds::default(), false)], settings(), 1);
    world.advance_all(s(100));
    // X tells the whole in a batch that lands late; Y has the shard.
    let (mut x, mut tx) = world.restored(0, s(100), &[]);
    world.move_shard(0, s(100), &[]);
    world.advance(0, s(150));
    x.advance(s(120));
    tx.take(x.drain());
    world.topic.extend(tx.drain(s(120)).iter().map(PartialsRecord::to_json));
    world.hear();
    world.shards[0].replace(0, &Str::default(), &[], &[stay(none(), 200, None)]);
    world.advance(0, s(3600));
    assert_eq!((world.published().len(), world.sum.frontier()), (1, Some(s(3600))));
}

#[test]
fn nor_does_another_document_of_one_that_has_lost_it() {
    let mut world = World::new(vec![policy(depth(1, 0), Bounds::default(), false)], settings(), 1);
    world.advance_all(s(100));
    let edited = Arc::new(Policies {
        backlogs: vec![Backlog {
            until: Milestone::parse("order.completed"),
            ..policy(depth(1, 0), Bounds::default(), false)
        }],
        ..Policies::default()
    });
    let mut other = Teller::new(0, "zombie".into(), Some(s(0)), &edited, &world.settings);
    world.topic.extend(other.drain(s(90)).iter().map(PartialsRecord::to_json));
    world.hear();
    world.advance(0, s(3600));
    assert_eq!(world.sum.frontier(), Some(s(3600)));
}
