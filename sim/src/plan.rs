//! A seed → everything that a run is given: what the world is like, who the clients are, what strikes when. A plan can be
//! cut down without anything else in it changing, which is how a failing run is shortened.

use crate::clock::At;
use crate::cluster::{Shape, draw_doubled};
use crate::cut::Cut;
use crate::disk::Traits;
use crate::fault::{Op, Strike, Weather};
use crate::model::Topic;
use crate::net::Quality;
use ottla_core::record::Compression;
use ottla_core::types::{Rng, limit};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::time::Duration;

use crate::client::{consumer, member, mover, outlaw, producer, recycler, tuner, turnover};

/// The wall clock at the start of every run: 21 November 2026.
pub const EPOCH_MS: i64 = 1_795_219_200_000;
/// Strikes come from this moment on; before it topics are made.
pub const STRIKES_FROM: At = At::secs(3);

/// What the world of a run is like.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Options {
    /// How a stranger would run it: usual sizes, a quick network and disk.
    pub production: bool,
    /// Nothing is flushed before it is acknowledged: the first loss of power ends the run, after a look at what is left.
    pub relaxed: bool,
    /// How many machines there are.
    pub machines: usize,
    /// They are one cluster; otherwise each is one of its own.
    pub cluster: bool,
    /// How many replicas each partition of the run's topics has.
    pub replicas: i16,
    /// What its cluster is like.
    pub shape: Shape,
    /// The network.
    pub net: Quality,
    /// The disk.
    pub disk: Traits,
    /// No segment is longer, whatever its topic says.
    pub segment_bytes: u32,
    /// Length of the journal.
    pub journal_bytes: u64,
    /// Memory for the newest batches.
    pub cache_bytes: usize,
    /// What a segment may lag behind before it is written.
    pub behind_bytes: u64,
    /// The most bytes of one group.
    pub group_bytes: usize,
    /// The longest read of a segment.
    pub read_bytes: usize,
    /// The least distance of index entries.
    pub index_interval_bytes: u32,
    /// Memory for indexes.
    pub index_bytes: usize,
    /// Into how many lanes the node is divided.
    pub lanes: usize,
    /// The most that a letter between the front and a lane takes.
    pub lane_delay_max: Duration,
    /// What one request may cost a step of the node before it is worked off in pieces.
    pub request_cost_max: usize,
    /// The topics that live as long as the run.
    pub topics: Vec<Topic>,
}

/// Who a client is.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub enum Role {
    /// Writes.
    Producer(producer::Habits),
    /// Reads.
    Consumer(consumer::Habits),
    /// Is in a group.
    Member(member::Habits),
    /// Deletes records of these topics, at this pace.
    Trimmer(Vec<usize>, Duration),
    /// Moves replicas of a cluster.
    Mover(mover::Habits),
    /// Writes where nothing is promised.
    Outlaw(outlaw::Habits),
    /// Deletes its topic and makes it anew.
    Recycler(recycler::Habits),
    /// An operator who alters settings.
    Tuner(tuner::Habits),
    /// An operator who has controllers vote and not vote.
    Turnover(turnover::Habits),
}

/// A client and its chance.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct ClientSpec {
    /// Stays the same when others are left out.
    pub number: usize,
    /// Who it is.
    pub role: Role,
    /// Where its chance begins.
    pub seed: u64,
}

/// Everything that a run is given.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Plan {
    /// Where it all comes from.
    pub seed: u64,
    /// What the world is like.
    pub options: Options,
    /// Who is in it.
    pub clients: Vec<ClientSpec>,
    /// What strikes, with the number that it keeps when others are left out.
    pub ops: Vec<(usize, Op)>,
    /// From here on nothing strikes.
    pub calm_from: At,
}

impl Plan {
    /// What a cut leaves of the plan of a seed.
    pub fn of(seed: u64, cut: &Cut) -> Self {
        match cut.cluster {
            false => Self::draw(seed),
            true => Self::draw_cluster(seed, cut.chain, cut.storm),
        }
        .cut(cut)
    }

