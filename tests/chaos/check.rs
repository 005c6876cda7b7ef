//! What was published against what is true: lost, doubled, false.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Order;
use super::said::{Output, Said};
use super::settings::Delivery;
use super::truth::{Cycle, Fact, PROMISES, Promise, Standing};

/// How far our clock may be from a process's: both are this machine's.
const CLOCKS_AGREE_TO_MS: i64 = 100;

/// Something wrong with an order.
#[derive(Clone, Debug)]
pub struct Wrong {
    pub order: String,
    pub what: String,
}

#[derive(Debug, Default)]
pub struct Verdict {
    pub lost: Vec<Wrong>,
    pub doubled: Vec<Wrong>,
    pub falses: Vec<Wrong>,
    /// Transitions that must be there: openings, escalations of what stays open, closes.
    pub expected: usize,
    pub seen: usize,
    /// Published states by status.
    pub published: BTreeMap<String, usize>,
    /// `at_least_once`: states that were told again.
    pub repeated: usize,
    /// The same, by another policy document.
    pub reworded: usize,
    /// The same, by who had not read a late event yet, or had: each true of what it had read.
    pub of_other_facts: usize,
    /// `at_least_once`: exceptions whose last record is older than one before it, which a subscriber must ignore.
    pub overtaken: usize,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.falses.is_empty()
    }
}

/// One promise of one order: what was said of it.
type Key<'a> = (&'a str, &'a str);
type ByKey<'a> = BTreeMap<Key<'a>, Vec<&'a Said>>;

/// `by_ms`: orders of which something may still have fallen due then, or was told later, can have lost nothing yet.
pub fn check(orders: &[Order], output: &Output, delivery: Delivery, by_ms: i64) -> Verdict {
    let mut verdict = Verdict::default();
    let (history, current) = (by_key(&output.history), by_key(&output.current));
    let none = Vec::new();
    for order in orders {
        let facts = order.facts();
        for promise in &PROMISES {
            let key = (order.id.as_str(), promise.id);
            let said = history.get(&key).unwrap_or(&none);
            let now = current.get(&key).unwrap_or(&none);
            verdict.find_false(order, promise, said);
            let (latest, standing) = (verdict.latest(said, delivery), verdict.latest(now, delivery));
            let cycle = promise.cycle(&facts);
            if is_due(order, promise, cycle, by_ms) {
                verdict.find_lost(order, promise, cycle, said, [latest, standing]);
            }
        }
    }
    verdict.find_strangers(orders, output);
    verdict.find_doubled(&output.history, "history", delivery);
    verdict.find_doubled(&output.current, "exceptions-current", delivery);
    for said in &output.history {
        *verdict.published.entry(said.body.status.clone()).or_default() += 1;
    }
    verdict
}

fn by_key(said: &[Said]) -> ByKey<'_> {
    let mut by_key = ByKey::new();
    for state in said {
        by_key.entry((&state.body.order_id, &state.body.policy.id)).or_default().push(state);
    }
    by_key
}

fn is_due(order: &Order, promise: &Promise, cycle: Option<Cycle>, by_ms: i64) -> bool {
    order.told_by(by_ms) && cycle.is_none_or(|cycle| promise.settled_after(cycle.deadline) < by_ms)
}

