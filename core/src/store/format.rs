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
use alloc::format;
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
    /// The cluster of a new directory, if none is demanded. With neither, a directory must have been made before.
    pub new_cluster: Option<Str>,
    /// Chance, known to nobody outside: the journal of a new directory is salted with it.
    pub new_salt: u64,
}

/// What the names in a directory say of it.
pub(super) enum Found {
    /// A data directory with journal files of these lengths.
    Ours([Option<u64>; 2]),
    /// Nothing.
    Empty,
    /// Journal files without a catalogue: a first start that did not end leaves them empty.
    Remains {
        /// Those that are there.
        journal: VecDeque<&'static str>,
        /// All that is there, for people.
        names: Str,
    },
}

/// Looks at the names in a directory. Refuses one of something else, and one whose catalogue is gone.
pub(super) fn look(entries: &[Entry]) -> Result<Found, RecoveryRefusal> {
    let find = |name: &str| entries.iter().find(|entry| entry.name == name && !entry.is_dir);
    if find(CATALOGUE).is_some() {
        return Ok(Found::Ours(JOURNAL_NAMES.map(|name| find(name).map(|entry| entry.len))));
    }
    // Kafka's directories have a file of this name too, but no journal of ours.
    let has_journal = JOURNAL_NAMES.iter().any(|name| find(name).is_some());
    let is_meta = |entry: &&Entry| has_journal && entry.name == "meta.properties";
    let is_ours =
        |entry: &&Entry| is_meta(entry) || JOURNAL_NAMES.contains(&entry.name.as_str()) || entry.name == CATALOGUE_NEXT;
    // Hidden files and what file systems put into their root are nobody's data.
    let is_nobodys = |entry: &&Entry| entry.name.starts_with('.') || entry.name == "lost+found";
    let others = || entries.iter().filter(|entry| !is_ours(entry) && !is_nobodys(entry));
    if let Some(entry) = others().find(|entry| !is_folder(entry)) {
        return Err(RecoveryRefusal::Foreign { name: Str::from(entry.name.as_str()) });
    }
    let names = summary(entries.iter().filter(|entry| !is_nobodys(entry)));
    if others().next().is_some() {
        return Err(RecoveryRefusal::CatalogueMissing { names });
    }
    let journal: VecDeque<_> = JOURNAL_NAMES.into_iter().filter(|name| find(name).is_some()).collect();
    Ok(if journal.is_empty() { Found::Empty } else { Found::Remains { journal, names } })
}

/// Does it look like the folder of a log?
fn is_folder(entry: &Entry) -> bool {
    let number = entry.name.rsplit_once('-').map_or("", |(_, number)| number);
    entry.is_dir && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The first few names, and how many more there are.
fn summary<'a>(entries: impl Iterator<Item = &'a Entry>) -> Str {
    let names: Vec<&str> = entries.map(|entry| entry.name.as_str()).collect();
    let shown = names[..names.len().min(NAMES_MAX)].join(", ");
    Str::from(match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    })
}

/// Whom a directory belongs to whose file [`CATALOGUE`] holds these bytes.
pub fn owner(catalogue: &[u8], f: &Functions) -> Result<Identity, RecoveryRefusal> {
    Ok(catalogue::read(catalogue, f)?.identity)
}

/// Makes a new directory, one operation after the other. The catalogue comes last: without it nothing has happened.
/// Also says how long a journal file is made.
pub(super) fn plan(
    (identity, salt): (&Identity, u64),
    journal_bytes: u64,
    files: [FileId; 3],
    f: &Functions,
) -> (VecDeque<FileOp>, u64) {
    let half_bytes = (journal_bytes / 2).next_multiple_of(BLOCK_BYTES as u64).max(4 * BLOCK_BYTES as u64);
    // What a first start left that did not end may look as it should and not be so on the device.
    let remains = JOURNAL_NAMES.into_iter().chain([CATALOGUE_NEXT]);
    let mut ops: Vec<FileOp> = remains.map(|name| FileOp::Remove { path: String::from(name) }).collect();
    for (file, name) in files.into_iter().zip(JOURNAL_NAMES) {
        ops.push(FileOp::Open { file, path: String::from(name), mode: OpenMode::Direct });
        ops.push(FileOp::SetLen { file, len: half_bytes });
        ops.push(FileOp::Sync { file });
        ops.push(FileOp::Close { file });
    }
    ops.push(FileOp::SyncDir { path: String::new() });
    let journal = Journal {
        files: [files[0], files[1]],
        half_bytes,
        salt,
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
        mark: Default::default(),
    };
    let bytes = catalogue::write(identity, &journal, 1, &BTreeMap::new(), f);
    let file = files[2];
    ops.push(FileOp::Open { file, path: String::from(CATALOGUE_NEXT), mode: OpenMode::Write });
    ops.push(FileOp::WriteAt { file, at: 0, parts: vec![bytes], durable: true });
    ops.push(FileOp::Close { file });
    ops.push(FileOp::Rename { from: String::from(CATALOGUE_NEXT), to: String::from(CATALOGUE) });
    ops.push(FileOp::SyncDir { path: String::new() });
    (ops.into(), half_bytes)
}

/// So many names are told of a directory that is refused.
const NAMES_MAX: usize = 4;
