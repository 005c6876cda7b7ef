//! Who: an owner or a route, by name, by the first condition that holds, or by what an event says.

use std::sync::Arc;

use crate::domain::{AttributeValue, Event, Str};

use super::condition::{Condition, ConditionInput};

/// How an owner or a route is found. Whatever is true later, what was found at the cycle's start stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Always the same.
    Name(Str),
    /// The first that fits; the last has no condition.
    First(Arc<[(Option<Condition>, Str)]>),
    /// An attribute's text.
    From {
        /// Of what.
        whose: Whose,
        /// Its name.
        attribute: Str,
        /// Where there is none.
        or_else: Str,
    },
}

/// Whose attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those in force at the cycle's start.
    Order,
    /// Those of the event that started it.
    Event,
}

impl Choice {
    /// Who it is, by what is known of the order and of the event that started the cycle.
    pub fn pick(&self, order: &ConditionInput<'_>, event: Option<&Event>) -> Str {
        match self {
            Choice::Name(name) => name.clone(),
            Choice::First(rules) => {
                let fits = |(when, _): &&(Option<Condition>, Str)| when.as_ref().is_none_or(|when| when.holds(order));
                rules.iter().find(fits).map(|(_, name)| name.clone()).unwrap_or_default()
            }
            Choice::From { whose, attribute, or_else } => {
                let attributes = match whose {
                    Whose::Order => order.attributes,
                    Whose::Event => event.and_then(|e| e.details.as_ref()).map_or(&[][..], |d| &d.attributes),
                };
                let found = attributes.binary_search_by(|(name, _)| name.cmp(attribute)).ok();
                match found.and_then(|at| attributes.get(at)) {
                    Some((_, AttributeValue::Text(text))) if !text.trim().is_empty() => text.clone(),
                    _ => or_else.clone(),
                }
            }
        }
    }
}

impl Choice {
    /// Every name that it can come to; `None` where an attribute says any.
    pub fn names(&self) -> Option<Vec<&Str>> {
        match self {
            Choice::Name(name) => Some(vec![name]),
            Choice::First(rules) => Some(rules.iter().map(|(_, name)| name).collect()),
            Choice::From { .. } => None,
        }
    }
}

impl<T: Into<Str>> From<T> for Choice {
    fn from(name: T) -> Self {
        Choice::Name(name.into())
    }
}
