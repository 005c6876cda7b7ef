use super::*;
use crate::domain::Currency;

/// An order with a bit of everything. `price` is 5.0, `items` is 3, `express` is true, `gone` is null.
pub(super) fn with_known_order<T>(ask: impl FnOnce(&ConditionInput<'_>) -> T) -> T {
    let attributes = [
        ("channel", AttributeValue::Text("web".into())),
        ("express", AttributeValue::Bool(true)),
        ("gone", AttributeValue::Null),
        ("items", AttributeValue::Integer(3)),
        ("price", AttributeValue::Decimal(5.0)),
        ("ware-house", AttributeValue::Text("BER-1".into())),
    ]
    .map(|(name, value)| (Str::new(name), value));
    let lines = [Line { sku: "A-1".into(), quantity: 2 }, Line { sku: "B-2".into(), quantity: 1 }];
    ask(&ConditionInput {
        id: "o-1",
        source: Some("webshop"),
        total: Some(Money { amount_minor: 12_345, currency: Currency::parse("EUR").unwrap() }),
        lines: &lines,
        attributes: &attributes,
    })
}

pub(super) fn holds(text: &str) -> bool {
    with_known_order(|order| compiled(text).holds(order))
}

/// The same for an order of which nothing is known but its id.
pub(super) fn holds_of_nothing(text: &str) -> bool {
    compiled(text).holds(&ConditionInput { id: "o-1", source: None, total: None, lines: &[], attributes: &[] })
}

fn compiled(text: &str) -> Condition {
    Condition::compile(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn what_holds() {
    for text in [
        r#"order.attributes.channel == "web""#,
        r#"order.attributes["channel"] == 'web'"#,
        r#"order.attributes["ware-house"].startsWith("BER")"#,
        r#"order.attributes.channel != "shop""#,
        r#"order.attributes.channel in ["web", "app"]"#,
        r#"!(order.attributes.channel in ["app"])"#,
        r#""channel" in order.attributes"#,
        r#"!("gone" in order.attributes)"#,
        "has(order.attributes.channel) && has(order.total) && has(order.source) && has(order.lines)",
        "!has(order.attributes.gone) && !has(order.attributes.nothing)",
        "order.attributes.express",
        "order.attributes.items == 3 && order.attributes.items == 3.0 && order.attributes.price == 5",
        "order.attributes.items < 3.5 && order.attributes.price > 4 && -order.attributes.items == -3",
        "order.total.amount_minor >= 12345 && order.total.amount_minor < 12345.5",
        r#"order.total.currency == "EUR" && order.id == "o-1" && order.source == "webshop""#,
        "order.total.amount_minor / 100 == 123 && order.total.amount_minor % 100 == 45",
        "order.attributes.price / 2 == 2.5 && 1 + 2 * 3 - 1 == 6",
        r#"order.id + "/" + order.source == "o-1/webshop""#,
        "size(order.lines) == 2 && order.lines.size() == 2 && size(order.attributes.channel) == 3",
        r#"order.lines[0].sku == "A-1" && order.lines[1].quantity == 1"#,
        r#"order.lines.exists(l, l.sku == "B-2" && l.quantity >= 1)"#,
        "order.lines.all(l, l.quantity > 0) && order.lines.exists_one(l, l.quantity == 2)",
        r#"order.lines.filter(l, l.quantity > 1).size() == 1"#,
        r#"order.lines.map(l, l.sku) == ["A-1", "B-2"] && "B-2" in order.lines.map(l, l.sku)"#,
        r#"order.lines.filter(l, l.quantity > 1).exists(l, l.sku.endsWith("-1"))"#,
        r#"["A-1", "X"].exists(s, s == order.lines[0].sku)"#,
        "order.attributes.express ? order.attributes.items == 3 : false",
        "(order.attributes.express ? 1 : 2) == 1",
        r#"order.attributes.channel.contains("e") && "webshop".startsWith(order.attributes.channel)"#,
        "true && !false",
        // CEL defines equality over types; ordering is not defined, and false either way.
        r#"order.attributes.items != "3" && !(order.attributes.items == "3")"#,
        r#"!(order.attributes.channel < 5) && !(order.attributes.channel >= 5)"#,
    ] {
        assert!(holds(text), "{text}");
    }
}

#[test]
fn a_comparison_of_what_is_missing_is_false_whatever_it_compares() {
    for missing in ["order.attributes.x", "order.attributes.gone", r#"order.attributes["x"]"#] {
        for comparison in ["== \"a\"", "!= \"a\"", "< 5", "<= 5", "> 5", ">= 5", "in [\"a\"]", "== order.attributes.y"]
        {
            let text = format!("{missing} {comparison}");
            assert!(!holds(&text), "{text}");
            assert!(holds(&format!("!({text})")), "!({text})");
            assert!(holds(&format!("{text} || order.attributes.items == 3")), "{text} ||");
            assert!(!holds(&format!("{text} && order.attributes.items == 3")), "{text} &&");
        }
    }
    for text in [
        "order.attributes.x",
        "order.attributes.x + 1 > 0",
        "size(order.attributes.x) == 0",
        r#"order.attributes.x.startsWith("")"#,
        r#""a".contains(order.attributes.x)"#,
        "\"a\" in order.attributes.x",
        "order.total.amount_minor > -1",
        r#"order.total.currency != "EUR""#,
        r#"order.source != "x""#,
        "has(order.total) || has(order.source) || has(order.lines) || has(order.total.currency)",
        "order.lines.exists(l, true)",
        r#"order.lines[0].sku != "x""#,
        "-order.attributes.x != 1",
        "order.attributes.x ? true : false",
    ] {
        assert!(!holds_of_nothing(text), "{text}");
        assert!(holds_of_nothing(&format!("!({text})")), "!({text})");
    }
    assert!(holds_of_nothing("order.lines.all(l, false)"), "all of none");
    assert!(holds_of_nothing("order.attributes.x ? false : true"));
}

#[test]
fn what_cel_would_call_an_error_is_no_value() {
    for text in [
        "order.total.amount_minor / 0 == 0",
        "order.total.amount_minor % 0 == 0",
        "9223372036854775807 + 1 > 0",
        "9223372036854775807 * 2 != 0",
        "-9223372036854775807 - 2 < 0",
        "1.0 / 0.0 > 0.0",
        "order.lines[2].quantity == 1",
        "order.lines[-1].quantity == 1",
        "order.attributes.channel + 1 == 1",
        "order.lines.exists(l, l == 1)",
        "[1, 2] == [1, order.attributes.x]",
        "order.attributes.channel",
        "order.attributes.items",
    ] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn whole_and_decimal_numbers_compare_exactly() {
    for text in [
        "9007199254740993 > 9007199254740992.0",
        "9007199254740993 != 9007199254740992.0",
        "9223372036854775807 < 9223372036854775808.0",
        "-9223372036854775807 > -1e300",
        "2 < 2.5 && -2 > -2.5 && 2.5 > 2 && 3 > 2.999",
        "9223372036854775807 < 1e19 && 1e19 > 9223372036854775807",
    ] {
        assert!(holds(text), "{text}");
    }
}

/// The message, and the text from where it points on.
fn refused(text: &str) -> (String, &str) {
    let e = Condition::compile(text).err().unwrap_or_else(|| panic!("{text} compiled"));
    (e.message, e.offset.map_or("?", |at| text.get(at..).unwrap_or("beyond the text")))
}

#[test]
fn what_an_order_does_not_have_is_refused_where_it_stands() {
    let has = "an order has id, source, total.amount_minor, total.currency, lines (each with sku and quantity) and attributes.NAME";
    let functions = "there are has, size, startsWith, endsWith, contains, all, exists, exists_one, filter and map";
    let rows: &[(&str, &str, &str)] = &[
        ("true && order.foo == 1", &format!("unknown name `order.foo`: {has}"), ".foo == 1"),
        ("order.total.value > 1", &format!("unknown name `order.total.value`: {has}"), ".value > 1"),
        ("order == 1", has, "order == 1"),
        ("customer.vip", "unknown name `customer`: a condition sees `order`", "customer.vip"),
        ("true && vip", "unknown name `vip`: a condition sees `order`", "vip"),
        ("order.total > 5", "a total has amount_minor and currency; compare one of them", ".total > 5"),
        ("order.attributes == 5", "name an attribute: attributes.NAME or attributes[\"NAME\"]", ".attributes == 5"),
        ("order.attributes.a.b == 5", "the attribute `a` is one value, without fields", ".b == 5"),
        ("order.attributes[order.id] == 5", "expected an attribute's name as a text", ".id] == 5"),
        ("order.attributes.a == null", "null is the same as missing: ask `has(order.attributes.NAME)`", "null"),
        ("now() > 5", &format!("unknown function `now` of 0 arguments: {functions}"), "() > 5"),
        ("order.id.matches('a')", &format!("unknown function `matches` of 1 arguments: {functions}"), "('a')"),
        ("order.lines.exists(l, l.price > 1)", "unknown field `price`: a line has sku and quantity", ".price > 1)"),
        (
            "order.lines.exists(l, order.lines.exists(m, m == l))",
            "a macro inside another would look at every pair of lines",
            "m, m == l))",
        ),
        (
            "order.lines.exists(order, true)",
            "expected a name for the element, such as `l` in `order.lines.exists(l, …)`",
            "order, true)",
        ),
        ("has(order.lines[0].sku)", "has() asks for a part of it, such as `has(order.attributes.channel)`", ".sku)"),
        ("order.total.amount_minor + 1", "expected something that is true or false", "+ 1"),
        ("order.id && true", "expected something that is true or false", ".id && true"),
        ("!order.lines", "expected something that is true or false", ".lines"),
        ("\"web\"", "expected something that is true or false", "\"web\""),
        ("{'a': 1} == 1", "this part of CEL has no use in a condition", "{'a': 1} == 1"),
        ("b'a' == 1", "there are no bytes to compare with", "b'a' == 1"),
        (
            "18446744073709551615u == 1",
            "this number is larger than 64 bits with a sign hold",
            "18446744073709551615u == 1",
        ),
        ("order.attributes.größe == 'ü'", "this is not CEL: token recognition error at: 'ö'", "öße == 'ü'"),
        ("order.attributes['größe'] == 'ü' && x", "unknown name `x`: a condition sees `order`", "x"),
    ];
    for (text, message, from) in rows {
        assert_eq!(refused(text), ((*message).to_owned(), *from), "{text}");
    }
}

#[test]
fn what_is_not_cel_is_refused_where_it_breaks() {
    for text in [
        "",
        " ",
        "order.",
        "order.attributes.channel = \"web\"",
        "a &&",
        "(true",
        "true)",
        "\"web",
        "order.?id",
        "1 ==",
        "order..id",
        "\u{0}",
        "a b",
        "99999999999999999999 == 1",
    ] {
        let e = Condition::compile(text).expect_err(text);
        assert!(e.offset.is_none_or(|at| at <= text.len()), "{text}: {e:?}");
        assert!(!e.message.is_empty());
    }
    let (message, from) = refused("order.attributes.channel = \"web\"");
    assert!(message.starts_with("this is not CEL: "), "{message}");
    assert_eq!(from, "= \"web\"");
    assert_eq!(refused("order.attributes['größe'] == 'ü' &&\n  1 == 'ß' = true").1, "= true");
}

#[test]
fn long_and_deep_texts_are_refused_or_read_and_never_overflow_the_stack() {
    let repeated = [
        ("(", "true", ")"),
        ("!", "true", ""),
        ("-", "1 == 1", ""),
        ("[", "1", "] == [1]"),
        ("1+", "1 == 1", ""),
        ("", "order.attributes", ".a"),
        ("", "order.lines", "[0]"),
        ("", "order.id", ".size()"),
        ("true ? true : ", "true", ""),
        ("true && ", "true", ""),
        ("true && (", "true", ")"),
        ("has(", "order.id", ")"),
        ("{1:", "1", "}"),
        ("a{b:", "1", "}"),
        ("1 in ", "[1]", ""),
        ("1 == ", "1", ""),
        ("order.lines.filter(l, ", "true", ").size() == 1"),
    ];
    for (before, middle, after) in repeated {
        for times in [2, 20, 40, 100, 600, 4000] {
            let text = format!("{}{middle}{}", before.repeat(times), after.repeat(times));
            let started = std::time::Instant::now();
            if let Ok(condition) = Condition::compile(&text) {
                let empty = ConditionInput { id: "o", source: None, total: None, lines: &[], attributes: &[] };
                condition.holds(&empty);
            }
            let took = started.elapsed();
            assert!(took.as_secs() < 5, "{before}…{after} x {times} took {took:?}");
        }
    }
    assert!(holds(&vec!["order.attributes.channel == \"web\""; 100].join(" && ")), "a long chain is one level");
}
