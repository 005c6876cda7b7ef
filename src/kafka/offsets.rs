//! What a commit says beside the offset itself, and reading a group's commits.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use crate::domain::{Str, StreamId, Timestamp};

/// The metadata on each committed offset of a shard.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CommitNote {
    /// The shard's frontier; in milliseconds since the epoch. None before it had one.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none", default)]
    pub frontier_ms: Option<i64>,
    /// The hash of the policy document in force.
    #[serde(rename = "p")]
    pub policies: Str,
    /// The offset of `exceptions-current` n after the last record that the shard published there.
    #[serde(rename = "c")]
    pub current_next: i64,
    /// The first offset of this input that the group ever read: where a restore without a snapshot begins.
    #[serde(rename = "s")]
    pub began_at: i64,
    /// From when on the shard could read every record, in milliseconds since the epoch; none where that is always.
    #[serde(rename = "i", skip_serializing_if = "Option::is_none", default)]
    pub complete_since_ms: Option<i64>,
}

impl CommitNote {
    /// The frontier.
    pub fn frontier(&self) -> Option<Timestamp> {
        self.frontier_ms.map(Timestamp::from_millis)
    }

    /// From when on the shard could read every record.
    pub fn complete_since(&self) -> Option<Timestamp> {
        self.complete_since_ms.map(Timestamp::from_millis)
    }

    /// As it is written; a broker takes 4,096 bytes.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`CommitNote::encode`] wrote; `None` for a commit that is not ours (such as a tool's reset).
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// A group's commit of one input partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// What we said with it.
    pub note: Option<CommitNote>,
}

/// The commits of one shard, by stream; `None` where a stream has none. Waits for transactions that are being decided.
///
/// # Errors
/// The broker does not answer, or an offset of a transaction is still undecided after `timeout`.
pub fn committed(
    client: &BaseConsumer<super::client::Logged>,
    streams: &[Str],
    partition: i32,
    timeout: Duration,
) -> Result<Vec<Option<Committed>>, KafkaError> {
    let mut asked = TopicPartitionList::with_capacity(streams.len());
    for topic in streams {
        asked.add_partition(topic, partition);
    }
    let answered = client.committed_offsets(asked, timeout)?;
    let mut all = vec![None; streams.len()];
    for (slot, topic) in all.iter_mut().zip(streams) {
        let Some(element) = answered.find_partition(topic, partition) else { continue };
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            *slot = Some(Committed { offset, note: CommitNote::decode(element.metadata()) });
        }
    }
    Ok(all)
}

/// One shard's offsets to commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardOffsets {
    /// The shard.
    pub partition: i32,
    /// The shard's frontier.
    pub frontier: Option<Timestamp>,
    /// The hash of the policy document in force.
    pub policies: Str,
    /// What `current_next` was before this commit.
    pub current_next: i64,
    /// From when on the shard could read every record.
    pub complete_since: Option<Timestamp>,
    /// The next offset of each stream, and where the group began with it.
    pub positions: Vec<(StreamId, i64, i64)>,
}

impl ShardOffsets {
    /// What is committed of each stream, once it is known where the next record of `exceptions-current` goes.
    pub fn commits(&self, current_next: i64) -> impl Iterator<Item = (StreamId, Committed)> + '_ {
        self.positions.iter().map(move |(stream, position, began_at)| {
            let note = CommitNote {
                frontier_ms: self.frontier.map(Timestamp::as_millis),
                policies: self.policies.clone(),
                current_next,
                began_at: *began_at,
                complete_since_ms: self.complete_since.map(Timestamp::as_millis),
            };
            (*stream, Committed { offset: *position, note: Some(note) })
        })
    }

    /// Puts the shard's offsets into a list for librdkafka, with their notes.
    pub(super) fn add_to(
        &self,
        list: &mut TopicPartitionList,
        streams: &[Str],
        current_next: i64,
    ) -> Result<(), KafkaError> {
        for (stream, Committed { offset, note }) in self.commits(current_next) {
            let Some(topic) = streams.get(usize::from(stream.0)) else { continue };
            let mut element = list.add_partition(topic, self.partition);
            element.set_offset(Offset::Offset(offset))?;
            element.set_metadata(note.map(|note| note.encode()).unwrap_or_default());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back_and_a_strange_one_is_none() {
        let note = CommitNote {
            frontier_ms: Some(1_763_719_200_000),
            policies: Str::new("0123456789ab"),
            current_next: 17,
            began_at: 3,
            complete_since_ms: Some(1_763_719_100_000),
        };
        assert_eq!(CommitNote::decode(&note.encode()), Some(note));
        let older = CommitNote::decode(r#"{"f":7,"p":"0123456789ab","c":17,"s":3}"#).expect("an older version's note");
        assert_eq!((older.began_at, older.complete_since()), (3, None));
        assert_eq!(CommitNote::decode(""), None);
        assert_eq!(CommitNote::decode("reset by an operator"), None);
    }
}
