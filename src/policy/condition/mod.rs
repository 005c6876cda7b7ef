//! Conditions: CEL over one order, compiled once. What is no order is called by its entity's name: `checkout.id`.
//!
//! The `cel` crate parses; `compile` turns its tree into a small one of our own that names only what an order has, and
//! `eval` runs that. So an unknown name or function is an error when the policy is read, and evaluation is a walk over
//! borrowed facts that cannot fail, recurse deeply or run long: a tree is at most [`DEPTH_MAX`] deep, one macro over the
//! lines never stands inside another, and what an evaluation takes is counted (`eval::STEPS_MAX`).
//!
//! Where CEL would raise an error (a missing attribute, text < number, an overflow), an expression here has **no
//! value**; a comparison or predicate of no value is false, and `!` of that is true. `null` is the same as missing.

mod compile;
mod eval;
mod expr;
mod hints;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod properties;
mod reserved;
#[cfg(test)]
mod tests;

use crate::domain::{AttributeValue, Entity, Line, Money, Str};

use expr::Expr;

/// Longer conditions are refused. In bytes.
pub const TEXT_BYTES_MAX: usize = 4096;
/// Deeper ones too; `a || b || c` counts as one level.
pub const DEPTH_MAX: usize = 32;

/// What a condition sees of an order. Attributes are those with event_time <= the cycle's start.
#[derive(Clone, Copy, Debug)]
pub struct ConditionInput<'a> {
    /// `order.id`
    pub id: &'a str,
    /// `order.source`: the source of the first order event.
    pub source: Option<&'a str>,
    /// `order.total.amount_minor`, `order.total.currency`
    pub total: Option<Money>,
    /// `order.lines`: each with `sku` and `quantity`.
    pub lines: &'a [Line],
    /// `order.attributes.NAME`, sorted by name.
    pub attributes: &'a [(Str, AttributeValue)],
}

/// A compiled condition.
#[derive(Debug)]
pub struct Condition {
    source: Str,
    expr: Expr,
}

/// Why a condition does not compile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct ConditionError {
    /// What is wrong and what was expected.
    pub message: String,
    /// Byte offset in the condition's text, where it is known.
    pub offset: Option<usize>,
    /// What was probably meant.
    pub help: Option<String>,
}

/// Two conditions are one where they are written alike.
impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Condition {}

impl Condition {
    /// Compiles CEL about an order.
    ///
    /// # Errors
    /// The text is not CEL, names something an order does not have, or calls an unknown function.
    pub fn compile(text: &str) -> Result<Self, ConditionError> {
        Condition::about(&Entity::order(), text)
    }

    /// Compiles CEL in which the thing is called by its entity's name.
    ///
    /// # Errors
    /// Those of [`Condition::compile`].
    pub fn about(entity: &Entity, text: &str) -> Result<Self, ConditionError> {
        Ok(Condition { source: Str::new(text), expr: compile::compile(entity.name(), text)? })
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// True where the condition holds. A missing attribute makes a comparison false; nothing here fails or panics.
    pub fn holds(&self, order: &ConditionInput<'_>) -> bool {
        eval::holds(&self.expr, order)
    }
}
