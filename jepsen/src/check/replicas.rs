//! The files of all replicas, after every broker has ended in order: batch by batch the same bytes.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Findings, Kind};

/// What was compared.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Compared {
    /// Partitions.
    pub partitions: usize,
    /// Bytes of one replica of each.
    pub bytes: u64,
    /// Batches of one replica of each.
    pub batches: u64,
}

/// Compares the logs of the topics with this prefix in the data folders of brokers, of which each has `replicas`.
pub fn judge(folders: &[PathBuf], prefix: &str, replicas: usize, findings: &mut Findings) -> io::Result<Compared> {
    let mut names: Vec<String> = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with(prefix) {
                names.push(name);
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    let mut compared = Compared { partitions: names.len(), ..Compared::default() };
    for name in names {
        let homes: Vec<PathBuf> =
            folders.iter().map(|folder| folder.join(&name)).filter(|home| home.is_dir()).collect();
        if homes.len() != replicas {
            findings.add(Kind::Diverged, format!("{name} has {} replicas on disk, not {replicas}", homes.len()));
        }
        let (bytes, batches) = compare(&name, &homes, findings)?;
        compared.bytes += bytes;
        compared.batches += batches;
    }
    Ok(compared)
}

/// Compares the replicas of one partition, and gives bytes and batches of the first.
fn compare(name: &str, homes: &[PathBuf], findings: &mut Findings) -> io::Result<(u64, u64)> {
    let mut readers: Vec<Batches> = homes.iter().map(|home| Batches::open(home)).collect::<io::Result<_>>()?;
    let (mut bytes, mut batches) = (0, 0);
    loop {
        let found: Vec<Option<Vec<u8>>> = readers.iter_mut().map(Batches::next).collect::<io::Result<_>>()?;
        if let Some(at) = found.iter().position(|batch| *batch != found[0]) {
            let offsets: Vec<String> = [0, at].iter().map(|at| shown(&homes[*at], found[*at].as_deref())).collect();
            findings.add(Kind::Diverged, format!("{name}: {}", offsets.join(", ")));
            return Ok((bytes, batches));
        }
        let Some(Some(batch)) = found.first() else { return Ok((bytes, batches)) };
        bytes += batch.len() as u64;
        batches += 1;
    }
}

fn shown(home: &Path, batch: Option<&[u8]>) -> String {
    let what = match batch {
        None => "ends".to_owned(),
        Some(batch) => {
            let number = |at: usize, width: usize| {
                batch[at..at + width].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
            };
            format!("has a batch at offset {} of epoch {}, {} bytes", number(0, 8), number(12, 4), batch.len())
        }
    };
    format!("{} {what}", home.display())
}

/// The batches of a log, over all of its segments.
struct Batches {
    /// Those that are not open yet, the next one last.
    segments: Vec<PathBuf>,
    open: Option<BufReader<File>>,
}

impl Batches {
    fn open(home: &Path) -> io::Result<Batches> {
        let entries = fs::read_dir(home)?.collect::<io::Result<Vec<_>>>()?;
        let paths = entries.into_iter().map(|entry| entry.path());
        let mut segments: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
        // Named by their first offset, with zeros in front.
        segments.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Batches { segments, open: None })
    }

    /// The next batch, whole; a segment ends with the file, or with the zeros of room made ahead.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(file) = &mut self.open else {
                let Some(path) = self.segments.pop() else { return Ok(None) };
                self.open = Some(BufReader::with_capacity(BUFFER_BYTES, File::open(path)?));
                continue;
            };
            let mut batch = vec![0; PREFIX_BYTES];
            let is_there = file.read_exact(&mut batch).map(|()| true).or_else(|fault| match fault.kind() {
                io::ErrorKind::UnexpectedEof => Ok(false),
                _ => Err(fault),
            })?;
            let length = u32::from_be_bytes([batch[8], batch[9], batch[10], batch[11]]) as usize;
            if !is_there || length == 0 {
                self.open = None;
                continue;
            }
            batch.resize(PREFIX_BYTES + length, 0);
            file.read_exact(&mut batch[PREFIX_BYTES..])?;
            return Ok(Some(batch));
        }
    }
}

/// Base offset and length, before the rest of a batch.
const PREFIX_BYTES: usize = 12;
const BUFFER_BYTES: usize = 1 << 18;

#[cfg(test)]
#[path = "replicas_test.rs"]
mod replicas_test;
