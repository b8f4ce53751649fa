//! The broker's shell (listener, connections, codec, driver) in a simulated world: TCP that is cut in the middle of a
//! frame, stalls and resets, a process that is killed and started again. The sockets are madsim's, the disk is the
//! simulator's, everything between them is what production runs.
//!
//! The world needs `--cfg madsim`, and with it a build of its own: without it, the test below makes that build and runs it.

#[cfg(madsim)]
mod client;
#[cfg(madsim)]
mod cluster;
#[cfg(madsim)]
mod peers;
#[cfg(madsim)]
mod replicated;
#[cfg(madsim)]
mod world;

/// Seeds of the gate; more with `SHELL_SEEDS=0..1000 cargo shell`.
#[cfg(madsim)]
const SEEDS: std::ops::Range<u64> = 0..30;

/// Those that were asked for. With `SHELL_LOG=info` brokers log, and the cluster's world says what strikes.
#[cfg(madsim)]
fn seeds() -> std::ops::Range<u64> {
    if let Ok(level) = std::env::var("SHELL_LOG") {
        // Another test of this process may have begun it.
        let _ = ottla::telemetry::start_logging(ottla::flags::LogFormat::Text, &level);
    }
    let wanted = std::env::var("SHELL_SEEDS").ok();
    let seeds = wanted.as_deref().and_then(|text| {
        let (first, end) = text.split_once("..")?;
        Some(first.parse().ok()?..end.parse().ok()?)
    });
    seeds.unwrap_or(SEEDS)
}

#[cfg(madsim)]
#[test]
fn what_was_acknowledged_is_read_back_in_order() {
    let mut sum = world::Tally::default();
    for seed in seeds() {
        // A thread each: madsim's deterministic chance is a thread's.
        let run = std::thread::spawn(move || world::run(seed));
        match run.join() {
            Ok(tally) => sum.add(&tally),
            Err(_) => panic!("seed {seed} failed: SHELL_SEEDS={seed}..{} cargo shell", seed + 1),
        }
    }
    println!("{sum:?}");
    assert!(sum.acknowledged > 0 && sum.kills > 0 && sum.cuts > 0 && sum.stalls > 0, "a world without faults: {sum:?}");
}

#[cfg(madsim)]
#[test]
fn three_brokers_lose_nothing_that_was_acknowledged() {
    let mut sum = cluster::Tally::default();
    for seed in seeds() {
        match std::thread::spawn(move || cluster::run(seed)).join() {
            Ok(tally) => sum.add(&tally),
            Err(_) => panic!("seed {seed} failed: SHELL_SEEDS={seed}..{} cargo shell three_brokers", seed + 1),
        }
    }
    println!("{sum:?}");
    let strikes = [sum.kills, sum.power_losses, sum.blackouts, sum.pauses, sum.cuts, sum.stalls];
    assert!(sum.acknowledged > 0 && sum.moved > 0, "nobody wrote, or nobody led twice: {sum:?}");
    assert!(strikes.iter().all(|count| *count > 0), "a world without faults: {sum:?}");
}

#[cfg(madsim)]
#[test]
fn every_call_to_another_broker_ends_once_and_in_time() {
    let mut sum = peers::Tally::default();
    for seed in SEEDS {
        let tally = std::thread::spawn(move || peers::run(seed)).join();
        let tally = tally.unwrap_or_else(|_| panic!("seed {seed} failed"));
        sum.answered += tally.answered;
        sum.not_sent += tally.not_sent;
        sum.unknown += tally.unknown;
    }
    println!("{sum:?}");
    assert!(sum.answered > 0 && sum.not_sent > 0 && sum.unknown > 0, "a world without faults: {sum:?}");
}

#[cfg(madsim)]
#[test]
fn the_same_seed_gives_the_same_history() {
    let run = || std::thread::spawn(|| world::run(7)).join().expect("seed 7");
    assert_eq!(run(), run());
    let run = || std::thread::spawn(|| cluster::run(7)).join().expect("seed 7 of three brokers");
    assert_eq!(run(), run());
}

#[cfg(not(madsim))]
#[test]
fn the_shell_runs_in_a_simulated_world() {
    // An environment variable RUSTFLAGS, even an empty one, would silently win over the configured flag.
    let output = std::process::Command::new(env!("CARGO"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["shell"])
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("4 passed"), "cargo shell:\n{text}");
}
