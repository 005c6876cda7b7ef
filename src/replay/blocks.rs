//! A file's latest blocks, for one who reads it line by line at several places at once.
//!
//! Lines of one time mostly lie near each other, whatever partition they are of. A block is read as a whole when it is asked
//! for again: of a file in no order at all no more is read than what is asked for.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

const BLOCK_BYTES: u64 = 16 << 10;

/// The blocks. Each has one slot in which it may lie.
#[derive(Debug)]
pub struct Blocks {
    slots: Vec<Block>,
    /// What lies in no block, or in two.
    single: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Block {
    number: u64,
    /// Empty where it was asked for but once.
    bytes: Vec<u8>,
}

impl Blocks {
    /// For one who reads at so many places.
    pub fn new(places: usize) -> Self {
        const LEAST: usize = 64;
        let none = Block { number: u64::MAX, bytes: Vec::new() };
        Blocks { slots: vec![none; LEAST.max(places * 2)], single: Vec::new() }
    }

    /// Reads `len` bytes from `start` on.
    ///
    /// # Errors
    /// The file cannot be read, or is shorter.
    pub fn read(&mut self, file: &File, start: u64, len: usize) -> io::Result<&[u8]> {
        let Blocks { slots, single } = self;
        let (number, at) = (start / BLOCK_BYTES, (start % BLOCK_BYTES) as usize);
        let slot = (number % slots.len() as u64) as usize;
        let kept = slots.get_mut(slot).and_then(|block| block.ask(file, number)?.get(at..at + len));
        if let Some(kept) = kept {
            return Ok(kept);
        }
        single.resize(len, 0);
        file.read_exact_at(single, start)?;
        Ok(single)
    }
}

impl Block {
    fn ask(&mut self, file: &File, number: u64) -> Option<&[u8]> {
        if self.number != number {
            self.number = number;
            self.bytes.clear();
            return None;
        }
        if self.bytes.is_empty() {
            self.bytes.resize(BLOCK_BYTES as usize, 0);
            // What is amiss with the file is said of the line that is read by itself then.
            let read = file.read_at(&mut self.bytes, number * BLOCK_BYTES).unwrap_or(0);
            self.bytes.truncate(read);
        }
        Some(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn reads_what_lies_there_in_any_order() {
        let bytes: Vec<u8> = (0..5 * BLOCK_BYTES + 77).map(|n| (n % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let mut blocks = Blocks::new(1);
        for turn in 0..20_000_usize {
            let (start, len) = ((turn * 7919) % bytes.len(), turn % 300);
            let want = bytes.get(start..start + len);
            let read = blocks.read(&file, start as u64, len);
            assert_eq!(read.as_ref().ok().copied(), want, "{start} {len}");
            if want.is_none() {
                assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            }
        }
    }
}
