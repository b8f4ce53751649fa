//! `ottla format` and `ottla random-uuid`: what a cluster of several nodes needs before its first start. The directory that
//! is made is the one that a first start makes by itself; only whose it is is said.

use super::mistake::Mistake;
use super::{Done, show};
use crate::boot::{self, World};
use crate::clock::{Clock, seed};
use crate::disk::Disk;
use crate::flags::Serve;
use crate::home::Home;
use crate::mail::{Mail, Mailbox};
use crate::meta::{self, Founder};
use crate::settings;
use crate::telemetry::Telemetry;
use clap::Args;
use ottla_core::config::{Address, Config};
use ottla_core::types::{Rng, Str, Uuid};
use serde_json::json;
use std::path::{Path, PathBuf};
use tokio::runtime::Builder;

/// What to make.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct FormatFlags {
    /// Id of the cluster; each of its nodes is given the same
    #[arg(short = 't', long, value_name = "ID", value_parser = cluster_id, allow_hyphen_values = true)]
    cluster_id: Str,
    /// Settings file of the node, in the syntax of Kafka's server.properties
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting by its Kafka name; may be given many times, and wins over file and environment
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The metadata quorum begins with this controller as its only voter; others join it at run time (KIP-853)
    #[arg(short = 's', long, conflicts_with_all = ["initial_controllers", "no_initial_controllers"])]
    standalone: bool,
    /// The metadata quorum begins with these voters, of which this controller is one: ID@HOST:PORT:DIRECTORY_ID, with commas
    /// between. All of them are given the same
    #[arg(short = 'I', long, value_name = "VOTERS", value_parser = founders, conflicts_with = "no_initial_controllers")]
    initial_controllers: Option<Founders>,
    /// This controller votes when it is added to a quorum (`kafka-metadata-quorum add-controller`)
    #[arg(short = 'N', long)]
    no_initial_controllers: bool,
    /// Leave a directory as it is that was formatted for this node and cluster already
    #[arg(short = 'g', long)]
    ignore_formatted: bool,
    /// Print JSON instead of a sentence
    #[arg(long)]
    json: bool,
}

/// How to print it.
#[derive(Args, Debug)]
pub struct RandomUuidFlags {
    /// Print JSON instead of the id alone
    #[arg(long)]
    json: bool,
}

/// Runs `ottla random-uuid`.
pub fn random_uuid(flags: &RandomUuidFlags) -> Done<()> {
    let id = boot::new_id(&mut Rng::new(seed()));
    if flags.json { show::json(&json!({ "uuid": id.as_str() })) } else { show::line(&id) }
}

/// Runs `ottla format`.
pub fn run(flags: &FormatFlags) -> Done<()> {
    let serve = Serve { properties: flags.config.clone(), set: flags.set.clone(), ..Serve::default() };
    let (config, homes) = directories(&serve)?;
    let founding = founders_of(flags, &config)?;
    let advice = flags.ignore_formatted.then_some(ADVICE);
    let made = made_for(&config, &homes, (&flags.cluster_id, founding), advice)?;
    for (home, is_new) in homes.iter().zip(made) {
        tell(flags, &config, home, is_new)?;
    }
    Ok(())
}

/// Makes the directories of a node of this cluster, unless that was done before. `advice` is for whoever names another's.
pub fn ensure(serve: &Serve, cluster: &Str, advice: &str) -> Done<()> {
    let (config, homes) = directories(serve)?;
    made_for(&config, &homes, (cluster, Founding::default()), Some(advice)).map(|_| ())
}

fn directories(serve: &Serve) -> Done<(Config, Vec<Home>)> {
    // Each on a line of its own, as where a broker is started.
    let (config, _) = settings::gather(serve).map_err(Mistake::all)?;
    let homes = config.store.dirs.iter().map(|dir| Home::open(Path::new(dir.as_str())).map_err(Mistake::new));
    let homes = homes.collect::<Done<Vec<Home>>>()?;
    Ok((config, homes))
}

/// Which of the directories are made now; the others were made before, for this node of this cluster. None is made before all were
/// looked at. What is said of voters is the first one's. Without an advice for whoever names another's, those that were made before are
/// refused.
fn made_for(
    config: &Config,
    homes: &[Home],
    (cluster, mut founding): (&Str, Founding),
    advice: Option<&str>,
) -> Done<Vec<bool>> {
    let mut made = Vec::new();
    for home in homes {
        let owner = boot::owner(home.path()).map_err(Mistake::new)?;
        if let Some(owner) = owner.as_ref().filter(|one| one.cluster != *cluster || one.node != config.broker.id) {
            let next = format!("it is left as it is: {}", advice.unwrap_or(ADVICE));
            return Err(Mistake::new(whose(home, owner.node.0, &owner.cluster)).then(next));
        }
        if owner.is_some() && advice.is_none() {
            let what = whose(home, config.broker.id.0, cluster);
            return Err(Mistake::new(what).then("--ignore-formatted leaves it as it is"));
        }
        made.push(owner.is_none());
    }
    for (home, is_new) in homes.iter().zip(&made) {
        let founding = core::mem::take(&mut founding);
        if *is_new {
            make(config, home, cluster.clone(), &founding).map_err(Mistake::new)?;
        }
    }
    Ok(made)
}

