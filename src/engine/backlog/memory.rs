//! What the sum remembers over a restart: records of the control topic, written in the transaction that publishes what
//! follows from them.

use serde::{Deserialize, Serialize};

use crate::domain::{Str, Timestamp};
use crate::policy::Backlog;
use crate::policy::backlog::GroupKey;

use super::lane::{Lane, QueueId};
use super::queue::{Clocks, Flows};

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
    /// How far a policy has been judged; `None` where it is known and nothing has happened yet.
    Judged { policy: Str, at: Option<Timestamp> },
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

/// What of a lane a record is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum MemoryKey {
    Queue(QueueId),
    /// After the queues: a log that was cut short re-judges instead of skipping.
    Judged,
}

impl Remembered {
    pub fn parse(value: &[u8]) -> Result<Self, MemoryError> {
        Ok(serde_json::from_slice(value)?)
    }

    pub fn policy(&self) -> &str {
        match self {
            Remembered::Judged { policy, .. } | Remembered::Queue { policy, .. } => policy,
        }
    }

    /// Puts it back where it belongs; nothing happens where the policy groups otherwise now.
    pub fn restore(self, lane: &mut Lane, policy: &Backlog) {
        match self {
            Remembered::Judged { at, .. } => {
                lane.is_known = true;
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
            Remembered::Queue { .. } => {}
        }
    }
}

/// Writes down what `key` names, as it is now.
pub(super) fn record(lane: &Lane, policy: &Backlog, key: &MemoryKey) -> MemoryRecord {
    let prefix = MemoryRecord::PREFIX;
    let name = |what: &str, name: &str| format!("{prefix}{what}/{name}");
    let (key, value) = match key {
        MemoryKey::Judged => {
            (name("judged", &policy.id), Some(Remembered::Judged { policy: policy.id.clone(), at: lane.judged }))
        }
        MemoryKey::Queue(id) => {
            let (what, group) = match id {
                QueueId::Own(group) => ("queue", Some(group.values().to_vec())),
                QueueId::Other => ("other", None),
            };
            let value = lane.queues.get(id).map(|queue| Remembered::Queue {
                policy: policy.id.clone(),
                group_by: policy.group_by.clone(),
                group,
                clocks: queue.clocks.clone(),
                flows: queue.flows.clone(),
            });
            (name(what, &id.subject(policy).key(&policy.id)), value)
        }
    };
    // Serializing plain data to memory does not fail; were it to, a tombstone says that nothing is remembered.
    MemoryRecord { key, value: value.and_then(|value| serde_json::to_vec(&value).ok()) }
}
