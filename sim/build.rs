//! Puts the fingerprint of the sources into the program: what its ledger says is of these, wherever it is run later.

mod tree;

use std::hash::DefaultHasher;
use std::process::Command;

fn main() {
    let top = tree::top();
    for source in tree::SOURCES {
        println!("cargo:rerun-if-changed={}", top.join(source).display());
    }
    let fingerprint = tree::digest(&top, &tree::SOURCES, DefaultHasher::new());
    println!("cargo:rustc-env=OTTLA_SOURCES={fingerprint:010x}");
    println!("cargo:rustc-env=OTTLA_COMMIT={}", commit().unwrap_or_default());
}

/// The commit that brought these sources, if there is one. It is told and nothing rests on it.
fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let said = Command::new("git").arg("-C").arg(tree::top()).args(args).args(tree::SOURCES).output().ok()?;
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    if !git(&["status", "--porcelain", "--"])?.is_empty() {
        return None;
    }
    git(&["log", "-1", "--format=%h", "--"])
}
