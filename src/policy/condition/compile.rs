//! CEL text into an [`Expr`]: the `cel` crate parses, and what an order does not have is refused here.

use cel::Env;
use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr, LiteralValue, SourceInfo, operators as cel_operators};
use cel::parser::ParseErrors;

use crate::domain::Str;

use super::expr::{Comparison, Expr, Kind, LineField, Literal, Macro, Operator, Path, TextTest};
use super::reserved::stand_in;
use super::{ConditionError, DEPTH_MAX, TEXT_BYTES_MAX, hints};

const PARTS: &str =
    "id, source, total.amount_minor, total.currency, lines (each with sku and quantity) and attributes.NAME";
const FUNCTIONS: &str = "has, size, startsWith, endsWith, contains, all, exists, exists_one, filter and map";

/// More links in a condition nest the parser's tree too deep.
const LINKS_MAX: usize = 500;
/// What the parser takes for the deepest text that passes the bounds, unoptimised, four times over: some 100 KiB a
/// bracket and 2 KiB a link. In bytes.
const STACK_BYTES: usize = 16 << 20;

/// Compiles a condition about what is called `root`: `order`, or another entity's name.
///
/// # Errors
/// It is too long or too deep, not CEL, or not about that.
pub fn compile(root: &str, text: &str) -> Result<Expr, ConditionError> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("a condition has at most {TEXT_BYTES_MAX} bytes");
        return Err(ConditionError { message, offset: None, help: None });
    }
    refuse_deep_nesting(text)?;
    // On a stack of its own: the caller's may be a worker's, and a panic of the parser ends here too.
    let compiled = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || parse(root, text));
        thread.ok().and_then(|thread| thread.join().ok())
    });
    compiled.unwrap_or_else(|| {
        Err(ConditionError { message: "the CEL parser failed on this".to_owned(), offset: None, help: None })
    })
}

fn parse(root: &str, text: &str) -> Result<Expr, ConditionError> {
    // Macros are left as the calls they are written as: our tree has a node for each.
    let parser = Env::default().with_optional_support(false).parser().max_recursion_depth(4 * DEPTH_MAX as u16);
    let (called, readable) = stand_in(root, text);
    let (parsed, places) = parser.parse_with_source_info(&readable).map_err(|errors| syntax_error(text, &errors))?;
    Compiler { root, called: &called, text, places: &places, item: None, depth: 0 }.condition(&parsed)
}

