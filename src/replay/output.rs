//! Where the exceptions of a replay go: a file or standard output, one JSON value a line.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::ReplayError;

/// An open output.
pub struct Output {
    path: PathBuf,
    writer: Box<dyn Write>,
    /// The reader of a pipe went away (`orderwatch replay --output - | head`): it has seen what it wanted.
    closed: bool,
}

impl Output {
    /// Standard output.
    pub fn stdout() -> Self {
        let writer = Box::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        Output { path: "standard output".into(), writer, closed: false }
    }

    /// A file, made anew.
    ///
    /// # Errors
    /// It cannot be written, or is the replay's own input.
    pub fn file(path: &Path, input: Option<&Path>) -> Result<Self, ReplayError> {
        let failed = |source| ReplayError::Write { path: path.into(), source };
        if let (Ok(new), Some(Ok(old))) = (path.metadata(), input.map(Path::metadata))
            && (new.dev(), new.ino()) == (old.dev(), old.ino())
            && new.is_file()
        {
            return Err(failed(io::Error::other("this is the input; name another file")));
        }
        let file = File::create(path).map_err(failed)?;
        Ok(Output { path: path.into(), writer: Box::new(BufWriter::with_capacity(1 << 16, file)), closed: false })
    }

    /// Writes a line: `value` and a line feed.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn line(&mut self, value: &[u8]) -> Result<(), ReplayError> {
        if self.closed {
            return Ok(());
        }
        let written = self.writer.write_all(value).and_then(|()| self.writer.write_all(b"\n"));
        self.check(written)
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(mut self) -> Result<(), ReplayError> {
        let flushed = self.writer.flush();
        self.check(flushed)
    }

    fn check(&mut self, written: io::Result<()>) -> Result<(), ReplayError> {
        match written {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(source) => Err(ReplayError::Write { path: self.path.clone(), source }),
            Ok(()) => Ok(()),
        }
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("path", &self.path).field("closed", &self.closed).finish_non_exhaustive()
    }
}
