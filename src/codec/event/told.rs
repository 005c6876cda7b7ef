//! What a value says, field by field, before any rule is applied: the form that JSON and Protobuf have in common.

use std::borrow::Cow;
use std::fmt;

use crate::codec::malformed::Quoted;

/// A value's fields. `None` where the field is absent.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    pub event_id: Option<Scalar<'a>>,
    pub order_id: Option<Scalar<'a>>,
    /// The id of what is no order, whatever its field is called.
    pub id: Option<Scalar<'a>>,
    pub kind: Option<Scalar<'a>>,
    pub event_time: Option<Scalar<'a>>,
    pub source: Option<Scalar<'a>>,
    pub total: Option<Shaped<ToldMoney<'a>>>,
    pub lines: Option<Shaped<AtMost<ToldLine<'a>>>>,
    pub promised_ship_by: Option<Scalar<'a>>,
    pub promised_deliver_by: Option<Scalar<'a>>,
    pub attributes: Option<Shaped<ToldAttributes<'a>>>,
    pub payment_id: Option<Scalar<'a>>,
    pub capture_id: Option<Scalar<'a>>,
    pub amount: Option<Shaped<ToldMoney<'a>>>,
    pub fee: Option<Shaped<ToldMoney<'a>>>,
    pub fulfillment_id: Option<Scalar<'a>>,
    pub reason: Option<Scalar<'a>>,
}

impl<'a> Told<'a> {
    /// A field of an event that may be the id of what the event is about too; `None` for any other name.
    pub fn id_named(&self, field: &str) -> Option<&Option<Scalar<'a>>> {
        Some(match field {
            "order_id" => &self.order_id,
            "payment_id" => &self.payment_id,
            "capture_id" => &self.capture_id,
            "fulfillment_id" => &self.fulfillment_id,
            _ => return None,
        })
    }
}

/// A value where a scalar is expected. Arrays and objects were read past.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    /// Any other number: a fraction, an exponent, or beyond 64 bits.
    Decimal(f64),
    Text(Cow<'a, str>),
    Array,
    Object,
}

/// A value where an object or an array is expected.
#[derive(Debug)]
pub(super) enum Shaped<T> {
    Null,
    As(T),
    Other(Scalar<'static>),
}

/// `total`, `amount` and `fee`.
#[derive(Debug, Default)]
pub(super) struct ToldMoney<'a> {
    pub amount_minor: Option<Scalar<'a>>,
    pub currency: Option<Scalar<'a>>,
}

/// One of `lines`.
#[derive(Debug, Default)]
pub(super) struct ToldLine<'a> {
    pub sku: Option<Scalar<'a>>,
    pub quantity: Option<Scalar<'a>>,
    /// Set where the line is no object.
    pub not_an_object: Option<Scalar<'static>>,
}

/// `attributes`: names and values in the value's order.
pub(super) type ToldAttributes<'a> = AtMost<(Cow<'a, str>, Scalar<'a>)>;

/// A list that keeps no more than a bound and counts the rest.
#[derive(Debug)]
pub(super) struct AtMost<T> {
    pub items: Vec<T>,
    pub count: usize,
    bound: usize,
}

impl<T> AtMost<T> {
    pub fn new(bound: usize) -> Self {
        AtMost { items: Vec::new(), count: 0, bound }
    }

    pub fn push(&mut self, item: T) {
        self.count += 1;
        if self.count <= self.bound {
            self.items.push(item);
        }
    }
}

impl Scalar<'_> {
    /// The same without its borrow; a text is cut to what a detail shows.
    pub fn shown(&self) -> Scalar<'static> {
        match self {
            Scalar::Null => Scalar::Null,
            Scalar::Bool(b) => Scalar::Bool(*b),
            Scalar::Integer(i) => Scalar::Integer(*i),
            Scalar::Decimal(d) => Scalar::Decimal(*d),
            Scalar::Text(t) => Scalar::Text(Cow::Owned(t.chars().take(50).collect())),
            Scalar::Array => Scalar::Array,
            Scalar::Object => Scalar::Object,
        }
    }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Null => f.write_str("null"),
            Scalar::Bool(b) => write!(f, "{b}"),
            Scalar::Integer(i) => write!(f, "{i}"),
            // As Rust prints a float: 12345.0 keeps its fraction, 1e300 its exponent.
            Scalar::Decimal(d) => write!(f, "{d:?}"),
            Scalar::Text(t) => write!(f, "{}", Quoted(t)),
            Scalar::Array => f.write_str("an array"),
            Scalar::Object => f.write_str("an object"),
        }
    }
}
