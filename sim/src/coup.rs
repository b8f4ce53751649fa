//! Chains of strikes at the voters of the metadata quorum: the states that Raft's paper warns of, which a dozen strikes that know
//! nothing of each other bring about once in many thousands of runs.

use crate::chain::{CUT, Chain, Chase, LOOK};
use crate::clock::At;
use crate::fault::{Op, Strike, wait};
use crate::settings::CONTROLLER_PORT;
use crate::world::World;
use ottla_core::node::{Standing, View};
use ottla_core::types::{LeaderEpoch, LogId, Rng};
use std::time::Duration;

/// Draws chains at voters: few of any kind, since each needs all voters for itself, or more of one.
pub fn draw_coups(only: Option<Chain>, (from, to): (At, At), rng: &mut Rng) -> Vec<Op> {
    let count = if only.is_some() { MANY } else { rng.between(1, 3) };
    let coup = |_| {
        let drawn = COUPS[rng.below(COUPS.len() as u64) as usize];
        let strike = Strike::Chain(only.unwrap_or(drawn), rng.next_u64());
        Op { at: At(rng.between(from.0, to.0)), machine: 0, strike }
    };
    (0..count).map(coup).collect()
}

impl World {
    /// Three voters who are well, the leader first; none while another chain is at them.
    pub(crate) fn find_voters(&self, rng: &mut Rng) -> Option<(LogId, usize, Vec<usize>)> {
        let shape = &self.plan.options.shape;
        let first = self.controller()?;
        let (term, _) = self.standing(first)?;
        let is_busy = self.chases.iter().any(|chase| chase.chain.is_coup() && !chase.is_over);
        if shape.turnover || shape.voters != VOTERS || first >= VOTERS || is_busy {
            return None;
        }
        let follows = |at: &usize| matches!(self.standing(*at), Some((known, Standing::Follower(_))) if known == term);
        let mut others: Vec<usize> = (0..VOTERS).filter(|at| *at != first).collect();
        if rng.chance(1, 2) {
            others.reverse();
        }
        others.iter().all(follows).then_some((LogId::METADATA, first, others))
    }

    /// Two stand in one term, and the third, who votes for one of them, forgets that by and by.
    pub(crate) fn rivals(&mut self, chase: &mut Chase) -> bool {
        let (back, stays, voter) = (chase.first, chase.others[0], chase.others[1]);
        let (winner, loser) = if chase.flavour() & 1 == 0 { (back, stays) } else { (stays, back) };
        let loses_power = chase.flavour() & 2 == 0;
        match chase.step {
            // Whoever has less than the third would not be voted for by it.
            0 if !self.have_the_same([back, stays, voter]) => self.now < chase.until,
            0 => {
                self.part_voters((back, stays), CUT / 2);
                self.strike_on(back, Strike::Kill(wait(&mut chase.rng, 1, 20)));
                chase.next(self.now, NOTICED)
            }
            1 if self.now >= chase.until => {
                // Both ask it while it stands still, and hear from it in one moment.
                self.strike_on(voter, Strike::Pause(ASKED));
                chase.next(self.now, ASKED)
            }
            2 if self.now >= chase.until => {
                self.slow_disk(back, SLOW);
                self.slow_disk(stays, SLOW);
                chase.next(self.now, CUT / 8)
            }
            1 | 2 => true,
            3 if self.term_of_candidate(back).is_some()
                && self.term_of_candidate(back) == self.term_of_candidate(stays) =>
            {
                self.model.mark("rivals in one term");
                self.hold(loser);
                chase.next(self.now, CUT / 12)
            }
            4 if self.leads(winner).is_some() && self.leads(winner) == self.term_of_candidate(loser) => {
                self.hold(loser);
                self.part_voters((winner, voter), CUT / 4);
                let down = wait(&mut chase.rng, 1, 5);
                self.strike_on(voter, if loses_power { Strike::PowerLoss(down) } else { Strike::Kill(down) });
                chase.next(self.now, CUT / 12)
            }
            3 => {
                let stand = [back, stays].into_iter().filter(|at| self.term_of_candidate(*at).is_some());
                stand.collect::<Vec<_>>().into_iter().for_each(|at| self.hold(at));
                self.now < chase.until
            }
            4 => {
                self.hold(loser);
                if loses_power {
                    self.hold(voter);
                }
                self.now < chase.until
            }
            5 if self.machines[voter].view().is_some() => false,
            5 => {
                self.hold(loser);
                self.now < chase.until
            }
            _ => self.now < chase.until,
        }
    }

