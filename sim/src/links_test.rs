use crate::clock::At;
use crate::net::{Quality, Told};
use crate::plan::Plan;
use crate::report::Trace;
use crate::world::World;
use ottla_core::boundary::{Effect, Effects, Line, Purpose};
use ottla_core::msg::Request;
use ottla_core::msg::list_groups::ListGroupsRequest;
use ottla_core::types::{BrokerId, CallId, Str};
use std::sync::Arc;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(2);

/// Two machines, both up, and nothing that strikes.
fn pair(seed: u64) -> World {
    let mut plan = Plan::draw(seed);
    plan.options.machines = 2;
    plan.options.relaxed = false;
    plan.options.net = Quality::default();
    plan.clients.clear();
    plan.ops.clear();
    let mut world = World::new(plan, Trace::new(false));
    settle(&mut world, Duration::from_secs(20));
    assert!(world.machines.iter().all(|machine| machine.listens(9092)), "seed {seed}: both are up");
    world
}

fn settle(world: &mut World, wait: Duration) {
    let until = world.now() + wait;
    world.run(until, |_| false);
    assert_eq!(world.model.findings, []);
}

/// The second machine asks at an address, under a name that no node uses.
fn ask(world: &mut World, name: u64, host: &'static str) {
    let line = Line { to: BrokerId(1), host: Str::from_static(host), port: 9092, purpose: Purpose::Forward };
    let body = Request::ListGroups(ListGroupsRequest::default());
    let mut effects = Effects::default();
    effects.push(Effect::Call { call: CallId(u64::MAX - name), line: Arc::new(line), body, wait: WAIT });
    world.with_machine(1, |machine, now, out| machine.ask(now, effects, out));
}

/// How many calls were answered, and how many were lost.
fn ended(world: &World) -> (u64, u64) {
    let count = |mark| world.model.marks.get(mark).copied().unwrap_or(0);
    (count("calls answered"), count("calls lost"))
}

#[test]
fn a_machine_is_answered_by_another_one() {
    for seed in 0..4 {
        let mut world = pair(seed);
        (0..10).for_each(|name| ask(&mut world, name, "10.0.0.1"));
        settle(&mut world, WAIT);
        assert_eq!(ended(&world), (10, 0), "seed {seed}");
    }
}

#[test]
fn nobody_answers_at_an_address_without_a_machine_or_with_one_that_is_down() {
    let mut world = pair(5);
    ask(&mut world, 0, "10.0.0.9");
    settle(&mut world, WAIT);
    assert_eq!(ended(&world), (0, 1));
    world.with_machine(0, |machine, now, out| machine.kill(now, Duration::from_secs(9), out));
    ask(&mut world, 1, "10.0.0.1");
    settle(&mut world, WAIT / 2);
    assert_eq!(ended(&world), (0, 2), "it is refused, long before its time is over");
    settle(&mut world, Duration::from_secs(30));
    ask(&mut world, 2, "10.0.0.1");
    settle(&mut world, WAIT);
    assert_eq!(ended(&world), (1, 2), "it is back");
}

#[test]
fn every_call_ends_whoever_hears_of_a_break() {
    for (seed, told) in [Told::Both, Told::Opener, Told::Accepter, Told::Nobody].into_iter().enumerate() {
        let mut world = pair(seed as u64);
        ask(&mut world, 0, "10.0.0.1");
        settle(&mut world, WAIT);
        assert_eq!(ended(&world), (1, 0), "{told:?}");
        ask(&mut world, 1, "10.0.0.1");
        for link in world.net().live() {
            world.sever(link, told);
        }
        settle(&mut world, WAIT);
        assert_eq!(ended(&world), (1, 1), "{told:?}");
        ask(&mut world, 2, "10.0.0.1");
        settle(&mut world, WAIT);
        assert_eq!(ended(&world), (2, 1), "{told:?}: a new connection was made");
    }
}

#[test]
fn a_crash_of_either_side_ends_what_is_under_way() {
    let mut world = pair(9);
    ask(&mut world, 0, "10.0.0.1");
    settle(&mut world, WAIT);
    ask(&mut world, 1, "10.0.0.1");
    world.with_machine(0, |machine, now, out| machine.lose_power(now, Duration::from_millis(10), out));
    settle(&mut world, Duration::from_secs(20));
    assert_eq!(ended(&world), (1, 1));
    ask(&mut world, 2, "10.0.0.1");
    world.with_machine(1, |machine, now, out| machine.kill(now, Duration::from_millis(10), out));
    settle(&mut world, Duration::from_secs(20));
    assert_eq!(ended(&world), (1, 1), "whoever asked is gone");
    assert!(world.net().live().is_empty(), "and so is the connection");
}

#[test]
fn a_cut_holds_an_answer_back_until_it_is_healed() {
    let mut world = pair(10);
    let until = At(world.now().0 + 1_000_000_000);
    world.net().cut(0, 1, until);
    ask(&mut world, 0, "10.0.0.1");
    settle(&mut world, Duration::from_millis(900));
    assert_eq!(ended(&world), (0, 0));
    settle(&mut world, WAIT);
    assert_eq!(ended(&world), (1, 0));
}
