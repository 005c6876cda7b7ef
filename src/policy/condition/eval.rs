//! Runs a compiled condition. `None` is "no value": missing, or something that CEL would call an error.

use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;

use crate::domain::{AttributeValue, Line};

use super::ConditionInput;
use super::expr::{Expr, LineField, Literal, Macro, Operator, Path, TextTest};

/// What one evaluation may take: a step for each part that is looked at and for each element of a list that is made, and
/// one for each [`BYTES_A_STEP`] of a text that is made, copied or read. So a condition over an order of 10,000 lines
/// ends within milliseconds and some ten megabytes, whatever it says; what would take more does not hold.
pub const STEPS_MAX: u32 = 1 << 20;
const BYTES_A_STEP: usize = 16;

/// What an expression comes to, borrowed from the order or the condition.
#[derive(Clone, Debug)]
enum Value<'a> {
    Bool(bool),
    Integer(i64),
    Decimal(f64),
    Text(Cow<'a, str>),
    Line(&'a Line),
    List(Vec<Option<Value<'a>>>),
}

/// The order, the element that the macro around stands at, and how far the evaluation may still go.
#[derive(Clone, Copy)]
struct Scope<'s, 'a> {
    order: &'a ConditionInput<'a>,
    item: Option<&'s Option<Value<'a>>>,
    steps_left: &'s Cell<u32>,
}

/// True where the expression is true; no value is false.
pub fn holds<'a>(expr: &'a Expr, order: &'a ConditionInput<'a>) -> bool {
    holds_within(STEPS_MAX, expr, order).0
}

/// The same within so many steps, and how many are left: none where they did not suffice.
pub fn holds_within<'a>(steps: u32, expr: &'a Expr, order: &'a ConditionInput<'a>) -> (bool, u32) {
    let steps_left = Cell::new(steps);
    let truth = Scope { order, item: None, steps_left: &steps_left }.truth(expr);
    (truth && steps_left.get() > 0, steps_left.get())
}

impl<'s, 'a> Scope<'s, 'a> {
    /// Takes steps; `None` where there are none left, and so no value.
    fn pay(self, steps: usize) -> Option<()> {
        let left = self.steps_left.get().saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
        self.steps_left.set(left);
        (left > 0).then_some(())
    }

    fn truth(self, expr: &'a Expr) -> bool {
        if self.pay(1).is_none() {
            return false;
        }
        match expr {
            Expr::Literal(Literal::Bool(b)) => *b,
            Expr::Has(path) => self.has(path),
            Expr::Not(inner) => !self.truth(inner),
            Expr::All(parts) => parts.iter().all(|part| self.truth(part)),
            Expr::Any(parts) => parts.iter().any(|part| self.truth(part)),
            Expr::Compare(comparison, sides) => {
                self.both(sides).is_some_and(|(left, right)| comparison.holds(self.compare(&left, &right)))
            }
            Expr::In(sides) => self.is_in(sides),
            Expr::Text(test, sides) => self.text_test(*test, sides),
            Expr::Each(Macro::All, parts) => self.tested(parts).is_some_and(|mut tests| tests.all(|(_, t)| t)),
            Expr::Each(Macro::Exists, parts) => self.tested(parts).is_some_and(|mut tests| tests.any(|(_, t)| t)),
            Expr::Each(Macro::ExistsOne, parts) => {
                self.tested(parts).is_some_and(|tests| tests.filter(|(_, t)| *t).count() == 1)
            }
            _ => matches!(self.value(expr), Some(Value::Bool(true))),
        }
    }

