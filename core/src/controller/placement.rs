//! Which brokers hold a new partition: leaders and replicas are dealt out in turn over racks and brokers, from a start
//! that is drawn, so that every broker and every rack gets its share (Kafka's striped placement).

use super::Refusal;
use crate::metadata::Image;
use crate::types::{BrokerId, ErrorCode, Rng, Str};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

/// Places `partitions` new partitions with `factor` replicas each; the first of each list is its leader. Refuses a factor
/// that the registered brokers cannot meet.
pub(super) fn place(image: &Image, rng: &mut Rng, partitions: i32, factor: i16) -> Result<Vec<Vec<BrokerId>>, Refusal> {
    let mut stripes = Stripes::new(image, rng);
    let refused = |why| Err((ErrorCode::InvalidReplicationFactor, why));
    let Some(factor) = usize::try_from(factor).ok().filter(|factor| *factor > 0) else {
        return refused(format!("the replication factor {factor} is not positive"));
    };
    if stripes.unfenced == 0 {
        return refused(format!("a partition cannot have {factor} replicas: every broker is fenced"));
    }
    if factor > stripes.brokers {
        let brokers = stripes.brokers;
        return refused(format!("a partition cannot have {factor} replicas: only {brokers} broker(s) are registered"));
    }
    Ok((0..partitions).map(|_| stripes.next(rng, factor)).collect())
}

/// The brokers of one rack that are up, or those that are fenced, dealt out in turn.
#[derive(Default)]
struct Deck {
    brokers: Vec<BrokerId>,
    dealt: usize,
    start: usize,
    round: usize,
}

impl Deck {
    /// The next broker of this round; each round begins one further on.
    fn next(&mut self, round: usize) -> Option<BrokerId> {
        if self.round != round && !self.brokers.is_empty() {
            self.round = round;
            self.dealt = 0;
            self.start = (self.start + 1) % self.brokers.len();
        }
        if self.dealt >= self.brokers.len() {
            return None;
        }
        let broker = self.brokers[(self.start + self.dealt) % self.brokers.len()];
        self.dealt += 1;
        Some(broker)
    }
}

struct Stripes {
    /// Unfenced and fenced brokers of each rack, by the rack's name.
    racks: Vec<[Deck; 2]>,
    brokers: usize,
    unfenced: usize,
    /// Partitions dealt since the last shuffle.
    round: usize,
    /// The rack that the next leader comes from, if it has any broker that is up.
    first: usize,
}

impl Stripes {
    fn new(image: &Image, rng: &mut Rng) -> Self {
        let mut racks: BTreeMap<Option<&Str>, [Deck; 2]> = BTreeMap::new();
        let usable = image.brokers().filter(|broker| !broker.in_controlled_shutdown);
        for broker in usable {
            racks.entry(broker.rack.as_ref()).or_default()[usize::from(broker.fenced)].brokers.push(broker.id);
        }
        let mut racks: Vec<[Deck; 2]> = racks.into_values().collect();
        for deck in racks.iter_mut().flatten().filter(|deck| !deck.brokers.is_empty()) {
            deck.start = rng.below(deck.brokers.len() as u64) as usize;
        }
        let count = |fenced: usize| racks.iter().map(|rack| rack[fenced].brokers.len()).sum::<usize>();
        let (unfenced, fenced) = (count(0), count(1));
        let first = if racks.is_empty() { 0 } else { rng.below(racks.len() as u64) as usize };
        Self { racks, brokers: unfenced + fenced, unfenced, round: 0, first }
    }

    /// The replicas of one more partition. There are enough brokers, and one of them is up.
    fn next(&mut self, rng: &mut Rng, factor: usize) -> Vec<BrokerId> {
        // After as many partitions as brokers the same placements would come again: shuffle. A single broker has only one.
        if self.round == self.unfenced && self.unfenced > 1 {
            shuffle(rng, &mut self.racks);
            self.racks.iter_mut().flatten().for_each(|deck| shuffle(rng, &mut deck.brokers));
            self.round = 0;
        }
        self.first %= self.racks.len();
        let (round, racks) = (self.round, self.racks.len());
        let leader = (0..racks).map(|step| (self.first + step) % racks);
        let (leader_rack, leader) =
            leader.filter_map(|rack| Some((rack, self.racks[rack][0].next(round)?))).next().expect("some broker is up");
        let mut replicas = alloc::vec![leader];
        let mut rack = self.first;
        // The rack of the leader has had its turn in this first pass.
        let mut skipped = Some(leader_rack);
        while replicas.len() < factor {
            if skipped == Some(rack) {
                skipped = None;
            } else if let Some(broker) = self.racks[rack].iter_mut().find_map(|deck| deck.next(round)) {
                replicas.push(broker);
            }
            rack = (rack + 1) % racks;
        }
        self.round += 1;
        self.first += 1;
        replicas
    }
}

fn shuffle<T>(rng: &mut Rng, items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, rng.below(at as u64 + 1) as usize);
    }
}

#[cfg(test)]
#[path = "placement_test.rs"]
mod placement_test;