    /// The plan of a seed: one machine.
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let options = Options::draw(&mut rng.fork("options"));
        let clients = draw_clients(&options, &mut rng.fork("clients"));
        let mut nemesis = rng.fork("nemesis");
        let relaxed = rng.fork("durability").chance(1, 6);
        let mut options = Options { relaxed, ..options };
        let calm_from = draw_calm(&mut nemesis);
        let mut ops = Weather::draw(&mut nemesis, false).forecast(0, (STRIKES_FROM, calm_from), &mut nemesis);
        let relocations = draw_doubled(&mut options, seed, (1, (STRIKES_FROM, calm_from)));
        if !relocations.is_empty() {
            ops.extend(relocations);
            ops.sort_by_key(|op| op.at);
        }
        let mut plan = Self { seed, options, clients, ops: ops.into_iter().enumerate().collect(), calm_from };
        if relaxed {
            // What is promised there is promised of a device that works, and not of what is on it at any moment.
            plan.ops.retain(|(_, op)| !matches!(op.strike, Strike::Arm(_) | Strike::Rot | Strike::Probe));
        }
        plan
    }

    /// The plan for people, a line each.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "seed {}, strikes from {STRIKES_FROM} to {}", self.seed, self.calm_from);
        let Options { topics, .. } = &self.options;
        let _ = writeln!(text, "  {:?}", Options { topics: Vec::new(), ..self.options.clone() });
        for topic in topics {
            let _ = writeln!(text, "  topic {} with {} partitions {:?}", topic.name, topic.partitions, topic.settings);
        }
        for client in &self.clients {
            let _ = writeln!(text, "  client {} {:?}", client.number, client.role);
        }
        for (number, op) in &self.ops {
            let _ = writeln!(text, "  strike {number:>3} at {}  node {}: {}", op.at, op.machine, op.strike);
        }
        text
    }
}

impl Options {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let production = rng.chance(3, 20);
        let topics = draw_topics(production, &mut rng.fork("topics"));
        if production {
            return Self {
                production,
                relaxed: false,
                machines: 1,
                cluster: false,
                replicas: 1,
                shape: Shape::default(),
                net: Quality::default(),
                disk: Traits::default(),
                segment_bytes: 1 << 20,
                journal_bytes: 4 << 20,
                cache_bytes: 1 << 20,
                behind_bytes: 1 << 20,
                group_bytes: 2 << 20,
                read_bytes: 1 << 20,
                index_interval_bytes: 32 << 10,
                index_bytes: 32 << 20,
                lanes: 1,
                lane_delay_max: Duration::ZERO,
                request_cost_max: limit::REQUEST_COST_MAX,
                topics,
            };
        }
        Self {
            production,
            relaxed: false,
            machines: 1,
            cluster: false,
            replicas: 1,
            shape: Shape::default(),
            net: Quality { delay_us: 1 << rng.between(5, 14), pieces_max: 1 << rng.below(4) },
            disk: Traits {
                whole_pages: rng.chance(1, 2),
                capacity_bytes: None,
                liar: false,
                access_us: 1 << rng.between(4, 11),
                sync_us: 1 << rng.between(6, 15),
            },
            segment_bytes: 1 << rng.between(13, 18),
            journal_bytes: 1 << rng.between(17, 20),
            cache_bytes: 1 << rng.between(12, 20),
            behind_bytes: 1 << rng.between(12, 18),
            group_bytes: 1 << rng.between(13, 18),
            read_bytes: 1 << rng.between(12, 18),
            index_interval_bytes: 1 << rng.between(7, 14),
            index_bytes: 1 << rng.between(8, 18),
            lanes: rng.between(1, 4) as usize,
            lane_delay_max: Duration::from_micros([0, 0, 100, 3_000][rng.below(4) as usize]),
            request_cost_max: [limit::REQUEST_COST_MAX, 1, 4, 16][rng.below(4) as usize],
            topics,
        }
    }
}

pub(crate) fn draw_calm(nemesis: &mut Rng) -> At {
    At::secs(STRIKES_FROM.0 / 1_000_000_000 + nemesis.between(60, 90))
}

