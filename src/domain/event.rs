//! An event as it was read from a topic, with where and when it was read.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Milestone, Money, Str, Timestamp};

/// Which of the declared streams an event came on: its index in `streams:` of orderwatch.yaml.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u16);

/// Where a record lies. Ordered by (topic's place in `streams:`, partition, offset).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    /// The stream, and with it the topic.
    pub stream: StreamId,
    /// The topic's partition; equal to the number of the shard that holds it.
    pub partition: i32,
    /// The record's offset in that partition.
    pub offset: i64,
}

/// One line of an order or of a parcel.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Line {
    /// Stock-keeping unit.
    pub sku: Str,
    /// Pieces; never negative.
    pub quantity: i64,
}

/// What an event says of a promised date.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Promise {
    /// Nothing: the promise in force stays.
    #[default]
    Unchanged,
    /// `null`: the promise is withdrawn.
    Withdrawn,
    /// The date now promised.
    At(Timestamp),
}

/// An attribute's value: a JSON scalar. Arrays and objects are refused by the codec.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// `null`: the attribute is missing again.
    Null,
    /// A string.
    Text(Str),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other finite number.
    Decimal(f64),
}

/// The fields that only some events carry.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Details {
    /// The order's total, as a whole.
    pub total: Option<Money>,
    /// The order's lines as a whole, or a parcel's.
    pub lines: Option<Vec<Line>>,
    /// When the shop promised to hand the parcel over.
    pub promised_ship_by: Promise,
    /// When the shop promised to have it delivered.
    pub promised_deliver_by: Promise,
    /// Named values, sorted by name, each name once.
    pub attributes: Vec<(Str, AttributeValue)>,
    /// Which payment this is about.
    pub payment_id: Option<Str>,
    /// Tells two captures of one payment apart.
    pub capture_id: Option<Str>,
    /// What was authorized, captured, refunded, disputed or settled.
    pub amount: Option<Money>,
    /// What the provider kept at settlement.
    pub fee: Option<Money>,
    /// Which parcel this is about.
    pub fulfillment_id: Option<Str>,
    /// Why, in the source's words.
    pub reason: Option<Str>,
}

/// One event of one order, or of another entity that its stream is about. Its identity within that is (stream, source,
/// event_id).
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// The order (or checkout, or return) it belongs to: the Kafka record's key. Its stream says what it is.
    pub order_id: Str,
    /// The producer's own number for it.
    pub event_id: Str,
    /// The system that said it; the stream's topic where the event names none.
    pub source: Str,
    /// What happened.
    pub milestone: Milestone,
    /// When it happened, by the payload (the record's time stands in where it is missing).
    pub event_time: Timestamp,
    /// True where the record's time stands in for a missing event_time.
    pub event_time_inferred: bool,
    /// The Kafka record's own timestamp.
    pub record_time: Timestamp,
    /// Where the record lies.
    pub position: Position,
    /// The rest, boxed because most events carry little of it.
    pub details: Option<Box<Details>>,
}

impl Event {
    /// The order in which milestones are told apart: (event_time, topic, partition, offset).
    pub fn order_key(&self) -> (Timestamp, Position) {
        (self.event_time, self.position)
    }

    /// True for `order.*`: only these set totals, lines and promises.
    pub fn is_order(&self) -> bool {
        self.milestone.is_order()
    }

    /// True for `payment.*`.
    pub fn is_payment(&self) -> bool {
        self.milestone.is_payment()
    }

    /// True for `fulfillment.*`.
    pub fn is_fulfillment(&self) -> bool {
        self.milestone.is_fulfillment()
    }

    /// Which parcel it is about; `None` where it is about the whole order, as every `order.*` is, whatever it carries.
    pub fn fulfillment_id(&self) -> Option<&Str> {
        self.details.as_ref()?.fulfillment_id.as_ref().filter(|_| !self.is_order())
    }

    /// True where `other` is the same event told again: the identity DESIGN section 3 names.
    pub fn same_identity(&self, other: &Event) -> bool {
        self.position.stream == other.position.stream && self.event_id == other.event_id && self.source == other.source
    }

    /// True where a repeat says the same. Where and when it was recorded does not count, and neither does an
    /// event_time that only stands in for a missing one.
    pub fn same_content(&self, other: &Event) -> bool {
        let same_time = self.event_time_inferred && other.event_time_inferred || self.event_time == other.event_time;
        same_time && self.milestone == other.milestone && self.details == other.details
    }
}

impl AttributeValue {
    /// True for `null`, which means the same as missing.
    pub fn is_null(&self) -> bool {
        matches!(self, AttributeValue::Null)
    }
}

impl Eq for AttributeValue {}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttributeValue::Null => f.write_str("null"),
            AttributeValue::Text(s) => f.write_str(s),
            AttributeValue::Bool(b) => write!(f, "{b}"),
            AttributeValue::Integer(i) => write!(f, "{i}"),
            AttributeValue::Decimal(d) => write!(f, "{d}"),
        }
    }
}
