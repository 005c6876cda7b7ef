//! The bodies of /healthz and /readyz.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::domain::{Millis, Timestamp};
use crate::telemetry::{Health, InputStatus, ShardStatus};

/// A loop that has not turned for so long is stuck: longer than any transaction may take.
pub const LOOP_AGE_MAX: Duration = Duration::from_secs(20);

/// Whether the process lives and is ready, and the body that says so.
#[derive(Debug, Serialize)]
pub struct Readiness {
    /// True where requests for this instance make sense.
    pub ready: bool,
    /// Why not.
    #[serde(skip)]
    pub reason: Option<String>,
    version: &'static str,
    group_id: String,
    joined: bool,
    loop_age_ms: u128,
    policies: Option<PoliciesBody>,
    shards: Vec<ShardBody>,
    notes: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct PoliciesBody {
    version: String,
    revision: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ShardBody {
    shard: i32,
    state: &'static str,
    frontier: Option<Timestamp>,
    lag_ms: Option<i64>,
    held: Option<HeldBody>,
    restore: Option<RestoreBody>,
    orders_open: u64,
    exceptions_open: u64,
    snapshot_at: Option<Timestamp>,
    incomplete: Option<IncompleteBody>,
    inputs: Vec<InputBody>,
}

#[derive(Debug, Serialize)]
struct HeldBody {
    cause: &'static str,
    note: String,
}

#[derive(Debug, Serialize)]
struct RestoreBody {
    step: &'static str,
    done: u64,
    total: Option<u64>,
}

#[derive(Debug, Serialize)]
struct IncompleteBody {
    before: Timestamp,
    note: String,
}

#[derive(Debug, Serialize)]
struct InputBody {
    topic: String,
    lag_records: Option<i64>,
}

/// `Some` with the words for it where the loop is stuck.
pub fn stuck(health: &Health) -> Option<String> {
    let age = health.loop_age();
    (age > LOOP_AGE_MAX).then(|| {
        format!("the loop has not turned for {} s (at most {} s are allowed)", age.as_secs(), LOOP_AGE_MAX.as_secs())
    })
}

impl Readiness {
    /// As of `now`.
    pub fn of(health: &Health, now: Timestamp) -> Self {
        let state = health.snapshot();
        let not_joined =
            || (!health.joined()).then(|| format!("not joined the consumer group `{}` yet", health.group_id()));
        let reason = stuck(health).or_else(not_joined);
        Readiness {
            ready: reason.is_none(),
            reason,
            version: env!("CARGO_PKG_VERSION"),
            group_id: health.group_id().to_owned(),
            joined: health.joined(),
            loop_age_ms: health.loop_age().as_millis(),
            policies: state.policies.map(|(version, revision)| PoliciesBody { version: version.into(), revision }),
            shards: state.shards.into_iter().map(|(shard, status)| ShardBody::new(shard, status, now)).collect(),
            notes: state.notes,
        }
    }
}

impl ShardBody {
    fn new(shard: i32, status: ShardStatus, now: Timestamp) -> Self {
        ShardBody {
            shard,
            state: status.state.as_str(),
            frontier: status.frontier,
            lag_ms: status.frontier.map(|frontier| (now - frontier).max(Millis::ZERO).get()),
            held: status.held.map(|h| HeldBody { cause: h.cause.as_str(), note: h.note }),
            restore: status.restore.map(|r| RestoreBody { step: r.step, done: r.done, total: r.total }),
            orders_open: status.orders_open,
            exceptions_open: status.open.iter().filter(|o| o.status.is_open()).map(|o| o.count).sum(),
            snapshot_at: status.snapshot.map(|s| s.taken_at),
            incomplete: status.incomplete.map(|i| IncompleteBody { before: i.before, note: i.note }),
            inputs: status.inputs.into_iter().map(InputBody::from).collect(),
        }
    }
}

impl From<InputStatus> for InputBody {
    fn from(input: InputStatus) -> Self {
        InputBody { topic: input.topic.into(), lag_records: input.lag_records }
    }
}
