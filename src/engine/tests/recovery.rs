use std::sync::Arc;

use super::story::*;
use crate::engine::{History, PackedOrders, RestoredOrder, Restoring, Shard, Stored, Unpacker};
use crate::policy::{Policies, Settings};

fn policy() -> crate::policy::Policies {
    policies(vec![sla("order.placed", "payment.captured", 60)], vec![])
}

/// A copy of the story's shard by way of a snapshot, and of what it published by way of `exceptions-current`.
fn restarted(s: &mut Story, frontier: i64) -> Story {
    restarted_under(s, frontier, policy(), History::default())
}

/// The same with another policy document, and the ones before it.
pub fn restarted_under(s: &mut Story, frontier: i64, policies: Policies, history: History) -> Story {
    restarted_with(s, frontier, policies, history, settings())
}

/// The same with other settings.
pub fn restarted_with(s: &mut Story, frontier: i64, policies: Policies, history: History, settings: Settings) -> Story {
    let mut shard = Shard::new(0, Arc::new(policies), Arc::new(settings));
    shard.mute();
    shard.set_history(history);
    let mut restoring = Restoring::new(&mut shard);
    copied(&mut s.shard, 1).into_iter().for_each(|packed| restoring.take(Stored::Packed(packed)));
    assert_eq!(restoring.finish().1, 0);
    shard.advance(at(frontier));
    let mut latest: Vec<crate::domain::Exception> = Vec::new();
    for exception in &s.published {
        latest.retain(|e| e.exception_id != exception.exception_id);
        latest.push(exception.clone());
    }
    latest.into_iter().for_each(|e| shard.restore_published(e));
    shard.unmute();
    let mut story = Story::new(policy());
    (story.shard, story.offset) = (shard, s.offset);
    story.listen();
    story
}

/// All of a shard, so many orders a stretch.
pub fn copied(shard: &mut Shard, limit: usize) -> Vec<PackedOrders> {
    let (mut all, mut cursor) = (Vec::new(), Some(0));
    shard.begin_copy();
    while let Some(from) = cursor {
        let (packed, next) = shard.copy_orders(from, limit);
        all.push(packed);
        cursor = next;
    }
    shard.end_copy();
    all
}

/// The orders of a shard.
pub fn orders_of(shard: &mut Shard) -> Vec<RestoredOrder> {
    let (mut orders, mut unpacker) = (Vec::new(), Unpacker::default());
    copied(shard, 3).iter().for_each(|packed| unpacker.read(packed, &mut |order| orders.push(order)));
    orders
}

#[test]
fn a_restart_publishes_nothing_that_was_published() {
    let mut s = Story::new(policy());
    s.read(event("order.placed", 0));
    s.advance(125);
    let mut again = restarted(&mut s, 125);
    assert_eq!(again.said(), [""; 0]);
    again.advance(400);
    assert_eq!(again.said(), ["300+ escalated 2"]);
    assert_eq!(again.published[0].sequence, 4);
    again.read(event("payment.captured", 500));
    assert_eq!(again.said().last().unwrap(), "500 resolved 2");
}

#[test]
fn what_holds_and_was_not_published_is_published_after_the_restart() {
    let mut s = Story::new(policy());
    s.read(event("order.placed", 0));
    s.advance(50);
    s.shard.advance(at(70));
    drop(s.shard.drain_transitions(None));
    // Killed here: the breach never reached the log.
    let again = restarted(&mut s, 70);
    assert_eq!(again.said(), ["70 opened"]);
}

#[test]
fn an_exception_whose_past_is_not_known_is_frozen() {
    let mut s = Story::new(policy());
    s.read(event("order.placed", 0));
    s.advance(70);
    let mut shard = Shard::new(0, Arc::new(policy()), Arc::new(settings()));
    shard.mute();
    shard.advance(at(80));
    shard.restore_published(s.published.last().unwrap().clone());
    shard.unmute();
    let mut again = Story::new(policy());
    again.shard = shard;
    again.advance(1000);
    assert_eq!(again.said(), [""; 0]);
    again.advance(181 * DAY / MINUTE + 80);
    assert_eq!(again.tombstones, 1, "tombstoned after max_open");
}

#[test]
fn closed_orders_come_back_as_closed() {
    let mut s = Story::new(policy());
    s.read(event("order.placed", 0));
    s.read(event("payment.captured", 1));
    s.read(event("order.completed", 2));
    let month = 31 * DAY / MINUTE;
    s.advance(month);
    let mut again = restarted(&mut s, month);
    assert_eq!(again.read(event("payment.refunded", month)), crate::engine::Applied::AfterClose);
}

/// A shard that lost its facts and reads back what it had published.
fn behind_what_it_said(s: &mut Story, frontier: i64) -> Story {
    let mut shard = Shard::new(0, Arc::new(policy()), Arc::new(settings()));
    shard.mute();
    shard.advance(at(frontier));
    shard.restore_published(s.published.last().unwrap().clone());
    shard.unmute();
    let mut again = Story::new(policy());
    again.shard = shard;
    again.listen();
    again
}

#[test]
fn an_event_ends_what_rests_on_a_past_that_was_not_read() {
    let mut s = Story::new(policy());
    s.read(event("order.placed", 0));
    s.advance(70);
    let mut again = behind_what_it_said(&mut s, 80);
    again.read(event("payment.captured", 90));
    assert_eq!(again.said(), ["90 resolved"]);
    assert_eq!(again.published[0].closed_by.as_ref().unwrap().event_id, "payment.captured@90");
    again.read(event("payment.refunded", 95));
    assert_eq!(again.said().len(), 1);
}

#[test]
fn what_a_process_said_that_nobody_fenced_is_taken_back_by_who_has_the_shard() {
    let mut zombie = Story::new(policy());
    zombie.read(event("order.placed", 0));
    let mut heir = restarted(&mut zombie, 0);
    // Its last batch reaches the log when the heir has read on already, and told what is due by itself.
    zombie.advance(115);
    let [at_risk, opened] = zombie.published.as_slice() else { panic!("{:?}", zombie.said()) };
    let payment = crate::domain::Event { record_time: at(126), ..event("payment.captured", 20) };
    heir.shard.apply(payment, at(126)).unwrap();
    heir.advance(127);
    assert_eq!(heir.said(), [""; 0]);
    assert!(heir.shard.overhear(opened.clone()));
    assert!(!heir.shard.overhear(at_risk.clone()), "subscribers hold the later one");
    heir.advance(128);
    assert_eq!(heir.said(), ["127 retracted"]);
    assert_eq!((heir.published[0].sequence, heir.published[0].incarnation), (opened.sequence + 1, opened.incarnation));
    assert!(!heir.shard.overhear(opened.clone()), "it is known");
}