    fn value(self, expr: &'a Expr) -> Option<Value<'a>> {
        self.pay(1)?;
        match expr {
            Expr::Literal(literal) => Some(match literal {
                Literal::Bool(b) => Value::Bool(*b),
                Literal::Integer(i) => Value::Integer(*i),
                Literal::Decimal(d) => Value::Decimal(*d),
                Literal::Text(s) => Value::Text(Cow::Borrowed(s)),
            }),
            Expr::Path(path) => self.path(path),
            Expr::Item => {
                let item = self.item?.as_ref()?;
                self.pay(weight(item))?;
                Some(item.clone())
            }
            Expr::Field(line, field) => match (self.value(line)?, field) {
                (Value::Line(line), LineField::Sku) => Some(Value::Text(Cow::Borrowed(&line.sku))),
                (Value::Line(line), LineField::Quantity) => Some(Value::Integer(line.quantity)),
                _ => None,
            },
            Expr::If(branches) => {
                let [condition, then, otherwise] = &**branches;
                self.value(if self.truth(condition) { then } else { otherwise })
            }
            Expr::Arithmetic(operator, sides) => {
                let (left, right) = self.both(sides)?;
                let result = arithmetic(*operator, left, right)?;
                self.pay(weight(&result))?;
                Some(result)
            }
            Expr::Negate(inner) => match self.value(inner)? {
                Value::Integer(i) => i.checked_neg().map(Value::Integer),
                Value::Decimal(d) => Some(Value::Decimal(-d)),
                _ => None,
            },
            Expr::List(items) => Some(Value::List(items.iter().map(|item| self.value(item)).collect())),
            Expr::Index(sides) => self.index(sides),
            Expr::Size(inner) => self.size(inner),
            Expr::Each(Macro::Filter, parts) => {
                let kept = self.tested(parts)?.filter(|(_, t)| *t).map(|(item, _)| item).collect();
                Some(Value::List(kept))
            }
            Expr::Each(Macro::Map, parts) => {
                let [list, body] = &**parts;
                let items = self.items(list)?;
                Some(Value::List(items.iter().map(|item| self.at(item).value(body)).collect()))
            }
            _ => Some(Value::Bool(self.truth(expr))),
        }
    }

    fn index(self, sides: &'a [Expr; 2]) -> Option<Value<'a>> {
        let [list, index] = sides;
        let Value::Integer(index) = self.value(index)? else { return None };
        let index = usize::try_from(index).ok()?;
        match list {
            // One line is looked at, and not all gathered first.
            Expr::Path(Path::Lines) => self.order.lines.get(index).map(Value::Line),
            _ => self.items(list)?.into_iter().nth(index)?,
        }
    }

    fn both(self, sides: &'a [Expr; 2]) -> Option<(Value<'a>, Value<'a>)> {
        let [left, right] = sides;
        Some((self.value(left)?, self.value(right)?))
    }

    /// The scope in which a macro's body is run for one element.
    fn at<'t>(self, item: &'t Option<Value<'a>>) -> Scope<'t, 'a>
    where
        's: 't,
    {
        Scope { order: self.order, item: Some(item), steps_left: self.steps_left }
    }

    fn compare(self, left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
        self.pay(weight(left).min(weight(right)))?;
        compare(left, right)
    }

    fn items(self, list: &'a Expr) -> Option<Vec<Option<Value<'a>>>> {
        match self.value(list)? {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Each element of a list, and whether a macro's body is true of it.
    fn tested(self, parts: &'a [Expr; 2]) -> Option<impl Iterator<Item = (Option<Value<'a>>, bool)>> {
        let [list, body] = parts;
        let items = self.items(list)?;
        Some(items.into_iter().map(move |item| {
            let truth = self.at(&item).truth(body);
            (item, truth)
        }))
    }

    fn attribute(self, name: &str) -> Option<&'a AttributeValue> {
        let attributes = self.order.attributes;
        let at = attributes.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok()?;
        attributes.get(at).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    fn has(self, path: &Path) -> bool {
        match path {
            Path::Id => true,
            Path::Source => self.order.source.is_some(),
            Path::Total | Path::AmountMinor | Path::Currency => self.order.total.is_some(),
            Path::Lines => !self.order.lines.is_empty(),
            Path::Attribute(name) => self.attribute(name).is_some(),
        }
    }

    fn path(self, path: &Path) -> Option<Value<'a>> {
        match path {
            Path::Id => Some(Value::Text(Cow::Borrowed(self.order.id))),
            Path::Source => self.order.source.map(|s| Value::Text(Cow::Borrowed(s))),
            Path::Total => None,
            Path::AmountMinor => self.order.total.map(|t| Value::Integer(t.amount_minor)),
            Path::Currency => self.order.total.as_ref().map(|t| Value::Text(Cow::Borrowed(t.currency.as_str()))),
            Path::Lines => {
                self.pay(self.order.lines.len())?;
                Some(Value::List(self.order.lines.iter().map(|line| Some(Value::Line(line))).collect()))
            }
            Path::Attribute(name) => match self.attribute(name)? {
                AttributeValue::Null => None,
                AttributeValue::Text(s) => Some(Value::Text(Cow::Borrowed(s))),
                AttributeValue::Bool(b) => Some(Value::Bool(*b)),
                AttributeValue::Integer(i) => Some(Value::Integer(*i)),
                AttributeValue::Decimal(d) => Some(Value::Decimal(*d)),
            },
        }
    }

    fn is_in(self, sides: &'a [Expr; 2]) -> bool {
        let [needle, list] = sides;
        let Some(needle) = self.value(needle) else { return false };
        let is =
            |item: Option<Value<'a>>| item.is_some_and(|item| self.compare(&needle, &item) == Some(Ordering::Equal));
        match list {
            // The common case: nothing is gathered first.
            Expr::List(items) => items.iter().any(|item| is(self.value(item))),
            _ => self.items(list).is_some_and(|items| items.into_iter().any(is)),
        }
    }

    fn text_test(self, test: TextTest, sides: &'a [Expr; 2]) -> bool {
        let Some((Value::Text(text), Value::Text(part))) = self.both(sides) else { return false };
        let read = if test == TextTest::Contains { text.len() + part.len() } else { part.len() };
        if self.pay(read / BYTES_A_STEP).is_none() {
            return false;
        }
        match test {
            TextTest::StartsWith => text.starts_with(&*part),
            TextTest::EndsWith => text.ends_with(&*part),
            TextTest::Contains => text.contains(&*part),
        }
    }

    fn size(self, inner: &'a Expr) -> Option<Value<'a>> {
        let size = match inner {
            Expr::Path(Path::Lines) => self.order.lines.len(),
            _ => match self.value(inner)? {
                Value::Text(text) => {
                    self.pay(text.len() / BYTES_A_STEP)?;
                    text.chars().count()
                }
                Value::List(items) => items.len(),
                _ => return None,
            },
        };
        i64::try_from(size).ok().map(Value::Integer)
    }
}

/// The steps that it takes to make, copy or read a value.
fn weight(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len() / BYTES_A_STEP,
        Value::List(items) => items.iter().flatten().map(weight).fold(items.len(), usize::saturating_add),
        _ => 0,
    }
}

/// How two values compare; `None` where they are of kinds that do not.
fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(l), Value::Text(r)) => Some(l.cmp(r)),
        (Value::Integer(l), Value::Integer(r)) => Some(l.cmp(r)),
        (Value::Decimal(l), Value::Decimal(r)) => l.partial_cmp(r),
        (Value::Integer(l), Value::Decimal(r)) => compare_mixed(*l, *r),
        (Value::Decimal(l), Value::Integer(r)) => compare_mixed(*r, *l).map(Ordering::reverse),
        (Value::Bool(l), Value::Bool(r)) => Some(l.cmp(r)),
        (Value::Line(l), Value::Line(r)) => (l == r).then_some(Ordering::Equal),
        (Value::List(l), Value::List(r)) => {
            let same = |(l, r): (&Option<Value<'_>>, &Option<Value<'_>>)| match (l, r) {
                (Some(l), Some(r)) => compare(l, r) == Some(Ordering::Equal),
                _ => false,
            };
            (l.len() == r.len() && l.iter().zip(r).all(same)).then_some(Ordering::Equal)
        }
        _ => None,
    }
}

/// Exact: a cast to f64 would make 2^53 + 1 equal to 2^53.
fn compare_mixed(integer: i64, decimal: f64) -> Option<Ordering> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if decimal >= LIMIT {
        return Some(Ordering::Less);
    }
    if decimal < -LIMIT {
        return Some(Ordering::Greater);
    }
    let whole = decimal.trunc();
    let fraction = 0.0_f64.partial_cmp(&(decimal - whole))?;
    Some(integer.cmp(&(whole as i64)).then(fraction))
}

fn arithmetic<'a>(operator: Operator, left: Value<'a>, right: Value<'a>) -> Option<Value<'a>> {
    let (l, r) = match (left, right) {
        (Value::Integer(l), Value::Integer(r)) => return whole(operator, l, r).map(Value::Integer),
        (Value::Text(l), Value::Text(r)) if operator == Operator::Add => return Some(Value::Text(l + r)),
        (Value::Decimal(l), Value::Decimal(r)) => (l, r),
        (Value::Integer(l), Value::Decimal(r)) => (l as f64, r),
        (Value::Decimal(l), Value::Integer(r)) => (l, r as f64),
        _ => return None,
    };
    let result = match operator {
        Operator::Add => l + r,
        Operator::Subtract => l - r,
        Operator::Multiply => l * r,
        Operator::Divide => l / r,
        Operator::Remainder => l % r,
    };
    result.is_finite().then_some(Value::Decimal(result))
}

/// An overflow or a division by zero has no value.
fn whole(operator: Operator, left: i64, right: i64) -> Option<i64> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        Operator::Remainder => left.checked_rem(right),
    }
}
