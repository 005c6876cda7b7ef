//! The group's policy documents, as the control topic holds them: their texts, which one is in force, and by which each
//! shard has been judged since when.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::OutputRecord;
use crate::config::parse_policies;
use crate::domain::{Str, Timestamp};
use crate::engine::{Era, History};
use crate::kafka::current::Entry;
use crate::policy::Policies;

const IN_FORCE: &str = "policies-in-force";
const TEXT: &str = "policies/";
const APPLIED: &str = "policies-applied/";
/// So many changes are remembered of a shard; an order that is older than all of them is judged as if they were one.
const ERAS_MAX: usize = 16;

/// A document that a process put in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InForce {
    /// The document's version.
    pub version: Str,
    /// Its `revision:`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<u64>,
}

/// A document that a shard is judged by, and from where on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Applied {
    version: Str,
    frontier: Option<Timestamp>,
    /// By topic: the first offset that had not been read by then.
    positions: BTreeMap<Str, i64>,
}

/// What the control topic says of policies.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// The one in force for the whole group.
    pub in_force: Option<InForce>,
    texts: BTreeMap<Str, Str>,
    applied: BTreeMap<i32, Vec<Applied>>,
}

/// Which document a process runs by.
#[derive(Debug)]
pub enum Choice {
    /// Its own, which is to be put in force.
    Ours,
    /// Its own, which is in force already.
    InForce,
    /// Another one that is in force, and why.
    Theirs(Arc<Policies>, String),
}

/// What a shard is to be judged by.
#[derive(Debug)]
pub struct Judged {
    /// The document in force.
    pub policies: Arc<Policies>,
    /// The ones before.
    pub history: History,
    /// What the shard's first commit says of it, where it says something new.
    pub decree: Vec<OutputRecord>,
}

impl Documents {
    /// Takes a record of the control topic; the last of each key stands.
    pub fn take(&mut self, entry: &Entry<'_>) {
        let key = entry.key.and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
        let Some(value) = entry.value else { return };
        if key == IN_FORCE {
            self.in_force = serde_json::from_slice(value).ok().or(self.in_force.take());
        } else if let Some(version) = key.strip_prefix(TEXT) {
            self.texts.insert(Str::new(version), Str::new(String::from_utf8_lossy(value)));
        } else if let Some(shard) = key.strip_prefix(APPLIED).and_then(|shard| shard.parse().ok())
            && let Ok(applied) = serde_json::from_slice(value)
        {
            self.applied.insert(shard, applied);
        }
    }

    /// The highest `revision` is in force; without one, the file of the process that started last.
    ///
    /// # Errors
    /// The document in force cannot be read by this version.
    pub fn choose(&self, own: &Policies) -> Result<Choice, String> {
        let Some(theirs) = &self.in_force else { return Ok(Choice::Ours) };
        if theirs.version == own.version {
            return Ok(Choice::InForce);
        }
        let why = match (theirs.revision, own.revision) {
            (Some(theirs), Some(own)) if own > theirs => return Ok(Choice::Ours),
            (None, _) => return Ok(Choice::Ours),
            (Some(theirs), Some(own)) if own == theirs => {
                format!("revision {own} is in force with another text; give this one a higher revision")
            }
            (Some(theirs), Some(own)) => format!("revision {theirs} is in force, and this one is revision {own}"),
            (Some(theirs), None) => format!("revision {theirs} is in force, and this one has no revision"),
        };
        Ok(Choice::Theirs(self.read(&theirs.version)?, why))
    }

    /// What a shard is judged by from `frontier` and `positions` (by topic) on; `own` is this process's document, which is
    /// in force where the topic names no higher revision.
    ///
    /// # Errors
    /// The document in force cannot be read by this version.
    pub fn judged(
        &self,
        own: &Arc<Policies>,
        control: &Str,
        shard: i32,
        frontier: Option<Timestamp>,
        positions: &[(Str, i64)],
    ) -> Result<Judged, String> {
        let policies = match self.choose(own)? {
            Choice::Theirs(theirs, _) => theirs,
            Choice::Ours | Choice::InForce => Arc::clone(own),
        };
        let mut applied = self.applied.get(&shard).cloned().unwrap_or_default();
        let is_new = applied.last().is_none_or(|last| last.version != policies.version);
        if is_new {
            let positions = positions.iter().cloned().collect();
            applied.push(Applied { version: policies.version.clone(), frontier, positions });
            applied.drain(..applied.len().saturating_sub(ERAS_MAX));
        }
        // One that cannot be read any more is as if it had never been.
        let eras = applied.iter().filter_map(|applied| {
            let document = if applied.version == policies.version {
                Ok(Arc::clone(&policies))
            } else {
                self.read(&applied.version)
            };
            let of = |(topic, _): &(Str, i64)| applied.positions.get(topic).copied().unwrap_or(0);
            Some(Era {
                policies: document.ok()?,
                frontier: applied.frontier.unwrap_or(Timestamp::MIN),
                positions: positions.iter().map(of).collect(),
            })
        });
        let history = History::new(eras.collect());
        let decree = match is_new {
            true => vec![text(control, &policies), record(control, &format!("{APPLIED}{shard}"), &applied)],
            false => Vec::new(),
        };
        Ok(Judged { policies, history, decree })
    }

