//! Reads a dump once from end to end: every line is checked and its place is kept, by partition, in offset order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::domain::{Str, StreamId};

use super::blocks::Blocks;
use super::index::{Entry, PartitionIndex};
use super::line::Line;
use super::scan::{Broken, scan};
use super::{ReplayError, Step};

/// Undeclared topics that are told apart; a dump has a handful, garbage may have any number.
const UNDECLARED_MAX: usize = 100;
/// How many lines of a range of the topics between two reports of progress.
const REPORT_EVERY: u64 = 4096;

/// A partition of a declared stream.
pub type StreamPartition = (StreamId, i32);

/// A dump, indexed.
#[derive(Debug)]
pub struct Dump {
    path: PathBuf,
    file: File,
    partitions: BTreeMap<StreamPartition, PartitionIndex>,
    /// Lines of declared streams, each (topic, partition, offset) once.
    pub records: u64,
    /// Lines left out because an earlier one has the same topic, partition and offset.
    pub repeated_lines: u64,
    /// Lines left out because no stream declares their topic.
    pub undeclared: BTreeMap<Str, u64>,
}

impl Dump {
    /// Opens and indexes a dump. `topics` are those of the declared streams: their index is the `StreamId`. What cannot
    /// be read twice (a pipe) is copied to a temporary file first.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is not a record.
    pub fn open(path: &Path, topics: &[Str], progress: &mut dyn FnMut(Step)) -> Result<Self, ReplayError> {
        let failed = |source| ReplayError::Read { path: path.into(), source };
        let file = File::open(path).map_err(failed)?;
        match file.metadata().map_err(failed)?.is_file() {
            true => Dump::index(path.into(), file, topics, progress),
            false => Dump::spool(file, path, topics, progress),
        }
    }

    /// Copies a dump that can be read only once to a temporary file, which goes with the process, and indexes that.
    /// `name` stands for it in errors.
    ///
    /// # Errors
    /// It cannot be read, the temporary file cannot be written, or a line is not a record.
    pub fn spool(
        mut from: impl Read,
        name: &Path,
        topics: &[Str],
        progress: &mut dyn FnMut(Step),
    ) -> Result<Self, ReplayError> {
        let failed = |source| ReplayError::Read { path: name.into(), source };
        let mut file = tempfile::tempfile().map_err(failed)?;
        let mut copied = 0;
        loop {
            // Copied piece by piece, to report on the way.
            match io::copy(&mut from.by_ref().take(8 << 20), &mut file).map_err(failed)? {
                0 => break,
                bytes => copied += bytes,
            }
            progress(Step::Copying { bytes: copied });
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Dump::index(name.into(), file, topics, progress)
    }

    /// Makes a dump of the records that `fill` gives to its argument: a range of the topics, say. It lies in a temporary
    /// file, which goes with the process. `name` stands for it in errors.
    ///
    /// # Errors
    /// Those of `fill`, or the temporary file cannot be written.
    pub fn collect<E: From<ReplayError>>(
        name: &Path,
        topics: &[Str],
        progress: &mut dyn FnMut(Step),
        fill: impl FnOnce(&mut dyn FnMut(&Line<'_>) -> Result<(), E>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let failed = |source| ReplayError::Read { path: name.into(), source };
        let mut out = BufWriter::with_capacity(1 << 20, tempfile::tempfile().map_err(failed)?);
        let (mut bytes, mut copied, mut lines) = (Vec::new(), 0, 0);
        fill(&mut |line| {
            bytes.clear();
            line.write(&mut bytes);
            copied += bytes.len() as u64;
            lines += 1;
            if lines % REPORT_EVERY == 0 {
                progress(Step::Copying { bytes: copied });
            }
            Ok(out.write_all(&bytes).map_err(failed)?)
        })?;
        let mut file = out.into_inner().map_err(|e| failed(e.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        Ok(Dump::index(name.into(), file, topics, progress)?)
    }

    fn index(path: PathBuf, file: File, topics: &[Str], progress: &mut dyn FnMut(Step)) -> Result<Self, ReplayError> {
        let total = file.metadata().map_err(|source| ReplayError::Read { path: path.clone(), source })?.len();
        let (mut partitions, mut undeclared) = (BTreeMap::<_, PartitionIndex>::new(), BTreeMap::new());
        let mut lines = 0;
        scan(&file, total, topics, |stretch| {
            lines += stretch.lines;
            for (place, entry) in stretch.records {
                partitions.entry(place).or_default().push(entry);
            }
            stretch.undeclared.into_iter().for_each(|(topic, lines)| leave_out(&mut undeclared, topic, lines));
            progress(Step::Indexing { bytes: stretch.end, total });
            match stretch.broken {
                Some(Broken::Line(detail)) => Err(ReplayError::Line { path: path.clone(), line: lines, detail }),
                Some(Broken::Read(source)) => Err(ReplayError::Read { path: path.clone(), source }),
                None => Ok(()),
            }
        })?;
        progress(Step::Indexing { bytes: total, total });
        let repeated_lines = partitions.values_mut().map(PartitionIndex::finish).sum();
        let records = partitions.values().map(PartitionIndex::len).sum();
        Ok(Dump { path, file, partitions, records, repeated_lines, undeclared })
    }

    /// The partitions that it has records of, in (stream, partition) order.
    pub fn partitions(&self) -> &BTreeMap<StreamPartition, PartitionIndex> {
        &self.partitions
    }

    /// Reads the line of an entry.
    ///
    /// # Errors
    /// The file cannot be read, or is shorter than it was.
    pub fn read<'b>(&self, entry: Entry, blocks: &'b mut Blocks) -> Result<&'b [u8], ReplayError> {
        let read = blocks.read(&self.file, entry.start, entry.len as usize);
        read.map_err(|source| ReplayError::Read { path: self.path.clone(), source })
    }

    /// The error of a line that was a record when the dump was indexed and is none now.
    pub fn changed(&self, detail: impl Into<String>) -> ReplayError {
        ReplayError::Changed { path: self.path.clone(), detail: detail.into() }
    }
}

/// Counts lines of a topic that no stream declares.
fn leave_out(undeclared: &mut BTreeMap<Str, u64>, topic: Str, lines: u64) {
    let known = undeclared.contains_key(&topic) || undeclared.len() < UNDECLARED_MAX;
    let name = if known { topic } else { Str::new_static("(others)") };
    *undeclared.entry(name).or_default() += lines;
}
