//! Chains of strikes: one behind the other at a few machines, each at the moment when it hurts, which the nemesis reads from the
//! machines themselves. They are aimed at the states in which replication is hard, since a dozen strikes that know nothing
//! of each other meet them once in thousands of runs.

use crate::clock::At;
use crate::coup::COUPS;
use crate::fault::{Op, Strike, Way, wait};
use crate::machine::broker_id;
use crate::settings::PORT;
use crate::world::{Event, World};
use ottla_core::log::Log;
use ottla_core::metadata::Partition;
use ottla_core::types::{BrokerId, LogId, Offset, Rng};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What a chain is to bring about.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum Chain {
    /// A leader goes on alone, while the others elect the next.
    Island,
    /// A replica joins, and its leader never hears that it did.
    Deaf,
    /// The second follows the first badly, the third well; the first falls, and then the second, whom the third never heard as
    /// a leader: what it wrote is no longer than what the third had already.
    Overtaken,
    /// The last one in sync starts again, another joins it, and it falls at once.
    Relay,
    /// Two voters stand in one term, and the third may forget for whom it voted.
    Rivals,
    /// A leader of the metadata quorum leads again, and passes on what it had from its first reign.
    Revenant,
    /// A voter loses what it has yet to flush, and its leader falls.
    Unkept,
}

impl Chain {
    /// The chain of this name.
    pub fn named(name: &str) -> Option<Self> {
        CHAINS.into_iter().chain(COUPS).find(|chain| format!("{chain:?}") == name)
    }

    /// Whether it is at the voters of the metadata quorum.
    pub fn is_coup(self) -> bool {
        COUPS.contains(&self)
    }
}

/// A chain under way at one partition.
#[derive(Clone)]
pub(crate) struct Chase {
    pub(crate) chain: Chain,
    log: LogId,
    /// The machine of its leader.
    pub(crate) first: usize,
    /// Those of its other replicas; the first of them is to lead next.
    pub(crate) others: Vec<usize>,
    pub(crate) step: u32,
    /// When what is waited for is waited for no more.
    pub(crate) until: At,
    pub(crate) rng: Rng,
    flavour: u64,
    /// It has come to its end.
    pub(crate) is_over: bool,
}

/// Draws the chains of a run: of all kinds, or many of one.
pub fn draw_chains(only: Option<Chain>, (from, to): (At, At), rng: &mut Rng) -> Vec<Op> {
    let count = if rng.chance(3, 4) { 1 << rng.below(4) } else { 0 };
    let count = if only.is_some() { MANY } else { count };
    let chain = |_| {
        let drawn = CHAINS[rng.below(CHAINS.len() as u64) as usize];
        let chain = only.unwrap_or(drawn);
        Op { at: At(rng.between(from.0, to.0)), machine: 0, strike: Strike::Chain(chain, rng.next_u64()) }
    };
    (0..count).map(chain).collect()
}

impl World {
    /// A chain begins as soon as there is a partition that it can be at.
    pub(crate) fn begin_chain(&mut self, chain: Chain, seed: u64, until: At) {
        let mut rng = Rng::new(seed);
        let place = if chain.is_coup() { self.find_voters(&mut rng) } else { self.find_place(chain, &mut rng) };
        match place {
            Some((log, first, others)) => {
                self.model.mark(chain.name());
                let (step, until, is_over) = (0, self.now + if chain.is_coup() { CUT } else { Duration::ZERO }, false);
                self.chases.push(Chase { chain, log, first, others, step, until, rng, flavour: seed, is_over });
                self.chase(self.chases.len() - 1);
            }
            None if self.now < until => self.foresee(self.now + SEEK, Event::Seek(chain, seed, until)),
            None => {}
        }
    }

    /// A partition for a chain, the machine of its leader, and those of its other replicas: mostly one in which something goes on.
    fn find_place(&self, chain: Chain, rng: &mut Rng) -> Option<(LogId, usize, Vec<usize>)> {
        let controller = self.controller()?;
        let image = self.machines[controller].view()?.image();
        let usual = usize::from(self.plan.options.shape.replicas_min.unsigned_abs());
        let mut fit = Vec::new();
        for topic in image.topics() {
            let known = self.model.topic_with_id(topic.id).map(|topic| self.model.topics[topic].replicas_min());
            for (index, partition) in topic.partitions.iter() {
                if let Some(first) = machine_of(partition.leader)
                    && chain.fits(partition, known.unwrap_or(usual), controller)
                {
                    let log = LogId { topic: topic.id, partition: *index };
                    fit.push(((known.is_some(), self.end_of(first, log)), (log, first, others_of(partition))));
                }
            }
        }
        let mut drawn = Vec::new();
        while drawn.len() < DRAWN && !fit.is_empty() {
            drawn.push(fit.swap_remove(rng.below(fit.len() as u64) as usize));
        }
        drawn.into_iter().max_by_key(|(busy, _)| *busy).map(|(_, place)| place)
    }

