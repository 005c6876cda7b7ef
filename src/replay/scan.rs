//! The one pass over a dump in which every line is checked: stretch by stretch on several threads, told in the file's order.

use std::fs::File;
use std::io::{self, BufRead as _};
use std::num::NonZero;
use std::os::unix::fs::FileExt as _;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::domain::{Str, StreamId};

use super::dump::StreamPartition;
use super::index::Entry;
use super::line::LinePlace;

/// No record of Kafka comes near this; a file without line feeds must not fill the memory.
const LINE_BYTES_MAX: u64 = 256 << 20;
/// What a thread reads at once. A line belongs to the stretch in which it begins. Tests have small dumps.
const STRETCH_BYTES: u64 = if cfg!(test) { 100 } else { 256 << 10 };
/// How many stretches of each thread may wait to be taken.
const AHEAD: usize = 4;

/// What lies in a stretch.
#[derive(Debug, Default)]
pub struct Stretch {
    /// Bytes of the file up to its end.
    pub end: u64,
    /// How many lines, empty ones too.
    pub lines: u64,
    /// The records of declared streams.
    pub records: Vec<(StreamPartition, Entry)>,
    /// Other topics, as they come, and how many lines of each follow each other.
    pub undeclared: Vec<(Str, u64)>,
    /// Why nothing behind its lines was looked at.
    pub broken: Option<Broken>,
}

/// Why a scan ends early.
#[derive(Debug)]
pub enum Broken {
    /// The last line is not a record; this is what is wrong with it.
    Line(String),
    /// The file cannot be read on.
    Read(io::Error),
}

/// Scans the first `total` bytes of the file, and the rest of the line that they end in. `take` gets every stretch, in the
/// file's order, up to the first that is broken.
///
/// # Errors
/// Those of `take`.
pub fn scan<E>(
    file: &File,
    total: u64,
    topics: &[Str],
    mut take: impl FnMut(Stretch) -> Result<(), E>,
) -> Result<(), E> {
    let stretches = total.div_ceil(STRETCH_BYTES);
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(stretches as usize).max(1);
    thread::scope(|scope| {
        let mut from = Vec::new();
        for first in 0..threads {
            let (to, stretches_of) = sync_channel(AHEAD);
            from.push(stretches_of);
            let numbers = (first as u64..stretches).step_by(threads);
            scope.spawn(move || {
                let mut bytes = Vec::new();
                let mut read = numbers.map(|number| Stretch::read(file, number, total, topics, &mut bytes));
                read.try_for_each(|stretch| tell(&to, stretch))
            });
        }
        // Each thread ends after its last, or after a broken one.
        for thread in from.iter().cycle() {
            let Ok(stretch) = thread.recv() else { break };
            let is_last = stretch.broken.is_some();
            take(stretch)?;
            if is_last {
                break;
            }
        }
        Ok(())
    })
}

/// `None` where no more is wanted.
fn tell(to: &SyncSender<Stretch>, stretch: Stretch) -> Option<()> {
    let is_last = stretch.broken.is_some();
    to.send(stretch).ok().filter(|()| !is_last)
}

impl Stretch {
    /// Into `bytes`, whatever they held.
    fn read(file: &File, number: u64, total: u64, topics: &[Str], bytes: &mut Vec<u8>) -> Stretch {
        let begin = number * STRETCH_BYTES;
        let mut stretch = Stretch { end: (begin + STRETCH_BYTES).min(total), ..Stretch::default() };
        stretch.broken = stretch.lines_from(file, begin, topics, bytes).err();
        stretch
    }

    fn lines_from(&mut self, file: &File, begin: u64, topics: &[Str], bytes: &mut Vec<u8>) -> Result<(), Broken> {
        // From one byte before: where that is a line feed, a line begins with the stretch.
        let from = begin.saturating_sub(1);
        fill(file, from, self.end, bytes)?;
        let mut at = match first_line(bytes) {
            _ if begin == 0 => 0,
            Some(of_before) => of_before.len(),
            None => return Ok(()),
        };
        while at < bytes.len() {
            let Some(line) = first_line(bytes.get(at..).unwrap_or_default()) else { break };
            self.line(from + at as u64, line, topics)?;
            at += line.len();
        }
        if at < bytes.len() {
            bytes.drain(..at);
            finish_line(file, self.end, bytes)?;
            self.line(from + at as u64, bytes, topics)?;
        }
        Ok(())
    }

