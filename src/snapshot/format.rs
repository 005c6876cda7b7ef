//! The file: magic, version, then chunks, each with its own checksum.
//!
//! ```text
//! 89 "OWSNAP" 0A   version u16
//! kind u8   length u32   payload   crc32 u32      one header
//! …                                               bodies: unpacked length u32, zstd of length-delimited SnapshotOrder
//! …                                               one trailer, and nothing after it
//! ```
//!
//! Numbers are little-endian. A chunk's CRC-32 covers the version, the chunk's place, its kind, its length and its
//! payload, so a flipped bit, a missing, repeated or moved chunk and a cut anywhere are all found without unpacking.

use prost::Message;

use super::header::{SnapshotHeader, SnapshotTotals};
use super::wire::{BadMessage, order_messages};
use crate::codec::generated::orderwatch::internal::v1 as messages;
use crate::domain::Entity;
use crate::engine::RestoredOrder;

/// Begins every snapshot. The first byte is no text, the last is lost where a transfer mangles line ends.
const MAGIC: [u8; 8] = *b"\x89OWSNAP\n";
/// The newest version; a reader refuses what it does not know. It is written only where the file says something that version
/// 1 could not, so that the release before reads what it can.
pub const FORMAT_VERSION: u16 = VERSION_ENTITIES;
/// Orders alone.
const VERSION_ORDERS: u16 = 1;
/// Inputs and tombstones name their entity.
const VERSION_ENTITIES: u16 = 2;
/// Body chunks are closed at this size, before compression.
pub const CHUNK_BYTES: usize = 1 << 20;
/// More than any chunk has: one order's message above `CHUNK_BYTES`, at most.
const CHUNK_BYTES_MAX: usize = 256 << 20;
const PREAMBLE: usize = MAGIC.len() + 2;
const CHUNK_HEAD: usize = 5;
const CRC: usize = 4;
/// Fast, and already small: repeated field names and ids are most of what there is to save.
const ZSTD_LEVEL: i32 = 1;

/// What a chunk holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ChunkKind {
    Header = 1,
    Body = 2,
    Trailer = 3,
}