fn whose(home: &Home, node: i32, cluster: &str) -> String {
    format!("{} was formatted already, for node {node} of cluster {cluster}", home.path().display())
}

/// The voters that a quorum begins with, as far as it is this directory's to know.
#[derive(Default)]
struct Founding {
    /// The id that the directory is to have.
    directory: Option<Uuid>,
    /// All of them; of a quorum with this voter alone, where that is reached.
    founders: Vec<Founder>,
    alone_at: Option<Address>,
}

/// Which of the three ways it is. A controller has to be told; nobody else may be.
fn founders_of(flags: &FormatFlags, config: &Config) -> Done<Founding> {
    let (id, quorum) = (config.broker.id, &config.quorum);
    let is_told = flags.standalone || flags.no_initial_controllers || flags.initial_controllers.is_some();
    let comes_and_goes =
        config.broker.roles.is_controller() && quorum.voters.is_empty() && !quorum.bootstrap.is_empty();
    if !comes_and_goes && is_told {
        let next = "--standalone, --initial-controllers and --no-initial-controllers are for controllers with \
                    controller.quorum.bootstrap.servers, and without controller.quorum.voters";
        return Err(Mistake::new(format!("the settings of node {id} say who votes", id = id.0)).then(next));
    }
    if comes_and_goes && !is_told {
        let next = "give one of --standalone (the first controller of a new cluster), --initial-controllers (one of the first), \
                    --no-initial-controllers (one that is added later)";
        return Err(Mistake::new("it is not said with which voters the metadata quorum begins").then(next));
    }
    if flags.standalone {
        let alone_at = boot::controller_endpoint(config).map(|(_, at)| at);
        return Ok(Founding { alone_at, ..Founding::default() });
    }
    let Some(Founders(founders)) = flags.initial_controllers.clone() else { return Ok(Founding::default()) };
    match founders.iter().find(|one| one.id == id).map(|one| one.directory) {
        Some(directory) => Ok(Founding { directory: Some(directory), founders, alone_at: None }),
        None => Err(Mistake::new(format!("--initial-controllers does not have node {}", id.0))
            .then("give --no-initial-controllers to a controller that is added later, or correct node.id")),
    }
}

fn make(config: &Config, home: &Home, cluster: Str, founding: &Founding) -> Result<(), String> {
    let mailbox = Mailbox::default();
    let inbox = mailbox.clone();
    let disk = Disk::start(home.path(), move |id, outcome| inbox.put(Mail::File(id, outcome)))
        .map_err(|fault| format!("no threads for the disk: {fault}"))?;
    let runtime = Builder::new_current_thread().build().map_err(|fault| format!("no runtime: {fault}"))?;
    let world = World {
        disk: Box::new(move |id, op| disk.submit(id, op)),
        directory: home.path().to_path_buf(),
        more: Vec::new(),
        clock: Clock::start(),
        seed: seed(),
        functions: ottla_codecs::functions(),
        mailbox,
        telemetry: Telemetry::new(),
    };
    let owner = runtime.block_on(boot::format(config, (cluster, founding.directory), world))?;
    let alone =
        founding.alone_at.iter().map(|at| Founder { id: owner.node, at: at.clone(), directory: owner.directory });
    let founders: Vec<Founder> = founding.founders.iter().cloned().chain(alone).collect();
    meta::write(home.path(), &owner, &founders).map_err(|fault| {
        format!(
            "meta.properties cannot be written in {}: {fault}. Remove the directory, and try again",
            home.path().display()
        )
    })
}

fn tell(flags: &FormatFlags, config: &Config, home: &Home, is_new: bool) -> Done<()> {
    let (directory, node, cluster) = (home.path().display().to_string(), config.broker.id.0, &flags.cluster_id);
    if flags.json {
        let told = json!({ "directory": directory, "node": node, "cluster_id": cluster.as_str(), "is_new": is_new });
        return show::json(&told);
    }
    let how = if is_new { "is formatted" } else { "was formatted already" };
    show::line(&format!("{directory} {how} for node {node} of cluster {cluster}"))
}

/// Voters, as they stand on the command line.
#[derive(Clone, Debug)]
struct Founders(Vec<Founder>);

fn founders(text: &str) -> Result<Founders, String> {
    meta::parse(text).map(Founders)
}

/// Kafka takes any text; one that needs no quoting anywhere is enough.
fn cluster_id(text: &str) -> Result<Str, String> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_good) {
        Ok(text.into())
    } else {
        Err(format!("must be 1 to {ID_BYTES_MAX} letters, digits, dashes, dots and underscores"))
    }
}

const ID_BYTES_MAX: usize = 64;
const ADVICE: &str = "correct --cluster-id or node.id, or choose another directory with log.dirs";
const EXAMPLES: &str = "\
Examples:
  ottla random-uuid                                        an id for a new cluster
  ottla format --cluster-id 4L6g3nShT-eMCtK--X86sw --config server.properties
  ottla format -t 4L6g3nShT-eMCtK--X86sw --set node.id=2 --set log.dirs=/var/lib/ottla -g
  ottla format -t 4L6g3nShT-eMCtK--X86sw --config controller.properties --standalone

A node that is broker and controller in one formats its directory by itself when it is first
started, for a cluster of its own. Where several are to be one, each is formatted before that.";
