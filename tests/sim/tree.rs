//! What is under test, as one number: a fingerprint of the sources of the broker and of the simulator. It needs no version
//! control, so it is the same in a working tree, in a clean clone and in an unpacked archive; and a change to a document
//! leaves it alone, since it cannot change what a seed does.

use ottla_core::boundary::Digest;
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

/// What the programs under test are made of.
const SOURCES: [&str; 6] = [".cargo", "Cargo.lock", "Cargo.toml", "broker", "core", "sim"];

/// The top of the repository.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package has a parent").to_owned()
}

/// The fingerprint: paths and contents of all sources. Small enough that seeds can be counted on from it.
pub fn digest(top: &Path) -> u64 {
    let mut digest = Digest::default();
    for path in files(top) {
        let name = path.strip_prefix(top).expect("it lies below the top").to_string_lossy().replace('\\', "/");
        digest.write(name.as_bytes());
        digest.write(&fs::read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display())));
    }
    digest.finish() >> 24
}

/// All sources, in the order of their paths.
fn files(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = SOURCES.iter().map(|name| top.join(name)).filter(|path| path.exists()).collect();
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

#[test]
fn equal_sources_have_equal_seeds_and_any_change_to_them_shows() {
    let top = std::env::temp_dir().join(format!("ottla-tree-{}", std::process::id()));
    let put = |path: &str, text: &str| {
        let path = top.join(path);
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    put("core/src/lib.rs", "one");
    put("sim/src/lib.rs", "two");
    let first = digest(&top);
    put("docs/testing.md", "words");
    put("target/junk", "built");
    assert_eq!(digest(&top), first, "only sources count");
    put("core/src/lib.rs", "One");
    let second = digest(&top);
    put("core/src/lib.rs", "one");
    put("core/src/more.rs", "");
    assert!(digest(&top) != first && second != first, "contents and names count");
    fs::remove_dir_all(&top).expect("the folder can go");
}
