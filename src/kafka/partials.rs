//! What the shards of all processes tell the backlogs' sum, read on a thread and a client of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::config::KafkaConfig;

use super::access;
use super::bell::Bell;
use super::client::{self, Logged};
use super::error::KafkaFailure;

/// Records that wait for the loop; beyond, the reader waits.
const WAITING_MAX: usize = 1_000;
/// The thread looks whether it is still wanted so often.
const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// Reads the topic from an offset on, committed records alone.
#[derive(Debug)]
pub struct PartialsReader {
    records: Receiver<(i64, Bytes)>,
    wanted: Arc<AtomicBool>,
}

impl PartialsReader {
    /// Starts the thread; it ends when this is dropped. `from`: where the log begins later, it is read from there.
    /// `bell` is rung when something came.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn start(kafka: &KafkaConfig, topic: &str, from: i64, bell: Arc<Bell>) -> Result<Self, KafkaFailure> {
        let failed = |source| KafkaFailure::Client { purpose: "reading partials", source };
        let client: BaseConsumer<Logged> = client::follower(kafka).create_with_context(Logged).map_err(failed)?;
        let mut assigned = TopicPartitionList::new();
        assigned.add_partition_offset(topic, 0, Offset::Offset(from)).map_err(failed)?;
        client.assign(&assigned).map_err(failed)?;
        let (send, records) = sync_channel(WAITING_MAX);
        let wanted = Arc::new(AtomicBool::new(true));
        let stays = Arc::clone(&wanted);
        let kafka = kafka.clone();
        let spawned = std::thread::Builder::new().name("partials".to_owned()).spawn(move || {
            while stays.load(Ordering::Relaxed) {
                match client.poll(LOOKS_EVERY) {
                    Some(Ok(message)) => {
                        let value = Bytes::copy_from_slice(message.payload().unwrap_or_default());
                        if !pass(&send, (message.offset(), value), &bell) {
                            return;
                        }
                    }
                    Some(Err(error)) => say(&kafka, &error),
                    None => {}
                }
            }
        });
        spawned.map_err(|e| failed(KafkaError::ClientCreation(e.to_string())))?;
        Ok(PartialsReader { records, wanted })
    }

    /// What has come: offsets and values.
    pub fn records(&self) -> impl Iterator<Item = (i64, Bytes)> + '_ {
        self.records.try_iter()
    }
}

impl Drop for PartialsReader {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
    }
}

/// False where nobody wants it any more.
fn pass(send: &SyncSender<(i64, Bytes)>, record: (i64, Bytes), bell: &Bell) -> bool {
    let sent = send.send(record).is_ok();
    bell.ring();
    sent
}

fn say(kafka: &KafkaConfig, error: &KafkaError) {
    if access::is_denied(error) {
        let failure = access::unread(kafka, error, "the partials' topic");
        return client::log_error(error, &failure.to_string());
    }
    client::log_error(error, "while reading what the shards tell of their backlogs");
}
