//! Heartbeat, and what else keeps a session alive: commits.

use super::{Classic, State};
use crate::group::GroupMap;
use crate::group::ask::Caller;
use crate::group::desk::Desk;
use crate::msg::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::msg::offset_commit::OffsetCommitRequest;
use crate::types::{ErrorCode, Str};

/// Answers a Heartbeat.
pub(crate) fn heartbeat(groups: &GroupMap, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, request: &HeartbeatRequest) {
    let outcome = if request.group_id.is_empty() {
        Err(ErrorCode::InvalidGroupId)
    } else {
        let group = groups.get(&request.group_id).ok_or(ErrorCode::UnknownMemberId);
        group.and_then(|group| group.live.heartbeat(desk, request))
    };
    let error_code = outcome.err().unwrap_or(ErrorCode::None).code();
    desk.reply(caller.ticket, HeartbeatResponse { error_code, ..Default::default() });
}

impl Classic {
    fn heartbeat(&self, desk: &mut Desk<'_, '_>, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        self.check(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation.0 {
            return Err(ErrorCode::IllegalGeneration);
        }
        self.refresh_known(desk, &request.member_id);
        match self.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance { .. } => Err(ErrorCode::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    /// May these offsets be committed? Only by a member of this generation; in a group without members by anybody who
    /// claims no generation. A generation without assignments is not ready for commits.
    pub(crate) fn may_commit(&self, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        let empty = self.state == State::Empty;
        let instance = request.group_instance_id.as_ref();
        if generation < 0 && empty {
            return Ok(());
        }
        if generation >= 0 || !request.member_id.is_empty() || instance.is_some() {
            self.check(&request.member_id, instance)?;
            if generation != self.generation.0 {
                return Err(ErrorCode::IllegalGeneration);
            }
        } else if !empty {
            return Err(ErrorCode::UnknownMemberId);
        }
        if self.state == State::CompletingRebalance { Err(ErrorCode::RebalanceInProgress) } else { Ok(()) }
    }

    /// A commit of a member counts as a sign of life.
    pub(crate) fn committed(&self, desk: &mut Desk<'_, '_>, member: &Str) {
        match self.state {
            State::Stable | State::PreparingRebalance { .. } => self.refresh_known(desk, member),
            State::Empty | State::CompletingRebalance => {}
        }
    }

    /// Like `refresh`, by a name that may share a request's buffer.
    fn refresh_known(&self, desk: &mut Desk<'_, '_>, member: &Str) {
        if let Some((id, _)) = self.members.get_key_value(member) {
            self.refresh(desk, id);
        }
    }
}