    /// A chain looks whether its next moment has come.
    pub(crate) fn chase(&mut self, number: usize) {
        if self.now >= self.plan.calm_from {
            return;
        }
        let mut chase = self.chases[number].clone();
        let goes_on = match chase.chain {
            Chain::Island => self.island(&mut chase),
            Chain::Deaf => self.deaf(&mut chase),
            Chain::Overtaken => self.overtaken(&mut chase),
            Chain::Relay => self.relay(&mut chase),
            Chain::Rivals => self.rivals(&mut chase),
            Chain::Revenant => self.revenant(&mut chase),
            Chain::Unkept => self.unkept(&mut chase),
        };
        chase.is_over = !goes_on;
        if chase.step != self.chases[number].step {
            let text = format!("{}: step {} at {:?}", chase.chain, chase.step, chase.log);
            self.trace.line(self.now, "nemesis", &text);
        }
        self.chases[number] = chase;
        if goes_on {
            self.foresee(self.now + LOOK, Event::Chase(number));
        }
    }

    fn island(&mut self, chase: &mut Chase) -> bool {
        let way = if chase.rng.chance(1, 2) { Way::Both } else { Way::Out };
        self.strike_on(chase.first, Strike::Part(1 << chase.first, way, wait(&mut chase.rng, 3_000, 20_000)));
        false
    }

    fn deaf(&mut self, chase: &mut Chase) -> bool {
        let (leader, joins) = (chase.first, chase.others[0]);
        let Some(controller) = self.controller().filter(|at| *at != leader && *at != joins) else {
            return chase.step == 0 && self.now < chase.until;
        };
        let lag = self.plan.options.shape.lag_max;
        match chase.step {
            0 => {
                for other in chase.others.clone().into_iter().skip(1) {
                    // It leaves: at once, or because it is heard of no more.
                    match other == controller {
                        true => self.cut_data((leader, other), 2 * lag + CUT),
                        false => self.strike_on(other, Strike::Kill(CUT + wait(&mut chase.rng, 1, 8_000))),
                    }
                }
                chase.next(self.now, lag + CUT)
            }
            1 if self
                .in_sync(leader, chase.log)
                .iter()
                .all(|id| [broker_id(leader), broker_id(joins)].contains(id)) =>
            {
                self.strike_on(joins, Strike::Kill(wait(&mut chase.rng, 1, 50)));
                chase.next(self.now, CUT)
            }
            2 if self.in_sync(leader, chase.log) == [broker_id(leader)] => chase.next(self.now, CUT),
            3 if self.is_up(leader, joins) => {
                self.strike_on(leader, Strike::Cut(controller, leader, lag + CUT));
                chase.next(self.now, CUT / 2)
            }
            4 if self.in_sync(controller, chase.log).contains(&broker_id(joins)) => {
                self.model.mark("members nobody told the leader of");
                self.cut_data((leader, joins), 2 * lag);
                chase.next(self.now, lag + CUT / 2)
            }
            5 if self.now >= chase.until || self.end_of(joins, chase.log) < self.committed_end(leader, chase.log) => {
                self.strike_on(leader, Strike::Kill(wait(&mut chase.rng, 2_000, 6_000)));
                false
            }
            _ => self.now < chase.until,
        }
    }

    fn overtaken(&mut self, chase: &mut Chase) -> bool {
        let (first, second, third) = (chase.first, chase.others[0], chase.others[1]);
        let end = |machine: usize| self.end_of(machine, chase.log);
        match chase.step {
            0 => {
                self.cut_data((first, second), CUT);
                self.cut_data((second, third), CUT);
                chase.next(self.now, CUT / 2)
            }
            1 if end(second) < end(third) => {
                let more = wait(&mut chase.rng, 1, 300);
                chase.next(self.now, more)
            }
            2 if self.now >= chase.until => {
                self.strike_on(first, Strike::Kill(wait(&mut chase.rng, 2_000, 4_000)));
                chase.next(self.now, CUT / 2)
            }
            3 if self.wrote_in_reign(second, chase.log) => {
                if end(second) <= end(third) {
                    self.model.mark("overtaken in time");
                }
                self.strike_on(second, Strike::Kill(wait(&mut chase.rng, 1_500, 4_000)));
                self.cut_data((first, second), Duration::ZERO);
                self.cut_data((second, third), Duration::ZERO);
                false
            }
            2 => true,
            _ => self.now < chase.until,
        }
    }

    fn relay(&mut self, chase: &mut Chase) -> bool {
        let (stays, comes) = (chase.first, chase.others[0]);
        let known = self.controller().map_or_else(Vec::new, |controller| self.in_sync(controller, chase.log));
        match chase.step {
            0 => {
                self.strike_on(comes, Strike::Kill(wait(&mut chase.rng, 2_000, 5_000)));
                let goes_on = wait(&mut chase.rng, 200, 2_000);
                chase.next(self.now, goes_on)
            }
            1 if self.now >= chase.until => {
                for other in chase.others.clone().into_iter().skip(1) {
                    self.strike_on(other, Strike::Kill(wait(&mut chase.rng, 4_000, 8_000)));
                }
                chase.next(self.now, CUT / 2)
            }
            2 if known == [broker_id(stays)] && self.machines[comes].view().is_some() => {
                self.strike_on(stays, Strike::Kill(wait(&mut chase.rng, 1, 10)));
                chase.next(self.now, CUT / 2)
            }
            3 if known.len() > 1 => {
                self.strike_on(stays, Strike::Kill(wait(&mut chase.rng, 500, 3_000)));
                self.model.mark("relays in time");
                false
            }
            1 => true,
            _ => self.now < chase.until,
        }
    }

