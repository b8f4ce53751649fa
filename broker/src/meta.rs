//! `meta.properties`: whose a directory is, in the file in which Kafka's tools look for it (`kafka-metadata-quorum add-controller`
//! reads the directory id there). What counts is the catalogue; this file is written after it, and again if it is missing. One
//! thing stands here alone: with which voters the metadata quorum begins, where the directory was formatted for one of them
//! (KIP-853).

use ottla_core::config::Address;
use ottla_core::quorum::{VoterEndpoint, VoterNode, Voters};
use ottla_core::store::Identity;
use ottla_core::types::{BrokerId, Str, Uuid};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes the file, whole or not at all; returns when it is on the device.
pub fn write(directory: &Path, owner: &Identity, founders: &[Founder]) -> io::Result<()> {
    let Identity { directory: id, cluster, node } = owner;
    let mut text = format!("version=1\ncluster.id={cluster}\nnode.id={}\ndirectory.id={id}\n", node.0);
    if !founders.is_empty() {
        let founders: Vec<String> = founders.iter().map(Founder::to_string).collect();
        text.push_str(&format!("{FOUNDERS}={}\n", founders.join(",")));
    }
    let next = directory.join(format!(".{NAME}.next"));
    let mut file = File::create(&next)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&next, directory.join(NAME))?;
    File::open(directory)?.sync_all()
}

/// The voters that the quorum of this directory begins with; none if it was not formatted for one of them.
///
/// # Errors
/// A line for people: the file cannot be read, or was changed by hand.
pub fn founders(directory: &Path) -> Result<Vec<Founder>, String> {
    let path = directory.join(NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(format!("{}: {fault}", path.display())),
    };
    let line = text.lines().find_map(|line| line.strip_prefix(FOUNDERS)?.trim_start().strip_prefix('='));
    line.map_or(Ok(Vec::new()), parse).map_err(|why| format!("{}: {FOUNDERS}: {why}", path.display()))
}

/// Is the file there?
pub fn is_there(directory: &Path) -> bool {
    directory.join(NAME).exists()
}

/// One of the voters that a quorum begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Founder {
    /// Its number.
    pub id: BrokerId,
    /// Where it is reached.
    pub at: Address,
    /// Its directory.
    pub directory: Uuid,
}

impl std::fmt::Display for Founder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}:{}", self.id.0, self.at, self.directory)
    }
}

/// Reads `ID@HOST:PORT:DIRECTORY_ID`, several of them with commas between, as `kafka-storage format --initial-controllers` does.
///
/// # Errors
/// What is wrong with them, for people.
pub fn parse(text: &str) -> Result<Vec<Founder>, String> {
    let founders: Vec<Founder> = text
        .split(',')
        .map(|item| founder(item.trim()).ok_or_else(|| format!("{item:?} is not ID@HOST:PORT:DIRECTORY_ID")))
        .collect::<Result<_, _>>()?;
    let is_twice = |place: usize| founders[..place].iter().any(|other| other.id == founders[place].id);
    match (0..founders.len()).find(|place| is_twice(*place)) {
        Some(place) => Err(format!("node {} is there twice", founders[place].id.0)),
        None => Ok(founders),
    }
}

fn founder(item: &str) -> Option<Founder> {
    let (id, rest) = item.split_once('@')?;
    let (address, directory) = rest.rsplit_once(':')?;
    let id = id.parse().ok().filter(|id| *id >= 0)?;
    let at = Address::parse(address).filter(|at| at.port != 0 && !at.host.is_empty())?;
    let directory = Uuid::parse(directory).filter(|id| !id.is_zero())?;
    Some(Founder { id: BrokerId(id), at, directory })
}

/// As the quorum knows them, all reached through a listener of this name.
pub fn voters(founders: Vec<Founder>, listener: &Str) -> Voters {
    Voters::new(founders.into_iter().map(|one| VoterNode {
        id: one.id,
        directory: one.directory,
        endpoints: vec![VoterEndpoint { name: listener.clone(), host: one.at.host, port: one.at.port }],
    }))
}

const NAME: &str = "meta.properties";
const FOUNDERS: &str = "ottla.initial.controllers";

#[cfg(test)]
#[path = "meta_test.rs"]
mod meta_test;
