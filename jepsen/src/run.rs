//! A run from its beginning to its verdict.

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use ottla_tests::harness::broker::Kind as Brokers;
use ottla_tests::harness::cluster::Cluster;
use ottla_tests::harness::log::say;

use crate::check::replicas::{self, Compared};
use crate::check::{self, Findings, Kind};
use crate::client::Client;
use crate::history::{Clock, History};
use crate::measure::Figures;
use crate::nemesis::{Nemesis, kill};
use crate::plan::{Pace, Plan, Until};

/// What came of it.
pub struct Outcome {
    /// All that happened.
    pub history: History,
    /// All that is wrong.
    pub findings: Findings,
    /// How fast it was.
    pub figures: Figures,
    /// What was found on disk.
    pub compared: Compared,
}

/// Runs a plan, and leaves the history where it says.
pub fn run(plan: &Plan) -> io::Result<Outcome> {
    let mut cluster = Cluster::make(plan.shape, &settings(plan));
    cluster.restart_all();
    let mut client = Client::start(&cluster.bootstrap(), plan.shape.brokers, &plan.load);
    let topics = (0..plan.load.topics).map(|at| format!("{PREFIX}{at}")).collect();
    let mut nemesis = Nemesis { cluster, clock: Clock::start(), events: Vec::new(), topics };
    let mut findings = Findings::default();
    let kills = strike(plan, &mut nemesis, &mut client, &mut findings);
    // What comes after the last kill is judged too.
    let target = client.acknowledged() + plan.load.senders as u64;
    wait_for_operations(&client, target);
    if !nemesis.wait_until_whole(HEAL_MAX) {
        findings.add(Kind::Broken, "not every replica is in sync at the end");
    }
    say(&format!("{kills} kills, {} operations acknowledged; everything is read", client.acknowledged()));
    let (mut events, odd) = client.finish();
    odd.iter().for_each(|line| findings.add(Kind::Idle, line));
    events.append(&mut nemesis.events);
    let history = History::new(events);
    history.write(&plan.out.join("history.jsonl"))?;
    say("the history is judged");
    let compared = end(plan, &mut nemesis.cluster, &mut findings)?;
    findings.merge(check::judge(&history));
    let figures = Figures::of(&history);
    if figures.operations == 0 || figures.kills.len() != kills || kills == 0 {
        findings
            .add(Kind::Idle, format!("{} acknowledged, {} of {kills} kills", figures.operations, figures.kills.len()));
    }
    for (at, kill) in figures.kills.iter().enumerate().filter(|(_, kill)| kill.gap.is_none()) {
        findings.add(Kind::Idle, format!("nothing was acknowledged after kill {} (brokers {:?})", at + 1, kill.nodes));
    }
    Ok(Outcome { history, findings, figures, compared })
}

/// What brokers are set to.
fn settings(plan: &Plan) -> [(&'static str, &'static str); 4] {
    let in_sync = if plan.load.replicas > 2 { "2" } else { "1" };
    [
        ("min.insync.replicas", in_sync),
        ("offsets.topic.replication.factor", "1"),
        ("ottla.journal.bytes", "67108864"),
        ("log.retention.ms", "-1"),
    ]
}

/// Kills at the pace of the plan until it is over. Gives how often.
fn strike(plan: &Plan, nemesis: &mut Nemesis, client: &mut Client, findings: &mut Findings) -> usize {
    let mut kills = 0;
    let started = wait_for_operations(client, 1);
    let is_over = |kills: usize, next: Duration| match plan.until {
        Until::Time(time) => started.elapsed() + next >= time,
        Until::Kills(count) => kills >= count,
    };
    loop {
        let begun = Instant::now();
        // Who is killed while another one is not back yet takes the partition with it: that is another experiment.
        if !nemesis.wait_until_whole(HEAL_MAX) {
            findings.add(Kind::Broken, format!("not every replica is in sync again after kill {kills}"));
        }
        let pause = match plan.pace {
            Pace::Time(time) => time.saturating_sub(begun.elapsed()),
            Pace::Operations(_) => Duration::ZERO,
        };
        if is_over(kills, pause) || client.has_ended() {
            return kills;
        }
        match plan.pace {
            Pace::Time(_) => thread::sleep(pause),
            Pace::Operations(count) => {
                let target = client.acknowledged() + count;
                wait_for_operations(client, target);
            }
        }
        let victim = plan.victims[kills % plan.victims.len()];
        if kill(nemesis, victim, plan.down) {
            kills += 1;
            say(&format!("kill {kills} ({}): {} operations acknowledged so far", victim.name(), client.acknowledged()));
        }
    }
}

/// Waits until so many were acknowledged, or nothing more comes.
fn wait_for_operations(client: &Client, target: u64) -> Instant {
    let (mut seen, mut since) = (client.acknowledged(), Instant::now());
    while seen < target && since.elapsed() < STILL_MAX {
        thread::sleep(LOOK_EVERY);
        if client.acknowledged() != seen {
            (seen, since) = (client.acknowledged(), Instant::now());
        }
    }
    Instant::now()
}

/// Ends all brokers in order, looks at what they said, and compares what they left.
fn end(plan: &Plan, cluster: &mut Cluster, findings: &mut Findings) -> io::Result<Compared> {
    // Voters last: who ends hands over what it leads, which somebody has to decide.
    for node in cluster.nodes().rev() {
        let code = cluster.terminate(node);
        let is_well = code == Some(0) || plan.shape.kind == Brokers::Kafka;
        if !is_well {
            findings.add(Kind::Broken, format!("broker {node} ended with {code:?}:\n{}", cluster.log(node)));
        }
        let log = cluster.whole_log(node);
        for line in log.lines().filter(|line| line.contains("panicked at") || line.contains("INV-")) {
            findings.add(Kind::Broken, format!("broker {node}: {line}"));
        }
        std::fs::write(plan.out.join(format!("broker-{node}.log")), log)?;
    }
    let folders: Vec<PathBuf> = cluster.nodes().map(|node| cluster.data(node)).collect();
    replicas::judge(&folders, PREFIX, plan.load.replicas, findings)
}

/// What topics are called, before their numbers.
const PREFIX: &str = "watched-";
/// How long a cluster may take to be whole again.
const HEAL_MAX: Duration = Duration::from_secs(60);
/// How long nothing may be acknowledged before it is not waited for any longer.
const STILL_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);
