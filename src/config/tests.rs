//! Both files, right and wrong. Each wrong one is a row: its text, and the messages that a user sees.

use super::*;
use crate::policy::sla::Target;

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
#[allow(dead_code)]
fn service_errors(service: &str) -> Vec<String> {
    load(service, POLICY).map(|_| Vec::new()).unwrap_or_else(|e| messages(&e.0))
}

/// The same for a policy file.
#[allow(dead_code)]
fn policy_errors(text: &str) -> Vec<String> {
    parse_policies("policies.yaml", text).map(|_| Vec::new()).unwrap_or_else(|e| messages(&e.0))
}

#[allow(dead_code)]
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

#[test]
fn the_least_configuration_has_the_documented_defaults() {
    let (config, warnings) =
        load("kafka: {brokers: localhost:9092}\nstreams: [{topic: orders}]\npolicies: policies.yaml\n", POLICY)
            .unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.kafka.group_id, "orderwatch");
    assert_eq!(config.grace, Millis::from_secs(5));
    assert_eq!(config.delivery, Delivery::ExactlyOnce);
    assert_eq!(config.start.from, StartFrom::Earliest);
    assert_eq!(config.max_past_skew, Millis::from_secs(400 * 86_400));
    assert_eq!(config.max_record_bytes, 1 << 20);
    assert_eq!(config.outputs.control, "orderwatch-control");
    assert_eq!(config.http.listen, "127.0.0.1:8080");
    let sla = config.policies.slas.first().unwrap();
    assert_eq!(sla.target, Target::Duration(Millis::from_secs(3600)));
    assert_eq!(&*config.policies.text, POLICY);
    assert_eq!(config.policies.version.len(), 12);
}
