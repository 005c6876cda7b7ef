//! Reads a YAML tree into types and collects every problem on the way.
//!
//! A reader of a value is a function `(&mut Reader, &Node) -> Option<T>`; `None` means that it has said what is wrong.
//! [`Reader::fields`] reads a mapping: what is asked for is known, what is left over is an error with a suggestion.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use super::problem::{Level, Problem, SourceFile};
use super::yaml::{Key, Node, Value};
use super::{vars, yaml};

/// Looks an environment variable up.
pub type Lookup<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Longer texts are cut in messages; the file has them whole.
const QUOTED_CHARS_MAX: usize = 60;

/// One step from the file's root to a value.
#[derive(Clone, Debug)]
enum Step {
    Field(Cow<'static, str>),
    Index(usize),
}

/// Where problems gather while one file is read.
pub struct Reader<'e> {
    file: Arc<SourceFile>,
    /// `None` where a file's meaning must not depend on the process that reads it.
    variables: Option<Lookup<'e>>,
    path: Vec<Step>,
    problems: Vec<Problem>,
}

impl<'e> Reader<'e> {
    /// A reader of `file`; `variables` are filled into its strings, where it may have any.
    pub fn new(file: Arc<SourceFile>, variables: Option<Lookup<'e>>) -> Self {
        Reader { file, variables, path: Vec::new(), problems: Vec::new() }
    }

    /// Parses the file and reads its root.
    pub fn root<T>(&mut self, read: impl FnOnce(&mut Self, &Node) -> Option<T>) -> Option<T> {
        let file = Arc::clone(&self.file);
        match yaml::parse(file.text()) {
            Ok(Node { value: Value::Null, .. }) => {
                self.push(Level::Error, None, "the file is empty".to_owned(), None);
                None
            }
            Ok(root) => read(self, &root),
            Err(errors) => {
                for e in errors {
                    self.push(Level::Error, Some(e.span), e.message, e.help);
                }
                None
            }
        }
    }

