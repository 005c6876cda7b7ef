//! `orderwatch replay` as a process, over a generated shop whose exceptions are known.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use orderwatch::demo::log::{ShopLog, TOPICS};
use orderwatch::demo::policies;
use orderwatch::demo::shop::Shop;
use orderwatch::demo::truth::Truth;
use orderwatch::domain::{Millis, Timestamp};
use orderwatch::kafka::in_process::InProcessBroker;
use serde_json::Value;
use tempfile::TempDir;

const MINUTE: Millis = Millis::new(60_000);
const ORDERS: u64 = 400;

/// A directory with the configuration of the shop, and the shop's dump.
struct Scene {
    dir: TempDir,
    shop: Shop,
    log: ShopLog,
}

impl Scene {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let config = "kafka: {brokers: localhost:9092, group_id: shop}\n\
                      streams: [{topic: orders}, {topic: payments}, {topic: fulfillments}]\n\
                      grace: 0s\npolicies: policies.yaml\n";
        fs::write(dir.path().join("orderwatch.yaml"), config).unwrap();
        fs::write(dir.path().join("policies.yaml"), policies::yaml(MINUTE)).unwrap();
        let opened_at = Timestamp::parse_rfc3339("2026-03-01T00:00:00Z").unwrap();
        let shop = Shop { seed: 11, opened_at, minute: MINUTE, stoppage: None };
        let log = ShopLog::new(&shop, ORDERS, Millis::from_secs(7), 4);
        Scene { dir, shop, log }
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        self.log.dump_lines().collect()
    }

    fn write(&self, name: &str, lines: &[Vec<u8>]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, lines.concat()).unwrap();
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderwatch"));
        command.arg("replay").arg("--config").arg(self.dir.path().join("orderwatch.yaml")).args(args);
        command
    }

    fn run(&self, input: &Path, args: &[&str]) -> Output {
        self.command(args).arg("--input").arg(input).output().unwrap()
    }

    /// The lines of a replay that must succeed.
    fn exceptions(&self, input: &Path, args: &[&str]) -> Vec<u8> {
        let output = self.run(input, &[&["--output", "-"], args].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        output.stdout
    }

    fn summary(&self, input: &Path, args: &[&str]) -> Value {
        let output = self.run(input, &[&["--summary", "json"], args].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the stories say must come out by `end`, as the summary prints it; backlogs are not in it.
    fn truth(&self, end: Timestamp) -> Value {
        let mut truth = Truth::new(&self.shop, Millis::ZERO, end);
        let placed = |story: &&orderwatch::demo::shop::Story| story.times.placed < end;
        self.log.stories.iter().filter(placed).for_each(|story| truth.tell(story));
        let mut counts = serde_json::Map::new();
        for ((policy, status), count) in truth.counts {
            counts.entry(policy).or_insert(Value::Object(Default::default()))[status.as_str()] = count.into();
        }
        Value::Object(counts)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn without_backlogs(mut summary: Value) -> Value {
    let exceptions = summary["exceptions"].as_object_mut().unwrap();
    exceptions.remove(policies::AWAITING_SHIPMENT);
    summary["exceptions"].take()
}

/// The same lines in another order: any shuffle will do, as long as it is one.
fn shuffled(lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut lines = lines.to_vec();
    let mut state = 1_u64;
    for i in (1..lines.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        lines.swap(i, (state >> 33) as usize % (i + 1));
    }
    assert_ne!(lines[..50], lines[50..100]);
    lines
}

fn line(topic: &str, partition: i32, offset: i64, ts: i64, rest: &str) -> Vec<u8> {
    format!("{{\"topic\":\"{topic}\",\"partition\":{partition},\"offset\":{offset},\"ts\":{ts},{rest}}}\n").into_bytes()
}

#[test]
fn the_same_bytes_whatever_the_order_of_the_lines() {
    let scene = Scene::new();
    let lines = scene.lines();
    let to = ["--to", "2026-03-02T00:00:00Z"];
    let first = scene.exceptions(&scene.write("sorted.jsonl", &lines), &to);
    assert!(first.split(|b| *b == b'\n').count() > 100, "the shop breaks promises");
    let other = shuffled(&lines);
    assert_eq!(first, scene.exceptions(&scene.write("shuffled.jsonl", &other), &to));
    let doubled = scene.write("doubled.jsonl", &[other, lines].concat());
    assert_eq!(first, scene.exceptions(&doubled, &to));
    let out = scene.dir.path().join("out.jsonl");
    let output = scene.run(&doubled, &["--output", out.to_str().unwrap(), "--to", "2026-03-02T00:00:00Z"]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", text(&output.stderr));
    assert_eq!(first, fs::read(out).unwrap());
}

#[test]
fn the_counts_are_those_of_the_stories() {
    let scene = Scene::new();
    let dump = scene.write("dump.jsonl", &scene.lines());
    let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
    let end = "2026-03-02T00:00:00Z";
    let summary = scene.summary(&dump, &["--to", end]);
    assert_eq!((&summary["events"], &summary["dead_letters"]), (&scene.log.records.len().into(), &0.into()));
    assert_eq!(summary["orders"], ORDERS);
    assert_eq!(without_backlogs(summary), scene.truth(at(end)));

    // In the middle of the day: nothing of what comes later is read, and the frontier ends there.
    let cut = "2026-03-01T00:30:00.000Z";
    let summary = scene.summary(&dump, &["--to", cut]);
    let before = scene.log.records.iter().filter(|r| r.event.at < at(cut)).count();
    assert_eq!(summary["events"], before);
    assert_eq!(without_backlogs(summary), scene.truth(at(cut)));
    let mut last = String::new();
    for line in scene.exceptions(&dump, &["--to", cut]).split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let exception: Value = serde_json::from_slice(line).unwrap();
        let frontier = exception["frontier"].as_str().unwrap().to_owned();
        assert!(last <= frontier && frontier.as_str() <= cut, "{last} {frontier}");
        assert_eq!((&exception["detected_at"], &exception["replay"]), (&exception["frontier"], &"replay".into()));
        last = frontier;
    }
    assert!(!last.is_empty());
}

#[test]
fn standard_input_is_a_dump_too() {
    let scene = Scene::new();
    let dump = scene.write("dump.jsonl", &scene.lines());
    let mut command = scene.command(&["--input", "-", "--output", "-", "--summary", "json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = scene.lines().concat();
    let writer = std::thread::spawn(move || stdin.write_all(&lines));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(output.stdout, scene.exceptions(&dump, &[]));
    let summary: Value = serde_json::from_slice(&output.stderr).expect("beside `--output -` the summary is on stderr");
    assert_eq!(summary, scene.summary(&dump, &[]));
}

#[test]
fn what_is_no_event_is_counted_and_moves_nothing_else() {
    let scene = Scene::new();
    let mut lines = scene.lines();
    let clean = scene.summary(&scene.write("clean.jsonl", &lines), &["--to", "2026-03-02T00:00:00Z"]);
    let day = 1_772_323_200_000; // 2026-03-01
    let next_century = 4_100_000_000_000;
    let placed = |id: &str, time: &str| {
        let payload = format!(r#"{{"event_id":"{id}","order_id":"{id}","type":"order.placed","event_time":"{time}"}}"#);
        format!("\"key\":\"{id}\",\"payload\":{}", Value::String(payload))
    };
    lines.extend([
        line("orders", 0, 900_000, day, r#""payload":"{not json""#),
        line("orders", 0, 900_001, day, r#""key_base64":"/w==","payload_base64":"AP/+""#),
        line("orders", 1, 900_000, day, r#""key":"o-1","payload":null"#),
        line("stock", 0, 0, day, r#""payload":"{}""#),
        // A record time ahead of the clock is an event's like any other, and moves no frontier.
        line("payments", 2, 900_000, next_century, r#""payload":"x""#),
        // An event time far from its record's.
        line("orders", 2, 900_000, day, &placed("skewed", "2029-01-01T00:00:00Z")),
        // No record time at all, and none in the payload that would replace it.
        line(
            "orders",
            3,
            900_000,
            -1,
            r#""key":"t","payload":"{\"event_id\":\"t\",\"order_id\":\"t\",\"type\":\"a\"}""#,
        ),
    ]);
    let dump = scene.write("dirty.jsonl", &lines);
    let output = scene.run(&dump, &["--summary", "json", "--to", "2026-03-02T00:00:00Z"]);
    let dirty: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(dirty["dead_letters"], 5, "{}", text(&output.stderr));
    assert_eq!((&dirty["events"], &dirty["exceptions"]), (&clean["events"], &clean["exceptions"]));
    let said = text(&output.stderr);
    assert!(said.contains("1 lines of topic stock were left out"), "{said}");
    for reason in ["not_json", "too_far_in_future"] {
        assert!(said.contains(reason), "{reason}: {said}");
    }
}

/// The broker inside this process stands in for a real one: it knows partitions, offsets and record times.
#[test]
fn a_range_of_the_topics_gives_what_its_dump_gives() {
    let scene = Scene::new();
    let broker = InProcessBroker::start().unwrap();
    TOPICS.iter().for_each(|topic| broker.create_topic(topic, 4).unwrap());
    let feeder = broker.feeder().unwrap();
    for record in &scene.log.records {
        feeder.send(record.event.topic, &record.event.order_id, &record.event.payload, record.event.at).unwrap();
    }
    feeder.flush(Duration::from_secs(20)).unwrap();
    let config = fs::read_to_string(scene.dir.path().join("orderwatch.yaml")).unwrap();
    let config = config.replace("localhost:9092", &format!("\"{}\"", broker.address()));
    fs::write(scene.dir.path().join("orderwatch.yaml"), config).unwrap();
    let end = "2026-03-02T00:00:00Z";
    let output = scene.command(&["--from", "earliest", "--to", end, "--summary", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["events"], &summary["orders"]), (&scene.log.records.len().into(), &ORDERS.into()));
    assert_eq!(without_backlogs(summary), scene.truth(Timestamp::parse_rfc3339(end).unwrap()));
}

#[test]
fn a_broken_line_names_its_place() {
    let scene = Scene::new();
    let mut lines = scene.lines();
    lines.insert(41, b"{\"topic\":\"orders\",\"partition\":0}\n".to_vec());
    let dump = scene.write("broken.jsonl", &lines);
    let out = scene.dir.path().join("out.jsonl");
    let output = scene.run(&dump, &["--output", out.to_str().unwrap(), "--summary", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("broken.jsonl:42: ") && said.contains("missing field `offset`"), "{said}");
    assert!(output.stdout.is_empty() && !out.exists(), "nothing is written of a broken dump");
}

#[test]
fn a_wrong_command_line_starts_nothing() {
    let scene = Scene::new();
    let dump = scene.write("dump.jsonl", &scene.lines());
    let status = |input: &Path, args: &[&str]| scene.run(input, args).status.code();
    assert_eq!(status(Path::new("/nowhere/dump.jsonl"), &[]), Some(2));
    assert_eq!(status(&dump, &["--to", "yesterday"]), Some(2));
    assert_eq!(status(&dump, &["--policies", "/nowhere/policies.yaml"]), Some(2));
    assert_eq!(status(&dump, &["--summary", "xml"]), Some(2));
    assert_eq!(status(&dump, &["--output", dump.to_str().unwrap()]), Some(1), "the input is not written over");
    assert_eq!(fs::read(&dump).unwrap(), scene.lines().concat());
    let refused = scene.run(&dump, &["--output", "topic:exceptions"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not built yet"), "{refused:?}");
}

#[test]
fn checkouts_are_judged_beside_orders_and_are_not_counted_as_such() {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, text: String| {
        fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name)
    };
    let config = write(
        "orderwatch.yaml",
        "kafka: {brokers: localhost:9092}\ngrace: 0s\npolicies: policies.yaml\n\
         streams: [{topic: orders}, {topic: checkouts, entity: checkout, id: basket, grace: 1m}]\n"
            .to_owned(),
    );
    let sla = |id: &str, rest: &str| {
        format!("  - {{id: {id}, {rest}, target: 10m, severity: info, owner: o, route: r, expected_outcome: e}}\n")
    };
    let slas = [
        sla("paid", "start: order.placed, stop: order.paid_in_full"),
        sla("goes-on", "entity: checkout, start: step.entered, stop: step.left"),
    ];
    write("policies.yaml", format!("slas:\n{}", slas.concat()));
    let event = |topic: &str, offset: i64, minute: i64, key: &str, rest: &str| {
        let ts = 1_772_323_200_000 + minute * 60_000;
        let payload = format!(r#"{{"event_id":"e-{offset}",{rest}}}"#);
        let rest = format!(r#""key":"{key}","payload":{}"#, Value::from(payload));
        line(topic, 0, offset, ts, &rest)
    };
    let lines = [
        event("orders", 0, 0, "x", r#""order_id":"x","type":"order.placed""#),
        event("checkouts", 0, 0, "x", r#""basket":"x","type":"step.entered""#),
        event("checkouts", 1, 1, "y", r#""basket":"y","type":"step.entered""#),
        event("checkouts", 2, 5, "y", r#""basket":"y","type":"step.left""#),
        event("checkouts", 3, 6, "z", r#""order_id":"z","type":"step.entered""#),
        event("orders", 1, 30, "w", r#""order_id":"w","type":"payment.authorized""#),
    ];
    let dump = write("dump.jsonl", String::from_utf8(lines.concat()).unwrap());
    let run = |command: &str, args: &[&str]| {
        let mut process = Command::new(env!("CARGO_BIN_EXE_orderwatch"));
        process.arg(command).args(args).arg("--config").arg(&config).arg("--input").arg(&dump).output().unwrap()
    };
    let output = run("replay", &["--output", "-"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let exceptions: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |e: &Value| (e["policy"]["id"].clone(), e["frontier"].clone(), e.get("order_id").cloned());
    let frontier = |text: &str| Value::from(text);
    assert_eq!(
        exceptions.iter().map(told).collect::<Vec<_>>(),
        [
            ("paid".into(), frontier("2026-03-01T00:10:00.001Z"), Some("x".into())),
            ("goes-on".into(), frontier("2026-03-01T00:11:00.001Z"), None),
        ]
    );
    assert_eq!((&exceptions[1]["entity"], &exceptions[1]["id"]), (&"checkout".into(), &"x".into()));
    let summary: Value = serde_json::from_slice(&run("replay", &["--summary", "json"]).stdout).unwrap();
    assert_eq!((&summary["orders"], &summary["events"], &summary["dead_letters"]), (&2.into(), &5.into(), &1.into()));

    let explained = text(&run("explain", &["x", "--entity", "checkout"]).stdout);
    assert!(explained.starts_with("checkout x at frontier"), "{explained}");
    assert!(explained.contains("breached: no step.left") && !explained.contains("paid"), "{explained}");
    let nobody = run("explain", &["x", "--entity", "chekout"]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(text(&nobody.stderr).contains("--entity chekout: no stream is about that"), "{}", text(&nobody.stderr));
}