/// The parser recurses for brackets, and for chains such as `1 + 1 + …` and `a.b.…`, which it nests to the left; so both
/// are counted before it sees them. A character inside a quoted text counts too: that errs on the safe side.
fn refuse_deep_nesting(text: &str) -> Result<(), ConditionError> {
    let mut depth = 0_usize;
    let mut links = 0_usize;
    for (offset, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' | '?' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        links += usize::from(matches!(c, '.' | '[' | '(' | '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=' | '!'));
        if depth > DEPTH_MAX {
            return Err(ConditionError { message: too_deep(), offset: Some(offset), help: None });
        }
        if links > LINKS_MAX {
            let message = format!("a condition has at most {LINKS_MAX} dots, brackets and operators, quoted ones too");
            return Err(ConditionError { message, offset: Some(offset), help: None });
        }
    }
    Ok(())
}

fn too_deep() -> String {
    format!("a condition nests at most {DEPTH_MAX} deep; `a || b || c` and `x in [a, b, c]` count as one")
}

fn syntax_error(text: &str, errors: &ParseErrors) -> ConditionError {
    let Some(first) = errors.errors.first() else {
        return ConditionError { message: "this is not CEL".to_owned(), offset: None, help: None };
    };
    let what = first.msg.trim_start_matches("Syntax error: ");
    let offset = byte_of(text, first.pos);
    let help = offset.and_then(|at| hints::of_syntax(text, at));
    ConditionError { message: format!("this is not CEL: {what}"), offset, help }
}

/// The byte at (line, column), each from 1; the parser counts characters.
fn byte_of(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let line = usize::try_from(line.checked_sub(1)?).ok()?;
    let column = usize::try_from(column.checked_sub(1)?).ok()?;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(start..)?;
    Some(start + rest.char_indices().nth(column).map_or(rest.trim_end().len(), |(i, _)| i))
}

/// Walks the parsed tree.
#[derive(Clone, Copy)]
struct Compiler<'t> {
    /// What the thing is called.
    root: &'t str,
    /// What it is called in the tree: another word where CEL keeps the first for itself.
    called: &'t str,
    text: &'t str,
    places: &'t SourceInfo,
    /// The variable of the macro around.
    item: Option<&'t str>,
    depth: usize,
}

type Compiled = Result<Expr, ConditionError>;

impl<'t> Compiler<'t> {
    fn error<T>(&self, node: &IdedExpr, message: impl Into<String>) -> Result<T, ConditionError> {
        self.error_with_help(node, message, None)
    }

    fn error_with_help<T>(
        &self,
        node: &IdedExpr,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Result<T, ConditionError> {
        Err(ConditionError { message: message.into(), offset: self.place(node), help })
    }

    /// Where a node stands in the text.
    fn place(&self, node: &IdedExpr) -> Option<usize> {
        let (start, _) = self.places.offset_for(node.id)?;
        Some(start as usize).filter(|at| self.text.is_char_boundary(*at))
    }

    /// What must be true or false.
    fn condition(self, node: &'t IdedExpr) -> Compiled {
        let expr = self.expr(node)?;
        if expr.may_be_bool() { Ok(expr) } else { self.error(node, "expected something that is true or false") }
    }

    fn expr(mut self, node: &'t IdedExpr) -> Compiled {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.error(node, too_deep());
        }
        match &node.expr {
            Cel::Literal(literal) => self.literal(node, literal),
            Cel::List(list) => Ok(Expr::List(self.all(&list.elements)?)),
            Cel::Ident(name) if self.item == Some(name) => Ok(Expr::Item),
            Cel::Ident(_) | Cel::Select(_) => self.name(node),
            Cel::Call(call) => self.call(node, call),
            Cel::Unspecified | Cel::Comprehension(_) | Cel::Map(_) | Cel::Struct(_) => {
                self.error(node, "this part of CEL has no use in a condition")
            }
        }
    }

    fn all(self, nodes: &'t [IdedExpr]) -> Result<Vec<Expr>, ConditionError> {
        nodes.iter().map(|node| self.expr(node)).collect()
    }

    fn literal(self, node: &IdedExpr, literal: &LiteralValue) -> Compiled {
        let literal = match literal {
            LiteralValue::Boolean(b) => Literal::Bool(*b.inner()),
            LiteralValue::Int(i) => Literal::Integer(*i.inner()),
            LiteralValue::UInt(u) => match i64::try_from(*u.inner()) {
                Ok(i) => Literal::Integer(i),
                Err(_) => return self.error(node, "this number is larger than 64 bits with a sign hold"),
            },
            LiteralValue::Double(d) => Literal::Decimal(*d.inner()),
            LiteralValue::String(s) => Literal::Text(Str::new(s.inner())),
            LiteralValue::Null => {
                return self
                    .error(node, format!("null is the same as missing: ask `has({}.attributes.NAME)`", self.root));
            }
            LiteralValue::Bytes(_) => return self.error(node, "there are no bytes to compare with"),
        };
        Ok(Expr::Literal(literal))
    }

    /// `order.…`, or a field of a line.
    fn name(self, node: &'t IdedExpr) -> Compiled {
        match self.order_path(node)? {
            Some(Path::Total) => self.error(node, "a total has amount_minor and currency; compare one of them"),
            Some(path) => Ok(Expr::Path(path)),
            None => match &node.expr {
                Cel::Select(select) => self.field(node, &select.operand, &select.field),
                Cel::Ident(name) => self.unknown_name(node, name, hints::of_word(self.root, name)),
                _ => self.error(node, "expected a name"),
            },
        }
    }

    fn unknown_name(self, node: &IdedExpr, name: &str, help: Option<String>) -> Compiled {
        self.error_with_help(node, format!("unknown name `{name}`: a condition sees `{}`", self.root), help)
    }

    fn field(self, node: &IdedExpr, line: &'t IdedExpr, field: &str) -> Compiled {
        if let Cel::Ident(root) = &line.expr
            && self.item != Some(root)
        {
            return self.unknown_name(line, root, hints::of_root(self.root, root));
        }
        let line = self.expr(line)?;
        match field {
            "sku" => Ok(Expr::Field(Box::new(line), LineField::Sku)),
            "quantity" => Ok(Expr::Field(Box::new(line), LineField::Quantity)),
            _ => self.error(node, format!("unknown field `{field}`: a line has sku and quantity")),
        }
    }

    /// What there is to name.
    fn has(&self) -> String {
        format!("{} has {PARTS}", if self.root == "order" { "an order" } else { self.root })
    }

    /// What `order.a.b` or `order.a["b"]` names; `None` where the root is another.
    fn order_path(&self, node: &IdedExpr) -> Result<Option<Path>, ConditionError> {
        let Some(segments) = segments(self.called, node) else { return Ok(None) };
        Ok(Some(match segments.as_slice() {
            ["id"] => Path::Id,
            ["source"] => Path::Source,
            ["total"] => Path::Total,
            ["total", "amount_minor"] => Path::AmountMinor,
            ["total", "currency"] => Path::Currency,
            ["lines"] => Path::Lines,
            ["attributes", name] => Path::Attribute(Str::new(name)),
            ["attributes", name, ..] => {
                return self.error(node, format!("the attribute `{name}` is one value, without fields"));
            }
            ["attributes"] => return self.error(node, "name an attribute: attributes.NAME or attributes[\"NAME\"]"),
            [] => return self.error(node, self.has()),
            unknown => {
                let message = format!("unknown name `{}.{}`: {}", self.root, unknown.join("."), self.has());
                return self.error_with_help(node, message, hints::of_path(self.root, unknown));
            }
        }))
    }

    fn call(self, node: &'t IdedExpr, call: &'t CallExpr) -> Compiled {
        use cel_operators as op;
        let args = call.args.as_slice();
        if let (Some(target), name) = (&call.target, call.func_name.as_str()) {
            return self.member_call(node, target, name, args);
        }
        match (call.func_name.as_str(), args) {
            (op::LOGICAL_AND, _) => Ok(Expr::All(self.chain(node, op::LOGICAL_AND)?)),
            (op::LOGICAL_OR, _) => Ok(Expr::Any(self.chain(node, op::LOGICAL_OR)?)),
            (op::LOGICAL_NOT, [inner]) => Ok(Expr::Not(Box::new(self.condition(inner)?))),
            (op::CONDITIONAL, [condition, then, otherwise]) => {
                Ok(Expr::If(Box::new([self.condition(condition)?, self.expr(then)?, self.expr(otherwise)?])))
            }
            (op::NEGATE, [inner]) => Ok(Expr::Negate(Box::new(self.expr(inner)?))),
            (op::IN, [item, list]) => self.is_in(item, list),
            (op::INDEX, [list, index]) => self.index(node, list, index),
            (op::HAS, [path]) => match self.order_path(path)? {
                Some(path) => Ok(Expr::Has(path)),
                None => {
                    let part = format!("has() asks for a part of it, such as `has({}.attributes.channel)`", self.root);
                    self.error(path, part)
                }
            },
            ("size", [inner]) => Ok(Expr::Size(Box::new(self.expr(inner)?))),
            (name, [left, right]) if comparison(name).is_some() || operator(name).is_some() => {
                let sides = Box::new([self.expr(left)?, self.expr(right)?]);
                let [left, right] = sides.each_ref().map(Expr::kind);
                if let (Some(_), Some(left), Some(right)) = (comparison(name), left, right)
                    && left != right
                {
                    return self.error(node, format!("{left} and {right} cannot be compared"));
                }
                Ok(match (comparison(name), operator(name)) {
                    (Some(comparison), _) => Expr::Compare(comparison, sides),
                    (_, Some(operator)) => Expr::Arithmetic(operator, sides),
                    _ => return self.unknown_function(node, name, args.len()),
                })
            }
            (name, _) => self.unknown_function(node, name, args.len()),
        }
    }

    fn unknown_function(self, node: &IdedExpr, name: &str, args: usize) -> Compiled {
        self.error(node, format!("unknown function `{name}` of {args} arguments: there are {FUNCTIONS}"))
    }

    /// The parts of `a && b && c`, however the parser has nested them.
    fn chain(self, node: &'t IdedExpr, name: &str) -> Result<Vec<Expr>, ConditionError> {
        match &node.expr {
            Cel::Call(call) if call.func_name == name && call.target.is_none() => {
                let parts = call.args.iter().map(|arg| self.chain(arg, name));
                Ok(parts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            }
            _ => Ok(vec![self.condition(node)?]),
        }
    }

    fn is_in(self, item: &'t IdedExpr, list: &'t IdedExpr) -> Compiled {
        if segments(self.called, list).is_some_and(|s| s == ["attributes"]) {
            return match &item.expr {
                Cel::Literal(LiteralValue::String(name)) => Ok(Expr::Has(Path::Attribute(Str::new(name.inner())))),
                _ => self.error(item, "expected an attribute's name as a text"),
            };
        }
        let (item, in_what) = (self.expr(item)?, self.expr(list)?);
        match in_what.kind() {
            None | Some(Kind::List) => Ok(Expr::In(Box::new([item, in_what]))),
            Some(kind) => {
                let help = Some("a list is written `[\"a\", \"b\"]`".to_owned());
                self.error_with_help(list, format!("expected a list after `in`, found {kind}"), help)
            }
        }
    }

    fn index(self, node: &'t IdedExpr, list: &'t IdedExpr, index: &'t IdedExpr) -> Compiled {
        match self.order_path(node)? {
            Some(_) => self.name(node),
            None if segments(self.called, list).is_some_and(|s| s == ["attributes"]) => {
                self.error(index, "expected an attribute's name as a text")
            }
            None => Ok(Expr::Index(Box::new([self.expr(list)?, self.expr(index)?]))),
        }
    }

    fn member_call(self, node: &'t IdedExpr, target: &'t IdedExpr, name: &str, args: &'t [IdedExpr]) -> Compiled {
        let text_test = match name {
            "startsWith" => Some(TextTest::StartsWith),
            "endsWith" => Some(TextTest::EndsWith),
            "contains" => Some(TextTest::Contains),
            _ => None,
        };
        let each = match name {
            cel_operators::ALL => Some(Macro::All),
            cel_operators::EXISTS => Some(Macro::Exists),
            cel_operators::EXISTS_ONE => Some(Macro::ExistsOne),
            cel_operators::FILTER => Some(Macro::Filter),
            cel_operators::MAP => Some(Macro::Map),
            _ => None,
        };
        match (text_test, each, args) {
            (Some(test), _, [part]) => Ok(Expr::Text(test, Box::new([self.expr(target)?, self.expr(part)?]))),
            (_, Some(each), [item, body]) => self.each(each, target, item, body),
            _ if name == "size" && args.is_empty() => Ok(Expr::Size(Box::new(self.expr(target)?))),
            _ => self.unknown_function(node, name, args.len()),
        }
    }

    fn each(self, what: Macro, target: &'t IdedExpr, item: &'t IdedExpr, body: &'t IdedExpr) -> Compiled {
        let name = match &item.expr {
            Cel::Ident(name) if name != self.called => name.as_str(),
            _ => {
                let expected = "expected a name for the element, such as `l` in";
                return self.error(item, format!("{expected} `{}.lines.exists(l, …)`", self.root));
            }
        };
        if self.item.is_some() {
            return self.error(item, "a macro inside another would look at every pair of lines");
        }
        let list = self.expr(target)?;
        let inner = Compiler { item: Some(name), ..self };
        let body = if what == Macro::Map { inner.expr(body)? } else { inner.condition(body)? };
        Ok(Expr::Each(what, Box::new([list, body])))
    }
}

/// The names after the root in `order.a.b` or `order.a["b"]`; `None` where the root is something else.
fn segments<'n>(called: &str, node: &'n IdedExpr) -> Option<Vec<&'n str>> {
    let mut names = Vec::new();
    let mut node = node;
    loop {
        match &node.expr {
            Cel::Ident(root) if root == called => break,
            Cel::Select(select) if !select.test => {
                names.push(select.field.as_str());
                node = &select.operand;
            }
            Cel::Call(call) if call.func_name == cel_operators::INDEX => match call.args.as_slice() {
                [operand, IdedExpr { expr: Cel::Literal(LiteralValue::String(name)), .. }] => {
                    names.push(name.inner());
                    node = operand;
                }
                _ => return None,
            },
            _ => return None,
        }
    }
    names.reverse();
    Some(names)
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        cel_operators::EQUALS => Comparison::Equal,
        cel_operators::NOT_EQUALS => Comparison::NotEqual,
        cel_operators::LESS => Comparison::Less,
        cel_operators::LESS_EQUALS => Comparison::AtMost,
        cel_operators::GREATER => Comparison::Greater,
        cel_operators::GREATER_EQUALS => Comparison::AtLeast,
        _ => return None,
    })
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        cel_operators::ADD => Operator::Add,
        cel_operators::SUBSTRACT => Operator::Subtract,
        cel_operators::MULTIPLY => Operator::Multiply,
        cel_operators::DIVIDE => Operator::Divide,
        cel_operators::MODULO => Operator::Remainder,
        _ => return None,
    })
}
