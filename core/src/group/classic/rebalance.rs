//! From one generation to the next: calling members together, waiting for them, and ending the wait.

use super::{Classic, Extension, State};
use crate::group::desk::Desk;
use crate::group::timers::Due;
use crate::msg::sync_group::SyncGroupResponse;
use crate::types::{ErrorCode, Str};
use alloc::vec;
use alloc::vec::Vec;

impl Classic {
    /// Something changed: members are called together, or perhaps that was the last thing waited for.
    pub(super) fn prepare_or_complete(&mut self, desk: &mut Desk<'_, '_>) {
        match self.state {
            State::PreparingRebalance { .. } => self.complete_if_all_joined(desk),
            State::Empty | State::CompletingRebalance | State::Stable => self.prepare(desk),
        }
    }

    /// Ends the join phase if nobody is missing; a group that had no members waits on for more.
    pub(super) fn complete_if_all_joined(&mut self, desk: &mut Desk<'_, '_>) {
        if self.state == (State::PreparingRebalance { from_empty: false }) && self.has_all_joined() {
            self.complete(desk);
        }
    }

    /// Members are called together. Those that wait for an assignment learn it by the answer, the others by heartbeat.
    pub(crate) fn prepare(&mut self, desk: &mut Desk<'_, '_>) {
        self.call_together(desk, ErrorCode::RebalanceInProgress);
    }

    /// The same; whoever waits for an assignment is told this error.
    pub(super) fn call_together(&mut self, desk: &mut Desk<'_, '_>, error: ErrorCode) {
        if self.state == State::CompletingRebalance {
            self.call_off(desk, error);
        }
        self.unsynced.clear();
        desk.cancel(&self.id, Due::Sync);
        let from_empty = self.state == State::Empty;
        self.enter(desk, State::PreparingRebalance { from_empty });
        if from_empty {
            let delay = desk.cx.config.group.initial_rebalance_delay.as_millis();
            let delay_ms = i32::try_from(delay).unwrap_or(i32::MAX);
            let remaining_ms = (self.rebalance_timeout_ms() - delay_ms).max(0);
            self.newcomer = false;
            self.wait_for_more(desk, Extension { delay_ms, remaining_ms });
        } else if self.has_all_joined() {
            self.complete(desk);
        } else {
            self.wait_for_all(desk);
        }
    }

    /// The assignment of this generation will never come.
    fn call_off(&mut self, desk: &mut Desk<'_, '_>, error: ErrorCode) {
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        for id in &ids {
            let member = self.members.get_mut(id).expect("it is its own key");
            member.assignment = bytes::Bytes::new();
            if self.answer_sync(desk, id, SyncGroupResponse { error_code: error.code(), ..Default::default() }) {
                self.refresh(desk, id);
            }
        }
    }

    fn wait_for_more(&mut self, desk: &mut Desk<'_, '_>, extension: Extension) {
        self.extension = Some(extension);
        let at = desk.after_ms(extension.delay_ms);
        desk.set(&self.id, Due::Join, at);
    }

    fn wait_for_all(&mut self, desk: &mut Desk<'_, '_>) {
        let at = desk.after_ms(self.rebalance_timeout_ms());
        desk.set(&self.id, Due::Join, at);
    }

    /// The wait is over: it begins again if it is the first one and somebody came, else the join phase ends.
    pub(crate) fn join_due(&mut self, desk: &mut Desk<'_, '_>) {
        match self.extension.take() {
            Some(Extension { delay_ms, remaining_ms }) if self.newcomer && remaining_ms != 0 => {
                self.newcomer = false;
                let delay = desk.cx.config.group.initial_rebalance_delay.as_millis();
                let next = i32::try_from(delay).unwrap_or(i32::MAX).min(remaining_ms);
                let rest = (remaining_ms - delay_ms).max(0);
                self.wait_for_more(desk, Extension { delay_ms: next, remaining_ms: rest });
            }
            Some(_) | None => self.complete(desk),
        }
    }

