//! What may strike a run, and when: drawn from the seed before it begins, as a list that can be shortened.

use crate::chain::Chain;
use crate::clock::At;
use crate::disk::Armed;
use crate::net::{Flow, Told};
use ottla_core::types::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// One thing that goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum Strike {
    /// The process is killed and starts again after a while.
    Kill(Duration),
    /// The power fails and comes back after a while.
    PowerLoss(Duration),
    /// The power fails everywhere at once, and comes back after a while.
    Blackout(Duration),
    /// The process is killed, and starts again after a while with an empty disk.
    Wipe(Duration),
    /// The process is asked to stop, and starts again a while after it has.
    Stop(Duration),
    /// The process stands still for a while.
    Pause(Duration),
    /// The clock runs at so many thousandths of the world's pace from now on.
    Pace(u64),
    /// The wall clock jumps by so many milliseconds.
    Jump(i64),
    /// The clock stands still for a while.
    Freeze(Duration),
    /// One connection breaks, as far as anybody is told.
    Sever(Told),
    /// All connections break.
    SeverAll(Told),
    /// Nothing that the machine sends, or that is sent to it, arrives for a while.
    Stall(Flow, Duration),
    /// The disk takes so many times longer for a while.
    Slow(u32, Duration),
    /// No operation of the disk ends for a while.
    Stuck(Duration),
    /// The file system has room for so many bytes more, for a while.
    Full(u64, Duration),
    /// The next operation of a kind fails.
    Arm(Armed),
    /// Bits flip on the device.
    Rot,
    /// An operator wants some replica in another data directory, and perhaps others too.
    Relocate(u64),
    /// The network between these machines, by number from the lowest bit on, and the others is cut for a while.
    Part(u64, Way, Duration),
    /// Nothing that the first machine sends to the second arrives for a while.
    Cut(usize, usize, Duration),
    /// One strike behind the other, each when it hurts; the number draws how.
    Chain(Chain, u64),
    /// Nothing goes wrong: what is durable at this moment is compared with what was promised.
    Probe,
}

impl Strike {
    /// Whether bytes are gone for good: what there was no other copy of is lost.
    pub fn is_damage(self) -> bool {
        matches!(self, Self::Arm(Armed::ReadFails) | Self::Rot)
    }
}

/// Which way a cut holds.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum Way {
    /// Neither side hears the other.
    Both,
    /// The machines that are named are not heard.
    Out,
    /// They do not hear.
    In,
}

/// A strike, its moment and its place.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Op {
    /// When, in world time.
    pub at: At,
    /// Where; strikes at connections come anywhere.
    pub machine: usize,
    /// What.
    pub strike: Strike,
}

/// How often each kind of strike comes in a run; 0 for never.
#[derive(Clone, Debug)]
pub struct Weather {
    counts: Vec<(Kind, u64)>,
}

/// The kinds that a run turns on or off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Kill,
    PowerLoss,
    Stop,
    Pause,
    Pace,
    Jump,
    Freeze,
    Sever,
    SeverAll,
    Stall,
    Slow,
    Stuck,
    Full,
    ReadFails,
    WriteFails,
    SyncFails,
    Rot,
}

/// Each kind, how many of 16 runs have it, and its most strikes in a run.
const KINDS: [(Kind, u64, u64); 17] = [
    (Kind::Kill, 8, 16),
    (Kind::PowerLoss, 8, 16),
    (Kind::Stop, 6, 6),
    (Kind::Pause, 6, 8),
    (Kind::Pace, 8, 8),
    (Kind::Jump, 8, 8),
    (Kind::Freeze, 4, 4),
    (Kind::Sever, 8, 40),
    (Kind::SeverAll, 5, 8),
    (Kind::Stall, 6, 8),
    (Kind::Slow, 6, 4),
    (Kind::Stuck, 6, 6),
    (Kind::Full, 4, 4),
    (Kind::ReadFails, 3, 4),
    (Kind::WriteFails, 3, 4),
    (Kind::SyncFails, 3, 4),
    (Kind::Rot, 3, 6),
];

