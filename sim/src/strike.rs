//! How each strike of a plan comes about.

use crate::disk::Armed;
use crate::fault::Strike;
use crate::net::Flow;
use crate::world::{Event, World};
use std::time::Duration;

impl World {
    /// The strike with this number comes now.
    pub(crate) fn strike(&mut self, number: usize) {
        let Some((_, op)) = self.plan.ops.iter().find(|(known, _)| *known == number).copied() else { return };
        self.trace.event(self.now, (8, number), || ("nemesis".into(), op.strike.to_string()));
        match op.strike {
            Strike::Kill(down) => self.with_machine(0, |machine, now, out| machine.kill(now, down, out)),
            Strike::PowerLoss(_) if self.plan.options.relaxed => self.reckon(),
            Strike::PowerLoss(down) => self.with_machine(0, |machine, now, out| machine.lose_power(now, down, out)),
            Strike::Stop(down) => self.with_machine(0, |machine, now, out| machine.stop(now, down, out)),
            Strike::Pause(wait) => self.with_machine(0, |machine, now, out| machine.pause(now, wait, out)),
            Strike::Pace(permille) => {
                self.with_machine(0, |machine, now, out| {
                    machine.change_clock(now, |clock| clock.set_pace(now, permille), out)
                });
            }
            Strike::Jump(millis) => {
                self.with_machine(0, |machine, now, out| {
                    machine.change_clock(now, |clock| clock.jump(now, millis), out)
                });
            }
            Strike::Freeze(wait) => self.with_machine(0, |machine, now, out| machine.freeze(now, wait, out)),
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
                self.net().stall(0, flow, until);
            }
            Strike::Slow(factor, wait) => {
                self.machines[0].disk.slow_down(factor);
                self.foresee(self.now + wait, Event::Relief(0));
            }
            Strike::Stuck(wait) => self.machines[0].stick(self.now + wait),
            Strike::Full(spare, wait) => {
                self.machines[0].disk.fill_up_to(spare);
                self.foresee(self.now + wait, Event::Relief(0));
            }
            Strike::Arm(fault) => {
                // What a device can no longer read is gone for good.
                self.model.damaged |= fault == Armed::ReadFails;
                self.machines[0].disk.arm(fault);
            }
            Strike::Rot => self.rot(),
            Strike::Probe => self.probe(),
        }
    }

    /// The faults are over: whatever was armed is disarmed, whatever stood still goes on, and a disk that failed is seen
    /// to by starting the process again.
    pub fn heal(&mut self) {
        self.trace.event(self.now, 10, || ("nemesis".into(), "calm".into()));
        let soon = self.now + Duration::from_millis(1);
        self.net().stall(0, Flow::Out, soon);
        self.with_machine(0, |machine, now, out| machine.heal(now, out));
    }

    /// Bits rot on the device, anywhere but in what was written last to the journal.
    fn rot(&mut self) {
        if self.machines[0].disk.rot(|path| path.contains("journal")) {
            self.model.damaged = true;
            self.model.mark("rot set");
        }
    }
}
