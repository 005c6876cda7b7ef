//! What the benches against a real broker share: loading its topics, and configuring `orderwatch run`.
//!
//! Each of them compiles all of it and uses a part, hence the `allow`.
#![allow(dead_code)]

pub mod cpu;
pub mod group;
pub mod orders;
pub mod reader;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use orderwatch::demo::log::TOPICS;

use crate::support::{Broker, Message, Workdir};

/// What `orderwatch` is started with, in a folder that [`Service::write`] has filled.
pub const RUN: [&str; 5] = ["run", "--config", "orderwatch.yaml", "--log-format", "json"];

/// Large batches, compressed: the load is to be short, and as a busy shop's topics hold it.
const BULK: [(&str, &str); 4] = [
    ("linger.ms", "100"),
    ("batch.size", "1000000"),
    ("compression.type", "lz4"),
    ("queue.buffering.max.messages", "500000"),
];

/// Writes records as fast as they are taken, and waits for all of them.
pub fn load(broker: &Broker, messages: impl IntoIterator<Item = Message>) -> usize {
    broker.producer_with(&BULK).send_all(messages).len()
}

/// A group of processes that watch [`TOPICS`]. Its outputs are its own.
pub struct Service<'a> {
    pub broker: &'a Broker,
    pub group: String,
    /// `kafka.properties`
    pub properties: &'a str,
    pub snapshots: &'a Path,
    pub policies: &'a str,
}

impl Service<'_> {
    /// Writes both files into the folder. Only keys that the first versions knew: older builds are measured by them too.
    pub fn write(&self, workdir: &Workdir) {
        self.write_as(workdir, "exactly_once");
    }

    /// The same, with another `delivery`.
    pub fn write_as(&self, workdir: &Workdir, delivery: &str) {
        let outputs = ["sla", "backlog", "reconciliation", "current", "dead_letters", "control"];
        let outputs: Vec<String> = outputs.map(|name| format!("{name}: {}", self.output(name))).into();
        let streams = TOPICS.map(|topic| format!("{{topic: {topic}}}")).join(", ");
        let text = format!(
            "kafka: {{brokers: \"{brokers}\", group_id: {group}, properties: {{{properties}}}}}\n\
             streams: [{streams}]\noutputs: {{{outputs}, create_topics: true}}\n\
             delivery: {delivery}\ngrace: 100ms\nstart: {{publish_after: 2000-01-01T00:00:00Z}}\n\
             snapshots: {{url: \"file://{snapshots}\", every: 30s, keep: 3}}\n\
             http: {{listen: \"{listen}\"}}\npolicies: policies.yaml\n",
            brokers = self.broker.addresses(),
            group = self.group,
            properties = self.properties,
            outputs = outputs.join(", "),
            snapshots = self.snapshots.display(),
            listen = workdir.listen(),
        );
        workdir.write("orderwatch.yaml", text);
        workdir.write("policies.yaml", self.policies);
    }

    /// The topic of an output, by its key in the configuration.
    pub fn output(&self, name: &str) -> String {
        format!("{}-{name}", self.group)
    }
}

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before 9999")
}
