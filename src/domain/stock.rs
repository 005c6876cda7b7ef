//! What an inventory stream tells of a sku's stock.

use super::{Position, Str, Timestamp};

/// One `stock.*` event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StockEvent {
    /// Of which sku.
    pub sku: Str,
    /// The producer's number; within (stream, source) it names the event.
    pub event_id: Str,
    /// The system that sent it.
    pub source: Str,
    /// Where the pieces lie; empty for a shop that names no place.
    pub location: Str,
    /// What it says.
    pub change: StockChange,
    /// When it was so.
    pub event_time: Timestamp,
    /// Where it was read.
    pub position: Position,
}

/// What is said of a sku at a location, in pieces, within [`StockEvent::PIECES_MAX`] of zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StockChange {
    /// `stock.level`: so many are available, whatever was said before.
    Level(i64),
    /// `stock.moved`: so many more, or fewer, than before.
    Moved(i64),
}

impl StockEvent {
    /// No figure is larger, so that the sums of millions of them stay within 64 bits.
    pub const PIECES_MAX: i64 = 1 << 40;
}
