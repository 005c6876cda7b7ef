//! Reconciliation checks: records of one order that disagree. A file each; this one lists them.

use crate::domain::{Milestone, Millis, Str};

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
}
