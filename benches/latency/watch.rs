//! A subscriber: when it reads each order's exception, read_committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use rdkafka::Offset;
use rdkafka::message::Message;

use super::promises::Promises;
use crate::live::reader::reader;
use crate::support::Broker;

/// Reads until the bench ends.
pub struct Watch {
    /// In milliseconds since 1970, by order.
    seen: Arc<Mutex<BTreeMap<String, f64>>>,
}

impl Watch {
    pub fn start(broker: &Broker, topic: &str, partitions: i32) -> Watch {
        let consumer = reader(broker.client(), &[topic], partitions, Offset::Beginning);
        let seen = Arc::new(Mutex::new(BTreeMap::new()));
        let noted = Arc::clone(&seen);
        std::thread::spawn(move || {
            loop {
                // After an error librdkafka goes on by itself.
                let Some(Ok(message)) = consumer.poll(Duration::from_secs(1)) else { continue };
                let now = UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64() * 1e3;
                let order = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
                noted.lock().expect("nobody panics with it").entry(order).or_insert(now);
            }
        });
        Watch { seen }
    }

    /// When a record with this key was read first, in milliseconds since 1970.
    pub fn seen(&self, key: &str) -> Option<f64> {
        self.seen.lock().expect("nobody panics with it").get(key).copied()
    }

    /// How long after deadline + grace each broken promise was read, in milliseconds; or how many are missing.
    pub fn delays(&self, promises: &Promises, grace_ms: i64) -> Result<Vec<f64>, String> {
        let (broken, seen) = (promises.broken(), self.seen.lock().expect("nobody panics with it"));
        let delay = |(order, deadline_ms): (&&str, &i64)| Some(*seen.get(*order)? - (deadline_ms + grace_ms) as f64);
        let delays: Vec<f64> = broken.iter().filter_map(delay).collect();
        match broken.len() - delays.len() {
            0 => Ok(delays),
            missing => Err(format!("{missing} of {} are missing", broken.len())),
        }
    }
}
