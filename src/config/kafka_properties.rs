//! `kafka.properties`: what is handed to librdkafka, and what would break delivery and is refused.

use std::collections::BTreeMap;

use super::read::Reader;
use super::yaml::Node;

/// Properties that orderwatch sets itself, each with the reason. Names that librdkafka takes for the same are listed too.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "it is `kafka.brokers`"),
    ("metadata.broker.list", "it is `kafka.brokers`"),
    ("group.id", "it is `kafka.group_id`"),
    ("isolation.level", "the inputs are read committed, so that an aborted transaction upstream raises no alarm"),
    ("enable.auto.commit", "offsets are committed with the output that rests on them"),
    ("auto.commit.interval.ms", "offsets are committed with the output that rests on them"),
    ("auto.commit.enable", "offsets are committed with the output that rests on them"),
    ("enable.auto.offset.store", "offsets are committed with the output that rests on them"),
    ("offset.store.method", "offsets are kept by the group's coordinator alone"),
    ("offset.store.path", "offsets are kept by the group's coordinator alone"),
    ("auto.offset.reset", "it is `start.from`; a position that is gone must be said, not skipped"),
    (
        "partition.assignment.strategy",
        "partition n of every topic must go to one process, which `range` alone promises",
    ),
    ("group.remote.assignor", "partition n of every topic must go to one process, which `range` alone promises"),
    ("group.protocol.type", "it is `consumer`"),
    ("enable.partition.eof", "the end of a partition is asked of the broker, with the time of asking"),
    ("allow.auto.create.topics", "topics are made by `outputs.create_topics`, with the inputs' partition count"),
    ("transactional.id", "it is made of the group and the process, so that a zombie is fenced"),
    ("enable.idempotence", "without it a retry writes an exception twice"),
    ("enable.gapless.guarantee", "a failed batch is made anew, not stopped at"),
    ("acks", "an exception counts as published when every replica in sync has it"),
    ("request.required.acks", "an exception counts as published when every replica in sync has it"),
    ("max.in.flight", "more than 5 would let a retry change the order"),
    ("max.in.flight.requests.per.connection", "more than 5 would let a retry change the order"),
    ("retries", "a failed write is tried again until its transaction ends"),
    ("message.send.max.retries", "a failed write is tried again until its transaction ends"),
    ("message.timeout.ms", "a failed write is tried again until its transaction ends"),
    ("delivery.timeout.ms", "a failed write is tried again until its transaction ends"),
    ("partitioner", "exceptions are placed by key as Java's clients place them"),
    ("partitioner_cb", "exceptions are placed by key as Java's clients place them"),
];

/// Reads the properties; numbers and booleans are taken as text.
pub fn properties(r: &mut Reader<'_>, node: &Node) -> Option<BTreeMap<String, String>> {
    let entries = r.entries(node, |r, key, node| {
        let value = r.scalar(node, "a value")?.into_owned();
        if let Some((_, why)) = REFUSED.iter().find(|(name, _)| *name == key.name) {
            r.error_with_help(&key.span, "this property cannot be set here", Some((*why).to_owned()));
            return None;
        }
        Some((key.name.clone(), value))
    })?;
    let properties: BTreeMap<String, String> = entries.into_iter().collect();
    static_member(r, node, &properties)?;
    transaction_timeout(r, node)?;
    Some(properties)
}

/// The longest `transaction.timeout.ms`: a killed process's open transaction blocks its successor for so long.
const LONGEST_TRANSACTION_MS: u64 = 15_000;

fn transaction_timeout(r: &mut Reader<'_>, node: &Node) -> Option<()> {
    let Some(told) = node.field("transaction.timeout.ms") else { return Some(()) };
    let text = r.scalar(told, "milliseconds")?;
    if text.parse().is_ok_and(|ms: u64| (1_000..=LONGEST_TRANSACTION_MS).contains(&ms)) {
        return Some(());
    }
    let help = "a killed process's open transaction blocks readers, and its successor, for this long";
    r.error_with_help(&told.span, "it must lie from 1000 to 15000 ms", Some(help.to_owned()));
    None
}

/// A static member whose process was killed is shut out by the next protocol until its session has ended.
fn static_member(r: &mut Reader<'_>, node: &Node, properties: &BTreeMap<String, String>) -> Option<()> {
    let next = properties.get("group.protocol").is_some_and(|protocol| protocol == "consumer");
    match node.field("group.instance.id").filter(|_| next) {
        None => Some(()),
        Some(id) => {
            let help = "leave group.protocol at `classic`: with `consumer` the successor of a killed member fails until its \
                        session has ended";
            r.error_with_help(&id.span, "a static member needs the classic group protocol", Some(help.to_owned()));
            None
        }
    }
}
