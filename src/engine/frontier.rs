//! The frontier: up to which time every input of a shard is known to have been read (DESIGN section 4).

/// Placeholder until the next commit.
#[derive(Debug, Default)]
pub struct Frontier;

/// Why a frontier stands still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeldCause {
    /// Records are waiting to be read.
    Behind,
    /// A transaction upstream is open.
    OpenTransaction,
    /// The broker does not answer.
    BrokerUnreachable,
    /// An input of the shard is not assigned here.
    NotAssigned,
    /// The wall clock and the monotonic clock disagree.
    ClockHold,
}
