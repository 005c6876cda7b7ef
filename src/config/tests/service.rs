//! orderwatch.yaml.

use super::*;
use crate::policy::sla::Target;

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

#[test]
fn every_setting_that_is_wrong_is_said() {
    let sound = "{kafka: {brokers: b}, streams: [{topic: orders}], policies: policies.yaml";
    assert_eq!(service_errors(&format!("{sound}}}")), [] as [&str; 0]);
    let duration = "expected a duration such as `90s` or `1h30m`, found";
    let rows: &[(&str, &[&str])] = &[
        ("grace: 5", &[&format!("2:8: grace: {duration} `5` (a unit is missing: ms, s, m, h, d or w)")]),
        ("grace: [5s]", &["2:8: grace: expected a duration such as `90s` or `1h30m`, found a list"]),
        ("grace: ", &["2:6: grace: a value is missing"]),
        ("max_open: 0s", &["2:11: max_open: expected a duration longer than 0s"]),
        ("max_open: 99999999999999w", &[&format!("2:11: max_open: {duration} `99999999999999w` (it is too long)")]),
        ("gracee: 5s", &["2:1: unknown field `gracee` (did you mean `grace`?)"]),
        (
            "delivery: exactly-once",
            &[
                "2:11: delivery: expected one of exactly_once, at_least_once, found `exactly-once` (did you mean `exactly_once`?)",
            ],
        ),
        (
            "max_record_bytes: 1 MiB",
            &[
                "2:19: max_record_bytes: expected a size such as `1MiB` or `500kB`, found `1 MiB` (` MiB` is no unit: B, kB, KiB, MB, MiB, GB or GiB)",
            ],
        ),
        (
            "start: {from: now}",
            &[
                "2:15: start.from: expected `earliest`, `latest`, a time such as `2026-11-21T10:00:00Z`, or `-30d`, found `now` (it is not RFC 3339 with an offset)",
            ],
        ),
        (
            "start: {from: -30}",
            &[
                "2:15: start.from: expected `earliest`, `latest`, a time such as `2026-11-21T10:00:00Z`, or `-30d`, found `-30` (a unit is missing: ms, s, m, h, d or w)",
            ],
        ),
        (
            "start: {publish_after: 2026-11-21}",
            &[
                "2:24: start.publish_after: expected `start` or a time such as `2026-11-21T10:00:00Z`, found `2026-11-21` (it is not RFC 3339 with an offset)",
            ],
        ),
        (
            "snapshots: {url: /tmp/x, keep: none}",
            &[
                "2:18: snapshots.url: expected a URL such as `file:///var/lib/orderwatch/snapshots`, found `/tmp/x` (it begins with one of file://, s3://, gs://, az://, abfss://)",
                "2:32: snapshots.keep: expected a whole number of at least 1, found `none` (it is no whole number in range)",
            ],
        ),
        (
            "http: {listen: 127.0.0.1, advertised: ftp://x}",
            &[
                "2:16: http.listen: expected an address and port such as `127.0.0.1:8080`, found `127.0.0.1` (both a host and a port are needed)",
                "2:39: http.advertised: expected a URL such as `http://host:8080`, found `ftp://x` (it begins with one of http://, https://)",
            ],
        ),
        ("http: {listen: \"${NONE}:80\"}", &["2:16: http.listen: the environment variable `NONE` is not set"]),
        (
            "http: {token: $NONE}",
            &["2:15: http.token: a `$` must begin `${NAME}` or `${NAME:-default}`; write `$$` for a dollar"],
        ),
        (
            "outputs: {sla: a b, create_topics: yes}",
            &[
                "2:16: outputs.sla: expected a topic's name, found `a b` (a topic's name has only letters, digits, `.`, `_` and `-`)",
                "2:36: outputs.create_topics: expected one of true, false, found `yes`",
            ],
        ),
        (
            "outputs: {current: orders}",
            &[
                "2:20: outputs.current: the topic `orders` is that of streams[0] already (orderwatch would read what it writes)",
            ],
        ),
        (
            "outputs: {control: dead-letters}",
            &[
                "2:20: outputs.control: the topic `dead-letters` is that of outputs.dead_letters already (it must have a topic of its own)",
            ],
        ),
        (
            "routes: {ops: {topic: sla-exceptions}}",
            &[
                "2:23: routes.ops: the topic `sla-exceptions` is that of outputs.sla already (every exception of the route would stand there twice)",
            ],
        ),
        ("routes: {ops: ops}", &["2:15: routes.ops: expected a mapping (`key: value`), found `ops`"]),
        ("backlog_grid: 10s\n,backlog_grid: 5s", &["3:2: `backlog_grid` is given twice in one mapping"]),
    ];
    assert_rows(rows, |text| service_errors(&format!("{sound},\n{text}}}")));
}

