//! A YAML text as a tree in which every node knows where it stands.
//!
//! Scalars stay text: what they mean is for the one who reads them (so `owner: no` is the name "no").

use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

/// Longer files are refused before they are parsed. In bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Nothing that is written here nests deeper.
const DEPTH_MAX: usize = 32;
/// Aliases may multiply a small file; beyond this many nodes it is an attack or an accident.
const NODES_MAX: usize = 200_000;

/// One node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Any other scalar, unquoted.
    Scalar(String),
    /// `- …` or `[…]`
    List(Vec<Node>),
    /// `key: …` or `{…}`, in file order, each key once.
    Map(Vec<(Key, Node)>),
}

/// The key of a mapping's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its text.
    pub name: String,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

/// Why a text is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// Where.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Node {
    /// The value of a mapping's field.
    pub fn field(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// An item of a list.
    pub fn item(&self, index: usize) -> Option<&Node> {
        match &self.value {
            Value::List(items) => items.get(index),
            _ => None,
        }
    }
}

/// Parses one YAML document.
///
/// # Errors
/// The first syntax error alone, or every repeated key, tag and unknown alias of a text that is otherwise sound.
pub fn parse(text: &str) -> Result<Node, Vec<YamlError>> {
    // Some editors write a byte order mark; it is no part of the first key.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let offsets = Offsets::new(body, text.len() - body.len());
    let mut builder = Builder { offsets, ..Builder::default() };
    let mut parser = Parser::new_from_str(body);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(e) => Err(syntax_error(e.info(), builder.offsets.range(*e.marker(), *e.marker()))),
        };
        if let Err(fatal) = step {
            return Err(vec![fatal]);
        }
    }
    match builder.root {
        _ if !builder.errors.is_empty() => Err(builder.errors),
        Some(root) => Ok(root),
        None => Ok(Node { value: Value::Null, span: 0..0 }),
    }
}

fn syntax_error(info: &str, span: Range<usize>) -> YamlError {
    let help = info.contains("tab").then(|| "indent with spaces: YAML forbids tabs there".to_owned());
    YamlError { span, message: format!("this is not YAML: {info}"), help }
}

/// saphyr counts characters; everything else here counts bytes.
#[derive(Debug, Default)]
struct Offsets {
    /// Byte of each character; empty where the text is ASCII.
    bytes: Vec<usize>,
    base: usize,
    end: usize,
}

impl Offsets {
    fn new(text: &str, base: usize) -> Self {
        let bytes = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(i, _)| i).collect() };
        Offsets { bytes, base, end: text.len() }
    }

    fn byte(&self, marker: Marker) -> usize {
        let byte = if self.bytes.is_empty() {
            marker.index().min(self.end)
        } else {
            self.bytes.get(marker.index()).copied().unwrap_or(self.end)
        };
        self.base + byte
    }

    fn range(&self, start: Marker, end: Marker) -> Range<usize> {
        let start = self.byte(start);
        start..self.byte(end).max(start)
    }
}

/// A collection that is not closed yet.
#[derive(Debug)]
struct Frame {
    start: usize,
    anchor: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, seen: std::collections::HashSet<String>, key: Option<Key> },
}

#[derive(Debug, Default)]
struct Builder {
    offsets: Offsets,
    stack: Vec<Frame>,
    /// Finished anchored nodes with their size, by saphyr's number.
    anchors: std::collections::HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
    errors: Vec<YamlError>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let span = self.offsets.range(span.start, span.end);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(fatal(span, "a second YAML document begins here; one file holds one"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if null { Value::Null } else { Value::Scalar(text.into_owned()) };
                self.add(Node { value, span }, anchor, 1)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                self.open(span, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let content = Content::Map { entries: Vec::new(), seen: Default::default(), key: None };
                self.open(span, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span.end),
            Event::Alias(id) => match self.anchors.get(&id) {
                Some((node, size)) => {
                    let (value, size) = (node.value.clone(), *size);
                    self.add(Node { value, span }, 0, size)
                }
                None => Err(fatal(span, "this alias stands inside the node that it names")),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn refuse_tag(&mut self, tagged: bool, span: &Range<usize>) {
        if tagged {
            self.errors.push(fatal(span.clone(), "YAML tags (`!name`) have no meaning here"));
        }
    }

    fn open(&mut self, span: Range<usize>, anchor: usize, content: Content) -> Result<(), YamlError> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(fatal(span, &format!("nested deeper than {DEPTH_MAX} levels")));
        }
        if let Some(Frame { content: Content::Map { key: None, .. }, .. }) = self.stack.last() {
            return Err(fatal(span, "a key must be a plain text, not a list or a mapping"));
        }
        self.stack.push(Frame { start: span.start, anchor, content });
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), YamlError> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let value = match frame.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        let node = Node { value, span: frame.start..end.max(frame.start) };
        // Counting is only worth its time where an alias may repeat the node.
        let size = if frame.anchor > 0 { size(&node) } else { 1 };
        self.add(node, frame.anchor, size)
    }

    /// Puts a finished node where it belongs: a key, a value, an entry or the root. `size` is what it adds to the tree
    /// when an alias repeats it.
    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), YamlError> {
        self.nodes += size;
        if self.nodes > NODES_MAX {
            return Err(fatal(node.span, &format!("more than {NODES_MAX} values, aliases counted in full")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut().map(|f| &mut f.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, seen, key }) => match key.take() {
                None => *key = Some(as_key(node)?),
                Some(k) if seen.insert(k.name.clone()) => entries.push((k, node)),
                Some(k) => self.errors.push(repeated(k)),
            },
        }
        Ok(())
    }
}

fn as_key(node: Node) -> Result<Key, YamlError> {
    match node.value {
        Value::Scalar(name) => Ok(Key { name, span: node.span }),
        Value::Null => Err(fatal(node.span, "a key is missing before the colon")),
        _ => Err(fatal(node.span, "a key must be a plain text, not a list or a mapping")),
    }
}

fn repeated(key: Key) -> YamlError {
    fatal(key.span, &format!("`{}` is given twice in one mapping", key.name))
}

fn fatal(span: Range<usize>, message: &str) -> YamlError {
    YamlError { span, message: message.to_owned(), help: None }
}

/// Nodes in a tree. It recurses no deeper than `DEPTH_MAX` and what aliases add, and `NODES_MAX` bounds that.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Null | Value::Scalar(_) => 0,
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|(_, n)| 1 + size(n)).sum(),
    }
}
