//! Documents that match the code: links lead somewhere, no document is an orphan, INV numbers stand on both sides.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::{File, Tree};

/// Relative links in Markdown files that name nothing in the repository.
pub fn broken_links(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (number, link) in links(file) {
            let target = resolve(&file.path, &link);
            if !tree.has(&target) {
                findings.push(format!("{}:{number}: {link}", file.path));
            }
        }
    }
    findings
}

/// Documents under `docs/` that no chain of links from README.md reaches.
pub fn orphans(tree: &Tree) -> Vec<String> {
    let documents: BTreeMap<&str, &File> =
        tree.files.iter().filter(|file| file.path.ends_with(".md")).map(|file| (file.path.as_str(), file)).collect();
    let mut reached = BTreeSet::from(["README.md".to_owned()]);
    let mut waiting = vec!["README.md".to_owned()];
    while let Some(path) = waiting.pop() {
        let Some(file) = documents.get(path.as_str()) else { continue };
        for (_, link) in links(file) {
            let target = resolve(&path, &link);
            let folder = format!("{target}/");
            let named = documents.keys().filter(|path| **path == target || path.starts_with(&folder));
            for path in named {
                if reached.insert((*path).to_owned()) {
                    waiting.push((*path).to_owned());
                }
            }
        }
    }
    let orphans = documents.keys().filter(|path| path.starts_with("docs/") && !reached.contains(**path));
    orphans.map(|path| (*path).to_owned()).collect()
}

/// INV numbers that stand in code but not in `docs/invariants.md`, or the other way round.
pub fn invariants(tree: &Tree) -> Vec<String> {
    let mut written: BTreeMap<String, String> = BTreeMap::new();
    let mut coded: BTreeMap<String, String> = BTreeMap::new();
    for file in tree.files.iter().filter(|file| !file.path.starts_with("tests/tidy/")) {
        let side = match file.path.as_str() {
            "docs/invariants.md" => &mut written,
            path if path.ends_with(".rs") => &mut coded,
            _ => continue,
        };
        for (line, number) in numbers(file) {
            side.entry(number).or_insert_with(|| format!("{}:{line}", file.path));
        }
    }
    let unwritten = coded.iter().filter(|(number, _)| !written.contains_key(*number));
    let uncoded = written.iter().filter(|(number, _)| !coded.contains_key(*number));
    let mut findings: Vec<String> =
        unwritten.map(|(number, at)| format!("{number} ({at}) is not in the document")).collect();
    findings.extend(uncoded.map(|(number, at)| format!("{number} ({at}) is asserted nowhere")));
    findings
}

/// The relative targets of `[text](target)`, without their anchors; fenced code is not read.
fn links(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in file.lines() {
        fenced ^= line.trim_start().starts_with("```");
        for (at, _) in line.match_indices("](").filter(|_| !fenced) {
            let target = line[at + 2..].split(')').next().unwrap_or("");
            let path = target.split('#').next().unwrap_or("");
            if !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:") {
                found.push((number, path.to_owned()));
            }
        }
    }
    found
}

/// The path from the top that a link in the file `from` means.
fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn numbers(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, text) in file.lines() {
        for (at, prefix) in text.match_indices("INV-") {
            let digits: String = text[at + prefix.len()..].chars().take_while(char::is_ascii_alphanumeric).collect();
            if digits.starts_with(|digit: char| digit.is_ascii_digit()) {
                found.push((line, format!("INV-{digits}")));
            }
        }
    }
    found
}

#[test]
fn links_resolve_from_the_folder_of_their_file() {
    assert_eq!(resolve("docs/protocol/storage.md", "../glossary.md"), "docs/glossary.md");
    assert_eq!(resolve("README.md", "./docs/kafka.md"), "docs/kafka.md");
}
