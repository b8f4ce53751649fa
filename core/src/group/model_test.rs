//! Clients that join, sync, crash, leave, commit and hang at random, against a coordinator that crashes too.

use super::Ask;
use super::stage_test::{Stage, error, offset, with_protocols};
use crate::msg::Response;
use crate::msg::heartbeat::HeartbeatRequest;
use crate::msg::join_group::{JoinGroupRequest, JoinGroupResponse};
use crate::msg::leave_group::MemberIdentity;
use crate::msg::offset_commit::OffsetCommitRequest;
use crate::msg::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use crate::msg::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use crate::types::{ErrorCode, Rng, Str, Ticket};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

/// What a client does next.
#[derive(Clone, PartialEq, Debug)]
enum Phase {
    Down,
    /// Will join when it next acts.
    Outside,
    /// With the newest generation that anybody knew when it asked.
    Joining(Ticket, i32),
    /// Has a generation; the leader knows whom to assign to.
    Joined(Vec<Str>),
    Syncing(Ticket),
    Working,
}

struct Client {
    phase: Phase,
    id: Str,
    instance: Option<Str>,
    generation: i32,
    version: i16,
    protocols: usize,
    /// A commit under way: its offset.
    commit: Option<(Ticket, i64)>,
}

struct Model {
    stage: Stage,
    rng: Rng,
    clients: Vec<Client>,
    /// Who leads each generation, by client.
    leaders: BTreeMap<i32, usize>,
    /// Which client owns a member id.
    owners: BTreeMap<Str, usize>,
    /// The newest generation that anybody was told of.
    newest: i32,
    next_offset: i64,
    /// The largest offset that was acknowledged or read.
    seen: i64,
    reads: Vec<(Ticket, i64)>,
    hits: BTreeSet<&'static str>,
}

/// All contain both: a group that was loaded knows only the protocol that was chosen.
const PROTOCOLS: [&[&str]; 3] = [&["range", "sticky"], &["range", "sticky", "odd"], &["sticky", "range"]];

