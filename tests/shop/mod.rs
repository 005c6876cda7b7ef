//! A small shop for the tests: orders whose fate is known, and the configuration of an orderwatch that watches them.
#![allow(dead_code)]

pub mod members;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{Broker, Message, Process, Record, Workdir, eventually, unique};

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
/// Long enough for a broker and a process that share a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()).expect("before 9999")
}

/// The topics and the folder of one shop; every name is its own.
pub struct Shop {
    pub name: String,
    pub partitions: i32,
    pub workdir: Workdir,
    broker: &'static Broker,
}

/// What a shop's configuration says beside the usual.
pub struct Options {
    pub grace: &'static str,
    pub publish_after: String,
    /// `kafka.properties`
    pub properties: &'static str,
    pub more: String,
    pub policies: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            grace: "1s",
            publish_after: "2000-01-01T00:00:00Z".to_owned(),
            properties: "session.timeout.ms: \"3000\", heartbeat.interval.ms: \"300\"",
            more: String::new(),
            policies: PAID_AND_SHIPPED.to_owned(),
        }
    }
}

pub const PAID_AND_SHIPPED: &str = r#"
slas:
  - {id: paid-in-30m, start: order.placed, stop: payment.captured, cancel_on: [order.cancelled], target: 30m,
     severity: critical, owner: payments, route: oncall, expected_outcome: "paid"}
  - {id: shipped-in-2h, start: payment.captured, stop: fulfillment.shipped, cancel_on: [order.cancelled], target: 2h,
     severity: warning, owner: warehouse, route: ops, expected_outcome: "shipped"}
"#;

impl Shop {
    /// Makes the input topics and writes the configuration.
    pub fn new(broker: &'static Broker, partitions: i32, options: &Options) -> Shop {
        let name = unique("shop");
        let shop = Shop { name, partitions, workdir: Workdir::new(), broker };
        let topics = ["orders", "payments", "fulfillments"].map(|topic| shop.topic(topic));
        broker.create_topics(&topics.each_ref().map(String::as_str), partitions, &[]);
        shop.configure(options);
        shop
    }

    pub fn configure(&self, options: &Options) {
        let t = |topic: &str| self.topic(topic);
        let text = format!(
            "kafka:\n  brokers: {brokers}\n  group_id: {group}\n  properties: {{{properties}}}\n\
             streams:\n  - {{topic: {orders}}}\n  - {{topic: {payments}}}\n  - {{topic: {fulfillments}}}\n\
             outputs:\n  sla: {sla}\n  backlog: {backlog}\n  reconciliation: {recon}\n  current: {current}\n  \
             dead_letters: {dead}\n  control: {control}\n  create_topics: true\n\
             grace: {grace}\nstart: {{publish_after: {after}}}\n\
             snapshots: {{url: \"file://{folder}/snapshots\", every: 2s, keep: 3}}\n\
             http: {{listen: \"{listen}\"}}\npolicies: policies.yaml\n{more}",
            brokers = self.broker.addresses(),
            group = self.name,
            properties = options.properties,
            orders = t("orders"),
            payments = t("payments"),
            fulfillments = t("fulfillments"),
            sla = t("sla"),
            backlog = t("backlog"),
            recon = t("recon"),
            current = t("current"),
            dead = t("dead"),
            control = t("control"),
            grace = options.grace,
            after = options.publish_after,
            folder = self.workdir.path().display(),
            listen = self.workdir.listen(),
            more = options.more,
        );
        self.workdir.write("orderwatch.yaml", text);
        self.workdir.write("policies.yaml", &options.policies);
    }

    /// A folder for another process of the same group.
    pub fn beside(&self) -> Workdir {
        let other = Workdir::new();
        let text = self.workdir.read("orderwatch.yaml").replace(&self.workdir.listen(), &other.listen());
        other.write("orderwatch.yaml", text);
        other.write("policies.yaml", self.workdir.read("policies.yaml"));
        other
    }

    /// A topic's own name for this shop.
    pub fn topic(&self, topic: &str) -> String {
        format!("{}-{topic}", self.name)
    }

