//! The people in the shop, beside the [`super::shop`]'s machinery: the fraud desk that holds an order, the one who is
//! handed a task, the care desk with its hours, whoever counted the globes, and who is still at the checkout. Once an
//! hour of the shop each has a case.

use crate::config::units::format_duration;
use crate::domain::{Millis, Timestamp};

use super::case::{Case, captured, parcel, placed};
use super::policies::Extra;
use super::shop::ShopEvent;

/// A task that somebody was handed, until it is accepted.
pub const HANDOFF: &str = "handoff-accepted";
/// A customer's question, until it is answered; the care desk's hours alone count.
pub const ANSWER: &str = "customer-answered";

/// More of a thing is sold than there is.
pub const OVERSOLD: &str = "oversold";
/// Tells what there is of a thing; keyed by sku.
pub const INVENTORY: &str = "inventory";

/// Whoever comes to the payment step of a checkout goes on from there.
pub const GOES_ON: &str = "checkout-goes-on";
/// Tells of checkouts, which are no orders yet; keyed by checkout_id.
pub const CHECKOUTS: &str = "checkouts";

/// Minutes of the shop from one case of a kind to the next.
const EVERY: i64 = 60;
/// Minutes of the shop after the opening at which the first question should have been answered.
const ANSWER_DUE: i64 = 9;
const REAL_MINUTE: i64 = 60_000;
const REAL_HOUR: i64 = 60 * REAL_MINUTE;
/// The care desk is there for so long a day, by the wall clock.
const DESK_HOURS: i64 = 8;
/// The question came so long before the desk closed.
const BEFORE_CLOSING: i64 = 3 * REAL_MINUTE;

/// The people.
#[derive(Clone, Copy, Debug)]
pub struct Office {
    /// When the shop opened.
    pub opened_at: Timestamp,
    /// How long a minute of the shop takes.
    pub minute: Millis,
}

