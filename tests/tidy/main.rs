//! What the compiler cannot see about this repository, checked in seconds: who imports whom, how long things are, which
//! words are banned, whether documents and code agree, and whose code we stand on.

mod docs;
mod files;
mod layers;
mod licences;
mod size;
mod words;

use files::Tree;

/// Fails with every finding at once, one a line, so that they are mended in one go.
fn report(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{rule}:\n  {}\n", findings.join("\n  "));
}

#[test]
fn core_rooms_import_only_what_the_table_allows() {
    report("tests/tidy/layers.toml says who may use whom", layers::findings(&Tree::read()));
}

#[test]
fn packages_depend_only_downwards() {
    report("tests/tidy/layers.toml says which package may stand on which", layers::package_findings());
}

#[test]
fn files_and_structs_stay_short() {
    report(
        "a file has at most 700 lines, a struct 20 fields (clippy.toml has the walls for functions)",
        size::findings(&Tree::read()),
    );
}

#[test]
fn banned_words_and_calls_are_absent() {
    report("tests/tidy/words.toml says which words are banned, where and why", words::findings(&Tree::read()));
}

#[test]
fn links_between_documents_lead_somewhere() {
    report("a relative link must name a file of the repository", docs::broken_links(&Tree::read()));
}

#[test]
fn every_document_is_reached_from_the_readme() {
    report("these documents are linked from nowhere that README.md leads to", docs::orphans(&Tree::read()));
}

#[test]
fn invariants_in_code_and_in_the_document_are_the_same() {
    report("each INV number stands in docs/invariants.md and in code", docs::invariants(&Tree::read()));
}

#[test]
fn we_stand_on_allowed_licences_and_sources() {
    report("tests/tidy/licences.toml says whose code we may build on", licences::findings());
}
