//! JSON -> [`Told`], in one pass: no tree is built, strings are borrowed, what is unknown is read past.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::rules::{MAX_ATTRIBUTES, MAX_LINES};
use super::told::{AtMost, Scalar, Shaped, Told, ToldAttributes, ToldLine, ToldMoney};
use crate::codec::malformed::{Malformed, MalformedCode, Quoted};

/// Arrays and objects within each other, in a field that is not ours to read.
const MAX_DEPTH: usize = 100;

/// How the error begins that [`Skipped`] makes.
const TOO_DEEP: &str = "nested deeper";

/// `id`: the field that holds the id, where that is not orders' own.
pub(super) fn read<'a>(value: &'a [u8], id: Option<&str>) -> Result<Told<'a>, Malformed> {
    let text = std::str::from_utf8(value).map_err(|e| {
        let detail = format!("the value is not UTF-8: the first bad byte is at {}", e.valid_up_to());
        Malformed::new(MalformedCode::NotUtf8, detail)
    })?;
    let mut json = serde_json::Deserializer::from_str(text);
    let mut told = EventVisitor { id }.deserialize(&mut json).map_err(|e| refuse(&e, text))?;
    json.end().map_err(|e| refuse(&e, text))?;
    // A field that says something of its own may be the id too.
    if let Some(also) = id.and_then(|id| told.id_named(id)) {
        told.id = also.clone();
    }
    Ok(told)
}

/// Every visitor here takes whatever JSON there is, so errors about data are the few that this file makes itself.
fn refuse(error: &serde_json::Error, text: &str) -> Malformed {
    let said = error.to_string();
    let code = match error.classify() {
        Category::Data if said.starts_with("duplicate field") => MalformedCode::DuplicateField,
        Category::Data if said.starts_with(TOO_DEEP) => MalformedCode::TooDeep,
        Category::Data => MalformedCode::WrongType,
        Category::Syntax if said.starts_with("number out of range") => MalformedCode::WrongType,
        Category::Syntax | Category::Eof | Category::Io => MalformedCode::NotJson,
    };
    Malformed::new(code, format!("{said}; the value begins with {}", Quoted(text)))
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    EventId,
    OrderId,
    Type,
    EventTime,
    Source,
    Total,
    Lines,
    PromisedShipBy,
    PromisedDeliverBy,
    Attributes,
    PaymentId,
    CaptureId,
    Amount,
    Fee,
    FulfillmentId,
    Reason,
    #[serde(other)]
    Unknown,
}

/// Any other object's key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Fills a field that may be there once.
fn set<T, E: Error>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    if slot.replace(value).is_some() { Err(E::duplicate_field(name)) } else { Ok(()) }
}

/// An event's key: one of the fields that every stream has, or the one that holds this stream's id.
enum Named {
    Field(Field),
    Id,
}

/// Tells a [`Named`] by the stream's own field.
#[derive(Clone, Copy)]
struct Naming<'i>(Option<&'i str>);

impl<'de> DeserializeSeed<'de> for Naming<'_> {
    type Value = Named;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Named, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Naming<'_> {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Named, E> {
        match Field::deserialize(name.into_deserializer())? {
            Field::Unknown if self.0 == Some(name) => Ok(Named::Id),
            field => Ok(Named::Field(field)),
        }
    }
}

struct EventVisitor<'i> {
    id: Option<&'i str>,
}

impl<'de> DeserializeSeed<'de> for EventVisitor<'_> {
    type Value = Told<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Told<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EventVisitor<'_> {
    type Value = Told<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Told<'de>, A::Error> {
        let mut told = Told::default();
        while let Some(named) = map.next_key_seed(Naming(self.id))? {
            let field = match named {
                Named::Field(field) => field,
                Named::Id if told.id.is_none() => {
                    told.id = Some(map.next_value()?);
                    continue;
                }
                Named::Id => {
                    let name = self.id.unwrap_or_default();
                    return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
                }
            };
            match field {
                Field::EventId => set(&mut told.event_id, "event_id", map.next_value()?)?,
                Field::OrderId => set(&mut told.order_id, "order_id", map.next_value()?)?,
                Field::Type => set(&mut told.kind, "type", map.next_value()?)?,
                Field::EventTime => set(&mut told.event_time, "event_time", map.next_value()?)?,
                Field::Source => set(&mut told.source, "source", map.next_value()?)?,
                Field::Total => set(&mut told.total, "total", map.next_value()?)?,
                Field::Lines => set(&mut told.lines, "lines", map.next_value()?)?,
                Field::PromisedShipBy => set(&mut told.promised_ship_by, "promised_ship_by", map.next_value()?)?,
                Field::PromisedDeliverBy => {
                    set(&mut told.promised_deliver_by, "promised_deliver_by", map.next_value()?)?
                }
                Field::Attributes => set(&mut told.attributes, "attributes", map.next_value()?)?,
                Field::PaymentId => set(&mut told.payment_id, "payment_id", map.next_value()?)?,
                Field::CaptureId => set(&mut told.capture_id, "capture_id", map.next_value()?)?,
                Field::Amount => set(&mut told.amount, "amount", map.next_value()?)?,
                Field::Fee => set(&mut told.fee, "fee", map.next_value()?)?,
                Field::FulfillmentId => set(&mut told.fulfillment_id, "fulfillment_id", map.next_value()?)?,
                Field::Reason => set(&mut told.reason, "reason", map.next_value()?)?,
                Field::Unknown => {
                    map.next_value::<Skipped>()?;
                }
            }
        }
        Ok(told)
    }
}

