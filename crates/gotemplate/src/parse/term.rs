//! Pipelines and what they are made of.

use super::{Arg, ArgKind, Command, Number, Parsed, Parser, Pipe};
use crate::lex::{Kind, Token};
use crate::number::{parse_float, parse_int, parse_uint};
use crate::quote::{Unit, quoted, unquote, unquote_char};
use crate::text::Text;

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &'static str, end: Kind) -> Parsed<Pipe> {
        let mut pipe = Pipe {
            pos: self.peek_non_space().pos,
            is_assign: false,
            variables: Vec::new(),
            commands: Vec::new(),
        };
        while self.declaration(&mut pipe, context)? {}
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => {
                    self.check_pipeline(&pipe, context)?;
                    return Ok(pipe);
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.push_back(token);
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
    }

    /// Reads a variable that is declared or assigned; whether another may follow.
    fn declaration(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<bool> {
        let variable = self.peek_non_space();
        if variable.kind != Kind::Variable {
            return Ok(false);
        }
        self.next();
        // A space is a token: in `$x foo` it must be put back together with the variable.
        let behind = self.peek();
        let next = self.peek_non_space();
        let is_comma = next.kind == Kind::Char && next.text == ",";
        if matches!(next.kind, Kind::Assign | Kind::Declare) || is_comma {
            pipe.is_assign |= next.kind == Kind::Assign;
            self.next_non_space();
            pipe.variables.push(variable.text.to_string());
            self.scope.variables.push(variable.text.to_string());
            if !is_comma {
                return Ok(false);
            }
            if context == "range" && pipe.variables.len() < 2 {
                let follower = self.peek_non_space().kind;
                if matches!(follower, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                    return Ok(true);
                }
                return self.error("range can only initialize variables");
            }
            return self.error(format!("too many declarations in {context}"));
        }
        if behind.kind == Kind::Space {
            self.push_back(behind);
        }
        self.push_back(variable);
        Ok(false)
    }

    fn check_pipeline(&self, pipe: &Pipe, context: &str) -> Parsed<()> {
        if pipe.commands.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            let first = command.args.first().map(|arg| &arg.kind);
            if matches!(
                first,
                Some(
                    ArgKind::Bool(_)
                        | ArgKind::Dot
                        | ArgKind::Nil
                        | ArgKind::Number(_)
                        | ArgKind::String { .. }
                )
            ) {
                let stage = index + 1;
                return self.error(format!("non executable command in pipeline stage {stage}"));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut command = Command {
            pos: self.peek_non_space().pos,
            args: Vec::new(),
        };
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                command.args.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => {
                    self.push_back(token);
                    break;
                }
                Kind::Pipe => break,
                _ => return self.unexpected(&token, "operand"),
            }
        }
        if command.args.is_empty() {
            return self.error("empty command");
        }
        Ok(command)
    }

    fn operand(&mut self) -> Parsed<Option<Arg>> {
        let Some(arg) = self.term()? else {
            return Ok(None);
        };
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(Some(arg));
        }
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            let field = self.next();
            fields.push(field.text.trim_start_matches('.').to_owned());
        }
        let pos = first.pos;
        let kind = match arg.kind {
            ArgKind::Field(mut names) => {
                names.append(&mut fields);
                ArgKind::Field(names)
            }
            ArgKind::Variable(mut names) => {
                names.append(&mut fields);
                ArgKind::Variable(names)
            }
            ArgKind::Bool(_) | ArgKind::String { .. } | ArgKind::Number(_) | ArgKind::Nil | ArgKind::Dot => {
                return self.error(format!("unexpected . after term {}", quoted(&arg.to_string())));
            }
            _ => ArgKind::Chain(Box::new(arg), fields),
        };
        Ok(Some(Arg { pos, kind }))
    }

    fn term(&mut self) -> Parsed<Option<Arg>> {
        let token = self.next_non_space();
        let text = token.text.to_string();
        let kind = match token.kind {
            Kind::Identifier => {
                if !(self.has_function)(&text) {
                    return self.error(format!("function {} not defined", quoted(&text)));
                }
                ArgKind::Identifier(text)
            }
            Kind::Dot => ArgKind::Dot,
            Kind::Nil => ArgKind::Nil,
            Kind::Variable => {
                if !self.scope.variables.contains(&text) {
                    return self.error(format!("undefined variable {}", quoted(&text)));
                }
                ArgKind::Variable(vec![text])
            }
            Kind::Field => ArgKind::Field(vec![text.trim_start_matches('.').to_owned()]),
            Kind::Bool => ArgKind::Bool(text == "true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => ArgKind::Number(self.number(&token)?),
            Kind::LeftParen => {
                let pipe =
                    self.nested(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Arg {
                    pos: pipe.pos,
                    kind: ArgKind::Pipe(pipe),
                }));
            }
            Kind::String | Kind::RawString => match unquote(&text) {
                Ok(bytes) => ArgKind::String {
                    literal: text,
                    text: Text::from(bytes),
                },
                Err(error) => return self.error(error.to_string()),
            },
            _ => {
                self.push_back(token);
                return Ok(None);
            }
        };
        Ok(Some(Arg { pos: token.pos, kind }))
    }

    fn number(&self, token: &Token<'_>) -> Parsed<Number> {
        let literal = token.text.to_string();
        if token.kind == Kind::CharConstant {
            return self.char_constant(literal);
        }
        if token.kind == Kind::Complex || literal.ends_with('i') {
            return self.error(format!("imaginary number {} is not supported", quoted(&literal)));
        }
        let mut number = Number {
            uint: parse_uint(&literal).ok(),
            int: parse_int(&literal).ok(),
            ..Number::default()
        };
        if number.int == Some(0) {
            number.uint = Some(0);
        }
        if let Some(int) = number.int {
            number.float = Some(int as f64);
        } else if let Some(uint) = number.uint {
            number.float = Some(uint as f64);
        } else if let Ok(float) = parse_float(&literal) {
            if !literal.contains(['.', 'e', 'E', 'p', 'P']) {
                return self.error(format!("integer overflow: {}", quoted(&literal)));
            }
            number.float = Some(float);
            #[expect(clippy::float_cmp, reason = "a float is an integer exactly or not")]
            if float.trunc() == float {
                number.int = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
                    .contains(&float)
                    .then_some(float as i64);
                number.uint = (0.0..1.844_674_407_370_955_2e19)
                    .contains(&float)
                    .then_some(float as u64);
            }
        } else {
            return self.error(format!("illegal number syntax: {}", quoted(&literal)));
        }
        number.literal = literal;
        Ok(number)
    }

    fn char_constant(&self, literal: String) -> Parsed<Number> {
        let (unit, tail) = match unquote_char(literal.get(1..).unwrap_or_default(), '\'') {
            Ok(unquoted) => unquoted,
            Err(error) => return self.error(error.to_string()),
        };
        if tail != "'" {
            return self.error(format!("malformed character constant: {literal}"));
        }
        let code = match unit {
            Unit::Char(c) => u32::from(c),
            Unit::Byte(byte) => u32::from(byte),
        };
        Ok(Number {
            literal,
            int: Some(i64::from(code)),
            uint: Some(u64::from(code)),
            float: Some(f64::from(code)),
        })
    }
}