    /// The machine that leads the quorum: of those that believe it the one in the highest term.
    pub(crate) fn controller(&self) -> Option<usize> {
        let reign = |at: &usize| self.machines[*at].view().and_then(|view| view.reign());
        (0..self.machines.len()).filter(|at| reign(at).is_some()).max_by_key(reign)
    }

    /// Between two machines nothing passes that replicas say to each other; all else does.
    fn cut_data(&mut self, (one, other): (usize, usize), wait: Duration) {
        let until = self.now + wait;
        if let Some(film) = &mut self.film {
            film.data_cut((one, other), self.now, until);
        }
        self.net().cut_port(one, other, PORT, until);
        self.net().cut_port(other, one, PORT, until);
    }

    /// Up to where a log is committed, as a machine knows.
    fn committed_end(&self, machine: usize, log: LogId) -> Option<Offset> {
        self.machines[machine].view().and_then(|view| view.high_watermark(log))
    }

    /// Who is in sync, as a machine knows.
    fn in_sync(&self, machine: usize, log: LogId) -> Vec<BrokerId> {
        let partition = self.machines[machine].view().and_then(|view| view.image().partition(log));
        partition.map_or_else(Vec::new, |partition| partition.isr.clone())
    }

    /// Whether one machine knows that another is up.
    fn is_up(&self, machine: usize, other: usize) -> bool {
        let broker = self.machines[machine].view().and_then(|view| view.image().broker(broker_id(other)));
        broker.is_some_and(|broker| broker.is_active())
    }

    fn end_of(&self, machine: usize, log: LogId) -> Option<Offset> {
        let view = self.machines[machine].view();
        view.and_then(|view| view.partition(log)).map(|partition| partition.log().end())
    }

    /// Whether a machine leads, and has on disk what it took in this reign.
    fn wrote_in_reign(&self, machine: usize, log: LogId) -> bool {
        let partition = self.machines[machine].view().and_then(|view| view.partition(log));
        let is_kept = |log: &Log| log.durable() == log.end();
        partition.is_some_and(|one| {
            one.reign().is_some() && one.log().epochs().latest() == one.reign() && is_kept(one.log())
        })
    }
}

impl Chain {
    /// Whether it can be at this partition, of which so many replicas must be in sync: who is cut off from the controller is
    /// another.
    fn fits(self, partition: &Partition, least: usize, controller: usize) -> bool {
        let is_whole = partition.isr.len() == partition.replicas.len() && partition.leader != BrokerId::NONE;
        let is_elsewhere = machine_of(partition.leader) != Some(controller);
        let others = others_of(partition);
        is_whole
            && match self {
                Self::Island => is_elsewhere && !others.is_empty(),
                Self::Relay => is_elsewhere && others.first().is_some_and(|other| *other != controller),
                Self::Deaf => least == 1 && is_elsewhere && others.first().is_some_and(|other| *other != controller),
                Self::Overtaken => others.len() > 1 && least < partition.replicas.len(),
                Self::Rivals | Self::Revenant | Self::Unkept => false,
            }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Island => "chains: a leader alone",
            Self::Deaf => "chains: a leader that is not answered",
            Self::Overtaken => "chains: a leader nobody heard of",
            Self::Relay => "chains: the last one in sync",
            Self::Rivals => "chains: two stand in one term",
            Self::Revenant => "chains: a leader of the past",
            Self::Unkept => "chains: a voter that loses what it has",
        }
    }
}

impl Chase {
    /// Bits that tell chains of one kind apart.
    pub(crate) fn flavour(&self) -> u64 {
        self.flavour
    }

    /// The next moment is waited for, for so long.
    pub(crate) fn next(&mut self, now: At, wait: Duration) -> bool {
        self.step += 1;
        self.until = now + wait;
        true
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn machine_of(broker: BrokerId) -> Option<usize> {
    usize::try_from(broker.0 - 1).ok()
}

fn others_of(partition: &Partition) -> Vec<usize> {
    partition.replicas.iter().filter(|id| **id != partition.leader).filter_map(|id| machine_of(*id)).collect()
}

/// The chains, as often as they are drawn.
const CHAINS: [Chain; 6] = [Chain::Island, Chain::Deaf, Chain::Deaf, Chain::Overtaken, Chain::Overtaken, Chain::Relay];
/// So many chains are many.
const MANY: u64 = 8;
/// Of so many partitions that a chain can be at the longest is taken.
const DRAWN: usize = 4;
/// How often a chain looks whether its next moment has come.
pub(crate) const LOOK: Duration = Duration::from_millis(1);
/// How long lines are cut at least, and how long a moment is waited for at most.
pub(crate) const CUT: Duration = Duration::from_secs(12);
/// How often one without a partition looks for one.
const SEEK: Duration = Duration::from_millis(100);
