//! What is under test, as one number: a fingerprint of the sources of the broker and of the simulator. It needs no version
//! control, so it is the same in a working tree, in a clean clone and in an unpacked archive; and a change to a document
//! leaves it alone, since it cannot change what a seed does. The build of the simulator puts its own into the program; the
//! tests draw seeds from it.

use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

/// What the simulator is made of.
pub const SOURCES: [&str; 5] = [".cargo", "Cargo.lock", "Cargo.toml", "core", "sim"];

/// The top of the repository.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package has a parent").to_owned()
}

/// The fingerprint: paths and contents of all sources. Small enough that seeds can be counted on from it.
pub fn digest(top: &Path, sources: &[&str], mut digest: impl Hasher) -> u64 {
    for path in files(top, sources) {
        let name = path.strip_prefix(top).expect("it lies below the top").to_string_lossy().replace('\\', "/");
        digest.write(name.as_bytes());
        digest.write(&fs::read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display())));
    }
    digest.finish() >> 24
}

/// All sources, in the order of their paths.
fn files(top: &Path, sources: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = sources.iter().map(|name| top.join(name)).filter(|path| path.exists()).collect();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
            waiting.extend(entries.map(|entry| entry.expect("a readable folder").path()));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