/// A value that is read past. serde_json does so without recursion; what is nested absurdly is refused all the same,
/// because nobody downstream could read it.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        // Each level takes two bytes, so that short values need no second look.
        if raw.len() > 2 * MAX_DEPTH && depth(raw) > MAX_DEPTH {
            return Err(D::Error::custom(format_args!("{TOO_DEEP} than {MAX_DEPTH} arrays or objects")));
        }
        Ok(Skipped)
    }
}

/// How deep valid JSON is nested.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The visits that every visitor of a whole value answers alike: `$wrap` makes its value of a [`Scalar`].
macro_rules! visit_scalars {
    ($lifetime:lifetime, $wrap:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::Null))
        }
        fn visit_bool<E>(self, b: bool) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::Bool(b)))
        }
        fn visit_i64<E>(self, i: i64) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::Integer(i)))
        }
        fn visit_u64<E>(self, u: u64) -> Result<Self::Value, E> {
            Ok($wrap(i64::try_from(u).map_or(Scalar::Decimal(u as f64), Scalar::Integer)))
        }
        fn visit_f64<E>(self, d: f64) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::Decimal(d)))
        }
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::Text(Cow::Owned(text.to_owned()))))
        }
        fn visit_borrowed_str<E>(self, text: &$lifetime str) -> Result<Self::Value, E> {
            Ok($wrap(Scalar::Text(Cow::Borrowed(text))))
        }
    };
}

fn skip_array<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_object<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar<'de>;
            visit_scalars!('de, std::convert::identity);
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                skip_array(seq).map(|()| Scalar::Array)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                skip_object(map).map(|()| Scalar::Object)
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

fn other<T>(scalar: Scalar<'_>) -> Shaped<T> {
    if scalar == Scalar::Null { Shaped::Null } else { Shaped::Other(scalar.shown()) }
}

impl<'de> Deserialize<'de> for Shaped<ToldMoney<'de>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MoneyVisitor;
        impl<'de> Visitor<'de> for MoneyVisitor {
            type Value = Shaped<ToldMoney<'de>>;
            visit_scalars!('de, other);
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                skip_array(seq).map(|()| Shaped::Other(Scalar::Array))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut money = ToldMoney::default();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    match key.0.as_ref() {
                        "amount_minor" => set(&mut money.amount_minor, "amount_minor", map.next_value()?)?,
                        "currency" => set(&mut money.currency, "currency", map.next_value()?)?,
                        _ => {
                            map.next_value::<Skipped>()?;
                        }
                    }
                }
                Ok(Shaped::As(money))
            }
        }
        deserializer.deserialize_any(MoneyVisitor)
    }
}

impl<'de> Deserialize<'de> for ToldLine<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn not_an_object<'a>(scalar: Scalar<'_>) -> ToldLine<'a> {
            ToldLine { not_an_object: Some(scalar.shown()), ..ToldLine::default() }
        }
        struct LineVisitor;
        impl<'de> Visitor<'de> for LineVisitor {
            type Value = ToldLine<'de>;
            visit_scalars!('de, not_an_object);
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                skip_array(seq).map(|()| not_an_object(Scalar::Array))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut line = ToldLine::default();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    match key.0.as_ref() {
                        "sku" => set(&mut line.sku, "sku", map.next_value()?)?,
                        "quantity" => set(&mut line.quantity, "quantity", map.next_value()?)?,
                        _ => {
                            map.next_value::<Skipped>()?;
                        }
                    }
                }
                Ok(line)
            }
        }
        deserializer.deserialize_any(LineVisitor)
    }
}

impl<'de> Deserialize<'de> for Shaped<AtMost<ToldLine<'de>>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LinesVisitor;
        impl<'de> Visitor<'de> for LinesVisitor {
            type Value = Shaped<AtMost<ToldLine<'de>>>;
            visit_scalars!('de, other);
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut lines = AtMost::new(MAX_LINES);
                while let Some(line) = seq.next_element()? {
                    lines.push(line);
                }
                Ok(Shaped::As(lines))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                skip_object(map).map(|()| Shaped::Other(Scalar::Object))
            }
        }
        deserializer.deserialize_any(LinesVisitor)
    }
}

impl<'de> Deserialize<'de> for Shaped<ToldAttributes<'de>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AttributesVisitor;
        impl<'de> Visitor<'de> for AttributesVisitor {
            type Value = Shaped<ToldAttributes<'de>>;
            visit_scalars!('de, other);
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                skip_array(seq).map(|()| Shaped::Other(Scalar::Array))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut attributes = AtMost::new(MAX_ATTRIBUTES);
                while let Some((Key(name), value)) = map.next_entry()? {
                    attributes.push((name, value));
                }
                Ok(Shaped::As(attributes))
            }
        }
        deserializer.deserialize_any(AttributesVisitor)
    }
}
