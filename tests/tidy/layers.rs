//! Import layers: inside `core` by the text of its paths, between packages by cargo's own metadata. The table is
//! `layers.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::files::{File, Tree};
use crate::licences::metadata;

/// The table: a name and the names that it may use.
#[derive(Deserialize)]
struct Table {
    rooms: BTreeMap<String, Vec<String>>,
    packages: BTreeMap<String, Vec<String>>,
}

fn table() -> Table {
    toml::from_str(include_str!("layers.toml")).expect("layers.toml is a table of names")
}

/// Every path of `core` that reaches into a room which its own room may not use, and every room without a line.
pub fn findings(tree: &Tree) -> Vec<String> {
    let rooms = table().rooms;
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| file.path.starts_with("core/src/") && !file.is_test()) {
        let Some(room) = room_of(file) else { continue };
        let Some(allowed) = rooms.get(&room) else {
            findings.push(format!("{}: the room `{room}` has no line in the table", file.path));
            continue;
        };
        for (line, used) in uses(file) {
            if used != room && rooms.contains_key(&used) && !allowed.contains(&used) {
                findings.push(format!("{}:{line}: `{room}` may not use `{used}`", file.path));
            }
        }
    }
    findings
}

/// Every dependency of one of our packages on another that the table does not grant.
pub fn package_findings() -> Vec<String> {
    let packages = table().packages;
    let mut findings = Vec::new();
    for package in metadata().packages.iter().filter(|package| package.source.is_none()) {
        let Some(allowed) = packages.get(&package.name) else {
            findings.push(format!("the package `{}` has no line in the table", package.name));
            continue;
        };
        let ours = package.dependencies.iter().filter(|dependency| packages.contains_key(&dependency.name));
        let refused = ours.filter(|dependency| !allowed.contains(&dependency.name));
        findings.extend(refused.map(|dependency| format!("`{}` may not use `{}`", package.name, dependency.name)));
    }
    findings
}

/// `core/src/log/epochs.rs` and `core/src/log.rs` are both of the room `log`; `lib.rs` is of none.
fn room_of(file: &File) -> Option<String> {
    let inside = file.path.strip_prefix("core/src/")?;
    let room = inside.split('/').next()?.trim_end_matches(".rs");
    (room != "lib").then(|| room.to_owned())
}

/// The rooms that a file names, with the lines: `crate::room`, `crate::{room, other::Thing}`, and `super` chains that
/// climb to the top of the crate.
fn uses(file: &File) -> Vec<(usize, String)> {
    let code: String = file.text.lines().map(|line| format!("{}\n", without_comment(line))).collect();
    let inside = file.path.trim_start_matches("core/src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let top = format!("{}::", vec!["super"; inside.split('/').count()].join("::"));
    let mut found = Vec::new();
    for prefix in ["crate::", top.as_str()] {
        for (at, _) in code.match_indices(prefix) {
            let line = code[..at].matches('\n').count() + 1;
            let preceded =
                code[..at].chars().next_back().is_some_and(|before| is_word(before) || before == ':' || before == '$');
            if !preceded {
                let rest = &code[at + prefix.len()..];
                found.extend(heads(rest).into_iter().map(|head| (line, head)));
            }
        }
    }
    found
}

/// The first words of a path's rest: one, or one for each item of a braced group.
fn heads(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let mut heads = Vec::new();
    let mut depth = 0_usize;
    let mut fresh = true;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            _ if fresh && is_word(letter) => {
                heads.push(word(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| is_word(*letter)).collect()
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

#[test]
fn groups_and_super_chains_are_seen() {
    let text =
        "use crate::{node::step, types::{Offset, Mono},\n wire};\nlet x = super::super::log::Log; // crate::store\n";
    let file = File { path: "core/src/partition/leader.rs".into(), text: text.into() };
    let seen: Vec<String> = uses(&file).into_iter().map(|(_, room)| room).collect();
    assert_eq!(seen, ["node", "types", "wire", "log"]);
}
