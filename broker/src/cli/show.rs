//! Printing: tables for people, JSON for programs.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;
use std::io::{self, Write};

/// Rows under a header, columns of numbers to the right.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for (at, column) in table.column_iter_mut().enumerate() {
        let is_number = |row: &Vec<String>| row.get(at).is_some_and(|cell| cell.parse::<i64>().is_ok() || cell == "-");
        if !rows.is_empty() && rows.iter().all(is_number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.add_rows(rows);
    table.trim_fmt()
}

/// A line on the standard output. Whoever reads it may have left: then there is nobody to write for.
pub fn line(text: &str) {
    if writeln!(io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// A value on a line of its own.
pub fn json(value: &Value) {
    line(&value.to_string());
}

/// Bytes as text, or in hexadecimal if they are none.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