    /// A leader alone with what it decided, or with nothing but the beginning of its reign; the next one alone with that; the first
    /// again, who passes on what it had then (Raft, figure 8). Either it falls before more than that is passed on, or the second comes
    /// back and is to forget.
    pub(crate) fn revenant(&mut self, chase: &mut Chase) -> bool {
        let (old, aside, next) = (chase.first, chase.others[0], chase.others[1]);
        let falls = chase.flavour() & 1 == 0;
        match chase.step {
            0 if !falls && chase.flavour() & 2 == 0 => {
                self.strike_on(old, Strike::Kill(wait(&mut chase.rng, 1_000, 2_000)));
                chase.step = NEWLY_ELECTED;
                chase.next(self.now, CUT / 2)
            }
            NEWLY_ELECTED.. => self.newly_elected(chase),
            0 => {
                let Some(bystander) = self.bystander() else { return false };
                self.part_voters((old, aside), 2 * CUT);
                self.part_voters((old, next), 2 * CUT);
                self.strike_on(bystander, Strike::Kill(wait(&mut chase.rng, 2_000, 6_000)));
                chase.next(self.now, CUT)
            }
            1 if self.has_kept_more(old) => chase.next(self.now, CUT),
            2 if self.elects(next, aside).or(self.elects(aside, next)).is_some() => {
                if self.elects(next, aside).is_none() {
                    chase.others.swap(0, 1);
                }
                let (voter, candidate) = (chase.others[0], chase.others[1]);
                self.deafen(candidate, voter);
                chase.next(self.now, CUT / 6)
            }
            3 if self.leads(next).is_some() && self.has_kept_its_reign(next) => {
                self.part_voters((aside, next), 2 * CUT);
                self.part_voters((old, aside), Duration::ZERO);
                if falls {
                    self.slow_disk(old, SLOW);
                }
                chase.next(self.now, CUT)
            }
            4 if self.leads(old) > self.term_of(next) => {
                self.model.mark("leaders of the past lead again");
                if !falls {
                    return self.reunite(chase);
                }
                self.hold(old);
                chase.next(self.now, CUT / 8)
            }
            5 if self.now >= chase.until || self.has_committed_all(old) => {
                self.strike_on(old, Strike::Kill(wait(&mut chase.rng, 4_000, 8_000)));
                self.reunite(chase)
            }
            5 => {
                self.hold(old);
                true
            }
            _ => self.now < chase.until || self.reunite(chase),
        }
    }

    /// Whoever follows upon a leader is cut off as soon as it has been elected: its log ends with the beginning of its reign.
    fn newly_elected(&mut self, chase: &mut Chase) -> bool {
        let (fallen, one, other) = (chase.first, chase.others[0], chase.others[1]);
        let is_first = chase.step == NEWLY_ELECTED + 1;
        if is_first && self.elects(one, other).or(self.elects(other, one)).is_some() {
            let (elected, voter) = if self.elects(one, other).is_some() { (one, other) } else { (other, one) };
            (chase.first, chase.others) = (elected, vec![voter, fallen]);
            self.deafen(elected, voter);
            self.part_voters((elected, fallen), 2 * CUT);
            return chase.next(self.now, CUT / 6);
        }
        if !is_first && self.leads(fallen).is_some() && self.has_kept_its_reign(fallen) {
            self.part_voters((fallen, one), 2 * CUT);
            chase.step = 1;
            return chase.next(self.now, CUT);
        }
        self.now < chase.until
    }

    /// A follower that takes records in while its disk does nothing loses its power, and the leader falls: what both had is
    /// nowhere, and must not have been committed.
    pub(crate) fn unkept(&mut self, chase: &mut Chase) -> bool {
        let (leader, follower, away) = (chase.first, chase.others[0], chase.others[1]);
        match chase.step {
            0 if self.end_committed(leader) > self.end_kept(follower) => self.now < chase.until,
            0 => {
                self.hold(follower);
                self.strike_on(away, Strike::Kill(wait(&mut chase.rng, 3_000, 6_000)));
                if let Some(bystander) = self.bystander() {
                    self.strike_on(bystander, Strike::Kill(wait(&mut chase.rng, 500, 4_000)));
                }
                chase.next(self.now, CUT / 8)
            }
            _ if self.end_committed(leader) > self.end_kept(follower) || self.now >= chase.until => {
                if self.end_committed(leader) > self.end_kept(follower) {
                    self.model.mark("committed without a majority");
                }
                self.strike_on(follower, Strike::PowerLoss(wait(&mut chase.rng, 1, 50)));
                self.strike_on(leader, Strike::Kill(wait(&mut chase.rng, 6_000, 12_000)));
                false
            }
            _ => {
                self.hold(follower);
                true
            }
        }
    }

    /// All voters hear each other again. The chain ends with it.
    fn reunite(&mut self, chase: &Chase) -> bool {
        let (old, aside, next) = (chase.first, chase.others[0], chase.others[1]);
        [(old, aside), (old, next), (aside, next)].into_iter().for_each(|pair| self.part_voters(pair, Duration::ZERO));
        false
    }

