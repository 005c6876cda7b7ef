//! What an event can change: which policies need not be asked again when it joins an order's facts.
//!
//! A policy's verdict on an order hangs on few milestones. What an event touches and what a policy is interested in are two
//! sets; where they have nothing in common the verdict stands. Both err on the side of asking: every milestone of a shop's own
//! counts as one, and an event that is not the newest of its order touches everything.

use crate::domain::{Entity, Event, Milestone, Promise, Standard};

use super::checks::{CheckKind, CheckPolicy};
use super::reaches::Reaches;
use super::sla::Pause;
use super::{Backlog, Sla};

/// What events touch, or what a policy is interested in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest(u32);

/// The bits above those of milestones ([`Reaches`]).
const PROMISE: u32 = 1 << 30;
const ATTRIBUTES: u32 = 1 << 29;

impl Interest {
    /// Nothing.
    pub const NONE: Interest = Interest(0);
    /// Everything that there is.
    pub const ALL: Interest = Interest(u32::MAX);

    /// What an event touches that joins its order's facts. `is_newest`: it is later than all that were known; what was in
    /// force at any instant of theirs stays so.
    pub fn touched_by(event: &Event, is_newest: bool) -> Self {
        if !is_newest {
            return Interest::ALL;
        }
        let mut touched = Interest::in_milestone(&event.milestone);
        if let Some(details) = &event.details {
            if details.promised_ship_by != Promise::Unchanged || details.promised_deliver_by != Promise::Unchanged {
                touched = touched.and(Interest(PROMISE));
            }
            if !details.attributes.is_empty() {
                touched = touched.and(Interest(ATTRIBUTES));
            }
        }
        touched
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Interest) -> Self {
        Interest(self.0 | other.0)
    }

    /// Whether they have something in common.
    pub const fn meets(self, touched: Interest) -> bool {
        self.0 & touched.0 != 0
    }

    /// One milestone. Any `order.*`, also one of a shop's own, may set the total and the lines that a derived one hangs on.
    pub(crate) fn in_milestone(milestone: &Milestone) -> Self {
        let parts: &[Standard] = match milestone {
            Milestone::Standard(Standard::OrderPaidInFull) => &[Standard::PaymentCaptured],
            Milestone::Standard(Standard::OrderFullyShipped) => &[Standard::FulfillmentShipped],
            Milestone::Standard(Standard::OrderFullyDelivered) => &[Standard::FulfillmentDelivered],
            _ => return Interest(Reaches::only(milestone)),
        };
        Interest::in_all(parts).and(Interest::in_orders())
    }

    fn in_all(standards: &[Standard]) -> Self {
        Interest(standards.iter().fold(0, |all, standard| all | Reaches::only(&Milestone::Standard(*standard))))
    }

    /// Every `order.*`.
    fn in_orders() -> Self {
        let standards = Standard::ALL.iter().filter(|standard| standard.is_order());
        let all = standards.fold(0, |all, standard| all | Reaches::only(&Milestone::Standard(*standard)));
        Interest(all | Reaches::any_custom())
    }

    fn in_each<'m>(milestones: impl IntoIterator<Item = &'m Milestone>) -> Self {
        milestones.into_iter().fold(Interest::NONE, |all, milestone| all.and(Interest::in_milestone(milestone)))
    }

    fn in_pause(pause: Option<&Pause>) -> Self {
        Interest::in_each(pause.into_iter().flat_map(|pause| [&pause.from, &pause.until]))
    }
}

impl Sla {
    /// What the verdict on an order hangs on. All of it where cycles are told apart by more than milestones, and where what
    /// becomes of a start is decided by other SLAs.
    pub fn interest(&self) -> Interest {
        if !self.has_one_cycle() || self.first_match.is_some() {
            return Interest::ALL;
        }
        let milestones = [&self.start.milestone, &self.stop.milestone].into_iter().chain(&self.cancel_on);
        let promise = if self.target.is_promised() { Interest(PROMISE) } else { Interest::NONE };
        Interest::in_each(milestones).and(Interest::in_pause(self.pause.as_ref())).and(promise)
    }
}

impl CheckPolicy {
    /// What it takes for a finding where there is none.
    pub fn interest(&self) -> Interest {
        use Standard::{FulfillmentShipped, OrderCancelled, PaymentAuthorized, PaymentCaptured, PaymentRefunded};
        match &self.kind {
            CheckKind::AmountMismatch { after, .. } => {
                let money = Interest::in_orders().and(Interest::in_all(&[PaymentCaptured, PaymentRefunded]));
                money.and(Interest::in_each(after))
            }
            CheckKind::ShippedBeforePayment => {
                Interest::in_all(&[FulfillmentShipped, PaymentAuthorized, PaymentCaptured])
            }
            CheckKind::AfterCancel => Interest::in_all(&[OrderCancelled, PaymentCaptured, FulfillmentShipped]),
            CheckKind::DuplicateCapture
            | CheckKind::RefundExceedsCapture { .. }
            | CheckKind::PaymentWithoutOrder
            | CheckKind::OverShipped
            | CheckKind::Backordered
            | CheckKind::OutOfSequence { .. }
            | CheckKind::Stuck { .. }
            | CheckKind::SettlementMismatch { .. } => Interest::ALL,
        }
    }
}

impl Backlog {
    /// What its queues' members hang on.
    pub fn interest(&self) -> Interest {
        if self.is_oversold() {
            return Interest::ALL;
        }
        let ends: [&Milestone; 3] = [&self.from, &self.until, Entity::cancelled(&self.entity)];
        let groups = if self.group_by.is_empty() { Interest::NONE } else { Interest(ATTRIBUTES) };
        Interest::in_each(ends).and(Interest::in_pause(self.exclude_between.as_ref())).and(groups)
    }
}