    fn line(&mut self, start: u64, bytes: &[u8], topics: &[Str]) -> Result<(), Broken> {
        self.lines += 1;
        if bytes.len() as u64 >= LINE_BYTES_MAX {
            return Err(Broken::Line(format!("the line is longer than {LINE_BYTES_MAX} bytes")));
        }
        let text = bytes.trim_ascii_end();
        if text.is_empty() {
            return Ok(());
        }
        let line = LinePlace::parse(text).map_err(Broken::Line)?;
        let Some(stream) = topics.iter().position(|topic| **topic == *line.topic) else {
            match self.undeclared.last_mut() {
                Some((last, lines)) if *last == *line.topic => *lines += 1,
                _ => self.undeclared.push((Str::new(&*line.topic), 1)),
            }
            return Ok(());
        };
        let entry = Entry { offset: line.offset, start, len: bytes.len() as u32 };
        self.records.push(((StreamId(stream as u16), line.partition), entry));
        Ok(())
    }
}

/// Up to the first line feed, that included.
fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    let length = rest.skip_until(b'\n').ok()?;
    bytes.get(..length).filter(|line| line.ends_with(b"\n"))
}

/// Reads the bytes from `from` to `end`, or to where the file ends by now.
fn fill(file: &File, from: u64, end: u64, bytes: &mut Vec<u8>) -> Result<(), Broken> {
    bytes.resize((end - from) as usize, 0);
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, from + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Broken::Read(e)),
        }
    }
    bytes.truncate(filled);
    Ok(())
}

/// Adds what follows from `at` on, up to the line feed, the file's end, or where the line is too long to be one.
fn finish_line(file: &File, mut at: u64, line: &mut Vec<u8>) -> Result<(), Broken> {
    let mut more = Vec::new();
    while (line.len() as u64) < LINE_BYTES_MAX {
        fill(file, at, at + (64 << 10), &mut more)?;
        at += more.len() as u64;
        let end = first_line(&more);
        line.extend_from_slice(end.unwrap_or(&more));
        if end.is_some() || more.is_empty() {
            break;
        }
    }
    line.truncate(LINE_BYTES_MAX as usize);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::simulation::rng::Rng;

    /// Lines much shorter and much longer than a stretch, empty ones, and one that is broken.
    fn text(rng: &mut Rng, broken: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for n in 0..60 {
            let payload = "x".repeat(if rng.chance(20) { rng.below(900) } else { rng.below(30) });
            let line = format!("{{\"topic\":\"t\",\"partition\":1,\"offset\":{n},\"payload\":\"{payload}\"}}");
            let line = if n == broken { "{".to_owned() } else { line };
            text.extend_from_slice(line.as_bytes());
            text.extend_from_slice(rng.pick(&[&b"\n"[..], b"\r\n", b"\n\n"]).unwrap());
        }
        text.truncate(text.len() - if rng.chance(50) { 1 } else { 0 });
        text
    }

    #[test]
    fn every_line_is_in_one_stretch_in_the_files_order() {
        for seed in 0..100 {
            let mut rng = Rng::new(seed);
            let broken = rng.below(90);
            let text = text(&mut rng, broken);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&text).unwrap();
            let (mut want, mut start, mut number, mut fault) = (Vec::new(), 0, 0, None);
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                number += 1;
                match LinePlace::parse(line) {
                    Ok(place) => want.push(Entry { offset: place.offset, start, len: line.len() as u32 }),
                    Err(_) if line.trim_ascii().is_empty() => {}
                    Err(_) => {
                        fault = Some(number);
                        break;
                    }
                }
                start += line.len() as u64;
            }
            let (mut got, mut lines, mut said) = (Vec::new(), 0, None);
            let scanned = scan(&file, text.len() as u64, &[Str::new("t")], |stretch| {
                lines += stretch.lines;
                got.extend(stretch.records.into_iter().map(|(_, entry)| entry));
                assert!(said.is_none(), "seed {seed}: nothing follows what is broken");
                said = stretch.broken.map(|_| lines);
                Ok::<_, ()>(())
            });
            assert_eq!((scanned, &got, lines, said), (Ok(()), &want, number, fault), "seed {seed}");
        }
    }
}
