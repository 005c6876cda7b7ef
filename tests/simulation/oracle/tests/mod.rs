//! Stories in small integers: what was told, and what must stand.

mod checks;
mod cycles;
mod edits;
mod facts;
mod life;
mod pauses;
mod promises;
mod sla;

use super::facts::Facts;
use super::*;

pub(super) const PLACED: &str = "order.placed";
pub(super) const PAID: &str = "order.paid_in_full";
pub(super) const CAPTURED: &str = "payment.captured";
pub(super) const REFUNDED: &str = "payment.refunded";
pub(super) const SHIPPED: &str = "fulfillment.shipped";
pub(super) const DELIVERED: &str = "fulfillment.delivered";
pub(super) const CANCELLED: &str = "order.cancelled";
pub(super) const COMPLETED: &str = "order.completed";
pub(super) const HELD: &str = "order.held";
pub(super) const RELEASED: &str = "order.released";

/// Later than anything in a story, and earlier than any order of the usual rules leaves memory.
pub(super) const LATE: i64 = 9_999;

/// A record in the making: its offset and its event's id are its place in the story unless they are given.
pub(super) struct Line {
    record: Record,
    offset: Option<i64>,
}

/// An event of order `o`, recorded when it happened, in the stream that its kind belongs to.
pub(super) fn at(event_time: i64, kind: &str) -> Line {
    let stream = ["fulfillment.", "order.", "payment."].iter().position(|prefix| kind.starts_with(prefix));
    let event = Event {
        event_id: String::new(),
        source: "source".to_string(),
        order_id: "o".to_string(),
        kind: kind.to_string(),
        event_time,
        total: None,
        amount: None,
        lines: None,
        payment_id: None,
        fulfillment_id: None,
        promised_ship_by: Promise::Absent,
        promised_deliver_by: Promise::Absent,
        attributes: Vec::new(),
    };
    let stream = stream.map_or(3, |index| u16::try_from(index).expect("three prefixes"));
    let record = Record { stream, partition: 0, offset: 0, record_time: event_time, event: Some(event) };
    Line { record, offset: None }
}

/// A dead letter or a null.
pub(super) fn dead(stream: u16, record_time: i64) -> Line {
    Line { record: Record { stream, partition: 0, offset: 0, record_time, event: None }, offset: None }
}

impl Line {
    fn with(mut self, change: impl FnOnce(&mut Event)) -> Line {
        change(self.record.event.as_mut().expect("an event"));
        self
    }

    pub(super) fn of(self, order: &str) -> Line {
        self.with(|event| event.order_id = order.to_string())
    }

    pub(super) fn id(self, id: &str) -> Line {
        self.with(|event| event.event_id = id.to_string())
    }

    pub(super) fn from(self, source: &str) -> Line {
        self.with(|event| event.source = source.to_string())
    }

    pub(super) fn total(self, minor: i64) -> Line {
        self.total_in("EUR", minor)
    }

    pub(super) fn total_in(self, currency: &str, minor: i64) -> Line {
        self.with(|event| event.total = Some(Money { minor, currency: currency.to_string() }))
    }

    pub(super) fn amount(self, minor: i64) -> Line {
        self.amount_in("EUR", minor)
    }

    pub(super) fn amount_in(self, currency: &str, minor: i64) -> Line {
        self.with(|event| event.amount = Some(Money { minor, currency: currency.to_string() }))
    }

    pub(super) fn lines(self, lines: &[(&str, i64)]) -> Line {
        self.with(|event| event.lines = Some(lines.iter().map(|(sku, n)| (sku.to_string(), *n)).collect()))
    }

    pub(super) fn parcel(self, id: &str) -> Line {
        self.with(|event| event.fulfillment_id = Some(id.to_string()))
    }

    pub(super) fn ship_by(self, promise: Promise) -> Line {
        self.with(|event| event.promised_ship_by = promise)
    }

    pub(super) fn deliver_by(self, promise: Promise) -> Line {
        self.with(|event| event.promised_deliver_by = promise)
    }

    pub(super) fn says(self, key: &str, text: &str) -> Line {
        self.with(|event| event.attributes.push((key.to_string(), text.to_string())))
    }

    pub(super) fn recorded(mut self, record_time: i64) -> Line {
        self.record.record_time = record_time;
        self
    }

    pub(super) fn offset(mut self, offset: i64) -> Line {
        self.offset = Some(offset);
        self
    }

    pub(super) fn partition(mut self, partition: i32) -> Line {
        self.record.partition = partition;
        self
    }
}