impl Weather {
    /// Draws which kinds a run has, and how many of each. A storm has twice as many kinds, and the most of each or more.
    pub fn draw(rng: &mut Rng, storm: bool) -> Self {
        let count = |(kind, odds, most): (Kind, u64, u64)| {
            if storm {
                return (kind, if rng.chance(odds * 2, 16) { rng.between(most, 3 * most) } else { 0 });
            }
            let on = rng.chance(odds, 16);
            let magnitude = rng.below(u64::from(most.ilog2()) + 1);
            let count = rng.between(1, most >> magnitude);
            (kind, if on { count } else { 0 })
        };
        Self { counts: KINDS.into_iter().map(count).collect() }
    }

    /// Draws the strikes at a machine between two moments, in order, with a few looks at the disk among them.
    pub fn forecast(&self, machine: usize, (from, to): (At, At), rng: &mut Rng) -> Vec<Op> {
        let mut ops = Vec::new();
        for (kind, count) in &self.counts {
            for _ in 0..*count {
                ops.push(Op { at: At(rng.between(from.0, to.0)), machine, strike: draw(*kind, rng) });
            }
        }
        for _ in 0..3 {
            ops.push(Op { at: At(rng.between(from.0, to.0)), machine, strike: Strike::Probe });
        }
        ops.sort_by_key(|op| op.at);
        ops
    }
}

/// Draws cuts of the network among so many machines, short ones in a storm.
pub fn draw_parts((machines, storm): (usize, bool), (from, to): (At, At), rng: &mut Rng) -> Vec<Op> {
    if machines == 1 {
        return Vec::new();
    }
    let count = if rng.chance(2, 3) { 1 << rng.below(5) } else { 0 };
    let part = |_| {
        let some = rng.between(1, (1 << machines) - 2);
        let way = [Way::Both, Way::Both, Way::Out, Way::In][rng.below(4) as usize];
        let strike = Strike::Part(some, way, wait(rng, 10, if storm { 5_000 } else { 20_000 }));
        Op { at: At(rng.between(from.0, to.0)), machine: 0, strike }
    };
    (0..count).map(part).collect()
}

/// Draws losses of all power.
pub fn draw_blackouts((from, to): (At, At), rng: &mut Rng) -> Vec<Op> {
    let count = if rng.chance(1, 2) { rng.between(1, 3) } else { 0 };
    let strike = |_| {
        let at = At(rng.between(from.0, to.0));
        Op { at, machine: 0, strike: Strike::Blackout(wait(rng, 10, 3_000)) }
    };
    (0..count).map(strike).collect()
}

/// Draws moves of replicas from one data directory of a machine to another.
pub fn draw_relocations(machines: usize, (from, to): (At, At), rng: &mut Rng) -> Vec<Op> {
    let strike = |_| {
        let (at, machine) = (At(rng.between(from.0, to.0)), rng.below(machines as u64) as usize);
        Op { at, machine, strike: Strike::Relocate(rng.next_u64()) }
    };
    (0..8 * machines).map(strike).collect()
}

/// Draws the loss of one disk, of a machine that has no vote: what a voter forgets was never to be forgotten.
pub fn draw_wipe((voters, machines): (usize, usize), (from, to): (At, At), rng: &mut Rng) -> Op {
    let machine = rng.between(voters as u64, machines as u64 - 1) as usize;
    Op { at: At(rng.between(from.0, to.0)), machine, strike: Strike::Wipe(wait(rng, 10, 3_000)) }
}

