//! What orderwatch talks about: events, milestones, money, time, and the exceptions it publishes.
//!
//! Nothing here knows a clock, a file, a network or an async runtime (`tests/architecture` holds it to that).

#[cfg(test)]
pub(crate) mod any;
pub mod entity;
pub mod event;
pub mod exception;
pub mod hash;
pub mod milestone;
pub mod money;
pub mod stock;
pub mod time;

pub use entity::{Entity, EntityId};
pub use event::{AttributeValue, Event, Line, Position, Promise, StreamId};
pub use exception::{
    BacklogFigures, CheckFigures, EventRef, Evidence, Exception, ExceptionId, Kind, OrderPieces, PolicyRef, Severity,
    Status, Subject, exception_id,
};
pub use milestone::{Milestone, Standard};
pub use money::{Currency, Money};
pub use stock::{StockChange, StockEvent};
pub use time::{Millis, Timestamp};

/// A short, cheaply cloned string: inline up to 23 bytes, shared beyond.
pub type Str = smol_str::SmolStr;
