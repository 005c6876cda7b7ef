//! `make bench`: how long an order's exception waits when the process that holds its shard is killed.
//!
//! Two processes of one group hold the open orders between them and have snapshots of them. Fresh orders come in every shard all
//! the time and break their promise soon. One process is killed with SIGKILL, and it is measured when the other one
//! knows, has the shards, has restored each, and publishes the first exception in each; what all of it is made of is
//! read from the survivor's log.
//!
//! `cargo bench --bench failover -- 1000000` takes another number of open orders, `--rounds N` kills more often.

#[path = "../live/mod.rs"]
mod live;
mod log;
mod orders;
mod report;
#[path = "../../tests/support/mod.rs"]
mod support;
mod takeover;
mod watch;

use clap::Parser;
use orderwatch::demo::log::TOPICS;
use tempfile::TempDir;

use live::Service;
use orders::Fresh;
use support::{Broker, Workdir, unique};
use takeover::Pair;
use watch::Watch;

pub const SHARDS: i32 = 8;
/// After so long without a word from a process its shards go to the other.
const SESSION_MS: u32 = 6_000;

/// Kills one of two processes and measures how the other takes over.
#[derive(Parser)]
struct Args {
    /// Open orders in all
    #[arg(default_value_t = 200_000)]
    orders: u64,
    /// How often a process is killed
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    let broker = Broker::shared();
    broker.create_topics(&TOPICS, SHARDS, &[]);
    let snapshots = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the snapshots");
    let service = Service {
        broker,
        group: unique("failover"),
        properties: &format!("session.timeout.ms: \"{SESSION_MS}\""),
        snapshots: snapshots.path(),
        policies: live::orders::POLICIES,
    };
    let folders = [Workdir::new(), Workdir::new()];
    folders.iter().for_each(|folder| service.write(folder));
    let mut pair = Pair::start(&folders);
    let events = live::load(broker, live::orders::open(args.orders, SHARDS));
    pair.wait_read(args.orders);
    println!(
        "{} open orders of {events} events in {SHARDS} shards, session.timeout.ms {SESSION_MS}, snapshots every 30 s",
        args.orders
    );
    let fresh = Fresh::start(broker);
    let watch = Watch::start(broker, &service.output("sla"));
    for round in 1..=args.rounds.max(1) {
        pair.wait_snapshots();
        let takeover = pair.kill_one(&service, &watch);
        println!("\nround {round}: {}", report::of(&takeover));
        if round < args.rounds {
            pair.restart_killed(args.orders);
        }
    }
    fresh.stop();
}
