//! One run from its seed to its outcome: strikes, then calm, then proof that everything works and everything is there.

use crate::client::admin::{Founder, Trimmer};
use crate::client::consumer::{self, Consumer};
use crate::client::member::{self, Member};
use crate::client::mover::Mover;
use crate::client::outlaw::Outlaw;
use crate::client::producer::{self, Producer};
use crate::client::recycler::Recycler;
use crate::client::tuner::Tuner;
use crate::client::turnover::Turnover;
use crate::client::{Actor, Peer};
use crate::cut::Cut;
use crate::machine::Machine;
use crate::model::Finding;
use crate::plan::{ClientSpec, EPOCH_MS, Plan, Role};
use crate::report::{Outcome, Trace};
use crate::world::World;
use ottla_core::record::Compression;
use ottla_core::types::Rng;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// How long everything may take once nothing strikes any more.
const SETTLE: Duration = Duration::from_secs(120);

/// Runs a seed, or what a cut leaves of it. With `keeps_lines` the second part is a line for each event.
pub fn run(seed: u64, cut: &Cut, keeps_lines: bool) -> (Outcome, Vec<String>) {
    run_plan(Plan::of(seed, cut), keeps_lines)
}

/// Runs a plan, wherever it comes from.
pub fn run_plan(plan: Plan, keeps_lines: bool) -> (Outcome, Vec<String>) {
    let mut world = World::new(plan, Trace::new(keeps_lines));
    let outcome = run_world(&mut world);
    (outcome, world.trace.lines().iter().map(ToString::to_string).collect())
}

/// Lets a world live to its end.
pub fn run_world(world: &mut World) -> Outcome {
    let (finding, from_inside) = match caught(|| play(world)) {
        None => (world.model.findings.first().cloned(), false),
        Some(finding) => (Some(finding), true),
    };
    Outcome {
        seed: world.plan.seed,
        digest: world.digest(),
        events: world.trace.events(),
        length: world.now(),
        finding,
        from_inside,
        marks: world.marks(),
    }
}

