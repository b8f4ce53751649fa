//! Questions that make little sense, from askers who know each other's names: nothing may panic, and everybody is
//! answered or waits.

use super::Ask;
use super::stage_test::Stage;
use crate::msg::delete_groups::DeleteGroupsRequest;
use crate::msg::heartbeat::HeartbeatRequest;
use crate::msg::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::msg::leave_group::{LeaveGroupRequest, MemberIdentity};
use crate::msg::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::msg::offset_delete::{OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use crate::msg::offset_fetch::OffsetFetchRequest;
use crate::msg::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use crate::types::{Rng, Str, Ticket};
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

const MODES: [&str; 2] = ["consumer", "connect"];
const PROTOCOLS: [&str; 3] = ["range", "sticky", ""];

struct Noise {
    stage: Stage,
    rng: Rng,
    ids: Vec<Str>,
    asked: Vec<Ticket>,
}

impl Noise {
    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.rng.below(all.len() as u64)).expect("small")].clone()
    }

    fn number(&mut self) -> i32 {
        let bound = self.one_of(&[3, 30_000, u64::from(u32::MAX)]);
        (self.rng.below(bound) as u32).cast_signed().wrapping_sub(1)
    }

    fn group(&mut self) -> Str {
        self.one_of(&["g", "g", "g", "h", ""]).into()
    }

    fn id(&mut self) -> Str {
        let ids = self.ids.clone();
        if self.rng.chance(1, 4) { Str::new() } else { self.one_of(&ids) }
    }

    fn instance(&mut self) -> Option<Str> {
        self.one_of(&[None, None, Some("i"), Some("j")]).map(Str::from)
    }

    fn generation(&mut self) -> i32 {
        let remembered = self.stage.remembered();
        if self.rng.chance(1, 6) { self.number() } else { self.one_of(&[-1, remembered, remembered + 1]) }
    }

    fn join(&mut self) -> Ask {
        let count = self.rng.below(4);
        let names: Vec<Str> = (0..count).map(|_| self.one_of(&PROTOCOLS).into()).collect();
        let protocol = |name| JoinGroupRequestProtocol { name, metadata: Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t") };
        Ask::Join(JoinGroupRequest {
            group_id: self.group(),
            session_timeout_ms: if self.rng.chance(1, 6) { self.number() } else { 8_000 },
            rebalance_timeout_ms: self.number(),
            member_id: self.id(),
            group_instance_id: self.instance(),
            protocol_type: self.one_of(&MODES).into(),
            protocols: names.into_iter().map(protocol).collect(),
            reason: None,
        })
    }

    fn commit(&mut self) -> Ask {
        let partition = OffsetCommitRequestPartition {
            partition_index: self.number(),
            committed_offset: i64::from(self.number()),
            ..Default::default()
        };
        Ask::Commit(OffsetCommitRequest {
            group_id: self.group(),
            generation_id_or_member_epoch: self.generation(),
            member_id: self.id(),
            group_instance_id: self.instance(),
            retention_time_ms: self.one_of(&[-1, i64::MIN, i64::MAX, 0]),
            topics: vec![OffsetCommitRequestTopic {
                name: self.one_of(&["t", "u"]).into(),
                partitions: vec![partition],
                ..Default::default()
            }],
        })
    }

    fn sync(&mut self) -> Ask {
        Ask::Sync(SyncGroupRequest {
            group_id: self.group(),
            generation_id: self.generation(),
            member_id: self.id(),
            group_instance_id: self.instance(),
            protocol_type: Some(self.one_of(&MODES).into()),
            protocol_name: None,
            assignments: vec![SyncGroupRequestAssignment { member_id: self.id(), assignment: Bytes::new() }],
        })
    }

    fn question(&mut self) -> Ask {
        match self.rng.below(12) {
            0..=3 => self.join(),
            4 | 5 => self.sync(),
            6 => Ask::Heartbeat(HeartbeatRequest {
                group_id: self.group(),
                generation_id: self.generation(),
                member_id: self.id(),
                group_instance_id: self.instance(),
            }),
            7 => {
                let member = MemberIdentity { member_id: self.id(), group_instance_id: self.instance(), reason: None };
                let members = vec![member; usize::from(self.rng.chance(9, 10))];
                Ask::Leave(LeaveGroupRequest { group_id: self.group(), member_id: self.id(), members })
            }
            8 => self.commit(),
            9 => Ask::Fetch(OffsetFetchRequest { group_id: self.group(), topics: None, ..Default::default() }),
            10 => Ask::Delete(DeleteGroupsRequest { groups_names: vec![self.group(), self.group()] }),
            _ => {
                let partitions = vec![OffsetDeleteRequestPartition { partition_index: self.number() }];
                let topic = OffsetDeleteRequestTopic { name: "t".into(), partitions };
                Ask::OffsetDelete(OffsetDeleteRequest { group_id: self.group(), topics: vec![topic] })
            }
        }
    }

    fn step(&mut self) {
        let ask = self.question();
        let version = self.rng.below(10).try_into().expect("small");
        let ticket = self.stage.ask(version, ask);
        self.asked.push(ticket);
        if let Some(crate::msg::Response::JoinGroup(body)) = self.stage.take(ticket) {
            self.ids.push(body.member_id);
        }
        self.ids.extend(self.stage.members());
        self.ids.drain(..self.ids.len().saturating_sub(20));
        if self.rng.chance(1, 4) {
            let wait = self.one_of(&[10, 4_000, 20_000, 700_000]);
            self.stage.pass(wait);
        }
        if self.rng.chance(1, 10) {
            let asked = self.asked.clone();
            let ticket = self.one_of(&asked);
            self.stage.give_up(ticket);
        }
        if self.rng.chance(1, 100) {
            self.stage.crash();
        }
    }
}

#[test]
fn questions_without_sense_are_answered_or_wait() {
    for seed in 0..40 {
        let mut noise =
            Noise { stage: Stage::seeded(seed), rng: Rng::new(seed), ids: vec!["stranger".into()], asked: Vec::new() };
        (0..500).for_each(|_| noise.step());
        // Whoever still waits is told so at the end: no ticket is lost.
        let waiting: Vec<Ticket> =
            noise.asked.iter().copied().filter(|ticket| noise.stage.is_waiting(*ticket)).collect();
        let mut told: Vec<Ticket> =
            core::mem::take(&mut noise.stage.shard).abandon().into_iter().map(|(ticket, _)| ticket).collect();
        told.sort();
        assert_eq!(told, waiting, "seed {seed}");
    }
}