/// Why bytes are not a whole snapshot. Offsets are in bytes from the file's beginning.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormatError {
    /// It begins with something else.
    #[error("it is not an orderwatch snapshot")]
    Foreign,
    /// It was written by another orderwatch.
    #[error(
        "its format version is {found} and this orderwatch reads {VERSION_ORDERS} to {FORMAT_VERSION}; start the orderwatch that wrote it, or a newer one"
    )]
    Version {
        /// The file's version.
        found: u16,
    },
    /// Bits have changed.
    #[error("the checksum of the chunk at byte {offset} is wrong: the file is damaged")]
    Checksum {
        /// Where the chunk begins.
        offset: u64,
    },
    /// It ends too early.
    #[error("it ends at byte {length}, before its trailer: it was cut off")]
    Truncated {
        /// How long it is.
        length: u64,
    },
    /// It goes on after its end.
    #[error("it goes on at byte {offset}, after its trailer: the file is damaged")]
    Trailing {
        /// Where the end should be.
        offset: u64,
    },
    /// A chunk's checksum is right and its content makes no sense.
    #[error("the chunk at byte {offset} makes no sense: {what}")]
    Malformed {
        /// Where the chunk begins.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Its trailer counts other orders than its body has.
    #[error("its trailer announces {announced:?} and it holds {found:?}: the program that wrote it was wrong")]
    Totals {
        /// By the trailer.
        announced: SnapshotTotals,
        /// By the body.
        found: SnapshotTotals,
    },
    /// One order is larger than a chunk may be.
    #[error("one message of {bytes} bytes is more than a chunk holds")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Turns orders into the bytes of a file. Nothing is held back but the chunk that is being filled.
#[derive(Debug)]
pub struct Encoder {
    version: u16,
    index: u32,
    raw: Vec<u8>,
    totals: SnapshotTotals,
}

impl Encoder {
    /// Appends the file's beginning to `out`.
    ///
    /// # Errors
    /// The header is larger than a chunk.
    pub fn new(header: &SnapshotHeader, out: &mut Vec<u8>) -> Result<Self, FormatError> {
        out.extend_from_slice(&MAGIC);
        let orders_alone = header.inputs.iter().all(|input| input.entity == Entity::ORDER_NAME);
        let version = if orders_alone { VERSION_ORDERS } else { VERSION_ENTITIES };
        out.extend_from_slice(&version.to_le_bytes());
        let mut encoder = Encoder { version, index: 0, raw: Vec::new(), totals: SnapshotTotals::default() };
        encoder.chunk(ChunkKind::Header, &messages::SnapshotHeader::from(header).encode_to_vec(), out)?;
        Ok(encoder)
    }

    /// Adds an order; appends a chunk to `out` whenever one is full.
    ///
    /// # Errors
    /// One event is larger than a chunk.
    pub fn push(&mut self, order: RestoredOrder, out: &mut Vec<u8>) -> Result<(), FormatError> {
        match &order {
            RestoredOrder::Open(events) if events.is_empty() => return Ok(()),
            RestoredOrder::Open(events) => {
                self.totals.orders += 1;
                self.totals.events += events.len() as u64;
            }
            RestoredOrder::Tombstone { .. } => self.totals.tombstones += 1,
        }
        let mut result = Ok(());
        order_messages(order, |message| {
            if result.is_ok() {
                // Encoding into a Vec fails only where it runs out of room, which a Vec does not.
                let _ = message.encode_length_delimited(&mut self.raw);
                if self.raw.len() >= CHUNK_BYTES {
                    result = self.flush(out);
                }
            }
        });
        result
    }

    /// Appends the last chunks to `out` and says what the file holds.
    ///
    /// # Errors
    /// One event is larger than a chunk.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<SnapshotTotals, FormatError> {
        self.flush(out)?;
        let totals = self.totals;
        self.chunk(ChunkKind::Trailer, &messages::SnapshotTrailer::from(totals).encode_to_vec(), out)?;
        Ok(totals)
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        if self.raw.is_empty() {
            return Ok(());
        }
        if self.raw.len() > CHUNK_BYTES_MAX {
            return Err(FormatError::TooLarge { bytes: self.raw.len() });
        }
        let frame = zstd::bulk::compress(&self.raw, ZSTD_LEVEL)
            .map_err(|e| FormatError::Malformed { offset: 0, what: e.to_string() })?;
        let unpacked = u32::try_from(self.raw.len()).unwrap_or(u32::MAX);
        let packed = [unpacked.to_le_bytes().as_slice(), frame.as_slice()].concat();
        self.raw.clear();
        self.chunk(ChunkKind::Body, &packed, out)
    }

    fn chunk(&mut self, kind: ChunkKind, payload: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
        let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= CHUNK_BYTES_MAX);
        let length = length.ok_or(FormatError::TooLarge { bytes: payload.len() })?;
        out.push(kind as u8);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(payload);
        out.extend_from_slice(&checksum(self.version, self.index, kind as u8, length, payload).to_le_bytes());
        self.index += 1;
        Ok(())
    }
}

fn checksum(version: u16, index: u32, kind: u8, length: u32, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&version.to_le_bytes());
    crc.update(&index.to_le_bytes());
    crc.update(&[kind]);
    crc.update(&length.to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

/// A piece of a file whose checksum is right.
#[derive(PartialEq, Debug)]
pub enum Chunk {
    /// The first.
    Header(Box<SnapshotHeader>),
    /// Orders, still packed: [`unpack`] opens it.
    Body {
        /// Where the chunk begins in the file.
        offset: u64,
        /// As it lies in the file.
        packed: Vec<u8>,
    },
    /// The last.
    Trailer(SnapshotTotals),
}

/// Takes a file's bytes as they come and gives back its chunks.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are done with.
    used: usize,
    /// Bytes of the file before `buffer`.
    before: u64,
    version: u16,
    index: u32,
    begun: bool,
    ended: bool,
}

