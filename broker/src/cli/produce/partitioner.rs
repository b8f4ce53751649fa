//! Which partition a record goes to.

/// Keys by their hash; records without one stay together for a batch, and each batch takes the next partition (KIP-480).
pub struct Partitioner {
    count: usize,
    sticky: usize,
}

impl Partitioner {
    /// For so many partitions, beginning anywhere.
    pub fn new(count: usize, anywhere: usize) -> Self {
        assert!(count > 0, "a topic has partitions");
        Self { count, sticky: anywhere % count }
    }

    /// The partition of a record with this key.
    pub fn choose(&self, key: Option<&[u8]>) -> usize {
        key.map_or(self.sticky, |key| (murmur2(key) & 0x7fff_ffff) as usize % self.count)
    }

    /// A new batch begins.
    pub fn next(&mut self) {
        self.sticky = (self.sticky + 1) % self.count;
    }
}

/// MurmurHash2 with Kafka's seed: its clients choose the partition of a key by it, so equal keys meet whoever wrote them.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
#[path = "partitioner_test.rs"]
mod partitioner_test;
