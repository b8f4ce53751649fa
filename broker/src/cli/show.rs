//! Printing: tables for people, JSON for programs.

use super::Done;
use super::mistake::Mistake;
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
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n")
}

/// A line on the standard output.
pub fn line(text: &str) -> Done<()> {
    writeln!(io::stdout(), "{text}").map_err(|fault| Mistake::output(&fault))
}

/// A value on a line of its own.
pub fn json(value: &Value) -> Done<()> {
    line(&value.to_string())
}

/// Bytes as text, if they are.
pub fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes for people: text if they are, hexadecimal else.
pub fn readable(bytes: &[u8]) -> String {
    text(bytes).map_or_else(|| format!("0x{}", hex(bytes)), str::to_owned)
}

/// Puts bytes under a name into a JSON object: as text, as null, or in hexadecimal under `NAME_hex`.
pub fn put_bytes(object: &mut serde_json::Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (text(bytes), bytes)) {
        None => object.insert(name.into(), Value::Null),
        Some((Some(text), _)) => object.insert(name.into(), text.into()),
        Some((None, bytes)) => object.insert(format!("{name}_hex"), hex(bytes).into()),
    };
}

#[cfg(test)]
#[path = "show_test.rs"]
mod show_test;
