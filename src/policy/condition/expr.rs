//! The tree that a condition compiles to. It can say nothing that an order does not have.

use std::cmp::Ordering;
use std::fmt;

use crate::domain::Str;

/// One expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Literal),
    /// Something an order has.
    Path(Path),
    /// The element that the macro around it stands at.
    Item,
    /// A field of a line.
    Field(Box<Expr>, LineField),
    /// `has(path)`
    Has(Path),
    /// `!a`
    Not(Box<Expr>),
    /// `a && b && …`
    All(Vec<Expr>),
    /// `a || b || …`
    Any(Vec<Expr>),
    /// `a ? b : c`
    If(Box<[Expr; 3]>),
    /// `a < b` and its like.
    Compare(Comparison, Box<[Expr; 2]>),
    /// `a in b`
    In(Box<[Expr; 2]>),
    /// `a + b` and its like.
    Arithmetic(Operator, Box<[Expr; 2]>),
    /// `-a`
    Negate(Box<Expr>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `list[i]`
    Index(Box<[Expr; 2]>),
    /// `size(a)`
    Size(Box<Expr>),
    /// `a.startsWith(b)` and its like.
    Text(TextTest, Box<[Expr; 2]>),
    /// `list.exists(x, body)` and its like.
    Each(Macro, Box<[Expr; 2]>),
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `true`
    Bool(bool),
    /// `5`
    Integer(i64),
    /// `5.0`
    Decimal(f64),
    /// `"a"`
    Text(Str),
}

/// Something an order has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// `order.id`
    Id,
    /// `order.source`
    Source,
    /// `order.total`, which only `has` can ask for.
    Total,
    /// `order.total.amount_minor`
    AmountMinor,
    /// `order.total.currency`
    Currency,
    /// `order.lines`
    Lines,
    /// `order.attributes.NAME`
    Attribute(Str),
}

/// What a line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineField {
    /// `sku`
    Sku,
    /// `quantity`
    Quantity,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// What is done with two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
}

/// What is asked of two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextTest {
    /// `a.startsWith(b)`
    StartsWith,
    /// `a.endsWith(b)`
    EndsWith,
    /// `a.contains(b)`
    Contains,
}

/// What is asked of every element of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Macro {
    /// True of every one.
    All,
    /// True of one at least.
    Exists,
    /// True of just one.
    ExistsOne,
    /// Those it is true of.
    Filter,
    /// What it makes of each.
    Map,
}

impl Comparison {
    /// Whether it holds of two values that compare so; `None` where they cannot be ordered.
    pub fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Comparison::Equal => order == Some(Ordering::Equal),
            // CEL defines that values of two types are not equal.
            Comparison::NotEqual => order != Some(Ordering::Equal),
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// What a value is, where that can be told before there is an order: an attribute may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// Whole or decimal.
    Number,
    /// A text.
    Text,
    /// A list.
    List,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Bool => "what is true or false",
            Kind::Number => "a number",
            Kind::Text => "a text",
            Kind::List => "a list",
        })
    }
}

impl Expr {
    /// What its value is, if it has one; `None` where only an order can tell.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Expr::Literal(Literal::Integer(_) | Literal::Decimal(_)) => Some(Kind::Number),
            Expr::Literal(Literal::Text(_)) => Some(Kind::Text),
            Expr::Path(Path::Attribute(_) | Path::Total) | Expr::Item | Expr::Index(_) => None,
            Expr::Path(Path::Id | Path::Source | Path::Currency) | Expr::Field(_, LineField::Sku) => Some(Kind::Text),
            Expr::Path(Path::AmountMinor) | Expr::Field(_, LineField::Quantity) => Some(Kind::Number),
            Expr::Path(Path::Lines) | Expr::List(_) | Expr::Each(Macro::Filter | Macro::Map, _) => Some(Kind::List),
            Expr::If(branches) => {
                let [_, then, otherwise] = &**branches;
                then.kind().filter(|kind| otherwise.kind() == Some(*kind))
            }
            Expr::Arithmetic(Operator::Add, sides) => {
                let [left, right] = &**sides;
                left.kind().or(right.kind())
            }
            Expr::Arithmetic(..) | Expr::Negate(_) | Expr::Size(_) => Some(Kind::Number),
            Expr::Literal(Literal::Bool(_))
            | Expr::Has(_)
            | Expr::Not(_)
            | Expr::All(_)
            | Expr::Any(_)
            | Expr::Compare(..)
            | Expr::In(_)
            | Expr::Text(..)
            | Expr::Each(Macro::All | Macro::Exists | Macro::ExistsOne, _) => Some(Kind::Bool),
        }
    }

    /// False for what can never be true or false, and so is no condition.
    pub fn may_be_bool(&self) -> bool {
        match self {
            Expr::Literal(literal) => matches!(literal, Literal::Bool(_)),
            Expr::Path(path) => matches!(path, Path::Attribute(_)),
            Expr::If(branches) => {
                let [_, then, otherwise] = &**branches;
                then.may_be_bool() && otherwise.may_be_bool()
            }
            Expr::Each(what, _) => !matches!(what, Macro::Filter | Macro::Map),
            Expr::Field(..) | Expr::Arithmetic(..) | Expr::Negate(_) | Expr::List(_) | Expr::Size(_) => false,
            _ => true,
        }
    }
}
