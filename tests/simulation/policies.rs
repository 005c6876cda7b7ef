//! What the processes of a run are told: the configuration, and the policy documents in the oracle's words and in YAML.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, OnceLock};

use crate::config::{Config, parse_policies};
use crate::domain::Str;
use crate::policy::Policies;

use super::oracle::{Check, Rules, Sla, Target};
use super::shop::{MINUTE, SECOND};

const CONFIG: &str = "
kafka: {brokers: none, group_id: sim}
streams: [{topic: orders}, {topic: payments}, {topic: fulfillments}, {topic: checkouts, entity: checkout}]
delivery: exactly_once
grace: 2s
start: {publish_after: 2000-01-01T00:00:00Z}
retain_closed: 4m
remember_closed: 3m
max_open: 12m
policies: policies.yaml
";

const POLICIES: &str = r#"
slas:
  - {id: paid, start: order.placed, stop: order.paid_in_full, cancel_on: [order.cancelled],
     pause: {from: order.held, until: order.released}, target: 1m, warn_at: [50%, 80%], escalate_after: [30s, 2m],
     severity: critical, owner: o, route: r, expected_outcome: e}
  - {id: shipped, when: 'order.attributes.channel == "web"', start: order.paid_in_full, stop: order.fully_shipped,
     cancel_on: [order.cancelled], target: 90s, warn_at: [80%], escalate_after: [1m],
     severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: last-parcel, start: order.placed, stop: {milestone: fulfillment.shipped, occurrence: last}, target: 2m,
     severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: promised, start: order.placed, stop: order.fully_shipped, cancel_on: [order.cancelled],
     target: promised_ship_by, warn_at: [50%], severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: each-parcel, scope: fulfillment, start: order.placed, stop: fulfillment.shipped, cancel_on: [order.cancelled],
     target: 70s, warn_at: [50%], escalate_after: [1m], severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: each-hold, each: true, start: order.held, stop: order.released, cancel_on: [order.cancelled, order.completed],
     target: 30s, warn_at: [50%], escalate_after: [30s], severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: goes-on, entity: checkout, when: 'checkout.attributes.channel == "web"', start: step.entered, stop: step.left,
     cancel_on: [checkout.cancelled], target: 1m, warn_at: [50%], escalate_after: [30s, 2m],
     severity: warning, owner: o, route: r, expected_outcome: e}
  - {id: each-step, entity: checkout, each: true, start: step.entered, stop: step.left, cancel_on: [checkout.cancelled],
     target: 40s, severity: warning, owner: o, route: r, expected_outcome: e}
checks:
  - {check: amount_mismatch, settle: 20s, severity: warning, owner: o, route: r, expected_outcome: e}
  - {check: shipped_before_payment, settle: 10s, severity: warning, owner: o, route: r, expected_outcome: e}
"#;

/// The same policies in the oracle's words.
pub fn rules() -> Rules {
    let sla = |id: &str, start: &str, stop: &str, target| Sla {
        id: id.to_owned(),
        when: None,
        start: start.to_owned(),
        stop: stop.to_owned(),
        stop_last: false,
        cancel_on: vec!["order.cancelled".to_owned()],
        pause: None,
        target,
        warn_at: Vec::new(),
        escalate_after: Vec::new(),
        grace: 2 * SECOND,
        by_parcel: false,
        each: false,
    };
    let slas = vec![
        Sla {
            pause: Some(("order.held".to_owned(), "order.released".to_owned())),
            warn_at: vec![50, 80],
            escalate_after: vec![30 * SECOND, 2 * MINUTE],
            ..sla("paid", "order.placed", "order.paid_in_full", Target::Duration(MINUTE))
        },
        Sla {
            when: Some(("channel".to_owned(), "web".to_owned())),
            warn_at: vec![80],
            escalate_after: vec![MINUTE],
            ..sla("shipped", "order.paid_in_full", "order.fully_shipped", Target::Duration(90 * SECOND))
        },
        Sla {
            stop_last: true,
            cancel_on: Vec::new(),
            ..sla("last-parcel", "order.placed", "fulfillment.shipped", Target::Duration(2 * MINUTE))
        },
        Sla { warn_at: vec![50], ..sla("promised", "order.placed", "order.fully_shipped", Target::PromisedShipBy) },
        Sla {
            by_parcel: true,
            warn_at: vec![50],
            escalate_after: vec![MINUTE],
            ..sla("each-parcel", "order.placed", "fulfillment.shipped", Target::Duration(70 * SECOND))
        },
        Sla {
            each: true,
            cancel_on: vec!["order.cancelled".to_owned(), "order.completed".to_owned()],
            warn_at: vec![50],
            escalate_after: vec![30 * SECOND],
            ..sla("each-hold", "order.held", "order.released", Target::Duration(30 * SECOND))
        },
        Sla {
            when: Some(("channel".to_owned(), "web".to_owned())),
            cancel_on: vec!["checkout.cancelled".to_owned()],
            warn_at: vec![50],
            escalate_after: vec![30 * SECOND, 2 * MINUTE],
            ..sla("goes-on", "step.entered", "step.left", Target::Duration(MINUTE))
        },
        Sla {
            each: true,
            cancel_on: vec!["checkout.cancelled".to_owned()],
            ..sla("each-step", "step.entered", "step.left", Target::Duration(40 * SECOND))
        },
    ];
    let (tolerance, grace) = (0, 2 * SECOND);
    let checks = vec![
        Check::AmountMismatch { id: "amount-mismatch".to_owned(), tolerance, settle: 20 * SECOND, grace },
        Check::ShippedBeforePayment { id: "shipped-before-payment".to_owned(), settle: 10 * SECOND, grace },
    ];
    Rules { slas, checks, retain_closed: 4 * MINUTE, remember_closed: 3 * MINUTE, max_open: 12 * MINUTE }
}