impl Verdict {
    /// The last state as a subscriber holds it: with `at_least_once` one that is older than what he has is ignored.
    fn latest<'a>(&mut self, said: &[&'a Said], delivery: Delivery) -> Option<&'a Said> {
        let last = said.last().copied()?;
        if delivery == Delivery::ExactlyOnce {
            return Some(last);
        }
        let newest = said.iter().copied().max_by_key(|said| (said.frontier_ms(), said.body.sequence, said.offset))?;
        self.overtaken += usize::from(newest.ce_id != last.ce_id);
        Some(newest)
    }

    /// Every state must be true at its frontier: of what was surely in the log by then, and of some part of what may
    /// have been.
    fn find_false(&mut self, order: &Order, promise: &Promise, said: &[&Said]) {
        for state in said {
            let (sure, more) = known_to(order, state);
            let (deadline, breached) = (state.deadline_ms(), state.body.breached_at.is_some());
            let allows =
                |facts: &[Fact]| promise.allows(facts, &state.body.status, deadline, breached, state.frontier_ms());
            let ahead = state.frontier_ms() > state.written_ms + CLOCKS_AGREE_TO_MS;
            if ahead {
                self.falses.push(wrong(order, promise, &format!("{} is ahead of the clock", state.body.status)));
            }
            if !some_subset(&sure, &more, allows) {
                self.falses.push(wrong(order, promise, &format!("{} is not true at its frontier", state.body.status)));
            }
        }
    }

    fn find_lost(
        &mut self,
        order: &Order,
        promise: &Promise,
        cycle: Option<Cycle>,
        said: &[&Said],
        latest: [Option<&Said>; 2],
    ) {
        let standing = cycle.and_then(|cycle| cycle.standing());
        for (place, latest) in ["the history", "exceptions-current"].into_iter().zip(latest) {
            let stands = latest.and_then(stands_as);
            let same_deadline = latest.map(Said::deadline_ms) == cycle.map(|cycle| cycle.deadline);
            match (standing, stands) {
                (None, Some(stands)) => {
                    self.falses.push(wrong(
                        order,
                        promise,
                        &format!("it stands as {stands:?} in {place}, and was kept"),
                    ));
                }
                (Some(standing), stands) if stands != Some(standing) || !same_deadline => {
                    let what = format!("it must stand as {standing:?} in {place}, and stands as {stands:?}");
                    self.lost.push(wrong(order, promise, &what));
                }
                _ => {}
            }
        }
        if let (Some(standing), Some(cycle)) = (standing, cycle) {
            self.count(order, promise, standing, cycle.deadline, said);
        } else if latest[0].is_some_and(|latest| latest.body.status == "at_risk") {
            self.lost.push(wrong(order, promise, "it is at risk for ever, and was kept"));
        }
    }

    /// Each transition that must be there is there.
    fn count(&mut self, order: &Order, promise: &Promise, standing: Standing, deadline: i64, said: &[&Said]) {
        let close = match standing {
            Standing::Open if promise.escalates() => Some("escalated"),
            Standing::Open => None,
            Standing::Resolved => Some("resolved"),
            Standing::Cancelled => Some("cancelled"),
        };
        for status in ["opened"].into_iter().chain(close) {
            self.expected += 1;
            let is_it = |state: &&&Said| state.body.status == status && state.deadline_ms() == deadline;
            match said.iter().find(is_it) {
                Some(_) => self.seen += 1,
                None => self.lost.push(wrong(order, promise, &format!("`{status}` was never published"))),
            }
        }
    }

    /// Exceptions of orders that nobody placed, and events that were not understood.
    fn find_strangers(&mut self, orders: &[Order], output: &Output) {
        let ids: BTreeSet<&str> = orders.iter().map(|order| order.id.as_str()).collect();
        for state in output.history.iter().chain(&output.current) {
            if !ids.contains(state.body.order_id.as_str()) {
                let what = format!("{} of an order that nobody placed", state.body.status);
                self.falses.push(Wrong { order: state.body.order_id.clone(), what });
            }
        }
        for record in &output.dead_letters {
            let what = format!("a dead letter at {}/{}", record.partition, record.offset);
            self.falses.push(Wrong { order: record.key(), what });
        }
    }

    /// Each state once; with `at_least_once` it may be told again with the same id and the same content, but for the words of
    /// a policy document that was edited meanwhile, and for a deadline that a late event has moved meanwhile: that each is true
    /// of what its teller had read is asked elsewhere.
    fn find_doubled(&mut self, all: &[Said], place: &str, delivery: Delivery) {
        let mut by_id: BTreeMap<&str, &Said> = BTreeMap::new();
        let mut openings: BTreeMap<(&str, u32), &Said> = BTreeMap::new();
        for state in all {
            let before = by_id.insert(&state.ce_id, state);
            let what = match before {
                None => None,
                Some(before) if delivery == Delivery::AtLeastOnce && before.content == state.content => {
                    self.repeated += 1;
                    None
                }
                Some(before) if delivery == Delivery::AtLeastOnce && before.means_the_same(state) => {
                    self.reworded += 1;
                    None
                }
                Some(before) if delivery == Delivery::AtLeastOnce && before.rests_on_other_facts(state) => {
                    self.of_other_facts += 1;
                    None
                }
                Some(_) if delivery == Delivery::AtLeastOnce => Some("again with other content"),
                Some(_) => Some("twice"),
            };
            let opened = (state.body.status == "opened")
                .then(|| openings.insert((&state.body.exception_id, state.body.incarnation), state));
            let reopened = opened.flatten().filter(|other| other.ce_id != state.ce_id).map(|_| "under another id");
            for what in what.into_iter().chain(reopened) {
                let what = format!("{} `{}` is in {place} {what}", state.body.policy.id, state.body.status);
                self.doubled.push(Wrong { order: state.body.order_id.clone(), what });
            }
        }
    }
}

/// (what the process must have read for that state, what it may have read besides).
fn known_to(order: &Order, state: &Said) -> (Vec<Fact>, Vec<Fact>) {
    let sure = order.facts_known(state.frontier_ms() - CLOCKS_AGREE_TO_MS);
    let mut more = order.facts_possible(state.written_ms + CLOCKS_AGREE_TO_MS);
    more.retain(|fact| !sure.contains(fact));
    (sure, more)
}

fn some_subset(sure: &[Fact], more: &[Fact], holds: impl Fn(&[Fact]) -> bool) -> bool {
    (0u32..1 << more.len()).any(|subset| {
        let chosen = more.iter().enumerate().filter(|(i, _)| subset & (1 << i) != 0).map(|(_, fact)| *fact);
        let facts: Vec<Fact> = sure.iter().copied().chain(chosen).collect();
        holds(&facts)
    })
}

fn stands_as(state: &Said) -> Option<Standing> {
    match state.body.status.as_str() {
        "opened" | "escalated" => Some(Standing::Open),
        "resolved" => Some(Standing::Resolved),
        "cancelled" if state.body.breached_at.is_some() => Some(Standing::Cancelled),
        _ => None,
    }
}

fn wrong(order: &Order, promise: &Promise, what: &str) -> Wrong {
    Wrong { order: order.id.clone(), what: format!("{}: {what}", promise.id) }
}
