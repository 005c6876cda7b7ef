//! Draws the policies of a history.

use crate::history::Drawn;
use crate::oracle::minutes::MINUTE;
use crate::oracle::{Rung, Sla, Target, When, Which};
use crate::rng::Rng;

const HOUR: i64 = 60 * MINUTE;

const START: [&str; 6] =
    ["order.placed", "order.placed", "order.paid_in_full", "order.confirmed", "payment.captured", "review.asked"];
const STOP: [&str; 9] = [
    "order.paid_in_full",
    "order.fully_shipped",
    "order.fully_delivered",
    "payment.captured",
    "payment.captured",
    "fulfillment.shipped",
    "fulfillment.delivered",
    "order.confirmed",
    "review.done",
];

/// Draws an SLA.
pub struct Draft<'a> {
    rng: &'a mut Rng,
    /// One for all: it takes the engine long to lay one out.
    calendar: usize,
    /// The SLAs of a group have one start.
    group_start: &'static str,
}

impl Draft<'_> {
    pub fn new(rng: &mut Rng, calendar: usize) -> Draft<'_> {
        let group_start = START[rng.below(START.len())];
        Draft { rng, calendar, group_start }
    }

    pub fn slas(mut self) -> Vec<Drawn> {
        (0..self.rng.between(1, 4)).map(|number| self.sla(number)).collect()
    }

    fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.below(from.len())]
    }

    fn sla(&mut self, number: i64) -> Drawn {
        let first_match = self.rng.chance(20).then(|| "group".to_string());
        let start = if first_match.is_some() { self.group_start } else { self.one_of(&START) };
        let mut stop = self.one_of(&STOP);
        while stop == start {
            stop = self.one_of(&STOP);
        }
        let (target, calendar) = self.target();
        let pauses =
            [("order.held", "order.released"), ("order.held", "order.released"), ("review.asked", "review.done")];
        let pause = self.rng.chance(60).then(|| self.one_of(&pauses));
        let cancel_on: &[&str] = self.one_of(&[&[], &["order.cancelled"], &["order.cancelled", "payment.voided"]]);
        let grace = self.rng.chance(20).then(|| self.one_of(&[0, 1_000, 7 * MINUTE, 3 * HOUR]));
        let sla = Sla {
            id: format!("sla-{number}"),
            when: self.rng.chance(25).then(|| self.when(2)),
            first_match,
            start: start.to_string(),
            stop: stop.to_string(),
            stop_last: self.rng.chance(20),
            cancel_on: cancel_on.iter().map(|kind| kind.to_string()).collect(),
            pause: pause.map(|(from, until)| (from.to_string(), until.to_string())),
            target,
            calendar: None,
            warn_at: self.one_of::<&[u8]>(&[&[], &[50], &[33, 80], &[10, 95]]).to_vec(),
            escalate_after: self.rungs(),
            owner: "team".to_string(),
            grace: 0,
        };
        Drawn { sla, calendar, grace }
    }

    fn target(&mut self) -> (Target, Option<usize>) {
        let which = if self.rng.chance(30) { Which::Original } else { Which::Latest };
        let calendar = self.calendar;
        match self.rng.below(10) {
            0 => (Target::PromisedShipBy(which), None),
            1 => (Target::PromisedDeliverBy(which), self.rng.chance(30).then_some(calendar)),
            2..=3 => (self.business_days(), Some(calendar)),
            _ => {
                let minutes = self.one_of(&[10, 30, 60, 90, 101, 240, 600, 1080, 1440, 3000]);
                (Target::Duration(minutes * MINUTE), self.rng.chance(55).then_some(calendar))
            }
        }
    }

    fn business_days(&mut self) -> Target {
        let days = self.rng.below(4);
        let cutoff = self.one_of(&[None, Some(600), Some(720), Some(840), Some(1020)]);
        let by = self.one_of(&[None, Some(420), Some(780), Some(1080), Some(1200), Some(1380)]);
        // What comes just before the cutoff must not be due before it starts.
        let is_due_after_its_start = match (cutoff, by) {
            (Some(cutoff), Some(by)) => by > cutoff,
            (None, None) => true,
            _ => false,
        };
        let days = if is_due_after_its_start { days } else { days.max(1) };
        Target::BusinessDays { days, cutoff, by }
    }

    fn rungs(&mut self) -> Vec<Rung> {
        let mut after = 0;
        let mut rungs = Vec::new();
        for name in ["head", "boss", "board"].into_iter().take(self.rng.below(4)) {
            after += self.one_of(&[1, 15, 60, 600, 1500]) * MINUTE;
            rungs.push(Rung { after, owner: self.rng.chance(50).then(|| name.to_string()) });
        }
        rungs
    }

    fn when(&mut self, depth: usize) -> When {
        let minor = self.one_of(&[0, 500, 1_000, 1_500]);
        let (key, text) = self.one_of(&[("channel", "web"), ("channel", "app"), ("region", "EU"), ("region", "US")]);
        match self.rng.below(if depth == 0 { 4 } else { 6 }) {
            0 => When::TotalAtLeast(minor),
            1 => When::TotalBelow(minor),
            2 => When::IsNot(key.to_string(), text.to_string()),
            4 => When::And(Box::new(self.when(depth - 1)), Box::new(self.when(depth - 1))),
            5 => When::Or(Box::new(self.when(depth - 1)), Box::new(self.when(depth - 1))),
            _ => When::Is(key.to_string(), text.to_string()),
        }
    }
}
