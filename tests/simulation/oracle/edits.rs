//! Policy documents that follow one another: which of them judges a cycle, and what is over.
//!
//! "A cycle that had ended (met, resolved, cancelled) before that is frozen … until a new event of its own is judged by the
//! newest document. Every other cycle moves to the newest document. A policy id that is new does not publish what was
//! already overdue when it came into force, unless it says `backfill: true`" (D §5). The readings are R41 to R47.

use super::facts::Facts;
use super::life::{self, Life};
use super::{Check, Record, Rules, Sla, Standing, Verdict, checks, sla, told_by_order};

/// A document, and from where on a shard was judged by it.
#[derive(Clone, Debug)]
pub struct Era<'a> {
    /// What it says.
    pub rules: &'a Rules,
    /// The ids that say `backfill: true`.
    pub backfill: &'a [String],
    /// The shard's frontier when it came into force.
    pub frontier: i64,
    /// By stream: the first offset that had not been read by then.
    pub positions: Vec<i64>,
}

/// A verdict, and how far the documents let it be told.
#[derive(Clone, PartialEq, Debug)]
pub struct Ruling {
    /// What stands.
    pub verdict: Verdict,
    /// It was over before the document in force came: nothing new is told of it.
    pub frozen: bool,
    /// It was overdue when its policy's id came: nothing is told of it that was not told before.
    pub kept_back: bool,
}

/// What stands at `frontier` by documents of which each has replaced the one before. Rulings come as verdicts do in
/// [`super::judge`]; after them those of policies that are gone.
pub fn judge(records: &[Record], eras: &[Era<'_>], frontier: i64) -> Vec<Ruling> {
    let Some(in_force) = eras.last() else { return Vec::new() };
    if eras.len() == 1 {
        // Nothing was edited: here alone an SLA may have several cycles.
        let ruling = |verdict| Ruling { verdict, frozen: false, kept_back: false };
        return super::judge(records, in_force.rules, frontier).into_iter().map(ruling).collect();
    }
    let mut rulings = Vec::new();
    for (order_id, told) in told_by_order(records, i64::MAX) {
        for life in life::lives(&told, in_force.rules) {
            let known = eras.iter().map(|era| known_by(&life, era)).collect();
            let facts = Facts::new(&life.records);
            let order = Order { order_id, life: &life, facts, known, eras, frontier };
            order.rule(&mut rulings);
        }
    }
    rulings
}

/// What one exception is about: an SLA, or a check and its reason.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Subject<'a> {
    id: &'a str,
    reason: Option<&'a str>,
}

impl Subject<'_> {
    /// A finding is none before it is due; a cycle is one from its start on.
    fn is_due(&self, (_, standing): &(Option<i64>, Standing)) -> bool {
        self.reason.is_none() || !matches!(standing, Standing::Running { .. })
    }
}

/// A deadline and where that leaves a cycle, or each finding of a check; none where there is no cycle.
type Standings = Vec<(Option<i64>, Standing)>;

struct Order<'a> {
    order_id: &'a str,
    life: &'a Life<'a>,
    facts: Facts<'a>,
    /// What was known when each document came into force.
    known: Vec<Facts<'a>>,
    eras: &'a [Era<'a>],
    frontier: i64,
}