    pub fn broker(&self) -> &'static Broker {
        self.broker
    }

    /// Starts orderwatch and waits until it is in its group.
    pub fn start(&self) -> Process {
        Process::ready(&self.workdir, &["run", "--config", "orderwatch.yaml"], PATIENCE)
    }

    /// Waits until each shard has judged all but the last `seconds`: a sum over those that say so yet may lack one.
    pub fn wait_judged(&self, process: &Process, seconds: f64) {
        for shard in 0..self.partitions {
            let shard = shard.to_string();
            process.wait_metric("orderwatch_frontier_lag_seconds", &[("shard", &shard)], PATIENCE, |lag| lag < seconds);
        }
    }

    /// All committed history of SLA exceptions.
    pub fn history(&self) -> Vec<Record> {
        self.broker.read_committed(&self.topic("sla"))
    }

    /// The latest state of each exception, by (order, policy): its status.
    pub fn standing(&self) -> BTreeMap<(String, String), String> {
        let mut latest: BTreeMap<String, serde_json::Value> = BTreeMap::new();
        for record in self.broker.read_committed(&self.topic("current")) {
            match record.value {
                Some(_) => drop(latest.insert(record.key(), record.json())),
                None => drop(latest.remove(&record.key())),
            }
        }
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let each = latest.values().map(|e| ((text(&e["order_id"]), text(&e["policy"]["id"])), text(&e["status"])));
        each.collect()
    }

    /// What `orderwatch replay` makes of the same topics, judged up to now: (order, policy) -> its last status.
    pub fn replayed(&self) -> BTreeMap<(String, String), String> {
        let mut dump = String::new();
        for topic in ["orders", "payments", "fulfillments"].map(|topic| self.topic(topic)) {
            for record in self.broker.read_committed(&topic) {
                let value = String::from_utf8(record.value.clone().expect("a value")).expect("text");
                let line = serde_json::json!({
                    "topic": record.topic, "partition": record.partition, "offset": record.offset,
                    "ts": record.timestamp_ms, "key": record.key(), "payload": value,
                });
                dump.push_str(&format!("{line}\n"));
            }
        }
        self.workdir.write("dump.jsonl", dump);
        let to = orderwatch::domain::Timestamp::from_millis(now_ms()).to_string();
        let input =
            ["replay", "--config", "orderwatch.yaml", "--input", "dump.jsonl", "--output", "out.jsonl", "--to", &to];
        let finished = self.workdir.run(&input, PATIENCE);
        assert!(finished.status.success(), "{}", finished.stderr);
        let mut last = BTreeMap::new();
        for line in self.workdir.read("out.jsonl").lines() {
            let exception: serde_json::Value = serde_json::from_str(line).expect("an exception");
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let key = (text(&exception["order_id"]), text(&exception["policy"]["id"]));
            last.insert(key, text(&exception["status"]));
        }
        last
    }

    /// One event as a record.
    pub fn event(&self, order: &str, kind: &str, at_ms: i64) -> Message {
        let topic = match kind.split('.').next() {
            Some("payment") => "payments",
            Some("fulfillment") => "fulfillments",
            _ => "orders",
        };
        let value = format!(
            r#"{{"event_id":"{order}-{kind}","order_id":"{order}","type":"{kind}","event_time":{at_ms},"source":"test"}}"#
        );
        Message::to(&self.topic(topic)).key(order).value(value).at(at_ms)
    }
}