    fn read(&self, version: &Str) -> Result<Arc<Policies>, String> {
        let text = self.texts.get(version).ok_or_else(|| format!("the control topic lacks the text of {version}"))?;
        let (policies, _) = parse_policies(&format!("policies {version}"), text).map_err(|e| e.to_string())?;
        Ok(Arc::new(policies))
    }
}

/// What puts a document in force for the group.
pub fn put_in_force(control: &Str, policies: &Policies) -> Vec<OutputRecord> {
    let in_force = InForce { version: policies.version.clone(), revision: policies.revision };
    vec![text(control, policies), record(control, IN_FORCE, &in_force)]
}

fn text(control: &Str, policies: &Policies) -> OutputRecord {
    raw(control, &format!("{TEXT}{}", policies.version), Bytes::copy_from_slice(policies.text.as_bytes()))
}

fn record(control: &Str, key: &str, value: &impl Serialize) -> OutputRecord {
    raw(control, key, Bytes::from(serde_json::to_vec(value).unwrap_or_default()))
}

fn raw(control: &Str, key: &str, value: Bytes) -> OutputRecord {
    OutputRecord {
        topic: control.clone(),
        partition: Some(0),
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(value),
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROL: Str = Str::new_static("control");

    fn policies(revision: Option<u64>, target: &str) -> Arc<Policies> {
        let revision = revision.map_or(String::new(), |revision| format!("revision: {revision}\n"));
        let text = format!(
            "{revision}slas:\n  - {{id: paid, start: order.placed, stop: payment.captured, target: {target}, \
             severity: info, owner: o, route: r, expected_outcome: e}}\n"
        );
        Arc::new(parse_policies("test", &text).unwrap().0)
    }

    fn told(records: &[OutputRecord]) -> Documents {
        let mut documents = Documents::default();
        take(&mut documents, records);
        documents
    }

    fn take(documents: &mut Documents, records: &[OutputRecord]) {
        for OutputRecord { key, value, .. } in records {
            documents.take(&Entry { offset: 0, key: key.as_deref(), value: value.as_deref(), content_type: None });
        }
    }

    fn chosen(in_force: &Policies, own: &Policies) -> String {
        match told(&put_in_force(&CONTROL, in_force)).choose(own).unwrap() {
            Choice::Ours => "ours".to_owned(),
            Choice::InForce => "in force".to_owned(),
            Choice::Theirs(theirs, why) => {
                assert_eq!(theirs.version, in_force.version);
                why
            }
        }
    }

    #[test]
    fn the_highest_revision_is_in_force_and_without_one_the_last_start() {
        let (r7, r8) = (policies(Some(7), "1h"), policies(Some(8), "2h"));
        assert_eq!(chosen(&r7, &r8), "ours");
        assert_eq!(chosen(&r7, &r7), "in force");
        assert_eq!(chosen(&r8, &r7), "revision 8 is in force, and this one is revision 7");
        let other = chosen(&r7, &policies(Some(7), "3h"));
        assert!(other.starts_with("revision 7 is in force with another text"), "{other}");
        assert_eq!(chosen(&r7, &policies(None, "1h")), "revision 7 is in force, and this one has no revision");
        assert_eq!(chosen(&policies(None, "1h"), &policies(None, "2h")), "ours");
        assert_eq!(chosen(&policies(None, "1h"), &r7), "ours");
    }

    #[test]
    fn a_shard_remembers_its_documents_and_a_change_is_decreed_once() {
        let (first, second) = (policies(Some(1), "1h"), policies(Some(2), "2h"));
        let mut documents = told(&put_in_force(&CONTROL, &first));
        let at = |offset| [(Str::new_static("orders"), offset)];
        let judged = documents.judged(&first, &CONTROL, 3, None, &at(0)).unwrap();
        assert_eq!(judged.decree.len(), 2);
        take(&mut documents, &judged.decree);
        assert!(documents.judged(&first, &CONTROL, 3, None, &at(9)).unwrap().decree.is_empty());

        take(&mut documents, &put_in_force(&CONTROL, &second));
        let frontier = Some(Timestamp::from_millis(77));
        let judged = documents.judged(&second, &CONTROL, 3, frontier, &at(9)).unwrap();
        assert_eq!((judged.policies.revision, judged.decree.len()), (Some(2), 2));
        take(&mut documents, &judged.decree);
        // A process that still has the old file judges by the new one all the same.
        let judged = documents.judged(&first, &CONTROL, 3, frontier, &at(20)).unwrap();
        assert_eq!((judged.policies.revision, judged.decree.len()), (Some(2), 0));
    }

    #[test]
    fn a_document_in_force_whose_text_is_lost_is_an_error() {
        let in_force = put_in_force(&CONTROL, &policies(Some(9), "1h"));
        let error = told(&in_force[1..]).choose(&policies(Some(1), "1h")).unwrap_err();
        assert!(error.contains("lacks the text"), "{error}");
    }
}