pub fn config() -> &'static Config {
    static CONFIG_READ: OnceLock<Config> = OnceLock::new();
    CONFIG_READ.get_or_init(|| {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("orderwatch.yaml");
        fs::write(&path, CONFIG).expect("written");
        fs::write(folder.path().join("policies.yaml"), POLICIES).expect("written");
        Config::load(&path).expect("a good configuration").0
    })
}

/// A policy document.
#[derive(Clone, Debug)]
pub struct Document {
    /// As orderwatch reads it.
    pub policies: Arc<Policies>,
    /// As the oracle does.
    pub rules: Rules,
    /// The ids that say `backfill: true`.
    pub backfill: Vec<String>,
}

/// The documents of a run, by their versions.
pub type Documents = BTreeMap<Str, Document>;

impl Document {
    /// The one that the configuration names.
    pub fn plain() -> Self {
        Document { policies: Arc::clone(&config().policies), rules: rules(), backfill: Vec::new() }
    }

    /// Writes rules out and reads them as a process does. `words`: what no verdict hangs on.
    pub fn written(rules: Rules, backfill: Vec<String>, revision: Option<u64>, words: &str) -> Self {
        let text = yaml(&rules, &backfill, revision, words);
        let (policies, _) = parse_policies("policies.yaml", &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        Document { policies: Arc::new(policies), rules, backfill }
    }
}

fn yaml(rules: &Rules, backfill: &[String], revision: Option<u64>, words: &str) -> String {
    let mut text = revision.map_or(String::new(), |revision| format!("revision: {revision}\n"));
    let tail = |id: &str, grace: i64| {
        let backfill = if backfill.iter().any(|of| of == id) { "backfill: true, " } else { "" };
        format!("grace: {grace}ms, {backfill}severity: warning, owner: o, route: r, expected_outcome: {words}}}")
    };
    text.push_str("slas:\n");
    for sla in &rules.slas {
        let _ = writeln!(text, "  - {{{}, {}", yaml_of_sla(sla), tail(&sla.id, sla.grace));
    }
    text.push_str("checks:\n");
    for check in &rules.checks {
        let (id, grace, of) = match check {
            Check::AmountMismatch { id, tolerance, settle, grace } => {
                (id, grace, format!("check: amount_mismatch, tolerance_minor: {tolerance}, settle: {settle}ms"))
            }
            Check::ShippedBeforePayment { id, settle, grace } => {
                (id, grace, format!("check: shipped_before_payment, settle: {settle}ms"))
            }
        };
        let _ = writeln!(text, "  - {{id: {id}, {of}, {}", tail(id, *grace));
    }
    text
}

/// What an SLA is about. The oracle need not know: no order has a checkout's milestones, and no checkout an order's.
pub fn entity(sla: &Sla) -> &'static str {
    if sla.start.starts_with("step.") { "checkout" } else { "order" }
}

fn yaml_of_sla(sla: &Sla) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    let mut text = format!("id: {}, start: {}", sla.id, sla.start);
    let entity = entity(sla);
    let _ = write!(text, ", entity: {entity}");
    if let Some((name, value)) = &sla.when {
        let _ = write!(text, ", when: '{entity}.attributes.{name} == \"{value}\"'");
    }
    let occurrence = if sla.stop_last { "last" } else { "first" };
    let _ = write!(text, ", stop: {{milestone: {}, occurrence: {occurrence}}}", sla.stop);
    if !sla.cancel_on.is_empty() {
        let _ = write!(text, ", cancel_on: {}", list(sla.cancel_on.clone()));
    }
    if let Some((from, until)) = &sla.pause {
        let _ = write!(text, ", pause: {{from: {from}, until: {until}}}");
    }
    let target = match sla.target {
        Target::Duration(target) => format!("{target}ms"),
        Target::PromisedShipBy => "promised_ship_by".to_owned(),
        Target::PromisedDeliverBy => "promised_deliver_by".to_owned(),
    };
    let _ = write!(text, ", target: {target}");
    if !sla.warn_at.is_empty() {
        let _ = write!(text, ", warn_at: {}", list(sla.warn_at.iter().map(|percent| format!("{percent}%")).collect()));
    }
    if !sla.escalate_after.is_empty() {
        let _ = write!(
            text,
            ", escalate_after: {}",
            list(sla.escalate_after.iter().map(|rung| format!("{rung}ms")).collect())
        );
    }
    text
}
