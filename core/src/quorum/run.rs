//! A snapshot: the whole image once more, between a header and a footer, so that the log before it can go. It lies in
//! the log like everything else: it is committed, read and copied to followers by what commits, reads and copies records.

use super::change::voters_at;
use super::{NotLeader, Quorum, Role};
use crate::msg::record::control::{SnapshotFooterRecord, SnapshotHeaderRecord};
use crate::record::{Builder, CheckedBatch, ControlKind, Functions, NewRecord, Record, quorum_control};
use crate::types::{Now, Offset};
use crate::wire::encode_message;
use alloc::vec::Vec;
use bytes::Bytes;

/// Batches of a run are closed when they reach this size.
const BATCH_BYTES: usize = 512 << 10;

/// A run that is on its way into the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Run {
    /// Offset of its header.
    pub(super) from: Offset,
    /// First offset behind its footer.
    pub(super) end: Offset,
}

impl Quorum {
    /// Whether so much was written since the last snapshot that the leader should take one.
    pub fn wants_snapshot(&self, bytes_between: u64) -> bool {
        self.run.is_none() && self.bytes_unsaved >= bytes_between && self.is_leader()
    }

    /// Puts a snapshot at the end of the log: `records` make the image of everything before. When the run is committed,
    /// [`super::QuorumOut::Trim`] comes out.
    pub fn snapshot(&mut self, records: &[Bytes], now: Now, f: &Functions) -> Result<Vec<CheckedBatch>, NotLeader> {
        let Role::Leader(leader) = &self.role else { return Err(NotLeader) };
        let (from, term) = (self.log.end(), leader.term);
        let header =
            SnapshotHeaderRecord { last_contained_log_timestamp: now.wall.0, ..SnapshotHeaderRecord::default() };
        let header = encode_message(&header, 0).expect("every field has this version");
        let mut batches = alloc::vec![quorum_control(ControlKind::SnapshotHeader, &header, (from, term), now.wall, f)];
        if self.electorate.is_changing() {
            batches.extend(voters_at(self.electorate.now(), (from.plus(1), term), now.wall, f));
        }
        let mut end = batches.last().map_or(from, CheckedBatch::end_offset);
        let mut rest = records;
        while !rest.is_empty() {
            let mut builder = Builder::new().at(end, term);
            while let [value, behind @ ..] = rest
                && (builder.count() == 0 || builder.bytes_len() + value.len() <= BATCH_BYTES)
            {
                builder.push(&NewRecord { timestamp: now.wall, key: None, value: Some(value), headers: &[] });
                rest = behind;
            }
            let batch = builder.build_plain(f);
            end = batch.end_offset();
            batches.push(batch);
        }
        let footer = encode_message(&SnapshotFooterRecord::default(), 0).expect("every field has this version");
        batches.push(quorum_control(ControlKind::SnapshotFooter, &footer, (end, term), now.wall, f));
        batches.iter().for_each(|batch| self.log.append(batch, now.wall));
        self.run = Some(Run { from, end: end.plus(1) });
        self.bytes_unsaved = 0;
        Ok(batches)
    }

    /// Where a snapshot begins of which not all is committed yet.
    pub fn open_run(&self) -> Option<Offset> {
        self.run.map(|run| run.from)
    }

    /// The next batch of a log that may begin with a snapshot.
    pub(super) fn look_for_footer(&mut self, batch: &CheckedBatch) {
        if self.whole_at.is_none() && control_kind(batch) == Some(ControlKind::SnapshotFooter) {
            self.whole_at = Some(batch.end_offset());
        }
    }

    /// Is all of the snapshot here that the log begins with? Whoever began anew where its leader's log does, and has got only a part of
    /// it when its process starts, takes those for voters who once were: it does not stand. A majority has the rest.
    ///
    /// ```text
    ///   before   │ … records, voters {2,3}, records        │
    ///   anew                            (nothing is kept)    │ header │          voters, image and footer are yet to come
    ///                                                        ▲ the leader's log begins here
    /// ```
    pub(super) fn is_whole(&self) -> bool {
        self.whole_at.is_some_and(|at| at <= self.log.end())
    }
}

fn control_kind(batch: &CheckedBatch) -> Option<ControlKind> {
    let is_control = batch.header().attributes.is_control();
    let first = Record::take(&mut &batch.body()[..]).ok().filter(|_| is_control)?;
    ControlKind::from_key(first.key?)
}
