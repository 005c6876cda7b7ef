//! `make bench`: how long a process takes from its start until it polls and judges, without a snapshot; and how large the
//! binary is.
//!
//! First in a group that nobody knows, whose outputs must be made too, then again in the same group. Each time an order lies
//! on the topics whose promise broke, and the figures count only where that is told in the end.

#[path = "../goals/mod.rs"]
mod goals;
#[path = "../live/mod.rs"]
mod live;
#[allow(dead_code)]
#[path = "../failover/log.rs"]
mod log;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use orderwatch::demo::log::TOPICS;

use live::orders::{POLICIES, placed};
use live::{RUN, Service, now_ms};
use support::{Broker, Process, Workdir, eventually, unique};

const PARTITIONS: i32 = 4;
const STARTS_WITHIN: Duration = Duration::from_secs(60);
const LEAVES_WITHIN: Duration = Duration::from_secs(15);

/// Starts a process again and again.
#[derive(Parser)]
struct Args {
    /// Ignored: every bench may be given a number of orders
    orders: Option<u64>,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

/// When something was logged for the first time, in milliseconds since the start.
struct Start {
    policies: f64,
    assigned: f64,
    /// Every shard polls and judges.
    running: f64,
}

fn main() {
    let args = Args::parse();
    let broker = Broker::shared();
    broker.create_topics(&TOPICS, PARTITIONS, &[]);
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for round in 0..args.rounds.max(1) {
        let workdir = Workdir::new();
        let snapshots = workdir.path().join("snapshots");
        let service =
            Service { broker, group: unique("start"), properties: "", snapshots: &snapshots, policies: POLICIES };
        service.write(&workdir);
        first.push(start(&service, &workdir, &format!("late-{round}-first")));
        std::fs::remove_dir_all(&snapshots).expect("it wrote snapshots when it left");
        again.push(start(&service, &workdir, &format!("late-{round}-again")));
    }
    println!("median of {}, without a snapshot, {PARTITIONS} shards", first.len());
    for (what, starts) in [("first start of a group", &first), ("start again", &again)] {
        let median = |part: fn(&Start) -> f64| {
            let mut parts: Vec<f64> = starts.iter().map(part).collect();
            parts.sort_by(f64::total_cmp);
            parts[parts.len() / 2]
        };
        goals::figure(&format!("{what}: its policies are in force"), median(|start| start.policies), "ms");
        goals::figure(&format!("{what}: is assigned its shards"), median(|start| start.assigned), "ms");
        goals::at_most(&format!("{what}: judges all of them"), median(|start| start.running), 1_000.0, "ms");
    }
    size(Path::new(env!("CARGO_BIN_EXE_orderwatch")));
}

fn start(service: &Service<'_>, workdir: &Workdir, order: &str) -> Start {
    let broken = now_ms() - 60_000;
    service.broker.producer().send(placed(order, 0, broken, broken + 1_000));
    let began = now_ms();
    let mut process = Process::spawn(workdir, &RUN);
    process.wait_ready(STARTS_WITHIN);
    eventually(STARTS_WITHIN, "the exception of the order that was late", || {
        let told = service.broker.read_committed(&service.output("sla"));
        let of = told.iter().filter(|record| record.key() == order).count();
        if of == 1 { Ok(()) } else { Err(format!("{of} of it in {} records", told.len())) }
    });
    let status = process.terminate(LEAVES_WITHIN);
    assert!(status.success(), "it left with {status}:\n{}", process.stderr());
    let lines = log::since(&process.stderr(), began);
    let after = |message: &str| {
        let times = lines.iter().filter(|line| line.says(message)).map(|line| (line.at_ms - began) as f64);
        times.collect::<Vec<f64>>()
    };
    let restored = after("shard restored");
    assert_eq!(restored.len(), PARTITIONS as usize, "each shard once:\n{}", process.stderr());
    let first = |message: &str| after(message).first().copied().unwrap_or_else(|| panic!("no line `{message}`"));
    Start {
        policies: first("policies in force"),
        assigned: first("shards assigned"),
        running: restored.into_iter().fold(0.0, f64::max),
    }
}

fn size(binary: &Path) {
    let megabytes = |path: &Path| std::fs::metadata(path).expect("the binary is there").len() as f64 / 1e6;
    goals::figure("the binary as it is built", megabytes(binary), "MB");
    let folder = tempfile::tempdir().expect("a folder");
    let stripped = folder.path().join("orderwatch");
    match Command::new("strip").arg("-o").arg(&stripped).arg(binary).status() {
        Ok(status) if status.success() => goals::at_most("the binary, stripped", megabytes(&stripped), 30.0, "MB"),
        Ok(status) => println!("strip failed ({status}): the binary's size without symbols is not known"),
        Err(e) => println!("strip is missing ({e}), it comes with binutils: the size without symbols is not known"),
    }
}
