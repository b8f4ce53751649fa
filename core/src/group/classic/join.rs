//! JoinGroup: who may become or stay a member, and when that calls everybody together.
//!
//! | the asker | is answered |
//! |---|---|
//! | without an id, version 4 and later, no instance id | MEMBER_ID_REQUIRED with an id to come back with (KIP-394) |
//! | without an id otherwise | when the join phase ends, as a new member |
//! | without an id, with a known instance id | see `replace` (KIP-345) |
//! | with a promised id | when the join phase ends, as a new member |
//! | a member, while members are called together | when the join phase ends |
//! | a member with nothing new | at once, with the generation that stands |
//! | a member with new metadata, or the leader of a stable group | when the join phase that it sets off ends |

use super::{Classic, Member, State, can_begin, member};
use crate::group::ask::{Caller, join_refused, nullable_name};
use crate::group::desk::{Desk, Parked};
use crate::group::{Group, GroupMap};

use crate::group::timers::Due;
use crate::msg::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use crate::types::{ErrorCode, Str, limit};
use alloc::format;
use alloc::vec::Vec;

/// Answers, now or later, a JoinGroup.
pub(crate) fn join(groups: &mut GroupMap, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, mut request: JoinGroupRequest) {
    if caller.version == 0 {
        request.rebalance_timeout_ms = request.session_timeout_ms;
    }
    if let Err((member, error)) = may_ask(groups, desk, &request) {
        return desk.reply(caller.ticket, join_refused(caller.version, member, error));
    }
    let begins = !groups.contains_key(&request.group_id);
    if begins {
        let id = request.group_id.detached();
        groups.insert(id.clone(), Group::new(Classic::new(id, Some(desk.cx.now.wall))));
    }
    let group = &mut groups.get_mut(&request.group_id).expect("it was just looked for").live;
    if !group.has_room(&request.member_id, desk.cx.config.group.size_max) {
        group.remove(desk, &request.member_id);
        let full = join_refused(caller.version, Str::new(), ErrorCode::GroupMaxSizeReached);
        desk.reply(caller.ticket, full);
    } else if request.member_id.is_empty() {
        group.join_nameless(desk, caller, &request);
    } else {
        group.join_named(desk, caller, &request);
    }
    if begins {
        desk.write(alloc::vec![group.first_record()], Vec::new());
    }
}

/// What is wrong with the request before the group is looked into, and the member id to answer with.
fn may_ask(groups: &GroupMap, desk: &Desk<'_, '_>, request: &JoinGroupRequest) -> Result<(), (Str, ErrorCode)> {
    let bounds = &desk.cx.config.group;
    let session = crate::group::desk::millis(request.session_timeout_ms);
    let id = &request.member_id;
    if request.group_id.is_empty() {
        return Err((id.clone(), ErrorCode::InvalidGroupId));
    }
    if session < bounds.session_timeout_min || session > bounds.session_timeout_max {
        return Err((id.clone(), ErrorCode::InvalidSessionTimeout));
    }
    if groups.contains_key(&request.group_id) {
        return Ok(());
    }
    if !id.is_empty() {
        return Err((id.clone(), ErrorCode::UnknownMemberId));
    }
    // Kafka makes the group first and refuses then; nobody needs a group that nobody can be in.
    if !can_begin(&request.protocol_type, &request.protocols) {
        return Err((Str::new(), ErrorCode::InconsistentGroupProtocol));
    }
    Ok(())
}

impl Classic {
    /// `group.max.size`: while members are called together those count who have come, so that the last ones are turned
    /// away if the group has to shrink.
    fn has_room(&self, id: &Str, size_max: u32) -> bool {
        let size_max = usize::try_from(size_max).unwrap_or(usize::MAX);
        let known = self.members.get(id);
        match self.state {
            State::Empty => true,
            State::PreparingRebalance { .. } => {
                known.is_some_and(|member| member.join.is_some()) || self.joined < size_max
            }
            State::CompletingRebalance | State::Stable => known.is_some() || self.members.len() < size_max,
        }
    }

    fn join_nameless(&mut self, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, request: &JoinGroupRequest) {
        if !self.supports(&request.protocol_type, &request.protocols) {
            let refused = join_refused(caller.version, Str::new(), ErrorCode::InconsistentGroupProtocol);
            return desk.reply(caller.ticket, refused);
        }
        if let Some(instance) = &request.group_instance_id {
            let id = new_id(desk, instance);
            return match self.statics.get(instance).cloned() {
                Some(old) => self.replace(desk, caller, request, (old, id)),
                None => self.add(desk, caller, request, id),
            };
        }
        let id = new_id(desk, &caller.asker.client_id);
        if caller.version < MEMBER_ID_REQUIRED_VERSION {
            return self.add(desk, caller, request, id);
        }
        if self.pending.len() >= limit::MEMBERS_PROMISED_MAX {
            // Promises end with their sessions: later there is room again, so the client is to try again.
            let later = join_refused(caller.version, Str::new(), ErrorCode::CoordinatorLoadInProgress);
            return desk.reply(caller.ticket, later);
        }
        self.pending.insert(id.clone());
        let at = desk.after_ms(request.session_timeout_ms);
        desk.set(&self.id, Due::Session(id.clone()), at);
        desk.reply(caller.ticket, join_refused(caller.version, id, ErrorCode::MemberIdRequired));
    }

