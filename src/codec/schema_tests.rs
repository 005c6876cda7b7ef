//! The JSON Schemas below proto/ say what the codec reads and writes.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::event::garbage_tests::{as_json, event, read};
use super::exception::tests::exception;
use super::{Format, encode_exception, samples};
use crate::domain::{Entity, Exception, Subject, Timestamp};

fn schema(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn event_schema() -> Value {
    schema(include_str!("../../proto/orderwatch/v1/event.schema.json"))
}

fn exception_schema() -> Value {
    schema(include_str!("../../proto/orderwatch/v1/exception.schema.json"))
}

/// Why `value` does not fit `schema`; a keyword that is not known here panics, so nothing is passed unread.
fn misfit(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let rules = schema.as_object().unwrap();
    rules.iter().find_map(|(keyword, rule)| {
        let fits = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                return misfit(root, root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap(), value);
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|schema| misfit(root, schema, value).is_none()),
            "not" => misfit(root, rule, value).is_some(),
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => match rule {
                Value::Array(names) => names.iter().any(|name| has_type(name, value)),
                name => has_type(name, value),
            },
            "minimum" => value.as_i64().is_none_or(|i| i >= rule.as_i64().unwrap()),
            "minLength" => value.as_str().is_none_or(|s| s.chars().count() as u64 >= rule.as_u64().unwrap()),
            "maxLength" => value.as_str().is_none_or(|s| s.chars().count() as u64 <= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|a| a.len() as u64 <= rule.as_u64().unwrap()),
            "maxProperties" => value.as_object().is_none_or(|o| o.len() as u64 <= rule.as_u64().unwrap()),
            "format" if rule == "date-time" => value.as_str().is_none_or(|s| Timestamp::parse_rfc3339(s).is_ok()),
            "items" => return value.as_array()?.iter().find_map(|item| misfit(root, rule, item)),
            "required" => value
                .as_object()
                .is_none_or(|o| rule.as_array().unwrap().iter().all(|k| o.contains_key(k.as_str().unwrap()))),
            "properties" => {
                let named = rule.as_object().unwrap();
                return named.iter().find_map(|(name, schema)| misfit(root, schema, value.get(name)?));
            }
            "additionalProperties" => return value.as_object()?.values().find_map(|v| misfit(root, rule, v)),
            "propertyNames" => {
                return value.as_object()?.keys().find_map(|name| misfit(root, rule, &Value::from(name.as_str())));
            }
            unknown => panic!("teach this test the keyword {unknown}"),
        };
        (!fits).then(|| format!("{value} does not fit {keyword} {rule}"))
    })
}

fn has_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("no JSON type: {unknown}"),
    }
}

fn properties(schema: &Value) -> &Map<String, Value> {
    schema["properties"].as_object().unwrap()
}

proptest! {
    #[test]
    fn what_is_written_fits(exception in exception()) {
        let schema = exception_schema();
        let value: Value = serde_json::from_slice(&encode_exception(&exception, Format::Json)).unwrap();
        prop_assert_eq!(misfit(&schema, &schema, &value), None);
        prop_assert!(value.as_object().unwrap().keys().all(|name| properties(&schema).contains_key(name)));
    }

    #[test]
    fn what_is_read_fits(event in event()) {
        let schema = event_schema();
        let value = as_json(&event);
        if read(Format::Json, event.order_id.as_bytes(), value.to_string().as_bytes()).is_ok() {
            // To the codec an empty string is the same as none; to the schema it is a string.
            prop_assert_eq!(misfit(&schema, &schema, &value), None);
        }
    }
}

#[test]
fn the_schema_of_events_refuses_what_the_codec_refuses() {
    let schema = event_schema();
    let good = r#"{"event_id":"e","order_id":"o-1","type":"order.placed""#;
    let fits =
        |more: &str| misfit(&schema, &schema, &serde_json::from_str(&format!("{good}{more}}}")).unwrap()).is_none();
    assert!(fits("") && fits(r#","event_time":1795255200000,"promised_ship_by":null,"unknown":[[]]"#));
    for bad in [
        r#","source":7"#,
        r#","event_time":"2026-11-21 10:00""#,
        r#","event_time":1.5"#,
        r#","total":{"amount_minor":1.0,"currency":"EUR"}"#,
        r#","total":{"amount_minor":-1,"currency":"EUR"}"#,
        r#","amount":{"amount_minor":1}"#,
        r#","lines":[{"sku":"a","quantity":-1}]"#,
        r#","lines":[{"sku":"","quantity":1}]"#,
        r#","lines":{}"#,
        r#","attributes":{"a":[]}"#,
        r#","payment_id":12"#,
    ] {
        assert!(!fits(bad), "{bad}");
        assert!(read(Format::Json, b"o-1", format!("{good}{bad}}}").as_bytes()).is_err(), "{bad}");
    }
    let computed = serde_json::json!({"event_id": "e", "order_id": "o-1", "type": "order.paid_in_full"});
    assert!(misfit(&schema, &schema, &computed).is_some());
}

/// Both descriptions of the contract name the same fields.
#[test]
fn schemas_and_protobuf_name_the_same_fields() {
    for (schema, proto, message) in [
        (event_schema(), include_str!("../../proto/orderwatch/v1/event.proto"), "message OrderEvent {"),
        (exception_schema(), include_str!("../../proto/orderwatch/v1/exception.proto"), "message Exception {"),
    ] {
        let body = proto.split_once(message).unwrap().1.split_once("\n}").unwrap().0;
        let fields = body.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let mut fields: Vec<&str> = fields.filter_map(|l| l.split_once(" = ")?.0.rsplit(' ').next()).collect();
        // In JSON a promise is withdrawn by null.
        fields.retain(|name| !name.ends_with("_withdrawn"));
        // And the field of another entity's id has the name that its stream gives it.
        fields.retain(|name| *name != "id" || message != "message OrderEvent {");
        fields.sort_unstable();
        let mut named: Vec<&str> = properties(&schema).keys().map(String::as_str).collect();
        named.sort_unstable();
        assert_eq!(named, fields, "{message}");
    }
}

#[test]
fn the_samples_say_all_that_the_schema_names() {
    let schema = exception_schema();
    let moved = Exception { earlier_routes: vec!["ops".into()], ..samples::sla() };
    let of_a_parcel = Exception { fulfillment_id: Some("f-1".into()), ..samples::sla() };
    let of_a_checkout = Exception { subject: Subject::of(&Entity::named("checkout"), "c-1".into()), ..samples::sla() };
    let all = [moved, of_a_parcel, of_a_checkout, samples::backlog(), samples::reconciliation()];
    let values = all.map(|e| serde_json::from_slice::<Value>(&encode_exception(&e, Format::Json)).unwrap());
    let unsaid = properties(&schema).keys().filter(|name| values.iter().all(|v| v.get(name.as_str()).is_none()));
    assert_eq!(unsaid.collect::<Vec<_>>(), Vec::<&String>::new());
}
