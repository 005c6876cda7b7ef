//! From the configuration to a running service: checks first, then topics, then the group.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};

use crate::config::{Config, Delivery};
use crate::domain::{Str, Timestamp};
use crate::http::{Orders, Server};
use crate::kafka::client::Sizes;
use crate::kafka::clock::{EndOffsets, SystemClock};
use crate::kafka::current::Reader;
use crate::kafka::publisher::Publisher;
use crate::kafka::source::Source;
use crate::kafka::topology::Cluster;
use crate::kafka::{control, topics};
use crate::policy::{Policies, Settings};
use crate::snapshot::{SnapshotStore, SnapshotWriter};
use crate::telemetry::events::{PoliciesInForce, PoliciesRefused, Started};
use crate::telemetry::{Health, emit, install_metrics};

use super::RunError;
use super::backlogs::Backlogs;
use super::documents::{Choice, Documents, put_in_force};
use super::fit::Fit;
use super::group::Shards;
use super::inventory::Inventory;
use super::pace::Pace;
use super::report::Reporter;
use super::restore::{Means, Restorer};
use super::service::{Service, beats};
use super::snapshots::{Snapshots, document};
use super::stop::{Stop, stop_on_signals};
use super::wire::Wire;
use super::workers::Workers;

/// The largest batch that is produced: small against what any topic takes.
pub(super) const BATCH_BYTES: usize = 256 << 10;
/// The coordinator of transactions may take so long when a cluster comes up.
const COORDINATOR_WITHIN: Duration = Duration::from_secs(60);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// It could not start, or could not go on.
pub fn run(config: Config) -> Result<(), RunError> {
    let stop = Arc::new(Stop::default());
    stop_on_signals(&stop)?;
    run_until(config, &stop)
}

/// Runs until `stop` is asked for.
///
/// # Errors
/// It could not start, or could not go on.
pub fn run_until(config: Config, stop: &Stop) -> Result<(), RunError> {
    let failed = |source| RunError::System { what: "the runtime cannot start".to_owned(), source };
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    let result = start(config, runtime.handle()).and_then(|service| service.run(stop));
    runtime.shutdown_timeout(Duration::from_millis(500));
    result
}

fn start(config: Config, runtime: &Handle) -> Result<Service, RunError> {
    let streams: Vec<Str> = config.streams.iter().map(|stream| stream.topic.clone()).collect();
    let health = Arc::new(Health::new(config.kafka.group_id.clone()));
    let metrics = install_metrics(Arc::clone(&health)).map_err(|e| RunError::Telemetry(e.to_string()))?;
    let delivery = match config.delivery {
        Delivery::ExactlyOnce => "exactly_once",
        Delivery::AtLeastOnce => "at_least_once",
    };
    let kafka = &config.kafka;
    emit(Started { group_id: &kafka.group_id, brokers: &kafka.brokers, topics: &streams, delivery });
    let (orders, questions) = Orders::new(config.http.token.as_deref());
    let http = runtime.block_on(Server::start(&config.http.listen, Arc::clone(&health), metrics, orders))?;

    let control = control::Writer::start(kafka)?;
    let store = SnapshotStore::open(&config.snapshots.url)?;
    runtime.block_on(store.check_writable())?;
    let cluster = Cluster::new(kafka)?;
    let shards = cluster.count_shards(&streams)?;
    let inventory = counted(&cluster, config.inventory.iter().map(|stream| stream.topic.clone()))?;
    runtime.block_on(topics::ensure_outputs(&config, &cluster, shards))?;
    let cluster_id = cluster.id();
    let reader = Reader::start(kafka)?;
    let policies = policies_in_force(&config, &reader, &control, &health)?;
    let config = Arc::new(Config { policies, ..config });
    let kafka = &config.kafka;

    let clock = SystemClock::start();
    let started = clock.now();
    let settings = Arc::new(settings(&config, &reader, &control, started)?);
    control.let_go();
    let means = Means {
        config: Arc::clone(&config),
        settings: Arc::clone(&settings),
        store: store.clone(),
        cluster_id: cluster_id.clone(),
        runtime: runtime.clone(),
        started,
        clock: clock.clone(),
    };
    let writer = SnapshotWriter::new(store, config.snapshots.keep, runtime.clone());
    let (seek, housekeeping) = beats();
    let orders = streams.iter().map(|topic| (topic.clone(), shards));
    let inputs: Vec<(Str, usize)> = orders.chain(inventory.iter().cloned()).collect();
    let backlogs = Backlogs::new(Arc::clone(&settings), config.outputs.control.clone(), shards);
    let fit = Fit::start(Arc::clone(&config), &cluster, runtime.clone());
    cluster.let_go();
    let dead_letter_bytes = dead_letter_bytes(&config, fit.of(&config.outputs.dead_letters));
    let wire = Arc::new(Wire::new(&config, dead_letter_bytes));
    Ok(Service {
        clock: clock.clone(),
        ends: EndOffsets::start(kafka, &inputs, &config.outputs.current, clock)?,
        publisher: publisher(&config, fit.batch_max(BATCH_BYTES))?,
        batch_max: fit.batch_max(BATCH_BYTES),
        fit,
        restorer: Restorer::start(means, reader)?,
        snapshots: Snapshots::new(writer, Arc::clone(&config), cluster_id, document(&config)),
        workers: Workers::start(Workers::of_use(shards), &wire)?,
        wire,
        reporter: Reporter::new(streams.clone(), &config.policies, &settings),
        health,
        http,
        runtime: runtime.clone(),
        shards: Shards::new(streams.len()),
        backlogs: backlogs.with_inventory(Inventory::new(streams.len(), &inventory)),
        kafka: kafka.clone(),
        partials: None,
        inventory: None,
        questions,
        pace: Pace::default(),
        seek,
        gathers: None,
        housekeeping,
        clock_held: false,
        more_work: false,
        catching_up: false,
        committed_at: Instant::now(),
        has_read: false,
        feeding: false,
        retry_at: None,
        torn: None,
        // Last: the group is joined when everything else stands.
        source: Source::subscribe(kafka, &streams)?,
    })
}

