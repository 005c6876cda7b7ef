//! `make bench`: how fast a backlog on a real broker is drained, exactly once, beside a consumer that only counts.
//!
//! A shop whose exceptions are known lies on three topics. In each round a bare consumer reads all of it, then one that
//! decodes it too, then each binary, from nothing until its group has committed the end of every input. A figure is
//! printed only after the exceptions were read back and found right.
//!
//! `cargo bench --bench drain -- 20000` takes another number of orders; `--binary PATH`, as often as wanted, measures
//! other builds beside this one, in turns: every second round from the last to the first.

mod backlog;
mod bare;
#[path = "../goals/mod.rs"]
mod goals;
#[path = "../live/mod.rs"]
mod live;
mod ours;
#[path = "../shop/promises.rs"]
mod promises;
#[path = "../shop/streams.rs"]
mod streams;
#[path = "../../tests/support/mod.rs"]
mod support;
mod told;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use backlog::Backlog;
use support::Broker;

/// Drains a backlog on a real broker.
#[derive(Parser)]
struct Args {
    /// How many orders the backlog tells of, with some five events each
    #[arg(default_value_t = 200_000)]
    orders: u64,
    /// Another build to measure, before this one; the first of all is what the others are compared with
    #[arg(long = "binary", value_name = "PATH")]
    binaries: Vec<PathBuf>,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

/// One drain.
pub struct Measured {
    took: Duration,
    cpu: Duration,
}

/// Something that drains, and how it did so far.
struct Contender<'a> {
    name: String,
    drain: Box<dyn Fn() -> Measured + 'a>,
    drains: Vec<Measured>,
}

fn main() {
    let args = Args::parse();
    let broker = Broker::shared();
    let backlog = Backlog::load(broker, args.orders);
    println!("{backlog}");
    let mut contenders = contenders(&args, broker, &backlog);
    for round in 1..=args.rounds.max(1) {
        // Each follows another each time: what one leaves behind, in the broker's caches and the system's, is felt by the next.
        let mut turns: Vec<&mut Contender<'_>> = contenders.iter_mut().collect();
        if round % 2 == 0 {
            turns.reverse();
        }
        for contender in turns {
            let drain = (contender.drain)();
            println!("round {round}  {:40} {}", contender.name, line(&drain, backlog.events));
            contender.drains.push(drain);
        }
    }
    report(&contenders, backlog.events);
}

fn contenders<'a>(args: &Args, broker: &'a Broker, backlog: &'a Backlog) -> Vec<Contender<'a>> {
    let contender = |name: &str, drain: Box<dyn Fn() -> Measured + 'a>| Contender {
        name: name.to_owned(),
        drain,
        drains: Vec::new(),
    };
    let mut all = vec![
        contender(BARE, Box::new(|| bare::drain(broker, backlog, false))),
        contender("bare consumer that decodes", Box::new(|| bare::drain(broker, backlog, true))),
    ];
    let this_build = Path::new(env!("CARGO_BIN_EXE_orderwatch"));
    for binary in args.binaries.iter().map(PathBuf::as_path).chain([this_build]) {
        let name =
            if binary == this_build { "orderwatch, this build".to_owned() } else { binary.display().to_string() };
        let binary = std::path::absolute(binary).expect("a path");
        all.push(contender(&name, Box::new(move || ours::drain(&binary, broker, backlog))));
    }
    all
}

const BARE: &str = "bare consumer";

fn line(drain: &Measured, events: usize) -> String {
    let (seconds, events) = (drain.took.as_secs_f64(), events as f64);
    let cpu = drain.cpu.as_secs_f64() * 1e6 / events;
    format!("{seconds:7.2} s {:>10.0} events/s {cpu:6.2} µs CPU/event", events / seconds)
}

/// The median drain of each, beside the bare one and beside the first binary.
fn report(contenders: &[Contender<'_>], events: usize) {
    let medians: Vec<&Measured> = contenders.iter().map(Contender::median).collect();
    let first = contenders.iter().position(|contender| contender.is_ours()).expect("a binary is measured");
    let seconds = |at: usize| medians[at].took.as_secs_f64();
    println!("\nmedian of {}", contenders[0].drains.len());
    for (at, contender) in contenders.iter().enumerate() {
        let of_bare = seconds(0) / seconds(at);
        let of_first = if at > first {
            format!("  {:.2} of {}", seconds(first) / seconds(at), contenders[first].name)
        } else {
            String::new()
        };
        println!("{:40} {}  {of_bare:.2} of bare{of_first}", contender.name, line(medians[at], events));
    }
    // This build is measured last.
    let ours = medians.len() - 1;
    goals::at_least("speed, of the bare consumer's", seconds(0) / seconds(ours), 0.60, "x");
    goals::at_least("speed, of the one that decodes", seconds(1) / seconds(ours), 0.75, "x");
    goals::at_most("CPU an event", medians[ours].cpu.as_secs_f64() * 1e6 / events as f64, 3.0, "µs");
}

impl Contender<'_> {
    fn is_ours(&self) -> bool {
        !self.name.starts_with(BARE)
    }

    fn median(&self) -> &Measured {
        let mut drains: Vec<&Measured> = self.drains.iter().collect();
        drains.sort_by_key(|drain| drain.took);
        drains[drains.len() / 2]
    }
}
