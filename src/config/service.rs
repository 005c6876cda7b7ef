//! orderwatch.yaml into [`Config`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use crate::codec::Requirement;
use crate::domain::{Entity, Millis, Str};
use crate::policy::Policies;
use crate::policy::sla::Target;

use super::entity;
use super::kafka_properties;
use super::read::{Fields, Reader, did_you_mean, quoted};
use super::units;
use super::values;
use super::yaml::Node;
use super::{
    Config, Delivery, Format, HttpConfig, KafkaConfig, OutputsConfig, SnapshotsConfig, StartConfig, StartFrom,
    StreamConfig,
};

const FORMATS: [(&str, Format); 2] = [("json", Format::Json), ("protobuf", Format::Protobuf)];
const SNAPSHOT_SCHEMES: [&str; 5] = ["file", "s3", "gs", "az", "abfss"];

/// Topics by route.
type Routes = BTreeMap<Str, Str>;

/// Opens the policy file that `policies:` names, given what the streams are about, where that is known; says what is wrong
/// itself.
pub type OpenPolicies<'a> =
    &'a mut dyn FnMut(&mut Reader<'_>, &Node, Option<&[Entity]>) -> Option<(PathBuf, Arc<Policies>)>;

/// Reads the whole file, and through `open_policies` the other one, so that the errors of both come at once.
pub fn service(r: &mut Reader<'_>, root: &Node, open_policies: OpenPolicies<'_>) -> Option<Config> {
    r.fields(root, |f| {
        let kafka = f.required("kafka", kafka);
        let streams = f.required("streams", streams);
        let outputs = f.or("outputs", OutputsConfig::default(), outputs);
        let routes = f.or("routes", BTreeMap::new(), routes);
        let delivery = f.or("delivery", Delivery::default(), |r, n| {
            r.one_of(n, &[("exactly_once", Delivery::ExactlyOnce), ("at_least_once", Delivery::AtLeastOnce)])
        });
        let grace = f.or("grace", Millis::from_secs(5), values::duration);
        let start = f.or("start", StartConfig { from: StartFrom::Earliest, publish_after: None }, start);
        let max_future_skew = f.or("max_future_skew", minutes(5), values::duration);
        let max_past_skew = f.or("max_past_skew", days(400), values::some_duration);
        let retain_closed = f.or("retain_closed", days(30), values::duration);
        let remember_closed = f.or("remember_closed", days(90), values::duration);
        let max_open = f.or("max_open", days(180), values::some_duration);
        let max_record_bytes = f.or("max_record_bytes", 1 << 20, values::byte_size);
        let backlog_grid = f.or("backlog_grid", Millis::from_secs(10), values::some_duration);
        let snapshots = f.or("snapshots", SnapshotsConfig::default(), snapshots);
        let http = f.or("http", HttpConfig::default(), http);
        let about = streams.as_deref().map(entity::all);
        let policies = f.required("policies", |r, n| open_policies(r, n, about.as_deref()));
        if let (Some(streams), Some(outputs), Some(routes)) = (&streams, &outputs, &routes) {
            topics_apart(f, streams, outputs, routes);
        }
        if let (Some(max_open), Some((_, policies))) = (max_open, &policies) {
            outlived(f, max_open, policies);
        }
        if let (Some(routes), Some((_, policies))) = (&routes, &policies) {
            routes_taken(f, routes, policies);
        }
        let (policies_path, policies) = policies?;
        Some(Config {
            kafka: kafka?,
            streams: streams?,
            outputs: outputs?,
            routes: routes?,
            delivery: delivery?,
            grace: grace?,
            start: start?,
            max_future_skew: max_future_skew?,
            max_past_skew: max_past_skew?,
            retain_closed: retain_closed?,
            remember_closed: remember_closed?,
            max_open: max_open?,
            max_record_bytes: max_record_bytes?,
            backlog_grid: backlog_grid?,
            snapshots: snapshots?,
            http: http?,
            policies_path,
            policies,
        })
    })
}

