//! `.sourceignore`: which files of a source are left out of its artifact.
//!
//! The syntax is that of `.gitignore`, the meaning is that of the library behind Flux, which differs from Git's:
//! the last pattern that matches the full path decides, and a folder that is left out does not take its files along by
//! itself, so `a/` with a later `!a/keep.yaml` keeps the file; `**` works as a whole segment only; a class is negated by `^`.

mod glob;

use glob::Glob;

/// The name of the files with ignore rules, in any folder of a source.
pub const IGNORE_FILE: &str = ".sourceignore";

/// Longest line of an ignore file, in bytes. Flux silently drops everything from such a line on.
const LONGEST_LINE: usize = 64 * 1024;

/// What is never part of an artifact, unless a later pattern takes it back.
const VERSION_CONTROL: [&str; 4] = [".git/", ".gitignore", ".gitmodules", ".gitattributes"];

/// What is left out where a source has no pattern of its own.
const DEFAULTS: [&str; 20] = [
    "*.jpg",
    "*.jpeg",
    "*.gif",
    "*.png",
    "*.wmv",
    "*.flv",
    "*.tar.gz",
    "*.zip",
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
    "**/.goreleaser.yml",
    "**/.sops.yaml",
    "**/.flux.yaml",
];

/// One line of an ignore file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// The folder of the file that it stands in; it says nothing about anything outside.
    domain: Vec<Vec<u8>>,
    /// Whether it takes files back instead of leaving them out.
    includes: bool,
    /// Whether it matches folders, and files below them, only.
    directories_only: bool,
    form: Form,
}

/// How a pattern is compared with a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// Malformed: it matches nothing.
    Never,
    /// Without a slash: any segment of the path may match.
    Name(Glob),
    /// With a slash: the segments of the path must match from the domain on.
    Path(Vec<Segment>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// Between two slashes, or before the first one.
    Empty,
    /// `**`
    AnyFolders,
    Name(Glob),
}

/// An ignore file that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is longer than 64 KiB")]
pub struct InvalidIgnoreFile {
    /// Its number, from 1.
    pub line: usize,
}

/// The ignore rules of a source, later ones with precedence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IgnoreRules {
    own: Vec<Pattern>,
}

impl IgnoreRules {
    /// Adds the patterns of an ignore file in the folder `domain`, given by its segments. `spec.ignore` is such a file in the
    /// root, added after all others.
    ///
    /// Comments, which start with `#`, and blank lines count as nothing. Files are to be added in the order in which a walk
    /// meets them: a folder before those below it, siblings by name.
    pub fn add(&mut self, content: &[u8], domain: &[&[u8]]) -> Result<(), InvalidIgnoreFile> {
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            if line.len() >= LONGEST_LINE {
                return Err(InvalidIgnoreFile { line: index + 1 });
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let is_blank = String::from_utf8_lossy(line).trim().is_empty();
            if !is_blank && !line.starts_with(b"#") {
                self.own.push(Pattern::parse(line, domain));
            }
        }
        Ok(())
    }

    /// These rules, made ready for matching: behind the defaults, most of which count only where a source has no pattern.
    #[must_use]
    pub fn matcher(&self) -> IgnoreMatcher {
        let defaults: &[&str] = if self.own.is_empty() { &DEFAULTS } else { &[] };
        let built_in = VERSION_CONTROL.iter().chain(defaults);
        let mut patterns: Vec<Pattern> = built_in
            .map(|pattern| Pattern::parse(pattern.as_bytes(), &[]))
            .collect();
        patterns.extend(self.own.iter().cloned());
        IgnoreMatcher { patterns }
    }
}

/// Decides about paths.
#[derive(Debug, Clone)]
pub struct IgnoreMatcher {
    patterns: Vec<Pattern>,
}

impl IgnoreMatcher {
    /// Whether a path, given by its segments from the root of the source, is left out.
    #[must_use]
    pub fn ignores(&self, path: &[&[u8]], is_directory: bool) -> bool {
        let deciding = self
            .patterns
            .iter()
            .rev()
            .find(|pattern| pattern.matches(path, is_directory));
        deciding.is_some_and(|pattern| !pattern.includes)
    }
}

impl Pattern {
    fn parse(line: &[u8], domain: &[&[u8]]) -> Self {
        let (includes, line) = match line.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let line = if line.ends_with(b"\\ ") {
            line
        } else {
            let spaces = line.iter().rev().take_while(|byte| **byte == b' ').count();
            line.get(..line.len() - spaces).unwrap_or_default()
        };
        let (directories_only, line) = match line.strip_suffix(b"/") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let form = if line.contains(&b'/') {
            let segments: Option<Vec<Segment>> =
                line.split(|byte| *byte == b'/').map(Segment::parse).collect();
            segments.map_or(Form::Never, Form::Path)
        } else {
            Glob::parse(line).map_or(Form::Never, Form::Name)
        };
        Self {
            domain: domain.iter().map(|segment| segment.to_vec()).collect(),
            includes,
            directories_only,
            form,
        }
    }

    fn matches(&self, path: &[&[u8]], is_directory: bool) -> bool {
        let Some((folder, below)) = path.split_at_checked(self.domain.len()) else {
            return false;
        };
        if below.is_empty()
            || folder
                .iter()
                .zip(&self.domain)
                .any(|(name, own)| *name != own.as_slice())
        {
            return false;
        }
        let only_folders = self.directories_only && !is_directory;
        match &self.form {
            Form::Never => false,
            Form::Name(glob) => {
                let found = below.iter().position(|name| glob.matches(name));
                found.is_some_and(|index| !(only_folders && index + 1 == below.len()))
            }
            Form::Path(segments) => match rest_after(segments, below) {
                Some(rest) => !(only_folders && rest.is_empty()),
                None => false,
            },
        }
    }
}

impl Segment {
    fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"" => Some(Self::Empty),
            b"**" => Some(Self::AnyFolders),
            _ if text.windows(2).any(|pair| pair == b"**") => None,
            _ => Glob::parse(text).map(Self::Name),
        }
    }
}

/// What is left of a path behind the segments of a pattern; `None` when they do not match.
///
/// A name behind `**` takes the first segment that matches it and is not tried on later ones.
fn rest_after<'p, 's>(segments: &[Segment], path: &'p [&'s [u8]]) -> Option<&'p [&'s [u8]]> {
    let mut rest = path;
    let mut matched = false;
    let mut skips = false;
    for (index, segment) in segments.iter().enumerate() {
        match segment {
            Segment::Empty => skips = false,
            Segment::AnyFolders if index + 1 == segments.len() => break,
            Segment::AnyFolders => skips = true,
            Segment::Name(glob) => {
                let (first, others) = rest.split_first()?;
                if skips {
                    skips = false;
                    let found = rest.iter().position(|name| glob.matches(name));
                    matched = found.is_some();
                    rest = found.and_then(|index| rest.get(index + 1..)).unwrap_or_default();
                } else if glob.matches(first) {
                    matched = true;
                    rest = others;
                } else {
                    return None;
                }
            }
        }
    }
    matched.then_some(rest)
}

#[cfg(test)]
mod tests;
