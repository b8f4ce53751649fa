//! Golden batches with a few bytes changed, behind a length and a CRC that fit again: what the fuzz target `batch` does,
//! in the time of a test.

#[path = "../../../tests/fuzz/batch.rs"]
mod batch;

use ottla_codecs::functions;
use ottla_core::record::HEADER_BYTES;
use ottla_core::types::Rng;
use std::path::Path;

#[test]
fn mutated_batches_are_refused_or_hold_what_they_say() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> = std::fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "batch"));
    paths.sort();
    let batches: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let functions = functions();
    let mut rng = Rng::new(1);
    let (mut let_in, mut refused) = (0, 0);
    for _ in 0..4_000 {
        let mut bytes = batches[rng.below(batches.len() as u64) as usize].clone();
        for _ in 0..rng.between(1, 3) {
            // Half of the changes in the header, where the most is to be contradicted.
            let end = if rng.chance(1, 2) { HEADER_BYTES } else { bytes.len() };
            bytes[rng.below(end as u64) as usize] = rng.next_u64() as u8;
        }
        if rng.chance(1, 10) {
            bytes.truncate(rng.below(bytes.len() as u64) as usize);
        }
        let outcome = batch::sealed(&bytes, &functions).is_some_and(|bytes| batch::holds(bytes, &functions));
        if outcome { let_in += 1 } else { refused += 1 }
    }
    assert!(let_in > 200 && refused > 200, "both happen: {let_in} let in, {refused} refused");
}
