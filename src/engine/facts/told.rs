//! What facts refer to, as a snapshot tells it beside them: what came since it was told last. Who learns it in order has the
//! same numbers, and facts need not be packed anew.

use super::Codebook;
use super::bytes::{Reader, put_text, put_varint};
use super::shape::Shape;

/// How much of a codebook was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Told {
    shapes: usize,
    names: usize,
    values: usize,
    skus: usize,
}

impl Codebook {
    /// Writes what came since.
    pub fn tell(&self, told: &mut Told, out: &mut Vec<u8>) {
        tell(self.shapes.all(), &mut told.shapes, out, Shape::write);
        let texts = [(&self.names, &mut told.names), (&self.values, &mut told.values), (&self.skus, &mut told.skus)];
        for (words, told) in texts {
            tell(words.all(), told, out, |text, out| put_text(out, text));
        }
    }

    /// Learns what another's [`Codebook::tell`] wrote; what is known is passed over. Only before anything is packed here.
    pub fn learn(&mut self, from: &mut Reader<'_>) {
        for number in numbers(from) {
            let shape = Shape::read(from);
            if number == self.shapes.all().len() {
                self.shapes.add(shape);
            }
        }
        for words in [&mut self.names, &mut self.values, &mut self.skus] {
            learn_texts(from, words.all().len(), |text| {
                words.add(text);
            });
        }
    }
}

/// Learns texts that [`tell`] told, where so many are known.
pub(in crate::engine) fn learn_texts(from: &mut Reader<'_>, mut known: usize, mut add: impl FnMut(&str)) {
    for number in numbers(from) {
        let text = from.own_text();
        if number == known {
            add(text);
            known += 1;
        }
    }
}

/// The first number, how many there are, and they.
pub(in crate::engine) fn tell<T>(all: &[T], told: &mut usize, out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    let new = all.get(*told..).unwrap_or_default();
    put_varint(out, *told as u64);
    put_varint(out, new.len() as u64);
    new.iter().for_each(|one| write(one, out));
    *told = all.len();
}

/// The numbers of what follows, each of which takes a byte at the least.
fn numbers(from: &mut Reader<'_>) -> std::ops::Range<usize> {
    let first = from.varint() as usize;
    let count = (from.varint() as usize).min(from.0.len());
    first..first.saturating_add(count)
}
