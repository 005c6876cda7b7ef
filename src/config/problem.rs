//! What is wrong with a file, where, and what was expected: as plain lines (`file:line:col: message`) or, for a
//! terminal, as a coloured snippet.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

/// More problems than a person reads at once; the rest are counted.
const SHOWN_MAX: usize = 100;
/// A snippet's line is cut here, so that a file written on one line stays readable. In characters.
const SNIPPET_CHARS_MAX: usize = 160;

/// A file's name as the user gave it, and its text.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    name: String,
    text: Arc<str>,
    line_starts: Vec<usize>,
}

/// Whether a problem forbids the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing starts.
    Error,
    /// It works, and is probably not what was meant.
    Warning,
}

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it forbids the start.
    pub level: Level,
    /// The file it is in.
    pub file: Arc<SourceFile>,
    /// Bytes of the offending text; `None` where the file as a whole is meant.
    pub span: Option<Range<usize>>,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Something that works, and is probably not what was meant.
pub type Warning = Problem;

/// Every error of the configuration and its policies, in file order, and the warnings between them: a misspelt
/// milestone is only a warning, and may be what is behind an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

/// How problems are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `file:line:col: message`, the line and a mark under it: for logs and editors.
    Plain,
    /// Boxes and colours: for a terminal.
    Fancy,
}

impl Style {
    /// Boxes and colours on a terminal, unless the user's `NO_COLOR` asks for none.
    pub fn of(is_terminal: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if is_terminal && !plain { Style::Fancy } else { Style::Plain }
    }
}

impl SourceFile {
    /// A file that was read.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        SourceFile { name: name.into(), text, line_starts }
    }

    /// The name as the user gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The text of `span`; empty where it does not lie in the file.
    pub fn slice(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Line and column of a byte, each from 1; the column counts characters.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= byte).max(1);
        let column = self.slice(&(self.line_start(line)..byte)).chars().count() + 1;
        (line, column)
    }

    fn line_start(&self, line: usize) -> usize {
        self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0)
    }

    /// The part of `span` on its first line.
    fn first_line(&self, span: &Range<usize>) -> Range<usize> {
        let length = self.slice(span).lines().next().map_or(0, |l| l.trim_end().len());
        span.start..span.start + length
    }
}

impl Problem {
    /// Line and column, each from 1.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.span.as_ref().map(|s| self.file.position(s.start))
    }

    fn write_plain(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{self}")?;
        if let Some(span) = &self.span {
            let (line, column) = self.file.position(span.start);
            let start = self.file.line_start(line);
            let text = self.file.slice(&(start..self.file.text.len())).lines().next().unwrap_or_default();
            // A long line is shown from a little before the mark.
            let skipped = if column > SNIPPET_CHARS_MAX { column - 40 } else { 0 };
            let shown: String = text.chars().skip(skipped).take(SNIPPET_CHARS_MAX).map(printable).collect();
            let marked = self.file.slice(&self.file.first_line(span)).chars().count().max(1);
            let room = shown.chars().count().saturating_sub(column - 1 - skipped).max(1);
            writeln!(out, "  {line:>4} | {shown}")?;
            writeln!(out, "       | {:indent$}{}", "", "^".repeat(marked.min(room)), indent = column - 1 - skipped)?;
        }
        if let Some(help) = &self.help {
            writeln!(out, "  help: {help}")?;
        }
        Ok(())
    }

    fn write_fancy(&self, out: &mut String) -> fmt::Result {
        // A snippet of a line that is longer than any screen would hide the message.
        let long = self.span.as_ref().is_some_and(|s| self.file.position(s.start).1 > SNIPPET_CHARS_MAX);
        if long {
            return self.write_plain(out);
        }
        let snippet = Snippet { problem: self, source: NamedSource::new(&self.file.name, Arc::clone(&self.file.text)) };
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode())
            .with_width(100)
            .with_context_lines(1)
            .with_links(false)
            .render_report(out, &snippet)?;
        writeln!(out)
    }
}

/// Tabs would shift the mark under them, and control characters would speak to the terminal.
fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// `file:line:col: message`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file.name)?;
        if let Some((line, column)) = self.position() {
            write!(f, ":{line}:{column}")?;
        }
        if self.level == Level::Warning {
            f.write_str(": warning")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Draws problems one under the other, each with its snippet.
pub fn render(problems: &[Problem], style: Style) -> String {
    let mut out = String::new();
    for problem in problems.iter().take(SHOWN_MAX) {
        // Writing to a String cannot fail.
        let _ = match style {
            Style::Plain => problem.write_plain(&mut out),
            Style::Fancy => problem.write_fancy(&mut out),
        };
    }
    if problems.len() > SHOWN_MAX {
        let _ = writeln!(out, "and {} more", problems.len() - SHOWN_MAX);
    }
    out
}

impl ConfigErrors {
    /// Draws everything, and says how many errors there are.
    pub fn render(&self, style: Style) -> String {
        let errors = self.0.iter().filter(|p| p.level == Level::Error).count();
        let plural = if errors == 1 { "" } else { "s" };
        format!("{}{errors} error{plural}; nothing was started\n", render(&self.0, style))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(Style::Plain).trim_end())
    }
}

impl std::error::Error for ConfigErrors {}

/// What miette asks for.
#[derive(Debug)]
struct Snippet<'a> {
    problem: &'a Problem,
    source: NamedSource<Arc<str>>,
}

impl fmt::Display for Snippet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problem.span {
            Some(_) => f.write_str(&self.problem.message),
            None => write!(f, "{}: {}", self.problem.file.name, self.problem.message),
        }
    }
}

impl std::error::Error for Snippet<'_> {}

impl miette::Diagnostic for Snippet<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.level {
            Level::Error => miette::Severity::Error,
            Level::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.problem.span.as_ref().map(|_| &self.source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.problem.file.first_line(self.problem.span.as_ref()?);
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }
}
