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
use crate::guard::{Guard, is_off};
use crate::kafka::current::Entry;
use crate::policy::Policies;

use super::RunError;
use super::recovery::Log;

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
    /// Its own.
    Own,
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
    /// Everything that was written to the control topic by now: a transaction that is open there is waited for, so that what
    /// was put in force behind it is seen.
    ///
    /// # Errors
    /// The topic cannot be read.
    pub fn read(log: &impl Log, control: &Str) -> Result<Self, RunError> {
        let end = log.end(control, 0)?;
        Ok(Self::read_to(log, control, end)?.0)
    }

    /// What the control topic says, read up to `target` at least; and up to where.
    fn read_to(log: &impl Log, control: &Str, target: i64) -> Result<(Self, i64), RunError> {
        let mut documents = Documents::default();
        let next = log.read_back(control, 0, target, &mut |entry| {
            documents.take(&entry);
            Ok(())
        })?;
        Ok((documents, next))
    }

    /// What it says for the restore of a shard whose last commit was made under the document `committed`. That commit's
    /// transaction may have written here which document it is; its marker comes to each topic in its own time.
    ///
    /// # Errors
    /// The topic cannot be read.
    pub fn read_for(log: &impl Log, control: &Str, shard: i32, committed: Option<&Str>) -> Result<Self, RunError> {
        let (mut documents, mut next) = Self::read_to(log, control, 0)?;
        let committed = committed.filter(|_| !is_off(Guard::DocumentsAsCommitted));
        while committed.is_some_and(|committed| documents.applied_to(shard) != Some(committed)) {
            let before = next;
            (documents, next) = Self::read_to(log, control, before.saturating_add(1))?;
            // Nothing hangs: it is not there, as where the topic was made anew.
            if next <= before {
                break;
            }
        }
        Ok(documents)
    }

    fn applied_to(&self, shard: i32) -> Option<&Str> {
        self.applied.get(&shard)?.last().map(|applied| &applied.version)
    }

    /// Takes a record of the control topic; the last of each key stands, but that two processes which start at once put
    /// the lower revision in force after the higher.
    pub fn take(&mut self, entry: &Entry<'_>) {
        let key = entry.key.and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
        let Some(value) = entry.value else { return };
        if key == IN_FORCE {
            let Ok(said) = serde_json::from_slice::<InForce>(value) else { return };
            if self.in_force.as_ref().and_then(|held| held.revision) <= said.revision {
                self.in_force = Some(said);
            }
        } else if let Some(version) = key.strip_prefix(TEXT) {
            self.texts.insert(Str::new(version), Str::new(String::from_utf8_lossy(value)));
        } else if let Some(shard) = key.strip_prefix(APPLIED).and_then(|shard| shard.parse().ok())
            && let Ok(applied) = serde_json::from_slice(value)
        {
            self.applied.insert(shard, applied);
        }
    }

    /// Whether a process that starts with `own` puts it in force: the highest `revision` is, and without one the file of the
    /// process that started last.
    pub fn gives_way_to(&self, own: &Policies) -> bool {
        let Some(theirs) = &self.in_force else { return true };
        theirs.version != own.version && (theirs.revision.is_none() || own.revision > theirs.revision)
    }

    /// What a process with `own` goes by once it has put that in force, or has not: another document may have come since.
    ///
    /// # Errors
    /// The document in force cannot be read by this version.
    pub fn choose(&self, own: &Arc<Policies>) -> Result<Choice, String> {
        let Some(theirs) = &self.in_force else { return Ok(Choice::Own) };
        if theirs.version == own.version || own.revision > theirs.revision {
            return Ok(Choice::Own);
        }
        let why = match (theirs.revision, own.revision) {
            (Some(theirs), Some(own)) if own == theirs => {
                format!("revision {own} is in force with another text; give this one a higher revision")
            }
            (Some(theirs), Some(own)) => format!("revision {theirs} is in force, and this one is revision {own}"),
            (Some(theirs), None) => format!("revision {theirs} is in force, and this one has no revision"),
            (None, _) => "a process that started later has put another one in force".to_owned(),
        };
        Ok(Choice::Theirs(self.document(&theirs.version, &[])?, why))
    }

    /// What a shard is judged by from `frontier` and `positions` (by topic) on; `own` is this process's document. It never
    /// goes back to a lower revision than it was judged by.
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
        let mut policies = match self.choose(own)? {
            Choice::Theirs(theirs, _) => theirs,
            Choice::Own => Arc::clone(own),
        };
        let mut applied = self.applied.get(&shard).cloned().unwrap_or_default();
        // To read a document takes longer than all else here, and mostly they are one and the same.
        let mut known = vec![Arc::clone(own), Arc::clone(&policies)];
        let last = applied.last().and_then(|last| self.document(&last.version, &known).ok());
        known.extend(last.clone());
        if let Some(last) = last.filter(|last| last.revision > policies.revision) {
            policies = last;
        }
        let is_new = applied.last().is_none_or(|last| last.version != policies.version);
        if is_new {
            let positions = positions.iter().cloned().collect();
            applied.push(Applied { version: policies.version.clone(), frontier, positions });
            applied.drain(..applied.len().saturating_sub(ERAS_MAX));
        }
        // One that cannot be read any more is as if it had never been.
        let eras = applied.iter().filter_map(|applied| {
            let document = self.document(&applied.version, &known);
            let of = |(topic, _): &(Str, i64)| applied.positions.get(topic).copied().unwrap_or(0);
            Some(Era {
                policies: document.ok()?,
                frontier: applied.frontier.unwrap_or(Timestamp::MIN),
                positions: positions.iter().map(of).collect(),
            })
        });
        let history = History::new(eras.collect());
        let mut decree = match is_new {
            true => vec![text(control, &policies), record(control, &format!("{APPLIED}{shard}"), &applied)],
            false => Vec::new(),
        };
        // A lower revision was put in force after this one, by a process that started at the same time.
        if self.in_force.as_ref().is_some_and(|held| held.revision < policies.revision) {
            decree.extend(put_in_force(control, &policies));
        }
        Ok(Judged { policies, history, decree })
    }

    /// The document of a version: one of those `known`, or read from its text.
    fn document(&self, version: &Str, known: &[Arc<Policies>]) -> Result<Arc<Policies>, String> {
        if let Some(document) = known.iter().find(|document| document.version == *version) {
            return Ok(Arc::clone(document));
        }
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
#[path = "documents_tests.rs"]
mod tests;