impl Office {
    /// What is promised of them. The desk's hours are real ones: it opened with the minute in which the demo began, and
    /// the question that waits there is from yesterday.
    pub fn policies(&self) -> Extra {
        let (opens, asked) = (self.desk_opens(), self.asked());
        let of_day = |at: i64| {
            let minutes = at.rem_euclid(24 * REAL_HOUR) / REAL_MINUTE;
            format!("{:02}:{:02}", minutes / 60, minutes % 60)
        };
        let closes = match of_day(opens + DESK_HOURS * REAL_HOUR) {
            midnight if midnight == "00:00" => "24:00".to_owned(),
            other => other,
        };
        let due = self.opened_at.as_millis() + ANSWER_DUE * self.minute.get();
        // Open time from the question to when it is due: what was left of yesterday, and since this morning.
        let left_of_yesterday = opens - (24 - DESK_HOURS) * REAL_HOUR - asked;
        let answer = Millis::new((left_of_yesterday + due - opens) / 1000 * 1000);
        let calendars = format!(
            "calendars:\n  care-desk: {{time_zone: UTC, hours: {{mon-sun: \"{}-{closes}\"}}}}\n",
            of_day(opens),
        );
        let slas = format!(
            r#"  - {{id: {HANDOFF}, start: handoff.requested, stop: handoff.accepted, each: true,
     cancel_on: [order.cancelled], target: {handoff}, escalate_after: [{handoff_escalate}],
     severity: warning, owner: {{from: event.attributes.handed_to, else: shift-lead}}, route: ops,
     expected_outcome: "Somebody has it"}}
  - {{id: {ANSWER}, start: customer.asked, stop: customer.answered, calendar: care-desk,
     target: {answer}, severity: warning, owner: customer-care, route: care-desk,
     expected_outcome: "The customer has an answer"}}
  - {{id: {GOES_ON}, entity: checkout, start: payment_step.entered, stop: checkout.completed,
     cancel_on: [checkout.cancelled], target: {goes_on}, severity: info, owner: growth, route: care-desk,
     expected_outcome: "The customer asked what is wrong with the payment"}}
"#,
            handoff = format_duration(self.minutes(8)),
            handoff_escalate = format_duration(self.minutes(20)),
            answer = format_duration(answer),
            goes_on = format_duration(self.minutes(15)),
        );
        let checks = format!(
            "  - {{check: {OVERSOLD}, settle: {}, severity: critical, owner: buying, route: ops,\n     expected_outcome: \"Restocked, or the last orders told\"}}\n",
            format_duration(self.minutes(1)),
        );
        Extra { calendars, slas, checks }
    }

    /// The cases of the shop's `hour`, from 0: the events of one order, one sku or one checkout each. What lies before the opening is told at the opening.
    pub fn cases(&self, hour: i64) -> Vec<Vec<ShopEvent>> {
        let mut cases = vec![self.held(hour), self.handed_on(hour), self.by_machine(hour)];
        cases.extend((1..=3).map(|number| self.wants_three(hour, number)));
        cases.extend([self.counted(hour), self.bought(hour), self.abandoned(hour)]);
        if hour == 0 {
            cases.push(self.asked_yesterday());
        }
        cases
    }

    /// How long an hour of cases is.
    pub fn hour(&self) -> Millis {
        self.minutes(EVERY)
    }

    /// Held by the fraud desk for six minutes and shipped late all the same: the deadline moved by what it was held.
    fn held(&self, hour: i64) -> Vec<ShopEvent> {
        let mut case = self.case("held", hour);
        case.placed(-16);
        case.order(-12, "order.held", "fraud-desk", r#","reason":"manual review""#);
        case.order(-6, "order.released", "fraud-desk", "");
        case.shipped(19);
        case.events
    }

    /// A machine gives up and asks a person, who is at lunch.
    fn handed_on(&self, hour: i64) -> Vec<ShopEvent> {
        let mut case = self.case("hand", hour);
        case.placed(-6);
        case.order(-2, "handoff.requested", "wms", r#","reason":"address unclear","attributes":{"handed_to":"mila"}"#);
        case.order(12, "handoff.accepted", "desk-app", r#","attributes":{"handed_to":"mila"}"#);
        case.shipped(13);
        case.events
    }

    /// The same, taken at once: nothing comes of it.
    fn by_machine(&self, hour: i64) -> Vec<ShopEvent> {
        let mut case = self.case("auto", hour);
        case.placed(-4);
        case.order(-1, "handoff.requested", "wms", r#","reason":"repack","attributes":{"handed_to":"robot-3"}"#);
        case.order(0, "handoff.accepted", "packing-robot", "");
        case.shipped(5);
        case.events
    }

    /// Three orders of three globes each, and there are seven.
    fn wants_three(&self, hour: i64, number: i64) -> Vec<ShopEvent> {
        let mut case = Case { pieces: 3, ..self.case(&format!("globes{number}"), hour) };
        case.placed(number);
        case.shipped(16 + number);
        case.events
    }

    /// What there is of them: seven, until a pallet is found. Those that the other cases ship were never counted.
    fn counted(&self, hour: i64) -> Vec<ShopEvent> {
        let mut case = self.case("count", hour);
        case.stock(-15, "stock.level", r#""available":7"#);
        case.stock(13, "stock.moved", r#""quantity":20"#);
        case.events
    }

    /// A checkout that goes through: nothing comes of it.
    fn bought(&self, hour: i64) -> Vec<ShopEvent> {
        let mut case = self.case("bought", hour);
        case.checkout(-3, "payment_step.entered", "");
        case.checkout(1, "checkout.completed", "");
        case.events
    }

    /// Left at its payment step, until the shop clears the basket.
    fn abandoned(&self, hour: i64) -> Vec<ShopEvent> {
        let mut case = self.case("left", hour);
        case.checkout(-8, "payment_step.entered", "");
        case.checkout(34, "checkout.cancelled", r#","reason":"basket expired""#);
        case.events
    }

    /// Asked yesterday just before the care desk closed. By the clock that is most of a day ago.
    fn asked_yesterday(&self) -> Vec<ShopEvent> {
        let mut case = self.case("care", 0);
        let asked = Timestamp::from_millis(self.asked());
        let before = |minutes: i64| asked - self.minutes(minutes);
        let tomorrow = self.opened_at + Millis::new(24 * REAL_HOUR);
        case.event(before(60), "orders", "order.placed", "webshop", &placed(tomorrow, 1));
        case.event(before(59), "payments", "payment.captured", "psp", &captured("care", 1));
        case.event(before(50), "fulfillments", "fulfillment.shipped", "wms", &parcel(1));
        case.event(asked, "orders", "customer.asked", "care-mail", r#","reason":"where is my parcel""#);
        case.order(ANSWER_DUE + 7, "customer.answered", "care-desk", "");
        case.events
    }

    pub(super) fn minutes(&self, minutes: i64) -> Millis {
        Millis::new(minutes * self.minute.get())
    }

    fn desk_opens(&self) -> i64 {
        self.opened_at.as_millis() / REAL_MINUTE * REAL_MINUTE
    }

    fn asked(&self) -> i64 {
        self.desk_opens() - (24 - DESK_HOURS) * REAL_HOUR - BEFORE_CLOSING
    }

    fn case(&self, kind: &str, hour: i64) -> Case {
        let began = self.opened_at + self.minutes(hour * EVERY);
        let (order_id, kind) = (format!("o-{kind}-{hour}"), kind.to_owned());
        Case { office: *self, began, order_id, kind, pieces: 1, events: Vec::with_capacity(6) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::policies;
    use super::*;
    use crate::config;

    /// Whenever the demo begins, its desk has hours and its question is due nine minutes later.
    #[test]
    fn the_desk_has_hours_at_any_time_of_day() {
        let midnight = 1_790_000_000_000 / (24 * REAL_HOUR) * 24 * REAL_HOUR;
        for opened_at in (0..24 * REAL_HOUR).step_by(131 * REAL_MINUTE as usize + 123).chain([0, 16 * REAL_HOUR]) {
            let opened_at = Timestamp::from_millis(midnight + opened_at);
            let office = Office { opened_at, minute: Millis::new(1000) };
            let text = policies::yaml_with(office.minute, &office.policies());
            let (policies, warnings) = config::parse_policies("policies.yaml", &text).expect(&text);
            assert!(warnings.is_empty(), "{warnings:?}");
            let sla = policies.slas.iter().find(|sla| sla.id == ANSWER).expect("the care desk's promise");
            let calendar = sla.calendar.as_ref().expect("it has hours");
            let open = calendar.elapsed(Timestamp::from_millis(office.asked()), opened_at);
            let due = Millis::new(ANSWER_DUE * 1000) + open;
            assert!(
                text.contains(&format!("target: {},", format_duration(Millis::new(due.get() / 1000 * 1000)))),
                "{text}"
            );
        }
    }

    #[test]
    fn an_hours_cases_are_told_in_the_order_of_their_times() {
        let office = Office { opened_at: Timestamp::from_millis(1_790_000_000_000), minute: Millis::new(1000) };
        for case in [office.cases(0), office.cases(1)].concat() {
            assert!(case.is_sorted_by_key(|e| e.at) && case[0].at >= office.opened_at, "{case:?}");
            assert!(case.iter().all(|e| serde_json::from_str::<serde_json::Value>(&e.payload).is_ok()));
        }
    }
}