    fn join_named(&mut self, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, request: &JoinGroupRequest) {
        let id = &request.member_id;
        let instance = request.group_instance_id.as_ref();
        let refused = if !self.supports(&request.protocol_type, &request.protocols) {
            Some(ErrorCode::InconsistentGroupProtocol)
        } else if !self.pending.contains(id) {
            self.check(id, instance).err()
        } else {
            // A promised id belongs to a dynamic member.
            instance.map(|_| ErrorCode::UnknownServerError)
        };
        if let Some(error) = refused {
            return desk.reply(caller.ticket, join_refused(caller.version, id.clone(), error));
        }
        if self.pending.contains(id) {
            return self.add(desk, caller, request, id.detached());
        }
        self.rejoin(desk, caller, request);
    }

    /// A member comes again. With nothing new it is told the generation that stands; the leader of a stable group
    /// always calls for a new one, since it sees changes that no member's metadata shows.
    fn rejoin(&mut self, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, request: &JoinGroupRequest) {
        let id = &request.member_id;
        let same = self.members.get(id).is_some_and(|member| member.matches(&request.protocols));
        let stands = match self.state {
            State::Empty => unreachable!("an empty group has no members"),
            State::PreparingRebalance { .. } => false,
            State::CompletingRebalance => same,
            State::Stable => same && !self.is_leader(id),
        };
        if stands {
            let answer = self.join_answer(caller.version, id);
            return desk.reply(caller.ticket, answer);
        }
        let id = self.members.get_key_value(id).map(|(id, _)| id.clone()).expect("it was checked");
        self.update(&id, request);
        self.park_join(desk, caller, &id);
        self.prepare_or_complete(desk);
    }

    /// A new member. Its session is long, since it cannot send heartbeats before it is answered.
    fn add(&mut self, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, request: &JoinGroupRequest, id: Str) {
        let member = Member {
            instance: request.group_instance_id.as_ref().map(Str::detached),
            client_id: caller.asker.client_id.detached(),
            client_host: caller.asker.host.detached(),
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: member::protocols(&request.protocols),
            assignment: bytes::Bytes::new(),
            join: None,
            sync: None,
            is_new: true,
        };
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.detached());
        }
        if self.state == (State::PreparingRebalance { from_empty: true }) {
            self.newcomer = true;
        }
        self.insert(id.clone(), member);
        self.park_join(desk, caller, &id);
        let at = desk.after_ms(NEW_MEMBER_JOIN_TIMEOUT_MS);
        desk.set(&self.id, Due::Session(id), at);
        self.prepare_or_complete(desk);
    }

    /// Takes over what the request says of the member.
    pub(super) fn update(&mut self, id: &Str, request: &JoinGroupRequest) {
        let member = self.members.get_mut(id).expect("only members are updated");
        super::count(&mut self.supported, member, false);
        member.protocols = member::protocols(&request.protocols);
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        member.session_timeout_ms = request.session_timeout_ms;
        super::count(&mut self.supported, member, true);
    }

    /// The answer waits for the end of the join phase. A member that asked before and asks again is answered here: it
    /// must have given up the first connection.
    pub(super) fn park_join(&mut self, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, id: &Str) {
        let parked = Parked { ticket: Some(caller.ticket), version: caller.version };
        desk.park(caller.ticket, &self.id, id);
        let member = self.members.get_mut(id).expect("only members wait");
        match member.join.replace(parked) {
            None => self.joined += 1,
            Some(former) => {
                let again = join_refused(former.version, id.clone(), ErrorCode::RebalanceInProgress);
                desk.answer(former, again);
            }
        }
    }

    /// Ends the wait of a member for the join phase with this answer, if it waits.
    pub(super) fn answer_join(&mut self, desk: &mut Desk<'_, '_>, id: &Str, answer: JoinGroupResponse) {
        let parked = self.members.get_mut(id).and_then(|member| member.join.take());
        if let Some(parked) = parked {
            self.joined -= 1;
            desk.answer(parked, answer);
        }
    }

    /// The generation as this member sees it: only the leader learns who else is in it.
    pub(super) fn join_answer(&self, version: i16, id: &Str) -> JoinGroupResponse {
        let members = if self.is_leader(id) { self.roster() } else { Vec::new() };
        JoinGroupResponse {
            generation_id: self.generation.0,
            protocol_type: self.protocol_type.clone(),
            protocol_name: nullable_name(version, self.protocol.as_ref()),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: id.clone(),
            members,
            ..Default::default()
        }
    }

    fn roster(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let entry = |(id, member): (&Str, &Member)| JoinGroupResponseMember {
            member_id: id.clone(),
            group_instance_id: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        self.members.iter().map(entry).collect()
    }
}

/// `prefix-` and a random UUID, as Kafka names members. A long prefix is cut: ids are kept in many places.
fn new_id(desk: &mut Desk<'_, '_>, prefix: &str) -> Str {
    let prefix = &prefix[..prefix.floor_char_boundary(MEMBER_PREFIX_BYTES_MAX)];
    let [a, b, c, d, e, f, g, h, tail @ ..] = desk.cx.rng.bytes16();
    let (version, variant) = (g & 0x0f | 0x40, tail[0] & 0x3f | 0x80);
    let node = tail[2..].iter().fold(0u64, |node, byte| node << 8 | u64::from(*byte));
    let low = [a, b, c, d].map(u32::from).into_iter().fold(0, |word, byte| word << 8 | byte);
    format!("{prefix}-{low:08x}-{e:02x}{f:02x}-{version:02x}{h:02x}-{variant:02x}{:02x}-{node:012x}", tail[1]).into()
}

/// From here on a member without an id gets one and has to come back with it.
const MEMBER_ID_REQUIRED_VERSION: i16 = 4;
/// How long a new member may wait for its first answer before it is taken for gone; clients retry sooner.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 5 * 60 * 1000;
/// So much of a client's or instance's name is in the ids of its members.
const MEMBER_PREFIX_BYTES_MAX: usize = 255;

#[cfg(test)]
#[path = "join_test.rs"]
mod join_test;
