//! `orderwatch demo`

use std::io::{self, IsTerminal as _, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Failure;
use super::log::LogArgs;
use crate::config::units;
use crate::demo::figures::Scraper;
use crate::demo::live::{self, Done};
use crate::demo::log::TOPICS;
use crate::demo::office::{CHECKOUTS, INVENTORY, Office};
use crate::demo::policies;
use crate::demo::render::Palette;
use crate::demo::scene::{HISTORIES, MINUTE, PARTITIONS, Scene};
use crate::demo::shop::{Shop, Stoppage};
use crate::demo::watch::Watch;
use crate::domain::{Millis, Timestamp};
use crate::run;

/// One warehouse stands still for 20 minutes of the shop, every hour and a half.
const STOPPAGE: Stoppage = Stoppage { warehouse: 0, first: 6, minutes: 20, every: 90 };
/// How long the last events may take to be read at the end.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(5);
/// How long the subscriber waits for an exception before it looks at the clock.
const TURN: Duration = Duration::from_millis(50);

/// Watch a small shop live at 60x speed; nothing to install
///
/// Runs a Kafka broker inside this process, a shop that produces to it, and orderwatch on it like on any other; prints
/// the exceptions that it publishes. Ends with Ctrl-C or after --for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ends after this long, such as 30s
    #[arg(long = "for", value_name = "DURATION", value_parser = units::duration)]
    length: Option<Millis>,

    /// Where /metrics, /healthz and /readyz are served; another port where this one is taken
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: SocketAddr,

    /// Two demos with one seed have the same orders
    #[arg(long, default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    log: LogArgs,
}

/// Runs the demo.
///
/// # Errors
/// A port cannot be opened, or orderwatch fails.
pub fn run(args: Args) -> Result<(), Failure> {
    args.log.init("error")?;
    let palette =
        Palette { colours: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) };
    let opened_at = now();
    let office = Office { opened_at, minute: MINUTE };
    let scene = Scene::set(args.http, &policies::yaml_with(MINUTE, &office.policies()))?;
    let config = scene.config()?;
    let until = args.length.map(|length| Instant::now() + Duration::from_millis(length.get().unsigned_abs()));
    let interrupted = Arc::new(run::Stop::default());
    run::stop_on_signals(&interrupted)?;
    let mut out = io::stdout().lock();
    out.write_all(opening(&scene, palette, args.length).as_bytes())?;

    let shop = Shop { seed: args.seed, opened_at, minute: MINUTE, stoppage: Some(STOPPAGE) };
    let (done, closed) = (Done::default(), AtomicBool::new(false));
    let stop = run::Stop::default();
    let feeder = scene.broker.feeder()?;
    let subscriber = scene.broker.subscriber(&HISTORIES, PARTITIONS)?;
    let mut watch = Watch::new(subscriber, Scraper::new(scene.http), palette);
    let (printed, served) = thread::scope(|scope| {
        let engine = scope.spawn(|| run::run_until(config, &stop));
        let shop = scope.spawn(|| live::run(&shop, &office, &feeder, &done, &closed, now));
        let is_over =
            || interrupted.is_asked() || until.is_some_and(|end| Instant::now() >= end) || engine.is_finished();
        let mut printed = Ok(());
        while printed.is_ok() && !is_over() {
            printed = watch.turn(TURN, &mut out);
        }
        closed.store(true, Ordering::Relaxed);
        let _ = shop.join();
        let deadline = Instant::now() + CATCH_UP_WITHIN;
        while printed.is_ok() && !engine.is_finished() && Instant::now() < deadline {
            if watch.scrape() >= done.events.load(Ordering::Relaxed) {
                break;
            }
            printed = watch.turn(TURN, &mut out);
        }
        stop.ask(false);
        (printed, engine.join())
    });
    if let Ok(served) = served {
        served?;
    }
    let said = printed.and_then(|()| out.write_all(closing(watch, &done, palette).as_bytes()));
    scene.end();
    match said {
        // `orderwatch demo | head` has seen what it wanted.
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

fn opening(scene: &Scene, palette: Palette, length: Option<Millis>) -> String {
    let end = length
        .map_or_else(|| "Ctrl-C".to_owned(), |length| format!("after {}, or Ctrl-C", units::format_duration(length)));
    let line = |name: &str, text: String| format!("  {}  {text}\n", palette.aside(format_args!("{name:<9}")));
    [
        palette.title("A small shop at 60x speed, and orderwatch on its topics"),
        "\n".to_owned(),
        "One minute of the shop takes one second, so `paid-in-5m` is due after 5 s. The events' times are real; it is the\n".to_owned(),
        "policies' durations that are scaled. Nothing leaves this machine.\n\n".to_owned(),
        line("broker", format!("{} (librdkafka's, inside this process)", scene.broker.address())),
        line("reads", format!("{}, {CHECKOUTS}, {INVENTORY} with {PARTITIONS} partitions each", TOPICS.join(", "))),
        line("writes", format!("{}, exceptions-current", HISTORIES.join(", "))),
        line("policies", scene.config_path().with_file_name("policies.yaml").display().to_string()),
        line("metrics", format!("http://{}/metrics", scene.http)),
        line("ends", end),
        "\n".to_owned(),
    ]
    .concat()
}

fn closing(watch: Watch, done: &Done, palette: Palette) -> String {
    let produced = done.events.load(Ordering::Relaxed);
    let summary = watch.summary(done.orders.load(Ordering::Relaxed));
    let title = format!("{} orders, {} of {produced} events read, published:", summary.orders, summary.events);
    format!("\n{}\n{}", palette.title(title), summary.exceptions_table())
}

/// The wall clock.
fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
