//! The place of the harness that breaks real processes over whole clusters. It is not written yet: until brokers
//! replicate there is nothing for it to tell that the simulator and `tests/flood` (a broker killed with -9 under real
//! clients) do not tell already.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!(
        "ottla-jepsen: not written yet; `cargo sim --seeds 0..100` and `cargo test -p ottla-tests` break what exists"
    );
    ExitCode::from(2)
}
