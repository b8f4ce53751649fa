//! What a log remembers of its producers and epochs, as bytes: for the catalogue of a data directory, which is checked
//! by a checksum of its own. All numbers big end first.
//!
//! ```text
//! producers: version u8 (1) · count u32 · count × (id i64 · epoch i16 · coordinator epoch i32 · last timestamp i64 ·
//!            seen i64 · transaction start i64, −1 for none · last offset i64 · batches u8 · batches × batch)
//! batch:     base sequence i32 · last sequence i32 · start i64 · end i64 · timestamp i64
//! epochs:    version u8 (1) · count u32 · count × (epoch i32 · start i64)
//! log:       start i64 · durable end i64 · end i64 · epochs · producers
//! ```

use super::{EpochStart, Epochs, KeptBatch, Log, Producer, Producers, Window};
use crate::types::{LeaderEpoch, Offset, OffsetRange, ProducerEpoch, ProducerId, Wall, limit};
use alloc::vec::Vec;

/// Why bytes are no snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SnapshotFault {
    /// A version that a later Ottla writes.
    Version(u8),
    /// The bytes end too early.
    Short,
    /// Numbers that nobody wrote.
    Fields,
}

const VERSION: u8 = 1;

impl Producers {
    /// Appends the snapshot.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_head(self.len(), out);
        for (id, producer) in self.iter() {
            out.extend_from_slice(&id.0.to_be_bytes());
            out.extend_from_slice(&producer.epoch.0.to_be_bytes());
            out.extend_from_slice(&producer.coordinator_epoch.to_be_bytes());
            out.extend_from_slice(&producer.last_timestamp.0.to_be_bytes());
            out.extend_from_slice(&producer.seen.0.to_be_bytes());
            out.extend_from_slice(&producer.txn_start.unwrap_or(Offset::NONE).0.to_be_bytes());
            out.extend_from_slice(&producer.last_offset.0.to_be_bytes());
            out.push(producer.window.kept().len() as u8);
            for kept in producer.window.kept() {
                out.extend_from_slice(&kept.base_sequence.to_be_bytes());
                out.extend_from_slice(&kept.last_sequence.to_be_bytes());
                out.extend_from_slice(&kept.range.start.0.to_be_bytes());
                out.extend_from_slice(&kept.range.end.0.to_be_bytes());
                out.extend_from_slice(&kept.timestamp.0.to_be_bytes());
            }
        }
    }

    /// Takes a snapshot off `bytes`.
    pub fn decode(bytes: &mut &[u8]) -> Result<Self, SnapshotFault> {
        let count = take_head(bytes)?;
        (0..count).map(|_| Ok((ProducerId(i64::from_be_bytes(take(bytes)?)), take_producer(bytes)?))).collect()
    }
}

impl Epochs {
    /// Appends the snapshot.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_head(self.entries().len(), out);
        for entry in self.entries() {
            out.extend_from_slice(&entry.epoch.0.to_be_bytes());
            out.extend_from_slice(&entry.start.0.to_be_bytes());
        }
    }

    /// Takes a snapshot off `bytes`.
    pub fn decode(bytes: &mut &[u8]) -> Result<Self, SnapshotFault> {
        let count = take_head(bytes)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let epoch = LeaderEpoch(i32::from_be_bytes(take(bytes)?));
            entries.push(EpochStart { epoch, start: Offset(i64::from_be_bytes(take(bytes)?)) });
        }
        Self::from_entries(entries).ok_or(SnapshotFault::Fields)
    }
}

impl Log {
    /// Appends all of it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for offset in [self.start, self.durable, self.end] {
            out.extend_from_slice(&offset.0.to_be_bytes());
        }
        self.epochs.encode(out);
        self.producers.encode(out);
    }

    /// Takes a log off `bytes`.
    pub fn decode(bytes: &mut &[u8]) -> Result<Self, SnapshotFault> {
        let mut offset = || -> Result<Offset, SnapshotFault> { Ok(Offset(i64::from_be_bytes(take(bytes)?))) };
        let (start, durable, end) = (offset()?, offset()?, offset()?);
        if start < Offset::ZERO || start > durable || durable > end {
            return Err(SnapshotFault::Fields);
        }
        Ok(Self { start, durable, end, epochs: Epochs::decode(bytes)?, producers: Producers::decode(bytes)? })
    }
}

fn put_head(count: usize, out: &mut Vec<u8>) {
    out.push(VERSION);
    out.extend_from_slice(&u32::try_from(count).expect("the room bounds its entries").to_be_bytes());
}

fn take_head(bytes: &mut &[u8]) -> Result<u32, SnapshotFault> {
    let [version] = take(bytes)?;
    if version != VERSION {
        return Err(SnapshotFault::Version(version));
    }
    Ok(u32::from_be_bytes(take(bytes)?))
}

fn take_producer(bytes: &mut &[u8]) -> Result<Producer, SnapshotFault> {
    let mut producer = Producer {
        epoch: ProducerEpoch(i16::from_be_bytes(take(bytes)?)),
        coordinator_epoch: i32::from_be_bytes(take(bytes)?),
        last_timestamp: Wall(i64::from_be_bytes(take(bytes)?)),
        seen: Wall(i64::from_be_bytes(take(bytes)?)),
        txn_start: Some(Offset(i64::from_be_bytes(take(bytes)?))).filter(|start| *start != Offset::NONE),
        last_offset: Offset(i64::from_be_bytes(take(bytes)?)),
        window: Window::default(),
    };
    let [batches] = take(bytes)?;
    if usize::from(batches) > limit::PRODUCER_BATCHES_KEPT {
        return Err(SnapshotFault::Fields);
    }
    for _ in 0..batches {
        producer.window.push(KeptBatch {
            base_sequence: i32::from_be_bytes(take(bytes)?),
            last_sequence: i32::from_be_bytes(take(bytes)?),
            range: OffsetRange {
                start: Offset(i64::from_be_bytes(take(bytes)?)),
                end: Offset(i64::from_be_bytes(take(bytes)?)),
            },
            timestamp: Wall(i64::from_be_bytes(take(bytes)?)),
        });
    }
    Ok(producer)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], SnapshotFault> {
    let (taken, rest) = bytes.split_first_chunk::<N>().ok_or(SnapshotFault::Short)?;
    *bytes = rest;
    Ok(*taken)
}

#[cfg(test)]
#[path = "snapshot_test.rs"]
mod snapshot_test;
