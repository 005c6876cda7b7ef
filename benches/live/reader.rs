//! Reading topics by assignment, in no group's name.

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::unique;

/// All partitions of topics that have so many each.
pub fn all_of(topics: &[&str], partitions: i32) -> TopicPartitionList {
    let mut all = TopicPartitionList::new();
    for topic in topics {
        all.add_partition_range(topic, 0, partitions - 1);
    }
    all
}

/// Reads them from `offset` on, what is committed alone; `config` is its own beyond that.
pub fn reader(mut config: ClientConfig, topics: &[&str], partitions: i32, offset: Offset) -> BaseConsumer {
    config
        .set("group.id", unique("reader"))
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut all = all_of(topics, partitions);
    all.set_all_offsets(offset).expect("an offset");
    consumer.assign(&all).expect("an assignment");
    consumer
}
