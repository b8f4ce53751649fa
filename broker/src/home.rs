//! The data directory as the process sees it: made if missing, locked against a second process, and removed at the end if
//! nothing was to be kept.

use rustix::fs::{Access, FlockOperation, access, flock};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A directory that this process alone uses, until this is dropped.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    is_temporary: bool,
    /// The directory itself, locked as long as it is open; the lock of a killed process is gone. A file made for that would
    /// be left behind in directories that turn out to be somebody else's.
    _lock: File,
}

impl Home {
    /// Makes and locks a directory. The error is a line that says what to do.
    pub fn open(path: &Path) -> Result<Self, String> {
        Self::make(path, false)
    }

    /// A new directory beside those of others, for a broker that keeps nothing. What killed brokers left there is removed.
    pub fn temporary(seed: u64) -> Result<Self, String> {
        let parent = std::env::temp_dir();
        sweep(&parent);
        let name = format!("ottla-{}-{seed:016x}", std::process::id());
        Self::make(&parent.join(name), true)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn make(path: &Path, is_temporary: bool) -> Result<Self, String> {
        let shown = path.display();
        let explain = |fault: io::Error| match fault.kind() {
            io::ErrorKind::PermissionDenied => format!(
                "no permission to write in {shown}: give it to this user, or choose another directory with --set log.dirs=DIR"
            ),
            io::ErrorKind::ReadOnlyFilesystem => {
                format!("{shown} is on a read-only file system: choose another directory with --set log.dirs=DIR")
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                format!("{shown} is a file: choose a directory with --set log.dirs=DIR")
            }
            _ => format!("the data directory {shown} cannot be used: {fault}"),
        };
        if is_temporary { fs::create_dir_all(path) } else { make_for_good(path) }.map_err(explain)?;
        access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).map_err(|fault| explain(fault.into()))?;
        let lock = File::open(path).map_err(explain)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|fault| match fault {
            rustix::io::Errno::WOULDBLOCK => format!(
                "{shown} is in use by another broker: stop that one, or choose another directory with --set log.dirs=DIR"
            ),
            fault => explain(fault.into()),
        })?;
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        Ok(Self { path, is_temporary, _lock: lock })
    }
}

/// Makes a directory and those above it, and flushes the name of each that is new: what is flushed in a directory that nothing leads
/// to is as lost as if it were not.
fn make_for_good(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), make_for_good)?;
    match fs::create_dir(path) {
        // Somebody else was faster.
        Err(_) if path.is_dir() => {}
        made => made?,
    }
    match File::open(above.unwrap_or(Path::new("."))) {
        // One may be let through a directory without being let look into it.
        Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        above => above?.sync_all(),
    }
}

/// Removes the temporary directories of processes that are gone. One that is in use is locked; one whose process is just
/// about to lock it belongs to a process that runs. What cannot be removed is somebody else's.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_left = entry.file_name().to_str().and_then(process_of).is_some_and(|process| !runs(process))
            && path.is_dir()
            && File::open(&path).is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok());
        if is_left && fs::remove_dir_all(&path).is_ok() {
            tracing::info!("{} was left behind by a broker that was killed; it is removed", path.display());
        }
    }
}

/// The process that made a temporary directory of this name.
fn process_of(name: &str) -> Option<u32> {
    let (process, seed) = name.strip_prefix("ottla-")?.split_once('-')?;
    let is_seed = seed.len() == 16 && seed.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_seed { process.parse().ok() } else { None }
}

fn runs(process: u32) -> bool {
    i32::try_from(process)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_none_or(|process| rustix::process::test_kill_process(process) != Err(rustix::io::Errno::SRCH))
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.is_temporary
            && let Err(fault) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!("{} stays behind: {fault}", self.path.display());
        }
    }
}

#[cfg(test)]
#[path = "home_test.rs"]
mod home_test;
