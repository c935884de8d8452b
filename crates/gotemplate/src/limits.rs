//! Bounds on what a template may cost.

use crate::value::FunctionError;

/// What one rendering may cost at most. Reaching a bound is an error of the rendering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep actions and templates may nest while they run. Each level takes up to 5 KiB of the stack.
    pub depth: usize,
    /// How much work is done: actions, function calls, and the elements that functions walk over.
    pub steps: u64,
    /// How many bytes are made: the output and all strings and lists on the way to it.
    pub bytes: u64,
    /// How long the output may be in bytes.
    pub output: usize,
}

impl Default for Limits {
    /// Depth 150, ten million steps, 256 MiB, of which 16 MiB output.
    fn default() -> Self {
        Self {
            depth: 150,
            steps: 10_000_000,
            bytes: 256 << 20,
            output: 16 << 20,
        }
    }
}

/// What is left of the limits.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    steps: u64,
    bytes: u64,
}

impl Budget {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            steps: limits.steps,
            bytes: limits.bytes,
        }
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Pays for work.
    pub(crate) fn step(&mut self, count: usize) -> Result<(), FunctionError> {
        self.steps = u64::try_from(count)
            .ok()
            .and_then(|count| self.steps.checked_sub(count))
            .ok_or_else(|| {
                FunctionError::new(format!(
                    "the template takes more than the {} steps that it may take",
                    self.limits.steps
                ))
            })?;
        Ok(())
    }

    /// The steps that may still be taken.
    pub(crate) fn steps_left(&self) -> usize {
        usize::try_from(self.steps).unwrap_or(usize::MAX)
    }

    /// Pays for memory, in bytes.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), FunctionError> {
        self.bytes = u64::try_from(bytes)
            .ok()
            .and_then(|bytes| self.bytes.checked_sub(bytes))
            .ok_or_else(|| {
                FunctionError::new(format!(
                    "the template makes more than the {} bytes that it may make",
                    self.limits.bytes
                ))
            })?;
        Ok(())
    }

    /// The bytes that may still be made.
    pub(crate) fn bytes_left(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }
}
