//! A subscriber of the exceptions: when it reads, read_committed, one of which shard.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::message::Message;

use super::SHARDS;
use super::orders::shard_of_fresh;
use crate::live::now_ms;
use crate::live::reader::reader;
use crate::support::Broker;

/// An exception of a fresh order.
#[derive(Clone, Copy)]
pub struct Seen {
    pub shard: i32,
    pub at_ms: i64,
}

/// Reads until the bench ends.
pub struct Watch {
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Watch {
    pub fn start(broker: &Broker, topic: &str) -> Watch {
        let mut config = broker.client();
        config.set("fetch.wait.max.ms", "20");
        let consumer = reader(config, &[topic], SHARDS, Offset::End);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        std::thread::spawn(move || {
            loop {
                // After an error librdkafka goes on by itself.
                let Some(Ok(message)) = consumer.poll(Duration::from_secs(1)) else { continue };
                let key = String::from_utf8_lossy(message.key().unwrap_or_default());
                if let Some(shard) = shard_of_fresh(&key) {
                    noted.lock().expect("nobody panics with it").push(Seen { shard, at_ms: now_ms() });
                }
            }
        });
        Watch { seen }
    }

    /// What was read at or after a time.
    pub fn since(&self, ms: i64) -> Vec<Seen> {
        let seen = self.seen.lock().expect("nobody panics with it");
        seen.iter().copied().filter(|seen| seen.at_ms >= ms).collect()
    }
}
