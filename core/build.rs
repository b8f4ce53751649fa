//! Turns `schema/*.schema` (Kafka's message definitions, restated) into message structs and their wire code.

#[path = "build/codec.rs"]
mod codec;
#[path = "build/parse.rs"]
mod parse;
#[path = "build/schema.rs"]
mod schema;
#[path = "build/structs.rs"]
mod structs;
#[path = "build/sums.rs"]
mod sums;

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=schema");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut families = read_all(Path::new("schema"));
    families.sort_by_key(|family| (family.api.as_ref().map(|api| api.key), family.module.clone()));
    write(&out.join("msg.rs"), &structs::modules(&families));
    write(&out.join("sums.rs"), &sums::sums(&families));
    write(&out.join("wire.rs"), &codec::modules(&families));
    write(&out.join("dispatch.rs"), &codec::dispatch(&families));
}

fn read_all(folder: &Path) -> Vec<schema::Family> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the schema folder")
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "schema"))
        .collect();
    paths.sort();
    paths.iter().map(|path| parse::family(path)).collect()
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("OUT_DIR can be written");
}
