//! How records are read and written: what the configuration says of it, made ready.

use crate::codec::{Encoder, EncoderConfig, StreamCodec};
use crate::config::{Config, Delivery};
use crate::domain::Str;
use crate::kafka::publisher::unique;
use crate::telemetry::Meters;

/// How records are read and written.
#[derive(Debug)]
pub struct Wire {
    /// By stream.
    pub codecs: Vec<StreamCodec>,
    /// Of the inventory's streams.
    pub inventory: Vec<StreamCodec>,
    /// Where outputs go.
    pub outputs: Encoder,
    /// What the shards tell the backlogs' sum goes there.
    pub partials: Str,
    /// Nobody but a shard's owner can publish of it (`exactly_once`).
    pub is_fenced: bool,
    /// Names this process among all that ever ran.
    pub process: Str,
    /// The dead-letter topic.
    pub dead_letters: Str,
    /// A dead letter is cut to this, in bytes.
    pub dead_letter_bytes: usize,
    /// The handles of the counters.
    pub meters: Meters,
}

impl Wire {
    /// As the configuration says; a dead letter is cut to `dead_letter_bytes`.
    pub fn new(config: &Config, dead_letter_bytes: usize) -> Self {
        let outputs = &config.outputs;
        let streams = config.streams.iter().chain(&config.inventory);
        let streams: Vec<Str> = streams.map(|stream| stream.topic.clone()).collect();
        Wire {
            codecs: config.stream_codecs(),
            inventory: config.inventory_codecs(),
            outputs: Encoder::new(EncoderConfig {
                sla: outputs.sla.clone(),
                backlog: outputs.backlog.clone(),
                reconciliation: outputs.reconciliation.clone(),
                current: outputs.current.clone(),
                routes: config.routes.clone(),
                group_id: config.kafka.group_id.clone(),
                replay: None,
                format: outputs.format,
            }),
            partials: outputs.partials.clone(),
            is_fenced: config.delivery == Delivery::ExactlyOnce,
            process: Str::from(unique()),
            dead_letters: outputs.dead_letters.clone(),
            dead_letter_bytes,
            meters: Meters::new(&streams, &config.policies),
        }
    }
}
