//! How librdkafka is set up for each of our clients (DESIGN section 12 has the measurements).

use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::config::KafkaConfig;
use crate::telemetry::emit;
use crate::telemetry::events::{self, KafkaLog};

/// What librdkafka says goes to our log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logged;

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

/// A line of librdkafka's log in ours.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    // librdkafka's levels are syslog's, in the same order.
    emit(KafkaLog { level: level as u8, facility, message });
}

/// A client-wide error, such as a broker that cannot be reached; librdkafka goes on trying.
pub fn log_error(error: &KafkaError, reason: &str) {
    // That a reader has come to an end is no error.
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
        return;
    }
    let code = error.rdkafka_error_code().map_or_else(|| "Unknown".to_owned(), |code| format!("{code:?}"));
    emit(events::KafkaError { code, detail: reason });
}

/// What every client has: the address, and quick reconnects, for a deadline waits for them.
fn base(kafka: &KafkaConfig) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.brokers).set("client.id", "orderwatch");
    config.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "1000");
    config.set("allow.auto.create.topics", "false").set("topic.metadata.refresh.interval.ms", "30000");
    config
}

/// The user's word comes after our defaults; what would break delivery was refused by `config`.
fn with_properties(config: &mut ClientConfig, kafka: &KafkaConfig, takes: impl Fn(&str) -> bool) {
    for (key, value) in kafka.properties.iter().filter(|(key, _)| takes(key)) {
        config.set(key, value);
    }
}

/// Properties that only a consumer in a group understands, or that only it should follow.
fn is_of_the_consumer(key: &str) -> bool {
    const PREFIXES: [&str; 8] =
        ["group.", "session.", "heartbeat.", "partition.assignment", "max.poll", "fetch.", "queued.", "auto.offset"];
    PREFIXES.iter().any(|prefix| key.starts_with(prefix)) || key == "check.crcs"
}

/// Properties that only a producer understands, or that only it should follow.
fn is_of_the_producer(key: &str) -> bool {
    const PREFIXES: [&str; 8] =
        ["queue.", "linger", "compression", "batch.", "message.timeout", "delivery.", "partitioner", "transaction"];
    PREFIXES.iter().any(|prefix| key.starts_with(prefix)) || key == "acks" || key == "request.required.acks"
}

/// For so long the coordinator waits for a member that does not join again, and all others with it; never shorter than the
/// session, which librdkafka would refuse.
fn poll_interval_ms(kafka: &KafkaConfig) -> u64 {
    const A_MINUTE: u64 = 60_000;
    let session = kafka.properties.get("session.timeout.ms").and_then(|text| text.parse().ok());
    session.unwrap_or(0).max(A_MINUTE)
}

/// For so long the group's consumer lets a leader wait with its answer where nothing comes.
pub fn fetch_waits(kafka: &KafkaConfig) -> Duration {
    const BY_DEFAULT_MS: u64 = 500;
    let told = kafka.properties.get("fetch.wait.max.ms").and_then(|text| text.parse().ok());
    Duration::from_millis(told.unwrap_or(BY_DEFAULT_MS))
}

/// The group's consumer. Range assignment, so that shard n is partition n of every input.
pub fn consumer(kafka: &KafkaConfig) -> ClientConfig {
    let mut config = base(kafka);
    let next_generation = kafka.is_next_group_protocol();
    if next_generation {
        // By them alone a member without partitions learns that it has joined.
        config.set("statistics.interval.ms", "1000");
    } else {
        config.set("session.timeout.ms", "10000").set("heartbeat.interval.ms", "1000");
    }
    config.set("max.poll.interval.ms", poll_interval_ms(kafka).to_string());
    // With librdkafka's default of a second between fetches, a catch-up takes twice as long.
    config.set("fetch.queue.backoff.ms", "5").set("fetch.message.max.bytes", "1048576");
    // Of each input: an answer or two ahead.
    config.set("queued.min.messages", "8192").set("queued.max.messages.kbytes", "8192");
    with_properties(&mut config, kafka, |key| !is_of_the_producer(key));
    config.set("group.id", kafka.group_id.as_str());
    match next_generation {
        true => config.set("group.remote.assignor", "range"),
        false => config.set("partition.assignment.strategy", "range"),
    };
    config.set("isolation.level", "read_committed").set("auto.offset.reset", "earliest");
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    config.set("enable.partition.eof", "false");
    config
}

/// A client that reads topics by assignment, in no group's name: our own outputs, offsets.
pub fn reader(kafka: &KafkaConfig) -> ClientConfig {
    let mut config = base(kafka);
    with_properties(&mut config, kafka, |key| !is_of_the_producer(key) && !is_of_the_consumer(key));
    // `committed` needs the name; without a subscription no group is joined.
    config.set("group.id", kafka.group_id.as_str());
    config.set("isolation.level", "read_committed").set("auto.offset.reset", "earliest");
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    config.set("fetch.queue.backoff.ms", "5").set("fetch.wait.max.ms", "20").set("enable.partition.eof", "true");
    config
}

/// A client that follows a topic of ours as it grows.
pub fn follower(kafka: &KafkaConfig) -> ClientConfig {
    let mut config = reader(kafka);
    config.set("fetch.wait.max.ms", "500").set("enable.partition.eof", "false");
    config
}

/// A client that only asks for the ends of partitions, with one isolation level.
pub fn ends(kafka: &KafkaConfig, isolation: &str) -> ClientConfig {
    let mut config = base(kafka);
    with_properties(&mut config, kafka, |key| !is_of_the_producer(key) && !is_of_the_consumer(key));
    config.set("isolation.level", isolation);
    config
}

/// A client that asks what topics there are and what they are like, and makes them.
pub fn admin(kafka: &KafkaConfig) -> ClientConfig {
    let mut config = base(kafka);
    with_properties(&mut config, kafka, |key| !is_of_the_producer(key) && !is_of_the_consumer(key));
    config
}

/// Ends a client on a thread of its own: librdkafka takes up to a tenth of a second for it.
pub(super) fn let_go(client: impl Send + 'static) {
    // Where the system refuses the thread, the client ends here.
    drop(std::thread::Builder::new().name("closing".to_owned()).spawn(move || drop(client)));
}

/// Bounds of what is produced, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The largest record.
    pub message_max: usize,
    /// The largest batch of several records.
    pub batch_max: usize,
}

/// The producer of outputs; with a transactional id it is exactly-once.
pub fn producer(kafka: &KafkaConfig, transactional_id: Option<&str>, sizes: Sizes) -> ClientConfig {
    let mut config = base(kafka);
    config.set("linger.ms", "0").set("message.max.bytes", sizes.message_max.to_string());
    // A topic's max.message.bytes bounds the batch, not the record.
    config.set("batch.size", sizes.batch_max.to_string());
    // The coordinator answers CONCURRENT_TRANSACTIONS right after a commit: librdkafka's 100 ms cost each transaction.
    config.set("retry.backoff.ms", "2").set("retry.backoff.max.ms", "100");
    with_properties(&mut config, kafka, |key| !is_of_the_consumer(key));
    config.set("enable.idempotence", "true").set("partitioner", "murmur2_random");
    if let Some(id) = transactional_id {
        let timeout = kafka.transaction_timeout().as_millis().to_string();
        config.set("transactional.id", id).set("transaction.timeout.ms", &timeout).set("message.timeout.ms", &timeout);
    }
    config
}

impl rdkafka::consumer::ConsumerContext for Logged {}

impl rdkafka::producer::ProducerContext for Logged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &rdkafka::message::DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            log_error(error, "a record was not delivered");
        }
    }
}
