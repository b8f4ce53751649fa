//! A sorted map whose copies share what neither has changed: an image of ten thousand topics is copied for each
//! committed batch, and a batch touches a handful of them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use core::hash::{Hash, Hasher};

/// Entries in sorted chunks. A clone costs one reference count; the first change after it copies the list of chunks and
/// the one chunk that changes.
#[derive(Clone)]
pub struct SharedMap<K, V> {
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

/// Sorted, never empty, at most [`CHUNK_ENTRIES_MAX`] long.
type Chunk<K, V> = Arc<Vec<(K, V)>>;

const CHUNK_ENTRIES_MAX: usize = 64;

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::new(Vec::new()), len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without any entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of this key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunks.get(self.chunk_of(key)?)?;
        let at = chunk.binary_search_by(|(known, _)| known.borrow().cmp(key)).ok()?;
        Some(&chunk[at].1)
    }

    /// The value of this key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let chunk_at = self.chunk_of(key)?;
        let at = self.chunks[chunk_at].binary_search_by(|(known, _)| known.borrow().cmp(key)).ok()?;
        let chunk = Arc::make_mut(&mut Arc::make_mut(&mut self.chunks)[chunk_at]);
        Some(&mut chunk[at].1)
    }

    /// Sets the value of this key and returns what it was.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let chunk_at = self.chunk_of(&key);
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(chunk_at) = chunk_at else {
            chunks.insert(0, Arc::new(alloc::vec![(key, value)]));
            self.len += 1;
            return None;
        };
        let chunk = Arc::make_mut(&mut chunks[chunk_at]);
        match chunk.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => return Some(core::mem::replace(&mut chunk[at].1, value)),
            Err(at) => chunk.insert(at, (key, value)),
        }
        if chunk.len() > CHUNK_ENTRIES_MAX {
            let upper = chunk.split_off(CHUNK_ENTRIES_MAX / 2);
            chunks.insert(chunk_at + 1, Arc::new(upper));
        }
        self.len += 1;
        None
    }

    /// Removes this key and returns its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let chunk_at = self.chunk_of(key)?;
        let at = self.chunks[chunk_at].binary_search_by(|(known, _)| known.borrow().cmp(key)).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(&mut chunks[chunk_at]);
        let (_, value) = chunk.remove(at);
        if chunk.is_empty() {
            chunks.remove(chunk_at);
        }
        self.len -= 1;
        Some(value)
    }

    /// All entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value))
    }

    /// The entries whose keys are not below this one, in order.
    pub fn from<'a, Q: Ord + ?Sized>(&'a self, key: &Q) -> impl Iterator<Item = (&'a K, &'a V)>
    where
        K: Borrow<Q>,
    {
        let chunk_at = self.chunk_of(key).unwrap_or(0);
        let skipped =
            self.chunks.get(chunk_at).map_or(0, |chunk| chunk.partition_point(|(known, _)| known.borrow() < key));
        let chunks = self.chunks.get(chunk_at..).unwrap_or_default();
        chunks.iter().flat_map(|chunk| chunk.iter()).skip(skipped).map(|(key, value)| (key, value))
    }

    /// All values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The chunk that holds the key, or would: the last one that does not begin behind it.
    fn chunk_of<Q: Ord + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let behind = self.chunks.partition_point(|chunk| chunk[0].0.borrow() <= key);
        if self.chunks.is_empty() { None } else { Some(behind.saturating_sub(1)) }
    }
}

/// How entries are divided into chunks is history; equality, hash and text look at the entries alone.
impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunks, &other.chunks) || (self.len == other.len && self.iter().eq(other.iter()))
    }
}

impl<K: Ord + Clone, V: Clone + Eq> Eq for SharedMap<K, V> {}

impl<K: Ord + Clone + Hash, V: Clone + Hash> Hash for SharedMap<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len.hash(state);
        self.iter().for_each(|entry| entry.hash(state));
    }
}

impl<K: Ord + Clone + fmt::Debug, V: Clone + fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
#[path = "shared_map_test.rs"]
mod shared_map_test;
