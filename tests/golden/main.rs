//! Data directories of every released format: today's broker opens each, as it was left by an orderly stop and by kill -9,
//! and finds everything in it.
//!
//! A release adds its own with `UPDATE=1 cargo test -p ottla-tests --test golden`, which fills a directory by
//! [`content::write`] and packs it into `golden/<version>/`, beside what [`content::told`] says of it. Nothing there is ever
//! changed afterwards.

mod content;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use content::{Peer, acknowledged_again, told, write};
use ottla_tests::harness::broker::{Broker, Kind, Purpose};
use ottla_tests::harness::tools;

/// How the broker ended that wrote a directory.
const ENDS: [&str; 2] = ["stopped", "killed"];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn broker() -> Broker {
    // What was written years ago is not to be gone because of it.
    let settings = [
        ("ottla.journal.bytes", "4194304"),
        ("offsets.topic.num.partitions", "4"),
        ("offsets.retention.minutes", "2147483647"),
        ("producer.id.expiration.ms", "2147483647"),
        ("group.initial.rebalance.delay.ms", "0"),
    ];
    Broker::make(Kind::Ottla, Purpose::Test, &settings)
}

fn tar(arguments: &[&str]) {
    tools::finish(Command::new("tar").args(arguments), "tar");
}

fn make(end: &str) {
    let folder = golden().join(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(&folder).expect("a folder can be made");
    let mut broker = broker();
    broker.restart();
    write(&mut Peer::connect(&broker.address()));
    let text = told(&mut Peer::connect(&broker.address()));
    if end == "stopped" {
        assert_eq!(broker.terminate(), Some(0));
    } else {
        broker.kill_9();
    }
    fs::write(folder.join(format!("{end}.txt")), text).expect("a file can be written");
    let (archive, data) = (folder.join(format!("{end}.tar.gz")), broker.data());
    let paths = [&archive, &data].map(|path| path.to_str().expect("a plain path").to_owned());
    tar(&[
        "--sparse",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "-czf",
        &paths[0],
        "-C",
        &paths[1],
        "--exclude=.lock",
        ".",
    ]);
}

#[test]
fn every_released_format_is_opened_and_read() {
    if std::env::var_os("UPDATE").is_some() {
        ENDS.iter().for_each(|end| make(end));
    }
    let mut versions: Vec<PathBuf> = fs::read_dir(golden())
        .expect("our folder")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    versions.sort();
    assert!(!versions.is_empty(), "there is a released format");
    for (version, end) in versions.iter().flat_map(|version| ENDS.map(|end| (version, end))) {
        let what = format!("{} {end}", version.display());
        let expected = fs::read_to_string(version.join(format!("{end}.txt"))).unwrap_or_else(|_| panic!("{what}"));
        let mut broker = broker();
        let paths = [version.join(format!("{end}.tar.gz")), broker.data()];
        let paths = paths.map(|path| path.to_str().expect("a plain path").to_owned());
        tar(&["-xzf", &paths[0], "-C", &paths[1]]);
        broker.restart();
        assert_eq!(told(&mut Peer::connect(&broker.address())), expected, "{what}");
        acknowledged_again(&mut Peer::connect(&broker.address()));
        // And as this version leaves it.
        assert_eq!(broker.terminate(), Some(0));
        broker.restart();
        assert_eq!(told(&mut Peer::connect(&broker.address())), expected, "{what}, opened once before");
    }
}
