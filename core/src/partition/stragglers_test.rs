use super::Stragglers;
use crate::record::{Builder, Functions, Header, NewRecord};
use crate::types::{LeaderEpoch, Mono, Offset, ProducerEpoch, ProducerId};

fn header(sequence: i32) -> Header {
    let mut builder = Builder::new().numbered(ProducerId(8), ProducerEpoch(0), sequence);
    builder.push(&NewRecord::default());
    *builder.at(Offset(0), LeaderEpoch(0)).build_plain(&Functions::slow()).header()
}

fn seconds(seconds: u64) -> Mono {
    Mono(seconds * 1_000_000_000)
}

#[test]
fn what_is_refused_again_is_awaited_from_then_on() {
    let mut stragglers = Stragglers::default();
    for (at, sequence) in [(0, 0), (1, 12), (29, 0), (30, 12)] {
        stragglers.refuse(&header(sequence), seconds(at));
    }
    let awaited = |at, sequence| stragglers.may_come_before(&header(sequence), seconds(0), seconds(at));
    assert!(awaited(31, 12) && awaited(58, 12), "the first of them is to come first");
    assert!(!awaited(31, 0) && !awaited(59, 12));
}