/// One order's fate.
#[derive(Clone, Debug)]
pub struct Fate {
    pub id: String,
    /// (type, event_time in ms), in no order.
    pub events: Vec<(&'static str, i64)>,
}

/// Orders placed every `every_ms` from `from_ms` on, of which some pay late or never, ship late or never, are cancelled.
/// The fates repeat with a period of 20, so that every kind is there.
pub fn fates(count: usize, from_ms: i64, every_ms: i64) -> Vec<Fate> {
    let fate = |n: usize| {
        let placed = from_ms + every_ms * n as i64;
        let mut events = vec![("order.placed", placed)];
        let paid_after = match n % 20 {
            3 => 45 * MINUTE,
            7 => 30 * MINUTE,
            11 => 30 * MINUTE + 1,
            5 | 13 => i64::MAX,
            _ => 5 * MINUTE + (n % 7) as i64 * 1_000,
        };
        if paid_after < i64::MAX {
            events.push(("payment.captured", placed + paid_after));
            let shipped_after = match n % 20 {
                1 => 3 * HOUR,
                9 => 2 * HOUR,
                15 => i64::MAX,
                17 => i64::MAX,
                _ => HOUR,
            };
            if shipped_after < i64::MAX {
                events.push(("fulfillment.shipped", placed + paid_after + shipped_after));
            }
        }
        match n % 20 {
            13 => events.push(("order.cancelled", placed + 10 * MINUTE)),
            17 => events.push(("order.cancelled", placed + HOUR)),
            _ => {}
        }
        Fate { id: format!("o-{n}"), events }
    };
    (0..count).map(fate).collect()
}

/// What stands in the end of each order, judged from the fates alone: (order, policy) -> opened or resolved. All
/// deadlines have passed by then.
pub fn truth(fates: &[Fate]) -> BTreeMap<(String, String), String> {
    let mut standing = BTreeMap::new();
    for fate in fates {
        let at = |kind: &str| fate.events.iter().find(|(held, _)| *held == kind).map(|(_, at)| *at);
        let cancelled = at("order.cancelled");
        let mut judge = |policy: &str, start: Option<i64>, stop: Option<i64>, target: i64| {
            let Some(deadline) = start.map(|start| start + target) else { return };
            if stop.is_some_and(|stop| stop <= deadline) || cancelled.is_some_and(|cancelled| cancelled <= deadline) {
                return;
            }
            let status = if stop.is_some() { "resolved" } else { "opened" };
            standing.insert((fate.id.clone(), policy.to_owned()), status.to_owned());
        };
        judge("paid-in-30m", at("order.placed"), at("payment.captured"), 30 * MINUTE);
        judge("shipped-in-2h", at("payment.captured"), at("fulfillment.shipped"), 2 * HOUR);
    }
    standing
}

/// Every event of the fates in the order of their times, as a shop would have told them.
pub fn told(fates: &[Fate]) -> Vec<(String, &'static str, i64)> {
    let mut all: Vec<_> =
        fates.iter().flat_map(|fate| fate.events.iter().map(|(kind, at)| (fate.id.clone(), *kind, *at))).collect();
    all.sort_by(|a, b| (a.2, &a.0, a.1).cmp(&(b.2, &b.0, b.1)));
    all
}

/// Every state was published once: no ce_id comes twice in what is committed.
#[track_caller]
pub fn assert_published_once(shop: &Shop) {
    let history = shop.history();
    let mut seen = BTreeSet::new();
    for record in &history {
        let id = record.header("ce_id").expect("a CloudEvents id");
        assert!(seen.insert(id), "published twice: {}", record.json());
    }
    assert!(!seen.is_empty(), "nothing was published");
}

/// No order was ever named that kept its promise.
#[track_caller]
pub fn assert_no_false_alarm(shop: &Shop, fates: &[Fate]) {
    let expected = truth(fates);
    for record in shop.history() {
        let exception = record.json();
        let key = (record.key(), exception["policy"]["id"].as_str().expect("a policy").to_owned());
        assert!(expected.contains_key(&key), "a false alarm: {exception}");
    }
}

#[track_caller]
pub fn wait_for_truth(shop: &Shop, fates: &[Fate]) {
    let expected = truth(fates);
    eventually(PATIENCE, "the truth to stand", || {
        let standing = shop.standing();
        let ended: BTreeMap<_, _> =
            standing.into_iter().filter(|(_, status)| status == "opened" || status == "resolved").collect();
        if ended == expected {
            return Ok(());
        }
        let missing = expected.iter().filter(|(key, status)| ended.get(*key) != Some(status)).count();
        let extra: Vec<_> = ended.iter().filter(|(key, status)| expected.get(*key) != Some(status)).take(3).collect();
        Err(format!("{missing} of {} missing, not expected: {extra:?}", expected.len()))
    });
}
