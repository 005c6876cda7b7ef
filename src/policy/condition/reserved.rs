//! Entities whose name is a word that CEL keeps for itself, `return` above all. The parser is given another word in its
//! place, of the same length, so that errors point where they should.

use std::borrow::Cow;

/// CEL's reserved words without those that mean something in it.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// What the parser is to find in place of `root`, and the text with that in it.
pub fn stand_in<'t>(root: &'t str, text: &'t str) -> (Cow<'t, str>, Cow<'t, str>) {
    if !RESERVED.contains(&root) {
        return (root.into(), text.into());
    }
    let word = format!("_{}", root.get(1..).unwrap_or_default());
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let names_it = rest.strip_prefix(root).is_some_and(|after| !after.starts_with(is_of_a_word))
            && !replaced.ends_with(|before| is_of_a_word(before) || before == '.');
        let taken = match c {
            '"' | '\'' => quoted(rest, replaced.ends_with(['r', 'R'])),
            _ if names_it => root.len(),
            _ => c.len_utf8(),
        };
        let (piece, after) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        replaced.push_str(if names_it { &word } else { piece });
        rest = after;
    }
    (word.into(), replaced.into())
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How long the quoted text is that `rest` begins with: to its closing quote, or to the end.
fn quoted(rest: &str, is_raw: bool) -> usize {
    let triple = ["\"\"\"", "'''"].into_iter().find(|quote| rest.starts_with(quote));
    let quote = triple.unwrap_or(if rest.starts_with('"') { "\"" } else { "'" });
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(quote.len()) {
        if !escaped && rest.get(at..).is_some_and(|rest| rest.starts_with(quote)) {
            return at + quote.len();
        }
        escaped = c == '\\' && !escaped && !is_raw;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_replaced_where_it_names_the_thing() {
        let replaced = |text| stand_in("return", text).1.into_owned();
        for (text, expected) in [
            ("return.id", "_eturn.id"),
            ("!has(return.attributes.a)", "!has(_eturn.attributes.a)"),
            ("return.attributes.return == returns", "_eturn.attributes.return == returns"),
            ("return.id == 'return' && x == \"a return\"", "_eturn.id == 'return' && x == \"a return\""),
            (r#""\" return" + return.id"#, r#""\" return" + _eturn.id"#),
            (r#"r"\" + return.id"#, r#"r"\" + _eturn.id"#),
            (r#"""" return " """ + return.id"#, r#"""" return " """ + _eturn.id"#),
            ("ü return ü", "ü _eturn ü"),
            ("'open return", "'open return"),
        ] {
            assert_eq!(replaced(text), expected);
            assert_eq!(text.len(), expected.len(), "errors point where they should");
        }
        assert_eq!(stand_in("checkout", "checkout.id == return").1, "checkout.id == return");
    }
}
