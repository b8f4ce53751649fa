//! The schema as the tests walk it.

use crate::parse;
use crate::schema::{Family, Struct};
use std::path::{Path, PathBuf};

/// Every family of the schema.
pub fn families() -> Vec<Family> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/schema");
    let entries = std::fs::read_dir(folder).expect("the schema folder").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "schema")).collect();
    paths.sort();
    paths.iter().map(|path| parse::family(path)).collect()
}

/// Every message of every family at every version.
pub fn messages(families: &[Family]) -> Vec<(&Family, &Struct, i16)> {
    let whole = families.iter().flat_map(|family| family.structs.iter().map(move |one| (family, one)));
    let whole = whole.filter(|(_, one)| one.message.is_some());
    whole
        .flat_map(|(family, one)| (one.range.first..=one.range.last).map(move |version| (family, one, version)))
        .collect()
}