#[test]
fn topics_may_be_shared_where_that_does_no_harm() {
    let (config, _) = load(
        "kafka: {brokers: b}
streams: [{topic: orders}]
outputs: {sla: exceptions, backlog: exceptions, reconciliation: exceptions}
routes: {a: {topic: pagers}, b: {topic: pagers}}
policies: policies.yaml",
        POLICY,
    )
    .unwrap();
    assert_eq!(config.outputs.sla, config.outputs.backlog);
    assert_eq!(config.routes.len(), 2);
}

#[test]
fn streams_and_kafka_are_read_with_care() {
    let rows: &[(&str, &[&str])] = &[
        (
            "kafka: {}\nstreams: []",
            &["1:8: kafka: `brokers` is missing", "2:10: streams: expected at least one stream, and at most 65,535"],
        ),
        (
            "kafka: {brokers: \"\"}\nstreams: [{topic: a}]",
            &["1:18: kafka.brokers: expected a text, found an empty one"],
        ),
        (
            "kafka: {broker: b}\nstreams: [{topic: a}]",
            &["1:9: kafka: unknown field `broker` (did you mean `brokers`?)"],
        ),
        (
            "kafka: {brokers: b}\nstreams: [{topic: a, format: xml}, {topic: a}]",
            &[
                "2:30: streams[0].format: expected one of json, protobuf, found `xml`",
                "2:44: streams[1].topic: the topic `a` is a stream already (line 2)",
            ],
        ),
        (
            "kafka: {brokers: b}\nstreams: [{topic: a, entity: Check-out}, {topic: b, entity: true}, {topic: c, entity: event}]",
            &[
                "2:30: streams[0].entity: expected an entity such as `checkout`, found `Check-out` (its name has small letters, digits and `_`, and begins with a letter)",
                "2:61: streams[1].entity: expected an entity such as `checkout`, found `true` (the word means something else in a condition)",
                "2:87: streams[2].entity: expected an entity such as `checkout`, found `event` (an owner's `event` and a backlog's group have that name already)",
            ],
        ),
        (
            "kafka: {brokers: b}\nstreams: [{topic: a, entity: checkout, id: event_id}, {topic: b, format: protobuf, entity: task, id: task_id}]",
            &[
                "2:44: streams[0].id: the field `event_id` says something else",
                "2:102: streams[1].id: a Protobuf event has it in `order_id`, or in `id` where the stream has an `entity`",
            ],
        ),
        (
            "kafka: {brokers: b}\nstreams: [{topic: stock, key: sku}]",
            &["2:31: streams[0].key: not built yet: stock, keyed by sku"],
        ),
        (
            "kafka: {brokers: b, properties: {enable.auto.commit: true, fetch.min.bytes: 1}}\nstreams: [{topic: a}]",
            &[
                "1:34: kafka.properties.enable.auto.commit: this property cannot be set here (offsets are committed with the output that rests on them)",
            ],
        ),
        (
            "kafka: {brokers: b, properties: {group.instance.id: a, group.protocol: consumer}}\nstreams: [{topic: a}]",
            &[
                "1:53: kafka.properties: a static member needs the classic group protocol (leave group.protocol at `classic`: with `consumer` the successor of a killed member fails until its session has ended)",
            ],
        ),
        (
            "kafka: {brokers: b, properties: {transaction.timeout.ms: 60000}}\nstreams: [{topic: a}]",
            &[
                "1:58: kafka.properties: it must lie from 1000 to 15000 ms (a killed process's open transaction blocks readers, and its successor, for this long)",
            ],
        ),
        ("streams: [{topic: a}]", &["1:1: `kafka` is missing"]),
        (
            "kafka: {brokers: b}\nstreams: {topic: a}",
            &["2:10: streams: expected a list, found a mapping (each entry of a list begins with `- `)"],
        ),
    ];
    assert_rows(rows, |text| service_errors(&format!("{text}\npolicies: policies.yaml")));
}

