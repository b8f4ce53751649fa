//! Elections in a world of their own: three to five voters and one or two nodes without a vote, disks that lose what is not flushed,
//! a network that delays, loses, and is cut. In half of the histories voters come and go. Each seed is another history.
//!
//! Always: nobody votes for two in a term, a term has one leader, what is committed anywhere is the same everywhere and never
//! changes, and a leader that has begun its reign has all of it. When the faults stop, somebody leads, and what it appends is
//! committed by all.

use super::{
    Change, FetchAsk, FetchTold, Member as Start, Quorum, QuorumCx, QuorumOut, Taken, Times, VoteAsk, VoteTold, Voter,
    VoterNode, Voters, door_of,
};
use crate::log::{EpochStart, Epochs, Log, Producers};
use crate::record::{CheckedBatch, Functions};
use crate::types::{BrokerId, ErrorCode, LeaderEpoch, Mono, Now, Offset, OffsetRange, Rng, Uuid, Wall};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

const SLOW: Functions = Functions::slow();
const MS: u64 = 1_000_000;
const TIMES: Times = Times {
    election: Duration::from_millis(1000),
    backoff_max: Duration::from_millis(1000),
    fetch: Duration::from_millis(2000),
};
/// Faults come in this time; then there is as much of calm.
const STORMY_MS: u64 = 20_000;
const CALM_MS: u64 = 12_000;
const APPEND_MS: u64 = 40;
#[cfg(test)]
const SEEDS: u64 = 300;
/// The most batches of one answer.
const BATCHES_MAX: u64 = 3;
/// The most records that are appended at once.
const RECORDS_MAX: u64 = 4;
/// The first so many members are known as addresses, too.
const DOORS: usize = 3;

type Vote = (LeaderEpoch, Option<BrokerId>);
type Asked = (BrokerId, FetchAsk);

/// What a member asks of its disk.
#[derive(Clone, Debug)]
enum Op {
    Vote(Vote),
    Append(Vec<CheckedBatch>),
    Truncate(Offset),
    Anew(Offset),
    Trim(Offset),
}

#[derive(Clone, Debug)]
enum Message {
    VoteAsk(VoteAsk),
    VoteTold(VoteAsk, VoteTold),
    Begin(LeaderEpoch),
    Outdone(LeaderEpoch, Option<BrokerId>),
    End(LeaderEpoch, Vec<BrokerId>),
    Fetch(Asked),
    Fetched(Asked, FetchTold),
    /// The line broke.
    Lost(Asked),
}

