//! The syntax of expressions: native paths, alternatives, constants, templates, function calls.
//!
//! ```text
//! whole    = "=" text                       a constant text
//!          | text with { alternatives } …   a template
//!          | alternatives
//! alternatives = term ( "|" term )*         the first that has a value
//! term     = path | call path-tail? | "text or {template}" | number | true | false
//! call     = name "(" alternatives ("," alternatives)* ")"
//! path     = "$" | segment ( "." segment | "[" step "]" )*
//! step     = number | "" (every element) | key "=" word (the first such element)
//! ```

use crate::diagnostic::Span;

/// Expressions longer than this are refused, in bytes.
const MAX_LENGTH: usize = 8192;
/// Calls nested deeper than this are refused.
const MAX_DEPTH: usize = 24;

/// An expression as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ast {
    Path(Path),
    Text(String, Span),
    Int(i64),
    Float(f64),
    Bool(bool),
    Template(Vec<Ast>),
    Call { name: String, span: Span, args: Vec<Ast>, tail: Vec<Step> },
    Either(Vec<Ast>),
}

/// A path into a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    pub(crate) steps: Vec<Step>,
    pub(crate) span: Span,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A member by name.
    Key(Box<str>),
    /// Any member.
    Any,
    /// An element by position; negative ones count from the end.
    At(i64),
    /// Every element.
    Each,
    /// The first element whose member is this word.
    Where(Box<str>, Box<str>),
}

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) span: Span,
    pub(crate) label: String,
}

/// Reads what stands as a value in `fields`.
pub(crate) fn whole(text: &str, at: Span) -> Result<Ast, Wrong> {
    if let Some(constant) = text.strip_prefix('=') {
        return Ok(Ast::Text(constant.trim().to_owned(), at));
    }
    if has_brace(text) { template(text, at, 0) } else { alternatives(text, at) }
}

/// Reads alternatives: the form of `from`, `each` and of the keys of conditions.
pub(crate) fn alternatives(text: &str, at: Span) -> Result<Ast, Wrong> {
    let mut parser = Parser::new(text, at)?;
    let ast = parser.alternatives(0)?;
    match parser.peek() {
        None => Ok(ast),
        Some(c) => Err(parser.wrong(&format!("`{c}` is not expected here"))),
    }
}

/// Cuts a template into its texts and expressions; `{{` and `}}` stand for braces.
pub(crate) fn template(text: &str, at: Span, depth: usize) -> Result<Ast, Wrong> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut chars = text.char_indices().enumerate().peekable();
    while let Some((column, (index, c))) = chars.next() {
        let doubled = chars.peek().is_some_and(|(_, (_, next))| *next == c);
        match c {
            '{' | '}' if doubled => {
                chars.next();
                literal.push(c);
            }
            '{' => {
                if !literal.is_empty() {
                    pieces.push(Ast::Text(std::mem::take(&mut literal), at));
                }
                let inner = text.get(index + 1..).unwrap_or_default();
                let place = Span { column: at.column + column + 1, ..at };
                let mut parser = Parser::new(inner, place)?;
                pieces.push(parser.alternatives(depth + 1)?);
                if parser.peek() != Some('}') {
                    return Err(parser.wrong("the template's `{` is not closed by a `}`"));
                }
                for _ in 0..=parser.at {
                    chars.next();
                }
            }
            '}' => {
                let span = Span { column: at.column + column, width: 1, ..at };
                let label = "`}` without `{`; write `}}` for a brace".to_owned();
                return Err(Wrong { span, label });
            }
            _ => literal.push(c),
        }
    }
    if !literal.is_empty() {
        pieces.push(Ast::Text(literal, at));
    }
    Ok(Ast::Template(pieces))
}

/// True when a brace stands outside quotes.
fn has_brace(text: &str) -> bool {
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(q) if q == c => quote = None,
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None if c == '{' => return true,
            Some(_) | None => {}
        }
    }
    // A quote that never closes is an apostrophe in a template's text.
    quote.is_some() && text.contains('{')
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    origin: Span,
}

impl Parser {
    fn new(text: &str, origin: Span) -> Result<Self, Wrong> {
        if text.len() > MAX_LENGTH {
            let label = format!("longer than {MAX_LENGTH} bytes");
            return Err(Wrong { span: origin, label });
        }
        Ok(Self { chars: text.chars().collect(), at: 0, origin })
    }

    fn wrong(&self, label: &str) -> Wrong {
        Wrong { span: self.span(self.at, self.at + 1), label: label.to_owned() }
    }

