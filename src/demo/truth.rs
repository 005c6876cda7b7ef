//! Which exceptions the shop's stories must give by the end of a replay, computed from the stories' own times. It
//! shares no code with the engine; backlogs are left out, since they depend on all orders together.

use std::collections::BTreeMap;

use crate::domain::{Millis, Status, Timestamp};

use super::policies::{AMOUNT_MISMATCH, DELIVERED, PAID, Promise, SETTLE, SHIPPED, SHIPPED_BEFORE_PAYMENT};
use super::shop::{Shop, Story, Times};

/// How many transitions of each policy and status are published.
pub type Counts = BTreeMap<(&'static str, Status), u64>;

/// Counts what must come out of the stories told to it.
#[derive(Clone, Debug)]
pub struct Truth {
    minute: Millis,
    grace: Millis,
    end: Timestamp,
    /// The transitions so far.
    pub counts: Counts,
    /// Orders that broke the promise of payment or of shipment.
    pub breaching: u64,
}

/// The instants of one cycle.
#[derive(Clone, Copy)]
struct Cycle {
    policy: &'static str,
    warning: Option<Timestamp>,
    deadline: Timestamp,
    escalation: Option<Timestamp>,
    stop: Option<Timestamp>,
    cancel: Option<Timestamp>,
}

impl Truth {
    /// For a replay of `shop` that judges with `grace` and whose frontier ends at `end`.
    pub fn new(shop: &Shop, grace: Millis, end: Timestamp) -> Self {
        Truth { minute: shop.minute, grace, end, counts: Counts::new(), breaching: 0 }
    }

    /// Adds an order.
    pub fn tell(&mut self, story: &Story) {
        let t = &story.times;
        let held = t.held.map_or(Millis::ZERO, |(from, until)| until - from);
        let paid_late = self.cycle(self.promise(PAID, t.placed, Millis::ZERO, t.paid, t.cancelled));
        let shipped_late =
            t.paid.is_some_and(|paid| self.cycle(self.promise(SHIPPED, paid, held, t.shipped, t.cancelled)));
        self.breaching += u64::from(paid_late || shipped_late);
        self.cycle(Cycle {
            policy: DELIVERED,
            warning: None,
            deadline: t.promised,
            escalation: None,
            stop: t.delivered,
            cancel: t.cancelled,
        });
        self.findings(t);
    }

    fn minutes(&self, minutes: i64) -> Millis {
        Millis::new(minutes * self.minute.get())
    }

    fn promise(
        &self,
        promise: Promise,
        start: Timestamp,
        held: Millis,
        stop: Option<Timestamp>,
        cancel: Option<Timestamp>,
    ) -> Cycle {
        let target = self.minutes(promise.target);
        let deadline = start + target + held;
        Cycle {
            policy: promise.id,
            warning: Some(start + target.percent(promise.warn_at) + held),
            deadline,
            escalation: Some(deadline + self.minutes(promise.escalate_after)),
            stop,
            cancel,
        }
    }

    /// Counts a cycle's transitions; true where it breached.
    fn cycle(&mut self, c: Cycle) -> bool {
        let by = |event: Option<Timestamp>, at: Timestamp| event.is_some_and(|event| event <= at);
        let read = |event: Option<Timestamp>| event.is_some_and(|event| event < self.end);
        let fires = |at: Timestamp| at + self.grace < self.end && !by(c.stop, at) && !by(c.cancel, at);
        let at_risk = c.warning.is_some_and(fires);
        let opened = fires(c.deadline);
        let escalated = opened && c.escalation.is_some_and(fires);
        let cancelled_first = c.cancel.zip(c.stop).is_some_and(|(cancel, stop)| cancel < stop);
        let stopped = read(c.stop) && !cancelled_first;
        let cancelled = read(c.cancel) && !stopped;
        self.count(c.policy, Status::AtRisk, at_risk);
        self.count(c.policy, Status::Opened, opened);
        self.count(c.policy, Status::Escalated, escalated);
        self.count(c.policy, Status::Averted, at_risk && !opened && stopped);
        self.count(c.policy, Status::Resolved, opened && stopped);
        self.count(c.policy, Status::Cancelled, (at_risk || opened) && cancelled);
        opened
    }

    fn findings(&mut self, t: &Times) {
        let settled = |at: Timestamp| at + self.minutes(SETTLE) + self.grace < self.end;
        let mismatch = t.overpaid.is_some_and(settled);
        let unpaid = t.shipped.filter(|shipped| t.paid.is_none_or(|paid| paid > *shipped)).is_some_and(settled);
        let paid = t.paid.is_some_and(|paid| paid < self.end);
        self.count(AMOUNT_MISMATCH, Status::Opened, mismatch);
        self.count(SHIPPED_BEFORE_PAYMENT, Status::Opened, unpaid);
        self.count(SHIPPED_BEFORE_PAYMENT, Status::Resolved, unpaid && paid);
    }

    fn count(&mut self, policy: &'static str, status: Status, happens: bool) {
        if happens {
            *self.counts.entry((policy, status)).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shop::Plot;
    use super::*;

    const MINUTE: Millis = Millis::new(60_000);

    fn shop() -> Shop {
        Shop { seed: 1, opened_at: Timestamp::from_millis(0), minute: MINUTE, stoppage: None }
    }

    /// What each plot is for, in the words of its policies.
    #[test]
    fn each_plot_gives_its_exceptions() {
        use Status::*;
        let far = Timestamp::from_millis(1_000_000_000);
        let undelivered = |rest: &[(&'static str, Status)]| [rest, &[(DELIVERED, Opened)]].concat();
        let late = |id| [(id, AtRisk), (id, Opened)];
        for (plot, want) in [
            (Plot::Smooth, vec![]),
            (Plot::PaidLate, [&late(PAID.id)[..], &[(PAID.id, Resolved)]].concat()),
            (Plot::NeverPaid, undelivered(&[&late(PAID.id)[..], &[(PAID.id, Escalated)]].concat())),
            (Plot::Held, vec![]),
            (Plot::NeverShipped, undelivered(&[&late(SHIPPED.id)[..], &[(SHIPPED.id, Escalated)]].concat())),
            (Plot::LostParcel, undelivered(&[])),
            (Plot::PaidTwice, vec![(AMOUNT_MISMATCH, Opened)]),
            (Plot::WrongAmount, vec![(AMOUNT_MISMATCH, Opened)]),
            (Plot::Cancelled, vec![]),
            (Plot::CancelledLate, [&late(PAID.id)[..], &[(PAID.id, Cancelled)]].concat()),
        ] {
            let story = (0..5000).map(|n| shop().story(n, Timestamp::from_millis(0))).find(|s| s.plot == plot);
            let mut truth = Truth::new(&shop(), Millis::ZERO, far);
            truth.tell(&story.expect("5,000 orders hold every plot"));
            let want: Counts = want.into_iter().map(|key| (key, 1)).collect();
            assert_eq!(truth.counts, want, "{plot:?}");
        }
    }

    #[test]
    fn stories_are_the_same_every_time_and_in_order() {
        for n in 0..1000 {
            let placed = Timestamp::from_millis(n as i64 * 1000);
            let story = shop().story(n, placed);
            assert_eq!(story, shop().story(n, placed));
            assert!(story.events.is_sorted_by_key(|e| e.at), "{story:?}");
            assert!(story.events.iter().all(|e| serde_json::from_str::<serde_json::Value>(&e.payload).is_ok()));
        }
    }

    #[test]
    fn about_one_order_in_eight_breaks_a_promise() {
        let mut truth = Truth::new(&shop(), Millis::ZERO, Timestamp::from_millis(i64::MAX / 2));
        (100..20_100).for_each(|n| truth.tell(&shop().story(n, Timestamp::from_millis(0))));
        assert!((2400..3000).contains(&truth.breaching), "{}", truth.breaching);
    }
}
