//! What the survivor says of its taking over, from its log.

use orderwatch::domain::Timestamp;
use serde_json::Value;

/// A line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    pub at_ms: i64,
    fields: Value,
}

/// The lines from a time on. A line that is being written is left out.
pub fn since(log: &str, from_ms: i64) -> Vec<Line> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).map(|fields| {
        let at = fields["timestamp"].as_str().expect("every line has a time");
        Line { at_ms: Timestamp::parse_rfc3339(at).expect("RFC 3339").as_millis(), fields }
    });
    lines.filter(|line| line.at_ms >= from_ms).collect()
}

impl Line {
    pub fn says(&self, message: &str) -> bool {
        self.fields["message"] == message
    }

    pub fn is_of(&self, shard: i32) -> bool {
        self.fields["shard"] == shard
    }

    /// Wide numbers, such as milliseconds, are written as text.
    pub fn number(&self, field: &str) -> Option<i64> {
        let value = &self.fields[field];
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }
}
