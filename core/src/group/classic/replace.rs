//! A static member comes without its member id: a new process takes the place of an old one (KIP-345, KIP-814). The old
//! one is fenced at once, in whatever state the group is.

use super::{Classic, State};
use crate::group::ask::{Caller, join_refused};
use crate::group::desk::Desk;
use crate::group::timers::Due;
use crate::msg::join_group::{JoinGroupRequest, JoinGroupResponse};
use crate::msg::sync_group::SyncGroupResponse;
use crate::types::{ErrorCode, Str};
use alloc::vec;

impl Classic {
    /// The member of this instance id, so far `old`, is `new` from now on.
    pub(super) fn replace(
        &mut self,
        desk: &mut Desk<'_, '_>,
        caller: &Caller<'_>,
        request: &JoinGroupRequest,
        (old, new): (Str, Str),
    ) {
        let leader = self.leader.clone();
        self.rename(desk, &old, &new);
        self.refresh(desk, &new);
        self.update(&new, request);
        match self.state {
            State::Empty => unreachable!("an empty group has no members"),
            State::Stable if self.stands(desk) => {
                let answer = self.standing_answer(caller.version, &new, leader);
                let reply = (caller.ticket, answer.into());
                desk.write(vec![self.record()], vec![reply]);
            }
            State::Stable => {
                self.park_join(desk, caller, &new);
                self.prepare_or_complete(desk);
            }
            // The leader may already divide the work among the old ids: the new one would get nothing.
            State::CompletingRebalance => {
                self.park_join(desk, caller, &new);
                self.prepare(desk);
            }
            State::PreparingRebalance { .. } => {
                self.park_join(desk, caller, &new);
                self.complete_if_all_joined(desk);
            }
        }
    }

    /// Does the generation stay as it is? Not if its protocol has to change, or if it can no longer be remembered.
    fn stands(&self, desk: &Desk<'_, '_>) -> bool {
        let chosen = self.protocol.as_ref() == Some(&self.select_protocol());
        chosen && desk.fits(core::slice::from_ref(&self.record()))
    }

    /// The member goes on under another id; whoever waits under the old one is fenced.
    fn rename(&mut self, desk: &mut Desk<'_, '_>, old: &Str, new: &Str) {
        let fenced = ErrorCode::FencedInstanceId;
        let version = self.members.get(old).and_then(|member| member.join).map_or(0, |parked| parked.version);
        self.answer_join(desk, old, join_refused(version, old.clone(), fenced));
        self.answer_sync(desk, old, SyncGroupResponse { error_code: fenced.code(), ..Default::default() });
        desk.cancel(&self.id, Due::Session(old.clone()));
        let mut member = self.members.remove(old).expect("a static id leads to a member");
        member.is_new = false;
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), new.clone());
        }
        self.members.insert(new.clone(), member);
        if self.is_leader(old) {
            self.leader = Some(new.clone());
        }
        self.synced(desk, old);
    }

    /// The generation goes on: its protocol is still the right one, and nothing is divided anew. From version 9 on the
    /// leader is told so; an older one is told the former leader's id, so that it does not take itself for the leader.
    fn standing_answer(&self, version: i16, id: &Str, former_leader: Option<Str>) -> JoinGroupResponse {
        let mut answer = self.join_answer(version, id);
        if version >= SKIP_ASSIGNMENT_VERSION {
            answer.skip_assignment = self.is_leader(id);
        } else {
            answer.leader = former_leader.unwrap_or_default();
            answer.members.clear();
        }
        answer
    }
}

const SKIP_ASSIGNMENT_VERSION: i16 = 9;

#[cfg(test)]
#[path = "replace_test.rs"]
mod replace_test;
