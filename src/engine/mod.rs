//! The engine: facts + frontier + policies -> transitions. Pure and sans-IO.
//!
//! Its surface is [`Shard::apply`], [`Shard::advance`], [`Shard::next_deadline`], [`Shard::drain_transitions`] and the
//! snapshot calls. A scenario, a replay, a simulation, a benchmark and the live run all drive that one surface.

pub mod backlog;
pub mod clock;
pub mod frontier;
pub mod shard;

pub use backlog::{BacklogSum, Partial, Partials};
pub use clock::Clock;
pub use frontier::{EffectiveTime, Ends, Frontier, HeldCause};
pub use shard::{Applied, Rejected, Shard, ShardCounters, Transition};
