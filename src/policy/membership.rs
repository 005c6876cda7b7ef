//! When an order stands in a backlog's queues, and in which.
//!
//! Everything is told by event_time, so the answer for an instant `t` hangs on events with event_time <= `t` alone: what
//! comes to be known later of a later time changes no grid point that was judged.
//!
//! - An order joins at the first `from` and leaves at the first `until` or `order.cancelled` (`ENTITY.cancelled`), whichever comes first, for
//!   good. One that left before it came, or at the same instant, never stood there.
//! - `when` is asked once, with the attributes in force at `from`, as an SLA asks at its start: an order does not slip out
//!   of a queue because an attribute was edited.
//! - Its group is what the `group_by` attributes say at each instant. It moves with them and keeps its age.
//! - Between the milestones of `exclude_between` it stands in no queue, and its age stands still: a queue is not late with
//!   work that it was not allowed to do. (An order held for three days would otherwise open the backlog on its release.)

use smallvec::{SmallVec, smallvec};

use crate::domain::{AttributeValue, Event, Str, Timestamp};

use super::backlog::{Backlog, GroupKey, Membership};
use super::ledger::Ledger;
use super::view::OrderView;

/// A stretch of time in the queue, whatever the group.
struct Presence {
    from: Timestamp,
    until: Timestamp,
    since: Timestamp,
}

impl Backlog {
    /// Every stay of the order in one of this policy's queues, in time order and without overlap. None of another entity.
    pub fn memberships(&self, order: &OrderView<'_>) -> Vec<Membership> {
        if self.entity != *order.entity() {
            return Vec::new();
        }
        if self.is_oversold() {
            return self.demand(order);
        }
        let Some(start) = order.first(&self.from).map(|reached| reached.at) else { return Vec::new() };
        let ends = [order.first(&self.until), order.first(self.entity.cancelled())];
        let end = ends.into_iter().flatten().map(|reached| reached.at).min().unwrap_or(Timestamp::MAX);
        if end <= start || !self.applies(order, start) {
            return Vec::new();
        }
        let ledger = Ledger::of(self.exclude_between.as_ref(), None, order);
        let groups = self.groups(order.events(), start, end);
        let mut stays = Vec::with_capacity(groups.len());
        for presence in presences(&ledger, start, end) {
            for (i, (from, group)) in groups.iter().enumerate() {
                let next = groups.get(i + 1).map_or(Timestamp::MAX, |(at, _)| *at);
                let (from, until) = (presence.from.max(*from), presence.until.min(next));
                if from < until {
                    let until = (until != Timestamp::MAX).then_some(until);
                    stays.push(Membership { group: group.clone(), from, until, since: presence.since, quantity: 1 });
                }
            }
        }
        stays
    }

    pub(super) fn applies(&self, order: &OrderView<'_>, start: Timestamp) -> bool {
        let holds = |condition: &super::Condition| {
            let seen = order.as_of(start);
            condition.holds(&seen.condition_input(order.order_id()))
        };
        self.when.as_ref().is_none_or(holds)
    }

    /// The group in force at `start` and every other one before `end`, each with the instant at which it begins.
    fn groups(&self, events: &[Event], start: Timestamp, end: Timestamp) -> SmallVec<[(Timestamp, GroupKey); 1]> {
        if self.group_by.is_empty() {
            return smallvec![(start, GroupKey::new([]))];
        }
        let mut values: SmallVec<[Option<Str>; 2]> = smallvec![None; self.group_by.len()];
        let mut groups: SmallVec<[(Timestamp, GroupKey); 1]> = SmallVec::new();
        for event in events.iter().take_while(|event| event.event_time < end) {
            if event.event_time > start && groups.is_empty() {
                groups.push((start, GroupKey::new(values.iter().cloned())));
            }
            if !self.take_attributes(event, &mut values) || event.event_time <= start {
                continue;
            }
            let group = GroupKey::new(values.iter().cloned());
            match groups.last_mut() {
                // Several events at one instant: the last of them counts.
                Some(last) if last.0 == event.event_time => last.1 = group,
                _ => groups.push((event.event_time, group)),
            }
        }
        if groups.is_empty() {
            groups.push((start, GroupKey::new(values)));
        }
        groups.dedup_by(|later, earlier| later.1 == earlier.1);
        groups
    }

    /// True where the event changes a value.
    fn take_attributes(&self, event: &Event, values: &mut [Option<Str>]) -> bool {
        let mut changed = false;
        let told = event.details.iter().flat_map(|details| &details.attributes);
        for (name, value) in told {
            for (slot, _) in values.iter_mut().zip(&self.group_by).filter(|(_, by)| *by == name) {
                let value = group_value(value);
                changed |= *slot != value;
                *slot = value;
            }
        }
        changed
    }
}

