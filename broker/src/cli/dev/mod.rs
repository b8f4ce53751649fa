//! `ottla dev`: a cluster of several brokers on this machine, for whoever wants to try one. Each broker is a process of its
//! own, as it would be on a machine of its own; this one starts them, shows what they say, and ends them.

mod child;
mod plan;

use super::mistake::Mistake;
use super::{Done, format, interrupt, show};
use crate::boot;
use crate::clock::seed;
use crate::flags::Serve;
use crate::home::Home;
use child::{Child, Heard};
use clap::Args;
use ottla_core::types::{Rng, Str};
use plan::Plan;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// What to start.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DevFlags {
    /// How many brokers
    #[arg(long, value_name = "COUNT", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=9))]
    brokers: u16,
    /// Port of the first broker on 127.0.0.1, the others follow; controllers listen 10000 above. 0: any free ones
    #[arg(long, value_name = "PORT", default_value = "9092")]
    port: u16,
    /// Where data and settings of all brokers are kept
    #[arg(long, value_name = "DIR", default_value = "ottla-dev")]
    dir: PathBuf,
    /// Keep nothing: data lives in a temporary directory that is removed at the end, and no flush is waited for
    #[arg(long, conflicts_with = "dir")]
    ephemeral: bool,
    /// One setting of every broker by its Kafka name; may be given many times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// What the brokers log: error, warn, info, debug, trace, or a filter
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
    /// Print one line of JSON once all serve, instead of text
    #[arg(long)]
    json: bool,
}

/// The brokers that were started.
struct Cluster {
    plan: Plan,
    children: Vec<Child>,
    heard: Receiver<Heard>,
}

/// Runs `ottla dev` until Ctrl-C. It fails if a broker does not start, or if one ended otherwise than it was asked to.
pub fn run(flags: &DevFlags) -> Done<()> {
    interrupt::watch()?;
    let (_home, plan) = begin(flags)?;
    prepare(&plan)?;
    let mut cluster = Cluster::start(plan, &flags.log_level)?;
    let is_up = cluster.wait_until_ready();
    if let Ok(true) = is_up {
        cluster.tell(flags)?;
        cluster.watch();
    }
    let well = cluster.stop();
    is_up?;
    if well { Ok(()) } else { Err(Mistake::new("a broker ended otherwise than it was asked to, see above")) }
}

/// The folder of everything, and what is to be in it. All that is wrong is told at once, before anything is written.
fn begin(flags: &DevFlags) -> Done<(Home, Plan)> {
    let home = if flags.ephemeral { Home::temporary(seed()) } else { Home::open(&flags.dir) };
    // What it advises is for those who have `log.dirs`.
    let home = home.map_err(|why| why.replace("--set log.dirs=DIR", "--dir DIR"));
    let path = home.as_ref().map_or(flags.dir.as_path(), Home::path);
    let plan = Plan::new(flags, path);
    let mut mistakes: Vec<String> = plan.as_ref().err().map(ToString::to_string).into_iter().collect();
    mistakes.extend(Plan::mistakes(flags, path));
    mistakes.extend(of_another_size(flags, path));
    match (home, plan) {
        (Ok(home), Ok(plan)) if mistakes.is_empty() => Ok((home, plan)),
        (home, _) => Err(Mistake::all(home.err().into_iter().chain(mistakes).collect())),
    }
}

/// Why a folder that was made for other brokers is of no use for these: some would be missing, or others would vote.
fn of_another_size(flags: &DevFlags, path: &Path) -> Option<String> {
    let is_made = |node: &usize| boot::owner(&path.join(node.to_string())).is_ok_and(|owner| owner.is_some());
    let (made, asked) = ((1..=BROKERS_MAX).filter(is_made).max()?, usize::from(flags.brokers));
    let is_usable = made <= asked && plan::voters(made) == plan::voters(asked);
    let (dir, s) = (path.display(), if made == 1 { "" } else { "s" });
    (!is_usable).then(|| {
        format!(
            "--brokers {asked}: {dir} was made for {made} broker{s}; start them with --brokers {made}, choose another directory \
             with --dir, or remove {dir} to begin anew"
        )
    })
}

/// Writes the settings of each broker, and makes the directories that are not there yet.
fn prepare(plan: &Plan) -> Done<()> {
    let cluster = cluster_id(plan)?;
    for node in plan.nodes() {
        let path = plan.properties_path(node);
        fs::write(&path, plan.properties(node))
            .map_err(|fault| Mistake::new(format!("{}: {fault}", path.display())))?;
        let serve = Serve { properties: Some(path), is_bare: true, ..Serve::default() };
        format::ensure(&serve, &cluster, "choose another directory with --dir, or remove this one to begin anew")?;
    }
    Ok(())
}