/// Topics with their numbers of partitions, each of its own.
fn counted(cluster: &Cluster, topics: impl Iterator<Item = Str>) -> Result<Vec<(Str, usize)>, RunError> {
    let count = |topic: Str| Ok((topic.clone(), cluster.count_shards(&[topic])?));
    topics.map(count).collect()
}

/// The document that the group goes by: ours, or one of a higher revision that is in force.
fn policies_in_force(
    config: &Config,
    reader: &Reader,
    writer: &control::Writer,
    health: &Health,
) -> Result<Arc<Policies>, RunError> {
    let (own, control) = (&config.policies, &config.outputs.control);
    let mut documents = Documents::read(reader, control)?;
    if documents.gives_way_to(own) {
        writer.write(&put_in_force(control, own))?;
        // Another process may have started at the same time; and from here on, every restore can read what was written.
        documents = Documents::read(reader, control)?;
    }
    let policies = match documents.choose(own).map_err(RunError::Policies)? {
        Choice::Own => Arc::clone(own),
        Choice::Theirs(theirs, why) => {
            emit(PoliciesRefused { version: &own.version, in_force: &theirs.version, reason: &why });
            health.set_note("policies", Some(format!("the policy file of this process is not used: {why}")));
            theirs
        }
    };
    emit(PoliciesInForce { policies: &policies });
    health.set_policies(policies.version.clone(), policies.revision);
    Ok(policies)
}

/// What the engine judges by; `publish_after` is the group's first start where the configuration names no time.
fn settings(
    config: &Config,
    reader: &Reader,
    writer: &control::Writer,
    started: Timestamp,
) -> Result<Settings, RunError> {
    let agreed = control::agree(&config.outputs.control, reader, writer, started)?;
    let publish_after = config.start.publish_after.unwrap_or(agreed.first_start);
    Ok(Settings { publish_after, replay: None, ..config.settings() })
}

/// A producer whose batches are at most so large.
pub(super) fn publisher(config: &Config, batch_max: usize) -> Result<Publisher, RunError> {
    let sizes = Sizes { message_max: message_max_bytes(config), batch_max };
    let current = &config.outputs.current;
    let topics = topics::of(config);
    Ok(Publisher::start(&config.kafka, config.delivery, current, &topics, sizes, COORDINATOR_WITHIN)?)
}

/// To what a dead letter is cut: to what its topic takes, with room for Kafka's own words around it. Where the broker
/// does not say, Kafka's default is taken for it.
fn dead_letter_bytes(config: &Config, taken: Option<usize>) -> usize {
    taken.unwrap_or(1_048_588).min(message_max_bytes(config)).saturating_sub(1_024)
}

fn message_max_bytes(config: &Config) -> usize {
    let told = config.kafka.properties.get("message.max.bytes").and_then(|text| text.parse().ok());
    told.unwrap_or(16 << 20)
}
