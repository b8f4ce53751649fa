//! From a locked directory to a running engine: recovery, then the node's boot.

use crate::clock::Clock;
use crate::engine::Engine;
use crate::mail::{Mail, Mailbox};
use crate::telemetry::Telemetry;
use ottla_core::boundary::{DiskFault, Effects, FileDone, FileFault, FileOp, Note};
use ottla_core::config::{Config, Durability};
use ottla_core::log::Log;
use ottla_core::node::{Boot, FoundLog, Node};
use ottla_core::record::Functions;
use ottla_core::store::{
    self, CATALOGUE, Claim, Identity, Recovered, RecoveredLog, Recovery, RecoveryRefusal, RecoveryStep, Store,
    StoreConfig, StoreOut,
};
use ottla_core::types::{FileOpId, OffsetRange, Rng, Str, Uuid, limit};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::task::Poll;
use std::time::Duration;
use std::{fs, io};
use tracing::{error, info};

/// Whoever does file operations. Each ends in one [`Mail::File`].
pub type Disk = Box<dyn Fn(FileOpId, FileOp)>;

/// What an engine is given of the world.
pub struct World {
    /// The disk.
    pub disk: Disk,
    /// Where it is, for people.
    pub directory: PathBuf,
    /// The clocks.
    pub clock: Clock,
    /// All chance of this process.
    pub seed: u64,
    /// CRC and codecs.
    pub functions: Functions,
    /// Where threads put their results.
    pub mailbox: Mailbox,
    /// The metrics.
    pub telemetry: Telemetry,
}

/// Recovers the directory and boots a node over it. The error is a line that says what to do.
pub async fn boot(config: &Config, world: World) -> Result<Engine, String> {
    let World { disk, directory, clock, seed, functions, mailbox, telemetry } = world;
    let mut rng = Rng::new(seed);
    let mut claim = claim(config, &mut rng);
    // The only voter may begin a cluster of its own; anybody else would be alone in it for ever.
    let is_sole = config.broker.roles.is_controller() && config.quorum.voters.len() <= 1;
    claim.new_cluster = is_sole.then(|| new_id(&mut rng));
    let recovery = Recovery::new(store_config(config), functions, claim);
    let (store, recovered) =
        recover(recovery, &disk, &mailbox, &telemetry).await.map_err(|refusal| explain(&refusal, &directory))?;
    for log in recovered.logs.iter().filter(|log| !log.is_online) {
        let note = Note::LogOffline { log: log.id, fault: DiskFault::Rot };
        telemetry.note(&note, &|_| format!("{}-{}", log.spec.topic, log.id.partition));
        error!("{}", damage(log, &directory));
    }
    info!("{} logs in {}", recovered.logs.len(), directory.display());
    let mut effects = Effects::default();
    let boot = Boot {
        config: config.clone(),
        functions,
        seed: rng.next_u64(),
        cluster_id: recovered.identity.cluster.clone(),
        directory: recovered.identity.directory,
        logs: recovered.logs.into_iter().map(found).collect(),
        lane_delay_max: Duration::ZERO,
        request_cost_max: limit::REQUEST_COST_MAX,
    };
    let node = Node::boot(boot, clock.now(), &mut effects);
    Ok(Engine::new(node, effects, store, disk, telemetry))
}

/// Makes the directory for this node of this cluster, in which there is nothing yet. The error is a line that says what to
/// do.
pub async fn format(config: &Config, cluster: Str, world: World) -> Result<(), String> {
    let World { disk, directory, seed, functions, mailbox, telemetry, .. } = world;
    let claim = Claim { cluster: Some(cluster), ..claim(config, &mut Rng::new(seed)) };
    let recovery = Recovery::new(store_config(config), functions, claim);
    let made = recover(recovery, &disk, &mailbox, &telemetry).await;
    made.map(|_| ()).map_err(|refusal| explain(&refusal, &directory))
}

