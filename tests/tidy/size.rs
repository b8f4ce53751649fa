//! Lengths. Functions are clippy's business (`clippy.toml`); files and structs are ours.

use crate::files::{File, Tree};

/// The wall for a file of production code; the aim is 400.
const FILE_LINES_MAX: usize = 700;
/// The wall for the fields of one struct.
const STRUCT_FIELDS_MAX: usize = 20;

/// Every file and struct beyond its wall; tests and generated files are not counted.
pub fn findings(tree: &Tree) -> Vec<String> {
    let counted = tree.rust().filter(|file| !file.path.ends_with("_test.rs") && !file.is_generated());
    let mut findings = Vec::new();
    for file in counted {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            findings.push(format!("{}: {lines} lines", file.path));
        }
        findings.extend(long_structs(file));
    }
    findings
}

/// rustfmt puts each field on a line of its own, one step in, and the closing brace below `struct`.
fn long_structs(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    let mut open: Option<(usize, &str, usize)> = None;
    for (number, line) in file.lines() {
        let indent = line.len() - line.trim_start().len();
        match open {
            None if opens_struct(line) => open = Some((number, line.trim(), indent)),
            None => {}
            Some((start, head, at)) if line.trim() == "}" && indent == at => {
                let body = file.text.lines().skip(start).take(number - start - 1);
                let fields = body.filter(|line| is_field(line, at + 4)).count();
                if fields > STRUCT_FIELDS_MAX {
                    findings.push(format!("{}:{start}: {fields} fields: {head}", file.path));
                }
                open = None;
            }
            Some(_) => {}
        }
    }
    findings
}

fn opens_struct(line: &str) -> bool {
    let code = line.trim_start();
    let bare = code
        .strip_prefix("pub ")
        .or_else(|| code.strip_prefix("pub(crate) "))
        .or_else(|| code.strip_prefix("pub(super) "));
    bare.unwrap_or(code).starts_with("struct ") && line.ends_with('{')
}

fn is_field(line: &str, indent: usize) -> bool {
    let code = line.trim_start();
    line.len() - code.len() == indent && !code.starts_with(['/', '#', '}']) && code.contains(": ")
}

#[test]
fn fields_are_counted_and_comments_are_not() {
    let fields: String = (0..21).map(|n| format!("    /// why: because\n    pub field_{n}: u8,\n")).collect();
    let long = File { path: "a.rs".into(), text: format!("pub struct Long {{\n{fields}}}\n") };
    assert_eq!(long_structs(&long), ["a.rs:1: 21 fields: pub struct Long {"]);
}
