//! A record of the partials' topic: what one shard tells, as JSON.

use serde::{Deserialize, Serialize};

use crate::domain::hash::digest_32;
use crate::domain::{Str, Timestamp};
use crate::policy::backlog::GroupKey;
use crate::policy::{Backlog, Settings};

use super::{Partial, Told};

/// One record. What a shard tells in one batch may be several; only the last names the frontier. Times are in milliseconds
/// since the epoch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartialsRecord {
    /// Who tells: partition n of the inputs.
    pub shard: i32,
    /// In whose memory the shard is: another teller begins with the whole, and then the one before is not heard any more.
    pub teller: Str,
    /// When that teller began, by its clock, where one that has lost the shard may still be heard (`at_least_once`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<i64>,
    /// Counts the teller's records: one that is written again is the same.
    pub number: u64,
    /// Everything up to here has been told; all policies by which the shard counts are named with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontier: Option<i64>,
    /// By policy.
    pub backlogs: Vec<Saying>,
}

/// What is told of one policy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Saying {
    /// Its id.
    pub policy: Str,
    /// How it counts ([`meaning`]): figures that were counted otherwise are not summed with these.
    pub meaning: Str,
    /// In order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Entry>,
}

/// [`Told`], by the policy that it stands under.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// From this grid point on, what follows is all; `null` is the beginning of time.
    Whole(Option<i64>),
    /// (grid point, group, depth, since when the oldest stands, entered, left)
    Partial(i64, Vec<Option<Str>>, i64, Option<i64>, i64, i64),
}

/// Why a record cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("a record of the partials' topic cannot be read: {0}; delete nothing, and see who else writes there")]
pub struct RecordError(#[from] serde_json::Error);

impl PartialsRecord {
    /// Takes a record's value apart.
    ///
    /// # Errors
    /// It is not one of ours.
    pub fn parse(value: &[u8]) -> Result<Self, RecordError> {
        Ok(serde_json::from_slice(value)?)
    }

    /// A record's value.
    pub fn to_json(&self) -> Vec<u8> {
        // Serializing plain data to memory does not fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Entry {
    /// Of what a shard told.
    pub(super) fn of(told: Told) -> Self {
        match told {
            Told::Whole { at, .. } => Entry::Whole(at.map(Timestamp::as_millis)),
            Told::Partial(Partial { group, at, depth, oldest_since, entered, left, .. }) => Entry::Partial(
                at.as_millis(),
                group.values().to_vec(),
                depth,
                oldest_since.map(Timestamp::as_millis),
                entered,
                left,
            ),
        }
    }

    /// As it was told, of the policy with this index.
    pub(super) fn told(self, policy: usize) -> Told {
        match self {
            Entry::Whole(at) => Told::Whole { policy, at: at.map(Timestamp::from_millis) },
            Entry::Partial(at, group, depth, oldest_since, entered, left) => Told::Partial(Partial {
                policy,
                group: GroupKey::new(group),
                at: Timestamp::from_millis(at),
                depth,
                oldest_since: oldest_since.map(Timestamp::from_millis),
                entered,
                left,
            }),
        }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Entry::Whole(_) => 32,
            Entry::Partial(_, group, ..) => 96 + group.iter().flatten().map(|value| value.len() + 4).sum::<usize>(),
        }
    }
}

/// What makes two processes count alike: all of a policy that decides who stands in which queue at which grid point.
/// Bounds, severities and owners are the sum's own affair.
pub(super) fn meaning(policy: &Backlog, settings: &Settings) -> Str {
    let number = |n: i64| n.to_string();
    let pause = policy.exclude_between.as_ref();
    let mut parts = vec![
        policy.from.as_str().to_owned(),
        policy.until.as_str().to_owned(),
        policy.when.as_ref().map_or(String::new(), |when| when.source().to_owned()),
        pause.map_or(String::new(), |pause| pause.from.as_str().to_owned()),
        pause.map_or(String::new(), |pause| pause.until.as_str().to_owned()),
        number(settings.grace_for(policy.grace, &policy.entity).get()),
        number(settings.backlog_grid.get()),
    ];
    // Orders' figures are named as they were before there was anything else to count.
    parts.extend((!policy.entity.is_order()).then(|| format!("entity {}", policy.entity)));
    parts.extend(policy.group_by.iter().map(ToString::to_string));
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    digest_32(&parts)
}