    /// The join phase ends. Dynamic members that did not come are out; static ones stay until their session ends.
    pub(super) fn complete(&mut self, desk: &mut Desk<'_, '_>) {
        desk.cancel(&self.id, Due::Join);
        self.extension = None;
        let missing = |member: &super::Member| member.join.is_none() && member.instance.is_none();
        let gone: Vec<Str> =
            self.members.iter().filter(|(_, member)| missing(member)).map(|(id, _)| id.clone()).collect();
        for id in &gone {
            self.remove(desk, id);
        }
        if self.members.is_empty() {
            self.generation = self.generation.next();
            self.protocol = None;
            self.subscribed = self.subscriptions();
            self.enter(desk, State::Empty);
            desk.write(vec![self.record()], Vec::new());
        } else if self.elect() {
            self.begin_generation(desk);
        } else {
            // Only static members are left and none has come: they are waited for until their sessions end.
            let again_ms = self.rebalance_timeout_ms().max(WAIT_AGAIN_MS_MIN);
            let at = desk.after_ms(again_ms);
            desk.set(&self.id, Due::Join, at);
        }
    }

    /// The leader stays if it came, else one who came leads. False if nobody came.
    fn elect(&mut self) -> bool {
        let came = |id: &Str| self.members.get(id).is_some_and(|member| member.join.is_some());
        if self.leader.as_ref().is_some_and(came) {
            return true;
        }
        let next = self.members.iter().find(|(_, member)| member.join.is_some()).map(|(id, _)| id.clone());
        let elected = next.is_some();
        if elected {
            self.leader = next;
        }
        elected
    }

    fn begin_generation(&mut self, desk: &mut Desk<'_, '_>) {
        self.generation = self.generation.next();
        self.protocol = Some(self.select_protocol());
        self.subscribed = self.subscriptions();
        self.enter(desk, State::CompletingRebalance);
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        for id in &ids {
            let member = self.members.get_mut(id).expect("it is its own key");
            member.is_new = false;
            let version = member.join.map_or(0, |parked| parked.version);
            self.answer_join(desk, id, self.join_answer(version, id));
            self.refresh(desk, id);
            self.unsynced.insert(id.clone());
        }
        let at = desk.after_ms(self.rebalance_timeout_ms());
        desk.set(&self.id, Due::Sync, at);
    }

    /// Members that took their generation and never asked for their part are lost (KAFKA-9752).
    pub(crate) fn sync_due(&mut self, desk: &mut Desk<'_, '_>) {
        let lost = core::mem::take(&mut self.unsynced);
        for id in &lost {
            self.remove(desk, id);
        }
        if !lost.is_empty() {
            self.prepare(desk);
        }
    }

    /// A session ended. Whoever has an answer parked is excused, unless it is so new that we cannot know it is there.
    pub(crate) fn session_due(&mut self, desk: &mut Desk<'_, '_>, id: &Str) {
        let Some(member) = self.members.get(id) else {
            self.remove(desk, id);
            return self.complete_if_last(desk);
        };
        if !member.is_excused() {
            self.lose(desk, id);
            match self.state {
                State::CompletingRebalance | State::Stable => self.prepare(desk),
                State::PreparingRebalance { .. } => self.complete_if_last(desk),
                State::Empty => {}
            }
        }
    }

    /// Somebody is not waited for any more: the join phase may be over, even the first one.
    fn complete_if_last(&mut self, desk: &mut Desk<'_, '_>) {
        if matches!(self.state, State::PreparingRebalance { .. }) && self.has_all_joined() {
            self.complete(desk);
        }
    }

    /// Takes a member out; if it still waits it is told that it is none, so that it joins again.
    pub(super) fn lose(&mut self, desk: &mut Desk<'_, '_>, id: &Str) {
        let error = ErrorCode::UnknownMemberId;
        let version = self.members.get(id).and_then(|member| member.join).map_or(0, |parked| parked.version);
        self.answer_join(desk, id, crate::group::ask::join_refused(version, Str::new(), error));
        self.answer_sync(desk, id, SyncGroupResponse { error_code: error.code(), ..Default::default() });
        self.remove(desk, id);
    }
}

/// A rebalance time-out of nothing must not keep us busy.
const WAIT_AGAIN_MS_MIN: i32 = 1_000;

#[cfg(test)]
#[path = "rebalance_test.rs"]
mod rebalance_test;
