//! What a data directory is before it has a catalogue: nothing, or the remains of a first start that did not end.

use super::catalogue::{self, Identity};
use super::checkpoint::{CATALOGUE, CATALOGUE_NEXT};
use super::journal::{JOURNAL_NAMES, Journal};
use super::recover::RecoveryRefusal;
use crate::boundary::{Entry, FileId, FileOp, OpenMode};
use crate::record::Functions;
use crate::types::limit::BLOCK_BYTES;
use crate::types::{BrokerId, Str, Uuid};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Who opens a directory, and what it becomes if it is new.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Claim {
    /// Who we are.
    pub node: BrokerId,
    /// The cluster that it must belong to, if that is known.
    pub cluster: Option<Str>,
    /// The id of a new directory.
    pub new_directory: Uuid,
    /// The cluster of a new directory, if none is demanded.
    pub new_cluster: Str,
    /// Chance, known to nobody outside: the journal of a new directory is salted with it.
    pub new_salt: u64,
}

/// Is there a catalogue? Refuses a directory of something else.
pub(super) fn is_formatted(entries: &[Entry]) -> Result<bool, RecoveryRefusal> {
    if entries.iter().any(|entry| entry.name == CATALOGUE) {
        return Ok(true);
    }
    let is_ours = |name: &str| JOURNAL_NAMES.contains(&name) || name == CATALOGUE_NEXT;
    // Hidden files and what file systems put into their root are nobody's data.
    let is_nobodys = |name: &str| name.starts_with('.') || name == "lost+found";
    match entries.iter().find(|entry| !is_ours(&entry.name) && !is_nobodys(&entry.name)) {
        Some(entry) => Err(RecoveryRefusal::Foreign { name: Str::from(entry.name.as_str()) }),
        None => Ok(false),
    }
}

/// Makes a new directory, one operation after the other. The catalogue comes last: without it nothing has happened.
pub(super) fn plan(claim: &Claim, journal_bytes: u64, files: [FileId; 3], f: &Functions) -> VecDeque<FileOp> {
    let half_bytes = (journal_bytes / 2).next_multiple_of(BLOCK_BYTES as u64).max(4 * BLOCK_BYTES as u64);
    let mut ops = Vec::new();
    for (file, name) in files.into_iter().zip(JOURNAL_NAMES) {
        ops.push(FileOp::Open { file, path: String::from(name), mode: OpenMode::Direct });
        ops.push(FileOp::SetLen { file, len: half_bytes });
        ops.push(FileOp::Sync { file });
        ops.push(FileOp::Close { file });
    }
    ops.push(FileOp::SyncDir { path: String::new() });
    let identity = Identity {
        directory: claim.new_directory,
        cluster: claim.cluster.clone().unwrap_or_else(|| claim.new_cluster.clone()),
        node: claim.node,
    };
    let journal = Journal {
        files: [files[0], files[1]],
        half_bytes,
        salt: claim.new_salt,
        generation: 1,
        at: 0,
        sequence: 1,
        flushed: 1,
        chain: 0,
        logs_before: Vec::new(),
        is_open: true,
        is_other_free: true,
        bypassed: 0,
        graves: Vec::new(),
        voided: Vec::new(),
    };
    let bytes = catalogue::write(&identity, &journal, 1, &BTreeMap::new(), f);
    let file = files[2];
    ops.push(FileOp::Open { file, path: String::from(CATALOGUE_NEXT), mode: OpenMode::Write });
    ops.push(FileOp::WriteAt { file, at: 0, parts: vec![bytes], durable: true });
    ops.push(FileOp::Close { file });
    ops.push(FileOp::Rename { from: String::from(CATALOGUE_NEXT), to: String::from(CATALOGUE) });
    ops.push(FileOp::SyncDir { path: String::new() });
    ops.into()
}
