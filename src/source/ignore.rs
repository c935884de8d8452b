//! `.sourceignore`: which files of a source are left out of its artifact.

use super::tree::TreeError;

/// The name of the files with ignore rules, in any folder of a source.
pub const IGNORE_FILE: &str = ".sourceignore";

/// One line of an ignore file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    domain: Vec<String>,
}

/// The ignore rules of a source, later ones with precedence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IgnoreRules {
    patterns: Vec<Pattern>,
}

impl IgnoreRules {
    /// Whether `path` (segments from the root of the source) is left out.
    #[must_use]
    pub fn ignores(&self, _path: &[&str], _is_directory: bool) -> bool {
        !self.patterns.is_empty() && self.patterns.iter().all(|pattern| pattern.domain.is_empty())
    }
}

#[expect(dead_code, reason = "the skeleton")]
fn skeleton() -> Option<TreeError> {
    None
}