/// An order that is silent for `max_open` is dropped, and with it a deadline that lies further off.
fn outlived(f: &mut Fields<'_, '_, '_>, max_open: Millis, policies: &Policies) {
    for sla in &policies.slas {
        let Target::Duration(target) = sla.target else { continue };
        let last = sla.escalate_after.last().map_or(target, |rung| target + rung.after);
        if last > max_open {
            let (last, max_open) = (units::format_duration(last), units::format_duration(max_open));
            let message = format!(
                "{} runs for {last}, and an order silent for max_open ({max_open}) is dropped",
                quoted(&sla.id)
            );
            f.reader.warn(f.span("policies"), message, Some("raise `max_open`".to_owned()));
        }
    }
}

/// A route with a topic to which no policy goes is a slip of the finger, here or there.
fn routes_taken(f: &mut Fields<'_, '_, '_>, routes: &Routes, policies: &Policies) {
    // What an attribute says may be any route.
    let Some(taken) = routes_of(policies) else { return };
    for route in routes.keys().filter(|route| !taken.contains(route)) {
        let undeclared = taken.iter().filter(|taken| !routes.contains_key(taken.as_str()));
        let help = did_you_mean(route, undeclared.map(|taken| taken.as_str()));
        let span = f.node("routes").and_then(|n| n.field(route)).map_or(f.whole(), |n| &n.span);
        f.reader.warn(span, format!("routes.{route}: no policy takes this route"), help);
    }
}

/// Every route that policies and their escalations name; `None` where one of them goes by an attribute.
fn routes_of(policies: &Policies) -> Option<BTreeSet<&Str>> {
    let slas = policies.slas.iter().map(|sla| (&sla.responsibility, sla.escalate_after.as_slice()));
    let backlogs = policies.backlogs.iter().map(|b| (&b.responsibility, b.escalate_after.as_slice()));
    let checks = policies.checks.iter().map(|check| (&check.responsibility, &[][..]));
    let mut taken = BTreeSet::new();
    for (responsibility, rungs) in slas.chain(backlogs).chain(checks) {
        taken.extend(responsibility.route.names()?);
        taken.extend(rungs.iter().filter_map(|rung| rung.route.as_ref()));
    }
    Some(taken)
}

const fn minutes(n: i64) -> Millis {
    Millis::from_secs(n * 60)
}

const fn days(n: i64) -> Millis {
    Millis::from_secs(n * 86_400)
}

fn kafka(r: &mut Reader<'_>, node: &Node) -> Option<KafkaConfig> {
    r.fields(node, |f| {
        let brokers = f.required("brokers", values::text);
        let group_id = f.or("group_id", Str::new("orderwatch"), values::text);
        let properties = f.or("properties", BTreeMap::new(), kafka_properties::properties);
        Some(KafkaConfig { brokers: brokers?.to_string(), group_id: group_id?, properties: properties? })
    })
}

fn streams(r: &mut Reader<'_>, node: &Node) -> Option<Vec<StreamConfig>> {
    let mut seen: HashMap<Str, usize> = HashMap::new();
    let streams = r.list(node, |r, node| stream(r, node, &mut seen))?;
    if streams.is_empty() || u16::try_from(streams.len()).is_err() {
        r.error(&node.span, "expected at least one stream, and at most 65,535");
        return None;
    }
    Some(streams)
}

/// `seen` holds the topics of the streams before this one, each with its line.
fn stream(r: &mut Reader<'_>, node: &Node, seen: &mut HashMap<Str, usize>) -> Option<StreamConfig> {
    r.fields(node, |f| {
        let topic = f.required("topic", |r, node| {
            let topic = values::topic(r, node)?;
            let line = r.file().position(node.span.start).0;
            if let Some(first) = seen.insert(topic.clone(), line) {
                r.error(&node.span, format!("the topic {} is a stream already (line {first})", quoted(&topic)));
                return None;
            }
            Some(topic)
        });
        let format = f.or("format", Format::Json, |r, n| r.one_of(n, &FORMATS));
        let grace = f.optional("grace", values::duration);
        let require = f.or("require", Vec::new(), |r, n| r.list(n, required_field));
        let (entity, id) = entity::of_stream(f, format);
        f.not_built("key", "stock, keyed by sku");
        Some(StreamConfig {
            topic: topic?,
            format: format?,
            entity: entity?,
            id: id?,
            grace: grace?,
            require: require?,
        })
    })
}

