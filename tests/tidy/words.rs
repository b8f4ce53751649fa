//! Banned words and calls, by text. The list with its reasons is `words.toml`.

use serde::Deserialize;

use crate::files::{File, Tree};

#[derive(Deserialize)]
struct List {
    ban: Vec<Ban>,
}

/// Words that may not stand in some part of the repository.
#[derive(Deserialize)]
struct Ban {
    words: Vec<String>,
    under: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    tests: bool,
    why: String,
}

/// Every line that holds a banned word, and every exception to a lint that gives no reason.
pub fn findings(tree: &Tree) -> Vec<String> {
    let list: List = toml::from_str(include_str!("words.toml")).expect("words.toml is a list of bans");
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path != "tests/tidy/words.toml" && file.path != "Cargo.lock") {
        for ban in list.ban.iter().filter(|ban| ban.covers(file)) {
            findings.extend(ban.found_in(file));
        }
        if file.is_rust() && !file.is_generated() {
            findings.extend(exceptions_without_reason(file));
        }
    }
    findings
}

impl Ban {
    fn covers(&self, file: &File) -> bool {
        let under = self.under.iter().any(|prefix| file.path.starts_with(prefix));
        let excepted = self.except.iter().any(|prefix| file.path.starts_with(prefix));
        under && !excepted && (self.tests || !file.is_test())
    }

    fn found_in(&self, file: &File) -> Vec<String> {
        let production = if self.tests { usize::MAX } else { first_test_line(file) };
        let mut findings = Vec::new();
        for (number, line) in file.lines().take_while(|(number, _)| *number < production) {
            let prose = file.is_rust() && line.trim_start().starts_with("//") && !self.tests;
            for word in self.words.iter().filter(|word| !prose && holds(line, word)) {
                findings.push(format!("{}:{number}: `{word}`: {}", file.path, self.why));
            }
        }
        findings
    }
}

/// The line of a file's first `#[cfg(test)]`: by house rule, what follows is tests.
fn first_test_line(file: &File) -> usize {
    file.lines().find(|(_, line)| line.trim() == "#[cfg(test)]").map_or(usize::MAX, |(number, _)| number)
}

/// Whether a line holds a word that is not a part of a longer one.
fn holds(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joins = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        let starts_inside = word.starts_with(char::is_alphanumeric) && joins(before);
        let ends_inside = word.ends_with(char::is_alphanumeric) && joins(after);
        !starts_inside && !ends_inside
    })
}

/// `allow` and `expect` say why, in the same attribute.
fn exceptions_without_reason(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    for opening in ["#[allow(", "#[expect(", "#![allow(", "#![expect("] {
        for (at, _) in file.text.match_indices(opening) {
            let starts_line = file.text[..at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty());
            let attribute = file.text[at..].split(")]").next().unwrap_or("");
            if starts_line && !attribute.contains("reason = ") {
                let number = file.text[..at].matches('\n').count() + 1;
                findings.push(format!("{}:{number}: an exception to a lint says why (`reason = …`)", file.path));
            }
        }
    }
    findings
}

#[test]
fn a_word_inside_a_longer_one_is_not_found() {
    assert!(holds("let a = HashMap::new();", "HashMap"));
    assert!(!holds("let a = MyHashMapLike::new();", "HashMap"));
    assert!(holds("use std::io;", "std::"));
    assert!(!holds("no_std::x", "std::"));
}
