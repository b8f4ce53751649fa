//! A client that has controllers vote and not vote, as an operator would, while everything else goes on (KIP-853).

use super::{Actor, Cx, Happened};
use crate::links::host_of;
use crate::settings::{CONTROLLER_PORT, directory_of};
use ottla_core::msg::Response;
use ottla_core::msg::add_raft_voter::{AddRaftVoterRequest, Listener};
use ottla_core::msg::remove_raft_voter::RemoveRaftVoterRequest;
use ottla_core::types::{ErrorCode, Str};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whose voters come and go, and how often.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Habits {
    /// How many controllers there are, numbered from 1.
    pub controllers: usize,
    /// About so long between two requests.
    pub pace: Duration,
}

/// Adds and removes voters now and then.
pub struct Turnover {
    habits: Habits,
    tag: u64,
    is_asking: bool,
    finishing: bool,
}

impl Turnover {
    /// One that has not begun.
    pub fn new(habits: Habits) -> Self {
        Self { habits, tag: 0, is_asking: false, finishing: false }
    }

    fn ask(&mut self, cx: &mut Cx) {
        if !cx.up || self.finishing || self.is_asking {
            return;
        }
        self.is_asking = true;
        self.tag += 1;
        let machine = cx.rng.below(self.habits.controllers as u64) as usize;
        let (voter_id, voter_directory_id) = (machine as i32 + 1, directory_of(machine));
        if cx.rng.chance(1, 2) {
            cx.ask(self.tag, RemoveRaftVoterRequest { cluster_id: None, voter_id, voter_directory_id });
        } else {
            let listener = Listener {
                name: Str::from_static("CONTROLLER"),
                host: Str::from(host_of(machine)),
                port: CONTROLLER_PORT,
            };
            let body = AddRaftVoterRequest {
                cluster_id: None,
                timeout_ms: 5_000,
                voter_id,
                voter_directory_id,
                listeners: vec![listener],
                ack_when_committed: true,
            };
            cx.ask(self.tag, body);
        }
    }

    fn told(&mut self, cx: &mut Cx, what: &'static str, error_code: i16) {
        match ErrorCode::from_code(error_code) {
            Some(ErrorCode::None) => cx.model.mark(what),
            Some(
                ErrorCode::RequestTimedOut
                | ErrorCode::DuplicateVoter
                | ErrorCode::VoterNotFound
                | ErrorCode::InvalidRequest
                | ErrorCode::NotLeaderOrFollower,
            ) => cx.model.mark("voters stayed"),
            error => cx.model.find("voters", format!("{error:?}")),
        }
        self.is_asking = false;
        self.rest(cx);
    }

    fn rest(&self, cx: &mut Cx) {
        let pace = self.habits.pace.as_micros() as u64;
        let wait = cx.rng.between(pace / 2, pace * 2);
        cx.wake_in(Duration::from_micros(wait));
    }
}

impl Actor for Turnover {
    fn happened(&mut self, cx: &mut Cx, what: Happened) {
        match what {
            Happened::Up => self.rest(cx),
            Happened::Wake => self.ask(cx),
            Happened::Answer { body: Response::AddRaftVoter(body), .. } => {
                self.told(cx, "voters came", body.error_code);
            }
            Happened::Answer { body: Response::RemoveRaftVoter(body), .. } => {
                self.told(cx, "voters went", body.error_code);
            }
            Happened::Answer { body, .. } => panic!("nobody asked for {body:?} here"),
            Happened::Down { .. } => self.is_asking = false,
        }
    }

    fn is_done(&self) -> bool {
        self.finishing
    }

    fn finish(&mut self) {
        self.finishing = true;
    }
}
