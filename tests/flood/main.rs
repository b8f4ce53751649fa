//! `flood MEGABYTES`: several idempotent clients at once, the broker killed three times on the way, everything compared.

use ottla_tests::harness::broker::{Broker, Kind, Purpose};
use ottla_tests::harness::flood::flood;

fn main() {
    let megabytes = std::env::args().nth(1).and_then(|text| text.parse::<u64>().ok());
    let Some(megabytes) = megabytes else {
        println!("usage: flood MEGABYTES");
        return;
    };
    let started = std::time::Instant::now();
    let mut broker = Broker::make(Kind::Ottla, Purpose::Measure, &[]);
    broker.restart();
    let (records, bytes) = flood(&mut broker, megabytes << 20);
    println!("{records} records, {bytes} bytes: each once, in order, equal; {} s", started.elapsed().as_secs());
}