/// The id that the cluster has already, or a new one.
fn cluster_id(plan: &Plan) -> Done<Str> {
    let data = plan.data(1);
    let owner = if Path::new(&data).is_dir() { boot::owner(&data).map_err(Mistake::new)? } else { None };
    Ok(owner.map_or_else(|| boot::new_id(&mut Rng::new(seed())), |owner| owner.cluster))
}

impl Cluster {
    fn start(plan: Plan, log_level: &str) -> Done<Self> {
        let (tell, heard) = channel();
        let mut cluster = Self { plan, children: Vec::new(), heard };
        for node in cluster.plan.nodes() {
            let started = Child::start(node, &cluster.plan.properties_path(node), log_level, &tell);
            match started {
                Ok(child) => cluster.children.push(child),
                Err(fault) => {
                    cluster.stop();
                    return Err(Mistake::new(format!("broker {node} cannot be started: {fault}")));
                }
            }
        }
        Ok(cluster)
    }

    /// True once all serve; false if Ctrl-C came before.
    fn wait_until_ready(&mut self) -> Done<bool> {
        let mut waiting = self.children.len();
        while waiting > 0 {
            if interrupt::is_asked() {
                return Ok(false);
            }
            if let Some(Heard::Ready) = self.hear() {
                waiting -= 1;
            }
            if let Some(node) = self.children.iter_mut().find_map(Child::has_ended) {
                return Err(Mistake::new(format!("broker {node} does not start")).then("its own lines say why"));
            }
        }
        Ok(true)
    }

    fn tell(&self, flags: &DevFlags) -> Done<()> {
        let servers = self.plan.bootstrap_servers();
        if flags.json {
            let brokers: Vec<_> =
                self.children.iter().map(|child| json!({ "node": child.node(), "pid": child.pid() })).collect();
            let data = self.plan.home().display().to_string();
            return show::json(&json!({ "bootstrap_servers": servers, "brokers": brokers, "data": data }));
        }
        let data = self.plan.home().display();
        let mut text = format!("\n{} brokers are ready\n\n", self.children.len());
        text += &format!("  bootstrap   {servers}\n");
        text += &format!("  data        {data}/1 …, settings in {data}/1.properties …\n");
        text += &format!("  try         {} topic create orders --replicas {}\n", program(), self.plan.replicas());
        text += &format!("  break       kill -9 {}\n", self.children.last().map_or(0, Child::pid));
        text += "  stop        Ctrl-C\n";
        show::line(&text)
    }

    /// Shows what the brokers say until Ctrl-C, or until none is left.
    fn watch(&mut self) {
        while !interrupt::is_asked() && self.children.iter().any(Child::is_running) {
            self.hear();
            for child in &mut self.children {
                if let Some(node) = child.has_ended() {
                    let path = self.plan.properties_path(node);
                    say(&format!(
                        "broker {node} (process {}) ended: {}; the others go on. Start it again: {} {}",
                        child.pid(),
                        child.how(),
                        program(),
                        path.display()
                    ));
                }
            }
        }
    }

    /// Asks all to end and waits for them. True if each that still ran did so well, and none had ended before.
    fn stop(&mut self) -> bool {
        let mut well = self.children.iter().all(Child::is_running);
        self.children.iter().for_each(Child::ask_to_end);
        while self.children.iter().any(Child::is_running) {
            self.hear();
            for child in &mut self.children {
                child.has_ended();
            }
        }
        // What they said last.
        while self.hear().is_some() {}
        well &= self.children.iter().all(Child::ended_well);
        well
    }

    /// The next thing that a broker says, shown if it is for people; `None` if there was nothing for a moment.
    fn hear(&mut self) -> Option<Heard> {
        match self.heard.recv_timeout(MOMENT) {
            Ok(heard) => {
                if let Heard::Line(node, line) = &heard {
                    say(&format!("{node} | {line}"));
                }
                Some(heard)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                // Nobody is left who could say anything.
                if self.children.iter().any(Child::is_running) {
                    std::thread::sleep(MOMENT);
                }
                None
            }
        }
    }
}

fn say(line: &str) {
    // A closed terminal is no reason to end the brokers.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The program as the person at the terminal calls it.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "ottla".into())
}

/// No more are started.
const BROKERS_MAX: usize = 9;
/// How long is waited for a line before processes and signals are looked at.
const MOMENT: Duration = Duration::from_millis(50);
const EXAMPLES: &str = "\
Examples:
  ottla dev                                    three brokers on 127.0.0.1:9092, 9093 and 9094
  ottla dev --ephemeral --port 0 --json        for a test suite; prints {\"bootstrap_servers\":…}
  ottla dev --brokers 5 --set num.partitions=6

Topics have three replicas and min.insync.replicas=2 unless they are told otherwise. Environment
variables are no settings here: what is in DIR/1.properties and its kin is all.";