impl Decoder {
    /// Adds the file's next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.used);
        self.before += self.used as u64;
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next chunk; `None` where more bytes are needed, or all have been read.
    ///
    /// # Errors
    /// The file is not a whole snapshot. Nothing more comes of it.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FormatError> {
        if !self.begin()? {
            return Ok(None);
        }
        let offset = self.offset();
        let rest = self.buffer.get(self.used..).unwrap_or_default();
        if self.ended {
            return if rest.is_empty() { Ok(None) } else { Err(FormatError::Trailing { offset }) };
        }
        let Some((kind, length, rest)) = chunk_head(rest) else { return Ok(None) };
        if length as usize > CHUNK_BYTES_MAX {
            return Err(FormatError::Checksum { offset });
        }
        let Some((payload, rest)) = rest.split_at_checked(length as usize) else { return Ok(None) };
        let Some((crc, _)) = rest.split_first_chunk::<CRC>() else { return Ok(None) };
        if checksum(self.version, self.index, kind, length, payload) != u32::from_le_bytes(*crc) {
            return Err(FormatError::Checksum { offset });
        }
        let chunk = self.read(kind, payload, offset)?;
        self.used += CHUNK_HEAD + length as usize + CRC;
        self.index += 1;
        self.ended = matches!(chunk, Chunk::Trailer(_));
        Ok(Some(chunk))
    }

    /// Says whether the file was whole, once all its bytes were fed and its chunks taken.
    ///
    /// # Errors
    /// It was not.
    pub fn finish(&self) -> Result<(), FormatError> {
        let length = self.before + self.buffer.len() as u64;
        match self.ended {
            true if self.used == self.buffer.len() => Ok(()),
            true => Err(FormatError::Trailing { offset: self.offset() }),
            false => Err(FormatError::Truncated { length }),
        }
    }

    fn offset(&self) -> u64 {
        self.before + self.used as u64
    }

    /// True once the magic and the version are read and right.
    fn begin(&mut self) -> Result<bool, FormatError> {
        if self.begun {
            return Ok(true);
        }
        let seen = self.buffer.len().min(MAGIC.len());
        if self.buffer.get(..seen) != MAGIC.get(..seen) {
            return Err(FormatError::Foreign);
        }
        let Some((version, _)) = self.buffer.get(MAGIC.len()..).and_then(<[u8]>::split_first_chunk::<2>) else {
            return Ok(false);
        };
        let found = u16::from_le_bytes(*version);
        if !(VERSION_ORDERS..=FORMAT_VERSION).contains(&found) {
            return Err(FormatError::Version { found });
        }
        self.version = found;
        self.used = PREAMBLE;
        self.begun = true;
        Ok(true)
    }

    fn read(&self, kind: u8, payload: &[u8], offset: u64) -> Result<Chunk, FormatError> {
        let bad = |what: String| FormatError::Malformed { offset, what };
        match (kind, self.index) {
            (1, 0) => messages::SnapshotHeader::decode(payload)
                .map(|header| Chunk::Header(Box::new(header.into())))
                .map_err(|e| bad(e.to_string())),
            (2, 1..) => Ok(Chunk::Body { offset, packed: payload.to_vec() }),
            (3, 1..) => messages::SnapshotTrailer::decode(payload)
                .map(|trailer| Chunk::Trailer(trailer.into()))
                .map_err(|e| bad(e.to_string())),
            _ => Err(bad(format!("a chunk of kind {kind} cannot be in place {}", self.index))),
        }
    }
}

fn chunk_head(bytes: &[u8]) -> Option<(u8, u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<CHUNK_HEAD>()?;
    let [kind, length @ ..] = *head;
    Some((kind, u32::from_le_bytes(length), rest))
}

/// Opens a body chunk and hands its messages to `take`.
///
/// # Errors
/// It does not unpack, or holds something else than orders.
pub fn unpack(
    packed: &[u8],
    offset: u64,
    mut take: impl FnMut(messages::SnapshotOrder) -> Result<(), BadMessage>,
) -> Result<(), FormatError> {
    let bad = |what: String| FormatError::Malformed { offset, what };
    let (unpacked, frame) = packed.split_first_chunk::<4>().ok_or_else(|| bad("it is too short".to_owned()))?;
    let unpacked = (u32::from_le_bytes(*unpacked) as usize).min(CHUNK_BYTES_MAX);
    let raw = zstd::bulk::decompress(frame, unpacked).map_err(|e| bad(e.to_string()))?;
    let mut rest = raw.as_slice();
    while !rest.is_empty() {
        let message = messages::SnapshotOrder::decode_length_delimited(&mut rest).map_err(|e| bad(e.to_string()))?;
        take(message).map_err(|e| bad(e.to_string()))?;
    }
    Ok(())
}
