//! Parser of templates, with the messages of Go's text/template/parse.

mod node;
mod term;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use node::{Arg, ArgKind, Branch, Command, List, Node, Number, Pipe, Source, Tree};

use crate::lex::{Kind, Lexer, Syntax, Token};
use crate::quote::{quoted, unquote};
use crate::text::Text;

/// How deep parentheses and actions may nest together in a template.
const MAX_NESTING: usize = 150;

/// A template that is not written as the language wants it. The text is the one of Go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: {template}:{line}: {reason}")]
pub struct ParseError {
    template: String,
    line: usize,
    reason: String,
}

impl ParseError {
    /// The name of the template.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The line of the token that was read last, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// What is wrong.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Parses a template and all templates that it defines.
pub(crate) fn parse<'t>(
    source: &'t Arc<Source>,
    syntax: Syntax<'t>,
    has_function: &'t dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Arc<Tree>>, ParseError> {
    let mut parser = Parser {
        source,
        lexer: Lexer::new(&source.text, syntax),
        has_function,
        trees: BTreeMap::new(),
        nesting: 0,
        scope: Scope::default(),
    };
    let root = parser.top_level()?;
    parser.add(&source.name, root)?;
    Ok(parser.trees)
}

/// What ends a list of nodes.
enum End<'t> {
    End,
    /// With the place of the token that follows.
    Else(Token<'t>),
}

impl End<'_> {
    const fn text(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else(_) => "{{else}}",
        }
    }
}

enum Item<'t> {
    Node(Node),
    End(End<'t>),
}

/// What each definition has of its own while it is parsed.
#[derive(Default)]
struct Scope<'t> {
    /// Tokens that were pushed back; the last is next.
    pushed: Vec<Token<'t>>,
    /// The line of the token that was read last from the text.
    line: usize,
    variables: Vec<String>,
    /// The line of the action that is parsed; 0 outside.
    action_line: usize,
    range_depth: usize,
}

struct Parser<'t> {
    source: &'t Arc<Source>,
    lexer: Lexer<'t>,
    has_function: &'t dyn Fn(&str) -> bool,
    trees: BTreeMap<String, Arc<Tree>>,
    nesting: usize,
    scope: Scope<'t>,
}

type Parsed<T> = Result<T, ParseError>;

