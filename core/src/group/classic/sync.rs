//! SyncGroup: the leader hands in the assignment, everybody else asks for their part of it.

use super::{Classic, State};
use crate::group::GroupMap;
use crate::group::ask::Caller;
use crate::group::desk::{Desk, Parked};
use crate::group::timers::Due;
use crate::msg::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};
use crate::types::{ErrorCode, Str};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

/// Answers, now or later, a SyncGroup.
pub(crate) fn sync(groups: &mut GroupMap, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, request: &SyncGroupRequest) {
    match known(groups, caller, request) {
        Err(error) => {
            desk.reply(caller.ticket, SyncGroupResponse { error_code: error.code(), ..Default::default() });
        }
        Ok(group) => group.sync(desk, caller, request),
    }
}

fn known<'a>(
    groups: &'a mut GroupMap,
    caller: &Caller<'_>,
    request: &SyncGroupRequest,
) -> Result<&'a mut Classic, ErrorCode> {
    let named = request.protocol_type.is_some() && request.protocol_name.is_some();
    if caller.version >= PROTOCOL_REQUIRED_VERSION && !named {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let group = groups.get_mut(&request.group_id).ok_or(ErrorCode::UnknownMemberId)?;
    group.live.may_sync(request)?;
    Ok(&mut group.live)
}

impl Classic {
    fn may_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        let differs = |asked: &Option<Str>, ours: &Option<Str>| asked.is_some() && ours.is_some() && asked != ours;
        self.check(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation.0 {
            return Err(ErrorCode::IllegalGeneration);
        }
        if differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol_name, &self.protocol) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance { .. } => Err(ErrorCode::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    fn sync(&mut self, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, request: &SyncGroupRequest) {
        let id = &request.member_id;
        self.synced(desk, id);
        if self.state == State::Stable {
            let answer = self.sync_answer(id);
            return desk.reply_committed(caller.ticket, answer);
        }
        self.park_sync(desk, caller, id);
        if self.is_leader(id) {
            self.assign(desk, &request.assignments);
        }
    }

    /// The generation is whole: it is remembered, then everybody who asked is told. Whom the leader forgot gets nothing.
    fn assign(&mut self, desk: &mut Desk<'_, '_>, assignments: &[SyncGroupRequestAssignment]) {
        let given: BTreeMap<&Str, &Bytes> =
            assignments.iter().map(|part| (&part.member_id, &part.assignment)).collect();
        for (id, member) in &mut self.members {
            member.assignment = given.get(id).map(|part| Bytes::copy_from_slice(part)).unwrap_or_default();
        }
        let record = self.record();
        if !desk.fits(core::slice::from_ref(&record)) {
            return self.call_together(desk, ErrorCode::UnknownServerError);
        }
        self.enter(desk, State::Stable);
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        let mut replies = Vec::new();
        for id in &ids {
            let parked = self.members.get_mut(id).and_then(|member| member.sync.take());
            let Some(parked) = parked else { continue };
            self.refresh(desk, id);
            if let Some(ticket) = desk.unpark(parked) {
                replies.push((ticket, self.sync_answer(id).into()));
            }
        }
        desk.write(vec![record], replies);
    }

    fn sync_answer(&self, id: &Str) -> SyncGroupResponse {
        SyncGroupResponse {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            assignment: self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default(),
            ..Default::default()
        }
    }

    /// This member has asked for its part; once all have, nobody waits for them any more.
    pub(super) fn synced(&mut self, desk: &mut Desk<'_, '_>, id: &Str) {
        self.unsynced.remove(id);
        if self.unsynced.is_empty() {
            desk.cancel(&self.id, Due::Sync);
        }
    }

    fn park_sync(&mut self, desk: &mut Desk<'_, '_>, caller: &Caller<'_>, id: &Str) {
        let (id, member) = self.members.get_key_value(id).expect("it was checked");
        let (id, former) = (id.clone(), member.sync);
        desk.park(caller.ticket, &self.id, &id);
        if let Some(former) = former {
            let code = ErrorCode::RebalanceInProgress.code();
            desk.answer(former, SyncGroupResponse { error_code: code, ..Default::default() });
        }
        let parked = Parked { ticket: Some(caller.ticket), version: caller.version };
        self.members.get_mut(&id).expect("it was just read").sync = Some(parked);
    }

    /// Ends the wait of a member for its assignment with this answer; false if it did not wait.
    pub(super) fn answer_sync(&mut self, desk: &mut Desk<'_, '_>, id: &Str, answer: SyncGroupResponse) -> bool {
        let parked = self.members.get_mut(id).and_then(|member| member.sync.take());
        let waited = parked.is_some();
        if let Some(parked) = parked {
            desk.answer(parked, answer);
        }
        waited
    }
}

/// From here on a sync names the protocol that it believes was chosen (KIP-559).
const PROTOCOL_REQUIRED_VERSION: i16 = 5;

#[cfg(test)]
#[path = "sync_test.rs"]
mod sync_test;