    /// What was found, errors and warnings, in file order.
    pub fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|p| p.span.as_ref().map_or(0, |s| s.start));
        self.problems
    }

    /// The file being read.
    pub fn file(&self) -> &SourceFile {
        &self.file
    }

    /// Says that something is wrong at `span`. The path to the value being read goes before the message.
    pub fn error(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.error_with_help(span, message, None);
    }

    /// The same, with what to do about it.
    pub fn error_with_help(&mut self, span: &Range<usize>, message: impl Into<String>, help: Option<String>) {
        let message = self.located(message.into());
        self.push(Level::Error, Some(span.clone()), message, help);
    }

    /// Says that something works and is probably not what was meant.
    pub fn warn(&mut self, span: &Range<usize>, message: impl Into<String>, help: Option<String>) {
        let message = self.located(message.into());
        self.push(Level::Warning, Some(span.clone()), message, help);
    }

    fn push(&mut self, level: Level, span: Option<Range<usize>>, message: String, help: Option<String>) {
        self.problems.push(Problem { level, file: Arc::clone(&self.file), span, message, help });
    }

    fn located(&self, message: String) -> String {
        let mut out = String::new();
        for step in &self.path {
            let _ = match step {
                Step::Field(name) if out.is_empty() => write!(out, "{name}"),
                Step::Field(name) => write!(out, ".{name}"),
                Step::Index(i) => write!(out, "[{i}]"),
            };
        }
        if out.is_empty() { message } else { format!("{out}: {message}") }
    }

    fn within<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let value = read(self);
        self.path.pop();
        value
    }

    /// A scalar's text with its variables filled in. `expected` says what the caller wants, for the message.
    pub fn scalar<'n>(&mut self, node: &'n Node, expected: &str) -> Option<Cow<'n, str>> {
        let text = match &node.value {
            Value::Scalar(text) => text,
            other => {
                let found = match other {
                    Value::Null => "nothing",
                    Value::List(_) => "a list",
                    _ => "a mapping",
                };
                self.error(&node.span, format!("expected {expected}, found {found}"));
                return None;
            }
        };
        match self.variables {
            Some(lookup) if text.contains('$') => match vars::fill(text, lookup) {
                Ok(filled) => Some(Cow::Owned(filled)),
                Err(why) => {
                    self.error(&node.span, why);
                    None
                }
            },
            None if names_a_variable(text) => {
                let help = "a policy document must mean the same in every process of the group".to_owned();
                self.error_with_help(&node.span, "variables are filled in orderwatch.yaml alone", Some(help));
                None
            }
            _ => Some(Cow::Borrowed(text)),
        }
    }

    /// A scalar that `parse` understands. Its error is a few words on what is wrong.
    pub fn parsed<T>(
        &mut self,
        node: &Node,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.scalar(node, expected)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.error_with_help(&node.span, format!("expected {expected}, found {}", quoted(&text)), Some(why));
                None
            }
        }
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let expected = format!("one of {}", names.join(", "));
        let text = self.scalar(node, &expected)?;
        match words.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => Some(*value),
            None => {
                let help = did_you_mean(&text, names.iter().copied());
                self.error_with_help(&node.span, format!("expected {expected}, found {}", quoted(&text)), help);
                None
            }
        }
    }

    /// Every entry of a list. One that cannot be read spoils the list, after all were looked at.
    pub fn list<T>(&mut self, node: &Node, mut read: impl FnMut(&mut Self, &Node) -> Option<T>) -> Option<Vec<T>> {
        let Value::List(items) = &node.value else {
            let help = match &node.value {
                Value::Scalar(text) => format!("a list of one is written `[{text}]`"),
                _ => "each entry of a list begins with `- `".to_owned(),
            };
            self.error_with_help(&node.span, format!("expected a list, found {}", describe(node)), Some(help));
            return None;
        };
        let read: Vec<Option<T>> =
            items.iter().enumerate().map(|(i, item)| self.within(Step::Index(i), |r| read(r, item))).collect();
        read.into_iter().collect()
    }

    /// Every entry of a mapping whose keys are free, in file order.
    pub fn entries<T>(
        &mut self,
        node: &Node,
        mut read: impl FnMut(&mut Self, &Key, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let entries = self.mapping(node)?;
        let read: Vec<Option<T>> = entries
            .iter()
            .map(|(key, value)| self.within(Step::Field(key.name.clone().into()), |r| read(r, key, value)))
            .collect();
        read.into_iter().collect()
    }

    /// A mapping with known fields. `read` asks for every field it knows before it gives up on any; then what is left
    /// over and what is missing is said.
    pub fn fields<'n, T>(
        &mut self,
        node: &'n Node,
        read: impl FnOnce(&mut Fields<'_, 'e, 'n>) -> Option<T>,
    ) -> Option<T> {
        let entries = self.mapping(node)?;
        let mut fields = Fields { reader: self, node, entries, known: Vec::new(), missing: Vec::new() };
        let value = read(&mut fields);
        let complete = fields.finish();
        value.filter(|_| complete)
    }

    fn mapping<'n>(&mut self, node: &'n Node) -> Option<&'n [(Key, Node)]> {
        if let Value::Map(entries) = &node.value {
            return Some(entries);
        }
        let found = describe(node);
        self.error(&node.span, format!("expected a mapping (`key: value`), found {found}"));
        None
    }
}

/// The fields of one mapping.
pub struct Fields<'r, 'e, 'n> {
    /// For what concerns several fields.
    pub reader: &'r mut Reader<'e>,
    node: &'n Node,
    entries: &'n [(Key, Node)],
    known: Vec<Cow<'static, str>>,
    missing: Vec<&'static str>,
}

