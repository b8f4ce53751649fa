//! The metadata log, batch by batch → the image. Knows what a snapshot is: a run of records in the log itself, between
//! a header and a footer, that says again what everything before it said.
//!
//! ```text
//!   … records │ SnapshotHeader  all records of the image  SnapshotFooter │ records …
//!             └ once all of it is committed the log may begin here
//! ```
//!
//! Whoever reads from the beginning of the log builds the image from the run; whoever knows what came before passes it
//! over. A run without its footer was broken off: the next reign begins with a LeaderChange, and the log never begins
//! with such a run, since it is cut only when the footer is committed.

use super::record::read_batch;
use super::{Delta, Image, advance};
use crate::record::{CheckedBatch, ControlKind, Functions};
use crate::types::{Offset, Str};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Where a reader of the metadata log stands.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Replay {
    image: Arc<Image>,
    place: Place,
    bytes: u64,
    /// Where the run began that is being read.
    run: Offset,
    /// Where the last whole run began, until somebody takes note of it.
    saved: Option<Offset>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Place {
    /// Nothing was read yet.
    #[default]
    Beginning,
    /// Among ordinary records.
    Outside,
    /// In a run that the log begins with.
    First,
    /// In a run that says what is known.
    Again,
}

impl From<Arc<Image>> for Replay {
    /// Goes on where an image ends.
    fn from(image: Arc<Image>) -> Self {
        let place = if image.end() == Offset::ZERO { Place::Beginning } else { Place::Outside };
        Self { image, place, ..Self::default() }
    }
}

impl Replay {
    /// What the log says so far.
    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// Bytes of batches that a reader would have to read beside the last snapshot.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The image is that of the log: none of a snapshot is missing that is all the log begins with.
    pub fn is_whole(&self) -> bool {
        matches!(self.place, Place::Outside | Place::Again)
    }

    /// Where a snapshot begins that was read to its end, told once: nothing before it is needed any more.
    pub fn take_saved(&mut self) -> Option<Offset> {
        self.saved.take()
    }

    /// Takes the next committed batch. The delta is what it changed; the error, for people, says why this version cannot
    /// go on.
    pub fn take(&mut self, batch: &CheckedBatch, f: &Functions) -> Result<Option<Delta>, Str> {
        let mut delta = None;
        self.bytes += batch.bytes_len() as u64;
        if batch.header().attributes.is_control() {
            self.pass_control(batch, f)?;
        } else if self.place != Place::Again {
            let records = read_batch(batch, f)?;
            let (image, changed) = advance(&self.image, batch.base_offset(), &records)
                .map_err(|unfit| Str::from(format!("a record of kind {}: {}", unfit.kind, unfit.why)))?;
            self.image = image;
            delta = Some(changed);
        }
        if self.place == Place::Beginning {
            self.place = Place::Outside;
        }
        if self.image.end() != batch.end_offset() {
            Arc::make_mut(&mut self.image).end = batch.end_offset();
        }
        Ok(delta)
    }

    fn pass_control(&mut self, batch: &CheckedBatch, f: &Functions) -> Result<(), Str> {
        let mut scratch = Vec::new();
        let walk = batch.walk(f, &mut scratch).map_err(|fault| Str::from(format!("{fault:?}")))?;
        for placed in walk {
            let record = placed.map_err(|fault| Str::from(format!("{fault:?}")))?.record;
            let kind =
                record.key.and_then(ControlKind::from_key).ok_or(Str::from_static("an unknown control record"))?;
            self.place = match (kind, self.place) {
                (ControlKind::SnapshotHeader, Place::Beginning) => {
                    self.run = batch.base_offset();
                    Place::First
                }
                (ControlKind::SnapshotHeader, Place::Outside | Place::Again) => {
                    self.run = batch.base_offset();
                    Place::Again
                }
                (ControlKind::SnapshotFooter, Place::First | Place::Again) => {
                    self.bytes = 0;
                    self.saved = Some(self.run);
                    Place::Outside
                }
                (ControlKind::LeaderChange, Place::Beginning | Place::Outside | Place::Again) => Place::Outside,
                (ControlKind::KRaftVersion | ControlKind::KRaftVoters, place) => place,
                (ControlKind::LeaderChange | ControlKind::SnapshotHeader, Place::First)
                | (ControlKind::SnapshotFooter, Place::Beginning | Place::Outside)
                | (ControlKind::Abort | ControlKind::Commit, _) => {
                    return Err(Str::from(format!("{kind:?} where none can be")));
                }
            };
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "replay_test.rs"]
mod replay_test;
