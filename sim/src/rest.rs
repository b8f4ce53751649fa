//! What lies on a disk that nobody works on: for judges outside of the simulator's own world.

use crate::check::Reader;
use crate::disk::Disk;
use ottla_core::store::StoreConfig;
use ottla_core::types::{LogId, Offset, Str};
use std::collections::BTreeMap;

/// A log at rest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Its topic.
    pub topic: Str,
    /// The first offset still kept.
    pub start: Offset,
    /// The first offset behind the last record.
    pub end: Offset,
    /// Every batch as it lies there, by its base offset.
    pub batches: BTreeMap<i64, Vec<u8>>,
}

/// Every log that recovery finds on the disk of this machine, counted from 0, if its power fails now and nothing is left that was
/// not flushed.
///
/// # Errors
/// The directory, or a log in it, cannot be read; the text says why.
pub fn logs(disk: &Disk, machine: usize, config: StoreConfig) -> Result<BTreeMap<LogId, Kept>, String> {
    let (mut reader, recovered) = Reader::open(disk.durable_copy().into(), machine, &config)?;
    let mut found = BTreeMap::new();
    for log in recovered.logs {
        if !log.is_online {
            return Err(format!("{}-{} cannot be read", log.spec.topic, log.id.partition));
        }
        let batches = reader.batches(log.id, (log.start, log.end))?;
        found.insert(log.id, Kept { topic: log.spec.topic, start: log.start, end: log.end, batches });
    }
    Ok(found)
}
