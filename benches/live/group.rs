//! A consumer group, asked how far it has committed.

use std::time::Duration;

use orderwatch::demo::log::TOPICS;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::reader::all_of;
use crate::support::Broker;

const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

pub struct Group {
    client: BaseConsumer,
    inputs: TopicPartitionList,
}

impl Group {
    pub fn of(broker: &Broker, group: &str, partitions: i32) -> Group {
        let client = broker.client().set("group.id", group).create().expect("a Kafka client");
        Group { client, inputs: all_of(&TOPICS, partitions) }
    }

    /// The sum of its committed offsets: how many records of [`TOPICS`] are behind it, where nobody writes transactions.
    pub fn committed(&self) -> Result<i64, String> {
        let asked = self.client.committed_offsets(self.inputs.clone(), ANSWERS_WITHIN).map_err(|e| e.to_string())?;
        let offset = |offset| match offset {
            Offset::Offset(offset) => offset,
            _ => 0,
        };
        Ok(asked.elements().iter().map(|element| offset(element.offset())).sum())
    }

    /// Ok where it has committed so many.
    pub fn is_at(&self, records: usize) -> Result<(), String> {
        let committed = usize::try_from(self.committed()?).unwrap_or(0);
        if committed == records { Ok(()) } else { Err(format!("{committed} of {records} records are committed")) }
    }
}
