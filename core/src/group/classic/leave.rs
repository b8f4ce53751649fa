//! LeaveGroup: members go by themselves, or static ones are taken out by an administrator (KIP-345).

use super::{Classic, State};
use crate::group::GroupMap;
use crate::group::ask::Caller;
use crate::group::desk::Desk;
use crate::msg::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse};
use crate::types::ErrorCode;
use alloc::vec;
use alloc::vec::Vec;

/// Answers a LeaveGroup, once the group is remembered as empty if that is what it is now.
pub(crate) fn leave(groups: &mut GroupMap, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, request: LeaveGroupRequest) {
    let leaving = if caller.version < BATCH_VERSION {
        vec![MemberIdentity { member_id: request.member_id.clone(), ..Default::default() }]
    } else {
        request.members
    };
    let answer = if request.group_id.is_empty() {
        LeaveGroupResponse { error_code: ErrorCode::InvalidGroupId.code(), ..Default::default() }
    } else {
        let outcome: Vec<ErrorCode> = match groups.get_mut(&request.group_id) {
            Some(group) => group.live.leave(desk, &leaving),
            None => leaving.iter().map(|_| ErrorCode::UnknownMemberId).collect(),
        };
        answer(caller.version, leaving, outcome)
    };
    desk.reply_committed(caller.ticket, answer);
}

/// Before version 3 there is one member, and its error is the answer's.
fn answer(version: i16, leaving: Vec<MemberIdentity>, outcome: Vec<ErrorCode>) -> LeaveGroupResponse {
    if version < BATCH_VERSION {
        let error_code = outcome.first().map_or(0, |error| error.code());
        return LeaveGroupResponse { error_code, ..Default::default() };
    }
    let member = |(member, error): (MemberIdentity, ErrorCode)| MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: error.code(),
    };
    let members = leaving.into_iter().zip(outcome).map(member).collect();
    LeaveGroupResponse { members, ..Default::default() }
}

impl Classic {
    fn leave(&mut self, desk: &mut Desk<'_, '_>, leaving: &[MemberIdentity]) -> Vec<ErrorCode> {
        let outcome: Vec<ErrorCode> =
            leaving.iter().map(|member| self.leave_one(desk, member).err().unwrap_or(ErrorCode::None)).collect();
        let any = outcome.contains(&ErrorCode::None);
        match self.state {
            State::Stable | State::CompletingRebalance if any => self.prepare(desk),
            State::PreparingRebalance { .. } if any => self.complete_if_all_joined(desk),
            State::Empty | State::PreparingRebalance { .. } | State::CompletingRebalance | State::Stable => {}
        }
        outcome
    }

    fn leave_one(&mut self, desk: &mut Desk<'_, '_>, member: &MemberIdentity) -> Result<(), ErrorCode> {
        let instance = member.group_instance_id.as_ref();
        if member.member_id.is_empty() {
            let id = instance.and_then(|instance| self.statics.get(instance)).cloned();
            self.lose(desk, &id.ok_or(ErrorCode::UnknownMemberId)?);
        } else if self.pending.contains(&member.member_id) {
            self.remove(desk, &member.member_id);
        } else {
            self.check(&member.member_id, instance)?;
            self.lose(desk, &member.member_id);
        }
        Ok(())
    }
}

/// From here on many members can leave at once.
const BATCH_VERSION: i16 = 3;
