//! The file: magic, version, then chunks, each with its own checksum.
//!
//! ```text
//! 89 "OWSNAP" 0A   version u16
//! kind u8   length u32   payload   crc32 u32      one header
//! …                                               bodies: unpacked length u32, zstd of packed orders (engine/copy.rs)
//! …                                               one trailer, and nothing after it
//! ```
//!
//! Numbers are little-endian. A chunk's CRC-32 covers the version, the chunk's place, its kind, its length and its
//! payload, so a flipped bit, a missing, repeated or moved chunk and a cut anywhere are all found without unpacking.
//! The bodies of versions 1 and 2 are length-delimited SnapshotOrder messages; in version 3 tombstones are orders without events.

use prost::Message;

use super::header::{SnapshotHeader, SnapshotTotals};
use crate::codec::generated::orderwatch::internal::v1 as messages;
use crate::engine::PackedOrders;

/// Begins every snapshot. The first byte is no text, the last is lost where a transfer mangles line ends.
const MAGIC: [u8; 8] = *b"\x89OWSNAP\n";
/// The version that is written; a reader refuses what it does not know. 1 held orders alone, in 2 inputs and tombstones name
/// their entity, 3 holds orders as they lie in memory, 4 tombstones too: a hash of each instead of its id.
pub const FORMAT_VERSION: u16 = 4;
/// The oldest that is read.
const FORMAT_VERSION_MIN: u16 = 1;
/// The last with messages in its bodies.
const VERSION_MESSAGES: u16 = 2;
/// The last whose tombstones lie among the orders.
const VERSION_TOMBSTONES_BY_ID: u16 = 3;
/// More than any chunk has: a stretch of orders ends with the one that brings it above a megabyte.
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
        "its format version is {found} and this orderwatch reads {FORMAT_VERSION_MIN} to {FORMAT_VERSION}; start the orderwatch that wrote it, or a newer one"
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
    #[error("{bytes} bytes in one piece are more than a chunk holds")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Turns orders into the bytes of a file.
#[derive(Debug)]
pub struct Encoder {
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
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        let mut encoder = Encoder { index: 0, raw: Vec::new(), totals: SnapshotTotals::default() };
        encoder.chunk(ChunkKind::Header, &messages::SnapshotHeader::from(header).encode_to_vec(), out)?;
        Ok(encoder)
    }

    /// Appends a stretch of orders to `out`.
    ///
    /// # Errors
    /// It is larger than a chunk.
    pub fn push(&mut self, orders: &PackedOrders, out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.totals += orders.held();
        self.raw.clear();
        orders.write(&mut self.raw);
        let unpacked = length(&self.raw)?;
        let frame = zstd::bulk::compress(&self.raw, ZSTD_LEVEL)
            .map_err(|e| FormatError::Malformed { offset: 0, what: e.to_string() })?;
        self.chunk(ChunkKind::Body, &[unpacked.to_le_bytes().as_slice(), frame.as_slice()].concat(), out)
    }

    /// Appends the last chunk to `out` and says what the file holds.
    ///
    /// # Errors
    /// None, in fact: the trailer is small.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<SnapshotTotals, FormatError> {
        let totals = self.totals;
        self.chunk(ChunkKind::Trailer, &messages::SnapshotTrailer::from(totals).encode_to_vec(), out)?;
        Ok(totals)
    }

    fn chunk(&mut self, kind: ChunkKind, payload: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
        let length = length(payload)?;
        out.push(kind as u8);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(payload);
        out.extend_from_slice(&checksum(FORMAT_VERSION, self.index, kind as u8, length, payload).to_le_bytes());
        self.index += 1;
        Ok(())
    }
}

/// Of what goes into one chunk.
fn length(bytes: &[u8]) -> Result<u32, FormatError> {
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= CHUNK_BYTES_MAX);
    length.ok_or(FormatError::TooLarge { bytes: bytes.len() })
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

/// Orders as they lie in the file.
#[derive(PartialEq, Debug)]
pub struct Body {
    version: u16,
    /// Where the chunk begins in the file.
    offset: u64,
    compressed: Vec<u8>,
}

/// A piece of a file whose checksum is right.
#[derive(PartialEq, Debug)]
pub enum Chunk {
    /// The first.
    Header(Box<SnapshotHeader>),
    /// Orders, still compressed.
    Body(Body),
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
        if !(FORMAT_VERSION_MIN..=FORMAT_VERSION).contains(&found) {
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
            (2, 1..) => Ok(Chunk::Body(Body { version: self.version, offset, compressed: payload.to_vec() })),
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

/// What is in a body.
#[derive(Debug)]
pub enum Opened {
    /// Orders as they lie in memory.
    Packed(PackedOrders),
    /// The messages of an earlier version, one after the other.
    Messages(Vec<messages::SnapshotOrder>),
}

impl Body {
    /// Decompresses it.
    ///
    /// # Errors
    /// It does not decompress, or holds something else than orders.
    pub fn open(&self) -> Result<Opened, FormatError> {
        let (unpacked, frame) =
            self.compressed.split_first_chunk::<4>().ok_or_else(|| self.malformed("it is too short".to_owned()))?;
        let unpacked = (u32::from_le_bytes(*unpacked) as usize).min(CHUNK_BYTES_MAX);
        let raw = zstd::bulk::decompress(frame, unpacked).map_err(|e| self.malformed(e.to_string()))?;
        if self.version > VERSION_MESSAGES {
            let by_id = self.version <= VERSION_TOMBSTONES_BY_ID;
            let orders = if by_id { PackedOrders::parse_without_tombstones(raw) } else { PackedOrders::parse(raw) };
            return orders.map(Opened::Packed).ok_or_else(|| self.malformed("it ends within an order".to_owned()));
        }
        let (mut orders, mut rest) = (Vec::new(), raw.as_slice());
        while !rest.is_empty() {
            let message = messages::SnapshotOrder::decode_length_delimited(&mut rest);
            orders.push(message.map_err(|e| self.malformed(e.to_string()))?);
        }
        Ok(Opened::Messages(orders))
    }

    /// Its checksum is right and its content makes no sense.
    pub fn malformed(&self, what: String) -> FormatError {
        FormatError::Malformed { offset: self.offset, what }
    }
}
