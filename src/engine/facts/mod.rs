//! An order's facts at rest: one string of bytes, some thirty for an event, from which the very same events come back.
//!
//! The id comes first, so that the index can compare it where it lies; then what the order is, when it closed, and how many
//! events there are; then its events in their order. An event is its shape's number, its id, its times as distances, its offset, and what its shape
//! says it carries. What many orders share (sources, milestones, names, common values, skus) is a number of the shard's
//! [`Codebook`], which is bounded; what is an order's own is in its bytes.
//!
//! Snapshots hold these bytes as they are. Whoever changes how anything is spelled here writes another version of the file
//! (`snapshot/format.rs`) and reads the ones before; the files of tests/snapshots would not be read any more.
//!
//! | to find                             | look in  |
//! |-------------------------------------|----------|
//! | how numbers and texts are spelled   | `bytes`  |
//! | what shared texts have numbers      | `words`  |
//! | what events have in common          | `shape`  |
//! | how an order's own texts are spelled | `own`   |
//! | events to bytes, and back           | `pack`, `unpack` |
//! | what is asked before an event joins | `skim`   |
//! | what is used again instead of freed | `spare`  |
//! | where the bytes lie                 | `store`  |
//! | what a snapshot says beside them    | `told`   |

mod bytes;
mod own;
mod pack;
mod shape;
mod skim;
mod spare;
mod store;
mod told;
mod unpack;
mod words;

#[cfg(test)]
mod tests;

use crate::domain::{EntityId, Timestamp};

use bytes::put_signed;
use shape::Shapes;
use words::Words;

pub(super) use bytes::{Reader, put_text, put_varint};
pub(super) use skim::Skimmed;
pub(super) use spare::Spare;
pub(super) use store::{Handle, Store};
pub(super) use told::{Told, learn_texts, tell};

/// The facts of one order at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts<'a>(pub &'a [u8]);

/// What is known of an order beside its events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Head<'a> {
    pub id: &'a str,
    pub entity: EntityId,
    pub closed_at: Option<Timestamp>,
}

/// What the facts of a shard's orders refer to. It only grows, and is bounded.
#[derive(Debug)]
pub(super) struct Codebook {
    shapes: Shapes,
    /// Attributes' names.
    names: Words,
    /// Attributes' values.
    values: Words,
    skus: Words,
    /// Where an order is packed before its size is known.
    buffer: Vec<u8>,
}

impl Default for Codebook {
    fn default() -> Self {
        Codebook {
            shapes: Shapes::default(),
            names: Words::new(1 << 10),
            values: Words::new(1 << 12),
            skus: Words::new(1 << 14),
            buffer: Vec::new(),
        }
    }
}

impl<'a> Facts<'a> {
    /// The order's id.
    pub fn id(self) -> &'a [u8] {
        let mut reader = Reader(self.0);
        let length = reader.varint();
        reader.bytes(length)
    }

    /// What is known beside the events.
    pub fn head(self) -> Head<'a> {
        self.parts().0
    }

    /// The head, how many events there are, and their bytes.
    pub fn parts(self) -> (Head<'a>, usize, Reader<'a>) {
        let mut reader = Reader(self.0);
        let id = reader.own_text();
        let entity = reader.varint();
        let closed_at = (entity & 1 == 1).then(|| Timestamp::from_millis(reader.signed()));
        let events = reader.varint() as usize;
        (Head { id, entity: EntityId((entity >> 1) as u16), closed_at }, events, reader)
    }
}

impl Head<'_> {
    /// What stands before so many events.
    pub fn write(self, events: usize, out: &mut Vec<u8>) {
        put_text(out, self.id);
        put_varint(out, u64::from(self.entity.0) << 1 | u64::from(self.closed_at.is_some()));
        if let Some(closed_at) = self.closed_at {
            put_signed(out, closed_at.as_millis());
        }
        put_varint(out, events as u64);
    }
}

/// Times are told from here on: fewer bytes than from 1970. 2004, as a round number.
const ERA: i64 = 1 << 40;

/// How a text is spelled: the two lowest bits of the number before it. The others are a length or a number.
mod spelled {
    /// Its bytes follow.
    pub const OUT: u64 = 0;
    /// It begins with the order's id; the rest follows.
    pub const AFTER_ID: u64 = 1;
    /// So many events back, the same field said the same.
    pub const BACK: u64 = 2;
    /// It is a UUID, whose 16 bytes follow.
    pub const UUID: u64 = 3;
}

/// How an attribute's value is told: the three lowest bits before it. The others are its name's number from 1; with 0 the name
/// follows.
mod value {
    pub const NULL: u64 = 0;
    pub const FALSE: u64 = 1;
    pub const TRUE: u64 = 2;
    pub const INTEGER: u64 = 3;
    pub const DECIMAL: u64 = 4;
    pub const TEXT: u64 = 5;
}