    fn span(&self, from: usize, to: usize) -> Span {
        let width = to.saturating_sub(from).max(1);
        Span { line: self.origin.line, column: self.origin.column + from, width }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn eat(&mut self, c: char) -> bool {
        self.blanks();
        let is = self.peek() == Some(c);
        self.at += usize::from(is);
        is
    }

    fn alternatives(&mut self, depth: usize) -> Result<Ast, Wrong> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("nested too deeply"));
        }
        let mut all = vec![self.term(depth)?];
        while self.eat('|') {
            all.push(self.term(depth)?);
        }
        self.blanks();
        match (all.len(), all.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => {
                all.extend(last);
                Ok(Ast::Either(all))
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<Ast, Wrong> {
        self.blanks();
        match self.peek() {
            None => Err(self.wrong("a path, a text or a function is expected here")),
            Some(quote @ ('"' | '\'')) => {
                let from = self.at;
                let text = self.quoted(quote)?;
                Ok(Ast::Text(text, self.span(from + 1, self.at.saturating_sub(1))))
            }
            Some('=') => {
                self.at += 1;
                let from = self.at;
                while self.peek().is_some_and(|c| !matches!(c, '|' | ')' | ',' | '}')) {
                    self.at += 1;
                }
                let text: String = self.slice(from, self.at);
                Ok(Ast::Text(text.trim().to_owned(), self.span(from, self.at)))
            }
            Some(_) => self.word(depth),
        }
    }

    fn slice(&self, from: usize, to: usize) -> String {
        self.chars.get(from..to).unwrap_or_default().iter().collect()
    }

    fn quoted(&mut self, quote: char) -> Result<String, Wrong> {
        let from = self.at;
        self.at += 1;
        while self.peek().is_some_and(|c| c != quote) {
            self.at += 1;
        }
        if self.peek().is_none() {
            self.at = from;
            return Err(self.wrong("this quote is not closed"));
        }
        self.at += 1;
        Ok(self.slice(from + 1, self.at - 1))
    }

    /// A number, a truth value, a call or a path.
    fn word(&mut self, depth: usize) -> Result<Ast, Wrong> {
        let from = self.at;
        let first = self.segment()?;
        if self.peek() == Some('(')
            && let Step::Key(name) = &first
        {
            return self.call(name, from, depth);
        }
        if (!matches!(self.peek(), Some('.' | '[')) || first_is_number(&first))
            && let Step::Key(name) = &first
            && self.chars.get(from) != Some(&'`')
        {
            let mut text = name.to_string();
            // A number's fraction is not a path's second segment.
            if first_is_number(&first) && self.peek() == Some('.') {
                self.at += 1;
                if let Step::Key(fraction) = self.segment()? {
                    text = format!("{text}.{fraction}");
                }
            }
            if let Some(constant) = constant(&text) {
                return Ok(constant);
            }
        }
        let mut steps =
            if matches!(&first, Step::Key(k) if &**k == "$") { Vec::new() } else { vec![first] };
        self.tail(&mut steps)?;
        Ok(Ast::Path(Path { steps, span: self.span(from, self.trimmed()) }))
    }

    /// Where the last non-blank character before the cursor ends.
    fn trimmed(&self) -> usize {
        let mut end = self.at;
        while end > 0 && self.chars.get(end - 1).is_some_and(|c| c.is_whitespace()) {
            end -= 1;
        }
        end
    }

    fn call(&mut self, name: &str, from: usize, depth: usize) -> Result<Ast, Wrong> {
        let span = self.span(from, self.at);
        self.at += 1;
        let mut args = Vec::new();
        if !self.eat(')') {
            loop {
                args.push(self.alternatives(depth + 1)?);
                if self.eat(')') {
                    break;
                }
                if !self.eat(',') {
                    return Err(self.wrong("`,` or `)` is expected here"));
                }
            }
        }
        let mut tail = Vec::new();
        self.tail(&mut tail)?;
        Ok(Ast::Call { name: name.to_owned(), span, args, tail })
    }

    fn tail(&mut self, steps: &mut Vec<Step>) -> Result<(), Wrong> {
        loop {
            match self.peek() {
                Some('.') => {
                    self.at += 1;
                    steps.push(self.segment()?);
                }
                Some('[') => {
                    self.at += 1;
                    steps.push(self.index()?);
                }
                _ => return Ok(()),
            }
        }
    }

    /// `]`, `3]`, `-1]`, `key=word]`, after the `[`.
    fn index(&mut self) -> Result<Step, Wrong> {
        let from = self.at;
        while self.peek().is_some_and(|c| c != ']') {
            self.at += 1;
        }
        if self.peek().is_none() {
            self.at = from;
            return Err(self.wrong("this `[` is not closed"));
        }
        let inside = self.slice(from, self.at);
        self.at += 1;
        let inside = inside.trim();
        if inside.is_empty() {
            return Ok(Step::Each);
        }
        if let Ok(position) = inside.parse() {
            return Ok(Step::At(position));
        }
        if let Some((key, word)) = inside.split_once('=') {
            let word = word.trim().trim_matches(['"', '\'']);
            return Ok(Step::Where(key.trim().into(), word.into()));
        }
        self.at = from;
        Err(self.wrong("a position, `key=word` or nothing is expected in `[ ]`"))
    }

    /// One segment: up to a `.`, `[`, `(`, `|`, `,`, `)` or `}`; anything at all in backticks.
    fn segment(&mut self) -> Result<Step, Wrong> {
        self.blanks();
        if self.peek() == Some('`') {
            return Ok(Step::Key(self.quoted('`')?.into()));
        }
        let from = self.at;
        while self.peek().is_some_and(|c| !".[](|,){}\"'`".contains(c)) {
            self.at += 1;
        }
        let text = self.slice(from, self.at);
        match text.trim() {
            "" => Err(self.wrong("a name is expected here")),
            "*" => Ok(Step::Any),
            name => Ok(Step::Key(name.into())),
        }
    }
}

fn first_is_number(step: &Step) -> bool {
    matches!(step, Step::Key(k) if k.parse::<i64>().is_ok())
}

/// A number or a truth value.
pub(crate) fn constant(text: &str) -> Option<Ast> {
    match text {
        "true" => return Some(Ast::Bool(true)),
        "false" => return Some(Ast::Bool(false)),
        _ => {}
    }
    if let Ok(n) = text.parse() {
        return Some(Ast::Int(n));
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    text.parse().ok().filter(|x: &f64| numeric && x.is_finite()).map(Ast::Float)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> String {
        fn show(ast: &Ast) -> String {
            match ast {
                Ast::Path(p) => {
                    let step = |s: &Step| match s {
                        Step::Key(k) => format!(".{k}"),
                        Step::Any => ".*".to_owned(),
                        Step::At(n) => format!("[{n}]"),
                        Step::Each => "[]".to_owned(),
                        Step::Where(k, w) => format!("[{k}={w}]"),
                    };
                    p.steps.iter().map(step).collect()
                }
                Ast::Text(t, _) => format!("{t:?}"),
                Ast::Int(n) => n.to_string(),
                Ast::Float(x) => x.to_string(),
                Ast::Bool(b) => b.to_string(),
                Ast::Template(p) => format!("<{}>", p.iter().map(show).collect::<String>()),
                Ast::Call { name, args, tail, .. } => {
                    let args: Vec<String> = args.iter().map(show).collect();
                    format!("{name}({})+{}", args.join(","), tail.len())
                }
                Ast::Either(all) => all.iter().map(show).collect::<Vec<_>>().join("|"),
            }
        }
        match whole(text, Span { line: 1, column: 1, width: 1 }) {
            Ok(ast) => show(&ast),
            Err(wrong) => format!("{}: {}", wrong.span.column, wrong.label),
        }
    }

    #[test]
    fn expressions_are_read() {
        assert_eq!(read("a.b | c"), ".a.b|.c");
        assert_eq!(read("=Windows | x"), "\"Windows | x\"");
        assert_eq!(read("a | =x y"), ".a|\"x y\"");
        assert_eq!(read("Event.EventData.Source Name"), ".Event.EventData.Source Name");
        assert_eq!(read("`cs(User-Agent)`"), ".cs(User-Agent)");
        assert_eq!(read("target[type=User].id"), ".target[type=User].id");
        assert_eq!(read("a[].b[-1]"), ".a[].b[-1]");
        assert_eq!(read("$[0]"), "[0]");
        assert_eq!(read("lower(ip(a | b)).x"), "lower(ip(.a|.b)+0)+1");
        assert_eq!(read("{a}\\{b | \"-\"} it's {{x}}"), "<.a\"\\\\\".b|\"-\"\" it's {x}\">");
        assert_eq!(read("regex(a, \"\\d{2}\")"), "regex(.a,\"\\\\d{2}\")+0");
        assert_eq!(read("4"), "4");
        assert_eq!(read("1.5"), "1.5");
        assert_eq!(read("id.orig_h"), ".id.orig_h");
        assert_eq!(read("lower(a"), "8: `,` or `)` is expected here");
        assert_eq!(read("a | "), "5: a path, a text or a function is expected here");
        assert_eq!(read("{a"), "3: the template's `{` is not closed by a `}`");
        assert_eq!(read("a)"), "2: `)` is not expected here");
        let deep = "lower(".repeat(100);
        assert!(read(&deep).contains("nested too deeply"));
    }
}
