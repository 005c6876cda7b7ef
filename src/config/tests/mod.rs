//! Both files, right and wrong. Each wrong one is a row: its text, and the messages that a user sees.

mod calendars;
mod files;
mod mistakes;
mod policies;
mod service;

use super::*;

const POLICY: &str = "slas:
  - {id: paid, start: order.placed, stop: payment.captured, target: 1h, severity: critical, owner: pay, route: ops, expected_outcome: Paid}
";

/// Loads orderwatch.yaml beside a policy file, with a few variables.
fn load(service: &str, policies: &str) -> Result<(Config, Vec<Warning>), ConfigErrors> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orderwatch.yaml");
    std::fs::write(&path, service).unwrap();
    std::fs::write(dir.path().join("policies.yaml"), policies).unwrap();
    Config::load_with(&path, None, &|name| match name {
        "HOST" => Some("kafka".to_owned()),
        "KEEP" => Some("7".to_owned()),
        _ => None,
    })
}

/// The messages of a service file's errors as `line:col: message (help)`.
fn service_errors(service: &str) -> Vec<String> {
    load(service, POLICY).map(|_| Vec::new()).unwrap_or_else(|e| messages(&e.0))
}

/// The same for a policy file.
fn policy_errors(text: &str) -> Vec<String> {
    parse_policies("policies.yaml", text).map(|_| Vec::new()).unwrap_or_else(|e| messages(&e.0))
}

fn messages(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|p| {
            let (line, column) = p.position().unwrap_or_default();
            let help = p.help.as_ref().map_or(String::new(), |h| format!(" ({h})"));
            format!("{line}:{column}: {}{help}", p.message)
        })
        .collect()
}

/// Rows of (text that follows a sound beginning, messages).
fn assert_rows(rows: &[(&str, &[&str])], errors: impl Fn(&str) -> Vec<String>) {
    let wrong: Vec<String> = rows
        .iter()
        .map(|(text, expected)| (text, *expected, errors(text)))
        .filter(|(_, expected, got)| got != expected)
        .map(|(text, expected, got)| format!("{text}\n  want {expected:#?}\n  got {got:#?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