impl Model {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let count = usize::try_from(rng.between(1, 6)).expect("small");
        let client = |at: usize| Client {
            phase: Phase::Outside,
            id: Str::new(),
            instance: (!at.is_multiple_of(3)).then(|| format!("i{at}").into()),
            generation: -1,
            version: if at < 3 { 9 } else { 5 },
            protocols: 0,
            commit: None,
        };
        let mut stage = Stage::seeded(seed);
        stage.lags = true;
        Self {
            stage,
            rng,
            clients: (0..count).map(client).collect(),
            leaders: BTreeMap::new(),
            owners: BTreeMap::new(),
            newest: 0,
            next_offset: 1,
            seen: -1,
            reads: Vec::new(),
            hits: BTreeSet::new(),
        }
    }

    /// One step of the world; without chaos everybody only does what a good client does.
    fn step(&mut self, chaos: bool) {
        let wait = if self.rng.chance(1, 3) { self.rng.below(3_000) } else { self.rng.below(50) };
        self.stage.pass(wait);
        if !chaos || self.rng.chance(1, 2) {
            self.stage.flush();
        }
        if chaos && self.rng.chance(1, 150) {
            self.crash();
        }
        for at in 0..self.clients.len() {
            self.hear(at);
            if chaos && self.rng.chance(1, 60) {
                self.disturb(at);
            }
            if !chaos || self.rng.chance(2, 3) {
                self.act(at);
            }
        }
        if self.rng.chance(1, 20) {
            self.read();
        }
        self.check_reads();
        if self.rng.chance(1, 50) {
            self.check_log();
        }
    }

    fn check_log(&self) {
        assert_eq!(Stage::hard(&self.stage.replayed()), Stage::hard(&self.stage.shard), "the log is the hard state");
    }

    fn crash(&mut self) {
        self.hits.insert("crash");
        // Whatever is read right before must still be there right after.
        self.read();
        self.check_reads();
        self.stage.crash();
        let remembered = self.stage.remembered();
        // What was never remembered is given out anew.
        self.leaders.retain(|generation, _| *generation <= remembered);
        self.newest = remembered;
        self.reads.clear();
        self.read();
    }

    /// Answers that have come.
    fn hear(&mut self, at: usize) {
        if let Some((ticket, offset)) = self.clients[at].commit {
            self.committed(at, ticket, offset);
        }
        match self.clients[at].phase.clone() {
            Phase::Joining(ticket, newest) => match self.stage.take(ticket) {
                Some(Response::JoinGroup(body)) => self.joined(at, body, newest),
                Some(other) => panic!("{other:?}"),
                None if self.stage.is_waiting(ticket) => {}
                None => self.clients[at].phase = Phase::Outside,
            },
            Phase::Syncing(ticket) => match self.stage.take(ticket) {
                Some(Response::SyncGroup(body)) => self.synced(at, error(body.error_code), &body.assignment),
                Some(other) => panic!("{other:?}"),
                None if self.stage.is_waiting(ticket) => {}
                None => self.clients[at].phase = Phase::Outside,
            },
            Phase::Down | Phase::Outside | Phase::Joined(_) | Phase::Working => {}
        }
    }

    fn joined(&mut self, at: usize, body: JoinGroupResponse, newest: i32) {
        let client = &mut self.clients[at];
        client.phase = Phase::Outside;
        match error(body.error_code) {
            ErrorCode::None => {}
            ErrorCode::MemberIdRequired => {
                client.id = body.member_id.clone();
                self.owners.insert(body.member_id, at);
                return;
            }
            error => return self.refused(at, error),
        }
        let generation = body.generation_id;
        (client.id, client.generation) = (body.member_id.clone(), generation);
        self.owners.insert(body.member_id, at);
        assert!(generation >= newest, "generations do not go back: {generation} after {newest}");
        self.newest = self.newest.max(generation);
        let leader = self.owner(&body.leader);
        let known = *self.leaders.entry(generation).or_insert(leader);
        assert_eq!(known, leader, "one generation, one leader");
        let leads = body.leader == self.clients[at].id && !body.skip_assignment;
        assert!(leads || body.skip_assignment || body.members.is_empty());
        if body.skip_assignment {
            self.hits.insert("skip");
        }
        let members = if leads { body.members.into_iter().map(|member| member.member_id).collect() } else { vec![] };
        self.clients[at].phase = Phase::Joined(members);
    }

    /// The client behind a member id; a static one may not have learnt its id before others do.
    fn owner(&self, id: &Str) -> usize {
        let of_instance = |client: &Client| client.instance.as_ref().is_some_and(|name| id.starts_with(&**name));
        let owner = self.owners.get(id).copied().or_else(|| self.clients.iter().position(of_instance));
        owner.expect("an id that was given out")
    }

    fn synced(&mut self, at: usize, error: ErrorCode, assignment: &[u8]) {
        self.clients[at].phase = Phase::Outside;
        if error != ErrorCode::None {
            return self.refused(at, error);
        }
        let text = core::str::from_utf8(assignment).expect("text");
        let (generation, id) = text.split_once(':').expect("everybody gets a part");
        assert_eq!(generation.parse(), Ok(self.clients[at].generation), "an assignment of the own generation");
        assert_eq!(self.owner(&id.into()), at, "one's own part");
        self.clients[at].phase = Phase::Working;
        self.hits.insert("assigned");
    }

    fn refused(&mut self, at: usize, error: ErrorCode) {
        let client = &mut self.clients[at];
        client.phase = Phase::Outside;
        match error {
            ErrorCode::UnknownMemberId => client.id = Str::new(),
            ErrorCode::FencedInstanceId => (client.id, client.phase) = (Str::new(), Phase::Down),
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration | ErrorCode::NotCoordinator => {}
            error => panic!("{error:?} is no answer that a good client earns"),
        }
    }

    /// Something bad happens to a client.
    fn disturb(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let waiting = match client.phase {
            Phase::Joining(ticket, _) | Phase::Syncing(ticket) => Some(ticket),
            Phase::Down | Phase::Outside | Phase::Joined(_) | Phase::Working => None,
        };
        match self.rng.below(4) {
            // The process dies, perhaps to come back with nothing but its instance id.
            0 => {
                (client.id, client.phase) = (Str::new(), Phase::Down);
                waiting.into_iter().for_each(|ticket| self.stage.give_up(ticket));
                self.hits.insert("death");
            }
            // The connection breaks; the client asks again with the id it has.
            1 if waiting.is_some() => {
                client.phase = Phase::Outside;
                waiting.into_iter().for_each(|ticket| self.stage.give_up(ticket));
                self.hits.insert("broken");
            }
            // It wants something else from now on.
            2 if waiting.is_none() && client.phase != Phase::Down => {
                client.protocols = (client.protocols + 1) % PROTOCOLS.len();
                client.phase = Phase::Outside;
                self.hits.insert("change");
            }
            _ if waiting.is_none() && !client.id.is_empty() => self.leave(at),
            _ => {}
        }
    }

    fn leave(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let member = MemberIdentity {
            member_id: core::mem::take(&mut client.id),
            group_instance_id: client.instance.clone(),
            ..Default::default()
        };
        client.phase = Phase::Outside;
        let ticket = self.stage.ask(
            5,
            Ask::Leave(crate::msg::leave_group::LeaveGroupRequest {
                group_id: "g".into(),
                members: vec![member],
                ..Default::default()
            }),
        );
        self.stage.give_up(ticket);
        self.hits.insert("leave");
    }

    fn act(&mut self, at: usize) {
        match self.clients[at].phase.clone() {
            Phase::Down => {
                if self.rng.chance(1, 8) {
                    self.clients[at].phase = Phase::Outside;
                }
            }
            Phase::Outside => self.join(at),
            Phase::Joining(..) | Phase::Syncing(_) => {}
            Phase::Joined(members) => self.sync(at, &members),
            Phase::Working => self.work(at),
        }
    }

    fn join(&mut self, at: usize) {
        let client = &self.clients[at];
        let request = JoinGroupRequest {
            member_id: client.id.clone(),
            group_instance_id: client.instance.clone(),
            rebalance_timeout_ms: 20_000,
            ..with_protocols(PROTOCOLS[client.protocols])
        };
        let ticket = self.stage.ask(client.version, Ask::Join(request));
        self.clients[at].phase = Phase::Joining(ticket, self.newest);
    }

    fn sync(&mut self, at: usize, members: &[Str]) {
        let client = &self.clients[at];
        let part = |id: &Str| SyncGroupRequestAssignment {
            member_id: id.clone(),
            assignment: format!("{}:{id}", client.generation).into(),
        };
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id: client.generation,
            member_id: client.id.clone(),
            group_instance_id: client.instance.clone(),
            assignments: members.iter().map(part).collect(),
            ..Default::default()
        };
        let ticket = self.stage.ask(4, Ask::Sync(request));
        self.clients[at].phase = Phase::Syncing(ticket);
    }

    /// Heartbeats and commits, now and then with a generation of the past.
    fn work(&mut self, at: usize) {
        let client = &self.clients[at];
        let (generation, id, instance) = (client.generation, client.id.clone(), client.instance.clone());
        if self.rng.chance(1, 3) && client.commit.is_none() {
            let stale = self.rng.chance(1, 5);
            let generation = if stale { generation - 1 } else { generation };
            let offset =
                OffsetCommitRequest { group_instance_id: instance, ..offset(generation, &id, self.next_offset) };
            let ticket = self.stage.ask(8, Ask::Commit(offset));
            let claimed = if generation < self.newest { -1 } else { self.next_offset };
            self.clients[at].commit = Some((ticket, claimed));
            self.next_offset += 1;
        } else {
            let request = HeartbeatRequest {
                group_id: "g".into(),
                generation_id: generation,
                member_id: id,
                group_instance_id: instance,
            };
            let error = self.stage.heartbeat_as(request);
            if error != ErrorCode::None {
                self.refused(at, error);
            }
        }
    }

    /// A commit ended; `-1` stands for one that must not succeed.
    fn committed(&mut self, at: usize, ticket: Ticket, offset: i64) {
        match self.stage.take(ticket) {
            Some(Response::OffsetCommit(body)) => {
                self.clients[at].commit = None;
                if error(body.topics[0].partitions[0].error_code) == ErrorCode::None {
                    assert!(offset > 0, "a stale generation cannot commit");
                    self.seen = self.seen.max(offset);
                    self.hits.insert("commit");
                } else if offset < 0 {
                    self.hits.insert("stale");
                }
            }
            Some(other) => panic!("{other:?}"),
            None if self.stage.is_waiting(ticket) => {}
            None => self.clients[at].commit = None,
        }
    }

    fn read(&mut self) {
        let groups = vec![OffsetFetchRequestGroup { group_id: "g".into(), topics: None, ..Default::default() }];
        let ticket = self.stage.ask(9, Ask::Fetch(OffsetFetchRequest { groups, ..Default::default() }));
        self.reads.push((ticket, self.seen));
    }

    /// Nobody reads less than was acknowledged or read before it asked.
    fn check_reads(&mut self) {
        for (ticket, least) in core::mem::take(&mut self.reads) {
            match self.stage.take(ticket) {
                Some(Response::OffsetFetch(body)) => {
                    let found = body.groups[0].topics.first().map_or(-1, |topic| topic.partitions[0].committed_offset);
                    assert!(found >= least, "{found} was read after {least}");
                    self.seen = self.seen.max(found);
                }
                Some(other) => panic!("{other:?}"),
                None => self.reads.push((ticket, least)),
            }
        }
    }

    /// Everybody who is up ends in one stable generation, and nobody else is in it.
    fn settle(&mut self) {
        for _ in 0..600 {
            self.step(false);
        }
        self.stage.flush();
        (0..self.clients.len()).for_each(|at| self.hear(at));
        assert_eq!(self.stage.state(), "Stable");
        let mut working: Vec<Str> = self.clients.iter().map(|client| client.id.clone()).collect();
        working.sort();
        assert_eq!(self.stage.members(), working);
        for client in &self.clients {
            assert_eq!((&client.phase, client.generation), (&Phase::Working, self.newest));
        }
    }
}

#[test]
fn whatever_members_and_coordinator_do_generations_stay_apart_and_all_settle() {
    let mut hits = BTreeSet::new();
    for seed in 0..40 {
        let mut model = Model::new(seed);
        for _ in 0..400 {
            model.step(true);
        }
        model.settle();
        hits.append(&mut model.hits);
    }
    let wanted = ["assigned", "broken", "change", "commit", "crash", "death", "leave", "skip", "stale"];
    assert_eq!(hits.into_iter().collect::<Vec<_>>(), wanted, "everything was tried");
}

#[test]
fn equal_seeds_give_equal_states() {
    let run = |seed| {
        let mut model = Model::new(seed);
        (0..200).for_each(|_| model.step(true));
        model.stage.digest()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
