//! The data directory's place: writes to files that were opened in it go well even if it is removed, or another one is put
//! in its place, and then nobody finds them any more.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::error;

/// Where a directory is, and which it was in the beginning.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    /// Device and inode.
    identity: Option<(u64, u64)>,
    is_lost: AtomicBool,
}

impl Root {
    /// The directory that is there now.
    pub(super) fn new(path: &Path) -> Self {
        let identity = fs::metadata(path).ok().map(|facts| (facts.dev(), facts.ino()));
        Self { path: path.to_path_buf(), identity, is_lost: AtomicBool::new(false) }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Was it seen to be gone? With `looks` that is looked at now. Once lost it stays so, whatever comes back.
    pub(super) fn is_lost(&self, looks: bool) -> bool {
        if self.is_lost.load(Ordering::Acquire) {
            return true;
        }
        if !looks {
            return false;
        }
        let is_lost = match fs::metadata(&self.path) {
            Ok(facts) => self.identity.is_some_and(|identity| identity != (facts.dev(), facts.ino())),
            // Anything else is said by whoever needs the directory.
            Err(fault) => matches!(fault.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        };
        if is_lost && !self.is_lost.swap(true, Ordering::AcqRel) {
            error!(
                "the data directory {} was removed, renamed or replaced under this broker: nothing is written any more",
                self.path.display()
            );
        }
        is_lost
    }
}