fn draw_topics(production: bool, rng: &mut Rng) -> Vec<Topic> {
    let count = rng.between(1, 3);
    let topic = |number| {
        let create_time = rng.chance(5, 6);
        let expires = !production && rng.chance(1, 4);
        let mut settings = Vec::new();
        if !create_time {
            settings.push(("message.timestamp.type".to_owned(), "LogAppendTime".to_owned()));
        }
        if create_time {
            settings.push(("message.timestamp.after.max.ms".to_owned(), i64::MAX.to_string()));
        }
        match (expires, rng.chance(1, 2)) {
            (true, true) => settings.push(("retention.bytes".to_owned(), (1u64 << rng.between(12, 18)).to_string())),
            (true, false) => settings.push(("retention.ms".to_owned(), rng.between(1_000, 60_000).to_string())),
            (false, _) => settings.push(("retention.ms".to_owned(), "-1".to_owned())),
        }
        let most = 1 << rng.below(4);
        Topic {
            name: format!("topic-{number}"),
            partitions: rng.between(1, most) as i32,
            settings,
            create_time,
            expires,
            id: None,
        }
    };
    (0..count).map(topic).collect()
}

pub(crate) fn draw_clients(options: &Options, rng: &mut Rng) -> Vec<ClientSpec> {
    let mut roles = Vec::new();
    for number in 0..rng.between(1, 4) {
        roles.push(Role::Producer(draw_producer(number as usize, options, &mut rng.fork("producer"))));
    }
    for _ in 0..rng.between(1, 3) {
        roles.push(Role::Consumer(draw_consumer(options, &mut rng.fork("consumer"))));
    }
    for group in 0..rng.below(3) {
        let habits = draw_member(group, options, &mut rng.fork("group"));
        roles.extend((0..rng.between(1, 4)).map(|_| Role::Member(habits.clone())));
    }
    if rng.chance(1, 3) {
        let topics = draw_some(options.topics.len(), rng);
        roles.push(Role::Trimmer(topics, Duration::from_millis(1 << rng.between(8, 14))));
    }
    roles.into_iter().enumerate().map(|(number, role)| ClientSpec { number, role, seed: rng.next_u64() }).collect()
}

fn draw_member(group: u64, options: &Options, rng: &mut Rng) -> member::Habits {
    member::Habits {
        group: format!("group-{group}"),
        topics: draw_some(options.topics.len(), rng),
        session: Duration::from_millis(rng.between(6_000, 15_000)),
        rebalance: Duration::from_millis(rng.between(2_000, 15_000)),
        pace: Duration::from_millis(1 << rng.between(7, 12)),
        leaves: [0, 20, 50][rng.below(3) as usize],
    }
}

fn draw_some(count: usize, rng: &mut Rng) -> Vec<usize> {
    let some: Vec<usize> = (0..count).filter(|_| rng.chance(2, 3)).collect();
    if some.is_empty() { vec![rng.below(count as u64) as usize] } else { some }
}

fn draw_producer(me: usize, options: &Options, rng: &mut Rng) -> producer::Habits {
    let idempotent = rng.chance(1, 2);
    let acks = if idempotent { -1 } else { [-1, -1, 1, 0][rng.below(4) as usize] };
    producer::Habits {
        me,
        topics: draw_some(options.topics.len(), rng),
        idempotent,
        acks,
        in_flight_max: rng.between(1, 5) as usize,
        pace: Duration::from_millis(1 << rng.between(7, 12)),
        records_max: 1 << rng.below(5),
        value_bytes_max: 1 << rng.between(3, 11),
        delivery: Duration::from_secs(rng.between(5, 40)),
        records_total: u64::MAX,
        codec: Compression::ALL[rng.below(9).saturating_sub(4) as usize],
        epoch_ms: EPOCH_MS,
    }
}

fn draw_consumer(options: &Options, rng: &mut Rng) -> consumer::Habits {
    consumer::Habits {
        topics: draw_some(options.topics.len(), rng),
        bytes_max: 1 << rng.below(22),
        partition_bytes_max: 1 << rng.below(20),
        bytes_min: [0, 1, 1, 1000][rng.below(4) as usize],
        wait_max_ms: 1 << rng.below(10),
        sessions: rng.chance(1, 2),
        read_committed: rng.chance(1, 2),
        pace: Duration::from_millis(1 << rng.between(7, 11)),
        seeks: [0, 10, 30, 100][rng.below(4) as usize],
        once: false,
        rack: String::new(),
    }
}
