//! The table of APIs in `docs/kafka.md` is the schema's. With UPDATE=1 it is rewritten.

use ottla_core::msg::{ApiFacts, ApiKey};
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

const BEGIN: &str = "<!-- Generated: UPDATE=1 cargo test -p ottla-tests --test wire matrix -->\n";
const END: &str = "<!-- The end of what is generated. -->\n";

#[test]
fn the_matrix_in_the_documents_is_that_of_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kafka.md");
    let text = fs::read_to_string(&path).expect("docs/kafka.md");
    let (before, rest) = text.split_once(BEGIN).expect("the mark where the table begins");
    let (written, after) = rest.split_once(END).expect("the mark where the table ends");
    let wanted = format!("\n{}\n", table());
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).expect("docs/kafka.md can be written");
        return;
    }
    assert!(
        written == wanted,
        "docs/kafka.md differs from the schema: UPDATE=1 cargo test -p ottla-tests --test wire matrix"
    );
}

fn table() -> String {
    let mut out =
        String::from("| key | API | versions | flexible from | on the listeners of |\n|---|---|---|---|---|\n");
    for api in ApiKey::ALL {
        let ApiFacts { name, first, last, announced_first, flexible_first, on_broker, on_controller } = api.facts();
        let versions = if first == last { format!("{first}") } else { format!("{first}–{last}") };
        let announced =
            if announced_first == first { String::new() } else { format!(" ({announced_first}–{last} announced)") };
        let flexible = if flexible_first > last { "–".to_owned() } else { flexible_first.to_string() };
        let listeners = match (on_broker, on_controller) {
            (true, true) => "brokers, controllers",
            (true, false) => "brokers",
            (false, true) => "controllers",
            (false, false) => "nobody yet",
        };
        writeln!(out, "| {} | {name} | {versions}{announced} | {flexible} | {listeners} |", api.code())
            .expect("a string grows");
    }
    out
}
