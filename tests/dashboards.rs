//! The dashboard and the rules name metrics that exist, and Prometheus' own tool takes them.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use orderwatch::telemetry::names::{METRICS, Metric, MetricKind};
use serde_json::{Value, json};
use support::monitoring::{
    Query, Selector, array, dashboard_queries, listed, read, repository, rule_tests, rules, selectors, text,
    without_variables, yaml,
};

/// What the metrics-process crate exports and our queries may use.
const PROCESS: [&str; 5] = [
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
];

/// Labels that Prometheus gives to every series that it scrapes.
const SCRAPED: [&str; 2] = ["job", "instance"];

#[test]
fn selectors_are_told_from_the_rest_of_a_query() {
    let expr = r#"histogram_quantile(0.9, sum by (le) (rate(a_bucket{x=~"b|c", y!="d(e)"}[5m]))) > 1e3
        or (p:q:r unless up offset 10m) * on (job, stream) vector(0)"#;
    let selector = |metric: &str, labels: &[&str]| Selector {
        metric: metric.to_owned(),
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
    };
    assert_eq!(selectors(expr), [selector("a_bucket", &["x", "y"]), selector("p:q:r", &[]), selector("up", &[])]);
}

#[test]
fn every_query_names_metrics_and_labels_that_exist() {
    let known = known_series();
    let mut wrong = Vec::new();
    for query in all_queries() {
        for selector in selectors(&query.expr) {
            match known.get(&selector.metric) {
                None => wrong.push(format!("{}: no such metric: {}", query.place, selector.metric)),
                // A recorded series has the labels that its rule leaves; promtool's tests look at those.
                Some(None) => {}
                Some(Some(labels)) => {
                    let unknown = selector.labels.iter().filter(|label| !labels.contains(label.as_str()));
                    wrong.extend(unknown.map(|l| format!("{}: {} has no label {l}", query.place, selector.metric)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_query_of_the_dashboard_is_of_promql() {
    let queries = dashboard_queries().into_iter().enumerate();
    let rules = queries.map(|(n, query)| {
        // JSON is YAML, and quotes what has to be quoted.
        json!({"record": format!("query:{n}"), "expr": without_variables(&query.expr, "1m")})
    });
    let file = json!({"groups": [{"name": "dashboard", "rules": rules.collect::<Vec<Value>>()}]});
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dashboard.yml");
    std::fs::write(&path, file.to_string()).expect("a file");
    promtool(["check", "rules"], &[&path]);
}

#[test]
fn the_dashboard_shows_what_it_was_asked_for() {
    let queries = dashboard_queries();
    let shown: BTreeSet<String> = queries.iter().flat_map(|q| selectors(&q.expr)).map(|s| s.metric).collect();
    let of_contract = METRICS.iter().take_while(|metric| metric.name != "orderwatch_shards");
    let unshown = of_contract.filter(|metric| !shown.iter().any(|name| name.starts_with(metric.name)));
    let unshown: BTreeSet<String> = unshown.map(|metric| metric.name.to_owned()).collect();
    // Labels of other panels' legends, not figures of their own.
    let about = ["orderwatch_build_info", "orderwatch_policies_info"].map(str::to_owned).into();
    assert_eq!(unshown, about, "not on the dashboard: {}", listed(&unshown));
}

#[test]
fn every_alert_says_what_it_is_how_bad_and_what_to_do() {
    let runbook = read("deploy/RUNBOOK.md");
    let mut headings: BTreeSet<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    for alert in alerts() {
        let name = text(&alert["alert"]);
        assert!(matches!(alert["labels"]["severity"].as_str(), Some("critical" | "warning")), "{name}: severity");
        for annotation in ["summary", "description"] {
            assert!(!text(&alert["annotations"][annotation]).is_empty(), "{name}: {annotation}");
        }
        let pointer = format!("deploy/RUNBOOK.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook"].as_str(), Some(pointer.as_str()), "{name}: runbook");
        assert!(headings.remove(&name), "deploy/RUNBOOK.md has no heading {name}");
    }
    assert!(headings.is_empty(), "deploy/RUNBOOK.md: no alert for {}", listed(&headings));
}

#[test]
fn every_alert_is_tested_where_it_fires_and_where_it_does_not() {
    let (mut fires, mut keeps_quiet) = (BTreeSet::new(), BTreeSet::new());
    for file in rule_tests() {
        let file = yaml(file.strip_prefix(repository()).expect("inside").to_str().expect("UTF-8"));
        for case in array(&file["tests"]) {
            for expected in array(&case["alert_rule_test"]) {
                let alerts = array(&expected["exp_alerts"]);
                let group = if alerts.is_empty() { &mut keeps_quiet } else { &mut fires };
                group.insert(text(&expected["alertname"]));
                // Series of the same test that raise nothing are the other half.
                if !alerts.is_empty() && array(&case["input_series"]).len() > alerts.len() {
                    keeps_quiet.insert(text(&expected["alertname"]));
                }
            }
        }
    }
    let names: BTreeSet<String> = alerts().iter().map(|alert| text(&alert["alert"])).collect();
    assert_eq!(fires, names, "tests where it fires");
    assert_eq!(keeps_quiet, names, "tests where it keeps quiet");
}

#[test]
fn promtool_takes_the_configuration_and_the_rules() {
    promtool(["check", "config"], &[&repository().join("deploy/prometheus/prometheus.yml")]);
}

#[test]
fn promtool_finds_that_the_rules_do_what_their_tests_say() {
    let files = rule_tests();
    promtool(["test", "rules"], &files.iter().map(AsRef::as_ref).collect::<Vec<&Path>>());
}

#[test]
fn compose_mounts_what_is_there() {
    let compose = yaml("docker-compose.yml");
    let services = compose["services"].as_object().expect("services");
    assert!(["kafka", "orderwatch", "prometheus", "grafana"].iter().all(|&name| services.contains_key(name)));
    for (name, service) in services {
        for volume in service["volumes"].as_array().into_iter().flatten().map(text) {
            let source = volume.split(':').next().expect("a source");
            let there = if source.starts_with('.') {
                repository().join(source).exists()
            } else {
                compose["volumes"].as_object().expect("volumes").contains_key(source)
            };
            assert!(there, "{name} mounts {source}, which is not there");
        }
    }
    let build = &services["orderwatch"]["build"];
    assert!(repository().join(text(&build["dockerfile"])).exists());
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

/// The queries of the dashboard and of the rules.
fn all_queries() -> Vec<Query> {
    let of_rules = rules().into_iter().map(|rule| {
        let name = rule["alert"].as_str().or_else(|| rule["record"].as_str()).expect("a rule's name");
        Query { place: format!("rule {name}"), expr: text(&rule["expr"]) }
    });
    dashboard_queries().into_iter().chain(of_rules).collect()
}

/// Series by name, with the labels that they have, where we know them.
fn known_series() -> BTreeMap<String, Option<BTreeSet<&'static str>>> {
    let mut known: BTreeMap<String, Option<BTreeSet<&'static str>>> = BTreeMap::new();
    for metric in METRICS {
        for name in exposed_names(metric) {
            let labels = metric.labels.iter().copied().chain(SCRAPED).chain(["le"]).collect();
            known.insert(name, Some(labels));
        }
    }
    for name in PROCESS.into_iter().chain(["up"]) {
        known.insert(name.to_owned(), Some(SCRAPED.into()));
    }
    let recorded = rules().into_iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned));
    known.extend(recorded.map(|name| (name, None)));
    known
}

fn exposed_names(metric: &Metric) -> Vec<String> {
    match metric.kind {
        MetricKind::Histogram(_) => ["_bucket", "_sum", "_count"].map(|part| format!("{}{part}", metric.name)).into(),
        MetricKind::Counter | MetricKind::Gauge => vec![metric.name.to_owned()],
    }
}

/// Runs promtool on files; it failing, or not being there, fails the test.
fn promtool(words: [&str; 2], files: &[&Path]) {
    let output = Command::new("promtool").args(words).args(files).output();
    let output = output.unwrap_or_else(|e| panic!("promtool does not start ({e}): run tests/support/prepare.sh"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {words:?}:\n{said}");
}