impl<'t> Parser<'t> {
    fn next(&mut self) -> Token<'t> {
        self.scope.pushed.pop().unwrap_or_else(|| {
            let token = self.lexer.next_token();
            self.scope.line = token.line;
            token
        })
    }

    fn push_back(&mut self, token: Token<'t>) {
        self.scope.pushed.push(token);
    }

    fn next_non_space(&mut self) -> Token<'t> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek(&mut self) -> Token<'t> {
        let token = self.next();
        self.push_back(token.clone());
        token
    }

    fn peek_non_space(&mut self) -> Token<'t> {
        let token = self.next_non_space();
        self.push_back(token.clone());
        token
    }

    fn error<T>(&self, reason: impl Into<String>) -> Parsed<T> {
        Err(ParseError {
            template: self.source.name.clone(),
            line: self.scope.line,
            reason: reason.into(),
        })
    }

    fn unexpected<T>(&self, token: &Token<'_>, context: &str) -> Parsed<T> {
        if token.kind != Kind::Error {
            return self.error(format!("unexpected {} in {context}", token.describe()));
        }
        let mut extra = String::new();
        let started = self.scope.action_line;
        if started != 0 && started != token.line {
            let action = if token.text.ends_with(" action") {
                ""
            } else {
                " in action"
            };
            extra = format!("{action} started at {}:{started}", self.source.name);
        }
        self.error(format!("{}{extra}", token.text))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token<'t>> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(&token, context)
        }
    }

    /// Runs with one more level, or fails when there are too many.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= MAX_NESTING {
            return self.error("max expression depth exceeded");
        }
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    fn add(&mut self, name: &str, root: List) -> Parsed<()> {
        let is_free = self.trees.get(name).is_none_or(|known| known.root.is_blank());
        if is_free {
            let tree = Tree {
                name: name.to_owned(),
                source: Arc::clone(self.source),
                root,
            };
            self.trees.insert(name.to_owned(), Arc::new(tree));
        } else if !root.is_blank() {
            let name = quoted(name);
            return self.error(format!("template: multiple definition of template {name}"));
        }
        Ok(())
    }

    fn top_level(&mut self) -> Parsed<List> {
        self.scope.variables = vec!["$".to_owned()];
        let mut list = List {
            pos: self.peek().pos,
            nodes: Vec::new(),
        };
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let delim = self.next();
                let token = self.next_non_space();
                if token.kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.push_back(token);
                self.push_back(delim);
            }
            match self.text_or_action()? {
                Item::End(end) => return self.error(format!("unexpected {}", end.text())),
                Item::Node(node) => list.nodes.push(node),
            }
        }
        Ok(list)
    }

    /// Parses a definition with a scope of its own, up to its end.
    fn in_own_scope(&mut self, name: Option<String>, context: &str) -> Parsed<()> {
        let own = Scope {
            variables: vec!["$".to_owned()],
            line: self.scope.line,
            ..Scope::default()
        };
        let outer = std::mem::replace(&mut self.scope, own);
        let name = if let Some(name) = name {
            name
        } else {
            let token = self.next_non_space();
            if !matches!(token.kind, Kind::String | Kind::RawString) {
                return self.unexpected(&token, context);
            }
            let name = self.unquoted(&token.text)?;
            self.expect(Kind::RightDelim, context)?;
            name
        };
        let (root, end) = self.nested(Self::item_list)?;
        if !matches!(end, End::End) {
            return self.error(format!("unexpected {} in {context}", end.text()));
        }
        self.add(&name, root)?;
        self.scope = outer;
        Ok(())
    }

    fn definition(&mut self) -> Parsed<()> {
        self.in_own_scope(None, "define clause")
    }

    fn unquoted(&self, literal: &str) -> Parsed<String> {
        match unquote(literal) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => self.error(error.to_string()),
        }
    }

    /// Nodes up to an end or else.
    fn item_list(&mut self) -> Parsed<(List, End<'t>)> {
        let mut list = List {
            pos: self.peek_non_space().pos,
            nodes: Vec::new(),
        };
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Item::End(end) => return Ok((list, end)),
                Item::Node(node) => list.nodes.push(node),
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsed<Item<'t>> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text {
                pos: token.pos,
                text: Text::from(&*token.text),
            })),
            Kind::LeftDelim => {
                self.scope.action_line = token.line;
                let item = self.action()?;
                self.scope.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item<'t>> {
        let token = self.next_non_space();
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break => self.loop_control(&token, "break")?,
            Kind::Continue => self.loop_control(&token, "continue")?,
            Kind::Else => return self.else_control().map(Item::End),
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Item::End(End::End));
            }
            Kind::If => Node::If(self.control("if")?),
            Kind::Range => Node::Range(self.control("range")?),
            Kind::With => Node::With(self.control("with")?),
            Kind::Template => self.template()?,
            _ => {
                let pos = token.pos;
                self.push_back(token);
                let pipe = self.pipeline("command", Kind::RightDelim)?;
                Node::Action { pos, pipe }
            }
        };
        Ok(Item::Node(node))
    }

    fn loop_control(&mut self, keyword: &Token<'t>, name: &str) -> Parsed<Node> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return self.unexpected(&token, &format!("{{{{{name}}}}}"));
        }
        if self.scope.range_depth == 0 {
            return self.error(format!("{{{{{name}}}}} outside {{{{range}}}}"));
        }
        let pos = keyword.pos;
        Ok(if keyword.kind == Kind::Break {
            Node::Break { pos }
        } else {
            Node::Continue { pos }
        })
    }

    fn else_control(&mut self) -> Parsed<End<'t>> {
        let peeked = self.peek_non_space();
        if matches!(peeked.kind, Kind::If | Kind::With) {
            return Ok(End::Else(peeked));
        }
        self.expect(Kind::RightDelim, "else").map(End::Else)
    }

    fn control(&mut self, context: &'static str) -> Parsed<Branch> {
        self.nested(|parser| {
            let variables = parser.scope.variables.len();
            let branch = parser.control_body(context);
            parser.scope.variables.truncate(variables);
            branch
        })
    }

    fn control_body(&mut self, context: &'static str) -> Parsed<Branch> {
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let loops = usize::from(context == "range");
        self.scope.range_depth += loops;
        let (list, end) = self.item_list()?;
        self.scope.range_depth -= loops;
        let else_list = match end {
            End::End => None,
            End::Else(token) => Some(self.else_list(context, &token)?),
        };
        Ok(Branch {
            pipe,
            list,
            else_list,
        })
    }

    /// What follows an else. `else if` and `else with` are a branch within, which the same end closes.
    fn else_list(&mut self, context: &'static str, token: &Token<'t>) -> Parsed<List> {
        let next = self.peek().kind;
        let chained = context == "if" && next == Kind::If || context == "with" && next == Kind::With;
        if chained {
            self.next();
            let branch = self.control(context)?;
            let node = if context == "if" {
                Node::If(branch)
            } else {
                Node::With(branch)
            };
            return Ok(List {
                pos: token.pos,
                nodes: vec![node],
            });
        }
        match self.item_list()? {
            (list, End::End) => Ok(list),
            (_, end) => self.error(format!("expected end; found {}", end.text())),
        }
    }

    fn template_name(&mut self, token: &Token<'t>, context: &str) -> Parsed<String> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return self.unexpected(token, context);
        }
        self.unquoted(&token.text)
    }

    fn block(&mut self) -> Parsed<Node> {
        let context = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, context)?;
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        self.in_own_scope(Some(name.clone()), context)?;
        Ok(Node::Template {
            pos: token.pos,
            name,
            pipe: Some(pipe),
        })
    }

    fn template(&mut self) -> Parsed<Node> {
        let context = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, context)?;
        let next = self.next_non_space();
        let pipe = if next.kind == Kind::RightDelim {
            None
        } else {
            self.push_back(next);
            Some(self.pipeline(context, Kind::RightDelim)?)
        };
        Ok(Node::Template {
            pos: token.pos,
            name,
            pipe,
        })
    }
}
