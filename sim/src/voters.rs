//! The voters of a metadata quorum alone, in the core's own model of them: no brokers, no clients, no store.

use crate::clock::At;
use crate::model::Finding;
use crate::report::{Outcome, Trace};
use crate::run::caught;
use ottla_core::quorum::model_test::play;
use std::collections::BTreeMap;

/// Runs a seed. What the model itself complains of was seen from outside; all else is an assertion of what it drives.
pub fn run(seed: u64) -> Outcome {
    let mut reached = (0, 0);
    let panic = caught(|| {
        let (reigns, _, end) = play(seed);
        reached = (reigns as u64, end.0);
    });
    let from_inside = panic.as_ref().is_some_and(|panic| !panic.text.contains(MODEL));
    let finding = panic.map(|panic| Finding { oracle: if from_inside { panic.oracle } else { "voters" }, ..panic });
    let mut trace = Trace::new(false);
    trace.event(At::START, reached, || (String::new(), String::new()));
    Outcome {
        seed,
        digest: trace.digest(),
        events: trace.events(),
        length: At::START,
        finding,
        from_inside,
        marks: BTreeMap::new(),
    }
}

const MODEL: &str = " at core/src/quorum/model_test.rs";