/// The log of a story.
pub(super) fn log<const N: usize>(lines: [Line; N]) -> Vec<Record> {
    let place = |(index, line): (usize, Line)| {
        let mut record = line.record;
        record.offset = line.offset.unwrap_or(i64::try_from(index).expect("a short story"));
        if let Some(event) = record.event.as_mut().filter(|event| event.event_id.is_empty()) {
            event.event_id = format!("e{index}");
        }
        record
    };
    lines.into_iter().enumerate().map(place).collect()
}

/// An SLA from one milestone to another in 100, without grace.
pub(super) fn within_100(start: &str, stop: &str) -> Sla {
    Sla {
        id: "sla".to_string(),
        when: None,
        start: start.to_string(),
        stop: stop.to_string(),
        stop_last: false,
        cancel_on: vec![CANCELLED.to_string()],
        pause: None,
        target: Target::Duration(100),
        warn_at: vec![],
        escalate_after: vec![],
        grace: 0,
        by_parcel: false,
        each: false,
    }
}

pub(super) fn rules(slas: Vec<Sla>, checks: Vec<Check>) -> Rules {
    Rules { slas, checks, retain_closed: 10_000, remember_closed: 20_000, max_open: 50_000 }
}

/// What stands of one SLA (one verdict at most).
pub(super) fn verdict(story: &[Record], sla: &Sla, frontier: i64) -> Option<Verdict> {
    let mut verdicts = judge(story, &rules(vec![sla.clone()], vec![]), frontier);
    assert!(verdicts.len() <= 1, "one cycle at most: {verdicts:?}");
    verdicts.pop()
}

pub(super) fn standing(story: &[Record], sla: &Sla, frontier: i64) -> Option<Standing> {
    verdict(story, sla, frontier).map(|verdict| verdict.standing)
}

/// When a milestone was reached, by the facts of a story.
pub(super) fn reached(story: &[Record], milestone: &str) -> Option<i64> {
    Facts::new(&story.iter().collect::<Vec<_>>()).milestone(milestone).map(|moment| moment.at)
}

/// The same answer must come whatever the order of the slice.
#[test]
fn the_order_of_the_slice_decides_nothing() {
    let mut story = log([
        at(0, PLACED).total(100),
        at(20, HELD),
        at(30, RELEASED),
        at(50, CAPTURED).amount(60),
        at(140, CAPTURED).amount(40),
        at(150, COMPLETED),
    ]);
    let rules = rules(vec![within_100(PLACED, PAID)], vec![]);
    let forward = judge(&story, &rules, 200);
    assert_eq!(forward[0].standing, Standing::Resolved { at: 140 });
    story.reverse();
    assert_eq!(judge(&story, &rules, 200), forward);
}

#[test]
fn verdicts_come_by_order_and_policy() {
    let story = log([at(0, PLACED).of("b"), at(0, PLACED).of("a"), at(5, SHIPPED).of("a")]);
    let checks = vec![Check::ShippedBeforePayment { id: "check".to_string(), settle: 0, grace: 0 }];
    let verdicts = judge(&story, &rules(vec![within_100(PLACED, PAID)], checks), 50);
    let named: Vec<(&str, &str)> = verdicts.iter().map(|v| (v.order_id.as_str(), v.policy.as_str())).collect();
    assert_eq!(named, [("a", "sla"), ("a", "check"), ("b", "sla")]);
}

#[test]
fn effective_time_is_the_running_maximum_of_a_partition_in_offset_order() {
    let story = log([
        at(50, PLACED).offset(2),
        at(10, PLACED).offset(0),
        at(30, PLACED).offset(1),
        at(20, PLACED).offset(3),
        at(5, PLACED).partition(1),
        at(7, CAPTURED),
    ]);
    let effective: Vec<i64> = effective_times(&story, i64::MAX).into_iter().map(|(_, time)| time).collect();
    assert_eq!(effective, [50, 10, 30, 50, 5, 7]);
}

#[test]
fn a_dead_letter_enters_the_maximum_and_nothing_else() {
    let story = log([dead(1, 40), at(10, PLACED)]);
    assert_eq!(effective_times(&story, i64::MAX), [(0, 40), (1, 40)]);
    assert_eq!(judge(&story, &rules(vec![within_100(PLACED, PAID)], vec![]), 0).len(), 1);
}

#[test]
fn a_record_ahead_of_the_clock_does_not_enter_the_maximum() {
    let story = log([at(500, PLACED), at(10, PLACED), at(500, PLACED), at(20, PLACED)]);
    let effective: Vec<i64> = effective_times(&story, 100).into_iter().map(|(_, time)| time).collect();
    assert_eq!(effective, [i64::MIN, 10, 10, 20]);
}
