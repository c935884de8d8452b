//! Keys without a `?`: what they are is known only at the `:` after them.

use super::fault::Fault;
use super::reader::Mark;
use super::token::{Kind, Token};
use super::{Scanner, level};

/// The longest key in characters that needs no `?`.
const MAX_SIMPLE_KEY: usize = 1024;

/// Something that may be a key.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SimpleKey {
    possible: bool,
    /// Whether nothing but a key can stand there.
    required: bool,
    /// The number of its token.
    pub(super) token: usize,
    mark: Mark,
}

impl SimpleKey {
    /// Something that is no key, at the place of the next token.
    pub(super) fn none(token: usize) -> Self {
        Self {
            token,
            ..Self::default()
        }
    }
}

impl Scanner<'_> {
    /// Remembers that what comes next may be a key, and that nothing more may be one until that is allowed again.
    pub(super) fn save_key(&mut self) -> Result<(), Fault> {
        if self.simple_key_allowed {
            let mark = self.reader.mark();
            let key = SimpleKey {
                possible: true,
                required: self.flow_level == 0 && level(self.indent) == mark.column + 1,
                token: self.taken + self.tokens.len(),
                mark,
            };
            self.drop_key()?;
            if let Some(last) = self.simple_keys.last_mut() {
                *last = key;
            }
        }
        self.simple_key_allowed = false;
        Ok(())
    }

    /// Forgets what might be a key.
    pub(super) fn drop_key(&mut self) -> Result<(), Fault> {
        let Some(key) = self.simple_keys.last_mut() else {
            return Ok(());
        };
        if key.possible {
            if key.required {
                let mark = key.mark;
                return Err(self.fault("could not find expected ':'", mark));
            }
            key.possible = false;
        }
        Ok(())
    }

    /// Whether something may still be a key: keys end on their line.
    pub(super) fn is_possible_key(&mut self, index: usize) -> Result<bool, Fault> {
        let now = self.reader.mark();
        let Some(key) = self.simple_keys.get_mut(index) else {
            return Ok(false);
        };
        if key.possible && (key.mark.line < now.line || key.mark.column + MAX_SIMPLE_KEY < now.column) {
            if key.required {
                let mark = key.mark;
                return Err(self.fault("could not find expected ':'", mark));
            }
            key.possible = false;
        }
        Ok(key.possible)
    }

    /// Reads a `:`.
    pub(super) fn value(&mut self) -> Result<(), Fault> {
        let last = self.simple_keys.len().saturating_sub(1);
        if self.is_possible_key(last)? {
            if let Some(key) = self.simple_keys.get_mut(last) {
                key.possible = false;
                let (mark, token) = (key.mark, key.token);
                self.add_key(mark, token)?;
            }
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                let mark = self.reader.mark();
                if !self.simple_key_allowed {
                    return Err(self.fault("mapping values are not allowed in this context", mark));
                }
                self.open_block(mark.column, Kind::BlockMappingStart, None, mark)?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.indicator(Kind::Value, 1);
        Ok(())
    }

    /// Adds the token of a key before what has turned out to be one.
    fn add_key(&mut self, mark: Mark, token: usize) -> Result<(), Fault> {
        let place = token.saturating_sub(self.taken).min(self.tokens.len());
        let key = Token {
            kind: Kind::Key,
            start: mark,
            end: mark,
        };
        self.tokens.insert(place, key);
        self.open_block(mark.column, Kind::BlockMappingStart, Some(place), mark)
    }
}