impl Message {
    /// The term that it speaks of as its sender's.
    fn term(&self) -> Option<LeaderEpoch> {
        match self {
            Self::VoteAsk(ask) => Some(ask.term),
            Self::VoteTold(_, told) => Some(told.term),
            Self::Begin(term) | Self::Outdone(term, _) | Self::End(term, _) => Some(*term),
            Self::Fetch((_, ask)) => Some(ask.term),
            Self::Fetched(_, told) => Some(told.term),
            Self::Lost(_) => None,
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// The next operation of this life of a member's disk is done.
    Disk(usize, u64),
    Wake(usize, u64),
    Bring(BrokerId, usize, Message),
    Crash(usize),
    Start(usize),
    /// The network between a member and all others is cut, in one or both directions, for so long.
    Cut(usize, u8, u64),
    Append,
    Snapshot,
    Resign,
    /// A member is to vote, or to vote no more.
    Turnover(usize),
}

/// What is on disk, and what is on its way there.
#[derive(Default)]
struct Disk {
    vote: Option<Vote>,
    start: Offset,
    batches: Vec<CheckedBatch>,
    /// The last term of what was dropped when it began anew.
    dropped: Option<LeaderEpoch>,
    queue: VecDeque<Op>,
}

impl Disk {
    fn end(&self) -> Offset {
        self.batches.last().map_or(self.start, CheckedBatch::end_offset)
    }

    /// Where a snapshot that begins here ends, as far as it is there: a header, the image, and a footer.
    fn run_end(&self, start: Offset) -> Option<Offset> {
        self.batches.iter().filter(|batch| batch.base_offset() >= start).nth(2).map(CheckedBatch::end_offset)
    }

    fn log(&self) -> Log {
        let witness = self.dropped.map(|epoch| EpochStart { epoch, start: self.start });
        let epochs = Epochs::from_entries(witness.into_iter().collect()).expect("one");
        let range = OffsetRange { start: self.start, end: self.start };
        let mut log = Log::recovered(range, epochs, Producers::default());
        self.batches.iter().for_each(|batch| log.append(batch, Wall(0)));
        log.stored(log.end());
        log
    }

    fn act(&mut self, op: &Op) {
        match op {
            Op::Vote(vote) => self.vote = Some(*vote),
            Op::Append(batches) => self.batches.extend(batches.iter().cloned()),
            Op::Truncate(end) => {
                self.batches.retain(|batch| batch.end_offset() <= *end);
            }
            Op::Anew(start) => {
                self.dropped = self.batches.last().map(|last| last.header().leader_epoch).or(self.dropped);
                (self.start, self.batches) = (*start, Vec::new());
            }
            Op::Trim(start) => {
                self.start = self.start.max(*start);
                self.batches.retain(|batch| batch.end_offset() > *start);
            }
        }
    }
}

struct Member {
    me: Voter,
    life: u64,
    /// None while it is down.
    quorum: Option<Quorum>,
    disk: Disk,
    parked: Vec<(BrokerId, Asked, u64)>,
    undecided: Vec<VoteAsk>,
    is_asking: bool,
    ask_at: u64,
    wake_at: Option<u64>,
    /// Cut off until then: from others, to others.
    deaf_until: u64,
    dumb_until: u64,
}

struct World {
    rng: Rng,
    /// The settings have it.
    is_fixed: bool,
    founders: Voters,
    /// Sets of voters that somebody appended.
    turnovers: usize,
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    seq: u64,
    members: Vec<Member>,
    /// What is committed: of each batch its term, by its base offset.
    committed: BTreeMap<Offset, (LeaderEpoch, Offset)>,
    committed_end: Offset,
    leaders: BTreeMap<LeaderEpoch, BrokerId>,
    votes: BTreeMap<(BrokerId, LeaderEpoch), BrokerId>,
    is_calm: bool,
    reigns: usize,
    /// The most batches of one answer.
    batches_max: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let voters = [3, 3, 4, 5][rng.below(4) as usize];
        let batches_max = rng.between(1, BATCHES_MAX) as usize;
        let member = |number: i32| Member {
            me: Voter { id: BrokerId(number), directory: Uuid([number as u8; 16]) },
            life: 0,
            quorum: None,
            disk: Disk::default(),
            parked: Vec::new(),
            undecided: Vec::new(),
            is_asking: false,
            ask_at: 0,
            wake_at: None,
            deaf_until: 0,
            dumb_until: 0,
        };
        let is_fixed = rng.chance(1, 2);
        let strangers = if is_fixed { 1 } else { 2 };
        let directory = |id: i32| if is_fixed { Uuid::ZERO } else { Uuid([id as u8; 16]) };
        let node = |id| VoterNode { id: BrokerId(id), directory: directory(id), endpoints: Vec::new() };
        let mut world = Self {
            rng,
            is_fixed,
            founders: Voters::new((1..=voters).map(node)),
            turnovers: 0,
            now: 0,
            events: BTreeMap::new(),
            seq: 0,
            members: (1..=voters + strangers).map(member).collect(),
            committed: BTreeMap::new(),
            committed_end: Offset::ZERO,
            leaders: BTreeMap::new(),
            votes: BTreeMap::new(),
            is_calm: false,
            reigns: 0,
            batches_max,
        };
        for member in 0..world.members.len() {
            world.later(0, Event::Start(member));
        }
        world.draw_faults();
        for at in (0..STORMY_MS + CALM_MS).step_by(APPEND_MS as usize) {
            world.at(at * MS, Event::Append);
            if world.rng.chance(1, 40) {
                world.at(at * MS, Event::Snapshot);
            }
            if !world.is_fixed && at < STORMY_MS && world.rng.chance(1, 8) {
                let member = world.rng.below(world.members.len() as u64) as usize;
                world.at(at * MS, Event::Turnover(member));
            }
        }
        world
    }

    fn draw_faults(&mut self) {
        let mut at = 0;
        let pace = 1 << self.rng.between(8, 12);
        while at < STORMY_MS {
            at += self.rng.between(1, pace);
            let member = self.rng.below(self.members.len() as u64) as usize;
            let event = match self.rng.below(8) {
                0..=3 => Event::Crash(member),
                4..=6 => {
                    let way = 1 + self.rng.below(3) as u8;
                    Event::Cut(member, way, self.rng.between(1, 4000).min(STORMY_MS.saturating_sub(at)))
                }
                _ => Event::Resign,
            };
            self.at(at.min(STORMY_MS) * MS, event);
        }
    }

    fn at(&mut self, at: u64, event: Event) {
        self.seq += 1;
        self.events.insert((at.max(self.now), self.seq), event);
    }

    fn later(&mut self, wait: u64, event: Event) {
        self.at(self.now + wait, event);
    }

    fn run(&mut self) {
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > (STORMY_MS + CALM_MS) * MS {
                break;
            }
            self.now = at;
            self.is_calm = at > STORMY_MS * MS;
            self.happen(event);
        }
        let leads = |member: &Member| member.quorum.as_ref().is_some_and(|quorum| quorum.is_leader());
        let leader = self.members.iter().find(|one| leads(one)).expect("somebody leads in the end");
        let end = leader.disk.end();
        assert!(leader.quorum.as_ref().is_some_and(Quorum::is_caught_up));
        for member in &self.members {
            let known = member.quorum.as_ref().map(Quorum::high_watermark);
            assert!(
                known.is_some_and(|known| known.0 + 20 > end.0),
                "{:?} knows {known:?} of {end:?}: {:?}",
                member.me.id,
                member.quorum
            );
        }
    }

