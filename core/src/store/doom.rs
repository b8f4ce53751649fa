//! Files that are to go. What made them superfluous is in the journal for good, and nobody uses them any more, before
//! they are removed; their names are not used again before they are gone.

use super::ops::Purpose;
use super::segment::{Segment, index_path, segment_path};
use super::{Store, StoreOut};
use crate::boundary::{FileDone, FileFault, FileId, FileOp};
use crate::types::Offset;
use alloc::string::String;
use alloc::vec::Vec;

/// A segment, or with none given a whole log, whose files are to go.
#[derive(Debug)]
pub(super) struct Doomed {
    pub(super) log: u32,
    pub(super) segment: Option<Offset>,
    pub(super) folder: String,
    /// Handles to be closed first.
    pub(super) files: Vec<FileId>,
    /// Its name once the removal is under way, and how many operations of it are.
    pub(super) removing: Option<(u64, u32)>,
}

impl Doomed {
    /// These segments of one log.
    pub(super) fn segments(log: u32, folder: &str, segments: Vec<Segment>) -> impl Iterator<Item = Self> {
        segments.into_iter().map(move |segment| Self {
            log,
            segment: Some(segment.base),
            folder: folder.into(),
            files: segment.writer.and_then(|writer| writer.file).into_iter().collect(),
            removing: None,
        })
    }
}

impl Store {
    /// Is a file of this name still about to go?
    pub(super) fn is_doomed(&self, folder: &str, segment: Offset) -> bool {
        self.doomed.iter().any(|doomed| doomed.folder == folder && doomed.segment.is_none_or(|base| base == segment))
    }

    /// Removes what nobody uses any more.
    pub(super) fn reap(&mut self, out: &mut Vec<StoreOut>) {
        if self.health.is_offline {
            return;
        }
        for at in 0..self.doomed.len() {
            let doomed = &self.doomed[at];
            // An earlier log of that name may still be busy in the folder.
            let is_behind = |other: &Doomed| other.folder == doomed.folder && other.log < doomed.log;
            let is_busy = self.ops.is_busy(doomed.log, doomed.segment);
            if doomed.removing.is_some() || is_busy || self.doomed.iter().any(is_behind) {
                continue;
            }
            let doomed = &mut self.doomed[at];
            doomed.files.extend(self.reads.forget(doomed.log, doomed.segment));
            doomed.files.drain(..).for_each(|file| self.ops.close(file, out));
            self.reads.removals += 1;
            let name = self.reads.removals;
            let paths = match doomed.segment {
                Some(base) => [Some(segment_path(&doomed.folder, base)), Some(index_path(&doomed.folder, base))],
                None => [Some(doomed.folder.clone()), None],
            };
            let mut count = 0;
            for path in paths.into_iter().flatten() {
                count += 1;
                self.ops.ask(Purpose::Remove(name), FileOp::Remove { path }, out);
            }
            doomed.removing = Some((name, count));
        }
    }

    /// One removal ended.
    pub(super) fn removed(&mut self, name: u64, outcome: Result<FileDone, FileFault>, out: &mut Vec<StoreOut>) {
        if outcome.is_err_and(|fault| fault != FileFault::NotFound) {
            self.go_offline(out);
            return;
        }
        let at = self.doomed.iter().position(|doomed| doomed.removing.is_some_and(|(known, _)| known == name));
        let at = at.expect("a removal is under way until it has ended");
        let Some((_, count)) = &mut self.doomed[at].removing else {
            unreachable!("found by it");
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        let gone = self.doomed.swap_remove(at);
        if gone.segment.is_none() {
            // The folder itself is gone: nothing in it can be flushed.
            self.folders.remove(&gone.folder);
            self.folders.insert(String::new());
        } else {
            self.folders.insert(gone.folder);
        }
        // Whoever waited for the name goes on.
        core::mem::take(&mut self.health.stalled).into_iter().for_each(|key| self.drive(key, out));
        self.advance_checkpoint(out);
    }
}
