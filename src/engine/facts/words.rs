//! Names and values that many orders share, as numbers. Bounded: what is an order's own stays with the order, or memory
//! would grow with history.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::domain::Str;

/// Longer ones are not worth a place.
pub(super) const MAX_BYTES: usize = 64;
/// How many hashes are remembered of what was met once.
const MET: usize = 4096;

/// What was met lately. A thing gets a number only when it is met again: ids that one order has would fill a table that is
/// never emptied.
#[derive(Debug, Default)]
pub(super) struct Met(Vec<u32>);

impl Met {
    /// Whether this was met not long ago; from now on it was.
    pub fn again(&mut self, hash: u64) -> bool {
        self.0.resize(MET, 0);
        let mark = (hash >> 32) as u32 | 1;
        self.0.get_mut(hash as usize % MET).is_some_and(|met| std::mem::replace(met, mark) == mark)
    }
}

/// Texts by number, from 0.
#[derive(Debug)]
pub(super) struct Words {
    texts: Vec<Str>,
    numbers: HashTable<u32>,
    hasher: RandomState,
    met: Met,
    most: usize,
}

impl Words {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Words {
            texts: Vec::new(),
            numbers: HashTable::new(),
            hasher: RandomState::default(),
            met: Met::default(),
            most,
        }
    }

    /// The text's number; `None` where it has none (yet).
    pub fn number(&mut self, text: &str) -> Option<u32> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let hash = self.hasher.hash_one(text);
        let is_it = |number: &u32| self.texts.get(*number as usize).is_some_and(|known| known == text);
        if let Some(number) = self.numbers.find(hash, is_it) {
            return Some(*number);
        }
        if self.texts.len() >= self.most || !self.met.again(hash) {
            return None;
        }
        Some(self.add(text))
    }

    /// Gives a new text the next number.
    pub fn add(&mut self, text: &str) -> u32 {
        let number = self.texts.len() as u32;
        self.texts.push(Str::new(text));
        let (texts, hasher) = (&self.texts, &self.hasher);
        let rehash = |number: &u32| hasher.hash_one(texts.get(*number as usize).map_or("", Str::as_str));
        self.numbers.insert_unique(hasher.hash_one(text), number, rehash);
        number
    }

    /// All of them, by number.
    pub fn all(&self) -> &[Str] {
        &self.texts
    }

    /// The text with this number.
    pub fn text(&self, number: u64) -> Str {
        self.texts.get(number as usize).cloned().unwrap_or_default()
    }
}
