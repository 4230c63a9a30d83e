//! What is written together.

/// Writes that belong together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) writes: Vec<Write>,
}

#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) tree: String,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Batch {
    /// Sets a value. Values larger than 64 KiB are refused when the batch is committed.
    pub fn put(&mut self, tree: &str, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Self {
        self.writes.push(Write { tree: tree.to_owned(), key: key.into(), value: Some(value.into()) });
        self
    }

    /// Removes a key.
    pub fn remove(&mut self, tree: &str, key: impl Into<Vec<u8>>) -> &mut Self {
        self.writes.push(Write { tree: tree.to_owned(), key: key.into(), value: None });
        self
    }

    /// Number of writes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}