/// A field that an event may carry, by the name that it has in JSON.
fn required_field(r: &mut Reader<'_>, node: &Node) -> Option<Requirement> {
    r.parsed(node, "`attributes.NAME` or a field of an event", |text| {
        Requirement::parse(text)
            .ok_or_else(|| format!("fields: {}", Requirement::fields().collect::<Vec<_>>().join(", ")))
    })
}

fn outputs(r: &mut Reader<'_>, node: &Node) -> Option<OutputsConfig> {
    r.fields(node, |f| {
        let default = OutputsConfig::default();
        let sla = f.or("sla", default.sla, values::topic);
        let backlog = f.or("backlog", default.backlog, values::topic);
        let reconciliation = f.or("reconciliation", default.reconciliation, values::topic);
        let current = f.or("current", default.current, values::topic);
        let dead_letters = f.or("dead_letters", default.dead_letters, values::topic);
        let control = f.or("control", default.control, values::topic);
        let beside = control.as_ref().map_or(default.partials, |control| Str::from(format!("{control}-partials")));
        let partials = f.or("partials", beside, values::topic);
        let format = f.or("format", default.format, |r, n| r.one_of(n, &FORMATS));
        let create_topics = f.or("create_topics", default.create_topics, values::boolean);
        let topic_config = f.or("topic_config", default.topic_config, topic_config);
        Some(OutputsConfig {
            sla: sla?,
            backlog: backlog?,
            reconciliation: reconciliation?,
            current: current?,
            dead_letters: dead_letters?,
            control: control?,
            partials: partials?,
            format: format?,
            create_topics: create_topics?,
            topic_config: topic_config?,
        })
    })
}

fn topic_config(r: &mut Reader<'_>, node: &Node) -> Option<BTreeMap<String, String>> {
    let entries = r.entries(node, |r, key, node| {
        let value = match key.name.as_str() {
            "cleanup.policy" => {
                r.error(&key.span, "orderwatch sets it: histories are kept by time, the latest states are compacted");
                return None;
            }
            "replication.factor" => values::at_least(1)(r, node)?.to_string(),
            _ => r.scalar(node, "a value")?.into_owned(),
        };
        Some((key.name.clone(), value))
    })?;
    Some(entries.into_iter().collect())
}

fn routes(r: &mut Reader<'_>, node: &Node) -> Option<Routes> {
    let entries = r.entries(node, |r, key, node| {
        let topic = r.fields(node, |f| f.required("topic", values::topic))?;
        Some((Str::new(&key.name), topic))
    })?;
    Some(entries.into_iter().collect())
}

/// What a topic is used for; only uses of the same kind may share one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Input,
    History,
    Alone,
    Route,
}

/// A topic that is read and written would feed itself, and what is compacted or internal holds nothing else.
fn topics_apart(f: &mut Fields<'_, '_, '_>, streams: &[StreamConfig], outputs: &OutputsConfig, routes: &Routes) {
    let given = |group: &str, name: &str| f.node(group).and_then(|n| n.field(name));
    let mut uses: Vec<(&Str, String, Use, Option<&Node>)> = Vec::new();
    for (i, stream) in streams.iter().enumerate() {
        let node = f.node("streams").and_then(|n| n.item(i)).and_then(|n| n.field("topic"));
        uses.push((&stream.topic, format!("streams[{i}]"), Use::Input, node));
    }
    for (name, topic, kind) in [
        ("sla", &outputs.sla, Use::History),
        ("backlog", &outputs.backlog, Use::History),
        ("reconciliation", &outputs.reconciliation, Use::History),
        ("current", &outputs.current, Use::Alone),
        ("dead_letters", &outputs.dead_letters, Use::Alone),
        ("control", &outputs.control, Use::Alone),
        ("partials", &outputs.partials, Use::Alone),
    ] {
        uses.push((topic, format!("outputs.{name}"), kind, given("outputs", name)));
    }
    for (route, topic) in routes {
        uses.push((
            topic,
            format!("routes.{route}"),
            Use::Route,
            given("routes", route).and_then(|n| n.field("topic")),
        ));
    }
    let mut taken: HashMap<&Str, (&str, Use, Option<&Node>)> = HashMap::new();
    for (topic, name, kind, node) in &uses {
        match taken.get(topic) {
            Some((_, other, _)) if other == kind && matches!(kind, Use::History | Use::Route) => {}
            Some((other_name, other, other_node)) => {
                let why = match other {
                    Use::Input => "orderwatch would read what it writes",
                    Use::History => "every exception of the route would stand there twice",
                    Use::Alone | Use::Route => "it must have a topic of its own",
                };
                let span = node.or(*other_node).map_or(0..0, |n| n.span.clone());
                let message = format!("{name}: the topic {} is that of {other_name} already", quoted(topic));
                f.reader.error_with_help(&span, message, Some(why.to_owned()));
            }
            None => {
                taken.insert(topic, (name, *kind, *node));
            }
        }
    }
}

