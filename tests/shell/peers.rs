//! Our own connections in the simulated world: a node that calls another, whose link stalls and whose process is killed.

use crate::world;
use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::time::sleep;
use ottla::clock::Clock;
use ottla::net::Lines;
use ottla::seam;
use ottla::telemetry::Telemetry;
use ottla_core::boundary::{Input, Line, Lost, Purpose};
use ottla_core::msg::metadata::MetadataRequest;
use ottla_core::msg::{Request, Response};
use ottla_core::types::{BrokerId, CallId, Mono, Rng};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// How calls ended.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// With their answer.
    pub answered: u64,
    /// Never sent.
    pub not_sent: u64,
    /// Sent, and nobody knows.
    pub unknown: u64,
}

thread_local! {
    /// What the caller brings home. A world is one thread.
    static HOME: RefCell<Option<Tally>> = const { RefCell::new(None) };
}

/// Runs one seed; panics with what was found.
pub fn run(seed: u64) -> Tally {
    let mut runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
    runtime.set_time_limit(Duration::from_secs(600));
    HOME.set(None);
    runtime.block_on(async move {
        let mut rng = Rng::new(seed);
        let broker = world::start_broker(&mut rng);
        let chance = rng.fork("caller").next_u64();
        let handle = Handle::current();
        let node = handle.create_node().name("caller").ip([10, 0, 1, 1].into());
        let caller = node.init(move || async move { HOME.set(Some(caller(Rng::new(chance)).await)) }).build();
        let mut rng = rng.fork("nemesis");
        loop {
            sleep(Duration::from_millis(rng.between(50, 2000))).await;
            if let Some(tally) = HOME.take() {
                return tally;
            }
            trouble(&broker, &caller, &mut rng).await;
        }
    })
}

async fn trouble(broker: &NodeHandle, caller: &NodeHandle, rng: &mut Rng) {
    if rng.chance(1, 2) {
        return world::kill_and_restart(broker, rng).await;
    }
    NetSim::current().clog_node(caller.id());
    sleep(Duration::from_millis(rng.between(10, 2000))).await;
    NetSim::current().unclog_node(caller.id());
}

/// Calls over two lines, one after the other and many at once, and waits for the end of each.
async fn caller(mut rng: Rng) -> Tally {
    let clock = Clock::start();
    let lines = Lines::new(Telemetry::new(), "broker-2".into(), 1 << 20);
    let line = |purpose| Arc::new(Line { to: BrokerId(1), host: "10.0.0.1".into(), port: 9092, purpose });
    let both = [line(Purpose::Lease), line(Purpose::Forward)];
    // What is under way, with when it must have ended.
    let mut under_way: BTreeMap<CallId, Mono> = BTreeMap::new();
    let mut tally = Tally::default();
    let mut calls = 0;
    while calls < CALLS {
        for _ in 0..rng.between(1, 4) {
            calls += 1;
            let (now, wait) = (clock.now().mono, Duration::from_millis(rng.between(20, 3000)));
            let body = Request::Metadata(MetadataRequest { topics: Some(Vec::new()), ..Default::default() });
            under_way.insert(CallId(calls), now + wait);
            lines.call(now, &both[rng.below(2) as usize], (CallId(calls), body), wait);
        }
        let rest = rng.below(under_way.len() as u64) as usize;
        take(&clock, &lines, (&mut under_way, rest), &mut tally).await;
        sleep(Duration::from_millis(rng.between(1, 200))).await;
    }
    take(&clock, &lines, (&mut under_way, 0), &mut tally).await;
    lines.close();
    tally
}

/// Waits as the brain does until so many calls are under way at most.
async fn take(
    clock: &Clock,
    lines: &Rc<Lines>,
    (under_way, rest): (&mut BTreeMap<CallId, Mono>, usize),
    tally: &mut Tally,
) {
    let mut timer = Box::pin(seam::sleep(Duration::ZERO));
    poll_fn(|cx| {
        loop {
            let now = clock.now().mono;
            lines.wake(now);
            let mut ended: Vec<Input> = Vec::new();
            lines.take(&mut ended, cx.waker());
            for input in ended {
                let Input::Response { call, body } = input else { panic!("{input:?}") };
                under_way.remove(&call).expect("a call ends once");
                match body {
                    Ok(Response::Metadata(_)) => tally.answered += 1,
                    Ok(other) => panic!("{other:?}"),
                    Err(Lost::NotSent) => tally.not_sent += 1,
                    Err(Lost::Unknown) => tally.unknown += 1,
                }
            }
            assert!(under_way.values().all(|until| now < *until), "a call outlives its time");
            if under_way.len() <= rest {
                return Poll::Ready(());
            }
            let deadline = lines.deadline().expect("a call is under way");
            timer.as_mut().reset(clock.instant(deadline));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

const CALLS: u64 = 100;
