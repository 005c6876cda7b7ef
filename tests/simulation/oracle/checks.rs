//! The stretches of event time in which a check holds, and which of them are findings at a frontier.

use super::facts::{Facts, Known, Moment};
use super::{Check, Standing};

const CAPTURED: &str = "payment.captured";
const REFUNDED: &str = "payment.refunded";

impl Check {
    pub fn id(&self) -> &str {
        match self {
            Check::AmountMismatch { id, .. } | Check::ShippedBeforePayment { id, .. } => id,
        }
    }

    pub(super) fn grace(&self) -> i64 {
        match self {
            Check::AmountMismatch { grace, .. } | Check::ShippedBeforePayment { grace, .. } => *grace,
        }
    }
}

/// A stretch of time in which a check holds without a break.
pub(super) struct Span {
    pub(super) reason: &'static str,
    from: i64,
    /// When it stopped holding; `None` if it holds by all that is known.
    pub(super) until: Option<Moment>,
    /// When it had held for `settle`; `None` if it ended before.
    settled: Option<i64>,
}

impl Span {
    /// Whether it held for `settle`.
    pub(super) fn is_finding(&self) -> bool {
        self.settled.is_some()
    }

    /// The finding that this makes at a frontier: since when, and where it stands. It opens only when the frontier is
    /// past that by `grace`, and ends at once.
    pub(super) fn finding(&self, frontier: i64, grace: i64) -> Option<(i64, Standing)> {
        let settled = self.settled.filter(|at| frontier > at.saturating_add(grace))?;
        let standing = self.until.map_or(Standing::Open { level: 0 }, |until| Standing::Resolved { at: until.at });
        Some((settled, standing))
    }
}

/// Every stretch in which a check holds on an order, oldest first, whether it settles or not.
pub(super) fn spans(facts: &Facts, check: &Check) -> Vec<Span> {
    match check {
        Check::AmountMismatch { tolerance, settle, .. } => amount_mismatch(facts, i128::from(*tolerance), *settle),
        Check::ShippedBeforePayment { settle, .. } => shipped_before_payment(facts, *settle).into_iter().collect(),
    }
}

fn amount_mismatch(facts: &Facts, tolerance: i128, settle: i64) -> Vec<Span> {
    let over = |at: i64| {
        facts.total_at(at).is_some_and(|total| {
            let captured = facts.paid_at(CAPTURED, &total.currency, at);
            let refunded = facts.paid_at(REFUNDED, &total.currency, at);
            captured - refunded > i128::from(total.minor) + tolerance
        })
    };
    let under = |at: i64| {
        let has_begun = facts.milestone(CAPTURED).is_some_and(|first| first.at <= at);
        facts.total_at(at).is_some_and(|total| {
            has_begun && facts.paid_at(CAPTURED, &total.currency, at) < i128::from(total.minor) - tolerance
        })
    };
    let currency = |at: i64| {
        facts.total_at(at).is_some_and(|total| {
            let captured = facts.events.iter().filter(|known| known.at() <= at && is_kind(known, &[CAPTURED]));
            let mut foreign = captured.filter_map(|known| currency_of(known)).filter(|c| *c != total.currency);
            foreign.any(|c| facts.paid_at(CAPTURED, c, at) > facts.paid_at(REFUNDED, c, at))
        })
    };
    // What can change a verdict restarts its settling; a refund cannot change `under`, which ignores refunds (R27), and
    // money in another currency can change `currency` alone.
    let own = |kinds: &[&str]| relevant(facts, kinds, &|known, total| currency_of(known) == Some(total));
    let foreign = relevant(facts, &[CAPTURED, REFUNDED], &|known, total| currency_of(known) != Some(total));
    let first_capture = facts.milestone(CAPTURED).map(|first| first.at);
    let begins = |known: &Known| is_kind(known, &[CAPTURED]) && Some(known.at()) == first_capture;
    let of_under = relevant(facts, &[CAPTURED], &|known, total| currency_of(known) == Some(total) || begins(known));
    let mut spans = stretches("over", &own(&[CAPTURED, REFUNDED]), settle, over);
    spans.extend(stretches("under", &of_under, settle, under));
    spans.extend(stretches("currency", &foreign, settle, currency));
    spans.sort_by_key(|span| span.from);
    spans
}

fn is_kind(known: &Known, kinds: &[&str]) -> bool {
    kinds.contains(&known.event.kind.as_str())
}

fn currency_of<'a>(known: &'a Known) -> Option<&'a str> {
    known.event.amount.as_ref().map(|amount| amount.currency.as_str())
}

/// The instants of the totals, and of the payments of some kinds that count beside a total of that currency (any counts
/// while there is none), each with the greatest record time among those events up to and at it.
fn relevant(facts: &Facts, kinds: &[&str], counts: &dyn Fn(&Known, &str) -> bool) -> Vec<Moment> {
    let mut instants: Vec<Moment> = Vec::new();
    let matters = |known: &Known| {
        let total = facts.total_at(known.at());
        is_kind(known, kinds) && total.is_none_or(|total| counts(known, &total.currency))
    };
    for known in facts.events.iter().filter(|known| Facts::sets_total(known) || matters(known)) {
        let record_time = instants.last().map_or(known.record_time, |last| last.record_time.max(known.record_time));
        instants.pop_if(|last| last.at == known.at());
        instants.push(Moment { at: known.at(), record_time });
    }
    instants
}

/// The stretches in which a condition holds; it can change only at the relevant instants.
fn stretches(reason: &'static str, relevant: &[Moment], settle: i64, holds: impl Fn(i64) -> bool) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut rest = relevant;
    while let Some(begin) = rest.iter().position(|moment| holds(moment.at)) {
        rest = &rest[begin..];
        let end = rest.iter().position(|moment| !holds(moment.at));
        let until = end.map(|end| rest[end]);
        let within = &rest[..end.unwrap_or(rest.len())];
        spans.push(Span { reason, from: rest[0].at, until, settled: settled(within, until, settle) });
        rest = &rest[within.len()..];
    }
    spans
}

/// When a stretch has first gone `settle` without another relevant event; one exactly `settle` later still counts
/// ("at most settle later").
fn settled(within: &[Moment], until: Option<Moment>, settle: i64) -> Option<i64> {
    let next = within.iter().skip(1).copied().map(Some).chain([until]);
    within.iter().zip(next).find_map(|(moment, next)| {
        let quiet_at = moment.at.saturating_add(settle);
        next.is_none_or(|next| next.at > quiet_at).then_some(quiet_at)
    })
}

/// It holds from the first shipment until the first authorization or capture, and settles from the shipment alone: the
/// parcel had gone unpaid, so not even a payment within settle undoes it (R30).
fn shipped_before_payment(facts: &Facts, settle: i64) -> Option<Span> {
    let shipped = facts.milestone("fulfillment.shipped")?;
    let payments = ["payment.authorized", CAPTURED].map(|kind| facts.milestone(kind));
    let paid = payments.into_iter().flatten().min_by_key(|paid| paid.at);
    if paid.is_some_and(|paid| paid.at <= shipped.at) {
        return None;
    }
    Some(Span { reason: "unpaid", from: shipped.at, until: paid, settled: Some(shipped.at.saturating_add(settle)) })
}
