//! What is kept of a run for its page: what every machine was at every moment, what struck, who said what to whom, what
//! became of each partition. It only looks on: a run is the same with and without it.

use super::talk::{Ends, Talk};
use crate::clock::At;
use crate::fault::Strike;
use crate::machine::{Life, Machine};
use crate::model::Heard;
use crate::net::{LinkId, Net, Plug, Who};
use ottla_core::log::Log;
use ottla_core::metadata::{Image, Partition};
use ottla_core::node::{Standing, View};
use ottla_core::types::{LeaderEpoch, LogId, Offset};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Values, each of which holds from its moment to the next one's.
pub type Reel<T> = Vec<(At, T)>;

/// All of it.
#[derive(Default)]
pub struct Film {
    /// Every machine that ever did something, by its number.
    pub machines: BTreeMap<usize, MachineReel>,
    /// What went wrong, in the order in which it began.
    pub bands: Vec<Band>,
    /// Messages.
    pub talk: Talk,
    /// What was acknowledged to which client.
    pub acks: Vec<(At, usize, Heard)>,
    /// Every partition that anybody knew of.
    pub partitions: BTreeMap<LogId, PartitionReel>,
}

/// A machine in the course of time.
#[derive(Default)]
pub struct MachineReel {
    /// Its process.
    pub life: Reel<Life>,
    /// The term it is in, and what it is in the metadata quorum.
    pub standing: Reel<Option<(LeaderEpoch, Standing)>>,
    /// Up to where it knows the metadata.
    known: Option<Offset>,
}

/// A partition in the course of time.
#[derive(Default)]
pub struct PartitionReel {
    /// `topic-partition`.
    pub name: String,
    /// What the metadata say of it, from the moment on that anybody knew.
    pub states: Reel<Arc<Partition>>,
    /// What each machine keeps of it.
    pub copies: BTreeMap<usize, Reel<Option<Kept>>>,
}

/// What a machine keeps of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The first offset.
    pub start: Offset,
    /// The first offset that is not.
    pub end: Offset,
    /// Up to where it is committed, as this machine knows.
    pub watermark: Offset,
    /// The reign in which this machine believes that it leads.
    pub reign: Option<LeaderEpoch>,
}

/// Something that goes wrong for a while, or in one moment.
pub struct Band {
    /// From when on.
    pub from: At,
    /// Until when.
    pub until: At,
    /// At which machine; none for what is between them.
    pub machine: Option<usize>,
    /// What.
    pub text: String,
    /// The two machines, if only some of what they say is held back.
    pair: Option<(&'static str, usize, usize)>,
}

impl Film {
    /// A machine did something.
    pub fn look(&mut self, now: At, number: usize, machine: &Machine) {
        let view = machine.view();
        let reel = self.machines.entry(number).or_default();
        put(&mut reel.life, now, machine.life());
        put(&mut reel.standing, now, view.map(|view| view.standing()));
        let known = view.map(|view| view.image().end());
        if let Some(view) = view.filter(|_| reel.known != known) {
            reel.known = known;
            self.learn(now, view.image());
        }
        for (log, reel) in &mut self.partitions {
            let copy = view.and_then(|view| copy_of(view, *log));
            match reel.copies.get_mut(&number) {
                Some(copies) => put(copies, now, copy),
                None if copy.is_some() => drop(reel.copies.insert(number, vec![(now, copy)])),
                None => {}
            }
        }
    }

    /// Somebody knows these metadata: what nobody knew before is noted.
    fn learn(&mut self, now: At, image: &Image) {
        let metadata = self.partitions.entry(LogId::METADATA).or_default();
        if metadata.name.is_empty() {
            metadata.name = "metadata log".to_owned();
        }
        for topic in image.topics() {
            for (index, partition) in topic.partitions.iter() {
                let reel = self.partitions.entry(LogId { topic: topic.id, partition: *index }).or_default();
                if reel.name.is_empty() {
                    reel.name = format!("{}-{index}", topic.name.as_str());
                }
                let known = reel.states.last().map(|(_, known)| known.partition_epoch);
                if known.is_none_or(|known| known < partition.partition_epoch) {
                    reel.states.push((now, Arc::clone(partition)));
                }
            }
        }
    }

