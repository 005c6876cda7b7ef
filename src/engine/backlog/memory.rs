//! What the sum remembers over a restart: records of the control topic, written in the transaction that publishes what
//! follows from them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Str, Timestamp};
use crate::policy::Backlog;
use crate::policy::backlog::GroupKey;

use super::group::QueueId;
use super::lane::Lane;
use super::queue::{Clocks, Flows, Queue};

/// A record of the compacted control topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryRecord {
    /// Begins with [`MemoryRecord::PREFIX`].
    pub key: String,
    /// JSON; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

impl MemoryRecord {
    /// By which the control topic's reader tells these records from others.
    pub const PREFIX: &'static str = "backlog-sum/";
}

/// Why a remembered record cannot be taken back.
#[derive(Debug, thiserror::Error)]
#[error("a record of what the backlog sums remember cannot be read, so their clocks start anew: {0}")]
pub struct MemoryError(#[from] serde_json::Error);

/// A record's value. `policy` is the id: an index would not survive an edit.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "remembers", rename_all = "snake_case")]
pub(super) enum Remembered {
    /// How far a policy has been judged.
    Judged {
        policy: Str,
        /// How it counted.
        #[serde(default)]
        meaning: Str,
        at: Option<Timestamp>,
        /// From which offset on each shard is heard.
        #[serde(default)]
        from: Vec<(i32, i64)>,
    },
    /// From where on the partials' topic is read.
    Read { offset: i64 },
    /// How far the inventory was read: what of it is no event has been told up to there.
    Inventory { next: Vec<(Str, i32, i64)> },
    /// One queue.
    Queue {
        policy: Str,
        group_by: Vec<Str>,
        /// `None` for the sum of the groups beyond `max_groups`.
        group: Option<Vec<Option<Str>>>,
        #[serde(flatten)]
        clocks: Clocks,
        flows: Flows,
    },
}

impl Remembered {
    pub fn parse(value: &[u8]) -> Result<Self, MemoryError> {
        Ok(serde_json::from_slice(value)?)
    }

    pub fn policy(&self) -> Option<&str> {
        match self {
            Remembered::Judged { policy, .. } | Remembered::Queue { policy, .. } => Some(policy),
            Remembered::Read { .. } | Remembered::Inventory { .. } => None,
        }
    }

    /// Puts it back where it belongs; nothing happens where the policy groups otherwise now.
    pub fn restore(self, lane: &mut Lane, policy: &Backlog) {
        match self {
            Remembered::Judged { at, meaning, from, .. } => {
                if meaning == lane.meaning {
                    lane.heard.from = from.into_iter().collect();
                }
                lane.judged = lane.judged.max(at.map(|at| lane.grid.at_or_before(at)));
            }
            Remembered::Queue { group_by, group, clocks, flows, .. } if group_by == policy.group_by => {
                let id = match group {
                    Some(values) if values.len() == group_by.len() => QueueId::Own(GroupKey::new(values)),
                    Some(_) => return,
                    None => QueueId::Other,
                };
                lane.restore(policy, id, clocks, flows);
            }
            Remembered::Queue { .. } | Remembered::Read { .. } | Remembered::Inventory { .. } => {}
        }
    }
}

impl MemoryRecord {
    /// How far a lane has come. After its queues: a log that was cut short re-judges instead of skipping.
    pub(super) fn judged(lane: &Lane, policy: &Backlog, from: BTreeMap<i32, i64>) -> Self {
        // Between the last point judged and the last passed nothing changed and nothing came due.
        let key = format!("{}judged/{}", Self::PREFIX, policy.id);
        Self::new(
            key,
            Some(Remembered::Judged {
                policy: policy.id.clone(),
                meaning: lane.meaning.clone(),
                at: lane.done(),
                from: from.into_iter().collect(),
            }),
        )
    }

    /// From where on the topic is read.
    pub(super) fn read(offset: i64) -> Self {
        Self::new(format!("{}read", Self::PREFIX), Some(Remembered::Read { offset }))
    }

    /// How far the inventory was read.
    pub(super) fn inventory(next: &BTreeMap<(Str, i32), i64>) -> Self {
        let next = next.iter().map(|((topic, partition), next)| (topic.clone(), *partition, *next)).collect();
        Self::new(format!("{}inventory", Self::PREFIX), Some(Remembered::Inventory { next }))
    }

    /// A queue as it is now.
    pub(super) fn queue(lane: &Lane, policy: &Backlog, id: &QueueId) -> Self {
        let (what, group) = match id {
            QueueId::Own(group) => ("queue", Some(group.values().to_vec())),
            QueueId::Other => ("other", None),
        };
        // Of most skus there is nothing to remember.
        let counts = |queue: &&Queue| !policy.is_oversold() || queue.clocks != Clocks::default();
        let value = lane.queues.get(id).filter(counts).map(|queue| Remembered::Queue {
            policy: policy.id.clone(),
            group_by: policy.group_by.clone(),
            group,
            clocks: queue.clocks.clone(),
            flows: queue.flows.clone(),
        });
        Self::new(format!("{}{what}/{}", Self::PREFIX, id.subject(policy).key(&policy.id)), value)
    }

    fn new(key: String, value: Option<Remembered>) -> Self {
        // Serializing plain data to memory does not fail; were it to, a tombstone says that nothing is remembered.
        MemoryRecord { key, value: value.and_then(|value| serde_json::to_vec(&value).ok()) }
    }
}