/// Whom a directory belongs to; `None` if it was never formatted.
pub fn owner(directory: &Path) -> Result<Option<Identity>, String> {
    let path = directory.join(CATALOGUE);
    match fs::read(&path) {
        Ok(bytes) => {
            let owner = store::owner(&bytes, &ottla_codecs::functions());
            owner.map(Some).map_err(|refusal| explain(&refusal, directory))
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(format!("{}: {fault}", path.display())),
    }
}

/// An id that nobody else has, for a cluster. It can stand behind any flag: none begins with a dash.
pub fn new_id(rng: &mut Rng) -> Str {
    loop {
        let id = Uuid(rng.bytes16()).to_string();
        if !id.starts_with('-') {
            return id.into();
        }
    }
}

fn claim(config: &Config, rng: &mut Rng) -> Claim {
    let (new_directory, new_salt) = (Uuid(rng.bytes16()), rng.next_u64());
    Claim { node: config.broker.id, cluster: None, new_directory, new_cluster: None, new_salt }
}

/// What is wrong with a log that stays offline, and what to do.
fn damage(log: &RecoveredLog, directory: &Path) -> String {
    let name = format!("{}-{}", log.spec.topic, log.id.partition);
    match &log.damaged_at {
        Some((file, at)) => format!(
            "{name}: {} does not hold what was written to it, from byte {at} on. Stop the broker, put a good copy of that \
             file in its place and start it again, or delete the topic",
            directory.join(file).display()
        ),
        None => format!(
            "{name}: changes that only the journal held are damaged. Its files are left alone: `ottla log dump` shows what \
             they hold. Delete the topic to be rid of it"
        ),
    }
}

fn found(log: RecoveredLog) -> FoundLog {
    let RecoveredLog { id, start, end, epochs, producers, vote, is_online, .. } = log;
    FoundLog { id, log: Log::recovered(OffsetRange { start, end }, epochs, producers), vote, is_online }
}

async fn recover(
    mut recovery: Recovery,
    disk: &Disk,
    mailbox: &Mailbox,
    telemetry: &Telemetry,
) -> Result<(Store, Recovered), RecoveryRefusal> {
    let (mut outs, mut mail) = (Vec::new(), Vec::new());
    recovery.start(&mut outs);
    loop {
        for out in outs.drain(..) {
            match out {
                StoreOut::File { id, op } => disk(id, op),
                StoreOut::Note(note @ Note::LogProving { .. }) => telemetry.note(&note, &|_| String::new()),
                StoreOut::Note(_) | StoreOut::Done { .. } | StoreOut::Served { .. } => {}
            }
        }
        let (id, outcome) = next_file(&mut mail, mailbox).await;
        match recovery.file_done(id, outcome, &mut outs) {
            RecoveryStep::More => {}
            RecoveryStep::Ready(store, recovered) => return Ok((*store, recovered)),
            RecoveryStep::Refused(refusal) => return Err(refusal),
        }
    }
}

/// An operation that ended; others may be left in `mail`. Nobody else sends any before there is a brain.
async fn next_file(mail: &mut Vec<Mail>, mailbox: &Mailbox) -> (FileOpId, Result<FileDone, FileFault>) {
    poll_fn(|cx| {
        if mail.is_empty() {
            mailbox.take(mail, cx.waker());
        }
        match mail.pop() {
            Some(Mail::File(id, outcome)) => Poll::Ready((id, outcome)),
            Some(Mail::Job(..) | Mail::Proved(_) | Mail::Ask(_) | Mail::Stop) | None => Poll::Pending,
        }
    })
    .await
}

fn store_config(config: &Config) -> StoreConfig {
    StoreConfig {
        is_durable: config.store.durability == Durability::Durable,
        journal_bytes: config.store.journal_bytes,
        cache_bytes_max: usize::try_from(config.store.cache_bytes).unwrap_or(usize::MAX),
        ..StoreConfig::default()
    }
}

fn explain(refusal: &RecoveryRefusal, directory: &Path) -> String {
    let advice = match refusal {
        RecoveryRefusal::Foreign { .. } => "choose an empty one with --set log.dirs=DIR",
        RecoveryRefusal::Newer { .. } => "start it with that version, or choose another with --set log.dirs=DIR",
        RecoveryRefusal::NotFormatted => {
            "a node that is not the only controller joins the cluster of the others: name that with `ottla format --cluster-id ID` \
             and these settings, then start it"
        }
        RecoveryRefusal::OtherNode(_) => "correct node.id, or choose another with --set log.dirs=DIR",
        RecoveryRefusal::OtherCluster(_) => "choose the one of this cluster with --set log.dirs=DIR",
        RecoveryRefusal::CatalogueRotten
        | RecoveryRefusal::JournalMissing { .. }
        | RecoveryRefusal::JournalRotten
        | RecoveryRefusal::JournalUnreadable => "it is left as it is; restore it from a copy",
        RecoveryRefusal::CatalogueMissing { .. } => {
            "it is left as it is; put the file back from a copy, or move the directory away to begin with an empty one"
        }
        RecoveryRefusal::Disk(FileFault::Full) => "make room, or choose another with --set log.dirs=DIR",
        RecoveryRefusal::Disk(FileFault::Denied) => "give its files to this user",
        RecoveryRefusal::Disk(FileFault::NotFound | FileFault::Io) => "look at the kernel's log",
    };
    format!("{}: {refusal}: {advice}", directory.display())
}