    /// Lets a member do something, and carries out what it says.
    fn with<T>(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut Quorum, &mut QuorumCx<'_>, &mut Vec<QuorumOut>) -> T,
    ) -> Option<T> {
        let mut out = Vec::new();
        let now = Now { mono: Mono(self.now), wall: Wall((self.now / MS) as i64) };
        let member = &mut self.members[number];
        let quorum = member.quorum.as_mut()?;
        let mut cx = QuorumCx { now, rng: &mut self.rng, functions: &SLOW };
        let told = act(quorum, &mut cx, &mut out);
        quorum.check();
        for one in out {
            self.carry(number, one);
        }
        self.tell(number);
        self.ask(number);
        self.book(number);
        Some(told)
    }

    fn carry(&mut self, number: usize, one: QuorumOut) {
        let me = self.members[number].me.id;
        match one {
            QuorumOut::Vote { term, voted } => self.store(number, Op::Vote((term, voted))),
            QuorumOut::AskVote { to, ask } => self.send(number, to, Message::VoteAsk(ask)),
            QuorumOut::TellVoter { to, term } => self.send(number, to, Message::Begin(term)),
            QuorumOut::TellEnd { to, term, successors } => self.send(number, to, Message::End(term, successors)),
            QuorumOut::Append(batches) => self.store(number, Op::Append(batches)),
            QuorumOut::Truncate { end, .. } => self.store(number, Op::Truncate(end)),
            QuorumOut::BeginAnew { start } => self.store(number, Op::Anew(start)),
            QuorumOut::Trim { start } => self.store(number, Op::Trim(start)),
            QuorumOut::Lead { term, .. } => {
                self.reigns += 1;
                let other = self.leaders.insert(term, me);
                assert!(other.is_none(), "{term:?} has two leaders: {other:?} and {me:?}");
            }
            QuorumOut::Follow { .. } | QuorumOut::Deposed => {}
            QuorumOut::Committed { end } => self.commit(number, end),
        }
    }