fn start(r: &mut Reader<'_>, node: &Node) -> Option<StartConfig> {
    r.fields(node, |f| {
        let from = f.or("from", StartFrom::Earliest, start_from);
        let publish_after = f.or("publish_after", None, |r, n| {
            r.parsed(n, "`start` or a time such as `2026-11-21T10:00:00Z`", |text| match text {
                "start" => Ok(None),
                _ => units::instant(text).map(Some),
            })
        });
        Some(StartConfig { from: from?, publish_after: publish_after? })
    })
}

fn start_from(r: &mut Reader<'_>, node: &Node) -> Option<StartFrom> {
    let expected = "`earliest`, `latest`, a time such as `2026-11-21T10:00:00Z`, or `-30d`";
    r.parsed(node, expected, |text| match (text, text.strip_prefix('-')) {
        ("earliest", _) => Ok(StartFrom::Earliest),
        ("latest", _) => Ok(StartFrom::Latest),
        (_, Some(ago)) => units::duration(ago).map(StartFrom::Ago),
        _ => units::instant(text).map(StartFrom::At),
    })
}

fn snapshots(r: &mut Reader<'_>, node: &Node) -> Option<SnapshotsConfig> {
    r.fields(node, |f| {
        let default = SnapshotsConfig::default();
        let url = f.or("url", default.url, |r, n| {
            url_of(r, n, "a URL such as `file:///var/lib/orderwatch/snapshots`", &SNAPSHOT_SCHEMES)
        });
        let every = f.or("every", default.every, values::some_duration);
        let keep = f.or("keep", default.keep, values::count);
        Some(SnapshotsConfig { url: url?, every: every?, keep: keep? })
    })
}

fn http(r: &mut Reader<'_>, node: &Node) -> Option<HttpConfig> {
    r.fields(node, |f| {
        let default = HttpConfig::default();
        let listen = f.or("listen", default.listen, |r, n| {
            r.parsed(n, "an address and port such as `127.0.0.1:8080`", |text| match text.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() => match units::integer::<u16>(port) {
                    Ok(_) => Ok(text.to_owned()),
                    Err(_) => Err("the port is no number up to 65535".to_owned()),
                },
                _ => Err("both a host and a port are needed".to_owned()),
            })
        });
        let advertised = f.or("advertised", None, |r, n| {
            url_of(r, n, "a URL such as `http://host:8080`", &["http", "https"]).map(Some)
        });
        let token = f.or("token", None, values::text_or_none);
        Some(HttpConfig { listen: listen?, advertised: advertised?, token: token? })
    })
}

fn url_of(r: &mut Reader<'_>, node: &Node, expected: &str, schemes: &[&str]) -> Option<String> {
    let wanted = || schemes.iter().map(|s| format!("{s}://")).collect::<Vec<_>>().join(", ");
    r.parsed(node, expected, |text| match url::Url::parse(text) {
        Ok(url) if schemes.contains(&url.scheme()) => Ok(text.to_owned()),
        Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => Err(format!("it begins with one of {}", wanted())),
        Err(e) => Err(e.to_string()),
    })
}
