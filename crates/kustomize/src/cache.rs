//! Files that several builds read, parsed once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fluxbot_yaml::Value;
use sha2::{Digest as _, Sha256};

use crate::objects::Fault;

/// What a file holds: its objects with the lines at which they begin.
pub(crate) type Parsed = Result<Vec<(Value, usize)>, Fault>;

/// Parsed files by content, for many builds that read the same ones.
///
/// Builds that share a cache parse a file once, wherever it stands, and run in parallel. The cache grows with each content that it
/// has not seen; [`clear`](Self::clear) empties it.
#[derive(Debug, Default)]
pub struct Cache {
    parsed: Mutex<HashMap<[u8; 32], Arc<Parsed>>>,
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many contents are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get(&self, content: &[u8], parse: impl FnOnce() -> Parsed) -> Arc<Parsed> {
        let key: [u8; 32] = Sha256::digest(content).into();
        let known = |map: &HashMap<[u8; 32], Arc<Parsed>>| map.get(&key).map(Arc::clone);
        if let Some(found) = known(&self.parsed.lock().unwrap_or_else(PoisonError::into_inner)) {
            return found;
        }
        // Parsed outside of the lock: two builds may do the same work, but none waits for the other.
        let parsed = Arc::new(parse());
        let mut map = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(map.entry(key).or_insert(parsed))
    }
}