impl<'e, 'n> Fields<'_, 'e, 'n> {
    /// A field that must be there.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Reader<'e>, &'n Node) -> Option<T>,
    ) -> Option<T> {
        match self.optional(name, read)? {
            Some(value) => Some(value),
            None => {
                self.missing.push(name);
                None
            }
        }
    }

    /// A field that may be left out: `Some(None)` where it is.
    pub fn optional<T>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        read: impl FnOnce(&mut Reader<'e>, &'n Node) -> Option<T>,
    ) -> Option<Option<T>> {
        let name = name.into();
        self.known.push(name.clone());
        match self.node(&name) {
            None => Some(None),
            Some(node) => self.reader.within(Step::Field(name), |r| {
                if node.value == Value::Null {
                    r.error(&node.span, "a value is missing");
                    return None;
                }
                read(r, node).map(Some)
            }),
        }
    }

    /// A field with a default.
    pub fn or<T>(
        &mut self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&mut Reader<'e>, &'n Node) -> Option<T>,
    ) -> Option<T> {
        Some(self.optional(name, read)?.unwrap_or(default))
    }

    /// A field of the contract that nothing here acts on yet: refused, never ignored.
    pub fn not_built(&mut self, name: &'static str, what: &str) {
        self.known.push(name.into());
        if let Some(node) = self.node(name) {
            let span = node.span.clone();
            self.reader.within(Step::Field(name.into()), |r| r.error(&span, format!("not built yet: {what}")));
        }
    }

    /// Fields whose meaning cannot be told, because another field is wrong.
    pub fn ignore(&mut self, names: &[&'static str]) {
        self.known.extend(names.iter().map(|name| Cow::Borrowed(*name)));
    }

    /// A field's node, where it is given.
    pub fn node(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// Bytes of the whole mapping.
    pub fn whole(&self) -> &'n Range<usize> {
        &self.node.span
    }

    /// Bytes of a field's value; of the whole mapping where it is not given.
    pub fn span(&self, name: &str) -> &'n Range<usize> {
        &self.node(name).unwrap_or(self.node).span
    }

    /// False where something is left over or missing.
    fn finish(self) -> bool {
        let Fields { reader, node, entries, known, missing } = self;
        let mut meant = Vec::new();
        let mut complete = missing.is_empty();
        for (key, _) in entries.iter().filter(|(key, _)| known.iter().all(|name| *name != key.name)) {
            complete = false;
            let near = nearest(&key.name, known.iter().map(|name| &**name));
            meant.extend(near);
            let help = match near {
                Some(name) => format!("did you mean `{name}`?"),
                None if key.name == "<<" => {
                    "mappings are not merged; an alias stands for one value (`owner: *team`)".into()
                }
                None => format!("known here: {}", known.join(", ")),
            };
            reader.error_with_help(&key.span, format!("unknown field {}", quoted(&key.name)), Some(help));
        }
        // A misspelt field was said already; that it is missing would say it twice.
        for name in missing.into_iter().filter(|name| !meant.contains(name)) {
            reader.error(&node.span, format!("`{name}` is missing"));
        }
        complete
    }
}

/// `${NAME…`, which a reader of a policy would take for a variable.
fn names_a_variable(text: &str) -> bool {
    text.match_indices("${")
        .any(|(i, _)| text.get(i + 2..).is_some_and(|t| t.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')))
}

fn describe(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Scalar(text) => quoted(text),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

/// A text as messages show it: on one line, and cut where it is long.
pub fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(QUOTED_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let dots = if text.chars().nth(QUOTED_CHARS_MAX).is_some() { "…" } else { "" };
    format!("`{cut}{dots}`")
}

/// `did you mean …?`, where something is near.
pub fn did_you_mean<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(text, names).map(|name| format!("did you mean `{name}`?"))
}

/// The name that a slip or two of the finger would turn into `text`, or the only one that begins with it.
pub fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing costs the product of the lengths; no name is that long.
    if text.len() > 100 {
        return None;
    }
    let text = text.to_lowercase();
    let length = text.chars().count();
    let names: Vec<&str> = names.into_iter().collect();
    let slips = names.iter().map(|name| (strsim::osa_distance(&text, &name.to_lowercase()), *name));
    let near = slips.filter(|(slips, _)| *slips <= (length / 3).clamp(1, 3)).min_by_key(|(slips, _)| *slips);
    near.map(|(_, name)| name).or_else(|| {
        let mut longer = names.iter().filter(|name| length >= 4 && name.starts_with(&*text));
        longer.next().copied().filter(|_| longer.next().is_none())
    })
}