    /// Between two voters nothing passes that voters say to each other.
    fn part_voters(&mut self, (one, other): (usize, usize), wait: Duration) {
        let until = self.now + wait;
        if let Some(film) = &mut self.film {
            film.voters_cut((one, other), self.now, until);
        }
        self.net().cut_port(one, other, CONTROLLER_PORT, until);
        self.net().cut_port(other, one, CONTROLLER_PORT, until);
    }

    /// Nothing that one voter says to another arrives for long.
    fn deafen(&mut self, from: usize, to: usize) {
        let until = self.now + 2 * CUT;
        self.net().cut_port(from, to, CONTROLLER_PORT, until);
    }

    /// Nothing that a disk does ends before the next look.
    fn hold(&mut self, machine: usize) {
        self.machines[machine].stick(self.now + 2 * LOOK);
    }

    /// A disk takes about so long for a flush, for a while.
    fn slow_disk(&mut self, machine: usize, wait: Duration) {
        let usual = self.plan.options.disk.sync_us.max(1);
        let factor = u32::try_from(wait.as_micros()).unwrap_or(u32::MAX) / u32::try_from(usual).unwrap_or(u32::MAX);
        self.strike_on(machine, Strike::Slow(factor.max(1), CUT / 4));
    }

    /// A broker that does not vote, whose end gives the controller something to write.
    fn bystander(&self) -> Option<usize> {
        let is_one = |at: &usize| self.plan.options.is_broker(*at) && self.machines[*at].view().is_some();
        (VOTERS..self.machines.len()).find(is_one)
    }

    fn standing(&self, machine: usize) -> Option<(LeaderEpoch, Standing)> {
        self.machines[machine].view().map(|view| view.standing())
    }

    fn term_of(&self, machine: usize) -> Option<LeaderEpoch> {
        self.standing(machine).map(|(term, _)| term)
    }

    fn term_of_candidate(&self, machine: usize) -> Option<LeaderEpoch> {
        self.standing(machine).filter(|(_, standing)| *standing == Standing::Candidate).map(|(term, _)| term)
    }

    fn leads(&self, machine: usize) -> Option<LeaderEpoch> {
        self.standing(machine).filter(|(_, standing)| *standing == Standing::Leader).map(|(term, _)| term)
    }

    /// The term in which one stands or leads, and the other has heard of it.
    fn elects(&self, candidate: usize, voter: usize) -> Option<LeaderEpoch> {
        let term = self.term_of_candidate(candidate).or(self.leads(candidate))?;
        (self.term_of(voter) == Some(term)).then_some(term)
    }

    /// Whether a machine has kept metadata of which it does not know that they are committed.
    fn has_kept_more(&self, machine: usize) -> bool {
        self.machines[machine].view().is_some_and(|view| view.metadata_log().durable() > view.image().end())
    }

    fn has_committed_all(&self, machine: usize) -> bool {
        !self.has_kept_more(machine)
    }

    /// Whether a leader has kept the first record of its reign.
    fn has_kept_its_reign(&self, machine: usize) -> bool {
        let has = |view: View<'_>| {
            let log = view.metadata_log();
            log.durable() == log.end() && log.epochs().latest() == view.reign()
        };
        self.machines[machine].view().is_some_and(has)
    }

    /// Whether these voters have kept the same, and nothing more.
    fn have_the_same(&self, voters: [usize; VOTERS]) -> bool {
        let ends = |at: usize| {
            let log = self.machines[at].view()?.metadata_log();
            (log.durable() == log.end()).then_some(log.end())
        };
        voters.iter().all(|at| ends(*at).is_some() && ends(*at) == ends(voters[0]))
    }

    fn end_committed(&self, machine: usize) -> i64 {
        self.machines[machine].view().map_or(0, |view| view.image().end().0)
    }

    fn end_kept(&self, machine: usize) -> i64 {
        self.machines[machine].view().map_or(i64::MAX, |view| view.metadata_log().durable().0)
    }
}

/// The chains at voters.
pub(crate) const COUPS: [Chain; 3] = [Chain::Rivals, Chain::Revenant, Chain::Unkept];
/// From this step on a chain is about the reign before the one that it is about.
const NEWLY_ELECTED: u32 = 10;
/// They are made for so many.
pub(crate) const VOTERS: usize = 3;
/// So many of one kind are many.
const MANY: u64 = 5;
/// How long it takes until it is known that a leader is gone, and nobody stands yet.
const NOTICED: Duration = Duration::from_millis(120);
/// How long it takes from then on until others have asked for votes.
const ASKED: Duration = Duration::from_millis(1_000);
/// A flush that can be looked at.
const SLOW: Duration = Duration::from_millis(60);
