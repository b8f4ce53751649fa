//! Which brokers are to hold which partitions: as little is copied as gives every broker its share.
//!
//! ```text
//!   replicas on brokers that stay are kept ─▶ gaps are filled, the emptiest broker first ─▶ the fullest give to the emptiest
//!                                                                       ─▶ first replicas, which lead, are dealt out evenly
//! ```

use std::collections::BTreeMap;

/// A partition and the brokers that hold it, the one that is to lead first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub index: i32,
    /// Its brokers.
    pub replicas: Vec<i32>,
}

/// The brokers that may hold replicas, each with its rack, if it has one.
pub type Targets = BTreeMap<i32, Option<String>>;

/// The same partitions in the same order with the replicas that they should have: `factor` of them, or as many as they have,
/// all on `targets`, no two in one rack that need not be.
///
/// # Errors
/// More replicas are wanted than there are targets.
pub fn spread(placed: &[Placed], targets: &Targets, factor: Option<usize>) -> Result<Vec<Placed>, String> {
    let wanted = |one: &Placed| factor.unwrap_or(one.replicas.len());
    if let Some(one) = placed.iter().find(|one| wanted(one) > targets.len()) {
        let (replicas, brokers) = (wanted(one), targets.len());
        return Err(format!(
            "{}-{}: {replicas} replicas need as many brokers, of which {brokers} are left",
            one.topic, one.index
        ));
    }
    let keep = |one: &Placed| {
        let kept = one.replicas.iter().copied().filter(|broker| targets.contains_key(broker));
        Placed { replicas: kept.take(wanted(one)).collect(), ..one.clone() }
    };
    let mut draft = Draft { targets, placed: placed.iter().map(keep).collect() };
    draft.fill(&placed.iter().map(wanted).collect::<Vec<_>>());
    draft.level();
    draft.lead();
    Ok(draft.placed)
}

struct Draft<'a> {
    targets: &'a Targets,
    placed: Vec<Placed>,
}

impl Draft<'_> {
    /// Gives every partition the replicas that it lacks.
    fn fill(&mut self, wanted: &[usize]) {
        let mut loads = self.loads();
        for (at, wanted) in wanted.iter().enumerate() {
            while self.placed[at].replicas.len() < *wanted {
                let held = &self.placed[at].replicas;
                let free = self.targets.keys().copied().filter(|broker| !held.contains(broker));
                let best = free.min_by_key(|broker| (self.neighbours(at, *broker, None), loads[broker], *broker));
                let best = best.expect("there are as many brokers as replicas");
                *loads.entry(best).or_default() += 1;
                self.placed[at].replicas.push(best);
            }
        }
    }

    /// Moves replicas from brokers with many to brokers with few, until none has two more than another or nothing can go.
    fn level(&mut self) {
        let mut loads = self.loads();
        while let Some((at, from, to)) =
            pairs(&loads).into_iter().find_map(|(from, to)| Some((self.movable(from, to)?, from, to)))
        {
            let replicas = &mut self.placed[at].replicas;
            let slot = replicas.iter().position(|broker| *broker == from).expect("it was found by that");
            replicas[slot] = to;
            *loads.entry(from).or_default() -= 1;
            *loads.entry(to).or_default() += 1;
        }
    }

    /// Puts other replicas first until no broker is to lead two partitions more than another, as far as that goes.
    fn lead(&mut self) {
        let mut leads: BTreeMap<i32, usize> = self.targets.keys().map(|broker| (*broker, 0)).collect();
        for one in &self.placed {
            one.replicas.first().into_iter().for_each(|broker| *leads.entry(*broker).or_default() += 1);
        }
        let may = |one: &Placed, from, to| one.replicas.first() == Some(&from) && one.replicas.contains(&to);
        let find = |placed: &[Placed], (from, to)| Some((placed.iter().position(|one| may(one, from, to))?, from, to));
        while let Some((at, from, to)) = pairs(&leads).into_iter().find_map(|pair| find(&self.placed, pair)) {
            let replicas = &mut self.placed[at].replicas;
            let slot = replicas.iter().position(|broker| *broker == to).expect("it was found by that");
            replicas.swap(0, slot);
            *leads.entry(from).or_default() -= 1;
            *leads.entry(to).or_default() += 1;
        }
    }

    /// A partition whose replica may go from one broker to another without bringing two replicas into one rack.
    fn movable(&self, from: i32, to: i32) -> Option<usize> {
        (0..self.placed.len()).find(|at| {
            let held = &self.placed[*at].replicas;
            let is_one = held.contains(&from) && !held.contains(&to);
            is_one && self.neighbours(*at, to, Some(from)) <= self.neighbours(*at, from, Some(from))
        })
    }

    /// How many replicas of a partition are in the rack of `broker`, that on `without` aside.
    fn neighbours(&self, at: usize, broker: i32, without: Option<i32>) -> usize {
        let rack = &self.targets[&broker];
        let is_near = |other: &&i32| rack.is_some() && Some(**other) != without && self.targets[*other] == *rack;
        self.placed[at].replicas.iter().filter(is_near).count()
    }

    fn loads(&self) -> BTreeMap<i32, usize> {
        let mut loads: BTreeMap<i32, usize> = self.targets.keys().map(|broker| (*broker, 0)).collect();
        let held = self.placed.iter().flat_map(|one| &one.replicas);
        held.for_each(|broker| *loads.entry(*broker).or_default() += 1);
        loads
    }
}

/// Who has at least two more than whom: those who differ most first.
fn pairs(loads: &BTreeMap<i32, usize>) -> Vec<(i32, i32)> {
    let differ = |(from, many): (&i32, &usize)| {
        let (from, many) = (*from, *many);
        loads.iter().filter(move |(_, few)| many >= **few + 2).map(move |(to, few)| (many - few, from, *to))
    };
    let mut pairs: Vec<_> = loads.iter().flat_map(differ).collect();
    pairs.sort_unstable_by_key(|(by, from, to)| (std::cmp::Reverse(*by), *from, *to));
    pairs.into_iter().map(|(_, from, to)| (from, to)).collect()
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod plan_test;
