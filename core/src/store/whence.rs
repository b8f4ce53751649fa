//! Where a log comes from: what its directory remembers of moves between directories, so that of two copies exactly one counts, however
//! and whenever a process ended, and whichever directories the next one finds.
//!
//! ```text
//!                     the directory it leaves                      the directory it goes to
//!   copying                                                          Future: a copy that does not count
//!   leaving             Leave(copy)                                     │
//!   promoting              │                                         Promote: it counts, over that copy
//!   clearing            Delete                                          │
//!                                                                    changes go on
//!   Stay: the copy to which it was leaving never counts, whatever its directory says when it is seen again
//! ```
//!
//! Each step is for good before the next is begun, and no change is made to either copy from Leave on until Delete, or Stay, is. So
//! as long as both copies are there they hold the same, and whoever is found alone holds everything. One that is found alone while
//! it was leaving stays: from then on it has changes that the other lacks.

use super::parse::{Parse, Put};
use crate::boundary::CopyId;
use crate::types::Uuid;
use alloc::vec::Vec;

/// What a copy of a log knows of others.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Whence {
    /// It does not count.
    pub is_future: bool,
    /// The copy that it may be left for.
    pub leaving: Option<CopyId>,
    /// Copies that it, or one before it, was made from: they do not count beside it.
    pub over: Vec<CopyId>,
    /// Copies that were made of it, or of one before it, and that never count.
    pub stays: Vec<CopyId>,
}

impl Whence {
    /// Does this copy count, and not the other one?
    pub fn is_over(&self, (own, other): (CopyId, CopyId), others: &Self) -> bool {
        let denies = |one: &Self, id: CopyId| one.stays.contains(&id);
        match (denies(self, other), denies(others, own)) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => self.over.contains(&other),
        }
    }

    /// It is not left.
    pub(super) fn stay(&mut self) {
        if let Some(copy) = self.leaving.take() {
            remember(&mut self.stays, copy);
        }
    }

    /// What a copy that is made of this one, whose name is `own`, is to know.
    pub(super) fn passed_on(&self, own: CopyId) -> (Vec<CopyId>, Vec<CopyId>) {
        let mut over = self.over.clone();
        remember(&mut over, own);
        (over, self.stays.clone())
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.u8(self.is_future.into());
        write_copies(self.leaving.as_slice(), out);
        write_copies(&self.over, out);
        write_copies(&self.stays, out);
    }

    pub(super) fn read(parse: &mut Parse<'_>) -> Option<Self> {
        let is_future = parse.u8()? != 0;
        let leaving = read_copies(parse)?.first().copied();
        Some(Self { is_future, leaving, over: read_copies(parse)?, stays: read_copies(parse)? })
    }
}

fn remember(copies: &mut Vec<CopyId>, copy: CopyId) {
    copies.retain(|known| *known != copy);
    if copies.len() == COPIES_REMEMBERED_MAX {
        copies.remove(0);
    }
    copies.push(copy);
}

pub(super) fn write_copies(copies: &[CopyId], out: &mut Vec<u8>) {
    out.u32(copies.len() as u32);
    for copy in copies {
        out.put(&copy.directory.0);
        out.u32(copy.number);
    }
}

pub(super) fn read_copies(parse: &mut Parse<'_>) -> Option<Vec<CopyId>> {
    let count = parse.u32()?;
    (0..count).map(|_| Some(CopyId { directory: Uuid(parse.id()?), number: parse.u32()? })).collect()
}

/// So many copies are remembered, the newest. One that is forgotten was deleted moves ago; if a disk brings it back after all, the
/// broker does not start before one of the two is taken away.
const COPIES_REMEMBERED_MAX: usize = 32;

#[cfg(test)]
#[path = "whence_test.rs"]
mod whence_test;
