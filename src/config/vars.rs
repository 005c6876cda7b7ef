//! `${VAR}`, `${VAR:-default}` and `$$` in strings.

/// Fills variables in. `lookup` gives a variable's value. What is filled in is not looked at again.
///
/// # Errors
/// A variable that is not set (named), or a dollar that is neither `$$` nor begins `${NAME}`.
pub fn fill(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(rest.get(..dollar).unwrap_or_default());
        let after = rest.get(dollar + 1..).unwrap_or_default();
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((inside, tail)) = after.strip_prefix('{').and_then(|a| a.split_once('}')) {
            out.push_str(&value_of(inside, lookup)?);
            rest = tail;
        } else {
            return Err("a `$` must begin `${NAME}` or `${NAME:-default}`; write `$$` for a dollar".to_owned());
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// As in a shell, a default also stands in for a variable that is set and empty.
fn value_of(inside: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!("`{name}` is no variable's name"));
    }
    match (lookup(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!("the environment variable `{name}` is not set")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_and_refuses() {
        let env = |name: &str| match name {
            "HOST" => Some("kafka".to_owned()),
            "EMPTY" => Some(String::new()),
            "ODD" => Some("${HOST} $$".to_owned()),
            _ => None,
        };
        let ok = [
            ("plain", "plain"),
            ("${HOST}:9092", "kafka:9092"),
            ("${NONE:-localhost}:${PORT:-9092}", "localhost:9092"),
            ("${NONE:-}", ""),
            ("${EMPTY}", ""),
            ("${EMPTY:-x}", "x"),
            ("a$$b$$$$", "a$b$$"),
            ("$${HOST}", "${HOST}"),
            ("${ODD}", "${HOST} $$"),
            ("größe ${HOST} ü", "größe kafka ü"),
        ];
        for (text, want) in ok {
            assert_eq!(fill(text, &env).as_deref(), Ok(want), "{text}");
        }
        let syntax = "a `$` must begin `${NAME}` or `${NAME:-default}`; write `$$` for a dollar";
        let bad = [
            ("${NONE}", "the environment variable `NONE` is not set"),
            ("$HOST", syntax),
            ("${HOST", syntax),
            ("cost: 5$", syntax),
            ("${}", "`` is no variable's name"),
            ("${A-B}", "`A-B` is no variable's name"),
            ("${1}", "`1` is no variable's name"),
        ];
        for (text, want) in bad {
            assert_eq!(fill(text, &env), Err(want.to_owned()), "{text}");
        }
    }
}
