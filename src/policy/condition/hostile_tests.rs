//! Conditions that somebody wrote to do harm: whatever they say, they are read or refused, and evaluated,
//! in time.

use std::time::{Duration, Instant};

use super::eval::{STEPS_MAX, holds_within};
use super::tests::holds;
use super::*;

/// Generous: they take some hundred milliseconds at most, unoptimised, on a machine that has time.
const LONG: Duration = Duration::from_secs(2);

fn within<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let value = work();
    let took = started.elapsed();
    let start: String = what.chars().take(60).collect();
    assert!(took < LONG, "{start} took {took:?}");
    value
}

/// Repeats a text as often as a condition may be long.
fn as_often_as_fits(part: &str, last: &str) -> String {
    part.repeat((TEXT_BYTES_MAX - last.len()) / part.len()) + last
}

/// An order as large as one may be: 10,000 lines, and its attributes' 128 KiB in two texts that differ in their last byte.
fn of_a_large_order<T>(ask: impl FnOnce(&ConditionInput<'_>) -> T) -> T {
    let lines: Vec<Line> = (0..10_000).map(|n| Line { sku: Str::new(format!("SKU-{n}")), quantity: n }).collect();
    let text = |last: &str| AttributeValue::Text(Str::new("a".repeat((64 << 10) - 1) + last));
    let attributes = [(Str::new("big"), text("a")), (Str::new("bog"), text("b"))];
    ask(&ConditionInput { id: "o-1", source: None, total: None, lines: &lines, attributes: &attributes })
}

#[test]
fn a_long_text_is_refused_before_it_is_read() {
    for text in ["a".repeat(64 << 20), "(".repeat(8 << 20), format!("order.id == \"{}\"", "x".repeat(8 << 20))] {
        let refused = within(&text, || Condition::compile(&text).unwrap_err());
        assert_eq!(refused.message, "a condition has at most 4096 bytes");
    }
    let text = |length: usize| format!("order.id == \"{}\"", "x".repeat(length));
    let frame = text(0).len();
    assert!(Condition::compile(&text(TEXT_BYTES_MAX - frame)).is_ok());
    assert!(Condition::compile(&text(TEXT_BYTES_MAX - frame + 1)).is_err());
}

#[test]
fn what_is_nested_is_bounded_to_the_level() {
    let nested = |levels: usize| format!("{}true{}", "(".repeat(levels), ")".repeat(levels));
    assert!(holds(&nested(DEPTH_MAX)));
    let refused = Condition::compile(&nested(DEPTH_MAX + 1)).unwrap_err();
    assert!(refused.message.starts_with("a condition nests at most 32 deep"), "{}", refused.message);
    assert_eq!(refused.offset, Some(DEPTH_MAX));

    let negated = |levels: usize| format!("{}true", "!".repeat(levels));
    assert!(Condition::compile(&negated(600)).unwrap_err().message.starts_with("a condition has at most 500 dots"));
    for levels in [10, 30, 32, 100, 500] {
        within("!!!", || Condition::compile(&negated(levels)).is_ok());
    }
}

#[test]
fn a_chain_as_long_as_fits_is_one_level_and_is_evaluated() {
    for (part, last, expected) in [
        ("false||", "true", true),
        ("true&&", "false", false),
        ("false||true&&", "true", true),
        ("order.id==\"o-2\"||", "order.id==\"o-1\"", true),
        ("order.id in[\"x\"]||", "true", true),
    ] {
        let text = as_often_as_fits(part, last);
        match within(&text, || Condition::compile(&text)) {
            Ok(_) => assert_eq!(within(&text, || holds(&text)), expected, "{part}"),
            Err(e) => assert!(e.message.starts_with("a condition has at most 500 dots"), "{part}: {e}"),
        }
    }
    let list = format!("order.id in [{}\"o-1\"]", "\"x\",".repeat(1000));
    assert!(within(&list, || holds(&list)));
}

#[test]
fn what_the_parser_may_find_hard_is_read_or_refused_in_time() {
    let parts = [
        "(",
        "[",
        "{",
        "((",
        "([",
        "!",
        "-",
        "!-",
        "--",
        "a.",
        "a(",
        "a[",
        "a?",
        "a?b:",
        "1?1:",
        "{1:",
        "a{",
        "a{b:",
        "\"",
        "'",
        "r\"",
        "b\"",
        "\"\"\"",
        "\\",
        "\"\\u",
        "0x",
        "1e",
        "1.",
        "..",
        "//",
        "/*",
        ",",
        ":",
        "=",
        "==",
        "<=",
        "&",
        "&&",
        "|",
        "||",
        "?",
        "in ",
        " in",
        "true in ",
        "has(",
        "size(",
        "a.size(",
        "a.exists(b,",
        "\u{0}",
        "\u{feff}",
        "ü",
        "\n",
        "\r\n",
        "\t",
        "`",
        "$",
        "#",
        "@",
        "9",
        "order.",
        "order[",
        "order.lines.map(l,",
        "order.lines[0].",
        "a<b>",
        "a<",
        "\"\"+",
        "[],",
        "[[],",
        "null==",
        "a ? b : (",
        "(a)?(b):",
    ];
    for part in parts {
        for times in [7, 33, 150, TEXT_BYTES_MAX / part.len()] {
            for last in ["", "true"] {
                let text = part.repeat(times) + last;
                if let Ok(condition) = within(&text, || Condition::compile(&text)) {
                    within(&text, || of_a_large_order(|order| condition.holds(order)));
                }
            }
        }
    }
}

#[test]
fn there_is_no_regex_to_explode_and_no_text_is_searched_for_long() {
    let regex = "order.attributes.big.matches(\"^(a+)+$\")";
    assert!(Condition::compile(regex).unwrap_err().message.starts_with("unknown function `matches`"));
    let contains = "order.attributes.big.contains(order.attributes.bog)||";
    let text = contains.repeat(70) + "false";
    let condition = Condition::compile(&text).unwrap();
    assert!(!within(&text, || of_a_large_order(|order| condition.holds(order))));
}

/// Each would take minutes or gigabytes if it were let.
#[test]
fn what_an_evaluation_takes_is_bounded() {
    let often = |part: &str, joined: &str| vec![part; 60].join(joined);
    let hostile = [
        // Every pair of lines.
        "order.lines.all(l, l in order.lines)".to_owned(),
        "order.lines.all(l, order.lines == order.lines)".to_owned(),
        format!("order.lines.all(l, {})", often("order.lines == order.lines", " && ")),
        // Lists of lists, and texts of texts.
        format!("order.lines.map(l, [{}]) == []", vec!["l"; 1300].join(",")),
        format!("order.lines.map(l, [[{}]][0]) == []", vec!["l"; 1300].join(",")),
        format!("order.lines.map(l, {}) == []", vec!["order.attributes.big"; 25].join(" + ")),
        format!("[{}].map(t, t + t).map(t, t + t).map(t, t + t) == []", often("order.attributes.big", ", ")),
        format!("({}) != \"\"", vec!["order.attributes.big"; 25].join(" + ")),
        // Long texts that are nearly alike.
        format!("order.lines.all(l, {})", often("order.attributes.big != order.attributes.bog", " && ")),
        format!("order.lines.exists(l, {})", often("order.attributes.big.contains(order.attributes.bog)", " || ")),
        format!("order.lines.exists(l, {})", often("size(order.attributes.big) == 0", " || ")),
        format!("[order.attributes.big].all(t, order.lines.size() > 0 && {})", often("t == t", " && ")),
        // Much, but no more than there may be.
        format!("order.lines.all(l, {})", often("l.quantity >= 0", " && ")),
        "order.lines.filter(l, true).filter(l, true).filter(l, true).map(l, l.sku).size() == 1".to_owned(),
    ];
    for text in &hostile {
        let condition = Condition::compile(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        of_a_large_order(|order| {
            let (truth, left) = within(text, || holds_within(STEPS_MAX, &condition.expr, order));
            assert!(left > 0 || !truth, "{text}: what did not end does not hold");
        });
    }
}

#[test]
fn what_takes_more_steps_than_there_are_does_not_hold_and_what_takes_fewer_does() {
    let pairs = Condition::compile("order.lines.all(l, l in order.lines)").unwrap();
    let never = Condition::compile("!order.lines.all(l, l in order.lines)").unwrap();
    of_a_large_order(|order| {
        assert_eq!(holds_within(STEPS_MAX, &pairs.expr, order), (false, 0));
        assert!(!never.holds(order), "nor does its opposite");
        let few = ConditionInput { lines: order.lines.get(..100).unwrap_or_default(), ..*order };
        assert!(pairs.holds(&few) && !never.holds(&few));
    });
    // What people write costs a handful for each line.
    let plain =
        Condition::compile("order.lines.exists(l, l.sku == \"SKU-9999\" && l.quantity > order.lines[0].quantity)");
    of_a_large_order(|order| {
        let (truth, left) = holds_within(STEPS_MAX, &plain.unwrap().expr, order);
        assert!(truth && left > STEPS_MAX / 10 * 8, "{left}");
    });
}