/// `[start, end)` without the ledger's pauses. The age goes on where it stood still.
fn presences(ledger: &Ledger, start: Timestamp, end: Timestamp) -> SmallVec<[Presence; 1]> {
    let mut presences = SmallVec::new();
    let mut from = start;
    let holds = ledger.pauses().iter().copied().filter(|(held, released)| held < released);
    for (held, released) in holds.chain([(end, Timestamp::MAX)]) {
        let until = held.min(end);
        if from < until {
            let stood = ledger.elapsed(start, from);
            presences.push(Presence { from, until, since: from - stood });
        }
        from = from.max(released);
    }
    presences
}

fn group_value(value: &AttributeValue) -> Option<Str> {
    match value {
        AttributeValue::Null => None,
        AttributeValue::Text(text) => Some(text.clone()),
        other => Some(Str::from(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Details;
    use crate::domain::{Entity, Milestone, Position, Severity, StreamId};
    use crate::policy::backlog::{Bounds, Counts};
    use crate::policy::sla::Pause;
    use crate::policy::{Condition, Responsibility};

    fn backlog() -> Backlog {
        Backlog {
            id: "q".into(),
            entity: Entity::order(),
            counts: Counts::Orders,
            from: Milestone::parse("order.placed"),
            until: Milestone::parse("packed.up"),
            when: None,
            exclude_between: None,
            group_by: vec!["region".into(), "warehouse".into()],
            max_groups: 10,
            open_when: Bounds::default(),
            clear_when: Bounds::default(),
            escalate_after: vec![],
            grace: None,
            responsibility: Responsibility {
                severity: Severity::Info,
                owner: "o".into(),
                route: "r".into(),
                expected_outcome: "e".into(),
                runbook: None,
            },
        }
    }

    /// `TIME TYPE NAME=VALUE …`, a value of `-` being null.
    fn event(offset: i64, line: &str) -> Event {
        let mut words = line.split(' ');
        let at = Timestamp::from_millis(words.next().unwrap().parse().unwrap());
        let milestone = Milestone::parse(words.next().unwrap());
        let attribute = |word: &str| {
            let (name, value) = word.split_once('=').unwrap();
            let value = match (value, value.parse()) {
                ("-", _) => AttributeValue::Null,
                (_, Ok(number)) => AttributeValue::Integer(number),
                (text, _) => AttributeValue::Text(text.into()),
            };
            (name.into(), value)
        };
        let attributes: Vec<_> = words.map(attribute).collect();
        Event {
            order_id: "o".into(),
            event_id: Str::from(offset.to_string()),
            source: "shop".into(),
            milestone,
            event_time: at,
            event_time_inferred: false,
            record_time: at,
            position: Position { stream: StreamId(0), partition: 0, offset },
            details: (!attributes.is_empty()).then(|| Box::new(Details { attributes, ..Details::default() })),
        }
    }

    /// `REGION/WAREHOUSE FROM..UNTIL SINCE` for each stay.
    fn stays(backlog: &Backlog, lines: &[&str]) -> Vec<String> {
        let mut events: Vec<_> = lines.iter().enumerate().map(|(i, line)| event(i as i64, line)).collect();
        events.sort_by_key(Event::order_key);
        let ms = |t: Timestamp| t.as_millis();
        let told = |m: Membership| {
            let values: Vec<_> = m.group.values().iter().map(|v| v.as_deref().unwrap_or("null")).collect();
            let until = m.until.map_or(String::new(), |t| ms(t).to_string());
            format!("{} {}..{until} {}", values.join("/"), ms(m.from), ms(m.since))
        };
        backlog.memberships(&OrderView::new("o", &events)).into_iter().map(told).collect()
    }

    #[test]
    fn from_until_and_cancelled() {
        let q = backlog();
        let none: [&str; 0] = [];
        assert_eq!(stays(&q, &["5 order.confirmed"]), none);
        assert_eq!(stays(&q, &["5 order.placed"]), ["null/null 5.. 5"]);
        assert_eq!(stays(&q, &["5 order.placed", "9 packed.up", "12 packed.up"]), ["null/null 5..9 5"]);
        assert_eq!(stays(&q, &["5 order.placed", "9 packed.up", "7 order.cancelled"]), ["null/null 5..7 5"]);
        assert_eq!(stays(&q, &["5 order.placed", "9 order.placed"]), ["null/null 5.. 5"], "the first counts");
        assert_eq!(stays(&q, &["5 order.placed", "5 packed.up"]), none);
        assert_eq!(stays(&q, &["5 order.placed", "4 packed.up"]), none);
        assert_eq!(stays(&q, &["5 order.placed", "5 order.cancelled"]), none);
    }

    #[test]
    fn of_another_entity_its_own_cancel_counts() {
        let q = Backlog { entity: Entity::named("return"), group_by: vec![], ..backlog() };
        let none: [&str; 0] = [];
        assert_eq!(stays(&q, &["5 order.placed"]), none, "orders do not stand there");
        let lines = ["5 order.placed", "7 order.cancelled", "9 return.cancelled"];
        let events: Vec<_> = lines.iter().enumerate().map(|(i, line)| event(i as i64, line)).collect();
        let stays = q.memberships(&OrderView::of(&q.entity, "r-1", &events));
        assert_eq!(stays.iter().map(|m| m.until.map(Timestamp::as_millis)).collect::<Vec<_>>(), [Some(9)]);
    }

    #[test]
    fn an_order_moves_with_its_attributes_and_keeps_its_age() {
        let q = backlog();
        let lines = [
            "3 order.confirmed region=EU",
            "5 order.placed warehouse=7",
            "8 note region=US colour=red",
            "8 note region=APAC",
            "9 note colour=blue",
            "11 note region=-",
            "13 note warehouse=7",
            "20 packed.up region=EU",
        ];
        assert_eq!(stays(&q, &lines), ["EU/7 5..8 5", "APAC/7 8..11 5", "null/7 11..20 5"]);
        let late = [&lines[..], &["4 note region=BR", "7 note warehouse=-"]].concat();
        assert_eq!(
            stays(&q, &late),
            ["BR/7 5..7 5", "BR/null 7..8 5", "APAC/null 8..11 5", "null/null 11..13 5", "null/7 13..20 5"]
        );
    }

    #[test]
    fn nothing_after_an_instant_changes_what_stood_before_it() {
        let q = backlog();
        let before = stays(&q, &["5 order.placed region=EU"]);
        let after = stays(&q, &["5 order.placed region=EU", "100 note region=US", "200 order.cancelled"]);
        assert_eq!(
            (before, after),
            (vec!["EU/null 5.. 5".into()], vec!["EU/null 5..100 5".into(), "US/null 100..200 5".into()])
        );
    }

    #[test]
    fn an_excluded_time_counts_neither_as_depth_nor_as_age() {
        let pause = Pause { from: Milestone::parse("order.held"), until: Milestone::parse("order.released") };
        let q = Backlog { exclude_between: Some(pause), group_by: vec![], ..backlog() };
        let hold = ["5 order.placed", "8 order.held", "9 order.held", "18 order.released", "20 packed.up"];
        assert_eq!(stays(&q, &hold), [" 5..8 5", " 18..20 15"]);
        assert_eq!(stays(&q, &["5 order.placed", "8 order.held"]), [" 5..8 5"]);
        assert_eq!(stays(&q, &["5 order.placed", "8 order.held", "20 packed.up"]), [" 5..8 5"]);
        // Held before it came, it comes when it is released.
        assert_eq!(stays(&q, &["2 order.held", "5 order.placed", "9 order.released"]), [" 9.. 9"]);
        assert_eq!(stays(&q, &["5 order.placed", "7 order.released"]), [" 5.. 5"]);
        let twice = ["0 order.placed", "2 order.held", "4 order.released", "10 order.held", "13 order.released"];
        assert_eq!(stays(&q, &twice), [" 0..2 0", " 4..10 2", " 13.. 5"]);
    }

    #[test]
    fn a_hold_and_a_move_cut_the_time_together() {
        let pause = Pause { from: Milestone::parse("order.held"), until: Milestone::parse("order.released") };
        let q = Backlog { exclude_between: Some(pause), group_by: vec!["region".into()], ..backlog() };
        let lines = [
            "0 order.placed region=EU",
            "10 order.held",
            "15 note region=US",
            "20 order.released",
            "30 note region=EU",
        ];
        assert_eq!(stays(&q, &lines), ["EU 0..10 0", "US 20..30 10", "EU 30.. 10"]);
    }

    #[test]
    fn the_condition_is_asked_with_what_was_known_at_the_start() {
        let when = Condition::compile(r#"order.attributes.region == "EU""#).unwrap();
        let q = Backlog { when: Some(when), group_by: vec![], ..backlog() };
        let none: [&str; 0] = [];
        assert_eq!(stays(&q, &["5 order.placed region=EU", "9 note region=US"]), [" 5.. 5"]);
        assert_eq!(stays(&q, &["5 order.placed region=US", "9 note region=EU"]), none);
        assert_eq!(stays(&q, &["5 order.placed"]), none);
        assert_eq!(stays(&q, &["4 note region=EU", "5 order.placed"]), [" 5.. 5"]);
    }

    #[test]
    fn ages_do_not_wrap() {
        let q = Backlog { group_by: vec![], ..backlog() };
        let far = format!("{} order.placed", i64::MIN);
        assert_eq!(stays(&q, &[&far]), [format!(" {}.. {}", i64::MIN, i64::MIN)]);
    }
}
