//! Commit messages: the default one, fixed texts, and the template forms that people have in their repositories.
//!
//! The template language is Go's text/template, which has an engine of its own to come. Until then the forms below are
//! rendered exactly and every other action is refused, never printed as it stands:
//!
//! - text without `{{`;
//! - `{{ range .Updated.Images }} … {{ end }}`, with `{{ . }}`, `{{ print . }}` or `{{ println . }}` inside, and with
//!   the trim markers `{{-` and `-}}`.

use crate::image::Selections;
use crate::setters::ChangeSet;

/// What Flux writes when an automation has no message template.
pub const DEFAULT_MESSAGE: &str = "Update from image update automation";

/// A parsed `spec.git.commit.messageTemplate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTemplate {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Text(String),
    /// One rendering of the body for each updated image.
    RangeImages(Vec<Self>),
    /// The image of the range around it, with or without a line feed.
    Image {
        newline: bool,
    },
}

/// Why a message cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// An action that needs the full template engine.
    #[error(
        "unable to create commit message template from spec: line {line}: the action '{{{{{action}}}}}' is not supported yet; \
         supported are plain text and '{{{{range .Updated.Images}}}}{{{{println .}}}}{{{{end}}}}'"
    )]
    Unsupported {
        /// Line in the template, from 1.
        line: usize,
        /// The text between the braces.
        action: String,
    },
    /// `{{` without `}}`.
    #[error("unable to create commit message template from spec: line {line}: unclosed action")]
    Unclosed {
        /// Line in the template, from 1.
        line: usize,
    },
    /// `{{range}}` without `{{end}}`.
    #[error(
        "unable to create commit message template from spec: unexpected EOF: '{{{{range}}}}' has no '{{{{end}}}}'"
    )]
    MissingEnd,
    /// `{{end}}` without `{{range}}`.
    #[error("unable to create commit message template from spec: line {line}: unexpected '{{{{end}}}}'")]
    UnexpectedEnd {
        /// Line in the template, from 1.
        line: usize,
    },
}

impl MessageTemplate {
    /// Parses a template. An absent or empty one gives [`DEFAULT_MESSAGE`].
    pub fn parse(template: Option<&str>) -> Result<Self, InvalidTemplate> {
        let source = template
            .filter(|text| !text.is_empty())
            .unwrap_or(DEFAULT_MESSAGE);
        let tokens = tokenize(source)?;
        let mut tokens = tokens.into_iter();
        let nodes = parse_nodes(&mut tokens, false)?;
        Ok(Self { nodes })
    }

    /// Renders the message for `changes`.
    ///
    /// `.Updated.Images` are the images of all policies whose markers changed, split markers included, each once and in
    /// the order of their text.
    #[must_use]
    pub fn render(&self, changes: &ChangeSet, selections: &Selections) -> String {
        let images: Vec<String> = changes
            .images(selections)
            .into_iter()
            .map(ToString::to_string)
            .collect();
        let mut message = String::new();
        render_nodes(&self.nodes, &images, None, &mut message);
        message
    }
}

enum Token {
    Text(String),
    Action { line: usize, text: String },
}

/// Splits a template into text and actions, and applies the trim markers.
fn tokenize(source: &str) -> Result<Vec<Token>, InvalidTemplate> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = 1;
    let mut trim_next = false;
    while let Some((text, after)) = rest.split_once("{{") {
        let action_line = line + text.matches('\n').count();
        let Some((inside, remainder)) = after.split_once("}}") else {
            return Err(InvalidTemplate::Unclosed { line: action_line });
        };
        let (inside_trimmed, trim_left) = match inside.strip_prefix('-') {
            Some(stripped) if stripped.starts_with([' ', '\t', '\r', '\n']) => (stripped, true),
            _ => (inside, false),
        };
        let (inside_trimmed, trim_right) = match inside_trimmed.strip_suffix('-') {
            Some(stripped) if stripped.ends_with([' ', '\t', '\r', '\n']) => (stripped, true),
            _ => (inside_trimmed, false),
        };
        tokens.push(Token::Text(trimmed(text, trim_next, trim_left)));
        tokens.push(Token::Action {
            line: action_line,
            text: inside_trimmed.trim().to_owned(),
        });
        line = action_line + inside.matches('\n').count();
        trim_next = trim_right;
        rest = remainder;
    }
    tokens.push(Token::Text(trimmed(rest, trim_next, false)));
    Ok(tokens)
}

/// Removes the white space that Go's trim markers remove.
fn trimmed(text: &str, start: bool, end: bool) -> String {
    const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
    let text = if start {
        text.trim_start_matches(SPACE)
    } else {
        text
    };
    let text = if end { text.trim_end_matches(SPACE) } else { text };
    text.to_owned()
}

fn parse_nodes(
    tokens: &mut std::vec::IntoIter<Token>,
    inside_range: bool,
) -> Result<Vec<Node>, InvalidTemplate> {
    let mut nodes = Vec::new();
    while let Some(token) = tokens.next() {
        let (line, action) = match token {
            Token::Text(text) => {
                if !text.is_empty() {
                    nodes.push(Node::Text(text));
                }
                continue;
            }
            Token::Action { line, text } => (line, text),
        };
        let words: Vec<&str> = action.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["range", ".Updated.Images"] if !inside_range => {
                nodes.push(Node::RangeImages(parse_nodes(tokens, true)?));
            }
            ["end"] if inside_range => return Ok(nodes),
            ["end"] => return Err(InvalidTemplate::UnexpectedEnd { line }),
            ["."] | ["print", "."] if inside_range => nodes.push(Node::Image { newline: false }),
            ["println", "."] if inside_range => nodes.push(Node::Image { newline: true }),
            _ if action.starts_with("/*") && action.ends_with("*/") => {}
            _ => return Err(InvalidTemplate::Unsupported { line, action }),
        }
    }
    if inside_range {
        Err(InvalidTemplate::MissingEnd)
    } else {
        Ok(nodes)
    }
}

fn render_nodes(nodes: &[Node], images: &[String], current: Option<&str>, message: &mut String) {
    for node in nodes {
        match node {
            Node::Text(text) => message.push_str(text),
            Node::RangeImages(body) => {
                for image in images {
                    render_nodes(body, images, Some(image), message);
                }
            }
            Node::Image { newline } => {
                message.push_str(current.unwrap_or_default());
                if *newline {
                    message.push('\n');
                }
            }
        }
    }
}