    /// Something strikes.
    pub fn struck(&mut self, now: At, machine: usize, strike: Strike) {
        let Some((is_at_one, wait)) = reach(strike) else { return };
        let machine = is_at_one.then_some(machine);
        self.bands.push(Band { from: now, until: now + wait, machine, text: strike.to_string(), pair: None });
    }

    /// Replicas on two machines do not hear each other until then.
    pub fn data_cut(&mut self, pair: (usize, usize), now: At, until: At) {
        self.cut(pair, (now, until), "replicas");
    }

    /// The same for two voters.
    pub fn voters_cut(&mut self, pair: (usize, usize), now: At, until: At) {
        self.cut(pair, (now, until), "voters");
    }

    /// Two machines do not hear each other in one matter until then; a moment that is now ends what was said before.
    fn cut(&mut self, pair: (usize, usize), (now, until): (At, At), whom: &'static str) {
        let pair = Some((whom, pair.0.min(pair.1), pair.0.max(pair.1)));
        for band in self.bands.iter_mut().filter(|band| band.pair == pair && band.until > now) {
            band.until = now;
        }
        if let Some((whom, one, other)) = pair.filter(|_| until > now) {
            let text = format!("{whom} on nodes {one} and {other} do not hear each other");
            self.bands.push(Band { from: now, until, machine: None, text, pair });
        }
    }

    /// A batch was acknowledged to a client.
    pub fn acked(&mut self, now: At, client: usize, heard: Heard) {
        self.acks.push((now, client, heard));
    }

    /// Bytes set out to an end.
    pub fn sent(&mut self, net: &Net, to: Plug, bytes: &bytes::Bytes, times: (At, Option<At>)) {
        let (Some(opener), Some(door)) = (net.opener(to.link), net.door(to.link)) else { return };
        let Some(machine) = door.machine else { return };
        self.talk.sent(Ends { opener, door, accepter: Who::Machine(machine) }, to, bytes, times);
    }

    /// A connection broke.
    pub fn severed(&mut self, now: At, link: LinkId) {
        self.talk.severed(now, link);
    }
}

/// Notes a value if it is another than before.
fn put<T: PartialEq>(reel: &mut Reel<T>, now: At, value: T) {
    if reel.last().is_none_or(|(_, last)| *last != value) {
        reel.push((now, value));
    }
}

fn copy_of(view: View<'_>, log: LogId) -> Option<Kept> {
    let of = |log: &Log, watermark, reign| Kept { start: log.start(), end: log.end(), watermark, reign };
    if log == LogId::METADATA {
        return Some(of(view.metadata_log(), view.image().end(), view.reign()));
    }
    view.partition(log).map(|partition| of(partition.log(), partition.high_watermark(), partition.reign()))
}

/// Whether a strike is at one machine, and how long it lasts beyond what its machine's life shows anyway; nothing for a mere
/// look.
fn reach(strike: Strike) -> Option<(bool, Duration)> {
    match strike {
        Strike::Kill(_)
        | Strike::PowerLoss(_)
        | Strike::Wipe(_)
        | Strike::Stop(_)
        | Strike::Pace(_)
        | Strike::Jump(_)
        | Strike::Arm(_)
        | Strike::Relocate(_)
        | Strike::Rot => Some((true, Duration::ZERO)),
        Strike::Pause(wait)
        | Strike::Freeze(wait)
        | Strike::Stall(_, wait)
        | Strike::Slow(_, wait)
        | Strike::Stuck(wait)
        | Strike::Full(_, wait) => Some((true, wait)),
        Strike::Blackout(wait) | Strike::Part(_, _, wait) | Strike::Cut(_, _, wait) => Some((false, wait)),
        Strike::Sever(_) | Strike::SeverAll(_) | Strike::Chain(..) => Some((false, Duration::ZERO)),
        Strike::Probe => None,
    }
}

#[cfg(test)]
#[path = "film_test.rs"]
mod film_test;
