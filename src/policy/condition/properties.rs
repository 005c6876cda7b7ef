//! What must hold of any condition: it never panics, `!` is its opposite, and the reference interpreter agrees.

use proptest::prelude::*;

use super::Condition;
use super::tests::{holds, holds_of_nothing, with_known_order};

/// The same order for the `cel` crate. Its numbers are told apart by sign, and JSON's would come unsigned.
#[derive(serde::Serialize)]
struct ReferenceOrder {
    id: &'static str,
    source: &'static str,
    total: ReferenceTotal,
    lines: [ReferenceLine; 2],
    attributes: ReferenceAttributes,
}

#[derive(serde::Serialize)]
struct ReferenceTotal {
    amount_minor: i64,
    currency: &'static str,
}

#[derive(serde::Serialize)]
struct ReferenceLine {
    sku: &'static str,
    quantity: i64,
}

#[derive(serde::Serialize)]
struct ReferenceAttributes {
    channel: &'static str,
    express: bool,
    items: i64,
    price: f64,
}

/// What the `cel` crate's own interpreter says of it; `None` where it says neither true nor false.
fn reference(text: &str) -> Option<bool> {
    let order = ReferenceOrder {
        id: "o-1",
        source: "webshop",
        total: ReferenceTotal { amount_minor: 12_345, currency: "EUR" },
        lines: [ReferenceLine { sku: "A-1", quantity: 2 }, ReferenceLine { sku: "B-2", quantity: 1 }],
        attributes: ReferenceAttributes { channel: "web", express: true, items: 3, price: 5.0 },
    };
    let mut context = cel::Context::default();
    context.add_variable_from_value("order", cel::to_value(order).unwrap());
    match cel::Program::compile(text).ok()?.execute(&context) {
        Ok(cel::Value::Bool(verdict)) => Some(verdict),
        _ => None,
    }
}

fn one_of(words: &[&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(words.to_vec()).prop_map(str::to_owned).boxed()
}

fn infix(
    left: BoxedStrategy<String>,
    operators: &[&'static str],
    right: BoxedStrategy<String>,
) -> BoxedStrategy<String> {
    (left, one_of(operators), right).prop_map(|(l, o, r)| format!("({l} {o} {r})")).boxed()
}

/// Conditions as people write them: mostly of types that fit, over what is there and what is missing.
fn conditions() -> impl Strategy<Value = String> {
    let number = one_of(&[
        "order.attributes.items",
        "order.attributes.price",
        "order.total.amount_minor",
        "order.attributes.x",
        "size(order.lines)",
        "order.lines[0].quantity",
        "order.lines[2].quantity",
        "3",
        "2.5",
        "-1",
        "0",
    ]);
    let number =
        prop_oneof![3 => number.clone(), 1 => infix(number.clone(), &["+", "-", "*", "/", "%"], number)].boxed();
    let text = one_of(&[
        "order.attributes.channel",
        "order.attributes.x",
        "order.id",
        "order.total.currency",
        "order.lines[0].sku",
        "\"web\"",
        "\"o-1\"",
        "\"A-1\"",
        "\"\"",
    ]);
    let list = one_of(&["[\"web\", \"A-1\"]", "order.lines.map(l, l.sku)", "[1, 2.5, \"o-1\"]", "[]"]);
    let any = prop_oneof![number.clone(), text.clone(), list.clone()].boxed();
    let comparisons = &["==", "!=", "<", "<=", ">", ">="];
    let method = one_of(&["startsWith", "endsWith", "contains"]);
    let each = one_of(&["exists", "all", "exists_one"]);
    let leaf = prop_oneof![
        4 => infix(number.clone(), comparisons, number.clone()),
        4 => infix(text.clone(), comparisons, text.clone()),
        1 => infix(any.clone(), comparisons, any),
        2 => infix(text.clone(), &["in"], list),
        2 => (text.clone(), method, text.clone()).prop_map(|(a, m, b)| format!("{a}.{m}({b})")),
        1 => (each.clone(), one_of(comparisons), number).prop_map(|(e, c, n)| format!("order.lines.{e}(l, l.quantity {c} {n})")),
        1 => (each, text).prop_map(|(e, t)| format!("order.lines.filter(l, l.quantity > 1).{e}(l, l.sku == {t})")),
        1 => one_of(&["order.attributes.express", "order.attributes.x", "true", "has(order.attributes.x)", "has(order.total.currency)"]),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            infix(inner.clone().boxed(), &["&&", "||", "==", "!="], inner.clone().boxed()),
            inner.clone().prop_map(|e| format!("!{e}")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_compiles_evaluates_and_not_is_its_opposite(text in conditions()) {
        if Condition::compile(&text).is_ok() {
            prop_assert_ne!(holds(&text), holds(&format!("!({text})")));
            let _ = holds_of_nothing(&text);
        }
    }

    /// Where the reference interpreter has a verdict, it is ours; where it has an error, ours is "no value".
    #[test]
    fn the_reference_interpreter_agrees(text in conditions()) {
        if let (Ok(condition), Some(verdict)) = (Condition::compile(&text), reference(&text)) {
            prop_assert_eq!(with_known_order(|order| condition.holds(order)), verdict, "{}", text);
        }
    }

    #[test]
    fn no_text_panics(text in "[a-z0-9.\"'()\\[\\]{}!&|=<>+*/%?:,_ ü\\\\\n-]{0,60}") {
        let _ = Condition::compile(&text);
    }
}