impl Order<'_> {
    fn rule(&self, rulings: &mut Vec<Ruling>) {
        let last = self.eras.len() - 1;
        let named = subjects(self.eras[last].rules);
        for subject in &named {
            let judge = self.judge_of(*subject, last);
            let judged_at = self.frontier.min(self.life.left_at);
            let stand = standings(self.eras[judge].rules, &self.facts, *subject, judged_at);
            for (deadline, standing) in stand.into_iter().filter(|of| subject.is_due(of)) {
                let kept_back = deadline.is_some_and(|deadline| self.is_kept_back(*subject, judge, deadline));
                let verdict = self.verdict(*subject, deadline, standing);
                rulings.push(Ruling { verdict, frozen: judge < last, kept_back });
            }
        }
        let mut gone: Vec<Subject<'_>> = Vec::new();
        for subject in self.eras[..last].iter().flat_map(|era| subjects(era.rules)) {
            if !named.contains(&subject) && !gone.contains(&subject) {
                gone.push(subject);
                rulings.extend(self.gone(subject));
            }
        }
    }

    /// What stands of a policy that the document in force does not have: what had ended when it went. The rest ended then
    /// as if there had been no cycle.
    fn gone(&self, subject: Subject<'_>) -> Vec<Ruling> {
        let has = |era: &Era<'_>| subjects(era.rules).contains(&subject);
        let Some(last) = self.eras.iter().rposition(has) else { return Vec::new() };
        let Some(after) = self.eras.get(last + 1) else { return Vec::new() };
        let judge = self.judge_of(subject, last);
        let mut rulings = Vec::new();
        let stood = standings(self.eras[judge].rules, &self.known[last + 1], subject, after.frontier);
        for (deadline, standing) in stood.into_iter().filter(|of| subject.is_due(of)) {
            let standing = if is_over(standing) { standing } else { Standing::CancelledInTime };
            let kept_back = deadline.is_some_and(|deadline| self.is_kept_back(subject, judge, deadline));
            rulings.push(Ruling { verdict: self.verdict(subject, deadline, standing), frozen: false, kept_back });
        }
        rulings
    }

    /// Which of the documents up to `last` judges: the first one, until one comes that finds the cycle not over, or under
    /// which the order was heard of anew.
    fn judge_of(&self, subject: Subject<'_>, last: usize) -> usize {
        let mut judge = 0;
        for k in 1..=last {
            let era = &self.eras[k];
            let known = standings(self.eras[judge].rules, &self.known[k], subject, era.frontier);
            let had_ended = !known.is_empty() && known.iter().all(|(_, standing)| is_over(*standing));
            if !had_ended || self.has_news(k) {
                judge = k;
            }
        }
        judge
    }

    /// Whether a fact of the order came while the document of this place was in force.
    fn has_news(&self, place: usize) -> bool {
        let (era, next) = (&self.eras[place], self.eras.get(place + 1));
        let mut events = self.facts.events.iter();
        events.any(|known| !known.is_below(&era.positions) && next.is_none_or(|next| known.is_below(&next.positions)))
    }

    /// Whether it was overdue when the id came that `judge` has without a break.
    fn is_kept_back(&self, subject: Subject<'_>, judge: usize, deadline: i64) -> bool {
        let era = &self.eras[judge];
        let has = |era: &Era<'_>| has_policy(era.rules, subject.id);
        let came = self.eras[..=judge].iter().rposition(|era| !has(era)).map(|without| &self.eras[without + 1]);
        let overdue = |came: &Era<'_>| deadline.saturating_add(grace(era.rules, subject.id)) < came.frontier;
        came.is_some_and(overdue) && !era.backfill.iter().any(|id| id == subject.id)
    }

    fn verdict(&self, subject: Subject<'_>, deadline: Option<i64>, standing: Standing) -> Verdict {
        Verdict {
            policy: subject.id.to_owned(),
            order_id: self.order_id.to_owned(),
            reason: subject.reason.map(str::to_owned),
            parcel: None,
            start: None,
            deadline,
            standing,
            in_memory: self.frontier < self.life.left_at,
        }
    }
}

fn known_by<'a>(life: &Life<'a>, era: &Era<'_>) -> Facts<'a> {
    let below = |record: &&&Record| era.positions.get(usize::from(record.stream)).is_some_and(|p| record.offset < *p);
    Facts::new(&life.records.iter().filter(below).copied().collect::<Vec<_>>())
}

fn is_over(standing: Standing) -> bool {
    !matches!(standing, Standing::Running { .. } | Standing::Open { .. })
}

fn subjects(rules: &Rules) -> Vec<Subject<'_>> {
    let slas = rules.slas.iter().map(|sla| Subject { id: &sla.id, reason: None });
    let of_check = |check: &'_ Check| match check {
        Check::AmountMismatch { .. } => ["over", "under", "currency"].as_slice(),
        Check::ShippedBeforePayment { .. } => ["unpaid"].as_slice(),
    };
    let checks = rules.checks.iter().flat_map(|check| {
        let reasons = of_check(check).iter();
        reasons.map(|reason| Subject { id: check.id(), reason: Some(*reason) })
    });
    slas.chain(checks).collect()
}

fn sla_of<'a>(rules: &'a Rules, id: &str) -> Option<&'a Sla> {
    rules.slas.iter().find(|sla| sla.id == id)
}

fn check_of<'a>(rules: &'a Rules, id: &str) -> Option<&'a Check> {
    rules.checks.iter().find(|check| check.id() == id)
}

fn has_policy(rules: &Rules, id: &str) -> bool {
    sla_of(rules, id).is_some() || check_of(rules, id).is_some()
}

fn grace(rules: &Rules, id: &str) -> i64 {
    let of_sla = sla_of(rules, id).map(|sla| sla.grace);
    of_sla.or(check_of(rules, id).map(Check::grace)).unwrap_or(0)
}

/// Where a document leaves one exception of an order. A finding that is not due yet is one that runs (R43).
fn standings(rules: &Rules, facts: &Facts<'_>, subject: Subject<'_>, frontier: i64) -> Standings {
    let Some(reason) = subject.reason else {
        let sla = sla_of(rules, subject.id);
        let cycle = sla.and_then(|sla| Some((sla, sla::cycles(facts, sla).into_iter().next()?.cycle)));
        return cycle.map(|(sla, cycle)| (cycle.deadline, cycle.standing(frontier, sla.grace))).into_iter().collect();
    };
    let Some(check) = check_of(rules, subject.id) else { return Vec::new() };
    let spans = checks::spans(facts, check);
    let of_reason = spans.iter().filter(|span| span.reason == reason && span.is_finding());
    let running = (None, Standing::Running { warn: None });
    let finding = |span: &checks::Span| {
        let found = span.finding(frontier, check.grace());
        found.map_or(running, |(deadline, standing)| (Some(deadline), standing))
    };
    of_reason.map(finding).collect()
}
