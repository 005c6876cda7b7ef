//! Reconciliation checks: records of one order that disagree. A file each; this one lists them.
//!
//! To add a check: a file with its rule in words at the top, a variant of [`CheckKind`], and a line in each of its
//! six matches below.

mod after_cancel;
mod amount_mismatch;
mod backordered;
mod duplicate_capture;
mod out_of_sequence;
mod over_shipped;
mod payment_without_order;
mod refund_exceeds_capture;
mod settle;
mod settlement_mismatch;
mod shipped_before_payment;
mod stuck;

use crate::domain::{Entity, Milestone, Millis, Standard, Str, Timestamp};

use super::case::Case;
use super::view::OrderView;
use super::{Condition, Responsibility};

/// Which check, with its own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// Captured money differs from the order's total.
    AmountMismatch {
        /// How far they may differ, in minor units; 0 or more.
        tolerance_minor: i64,
        /// `under` is judged once this is reached; the first capture where there is none.
        after: Option<Milestone>,
    },
    /// Shipped before any payment was authorized or captured.
    ShippedBeforePayment,
    /// Money moved for an order that nobody knows.
    PaymentWithoutOrder,
    /// The same payment captured twice.
    DuplicateCapture,
    /// More was given back than taken.
    RefundExceedsCapture {
        /// By how much it may, in minor units; 0 or more.
        tolerance_minor: i64,
    },
    /// Captured or shipped after the order was cancelled.
    AfterCancel,
    /// More pieces left than were ordered.
    OverShipped,
    /// The warehouse cannot serve it.
    Backordered,
    /// A milestone was reached before one that comes first.
    OutOfSequence {
        /// In the order in which they belong; two or more, none twice.
        sequence: Vec<Milestone>,
    },
    /// Nothing is heard of an open order.
    Stuck {
        /// For so long.
        after: Millis,
    },
    /// What was paid out is not what was captured.
    SettlementMismatch {
        /// How far they may differ, in minor units; 0 or more.
        tolerance_minor: i64,
        /// The provider has so long after the last capture.
        after: Millis,
    },
}

/// One check of the policy document.
#[derive(Debug)]
pub struct CheckPolicy {
    /// The check's name with hyphens unless one is given; part of the exception's id.
    pub id: Str,
    /// What it looks at: orders, and with `stuck` any entity.
    pub entity: Entity,
    /// Which check.
    pub kind: CheckKind,
    /// Which orders it applies to; all, where there is none.
    pub when: Option<Condition>,
    /// How long a finding must hold without another relevant event.
    pub settle: Millis,
    /// The policy's own grace; `Settings::grace` where it has none.
    pub grace: Option<Millis>,
    /// What was overdue when its id came is published all the same.
    pub backfill: bool,
    /// Who answers for it.
    pub responsibility: Responsibility,
}

