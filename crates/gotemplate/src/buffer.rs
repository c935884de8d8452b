//! Text that functions make, bounded while it grows.

use crate::value::{Context, FunctionError};

/// Bytes up to a limit. What goes beyond is dropped, and told when the buffer is finished: writers need not check each
/// write, only now and then whether it is worth to go on.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    limit: usize,
    /// How many elements of values have been walked over, and how many may be.
    steps: usize,
    max_steps: usize,
    is_full: bool,
    is_too_deep: bool,
}

impl Buffer {
    /// A buffer for as many bytes and steps as the rendering may still make.
    pub(crate) fn new(context: &Context<'_>) -> Self {
        Self {
            max_steps: context.budget.steps_left(),
            ..Self::with_limit(context.budget.bytes_left())
        }
    }

    pub(crate) const fn with_limit(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
            steps: 0,
            max_steps: usize::MAX,
            is_full: false,
            is_too_deep: false,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.is_full || self.limit - self.bytes.len() < bytes.len() {
            self.is_full = true;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        self.push(text.as_bytes());
    }

    pub(crate) fn push_char(&mut self, c: char) {
        self.push(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// The same byte many times.
    pub(crate) fn fill(&mut self, byte: u8, count: usize) {
        if self.is_full || self.limit - self.bytes.len() < count {
            self.is_full = true;
        } else {
            self.bytes.resize(self.bytes.len() + count, byte);
        }
    }

    /// Counts the elements of a value that is to be written.
    pub(crate) const fn step(&mut self, count: usize) {
        self.steps = self.steps.saturating_add(count);
    }

    /// How many elements have been counted since [`Self::allow_steps`]: more than those when there were too many.
    pub(crate) const fn steps(&self) -> usize {
        self.steps
    }

    /// Starts counting elements anew, up to as many.
    pub(crate) const fn allow_steps(&mut self, count: usize) {
        self.steps = 0;
        self.max_steps = count;
    }

    /// Notes that a value nests too deep to be written.
    pub(crate) const fn too_deep(&mut self) {
        self.is_too_deep = true;
    }

    /// Whether nothing that is written is kept any more.
    pub(crate) const fn is_spent(&self) -> bool {
        self.is_full || self.is_too_deep || self.steps > self.max_steps
    }

    /// Whether a value nested too deep to be written.
    pub(crate) const fn is_too_deep(&self) -> bool {
        self.is_too_deep
    }

    /// The bytes, which the rendering pays for as for the steps.
    pub(crate) fn finish(self, context: &mut Context<'_>) -> Result<Vec<u8>, FunctionError> {
        if self.is_too_deep {
            return Err(FunctionError::too_deep());
        }
        context.step(self.steps)?;
        if self.is_full {
            context.reserve(usize::MAX)?;
        }
        context.reserve(self.bytes.len())?;
        Ok(self.bytes)
    }
}

impl Buffer {
    /// The text for a message, which is cut where it is full.
    pub(crate) fn into_lossy(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The bytes of output, which is paid for otherwise; none when there were too many.
    pub(crate) fn into_output(self) -> Option<Vec<u8>> {
        (!self.is_spent()).then_some(self.bytes)
    }
}
