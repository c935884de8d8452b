//! Commit messages: Flux's default text, Go templates with Flux's data and functions, and conventional commits.

mod conventional;
mod data;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use fluxbot_gotemplate::{ExecError, ParseError, Template, Value};

use crate::image::Selections;
use crate::objects::ObjectKey;
use crate::setters::ChangeSet;

/// What Flux writes when an automation has no message template.
pub const DEFAULT_MESSAGE: &str = "Update from image update automation";

/// The name that Flux gives its template; errors show it.
const TEMPLATE_NAME: &str = "commit message";

/// What is written where an automation has no `messageTemplate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum MessagePreset {
    /// [`DEFAULT_MESSAGE`], the same each time.
    #[default]
    Flux,
    /// A conventional commit: `chore(images): update debug 1.0.3 -> 1.0.4`, a line for each image, and trailers with policy
    /// and digest.
    Conventional,
}

impl MessagePreset {
    /// `flux` or `conventional`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flux => "flux",
            Self::Conventional => "conventional",
        }
    }
}

impl fmt::Display for MessagePreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no preset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no preset for commit messages; there are 'flux' and 'conventional'")]
pub struct UnknownPreset(String);

impl FromStr for MessagePreset {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, UnknownPreset> {
        match text {
            "flux" => Ok(Self::Flux),
            "conventional" => Ok(Self::Conventional),
            _ => Err(UnknownPreset(text.to_owned())),
        }
    }
}

/// How an automation's messages are made: its parsed `spec.git.commit.messageTemplate`, or a preset.
#[derive(Debug, Clone)]
pub struct MessageTemplate(Form);

#[derive(Debug, Clone)]
enum Form {
    /// A text without actions, as it stands.
    Text(String),
    Template {
        source: String,
        template: Box<Template>,
    },
    Conventional,
}

/// What a message tells of.
#[derive(Debug, Clone, Copy)]
pub struct MessageData<'a> {
    /// The automation.
    pub automation: &'a ObjectKey,
    /// What changed.
    pub changes: &'a ChangeSet,
    /// The images that were written.
    pub selections: &'a Selections,
    /// `spec.git.commit.messageTemplateValues`.
    pub values: &'a BTreeMap<String, String>,
}

/// A template is not written as Go's language wants it. The text is Flux's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to create commit message template from spec: {0}")]
pub struct InvalidTemplate(#[from] ParseError);

/// A template failed while it ran, or ran too long. The text is Flux's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to run template from spec: {0}")]
pub struct RenderError(#[from] ExecError);

impl PartialEq for MessageTemplate {
    /// Equal sources make equal templates.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::Text(one), Form::Text(other))
            | (Form::Template { source: one, .. }, Form::Template { source: other, .. }) => one == other,
            (Form::Conventional, Form::Conventional) => true,
            _ => false,
        }
    }
}

impl Eq for MessageTemplate {}

impl MessageTemplate {
    /// Parses a template. An absent or empty one gives the preset's message.
    pub fn parse(template: Option<&str>, preset: MessagePreset) -> Result<Self, InvalidTemplate> {
        let source = match (template.filter(|text| !text.is_empty()), preset) {
            (Some(text), _) => text,
            (None, MessagePreset::Flux) => DEFAULT_MESSAGE,
            (None, MessagePreset::Conventional) => return Ok(Self(Form::Conventional)),
        };
        if !source.contains("{{") {
            return Ok(Self(Form::Text(source.to_owned())));
        }
        let template = Template::new(TEMPLATE_NAME).parse(source)?;
        Ok(Self(Form::Template {
            source: source.to_owned(),
            template: Box::new(template),
        }))
    }

    /// Renders the message.
    ///
    /// Templates see Flux's data: `.AutomationObject`, `.Changed` with `.FileChanges`, `.Objects` and `.Changes`, and `.Values`.
    /// Beside it they see what Flux had before 1.0: `.Updated` with `.Files`, `.Objects` and `.Images`, also under its other name
    /// `.Changed.ImageResult`. Functions are sprig's hermetic ones.
    ///
    /// # Deviation
    /// Lists whose order is random in Flux are sorted: `.Changed.Changes`, `.Updated.Images`, and the changes of one object that
    /// stands in several files.
    pub fn render(&self, data: &MessageData<'_>) -> Result<String, RenderError> {
        match &self.0 {
            Form::Text(text) => Ok(text.clone()),
            Form::Conventional => Ok(conventional::message(data.changes, data.selections)),
            Form::Template { template, .. } => {
                let data = Value::object(data::TemplateData::new(data));
                Ok(template.render(&data)?)
            }
        }
    }
}

#[cfg(test)]
mod tests;
