//! The grammar: text, `${...}`, operators and their arguments.

use std::sync::LazyLock;

use regex::Regex;

use super::error::{Place, SubstituteError};
use super::functions::{Operator, Steps, apply};

/// How deep expressions may stand within expressions.
const MAX_DEPTH: usize = 100;

static LETTER_OR_DIGIT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A[\p{L}\p{Nd}]\z").ok());

/// A text whose expressions are found and understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template<'t> {
    text: &'t str,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Expression(Expression),
}

/// `${...}`
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expression {
    /// The byte of its `$`.
    at: usize,
    name: String,
    operator: Operator,
    arguments: Vec<Part>,
}

impl<'t> Template<'t> {
    /// Reads a text.
    ///
    /// # Errors
    /// An expression that breaks the grammar. One is enough, wherever it stands: in a comment, in a shell script.
    pub fn parse(text: &'t str) -> Result<Self, SubstituteError> {
        let mut reader = Reader {
            text,
            at: 0,
            depth: 0,
        };
        let mut parts = Vec::new();
        loop {
            if let Some(start) = reader.open() {
                parts.push(Part::Expression(reader.expression(start)?));
            } else {
                let plain = reader.run(Escapes::Dollar, |_| true);
                if plain.is_empty() {
                    return Ok(Self { text, parts });
                }
                parts.push(Part::Text(plain));
            }
        }
    }

    /// The variables that the text names, those in arguments included.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        fn collect<'p>(parts: &'p [Part], names: &mut Vec<&'p str>) {
            for part in parts {
                if let Part::Expression(expression) = part {
                    names.push(&expression.name);
                    collect(&expression.arguments, names);
                }
            }
        }
        let mut names = Vec::new();
        collect(&self.parts, &mut names);
        names
    }

    /// Puts in what `lookup` gives. Bytes, because a substring may cut a character.
    ///
    /// Arguments come first, whether they are needed or not: in `${a:=${b}}` the variable `b` must have a value even where `a`
    /// has one.
    ///
    /// # Errors
    /// A variable that is not set, and has no default; and expressions that make more than 16 MiB.
    pub fn expand<'v>(&self, lookup: &dyn Fn(&str) -> Option<&'v str>) -> Result<Vec<u8>, SubstituteError> {
        let mut output = Vec::with_capacity(self.text.len());
        let mut steps = Steps::default();
        for part in &self.parts {
            self.part(part, lookup, &mut steps, &mut output)?;
        }
        Ok(output)
    }

    fn part<'v>(
        &self,
        part: &Part,
        lookup: &dyn Fn(&str) -> Option<&'v str>,
        steps: &mut Steps,
        output: &mut Vec<u8>,
    ) -> Result<(), SubstituteError> {
        let expression = match part {
            Part::Text(text) => {
                output.extend_from_slice(text.as_bytes());
                return Ok(());
            }
            Part::Expression(expression) => expression,
        };
        let mut arguments = Vec::with_capacity(expression.arguments.len());
        for argument in &expression.arguments {
            let mut value = Vec::new();
            self.part(argument, lookup, steps, &mut value)?;
            arguments.push(value);
        }
        let Some(value) =
            lookup(&expression.name).or_else(|| expression.operator.has_default().then_some(""))
        else {
            return Err(SubstituteError::NotSet {
                name: expression.name.clone(),
                place: Place::of(self.text, expression.at),
            });
        };
        let result = apply(expression.operator, &expression.name, value, &arguments, steps)?;
        output.extend_from_slice(&result);
        Ok(())
    }
}