thread_local! {
    /// Where this thread last panicked.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on a panic is told by whoever catches it, not where it happens.
pub fn hush_panics() {
    std::panic::set_hook(Box::new(|info| {
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        let trace = Backtrace::force_capture().to_string();
        let ours = trace.lines().map(str::trim).filter(|line| line.starts_with("at ./") && !line.contains("run.rs"));
        let place = format!("{location} ({})", ours.take(6).collect::<Vec<_>>().join(" "));
        PLACE.with(|held| *held.borrow_mut() = place);
    }));
}

/// Does it, and makes a finding of its panic.
pub fn caught(act: impl FnOnce()) -> Option<Finding> {
    let panic = catch_unwind(AssertUnwindSafe(act)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let place = PLACE.with(|held| held.borrow().clone());
    Some(Finding { oracle: "panic", text: format!("{} at {place}", text.unwrap_or_default()) })
}

fn play(world: &mut World) {
    let replicas = world.plan.options.replicas;
    let founder = join(world, "founder", Box::new(Founder::new(replicas)), 0, Duration::ZERO);
    // Whoever asks for a topic in an old version makes it, with other settings than the plan's.
    let calm_from = world.plan.calm_from;
    world.run(calm_from, |world| world.is_done(founder));
    let mut clients = Vec::new();
    let specs = world.plan.clients.clone();
    for spec in &specs {
        let peer = peer_of(spec);
        let wait = Duration::from_millis(500 + spec.seed % 4_000);
        clients.push(world.join(peer, wait));
    }
    world.run(calm_from, |_| false);
    world.heal();
    let deadline = calm_from + SETTLE;
    world.run(calm_from + Duration::from_secs(2), |_| false);
    world.finish_clients();
    world.run(deadline, |world| world.is_done(founder) && clients.iter().all(|client| world.is_done(*client)));
    clients.push(founder);
    judge_done(world, &clients);
    prove_life(world);
    if world.plan.options.cluster {
        world.run(world.now() + SETTLE, World::is_settled);
        world.judge_cluster();
    }
    world.close();
}

/// Everything works again: new clients write to every partition, and others read all there is, in tiny pieces and in
/// large ones.
fn prove_life(world: &mut World) {
    if !world.model.findings.is_empty() || world.is_lost() {
        return;
    }
    let topics: Vec<usize> = (0..world.model.topics.len()).collect();
    let member = member::Habits {
        group: "last-group".into(),
        topics: topics.clone(),
        session: Duration::from_secs(10),
        rebalance: Duration::from_secs(10),
        pace: Duration::from_millis(100),
        leaves: 0,
    };
    let member = join(world, "last-member", Box::new(Member::new(member)), 9, Duration::ZERO);
    let deadline = world.now() + SETTLE;
    let writer = producer::Habits {
        me: usize::MAX,
        topics: topics.clone(),
        idempotent: true,
        acks: -1,
        in_flight_max: 5,
        pace: Duration::from_millis(20),
        records_max: 3,
        value_bytes_max: 100,
        delivery: SETTLE,
        records_total: 100,
        codec: Compression::None,
        epoch_ms: EPOCH_MS,
    };
    let writer = join(world, "last-writer", Box::new(Producer::new(writer, functions())), 1, Duration::ZERO);
    world.run(world.now() + Duration::from_secs(1), |_| false);
    world.finish_clients();
    world.run(deadline, |world| world.is_done(writer) && world.is_done(member));
    judge_done(world, &[writer, member]);
    lose_power_once_more(world);
    let reader = |bytes_max, partition_bytes_max, sessions| consumer::Habits {
        topics: topics.clone(),
        bytes_max,
        partition_bytes_max,
        bytes_min: 1,
        wait_max_ms: 50,
        sessions,
        read_committed: sessions,
        pace: Duration::from_micros(100),
        seeks: 0,
        once: true,
        rack: String::new(),
    };
    let sizes = [(1, 1, false), (20_000, 3_000, true), (i32::MAX, 1 << 20, false)];
    let mut readers = Vec::new();
    for (at, (bytes_max, partition_bytes_max, sessions)) in sizes.into_iter().enumerate() {
        let habits = reader(bytes_max, partition_bytes_max, sessions);
        let actor = Box::new(Consumer::new(habits, functions()));
        readers.push(join(world, "last-reader", actor, 2 + at as u64, Duration::ZERO));
    }
    // A batch at a time over a slow network takes its while: as long as they get on, they may.
    loop {
        let read = world.model.marks.get("records read").copied();
        world.run(world.now() + SETTLE, |world| readers.iter().all(|reader| world.is_done(*reader)));
        if world.model.marks.get("records read").copied() == read {
            break;
        }
    }
    judge_done(world, &readers);
}

/// Half of the runs are read back from what recovery makes of the device, not from what the process still holds.
fn lose_power_once_more(world: &mut World) {
    if !world.model.findings.is_empty() || world.is_lost() || !world.rng.chance(1, 2) {
        return;
    }
    if world.plan.options.relaxed {
        return world.reckon();
    }
    world.model.mark("power losses before the last look");
    for at in 0..world.machines.len() {
        world.with_machine(at, |machine, now, out| machine.lose_power(now, Duration::from_millis(10), out));
    }
}

fn judge_done(world: &mut World, clients: &[usize]) {
    if !world.model.findings.is_empty() || world.is_lost() {
        return;
    }
    let stuck = clients.iter().find(|client| !world.is_done(**client));
    if let Some(stuck) = stuck {
        if world.model.damaged {
            // Its partition is offline, and rightly so: there is no other copy.
            return world.model.mark("clients stuck by damage");
        }
        if world.is_bereft() {
            return world.model.mark("partitions lost with their only disk");
        }
        let text = format!("{} is not done {SETTLE:?} after the last strike", world.client_name(*stuck));
        world.model.find("liveness", text);
    }
}

fn join(world: &mut World, name: &str, actor: Box<dyn Actor>, number: u64, wait: Duration) -> usize {
    let rng = Rng::new(world.plan.seed ^ 0x5eed_0000 ^ number);
    world.join(Peer::new(name.to_owned(), actor, rng), wait)
}

fn peer_of(spec: &ClientSpec) -> Peer {
    let (name, actor): (_, Box<dyn Actor>) = match &spec.role {
        Role::Producer(habits) => {
            let kind = if habits.idempotent { "idempotent" } else { "producer" };
            (format!("{kind}-{}", spec.number), Box::new(Producer::new(habits.clone(), functions())))
        }
        Role::Consumer(habits) => {
            (format!("consumer-{}", spec.number), Box::new(Consumer::new(habits.clone(), functions())))
        }
        Role::Member(habits) => (format!("member-{}", spec.number), Box::new(Member::new(habits.clone()))),
        Role::Turnover(habits) => (format!("turnover-{}", spec.number), Box::new(Turnover::new(habits.clone()))),
        Role::Outlaw(habits) => (format!("outlaw-{}", spec.number), Box::new(Outlaw::new(habits.clone()))),
        Role::Recycler(habits) => (format!("recycler-{}", spec.number), Box::new(Recycler::new(habits.clone()))),
        Role::Tuner(habits) => (format!("tuner-{}", spec.number), Box::new(Tuner::new(habits.clone()))),
        Role::Mover(habits) => (format!("mover-{}", spec.number), Box::new(Mover::new(habits.clone()))),
        Role::Trimmer(topics, pace) => {
            (format!("trimmer-{}", spec.number), Box::new(Trimmer::new(topics.clone(), *pace)))
        }
    };
    Peer::new(name, actor, Rng::new(spec.seed))
}

/// Checksum and codecs as production has them.
pub fn functions() -> ottla_core::record::Functions {
    ottla_codecs::functions()
}

impl World {
    /// Whether the only copy was damaged so that the broker rightfully never starts again, or what is left was judged.
    fn is_lost(&self) -> bool {
        self.is_over || self.model.damaged && self.machines.iter().any(|machine| machine.lost().is_some())
    }

    /// The last look at a run: nobody is owed anything, nothing has piled up, and a broker that gave up had a reason.
    fn close(&mut self) {
        if self.is_over {
            return;
        }
        if self.is_lost() {
            self.model.mark("directories lost to damage");
        } else if let Some(why) = self.machines.iter().find_map(Machine::lost) {
            let text = format!("the broker never starts again: {why}");
            self.model.find("unavailable", text);
        }
        for machine in &self.machines {
            let (owed, held) = machine.load();
            if owed > 200 || held > 8 << 20 {
                self.model.find("bounds", format!("{owed} requests are owed an answer, connections hold {held} bytes"));
            }
        }
    }

    /// What was reached, the disks' tallies included.
    fn marks(&self) -> std::collections::BTreeMap<&'static str, u64> {
        let mut marks = self.model.marks.clone();
        for machine in &self.machines {
            for tally in machine.disks.tallies() {
                let counts = [
                    ("power losses", tally.power_losses),
                    ("power losses that dropped an unsynced sector", tally.power_losses_felt),
                    ("power losses that dropped a name", tally.names_lost),
                    ("torn writes", tally.torn_writes),
                    ("rot met", tally.rot_met),
                    ("failed reads", tally.reads_failed),
                    ("failed writes", tally.writes_failed),
                    ("failed syncs", tally.syncs_failed),
                    ("writes without room", tally.writes_refused),
                ];
                for (mark, count) in counts {
                    *marks.entry(mark).or_default() += count;
                }
            }
        }
        marks
    }
}
