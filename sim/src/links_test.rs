use crate::clock::At;
use crate::cluster::Shape;
use crate::net::{Quality, Told};
use crate::plan::Plan;
use crate::report::Trace;
use crate::world::World;
use ottla_core::types::Str;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A cluster of two, of which the second follows the metadata of the first, and nothing that strikes.
fn pair(seed: u64) -> World {
    let mut plan = Plan::draw_cluster(seed, None, false);
    (plan.options.machines, plan.options.shape) = (2, Shape::default());
    plan.options.net = Quality::default();
    plan.clients.clear();
    plan.ops.clear();
    let mut world = World::new(plan, Trace::new(false));
    settle(&mut world, 20 * SECOND);
    assert!(world.is_settled(), "seed {seed}: the second knows what the first does");
    world
}

/// How many calls were answered meanwhile, and how many were lost.
fn settle(world: &mut World, wait: Duration) -> (u64, u64) {
    let count = |world: &World, mark| world.model.marks.get(mark).copied().unwrap_or(0);
    let before = (count(world, "calls answered"), count(world, "calls lost"));
    let until = world.now() + wait;
    world.run(until, |_| false);
    assert_eq!(world.model.findings, []);
    (count(world, "calls answered") - before.0, count(world, "calls lost") - before.1)
}

#[test]
fn a_machine_is_answered_by_another_one() {
    for seed in 0..4 {
        let mut world = pair(seed);
        let (answered, lost) = settle(&mut world, 10 * SECOND);
        assert!(answered >= 10 && lost == 0, "seed {seed}: {answered} answered, {lost} lost");
    }
}

#[test]
fn nobody_answers_where_a_machine_is_down() {
    let mut world = pair(5);
    world.with_machine(0, |machine, now, out| machine.kill(now, 9 * SECOND, out));
    let (answered, lost) = settle(&mut world, 8 * SECOND);
    assert!(answered == 0 && lost > 20, "refused each time, and at once: {answered} answered, {lost} lost");
    settle(&mut world, 20 * SECOND);
    let (answered, lost) = settle(&mut world, 10 * SECOND);
    assert!(answered >= 10 && lost == 0 && world.is_settled(), "it is back: {answered} answered, {lost} lost");
}

#[test]
fn an_address_that_nobody_has_is_a_closed_port() {
    let mut world = pair(6);
    let live = world.net().live();
    world.machine_connects(1, 1 << 40, (Str::from_static("10.0.0.9"), 9092));
    settle(&mut world, SECOND);
    assert_eq!(world.net().live(), live);
}

#[test]
fn every_call_ends_whoever_hears_of_a_break() {
    for (seed, told) in [Told::Both, Told::Opener, Told::Accepter, Told::Nobody].into_iter().enumerate() {
        let mut world = pair(seed as u64);
        for link in world.net().live() {
            world.sever(link, told);
        }
        let (_, lost) = settle(&mut world, 10 * SECOND);
        assert!((1..=2).contains(&lost), "{told:?}: what was under way, or asked next, on each line: {lost} lost");
        let (answered, lost) = settle(&mut world, 10 * SECOND);
        assert!(answered >= 10 && lost == 0, "{told:?}, on a new connection: {answered} answered, {lost} lost");
    }
}

#[test]
fn a_crash_of_whoever_asks_ends_its_connection() {
    let mut world = pair(9);
    world.with_machine(1, |machine, now, out| machine.kill(now, 60 * SECOND, out));
    settle(&mut world, 10 * SECOND);
    assert!(world.net().live().is_empty());
}

#[test]
fn a_cut_holds_an_answer_back_until_it_is_healed() {
    let mut world = pair(10);
    let until = At(world.now().0 + 1_500_000_000);
    world.net().cut(0, 1, until);
    settle(&mut world, SECOND / 10);
    assert_eq!(settle(&mut world, SECOND), (0, 0));
    let (answered, lost) = settle(&mut world, 10 * SECOND);
    assert!(answered >= 10 && lost == 0, "{answered} answered, {lost} lost");
}
