//! What was told of each order, and since when it is known to stand in the log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;

use super::fate::{Planned, Story, Way};
use super::truth::Fact;

/// An order of the run.
#[derive(Clone, Debug)]
pub struct Order {
    pub id: String,
    pub fate: &'static str,
    pub born_ms: i64,
    pub told: Vec<Told>,
}

/// An event of an order.
#[derive(Clone, Debug)]
pub struct Told {
    pub planned: Planned,
    pub sent_ms: Option<i64>,
    /// When its acknowledgement had come, and that of its transaction's commit.
    pub known_ms: Option<i64>,
    /// Partition and offset.
    pub place: Option<(i32, i64)>,
}

/// An event by its order and its place there.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub order: usize,
    pub event: usize,
}

impl Ticket {
    const EVENTS: usize = 64;

    pub fn opaque(self) -> usize {
        self.order * Self::EVENTS + self.event
    }

    pub fn of_opaque(opaque: usize) -> Ticket {
        Ticket { order: opaque / Self::EVENTS, event: opaque % Self::EVENTS }
    }
}

impl Order {
    pub fn new(number: usize, born_ms: i64, story: Story) -> Order {
        let told = |planned| Told { planned, sent_ms: None, known_ms: None, place: None };
        let told = story.events.into_iter().map(told).collect();
        Order { id: format!("o-{number}"), fate: story.fate, born_ms, told }
    }

    fn fact(&self, told: &Told) -> Fact {
        (told.planned.kind, self.born_ms + told.planned.at)
    }

    /// All that will ever be known of it.
    pub fn facts(&self) -> Vec<Fact> {
        self.facts_where(|_| true)
    }

    /// What was in the log for good at that time.
    pub fn facts_known(&self, by_ms: i64) -> Vec<Fact> {
        self.facts_where(|told| told.known_ms.is_some_and(|known| known <= by_ms))
    }

    /// What may have been in the log at that time.
    pub fn facts_possible(&self, by_ms: i64) -> Vec<Fact> {
        self.facts_where(|told| told.sent_ms.is_some_and(|sent| sent <= by_ms))
    }

    fn facts_where(&self, holds: impl Fn(&Told) -> bool) -> Vec<Fact> {
        let counted = self.told.iter().filter(|told| told.planned.way != Way::Aborted && holds(told));
        let mut facts: Vec<Fact> = counted.map(|told| self.fact(told)).collect();
        // A repeat adds nothing.
        facts.sort_unstable();
        facts.dedup();
        facts
    }

    /// Whether all that will be told of it stood in the log at that time.
    pub fn told_by(&self, by_ms: i64) -> bool {
        let known = |told: &Told| told.planned.way == Way::Aborted || told.known_ms.is_some_and(|known| known <= by_ms);
        self.told.iter().all(known)
    }

    /// The value of one of its events.
    pub fn value(&self, event: usize) -> String {
        let (kind, at) = self.fact(&self.told[event]);
        let event_id = format!("{}-{kind}-{at}", self.id);
        json!({"event_id": event_id, "order_id": self.id, "type": kind, "event_time": at, "source": "chaos"})
            .to_string()
    }
}

/// Every order, shared by those who write and those who check.
#[derive(Default)]
pub struct Book(Mutex<Vec<Order>>);

impl Book {
    pub fn orders(&self) -> MutexGuard<'_, Vec<Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn copy(&self) -> Vec<Order> {
        self.orders().clone()
    }

    pub fn change(&self, ticket: Ticket, change: impl FnOnce(&mut Told)) {
        change(&mut self.orders()[ticket.order].told[ticket.event]);
    }

    /// (orders, events that stand in the log, repeats among them, those of aborted transactions).
    pub fn figures(&self) -> (usize, usize, usize) {
        let orders = self.orders();
        let all = || orders.iter().flat_map(|order| &order.told);
        let known = all().filter(|told| told.known_ms.is_some()).count();
        let aborted = all().filter(|told| told.planned.way == Way::Aborted && told.sent_ms.is_some()).count();
        (orders.len(), known, aborted)
    }
}
