//! What may be broken, and how often.

use super::settings::Delivery;
use crate::support::door::Step;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Kill,
    KillAtCommit,
    Leave,
    FreezeShort,
    FreezeLong,
    FreezeAtCommit,
    Cut,
    CutAtCommit,
    Deaf,
    Slow,
    Reset,
    BrokerStop,
    BrokerKill,
    /// Not drawn: what the broker itself needs now and then.
    BrokerRevived,
    DiskFull,
    DamagedSnapshot,
    PolicyEdit,
}

impl Fault {
    pub const fn as_str(self) -> &'static str {
        match self {
            Fault::Kill => "kill -9 and restart",
            Fault::KillAtCommit => "kill -9 at a step of a commit, restart",
            Fault::Leave => "SIGTERM and restart",
            Fault::FreezeShort => "frozen, shorter than the session",
            Fault::FreezeLong => "frozen, longer than the session",
            Fault::FreezeAtCommit => "frozen at a step of a commit, longer than the session",
            Fault::Cut => "network cut",
            Fault::CutAtCommit => "network cut at a step of a commit, longer than the session",
            Fault::Deaf => "answers of the broker cut",
            Fault::Slow => "answers of the broker slow",
            Fault::Reset => "connections reset and refused",
            Fault::BrokerStop => "broker stopped and restarted",
            Fault::BrokerKill => "broker killed and restarted",
            Fault::BrokerRevived => "broker restarted, its own task that ends transactions having died",
            Fault::DiskFull => "disk full",
            Fault::DamagedSnapshot => "newest snapshot of a shard damaged",
            Fault::PolicyEdit => "kill -9, policy text edited, restart",
        }
    }
}

const WEIGHTS: [(Fault, i64); 16] = [
    (Fault::Kill, 12),
    (Fault::KillAtCommit, 10),
    (Fault::Leave, 7),
    (Fault::FreezeShort, 7),
    (Fault::FreezeLong, 7),
    (Fault::FreezeAtCommit, 8),
    (Fault::Cut, 8),
    (Fault::CutAtCommit, 10),
    (Fault::Deaf, 8),
    (Fault::Slow, 6),
    (Fault::Reset, 7),
    (Fault::BrokerStop, 3),
    (Fault::BrokerKill, 4),
    (Fault::DiskFull, 6),
    (Fault::DamagedSnapshot, 5),
    (Fault::PolicyEdit, 6),
];

pub fn weights(policy_edits: bool) -> Vec<(Fault, i64)> {
    WEIGHTS.into_iter().filter(|(fault, _)| policy_edits || *fault != Fault::PolicyEdit).collect()
}

/// The requests that a commit is made of.
pub const fn steps(delivery: Delivery) -> &'static [Step] {
    match delivery {
        Delivery::ExactlyOnce => {
            &[Step::Produce, Step::AddOffsetsToTransaction, Step::CommitOffsetsInTransaction, Step::EndTransaction]
        }
        Delivery::AtLeastOnce => &[Step::Produce, Step::OffsetCommit],
    }
}
