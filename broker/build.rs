//! Puts the commit into the program that its sources are of, so that what it recorded can be replayed by a simulator of the same. An
//! unpacked archive has none, and is built all the same.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the program is made of.
const SOURCES: [&str; 6] = ["Cargo.lock", "Cargo.toml", "core", "broker/Cargo.toml", "broker/build.rs", "broker/src"];

fn main() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package has a parent").to_owned();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", top.join(source).display());
    }
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    let commit = commit(&top).unwrap_or_default();
    let shown = if commit.is_empty() { version } else { format!("{version} ({commit})") };
    // Not `OTTLA_…`: cargo gives these to what it runs, and such variables are settings there.
    println!("cargo::rustc-env=BUILT_COMMIT={commit}");
    println!("cargo::rustc-env=BUILT_VERSION={shown}");
}

/// The last commit that changed these sources, with a `+` if they were changed since. None without git, and in an archive that was
/// unpacked within somebody else's working tree.
fn commit(top: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let said = Command::new("git").arg("-C").arg(top).args(args).output().ok()?;
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let of_sources = |args: &[&'static str]| git(&[args, &["--"], &SOURCES].concat());
    let root = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if root.canonicalize().ok()? != top.canonicalize().ok()? {
        return None;
    }
    let commit = of_sources(&["log", "-1", "--abbrev=10", "--format=%h"]).filter(|commit| !commit.is_empty())?;
    let changes = of_sources(&["status", "--porcelain"])?;
    Some(if changes.is_empty() { commit } else { commit + "+" })
}
