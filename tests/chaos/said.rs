//! What was published, as a subscriber reads it.

use orderwatch::domain::Timestamp;
use serde::Deserialize;

use super::settings::Topics;
use crate::support::{Broker, Record};

/// One state of one exception.
#[derive(Clone, Debug)]
pub struct Said {
    pub partition: i32,
    pub offset: i64,
    pub written_ms: i64,
    pub ce_id: String,
    pub body: Body,
    /// The whole value without what may differ when a state is told twice.
    pub content: serde_json::Value,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Body {
    pub exception_id: String,
    pub incarnation: u32,
    pub sequence: u32,
    pub status: String,
    pub policy: Policy,
    pub order_id: String,
    pub deadline: Timestamp,
    pub breached_at: Option<Timestamp>,
    pub escalation_level: u32,
    pub frontier: Timestamp,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Policy {
    pub id: String,
}

/// These follow from when a state was told, not from what is told.
const WHEN: [&str; 6] = ["sequence", "frontier", "detected_at", "actual_elapsed_ms", "business_elapsed_ms", "evidence"];

/// What the edited policy text says, beside `policy.version`: `at_least_once` a process that stood still tells a state again by the
/// document that it has, under the same ce_id.
const WORDS: &str = "expected_outcome";

/// All that was published up to now.
#[derive(Clone)]
pub struct Output {
    pub history: Vec<Said>,
    pub current: Vec<Said>,
    pub dead_letters: Vec<Record>,
}

impl Output {
    pub fn read(broker: &Broker) -> Output {
        let states = |topic| broker.read_committed(topic).iter().map(Said::of).collect();
        Output {
            history: states(Topics::HISTORY),
            current: states(Topics::CURRENT),
            dead_letters: broker.read_committed(Topics::DEAD_LETTERS),
        }
    }
}

impl Said {
    fn of(record: &Record) -> Said {
        let mut content = record.json();
        let body: Body = serde_json::from_value(content.clone()).expect("an exception of an order");
        WHEN.iter().for_each(|field| content[*field] = serde_json::Value::Null);
        Said {
            partition: record.partition,
            offset: record.offset,
            written_ms: record.timestamp_ms,
            ce_id: record.header("ce_id").expect("a CloudEvents id"),
            body,
            content,
        }
    }

    /// Whether it is the same state, whatever document it is told by.
    pub fn means_the_same(&self, other: &Said) -> bool {
        let meant = |said: &Said| {
            let mut content = said.content.clone();
            content[WORDS] = serde_json::Value::Null;
            content["policy"]["version"] = serde_json::Value::Null;
            content
        };
        meant(self) == meant(other)
    }

    /// Whether it rests on other facts than the same state told elsewhere: a late event has moved the deadline.
    pub fn rests_on_other_facts(&self, other: &Said) -> bool {
        self.body.deadline != other.body.deadline
    }

    pub fn frontier_ms(&self) -> i64 {
        self.body.frontier.as_millis()
    }

    pub fn deadline_ms(&self) -> i64 {
        self.body.deadline.as_millis()
    }
}
