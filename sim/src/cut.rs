//! What is left of a plan: fewer strikes, clients, machines, topics and partitions, and an earlier end. Whatever stays keeps its number
//! and its chance, so that a cut run is the same run with less in it.

use crate::chain::Chain;
use crate::clock::At;
use crate::fault::{Op, Strike};
use crate::plan::{Options, Plan, Role};
use std::fmt::Write;

/// What is left of a plan.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Cut {
    /// Only these strikes.
    pub ops: Option<Vec<usize>>,
    /// Only these clients.
    pub clients: Option<Vec<usize>>,
    /// Only these topics.
    pub topics: Option<Vec<usize>>,
    /// Of each topic only so many partitions.
    pub partitions: Option<i32>,
    /// Only so many machines, the first ones.
    pub machines: Option<usize>,
    /// Nothing strikes from this second on.
    pub end_secs: Option<u64>,
    /// The disk says that it has flushed and has not: whoever then finds nothing is asleep.
    pub liar: bool,
    /// Every process records its flight, which is replayed when it ends.
    pub recorded: bool,
    /// It is the plan of a cluster: several machines.
    pub cluster: bool,
    /// All its chains of strikes are of this kind, and there are many.
    pub chain: Option<Chain>,
    /// More strikes of more kinds.
    pub storm: bool,
}

impl Plan {
    /// The same with less in it.
    #[must_use]
    pub fn cut(mut self, cut: &Cut) -> Self {
        self.options.disk.liar |= cut.liar;
        self.options.shape.recorded |= cut.recorded;
        if let Some(secs) = cut.end_secs {
            self.calm_from = self.calm_from.min(At::secs(secs));
        }
        self.ops
            .retain(|(number, op)| op.at < self.calm_from && cut.ops.as_ref().is_none_or(|kept| kept.contains(number)));
        self.clients.retain(|client| cut.clients.as_ref().is_none_or(|kept| kept.contains(&client.number)));
        if let Some(kept) = &cut.topics {
            self.keep_topics(kept);
        }
        if let Some(most) = cut.partitions {
            self.options.topics.iter_mut().for_each(|topic| topic.partitions = topic.partitions.min(most.max(1)));
        }
        if let Some(machines) =
            cut.machines.filter(|machines| self.options.cluster && *machines < self.options.machines)
        {
            self.keep_machines(machines.max(MACHINES_MIN));
        }
        self
    }

    /// Clients that had to do with other topics alone go with those.
    fn keep_topics(&mut self, kept: &[usize]) {
        let all = std::mem::take(&mut self.options.topics);
        let named = all.into_iter().enumerate().filter(|(at, _)| kept.contains(at));
        let (left, topics): (Vec<usize>, Vec<_>) = named.unzip();
        self.options.topics = topics;
        self.clients.retain_mut(|client| {
            let Some(known) = client.role.topics() else { return true };
            *known = known.iter().filter_map(|topic| left.iter().position(|one| one == topic)).collect();
            !known.is_empty()
        });
    }

    /// Replicas, voters and strikes are as many as fit.
    fn keep_machines(&mut self, machines: usize) {
        let Options { shape, replicas, topics, .. } = &mut self.options;
        *replicas = (*replicas).min(machines as i16);
        shape.voters = shape.voters.min(machines);
        shape.replicas_min = shape.replicas_min.min(*replicas);
        shape.dedicated &= machines >= shape.voters + *replicas as usize;
        for (_, least) in topics.iter_mut().flat_map(|topic| &mut topic.settings).filter(|(name, _)| name == ISR_MIN) {
            *least = least.parse().unwrap_or(1).min(*replicas).to_string();
        }
        for client in &mut self.clients {
            match &mut client.role {
                Role::Mover(habits) => {
                    habits.brokers = machines;
                    habits.replicas = habits.replicas.min(machines);
                }
                Role::Outlaw(habits) => habits.replicas = habits.replicas.min(machines as i16),
                Role::Recycler(habits) => {
                    habits.replicas = habits.replicas.min(machines as i16);
                    habits.replicas_min = habits.replicas_min.min(machines as i16);
                }
                Role::Tuner(habits) => {
                    habits.brokers = machines;
                    habits.replicas = habits.replicas.min(machines);
                    habits.replicas_min = habits.replicas_min.min(machines);
                }
                Role::Turnover(habits) => habits.controllers = machines,
                Role::Producer(_) | Role::Consumer(_) | Role::Member(_) | Role::Trimmer(..) => {}
            }
        }
        self.options.machines = machines;
        self.ops.retain_mut(|(_, op)| op.fits(machines));
    }
}

impl Op {
    /// Whether it can strike a world of so many machines, if perhaps fewer of them.
    fn fits(&mut self, machines: usize) -> bool {
        let all = (1u64 << machines) - 1;
        match &mut self.strike {
            Strike::Part(some, ..) => {
                *some &= all;
                *some != 0 && *some != all
            }
            Strike::Cut(from, to, _) => *from < machines && *to < machines,
            Strike::Kill(_)
            | Strike::PowerLoss(_)
            | Strike::Blackout(_)
            | Strike::Wipe(_)
            | Strike::Stop(_)
            | Strike::Pause(_)
            | Strike::Pace(_)
            | Strike::Jump(_)
            | Strike::Freeze(_)
            | Strike::Sever(_)
            | Strike::SeverAll(_)
            | Strike::Stall(..)
            | Strike::Slow(..)
            | Strike::Stuck(_)
            | Strike::Full(..)
            | Strike::Arm(_)
            | Strike::Rot
            | Strike::Relocate(_)
            | Strike::Chain(..)
            | Strike::Probe => self.machine < machines,
        }
    }
}

impl Role {
    /// The topics that this client has to do with; none for those who have to do with all.
    fn topics(&mut self) -> Option<&mut Vec<usize>> {
        match self {
            Self::Producer(habits) => Some(&mut habits.topics),
            Self::Consumer(habits) => Some(&mut habits.topics),
            Self::Member(habits) => Some(&mut habits.topics),
            Self::Trimmer(topics, _) => Some(topics),
            Self::Mover(_) | Self::Outlaw(_) | Self::Recycler(_) | Self::Tuner(_) | Self::Turnover(_) => None,
        }
    }
}

impl Cut {
    /// The flags that bring it about.
    pub fn flags(&self) -> String {
        let mut text = String::new();
        if self.cluster {
            text.push_str(" --cluster");
        }
        if let Some(chain) = self.chain {
            let _ = write!(text, " --chain {chain:?}");
        }
        if self.storm {
            text.push_str(" --storm");
        }
        let lists = [("strikes", &self.ops), ("clients", &self.clients), ("topics", &self.topics)];
        for (flag, numbers) in lists {
            if let Some(numbers) = numbers {
                let texts: Vec<String> = numbers.iter().map(usize::to_string).collect();
                let list = if texts.is_empty() { "none".to_owned() } else { texts.join(",") };
                let _ = write!(text, " --{flag} {list}");
            }
        }
        if let Some(partitions) = self.partitions {
            let _ = write!(text, " --partitions {partitions}");
        }
        if let Some(machines) = self.machines {
            let _ = write!(text, " --machines {machines}");
        }
        if let Some(secs) = self.end_secs {
            let _ = write!(text, " --end {secs}");
        }
        if self.liar {
            text.push_str(" --liar");
        }
        if self.recorded {
            text.push_str(" --recorded");
        }
        text
    }
}

/// Fewer machines are no cluster.
pub const MACHINES_MIN: usize = 2;
const ISR_MIN: &str = "min.insync.replicas";

#[cfg(test)]
#[path = "cut_test.rs"]
mod cut_test;