impl CheckKind {
    /// The name as `check:` and outputs spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            CheckKind::AmountMismatch { .. } => "amount_mismatch",
            CheckKind::ShippedBeforePayment => "shipped_before_payment",
            CheckKind::PaymentWithoutOrder => "payment_without_order",
            CheckKind::DuplicateCapture => "duplicate_capture",
            CheckKind::RefundExceedsCapture { .. } => "refund_exceeds_capture",
            CheckKind::AfterCancel => "after_cancel",
            CheckKind::OverShipped => "over_shipped",
            CheckKind::Backordered => "backordered",
            CheckKind::OutOfSequence { .. } => "out_of_sequence",
            CheckKind::Stuck { .. } => "stuck",
            CheckKind::SettlementMismatch { .. } => "settlement_mismatch",
        }
    }

    /// What it can find; an order has at most one exception for each.
    pub const fn reasons(&self) -> &'static [&'static str] {
        match self {
            CheckKind::AmountMismatch { .. } => amount_mismatch::REASONS,
            CheckKind::ShippedBeforePayment => shipped_before_payment::REASONS,
            CheckKind::PaymentWithoutOrder => payment_without_order::REASONS,
            CheckKind::DuplicateCapture => duplicate_capture::REASONS,
            CheckKind::RefundExceedsCapture { .. } => refund_exceeds_capture::REASONS,
            CheckKind::AfterCancel => after_cancel::REASONS,
            CheckKind::OverShipped => over_shipped::REASONS,
            CheckKind::Backordered => backordered::REASONS,
            CheckKind::OutOfSequence { .. } => out_of_sequence::REASONS,
            CheckKind::Stuck { .. } => stuck::REASONS,
            CheckKind::SettlementMismatch { .. } => settlement_mismatch::REASONS,
        }
    }

    /// The milestone without which there is nothing to find, where there is one.
    fn needs(&self, reason: &str) -> Option<Standard> {
        Some(match self {
            CheckKind::AmountMismatch { after: Some(_), .. } if reason == "under" => return None,
            CheckKind::AmountMismatch { .. } | CheckKind::DuplicateCapture => Standard::PaymentCaptured,
            CheckKind::RefundExceedsCapture { .. } => Standard::PaymentRefunded,
            CheckKind::AfterCancel => Standard::OrderCancelled,
            CheckKind::OverShipped | CheckKind::ShippedBeforePayment => Standard::FulfillmentShipped,
            CheckKind::Backordered => Standard::FulfillmentBackordered,
            CheckKind::PaymentWithoutOrder
            | CheckKind::OutOfSequence { .. }
            | CheckKind::Stuck { .. }
            | CheckKind::SettlementMismatch { .. } => return None,
        })
    }

    /// Whether a finding since `began` may rest on earlier events that nobody can read any more, where the records are
    /// whole from `whole_since` on. From `retain_closed` after that on no order reaches back so far.
    pub fn may_lack_its_past(
        &self,
        view: &OrderView<'_>,
        began: Timestamp,
        whole_since: Timestamp,
        retain_closed: Millis,
    ) -> bool {
        let earliest_unknown = whole_since + retain_closed;
        began < earliest_unknown && self.rests_on_the_past(view, whole_since)
    }

    /// Whether an earlier event could undo a finding.
    fn rests_on_the_past(&self, view: &OrderView<'_>, whole_since: Timestamp) -> bool {
        match self {
            // No money moves and no parcel leaves before its order is placed.
            CheckKind::AmountMismatch { .. }
            | CheckKind::RefundExceedsCapture { .. }
            | CheckKind::OverShipped
            | CheckKind::SettlementMismatch { .. } => {
                view.first(&Standard::OrderPlaced.into()).is_none_or(|placed| placed.at < whole_since)
            }
            // A payment may well come before its order, and so may the step that seems to be skipped.
            CheckKind::ShippedBeforePayment | CheckKind::PaymentWithoutOrder | CheckKind::OutOfSequence { .. } => true,
            // What they find, no earlier event undoes.
            CheckKind::DuplicateCapture | CheckKind::AfterCancel | CheckKind::Backordered | CheckKind::Stuck { .. } => {
                false
            }
        }
    }
}

impl CheckPolicy {
    /// Every finding of one reason that the order's facts hold, in time order; more than one where it opened anew. None of
    /// another entity.
    pub fn cases<'a>(&self, view: &OrderView<'a>, reason: &str) -> Vec<Case<'a>> {
        let lacks = |needed: Standard| !view.may_have(&needed.into());
        if self.entity != *view.entity() || self.kind.needs(reason).is_some_and(lacks) {
            return Vec::new();
        }
        let mut cases = self.findings(view, reason);
        if let Some(when) = &self.when {
            cases.retain(|case| when.holds(&view.as_of(case.started_at).condition_input(view.order_id())));
        }
        let mut before = None;
        for case in &mut cases {
            case.follows = std::mem::replace(&mut before, case.deadline);
        }
        cases
    }

    fn findings<'a>(&self, view: &OrderView<'a>, reason: &str) -> Vec<Case<'a>> {
        let mut settle = self.settle;
        let points = match &self.kind {
            CheckKind::ShippedBeforePayment => return shipped_before_payment::case(view, settle).into_iter().collect(),
            CheckKind::Stuck { after } => return stuck::cases(view, *after),
            CheckKind::AmountMismatch { tolerance_minor, after } => {
                amount_mismatch::points(view, *tolerance_minor, after.as_ref(), reason)
            }
            CheckKind::PaymentWithoutOrder => payment_without_order::points(view),
            CheckKind::DuplicateCapture => duplicate_capture::points(view),
            CheckKind::RefundExceedsCapture { tolerance_minor } => {
                refund_exceeds_capture::points(view, *tolerance_minor)
            }
            CheckKind::AfterCancel => after_cancel::points(view, reason),
            CheckKind::OverShipped => over_shipped::points(view),
            CheckKind::Backordered => backordered::points(view),
            CheckKind::OutOfSequence { sequence } => out_of_sequence::points(view, sequence),
            CheckKind::SettlementMismatch { tolerance_minor, after } => {
                settle = settlement_mismatch::settle(*after, settle, reason);
                settlement_mismatch::points(view, *tolerance_minor, settle, reason)
            }
        };
        settle::findings(&points, settle)
    }
}
