//! Templates: what a caller parses and renders.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::builtins::is_builtin;
use crate::exec::{self, ExecError};
use crate::lex::Syntax;
use crate::limits::{Budget, Limits};
use crate::parse::{ParseError, Source, Tree, parse};
use crate::sprig;
use crate::value::{Function, Value};

/// What a map gives for a key that it does not have (Go's option `missingkey`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// Nothing, which prints as `<no value>`.
    #[default]
    Default,
    /// The zero value of the map's values.
    Zero,
    /// An error.
    Error,
}

/// Functions by name. A function hides one of the language with the same name.
#[derive(Debug, Clone, Default)]
pub struct Functions(BTreeMap<String, Arc<Function>>);

static SPRIG: LazyLock<Functions> = LazyLock::new(sprig::functions);

impl Functions {
    /// No functions but those of the language.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The functions of sprig v3 that give the same result each time (`HermeticTxtFuncMap`).
    #[must_use]
    pub fn sprig() -> Self {
        SPRIG.clone()
    }

    /// Adds a function, or replaces the one of that name.
    pub fn add(&mut self, name: impl Into<String>, function: Function) {
        self.0.insert(name.into(), Arc::new(function));
    }

    /// Removes a function.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The function of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.0.get(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A template with the templates that it defines or that were added to it.
///
/// Rendering changes nothing of it, so that one can be shared between threads.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    functions: Functions,
    missing_key: MissingKey,
    left: String,
    right: String,
    limits: Limits,
    trees: BTreeMap<String, Arc<Tree>>,
}

impl Template {
    /// A template without text, with sprig's functions and the usual delimiters. Errors give the name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            functions: Functions::sprig(),
            missing_key: MissingKey::Default,
            left: "{{".to_owned(),
            right: "}}".to_owned(),
            limits: Limits::default(),
            trees: BTreeMap::new(),
        }
    }

    /// Other functions. To be called before [`Template::parse`], which checks that every function exists.
    #[must_use]
    pub fn with_functions(mut self, functions: Functions) -> Self {
        self.functions = functions;
        self
    }

    /// What maps give for missing keys.
    #[must_use]
    pub const fn with_missing_key(mut self, missing_key: MissingKey) -> Self {
        self.missing_key = missing_key;
        self
    }

    /// Other delimiters; an empty one stands for the usual one.
    #[must_use]
    pub fn with_delimiters(mut self, left: &str, right: &str) -> Self {
        self.left = String::from(if left.is_empty() { "{{" } else { left });
        self.right = String::from(if right.is_empty() { "}}" } else { right });
        self
    }

    /// Other bounds.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Parses the text of the template.
    ///
    /// # Errors
    /// With Go's message.
    pub fn parse(mut self, text: &str) -> Result<Self, ParseError> {
        let name = self.name.clone();
        self.add(&name, text)?;
        Ok(self)
    }

    /// Parses a further template that the others can use by name.
    ///
    /// A template that is defined anew replaces the old one, unless the new one is blank.
    ///
    /// # Errors
    /// With Go's message.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), ParseError> {
        let has_function = |name: &str| self.functions.get(name).is_some() || is_builtin(name);
        let syntax = Syntax {
            left: &self.left,
            right: &self.right,
            has_break: self.functions.get("break").is_none(),
            has_continue: self.functions.get("continue").is_none(),
        };
        let source = Arc::new(Source {
            name: name.to_owned(),
            text: text.to_owned(),
        });
        for (name, tree) in parse(&source, syntax, &has_function)? {
            if !tree.root.is_blank() || !self.trees.contains_key(&name) {
                self.trees.insert(name, tree);
            }
        }
        Ok(())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of all templates that are defined, in order.
    pub fn defined(&self) -> impl Iterator<Item = &str> {
        self.trees.keys().map(String::as_str)
    }

    /// Renders the template with `data` as dot. What is no UTF-8 in the output becomes U+FFFD.
    ///
    /// # Errors
    /// With Go's message, or when a bound is reached.
    pub fn render(&self, data: &Value) -> Result<String, ExecError> {
        let output = self.execute(&self.name, data)?;
        Ok(String::from_utf8(output)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Renders the template of that name, as bytes.
    ///
    /// # Errors
    /// With Go's message, or when a bound is reached.
    pub fn execute(&self, name: &str, data: &Value) -> Result<Vec<u8>, ExecError> {
        let mut budget = Budget::new(self.limits);
        exec::render(self, name, data, &mut budget)
    }

    pub(crate) fn tree(&self, name: &str) -> Option<&Arc<Tree>> {
        self.trees.get(name)
    }

    pub(crate) const fn functions(&self) -> &Functions {
        &self.functions
    }

    pub(crate) const fn missing_key(&self) -> MissingKey {
        self.missing_key
    }
}