    /// What a member holds to be committed is what everybody does.
    fn commit(&mut self, number: usize, end: Offset) {
        let member = &self.members[number];
        assert!(member.disk.end() >= end || member.disk.queue.iter().any(|op| matches!(op, Op::Anew(_))));
        for batch in member.disk.batches.iter().filter(|batch| batch.end_offset() <= end) {
            let fact = (batch.header().leader_epoch, batch.end_offset());
            if batch.base_offset() < self.committed_end {
                let known = self.committed.get(&batch.base_offset());
                assert!(known.is_none_or(|known| *known == fact), "{:?}: {fact:?}, was {known:?}", member.me.id);
            }
            self.committed.insert(batch.base_offset(), fact);
        }
        self.committed_end = self.committed_end.max(end);
    }

    fn store(&mut self, number: usize, op: Op) {
        self.members[number].disk.queue.push_back(op);
        let (wait, life) = (self.rng.between(0, 8) * MS / 2, self.members[number].life);
        self.later(wait, Event::Disk(number, life));
    }

    fn send(&mut self, from: usize, to: BrokerId, message: Message) {
        let Member { disk, me, .. } = &self.members[from];
        let may_forget = self.is_fixed && !self.founders.has(*me);
        let kept = disk.vote.map(|(term, _)| term).max(disk.log().epochs().latest()).unwrap_or(LeaderEpoch::FIRST);
        assert!(
            may_forget || message.term() <= Some(kept),
            "{me:?} speaks of a term that it may forget: {message:?} past {kept:?}"
        );
        let number = (to.0 - 1) as usize;
        let is_cut = self.members[from].dumb_until > self.now || self.members[number].deaf_until > self.now;
        if is_cut || !self.is_calm && self.rng.chance(1, 50) {
            // A question or an answer that gets lost is found out about in a while; all else is simply gone.
            let wait = self.rng.between(10, 2600) * MS;
            let me = self.members[from].me.id;
            match message {
                Message::Fetch(asked) => self.later(wait, Event::Bring(to, from, Message::Lost(asked))),
                Message::Fetched(asked, _) => self.later(wait, Event::Bring(me, number, Message::Lost(asked))),
                _ => {}
            }
            return;
        }
        let wait = if self.rng.chance(1, 10) { 60 } else { 6 };
        let wait = self.rng.between(0, wait * MS);
        self.later(wait, Event::Bring(self.members[from].me.id, number, message));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Disk(number, life) => self.disk_done(number, life),
            Event::Wake(number, life)
                if self.members[number].life == life && self.members[number].wake_at == Some(self.now) =>
            {
                self.members[number].wake_at = None;
                self.with(number, |quorum, cx, out| quorum.wake(cx, out));
            }
            Event::Wake(..) => {}
            Event::Bring(from, to, message) => self.brought(from, to, message),
            Event::Crash(number) => self.crash(number),
            Event::Start(number) => self.start(number),
            Event::Cut(number, way, wait) => {
                let until = self.now + wait * MS;
                let member = &mut self.members[number];
                member.deaf_until = if way & 1 != 0 { until } else { member.deaf_until };
                member.dumb_until = if way & 2 != 0 { until } else { member.dumb_until };
            }
            Event::Append => self.append(),
            Event::Turnover(number) => self.turn_over(number),
            Event::Snapshot => self.snapshot(),
            Event::Resign => {
                for number in 0..self.members.len() {
                    self.with(number, |quorum, cx, out| quorum.resign(cx, out));
                }
            }
        }
    }

    fn disk_done(&mut self, number: usize, life: u64) {
        let member = &mut self.members[number];
        if member.life != life {
            return;
        }
        let op = member.disk.queue.pop_front().expect("an operation ends once");
        member.disk.act(&op);
        let (end, log) = (member.disk.end(), member.disk.log());
        let me = member.me.id;
        if let Op::Trim(start) = op
            && member.disk.start == start
        {
            let run_end = member.disk.run_end(start);
            assert!(run_end.is_some_and(|end| end <= self.committed_end), "{me:?} begins with part of a snapshot");
        }
        if let Op::Vote((term, Some(voted))) = &op {
            let other = self.votes.insert((me, *term), *voted);
            assert!(other.is_none_or(|other| other == *voted), "{me:?} votes for two in {term:?}");
        }
        self.with(number, |quorum, cx, out| match op {
            Op::Vote(vote) => quorum.voted(vote, cx, out),
            // A batch that was cut through is gone as a whole.
            Op::Truncate(wanted) if end < wanted => quorum.reload(log, cx, out),
            Op::Append(_) | Op::Truncate(_) | Op::Anew(_) => quorum.stored(end, out),
            Op::Trim(start) => quorum.trimmed(start),
        });
    }

    fn crash(&mut self, number: usize) {
        let member = &mut self.members[number];
        if member.quorum.take().is_none() {
            return;
        }
        member.life += 1;
        // What was under way may have come as far as the disk.
        let kept = self.rng.below(member.disk.queue.len() as u64 + 1) as usize;
        for op in core::mem::take(&mut member.disk.queue).into_iter().take(kept) {
            member.disk.act(&op);
        }
        member.undecided.clear();
        let parked = core::mem::take(&mut member.parked);
        let me = member.me.id;
        for (who, asked, _) in parked {
            self.later(MS, Event::Bring(me, (who.0 - 1) as usize, Message::Lost(asked)));
        }
        let down = self.rng.between(0, 12);
        let down = self.rng.between(1, 1 << down).min(3000);
        self.later(down * MS, Event::Start(number));
    }

    fn start(&mut self, number: usize) {
        let now = Now { mono: Mono(self.now), wall: Wall(0) };
        let mut cx = QuorumCx { now, rng: &mut self.rng, functions: &SLOW };
        let member = &mut self.members[number];
        let (log, vote) = (member.disk.log(), member.disk.vote);
        let is_founder = self.founders.has(member.me);
        let voters = if is_founder || self.is_fixed { self.founders.clone() } else { Voters::default() };
        let start =
            Start { me: member.me, voters, is_fixed: self.is_fixed, may_vote: true, doors: DOORS, times: TIMES };
        let mut quorum = Quorum::boot(start, vote, log, &mut cx);
        for batch in &member.disk.batches {
            quorum.survey(batch, &mut cx).expect("its own records can be read");
        }
        assert_eq!(quorum.asleep_until(), None);
        member.quorum = Some(quorum);
        (member.is_asking, member.ask_at, member.wake_at) = (false, self.now, None);
        self.ask(number);
        self.book(number);
    }

    fn brought(&mut self, from: BrokerId, to: usize, message: Message) {
        let is_up = self.members[to].quorum.is_some();
        match message {
            Message::VoteAsk(ask) if is_up => {
                self.with(to, |quorum, cx, out| quorum.vote_asked(&ask, cx, out));
                self.members[to].undecided.push(ask);
                self.tell(to);
            }
            Message::VoteTold(asked, told) => {
                self.with(to, |quorum, cx, out| quorum.vote_told((from, &asked), told, cx, out));
            }
            Message::Begin(term) => {
                let told = self.with(to, |quorum, cx, out| {
                    let _ = quorum.begun((from, term), cx, out);
                    quorum.told()
                });
                if let Some((term, leader)) = told {
                    self.send(to, from, Message::Outdone(term, leader));
                }
            }
            Message::Outdone(term, leader) => {
                self.with(to, |quorum, cx, out| quorum.outdone(term, leader, cx, out));
            }
            Message::End(term, successors) => {
                self.with(to, |quorum, cx, out| quorum.ended((from, term), &successors, cx, out).is_ok());
            }
            Message::Fetch(asked) if is_up => {
                let (ask, wall) = (asked.1, Wall((self.now / MS) as i64));
                let now = Now { mono: Mono(self.now), wall };
                let who = self.members[(from.0 - 1) as usize].me;
                self.with(to, |quorum, _, out| quorum.heard_of(who, ask, now, out));
                let until = self.now + 500 * MS;
                self.members[to].parked.push((from, asked, until));
                self.tell(to);
                self.book(to);
            }
            Message::Fetch(asked) => {
                self.later(MS, Event::Bring(BrokerId(to as i32 + 1), (from.0 - 1) as usize, Message::Lost(asked)))
            }
            Message::VoteAsk(_) => {}
            Message::Fetched(asked, told) => self.answered(to, asked, Some(told)),
            Message::Lost(asked) => self.answered(to, asked, None),
        }
    }

    fn answered(&mut self, number: usize, asked: Asked, told: Option<FetchTold>) {
        self.members[number].is_asking = false;
        let taken = self.with(number, |quorum, cx, out| match told {
            Some(told) => quorum.fetched(asked, told, cx, out),
            None => {
                quorum.unanswered(asked, cx, out);
                Taken::Refused
            }
        });
        if matches!(taken, Some(Taken::Unsound | Taken::Refused)) {
            self.members[number].ask_at = self.now + 20 * MS;
        }
        self.ask(number);
        self.book(number);
    }

    fn ask(&mut self, number: usize) {
        let member = &mut self.members[number];
        let Some(asked) = member.quorum.as_ref().and_then(Quorum::ask) else { return };
        if !member.is_asking && member.ask_at <= self.now {
            member.is_asking = true;
            // Behind a door is whoever is found there.
            let to = door_of(asked.0).map_or(asked.0, |place| BrokerId(place as i32 + 1));
            self.send(number, to, Message::Fetch(asked));
        }
    }

    /// Answers whoever waits for something that can be said by now.
    fn tell(&mut self, number: usize) {
        let Some(quorum) = &self.members[number].quorum else { return };
        let batches = &self.members[number].disk.batches;
        let mut answers = Vec::new();
        let mut parked = Vec::new();
        for (who, asked, until) in &self.members[number].parked {
            let readable = quorum.readable(asked.1);
            if !readable.is_news(asked.1) && *until > self.now {
                parked.push((*who, *asked, *until));
                continue;
            }
            let is_plain = readable.error == ErrorCode::None && readable.diverging.is_none();
            let from =
                |batch: &&CheckedBatch| batch.base_offset() >= asked.1.from && batch.end_offset() <= readable.end;
            let (term, leader) = quorum.told();
            let told = FetchTold {
                error: readable.error,
                term,
                leader,
                high_watermark: readable.high_watermark,
                log_start: readable.log_start,
                diverging: readable.diverging,
                batches: batches.iter().filter(|_| is_plain).filter(from).take(self.batches_max).cloned().collect(),
            };
            answers.push((*who, Message::Fetched(*asked, told)));
        }
        let mut undecided = Vec::new();
        for ask in &self.members[number].undecided {
            match quorum.verdict(ask) {
                Some(told) => answers.push((ask.from, Message::VoteTold(*ask, told))),
                None => undecided.push(*ask),
            }
        }
        let member = &mut self.members[number];
        (member.parked, member.undecided) = (parked, undecided);
        let is_said =
            |(_, message): &(BrokerId, Message)| matches!(message, Message::VoteTold(_, told) if told.is_granted);
        if answers.iter().any(is_said) && !self.is_calm && self.rng.chance(1, 8) {
            // Who has just given its word is to remember it.
            self.later(0, Event::Crash(number));
        }
        answers.into_iter().for_each(|(to, message)| self.send(number, to, message));
    }

    fn book(&mut self, number: usize) {
        let member = &mut self.members[number];
        let Some(quorum) = &member.quorum else { return };
        let parked = member.parked.iter().map(|(.., until)| *until).min();
        let asking = quorum.ask().filter(|_| !member.is_asking).map(|_| member.ask_at);
        let wishes = [quorum.deadline().map(|at| at.0), parked, asking];
        let Some(at) = wishes.into_iter().flatten().min().map(|at| at.max(self.now)) else { return };
        if member.wake_at.is_none_or(|booked| at < booked) {
            member.wake_at = Some(at);
            let life = member.life;
            self.at(at, Event::Wake(number, life));
        }
    }

    fn append(&mut self) {
        let records = alloc::vec![Bytes::from(alloc::vec![7; 40]); self.rng.between(1, RECORDS_MAX) as usize];
        for number in 0..self.members.len() {
            self.with(number, |quorum, cx, out| {
                if quorum.is_leader() && quorum.is_caught_up() {
                    let batch = quorum.append(&records, cx.now, cx.functions).expect("it leads");
                    out.push(QuorumOut::Append(alloc::vec![batch]));
                }
            });
            self.judge_leader(number);
        }
    }

    /// Whoever leads is asked to take a member in, or to let it go.
    fn turn_over(&mut self, number: usize) {
        let who = self.members[number].me;
        let change = |voters: &Voters| match voters.has(who) {
            true if voters.nodes().len() <= 1 => None,
            true => Some(Change::Remove(who)),
            false => Some(Change::Add(VoterNode { id: who.id, directory: who.directory, endpoints: Vec::new() })),
        };
        for leader in 0..self.members.len() {
            let told = self.with(leader, |quorum, cx, out| {
                let change = change(quorum.voters()).filter(|_| quorum.is_leader());
                change.map(|change| quorum.change_voters(&change, cx, out).is_ok())
            });
            self.turnovers += usize::from(told.flatten() == Some(true));
        }
    }

    /// A leader whose reign has begun has all that is committed.
    fn judge_leader(&self, number: usize) {
        let Some(quorum) = &self.members[number].quorum else { return };
        let is_latest = self.leaders.last_key_value().is_some_and(|(term, _)| *term == quorum.term());
        if quorum.is_leader() && is_latest {
            assert!(quorum.log().end() >= self.committed_end, "a leader lacks what is committed");
        }
    }

    fn snapshot(&mut self) {
        for number in 0..self.members.len() {
            self.with(number, |quorum, cx, out| {
                if quorum.is_caught_up() && quorum.wants_snapshot(200) {
                    let records = [Bytes::from_static(b"image")];
                    let batches = quorum.snapshot(&records, cx.now, cx.functions).expect("it leads");
                    out.push(QuorumOut::Append(batches));
                }
            });
        }
        // Followers let go of it too, once they have read it.
        for number in 0..self.members.len() {
            let oldest = self.members.iter().filter_map(|one| one.quorum.as_ref()).map(|one| one.log().start()).max();
            let oldest = oldest.unwrap_or(Offset::ZERO);
            let run_end = self.members[number].disk.run_end(oldest);
            self.with(number, |quorum, _, out| {
                if run_end.is_some_and(|end| end <= quorum.high_watermark()) {
                    quorum.saved(oldest, out);
                }
            });
        }
    }
}

/// One history; panics if anything is wrong with it. How many reigns and sets of voters it had, and how much was committed.
pub fn play(seed: u64) -> (usize, usize, Offset) {
    let mut world = World::new(seed);
    world.run();
    (world.reigns, world.turnovers, world.committed_end)
}

#[test]
fn one_leads_a_term_and_what_is_committed_stays() {
    let (mut reigns, mut turnovers) = (0, 0);
    for seed in 0..SEEDS {
        let failure = std::panic::catch_unwind(|| play(seed));
        match failure {
            Ok((count, changed, end)) => {
                reigns += count;
                turnovers += changed;
                assert!(end > Offset(100), "seed {seed}: little was committed: {end:?}");
            }
            Err(panic) => {
                std::eprintln!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(reigns as u64 > 3 * SEEDS, "so few elections prove little: {reigns}");
    assert!(turnovers as u64 > SEEDS, "so few voters came and went: {turnovers}");
}
