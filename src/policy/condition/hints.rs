//! What was probably meant by a condition that does not compile. Words alone: nothing here decides anything.

use crate::domain::Standard;

const PARTS: [&str; 5] = ["id", "source", "total", "lines", "attributes"];

/// By the unknown names after the root, which is `order` or another entity's name.
pub fn of_path(root: &str, names: &[&str]) -> Option<String> {
    let part_meant = |part: &str| meant(&format!("{root}.{part}"));
    match names {
        ["total", part] if near(part, "currency") => Some(part_meant("total.currency")),
        ["total", ..] => Some(part_meant("total.amount_minor")),
        ["lines", "size" | "length" | "count"] => Some(meant(&format!("size({root}.lines)"))),
        ["lines", ..] => Some(format!("a line is looked at by `{root}.lines.exists(l, l.sku == \"A-1\")`")),
        [part, name] if near(part, "attributes") => Some(part_meant(&format!("attributes.{name}"))),
        [name] => Some(match PARTS.into_iter().find(|part| near(name, part)) {
            Some(part) => part_meant(part),
            None if root == "order"
                && Standard::ALL.iter().any(|s| s.as_str().strip_prefix("order.") == Some(name)) =>
            {
                "a condition sees what an order has, not what became of it".to_owned()
            }
            None => part_meant(&format!("attributes.{name}")),
        }),
        _ => None,
    }
}

/// By an unknown name that has fields: `orders.id`, `attributes.channel`.
pub fn of_root(root: &str, name: &str) -> Option<String> {
    match PARTS.into_iter().find(|part| near(name, part)) {
        _ if name == "order" || near(name, root) => Some(meant(root)),
        Some(part) => Some(meant(&format!("{root}.{part}"))),
        None => None,
    }
}

/// By an unknown name that stands alone: most likely a text.
pub fn of_word(root: &str, name: &str) -> Option<String> {
    of_root(root, name).or_else(|| Some(format!("a text stands in quotes: `\"{name}\"`")))
}

/// By the place at which a text stops being CEL.
pub fn of_syntax(text: &str, at: usize) -> Option<String> {
    let (before, after) = text.split_at_checked(at)?;
    let word: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let hint = match word.to_lowercase().as_str() {
        "and" | "or" => "`&&` is and, `||` is or",
        _ if after.starts_with(['&', '|']) => "`&&` is and, `||` is or",
        _ if before.trim_end().to_lowercase().ends_with("not") => "`!` is not",
        _ if before.ends_with('<') && after.starts_with('>') => "`!=` is unequal",
        _ if after.starts_with('=') => "`==` is equal",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn meant(what: &str) -> String {
    format!("did you mean `{what}`?")
}

/// A slip or two of the finger away.
fn near(name: &str, word: &str) -> bool {
    strsim::osa_distance(&name.to_lowercase(), word) <= (word.len() / 3).min(2)
}
