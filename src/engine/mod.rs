//! The engine: facts + frontier + policies -> transitions. Pure and sans-IO.
//!
//! Its surface is [`Shard::apply`], [`Shard::advance`], [`Shard::next_deadline`], [`Shard::drain_transitions`] and the
//! snapshot calls. A scenario, a replay, a simulation, a benchmark and the live run all drive that one surface.
//!
//! | to find                                        | look in     |
//! |------------------------------------------------|-------------|
//! | how events become facts                        | `intake`, `order` |
//! | how much is kept of one order                  | `bounds`    |
//! | which status follows from another              | `reconcile` |
//! | how policies are judged on an order            | `judge`     |
//! | when an order is judged, enters, leaves memory | `turn`      |
//! | when an order is closed                        | `lifecycle` |
//! | what is remembered of it after that            | `remember`, `tombstones` |
//! | what a published exception says                | `render`    |
//! | what an aborted transaction takes back         | `outbox`    |
//! | what a snapshot holds of a shard               | `copy`      |
//! | what a restart takes back                      | `restore`   |
//! | what an edit of the policies changes           | `history`   |
//! | what was over before it and not told to its end | `former`   |
//! | what tells an order from a checkout of one id  | `index`     |
//! | how an order lies in memory                    | `slots`, `facts` |
//! | how the caches are made ready for the next     | `ahead`     |

mod ahead;
pub mod backlog;
mod bounds;
mod chunks;
pub mod clock;
mod copy;
mod cycles;
pub mod explain;
mod facts;
mod former;
pub mod frontier;
mod history;
mod index;
mod inert;
mod intake;
mod judge;
mod lifecycle;
mod order;
mod outbox;
mod overheard;
mod past;
pub mod reconcile;
mod remember;
mod render;
mod restore;
pub mod shard;
mod slots;
mod timers;
mod tombstones;
mod turn;

pub use ahead::LOOK_AHEAD;
pub use backlog::{
    BacklogSum, MemoryRecord, Partial, Partials, PartialsRecord, StockApplied, TOO_MANY_SKUS, Teller, Told,
};
pub use bounds::{MAX_EVENTS, MAX_LINES};
pub use clock::Clock;
#[cfg(test)]
pub(crate) use copy::Packer;
pub use copy::{Held, PackedOrders};
pub use frontier::{EffectiveTime, Ends, Frontier, HeldCause};
pub use history::{Era, History};
pub use restore::{RestoredOrder, Restoring, Stored, Unpacker};
pub use shard::{Applied, CycleEnded, Rejected, Shard, ShardCounters, Transition};
pub use tombstones::Tombstone;

#[cfg(test)]
mod tests;
