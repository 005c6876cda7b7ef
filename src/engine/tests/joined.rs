//! An event that joins its order where that lies does what it does to one that is unpacked: two shards are told the same, and
//! of one each order is unpacked before its event comes.

use std::sync::Arc;

use proptest::prelude::*;

use super::properties::any_event;
use super::recovery::orders_of;
use super::story::*;
use crate::domain::{Entity, EntityId, Event, Milestone, Millis, Promise};
use crate::engine::Shard;
use crate::policy::backlog::{Bounds, Counts};
use crate::policy::checks::CheckKind;
use crate::policy::sla::{Sla, Target};
use crate::policy::{Backlog, Policies, Settings};

/// What is done to both.
#[derive(Clone, Debug)]
enum Act {
    /// An event of one of few orders, told so many minutes after it happened, or one of the last told again.
    Tell {
        order: usize,
        event: Box<Event>,
        late: i64,
        later: i64,
    },
    Again {
        back: usize,
        is_same_record: bool,
        is_later: bool,
    },
    Advance {
        minutes: i64,
    },
    Drain {
        commits: bool,
    },
    Abort,
    Copy,
}

fn act() -> impl Strategy<Value = Act> {
    let tell = (0..4_usize, any_event(), prop_oneof![3 => Just(0), 1 => 0..40_i64], 0..4_i64)
        .prop_map(|(order, event, late, later)| Act::Tell { order, event: Box::new(event), late, later });
    let again = (0..12_usize, any::<bool>(), any::<bool>()).prop_map(|(back, is_same_record, is_later)| Act::Again {
        back,
        is_same_record,
        is_later,
    });
    prop_oneof![
        12 => tell,
        2 => again,
        4 => prop_oneof![5 => 0..30_i64, 1 => 100..300_i64].prop_map(|minutes| Act::Advance { minutes }),
        3 => any::<bool>().prop_map(|commits| Act::Drain { commits }),
        1 => Just(Act::Abort),
        1 => Just(Act::Copy),
    ]
}

/// Policies with few milestones each, so that there are always some that an event does not touch.
fn document(chosen: u8) -> Policies {
    let plain = |id: &'static str, start: &str, stop: &str, target: i64| Sla {
        id: id.into(),
        pause: None,
        warn_at: vec![],
        cancel_on: vec![],
        ..sla(start, stop, target)
    };
    let slas = [
        plain("paid", "order.placed", "payment.captured", 20),
        plain("shipped", "payment.captured", "fulfillment.shipped", 30),
        Sla { each: true, ..plain("handed", "handoff.requested", "handoff.accepted", 5) },
        Sla { target: Target::PromisedShipBy, ..plain("promised", "order.placed", "fulfillment.shipped", 5) },
        plain("whole", "order.paid_in_full", "order.fully_shipped", 10),
        sla("order.placed", "fulfillment.shipped", 60),
    ];
    let slas = slas.into_iter().enumerate().filter(|(i, _)| chosen >> i & 1 == 1).map(|(_, sla)| sla).collect();
    let checks = vec![check(CheckKind::ShippedBeforePayment, 5), check(CheckKind::DuplicateCapture, 5)];
    let bounds = |depth| Bounds { depth: Some(depth), oldest_age: None, held_for: Millis::ZERO };
    let waiting = Backlog {
        id: "waiting".into(),
        entity: Entity::order(),
        counts: Counts::Orders,
        from: Milestone::parse("payment.captured"),
        until: Milestone::parse("fulfillment.shipped"),
        when: None,
        exclude_between: None,
        group_by: vec![],
        max_groups: 100,
        open_when: bounds(1),
        clear_when: bounds(0),
        escalate_after: vec![],
        grace: None,
        responsibility: responsibility(),
    };
    let backlogs = if chosen & 64 != 0 { vec![waiting] } else { vec![] };
    Policies { backlogs, ..policies(slas, if chosen & 128 != 0 { checks } else { vec![] }) }
}

fn shard(policies: &Arc<Policies>) -> Shard {
    let settings = Settings {
        retain_closed: Millis::new(30 * MINUTE),
        remember_closed: Millis::new(60 * MINUTE),
        max_open: Millis::new(200 * MINUTE),
        ..settings()
    };
    Shard::new(0, Arc::clone(policies), Arc::new(settings))
}

/// A world of two shards, of which the second unpacks.
struct Twins {
    shards: [Shard; 2],
    now: i64,
    told: Vec<Event>,
}

impl Twins {
    fn tell(&mut self, mut event: Event, effective: i64) {
        event.record_time = at(self.now);
        let [joined, merged] = &mut self.shards;
        if let Some(slot) = merged.index.get(&merged.slots, EntityId::ORDER, &event.order_id) {
            merged.slots.order_mut(slot);
        }
        let outcomes = [joined, merged].map(|shard| shard.apply(event.clone(), at(effective)));
        assert_eq!(outcomes[0], outcomes[1], "{event:?}");
        self.told.push(event);
    }

    fn act(&mut self, act: Act) {
        let offset = self.told.len() as i64;
        match act {
            Act::Tell { order, mut event, late, later } => {
                self.now += later;
                event.order_id = format!("o-{order}").into();
                event.event_time = at(self.now - late);
                event.position.offset = offset;
                // Some ids are UUIDs, and some begin with the order's.
                event.event_id = match offset % 3 {
                    0 => format!("{:08x}-0000-4000-8000-000000000000", offset % 8).into(),
                    1 => format!("o-{order}-{}", event.event_id).into(),
                    _ => event.event_id,
                };
                if let Some(details) = event.details.as_deref_mut().filter(|_| late == 1) {
                    details.promised_ship_by = Promise::At(at(self.now + 7));
                }
                self.tell(*event, self.now - late / 4);
            }
            Act::Again { back, is_same_record, is_later } => {
                let Some(mut event) = self.told.iter().rev().nth(back).cloned() else { return };
                if !is_same_record {
                    event.position.offset = offset;
                }
                if is_later {
                    event.event_time = at(self.now);
                }
                self.tell(event, self.now);
            }
            Act::Advance { minutes } => {
                self.now += minutes;
                self.shards.iter_mut().for_each(|shard| shard.advance(at(self.now - 1)));
            }
            Act::Drain { commits } => {
                self.agree(|shard| shard.drain_transitions(None));
                self.shards.iter_mut().filter(|_| commits).for_each(Shard::committed);
            }
            Act::Abort => self.shards.iter_mut().for_each(Shard::aborted),
            Act::Copy => self.agree(|shard| {
                let mut orders: Vec<String> = orders_of(shard).iter().map(|order| format!("{order:?}")).collect();
                orders.sort();
                orders
            }),
        }
        self.agree(|shard| (shard.next_deadline(), shard.counters(), shard.unjudged(), shard.orders_open()));
        self.agree(|shard| shard.drain_partials());
        for order in 0..4 {
            self.agree(|shard| format!("{:?}", shard.explain("order", &format!("o-{order}"))));
        }
    }

    fn agree<T: PartialEq + std::fmt::Debug>(&mut self, say: impl Fn(&mut Shard) -> T) {
        let [joined, merged] = &mut self.shards;
        assert_eq!(say(joined), say(merged));
    }
}

proptest! {
    #[test]
    fn what_joins_an_order_at_rest_does_what_it_does_to_one_unpacked(
        chosen in any::<u8>(),
        acts in prop::collection::vec(act(), 0..120),
    ) {
        let policies = Arc::new(document(chosen));
        let mut twins = Twins { shards: [shard(&policies), shard(&policies)], now: 1_000, told: Vec::new() };
        acts.into_iter().for_each(|act| twins.act(act));
    }
}