fn draw(kind: Kind, rng: &mut Rng) -> Strike {
    let told = [Told::Both, Told::Both, Told::Opener, Told::Accepter, Told::Nobody];
    match kind {
        Kind::Kill => Strike::Kill(wait(rng, 1, 3_000)),
        Kind::PowerLoss => Strike::PowerLoss(wait(rng, 10, 3_000)),
        Kind::Stop => Strike::Stop(wait(rng, 1, 3_000)),
        Kind::Pause => Strike::Pause(wait(rng, 10, 12_000)),
        Kind::Pace => Strike::Pace(rng.between(500, 2_000)),
        Kind::Jump => {
            let millis = wait(rng, 1, 20 * 24 * 3_600_000).as_millis() as i64;
            Strike::Jump(if rng.chance(1, 2) { millis } else { -millis })
        }
        Kind::Freeze => Strike::Freeze(wait(rng, 10, 10_000)),
        Kind::Sever => Strike::Sever(told[rng.below(5) as usize]),
        Kind::SeverAll => Strike::SeverAll(told[rng.below(5) as usize]),
        Kind::Stall => Strike::Stall(if rng.chance(1, 2) { Flow::Out } else { Flow::In }, wait(rng, 10, 8_000)),
        Kind::Slow => Strike::Slow(1 << rng.between(1, 7), wait(rng, 100, 15_000)),
        Kind::Stuck => Strike::Stuck(wait(rng, 10, 8_000)),
        Kind::Full => {
            let most = 1 << rng.between(1, 21);
            Strike::Full(rng.below(most), wait(rng, 100, 10_000))
        }
        Kind::ReadFails => Strike::Arm(Armed::ReadFails),
        Kind::WriteFails => Strike::Arm(Armed::WriteFails),
        Kind::SyncFails => Strike::Arm(Armed::SyncFails),
        Kind::Rot => Strike::Rot,
    }
}

/// A wait between so many milliseconds, short ones as likely as long ones.
pub(crate) fn wait(rng: &mut Rng, least_ms: u64, most_ms: u64) -> Duration {
    let doublings = u64::from((most_ms / least_ms).ilog2());
    let top = least_ms << rng.below(doublings + 1);
    Duration::from_micros(rng.between(top * 1_000, (top * 2).min(most_ms) * 1_000))
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(down) => write!(f, "kill, back in {down:?}"),
            Self::PowerLoss(down) => write!(f, "power loss, back in {down:?}"),
            Self::Blackout(down) => write!(f, "power loss everywhere, back in {down:?}"),
            Self::Wipe(down) => write!(f, "another disk, back in {down:?}"),
            Self::Stop(down) => write!(f, "clean stop, back in {down:?}"),
            Self::Pause(wait) => write!(f, "pause for {wait:?}"),
            Self::Pace(permille) => write!(f, "clock at {permille} permille"),
            Self::Jump(millis) => write!(f, "wall clock jumps by {millis} ms"),
            Self::Freeze(wait) => write!(f, "clock frozen for {wait:?}"),
            Self::Sever(told) => write!(f, "a connection breaks, told: {told:?}"),
            Self::SeverAll(told) => write!(f, "all connections break, told: {told:?}"),
            Self::Stall(Flow::Out, wait) => write!(f, "nothing that it sends arrives for {wait:?}"),
            Self::Stall(Flow::In, wait) => write!(f, "nothing that is sent to it arrives for {wait:?}"),
            Self::Slow(factor, wait) => write!(f, "disk {factor} times slower for {wait:?}"),
            Self::Stuck(wait) => write!(f, "disk stuck for {wait:?}"),
            Self::Full(spare, wait) => write!(f, "disk full but for {spare} bytes, for {wait:?}"),
            Self::Arm(fault) => write!(f, "disk: the next {fault:?}"),
            Self::Rot => f.write_str("bits rot"),
            Self::Relocate(_) => f.write_str("replicas to another directory"),
            Self::Part(some, way, wait) => {
                let names: Vec<String> =
                    (0..64).filter(|at| some >> at & 1 == 1).map(|at| format!("node {at}")).collect();
                let names = names.join(", ");
                match way {
                    Way::Both => write!(f, "{names} cut off from the others for {wait:?}"),
                    Way::Out => write!(f, "{names} not heard by the others for {wait:?}"),
                    Way::In => write!(f, "{names} do not hear the others for {wait:?}"),
                }
            }
            Self::Chain(chain, _) => write!(f, "{chain}"),
            Self::Cut(from, to, wait) => write!(f, "node {from} not heard by node {to} for {wait:?}"),
            Self::Probe => f.write_str("probe"),
        }
    }
}
