//! Licences, bans, sources and duplicates, over `cargo metadata`. The rules are `licences.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::files::run;

#[derive(Deserialize)]
struct Rules {
    allowed: Vec<String>,
    source: String,
    duplicates: Vec<String>,
    banned: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    name: String,
    why: String,
}

/// What cargo says of the packages that we build.
#[derive(Deserialize)]
pub struct Metadata {
    /// Ours and those we build on.
    pub packages: Vec<Package>,
}

/// One package; ours have no source.
#[derive(Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Where it comes from, if not from this repository.
    pub source: Option<String>,
    /// What it asks for, of every kind.
    pub dependencies: Vec<Dependency>,
    version: String,
    license: Option<String>,
}

/// The name of a package that another asks for.
#[derive(Deserialize)]
pub struct Dependency {
    /// As its registry knows it.
    pub name: String,
}

/// The packages of the platform that we are on.
pub fn metadata() -> Metadata {
    let args = ["metadata", "--format-version=1", "--locked", "--filter-platform=x86_64-unknown-linux-gnu"];
    serde_json::from_str(&run(env!("CARGO"), &args)).expect("cargo metadata prints JSON")
}

/// Every package that breaks a rule.
pub fn findings() -> Vec<String> {
    let rules: Rules = toml::from_str(include_str!("licences.toml")).expect("licences.toml holds the rules");
    let metadata = metadata();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut findings = Vec::new();
    for package in metadata.packages.iter() {
        let name = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().unwrap_or("none");
        versions.entry(&package.name).or_default().push(&package.version);
        if !passes(licence, &rules.allowed) {
            findings.push(format!("{name}: licence {licence}"));
        }
        if let Some(source) = package.source.as_ref().filter(|source| **source != rules.source) {
            findings.push(format!("{name}: comes from {source}"));
        }
        let bans = rules.banned.iter().filter(|banned| banned.name == package.name);
        findings.extend(bans.map(|banned| format!("{name}: banned: {}", banned.why)));
    }
    let twice = versions
        .iter()
        .filter(|(name, versions)| versions.len() > 1 && !rules.duplicates.iter().any(|known| known == *name));
    findings.extend(
        twice.map(|(name, versions)| format!("{name}: built in {} versions: {}", versions.len(), versions.join(", "))),
    );
    findings
}

/// `A OR B` passes if one side does, `A AND B` if both do; older packages write `/` for OR.
fn passes(licence: &str, allowed: &[String]) -> bool {
    let plain = licence.replace(['(', ')'], "").replace('/', " OR ");
    let is_allowed = |term: &str| allowed.iter().any(|known| known == term.trim());
    if licence.contains('(') {
        return plain.replace(" OR ", " AND ").split(" AND ").all(is_allowed) || plain.split(" OR ").any(is_allowed);
    }
    plain.split(" OR ").any(|side| side.split(" AND ").all(is_allowed))
}

#[test]
fn alternatives_and_conjunctions_are_told_apart() {
    let allowed = ["MIT".to_owned(), "Unicode-3.0".to_owned()];
    assert!(passes("MIT OR GPL-3.0", &allowed));
    assert!(!passes("MIT AND GPL-3.0", &allowed));
    assert!(passes("MIT/Apache-2.0", &allowed));
    assert!(passes("(MIT OR Apache-2.0) AND Unicode-3.0", &["MIT".into(), "Apache-2.0".into(), "Unicode-3.0".into()]));
}
