//! The wire codec against three others: random messages drawn from the schema, Kafka's own Java classes, and the crate
//! `kafka-protocol`.

mod codec;
mod crates;
mod java;
#[path = "../../core/build/parse.rs"]
mod parse;
mod round;
mod sample;
#[allow(dead_code, reason = "the build script uses the rest")]
#[path = "../../core/build/schema.rs"]
mod schema;

use schema::{Family, Struct};
use std::path::{Path, PathBuf};

/// Every family of the schema.
fn families() -> Vec<Family> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/schema");
    let entries = std::fs::read_dir(folder).expect("the schema folder").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "schema")).collect();
    paths.sort();
    paths.iter().map(|path| parse::family(path)).collect()
}

/// Every message of every family at every version.
fn messages(families: &[Family]) -> Vec<(&Family, &Struct, i16)> {
    let whole = families.iter().flat_map(|family| family.structs.iter().map(move |one| (family, one)));
    let whole = whole.filter(|(_, one)| one.message.is_some());
    whole
        .flat_map(|(family, one)| (one.range.first..=one.range.last).map(move |version| (family, one, version)))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |digit: u8| (digit as char).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|two| digit(two[0]) << 4 | digit(two[1])).collect()
}