#[test]
fn variables_are_filled_in_after_the_yaml_is_read() {
    let (config, _) = load(
        "kafka: {brokers: \"${HOST}:9092,${OTHER:-b:1}\", group_id: \"a$$b\", properties: {sasl.password: \"${HOST}: #x\", client.id: 7}}
streams: [{topic: orders, grace: 1m}, {topic: \"${NONE:-payments}\", grace: 2m}, {topic: fulfillments}]
grace: 1h
start: {from: -30d, publish_after: \"2026-11-21T10:00:00+01:00\"}
snapshots: {keep: \"${KEEP}\"}
http: {token: \"${NONE:-}\"}
policies: ${NONE:-policies.yaml}",
        POLICY,
    )
    .unwrap();
    assert_eq!(config.kafka.brokers, "kafka:9092,b:1");
    assert_eq!(config.kafka.group_id, "a$b");
    assert_eq!(config.kafka.properties.get("sasl.password").map(String::as_str), Some("kafka: #x"));
    assert_eq!(config.kafka.properties.get("client.id").map(String::as_str), Some("7"));
    assert_eq!(config.streams[1].topic, "payments");
    assert_eq!(config.snapshots.keep, 7);
    assert_eq!(config.http.token, None);
    assert_eq!(config.start.from, StartFrom::Ago(Millis::from_secs(30 * 86_400)));
    let settings = config.settings();
    assert_eq!(settings.grace, Millis::from_secs(3600), "the largest of all streams; one without has the global grace");
    assert_eq!(settings.publish_after.to_string(), "2026-11-21T09:00:00.000Z");
    assert_eq!(settings.streams, ["orders", "payments", "fulfillments"]);
}

#[test]
fn a_stream_says_what_it_is_about_and_by_which_field() {
    let streams = "[{topic: orders}, {topic: old, id: number}, {topic: checkouts, entity: checkout, grace: 1m},
      {topic: parcels, entity: parcel, id: fulfillment_id}, {topic: steps, entity: checkout, id: basket, grace: 7s},
      {topic: tasks, entity: task, format: protobuf}]";
    let (config, _) =
        load(&format!("kafka: {{brokers: b}}\nstreams: {streams}\npolicies: policies.yaml"), POLICY).unwrap();
    let about = |s: &StreamConfig| format!("{} {}", s.entity, s.id.as_deref().unwrap_or("order_id"));
    let all: Vec<String> = config.streams.iter().map(about).collect();
    let told = ["order order_id", "order number", "checkout checkout_id", "parcel fulfillment_id", "checkout basket"];
    assert_eq!(all[..5], told);
    assert_eq!(all[5], "task id", "in Protobuf the field is called so whatever the entity is");
    let settings = config.settings();
    assert_eq!(settings.grace, Millis::from_secs(5), "an order does not wait for checkouts");
    let graces = ["checkout", "parcel", "basket"].map(|name| settings.grace_for(None, &Entity::named(name)));
    assert_eq!(graces, [60, 5, 5].map(Millis::from_secs));
}

#[test]
fn a_policy_that_outlives_its_orders_is_warned_of() {
    let with = |more: &str| {
        let text = format!("{{kafka: {{brokers: b}}, streams: [{{topic: a}}], policies: policies.yaml{more}}}");
        messages(&load(&text, &POLICY.replace("target: 1h", "target: 100d, escalate_after: [90d]")).unwrap().1)
    };
    let said = "`paid` runs for 190d, and an order silent for max_open (180d) is dropped (raise `max_open`)";
    assert_eq!(with(""), [format!("1:56: {said}")]);
    assert_eq!(with(", max_open: 190d"), [] as [&str; 0]);
}