/// What a backslash or a second dollar sign takes the meaning from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    /// `$$` is a dollar sign.
    Dollar,
    /// `$$`, `\/` and `\\` are what stands second.
    All,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    /// Takes `${`, and tells where it began.
    fn open(&mut self) -> Option<usize> {
        let start = self.at;
        self.take("${").then_some(start)
    }

    /// The text up to the next expression or to a character that does not belong to it.
    fn run(&mut self, escapes: Escapes, accepts: impl Fn(char) -> bool) -> String {
        let mut found = String::new();
        while !self.rest().starts_with("${") {
            let mut characters = self.rest().chars();
            let Some(first) = characters.next() else {
                break;
            };
            let second = characters.next();
            let is_escaped = match (first, second) {
                ('$', Some('$')) => escapes != Escapes::None,
                ('\\', Some('/' | '\\')) => escapes == Escapes::All,
                _ => false,
            };
            if is_escaped {
                found.extend(second);
                self.at += 2;
            } else if accepts(first) {
                found.push(first);
                self.at += first.len_utf8();
            } else {
                break;
            }
        }
        found
    }

    fn name(&mut self) -> String {
        let rest = self.rest();
        let end = rest
            .char_indices()
            .find(|(_, character)| !is_name(*character))
            .map_or(rest.len(), |(index, _)| index);
        self.at += end;
        rest.get(..end).unwrap_or_default().to_owned()
    }

    /// What stands behind a `${` at `start`.
    fn expression(&mut self, start: usize) -> Result<Expression, SubstituteError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SubstituteError::Depth(MAX_DEPTH));
        }
        let is_length = self.take("#");
        let mut expression = Expression {
            at: start,
            name: self.name(),
            operator: if is_length {
                Operator::Length
            } else {
                Operator::Value
            },
            arguments: Vec::new(),
        };
        let place = || Place::of(self.text, start);
        if expression.name.is_empty() {
            return Err(if is_length {
                SubstituteError::BadSubstitution(place())
            } else {
                SubstituteError::VariableName(place())
            });
        }
        if !is_length {
            self.operator(&mut expression)?;
        }
        self.depth -= 1;
        if self.take("}") {
            return Ok(expression);
        }
        let place = Place::of(self.text, start);
        Err(if expression.operator == Operator::Value {
            SubstituteError::MissingClosingBrace(place)
        } else {
            SubstituteError::BadSubstitution(place)
        })
    }

    /// The operator behind a name, and its arguments up to the brace.
    fn operator(&mut self, expression: &mut Expression) -> Result<(), SubstituteError> {
        let mut characters = self.rest().chars();
        match (characters.next(), characters.next()) {
            (Some(':'), Some('=' | '-' | '?' | '+')) => {
                self.at += 2;
                self.default(expression)
            }
            (Some('='), _) => {
                self.at += 1;
                self.default(expression)
            }
            (Some(':'), Some(next)) if next.is_ascii() => {
                self.at += 1;
                self.substring(expression)
            }
            // The original loses its place in front of a character of several bytes, and at the end.
            (Some(':'), _) => Err(self.bad(expression)),
            (Some(first @ (',' | '^')), second) => {
                let second = second.filter(|second| matches!(second, ',' | '^'));
                self.at += 1 + usize::from(second.is_some());
                expression.operator = match (first, second) {
                    (',', None) => Operator::LowerFirst,
                    (',', Some(',')) => Operator::Lower,
                    ('^', None) => Operator::UpperFirst,
                    ('^', Some('^')) => Operator::Upper,
                    _ => Operator::Unchanged,
                };
                Ok(())
            }
            (Some('/'), second) => self.replace(expression, second),
            (Some(first @ ('#' | '%')), second) => {
                let is_long = second == Some(first);
                self.at += 1 + usize::from(is_long);
                expression.operator = match (first, is_long) {
                    ('#', false) => Operator::TrimPrefix,
                    ('#', true) => Operator::TrimLongestPrefix,
                    (_, false) => Operator::TrimSuffix,
                    (_, true) => Operator::TrimLongestSuffix,
                };
                self.argument(expression, Escapes::None, |character| character != '}')
            }
            _ => Ok(()),
        }
    }

    fn default(&mut self, expression: &mut Expression) -> Result<(), SubstituteError> {
        expression.operator = Operator::Default;
        while self.peek() != Some('}') {
            self.argument(expression, Escapes::None, |character| character != '}')?;
        }
        Ok(())
    }

    fn substring(&mut self, expression: &mut Expression) -> Result<(), SubstituteError> {
        expression.operator = Operator::Substring;
        self.argument(expression, Escapes::None, |character| {
            !matches!(character, ':' | '}')
        })?;
        match self.peek() {
            Some('}') => Ok(()),
            Some(':') => {
                while self.take(":") {}
                self.argument(expression, Escapes::None, |character| character != '}')
            }
            _ => Err(self.bad(expression)),
        }
    }

    fn replace(&mut self, expression: &mut Expression, second: Option<char>) -> Result<(), SubstituteError> {
        self.at += 1 + usize::from(matches!(second, Some('/' | '#' | '%')));
        expression.operator = match second {
            Some('/') => Operator::ReplaceAll,
            Some('#') => Operator::ReplacePrefix,
            Some('%') => Operator::ReplaceSuffix,
            _ => Operator::ReplaceFirst,
        };
        self.argument(expression, Escapes::All, |character| character != '/')?;
        if self.peek() != Some('/') {
            return Err(self.bad(expression));
        }
        while self.take("/") {}
        if self.peek() == Some('}') {
            return Ok(());
        }
        self.argument(expression, Escapes::All, |character| character != '}')
    }

    /// One argument: an expression, or text.
    fn argument(
        &mut self,
        expression: &mut Expression,
        escapes: Escapes,
        accepts: impl Fn(char) -> bool,
    ) -> Result<(), SubstituteError> {
        let argument = if let Some(start) = self.open() {
            Part::Expression(self.expression(start)?)
        } else {
            let text = self.run(escapes, accepts);
            if text.is_empty() {
                return Err(SubstituteError::Argument(Place::of(self.text, expression.at)));
            }
            Part::Text(text)
        };
        expression.arguments.push(argument);
        Ok(())
    }

    fn bad(&self, expression: &Expression) -> SubstituteError {
        SubstituteError::BadSubstitution(Place::of(self.text, expression.at))
    }
}

/// A letter, a digit or `_`, wherever in the name: `${1}` is a variable.
fn is_name(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    let mut buffer = [0; 4];
    let text = character.encode_utf8(&mut buffer);
    LETTER_OR_DIGIT.as_ref().is_some_and(|class| class.is_match(text))
}
