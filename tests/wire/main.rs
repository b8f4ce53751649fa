//! The wire codec against three others: random messages drawn from the schema, Kafka's own Java classes, and the crate
//! `kafka-protocol`.

mod codec;
mod crates;
mod every;
mod java;
mod matrix;
#[path = "../../core/build/parse.rs"]
mod parse;
mod round;
mod sample;
#[allow(dead_code, reason = "the build script uses the rest")]
#[path = "../../core/build/schema.rs"]
mod schema;

use every::{families, messages};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |digit: u8| (digit as char).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|two| digit(two[0]) << 4 | digit(two[1])).collect()
}
