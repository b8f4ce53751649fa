//! Puts the fingerprint of the sources into the program: what its ledger says is of these, wherever it is run later.

mod tree;

use std::hash::DefaultHasher;

fn main() {
    let top = tree::top();
    for source in tree::SOURCES {
        println!("cargo:rerun-if-changed={}", top.join(source).display());
    }
    let fingerprint = tree::digest(&top, &tree::SOURCES, DefaultHasher::new());
    println!("cargo:rustc-env=OTTLA_SOURCES={fingerprint:010x}");
}
