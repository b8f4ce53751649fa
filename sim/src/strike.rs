//! How each strike of a plan comes about.

use crate::chain::CUT;
use crate::clock::At;
use crate::disk::Armed;
use crate::fault::{Strike, Way};
use crate::net::Flow;
use crate::world::{Event, World};
use std::time::Duration;

impl World {
    /// The strike with this number comes now.
    pub(crate) fn strike(&mut self, number: usize) {
        let Some((_, op)) = self.plan.ops.iter().find(|(known, _)| *known == number).copied() else { return };
        let at = op.machine;
        self.trace.event(self.now, (8, number), || ("nemesis".into(), format!("node {at}: {}", op.strike)));
        self.apply(at, op.strike);
    }

    /// A strike that belongs to a chain comes at a machine.
    pub(crate) fn strike_on(&mut self, at: usize, strike: Strike) {
        let text = format!("node {at}: {strike}");
        self.trace.event(self.now, (12, &text), || ("nemesis".into(), text.clone()));
        self.apply(at, strike);
    }

    fn apply(&mut self, at: usize, strike: Strike) {
        if let Some(film) = &mut self.film {
            film.struck(self.now, at, strike);
        }
        match strike {
            Strike::Kill(down) => self.with_machine(at, |machine, now, out| machine.kill(now, down, out)),
            Strike::PowerLoss(_) if self.plan.options.relaxed => self.reckon(),
            Strike::PowerLoss(down) => self.with_machine(at, |machine, now, out| machine.lose_power(now, down, out)),
            Strike::Blackout(down) => {
                self.model.mark("blackouts");
                for at in 0..self.machines.len() {
                    // They do not come back in one moment.
                    let down = down + Duration::from_micros(self.rng.between(0, 500_000));
                    self.with_machine(at, |machine, now, out| machine.lose_power(now, down, out));
                }
            }
            Strike::Wipe(down) => {
                self.model.wiped = true;
                self.with_machine(at, |machine, now, out| machine.wipe(now, down, out));
            }
            Strike::Stop(down) => self.with_machine(at, |machine, now, out| machine.stop(now, down, out)),
            Strike::Pause(wait) => self.with_machine(at, |machine, now, out| machine.pause(now, wait, out)),
            Strike::Pace(permille) => {
                self.with_machine(at, |machine, now, out| {
                    machine.change_clock(now, |clock| clock.set_pace(now, permille), out)
                });
            }
            Strike::Jump(millis) => {
                self.with_machine(at, |machine, now, out| {
                    machine.change_clock(now, |clock| clock.jump(now, millis), out)
                });
            }
            Strike::Freeze(wait) => self.with_machine(at, |machine, now, out| machine.freeze(now, wait, out)),
            Strike::Sever(told) => {
                if let Some(link) = self.net().pick() {
                    self.sever(link, told);
                }
            }
            Strike::SeverAll(told) => {
                for link in self.net().live() {
                    self.sever(link, told);
                }
            }
            Strike::Stall(flow, wait) => {
                let until = self.now + wait;
                self.net().stall(at, flow, until);
            }
            Strike::Slow(factor, wait) => {
                self.machines[at].disks.struck().slow_down(factor);
                self.foresee(self.now + wait, Event::Relief(at));
            }
            Strike::Stuck(wait) => self.machines[at].stick(self.now + wait),
            Strike::Full(spare, wait) => {
                self.machines[at].disks.struck().fill_up_to(spare);
                self.foresee(self.now + wait, Event::Relief(at));
            }
            Strike::Arm(fault) => {
                // What a device can no longer read is gone for good.
                self.model.damaged |= fault == Armed::ReadFails;
                self.machines[at].disks.arm(fault);
            }
            Strike::Rot => self.rot(at),
            Strike::Part(some, way, wait) => self.part(some, way, self.now + wait),
            Strike::Cut(from, to, wait) => {
                self.model.mark("one-way cuts");
                let until = self.now + wait;
                self.net().cut(from, to, until);
            }
            Strike::Chain(chain, seed) => self.begin_chain(chain, seed, self.now + CUT),
            Strike::Relocate(seed) => self.with_machine(at, |machine, now, out| machine.relocate(now, seed, out)),
            Strike::Probe => self.probe(),
        }
    }

    /// The faults are over: whatever was armed is disarmed, whatever stood still goes on, and a disk that failed is seen
    /// to by starting the process again.
    pub fn heal(&mut self) {
        self.trace.event(self.now, 10, || ("nemesis".into(), "calm".into()));
        self.net().calm();
        let soon = self.now + Duration::from_millis(1);
        for at in 0..self.machines.len() {
            self.net().stall(at, Flow::Out, soon);
            self.with_machine(at, |machine, now, out| machine.heal(now, out));
        }
    }

    /// Bits rot on the device, anywhere but in what was written last to the journal.
    fn rot(&mut self, at: usize) {
        if self.machines[at].disks.struck().rot(|path| path.contains("journal")) {
            self.model.damaged = true;
            self.model.mark("rot set");
        }
    }

    /// The network between some machines and the others is cut. What is sent meanwhile is sent again until it gets through.
    fn part(&mut self, some: u64, way: Way, until: At) {
        self.model.mark("networks cut");
        let (inner, outer): (Vec<usize>, Vec<usize>) = (0..self.machines.len()).partition(|at| some >> at & 1 == 1);
        for (one, other) in inner.iter().flat_map(|one| outer.iter().map(move |other| (*one, *other))) {
            if way != Way::In {
                self.net().cut(one, other, until);
            }
            if way != Way::Out {
                self.net().cut(other, one, until);
            }
        }
    }
}
