//! Reconciliation checks: records of one order that disagree. A file each; this one lists them.
//!
//! To add a check: a file with its rule in words at the top, a variant of [`CheckKind`], and a line in each of its
//! four matches below.

mod amount_mismatch;
mod settle;
mod shipped_before_payment;

use crate::domain::{Milestone, Millis, Standard, Str, Timestamp};

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
}

/// One check of the policy document.
#[derive(Debug)]
pub struct CheckPolicy {
    /// The check's name with hyphens unless one is given; part of the exception's id.
    pub id: Str,
    /// Which check.
    pub kind: CheckKind,
    /// Which orders it applies to; all, where there is none.
    pub when: Option<Condition>,
    /// How long a finding must hold without another relevant event.
    pub settle: Millis,
    /// The policy's own grace; `Settings::grace` where it has none.
    pub grace: Option<Millis>,
    /// Who answers for it.
    pub responsibility: Responsibility,
}

impl CheckKind {
    /// The name as `check:` and outputs spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            CheckKind::AmountMismatch { .. } => "amount_mismatch",
            CheckKind::ShippedBeforePayment => "shipped_before_payment",
        }
    }

    /// What it can find; an order has at most one exception for each.
    pub const fn reasons(&self) -> &'static [&'static str] {
        match self {
            CheckKind::AmountMismatch { .. } => amount_mismatch::REASONS,
            CheckKind::ShippedBeforePayment => shipped_before_payment::REASONS,
        }
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
        began < whole_since + retain_closed
            && match self {
                // No money moves before its order is placed.
                CheckKind::AmountMismatch { .. } => {
                    view.first(&Standard::OrderPlaced.into()).is_none_or(|placed| placed.at < whole_since)
                }
                // A payment may well come before its order.
                CheckKind::ShippedBeforePayment => true,
            }
    }
}

impl CheckPolicy {
    /// Every finding of one reason that the order's facts hold, in time order; more than one where it opened anew.
    pub fn cases<'a>(&self, view: &OrderView<'a>, reason: &str) -> Vec<Case<'a>> {
        let mut cases = match &self.kind {
            CheckKind::AmountMismatch { tolerance_minor, after } => {
                let points = amount_mismatch::points(view, *tolerance_minor, after.as_ref(), reason);
                settle::findings(&points, self.settle)
            }
            CheckKind::ShippedBeforePayment => shipped_before_payment::case(view, self.settle).into_iter().collect(),
        };
        if let Some(when) = &self.when {
            cases.retain(|case| when.holds(&view.as_of(case.started_at).condition_input(view.order_id())));
        }
        let mut before = None;
        for case in &mut cases {
            case.follows = std::mem::replace(&mut before, case.deadline);
        }
        cases
    }
}
