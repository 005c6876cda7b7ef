//! The dashboard and the Prometheus rules as the repository holds them, and the names that their queries use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, YamlOwned};
use serde_json::Value;

/// A query and where it stands.
#[derive(Clone, Debug)]
pub struct Query {
    pub place: String,
    pub expr: String,
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every query of every panel of the dashboard.
pub fn dashboard_queries() -> Vec<Query> {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/dashboards/orderwatch.json")).expect("JSON");
    let mut queries = Vec::new();
    for panel in array(&dashboard["panels"]) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(Query { place: format!("panel {}", panel["title"]), expr: text(&target["expr"]) });
        }
    }
    assert!(!queries.is_empty(), "the dashboard has no queries");
    queries
}

/// The rules of both rule files, each as its file has it.
pub fn rules() -> Vec<Value> {
    let files = ["deploy/prometheus/rules/recording.yml", "deploy/prometheus/rules/alerts.yml"].map(yaml);
    let groups = files.iter().flat_map(|file| array(&file["groups"]));
    groups.flat_map(|group| array(&group["rules"]).to_vec()).collect()
}

/// The files with promtool's tests of the rules.
pub fn rule_tests() -> Vec<PathBuf> {
    let folder = repository().join("deploy/prometheus/tests");
    let entries = std::fs::read_dir(&folder).expect("the folder of rule tests");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no rule tests in {}", folder.display());
    files
}

/// A metric that a query names, and the labels that it is matched by.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    pub metric: String,
    pub labels: Vec<String>,
}

/// The metrics of a PromQL expression. A name is a metric's unless a parenthesis follows (a function, an aggregation),
/// it is an operator's word, or it stands in the label list of `by`, `on` and their like.
pub fn selectors(expr: &str) -> Vec<Selector> {
    const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    const WORDS: [&str; 5] = ["and", "or", "unless", "offset", "bool"];
    let mut found = Vec::new();
    let mut rest = expr;
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            rest = &rest[1..];
            rest = after(rest, '"');
        } else if c == '[' {
            rest = after(rest, ']');
        } else if c.is_ascii_alphabetic() || c == '_' {
            let (name, next) = rest.split_at(end_of_name(rest));
            let next = next.trim_start();
            if LISTS.contains(&name) {
                rest = if next.starts_with('(') { after(next, ')') } else { next };
            } else if WORDS.contains(&name) || next.starts_with('(') {
                rest = next;
            } else {
                let (labels, next) = matched_labels(next);
                // An aggregation's label list comes before its parenthesis: sum by (x) (…).
                if !LISTS.iter().any(|list| next.starts_with(list)) {
                    found.push(Selector { metric: name.to_owned(), labels });
                }
                rest = next;
            }
        } else if c.is_ascii_digit() {
            // A number with its unit, as 10m after offset.
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    found
}

fn end_of_name(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len())
}

/// What follows the first `close`.
fn after(text: &str, close: char) -> &str {
    text.split_once(close).unwrap_or_else(|| panic!("no closing {close} in: {text}")).1
}

/// The labels of a matcher in braces, if one stands there, and what follows it.
fn matched_labels(text: &str) -> (Vec<String>, &str) {
    let Some(mut rest) = text.strip_prefix('{') else { return (Vec::new(), text) };
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(next) = rest.strip_prefix('}') {
            return (labels, next);
        }
        let (label, next) = rest.split_at(end_of_name(rest));
        assert!(!label.is_empty(), "not a label matcher: {rest}");
        labels.push(label.to_owned());
        rest = after(after(next, '"'), '"');
    }
}

/// A query as Prometheus takes it, without Grafana's variables.
pub fn without_variables(expr: &str, window: &str) -> String {
    let filled = expr.replace("$__rate_interval", window).replace("$__range", window).replace("$instance", ".*");
    assert!(!filled.contains('$'), "a variable that the test does not know: {filled}");
    filled
}

pub fn read(path: &str) -> String {
    let path = repository().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}

/// A YAML file's only document.
pub fn yaml(path: &str) -> Value {
    let documents = YamlOwned::load_from_str(&read(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    assert_eq!(documents.len(), 1, "{path}: one document");
    plain(&documents[0])
}

fn plain(node: &YamlOwned) -> Value {
    if let Some(mapping) = node.as_mapping() {
        let key = |key: &YamlOwned| text(&plain(key));
        return mapping.iter().map(|(name, value)| (key(name), plain(value))).collect();
    }
    if let Some(sequence) = node.as_sequence() {
        return sequence.iter().map(plain).collect();
    }
    let number = || node.as_floating_point().map(Value::from);
    let scalar = node.as_str().map(Value::from).or_else(|| node.as_bool().map(Value::from));
    scalar.or_else(|| node.as_integer().map(Value::from)).or_else(number).unwrap_or(Value::Null)
}

pub fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

/// The names of a list, for messages.
pub fn listed(names: &BTreeSet<String>) -> String {
    names.iter().cloned().collect::<Vec<_>>().join(", ")
}
