//! By which policy document each shard was judged, and since when, as the control topic says it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::domain::{Str, Timestamp};
use crate::run::recovery::Restored;

use super::process::Surroundings;

/// A document, and from where on a shard was judged by it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Era {
    pub version: Str,
    pub frontier: Option<Timestamp>,
    /// By topic: the first offset that had not been read by then.
    pub positions: BTreeMap<Str, i64>,
}

/// Oldest first.
pub type Eras = Arc<Vec<Era>>;

#[derive(Debug, Deserialize)]
struct InForce {
    version: Str,
}

/// What a shard that is being restored is judged by; held against what the control topic says is in force.
///
/// # Errors
/// It is judged by another document.
pub fn of(restored: &Restored, around: &Surroundings) -> Result<Eras, String> {
    let (shard, version) = (restored.shard.partition(), &restored.policies.version);
    let key = format!("policies-applied/{shard}");
    let decreed = restored.decree.iter().rfind(|record| record.key.as_deref() == Some(key.as_bytes()));
    let value = decreed.and_then(|record| record.value.as_ref()).map(|value| value.to_vec());
    let value = value.or_else(|| said(&key, around)).ok_or(format!("nobody says by what shard {shard} is judged"))?;
    let eras: Vec<Era> = serde_json::from_slice(&value).map_err(|e| e.to_string())?;
    if eras.last().is_none_or(|era| era.version != *version) {
        return Err(format!("shard {shard} is judged by {version}, and the control topic says {eras:?}"));
    }
    let Some(in_force) = said("policies-in-force", around) else { return Ok(Arc::new(eras)) };
    let in_force: InForce = serde_json::from_slice(&in_force).map_err(|e| e.to_string())?;
    let revision = |version: &Str| around.documents[version].policies.revision;
    if in_force.version != *version && revision(version) <= revision(&in_force.version) {
        let (ours, theirs) = (revision(version), revision(&in_force.version));
        return Err(format!(
            "shard {shard} is judged by revision {ours:?}, and another document of {theirs:?} is in force"
        ));
    }
    Ok(Arc::new(eras))
}

/// What a reader of the control topic finds last under a key.
fn said(key: &str, around: &Surroundings) -> Option<Vec<u8>> {
    let broker = around.broker.borrow();
    let (entries, _) = broker.fetch(&around.config.outputs.control, 0, 0, usize::MAX);
    let of_key = entries.iter().rev().filter_map(|entry| entry.record.as_ref()).find(|r| r.key == key.as_bytes());
    of_key.and_then(|record| record.value.clone())
}
