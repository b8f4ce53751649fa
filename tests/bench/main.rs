//! The scoreboard: one raw driver against every broker in turn, CPU and device bytes of the broker from /proc, medians and
//! paired ratios. `cargo run --release -p ottla-tests --bin bench -- --help` says how to call it; the driver, the floor and
//! the settings of every system are not touched while a system is tuned.

mod client;
mod latency;
mod load;
mod options;
mod process;
mod reads;
mod replicated;
mod report;
mod rows;
mod starts;
mod systems;

use ottla_tests::harness::log::say;

use options::Options;
use process::Machine;
use report::{Measure, Report};
use rows::Row;
use systems::Running;

/// Above this share of the machine taken by processes that have no part in it, a measurement says more about them than about
/// the broker. (The pressure that the kernel reports counts our own threads too: a broker with many would be dropped for it.)
const NEIGHBOURS_MAX: f64 = 0.25;

fn main() {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            println!("{text}");
            return;
        }
    };
    let mut report = Report::default();
    let (alone, together): (Vec<_>, Vec<_>) =
        rows::chosen(&options.rows).into_iter().partition(|row| row.starts_itself);
    let mut running: Vec<Running> = Vec::new();
    if !together.is_empty() {
        for system in &options.systems {
            say(&format!("starting and warming {}", system.name));
            let mut broker = system.start();
            broker.warm(options.warm_bytes);
            running.push(broker);
        }
    }
    for row in together {
        rounds(row, &mut running, &options, &mut report);
    }
    // The brokers end before others are started and stopped.
    running.clear();
    for row in alone {
        rounds(row, &mut running, &options, &mut report);
    }
    println!("{}", report.markdown(&options.systems));
}

/// All rounds of one row. The order of the systems turns, so that nobody always runs after the same neighbour.
fn rounds(row: &Row, running: &mut [Running], options: &Options, report: &mut Report) {
    let count = options.systems.len();
    for round in 0..options.rounds {
        for turn in 0..count {
            let system = options.systems[(turn + round) % count];
            if !row.takes(system) {
                continue;
            }
            let broker = running.iter_mut().find(|broker| broker.system.name == system.name);
            // What the one before left in the page cache is not to be written during this one.
            rustix::fs::sync();
            let before = Machine::now();
            let measured = (row.measure)(system, broker, options);
            let neighbours = before.neighbours();
            let dropped = neighbours > NEIGHBOURS_MAX && !options.keep_busy_rounds;
            let shown: Vec<String> = measured.iter().map(Measure::to_string).collect();
            let remark = if dropped { " DROPPED" } else { "" };
            let load = format!("neighbours {:.0} %, pressure {:.0} %", 100.0 * neighbours, process::cpu_pressure());
            say(&format!("row {} round {round} {}: {} [{load}]{remark}", row.name, system.name, shown.join(", ")));
            report.add(row.name, round, system.name, measured, dropped);
        }
    }
}
