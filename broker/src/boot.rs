//! From a locked directory to a running engine: recovery, then the node's boot.

use crate::clock::Clock;
use crate::engine::Engine;
use crate::flight::Flight;
use crate::mail::{Facts, Mail, Mailbox};
use crate::meta;
use crate::telemetry::Telemetry;
use ottla_core::boundary::{DiskFault, Effects, FileDone, FileFault, FileOp, Note};
use ottla_core::config::{Address, Config, Durability};
use ottla_core::log::Log;
use ottla_core::node::{Boot, FoundLog, Node};
use ottla_core::record::Functions;
use ottla_core::store::{
    self, CATALOGUE, Claim, Identity, Recovered, RecoveredLog, Recovery, RecoveryRefusal, RecoveryStep, Store,
    StoreConfig, StoreOut, Stores, named, unnamed,
};
use ottla_core::types::{FileOpId, ListenerType, LogId, OffsetRange, Rng, Str, Uuid, limit};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::task::Poll;
use std::time::Duration;
use std::{fs, io};
use tracing::{error, info, warn};

/// Whoever does file operations. Each ends in one [`Mail::File`].
pub type Disk = Box<dyn Fn(FileOpId, FileOp)>;

/// What an engine is given of the world.
pub struct World {
    /// The disk of the first data directory.
    pub disk: Disk,
    /// Where it is, for people.
    pub directory: PathBuf,
    /// The other data directories.
    pub more: Vec<(Disk, PathBuf)>,
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

/// Why there is no broker.
#[derive(PartialEq, Eq, Debug)]
pub enum Unborn {
    /// It cannot be: a line that says what to do.
    Refused(String),
    /// It was told to stop before it was. Nothing is left undone that the next start does not do.
    Stopped,
}

impl From<String> for Unborn {
    fn from(line: String) -> Self {
        Self::Refused(line)
    }
}

/// Recovers the directories and boots a node over them.
pub async fn boot(config: &Config, world: World) -> Result<Engine, Unborn> {
    let World { disk, directory, more, clock, seed, functions, mailbox, telemetry } = world;
    is_first_made(&directory, &more)?;
    let mut rng = Rng::new(seed);
    let mut claim = claim(config, &mut rng);
    // The only voter may begin a cluster of its own; anybody else would be alone in it for ever.
    let quorum = &config.quorum;
    let is_sole = config.broker.roles.is_controller() && quorum.voters.len() <= 1 && quorum.bootstrap.is_empty();
    claim.new_cluster = is_sole.then(|| new_id(&mut rng));
    let mut rooms = Rooms { mailbox: &mailbox, telemetry: &telemetry, later: Vec::new() };
    let recovery = Recovery::new(store_config(config), functions, claim);
    let (store, recovered) = rooms.open(recovery, 0, (&disk, &directory)).await?;
    let cluster_id = recovered.identity.cluster.clone();
    let mut directories = vec![recovered.identity.directory];
    let mut made = vec![recovered.is_new];
    let mut opened = vec![(store, recovered.logs)];
    let mut disks = vec![(disk, directory)];
    for (at, (disk, directory)) in (1..).zip(more) {
        let mine = Claim { cluster: Some(cluster_id.clone()), ..self::claim(config, &mut rng) };
        let recovery = Recovery::new(store_config(config), functions, mine);
        let (store, recovered) = rooms.open(recovery, at, (&disk, &directory)).await?;
        directories.push(recovered.identity.directory);
        made.push(recovered.is_new);
        opened.push((store, recovered.logs));
        disks.push((disk, directory));
    }
    let is_lost = |at: usize| (at == 0 || is_sole) && !opened[at].1.is_empty();
    if !opened[0].1.iter().any(|log| log.id == LogId::METADATA) && (0..opened.len()).any(is_lost) {
        return Err(without_metadata(&disks[0].1).into());
    }
    let opened = Stores::open(opened, new_uuid(&mut rng));
    let (stores, logs) = opened.map_err(|found| twice(&found.log, &disks[found.directory].1))?;
    let logs = logs.into_iter().map(|(log, at)| found(log, at)).collect();
    let unproved = stores.unproved();
    for (at, _) in directories.iter().enumerate().filter(|(at, id)| unproved.contains(id) && !made[*at]) {
        let path = disks[at].1.display();
        warn!(
            "the data directory {path} was not used with the others the last time, or is an older copy of itself: its replicas \
             are in no ISR and lead nothing until they have fetched what they lack"
        );
    }
    rooms.later.into_iter().for_each(|mail| mailbox.put(mail));
    let listener = controller_endpoint(config).map(|(name, _)| name).unwrap_or_default();
    let founders = meta::voters(meta::founders(&disks[0].1)?, &listener);
    let mut effects = Effects::default();
    let boot = Boot {
        config: config.clone(),
        functions,
        seed: rng.next_u64(),
        cluster_id,
        directories,
        unproved,
        founders,
        logs,
        lane_delay_max: Duration::ZERO,
        request_cost_max: limit::REQUEST_COST_MAX,
    };
    let now = clock.now();
    let flight = config.flight.as_ref().and_then(|flight| Flight::begin(flight, &boot, now));
    let node = Node::boot(boot, now, &mut effects);
    Ok(Engine::new(node, effects, stores, disks, telemetry).recorded(now, flight))
}

/// Replicas and no metadata: nothing would claim what is there, and all of it would go.
fn without_metadata(first: &Path) -> String {
    format!(
        "{}: the first of log.dirs has no metadata, and there are replicas that need them: name the directory first that always was, or \
         restore it from a copy; if it is lost for good, empty the others too",
        first.display()
    )
}

/// What the first directory holds nobody else has: one that was never made beside others that were is not the one that it was.
fn is_first_made(first: &Path, more: &[(Disk, PathBuf)]) -> Result<(), String> {
    if more.is_empty() || owner(first)?.is_some() {
        return Ok(());
    }
    for (_, directory) in more {
        if owner(directory)?.is_some() {
            return Err(format!(
                "{}: the first of log.dirs, which holds the metadata, was never formatted, and {} was: name that one first, \
                 or restore this one from a copy",
                first.display(),
                directory.display()
            ));
        }
    }
    Ok(())
}

fn twice(log: &RecoveredLog, directory: &Path) -> String {
    let name = format!("{}-{}", log.spec.topic, log.id.partition);
    let advice = match log.id == LogId::METADATA {
        true => {
            "the metadata are in the first of log.dirs: one of the two directories was copied, or their order changed"
        }
        false => {
            "one of the two was copied, or left out of log.dirs for a while: take the one out that is not up to date"
        }
    };
    format!("{}: {name} is in another directory of log.dirs too: {advice}", directory.display())
}

/// Data directories that are opened one after the other.
struct Rooms<'a> {
    mailbox: &'a Mailbox,
    telemetry: &'a Telemetry,
    /// Ends of operations that directories which are open already asked for.
    later: Vec<Mail>,
}

impl Rooms<'_> {
    /// Opens one.
    async fn open(
        &mut self,
        recovery: Recovery,
        at: usize,
        (disk, directory): (&Disk, &Path),
    ) -> Result<(Store, Recovered), Unborn> {
        let (store, recovered) = self.recover(recovery, at, (disk, directory)).await?;
        for log in recovered.logs.iter().filter(|log| !log.is_online) {
            let note = Note::LogOffline { log: log.id, fault: DiskFault::Rot };
            self.telemetry.note(&note, &|_| format!("{}-{}", log.spec.topic, log.id.partition));
            error!("{}", damage(log, directory));
        }
        info!("{} logs in {}", recovered.logs.len(), directory.display());
        if !meta::is_there(directory)
            && let Err(fault) = meta::write(directory, &recovered.identity, &[])
        {
            warn!("meta.properties in {}, for Kafka's tools: {fault}", directory.display());
        }
        Ok((store, recovered))
    }

    async fn recover(
        &mut self,
        mut recovery: Recovery,
        at: usize,
        (disk, directory): (&Disk, &Path),
    ) -> Result<(Store, Recovered), Unborn> {
        let (mut outs, mut mail) = (Vec::new(), Vec::new());
        recovery.start(&mut outs);
        loop {
            for out in outs.drain(..) {
                match out {
                    StoreOut::File { id, op } => disk(named(at, id), op),
                    StoreOut::Note(note @ Note::LogProving { .. }) => self.telemetry.note(&note, &|_| String::new()),
                    StoreOut::Note(_) | StoreOut::Done { .. } | StoreOut::Served { .. } | StoreOut::Moved { .. } => {}
                }
            }
            let Some((id, outcome)) = next_file(&mut mail, self.mailbox).await else { return Err(Unborn::Stopped) };
            let (whose, own) = unnamed(id);
            if whose != at {
                self.later.push(Mail::File(id, outcome));
                continue;
            }
            match recovery.file_done(own, outcome, &mut outs) {
                RecoveryStep::More => {}
                RecoveryStep::Ready(store, recovered) => {
                    self.later.append(&mut mail);
                    return Ok((*store, recovered));
                }
                RecoveryStep::Refused(refusal) => return Err(explain(&refusal, directory).into()),
            }
        }
    }
}

/// Makes the directory for this node of this cluster, in which there is nothing yet, with this id or a new one. The error is a line
/// that says what to do.
pub async fn format(config: &Config, (cluster, id): (Str, Option<Uuid>), world: World) -> Result<Identity, String> {
    let World { disk, directory, seed, functions, mailbox, telemetry, .. } = world;
    let drawn = claim(config, &mut Rng::new(seed));
    let claim = Claim { cluster: Some(cluster), new_directory: id.unwrap_or(drawn.new_directory), ..drawn };
    let recovery = Recovery::new(store_config(config), functions, claim);
    let mut rooms = Rooms { mailbox: &mailbox, telemetry: &telemetry, later: Vec::new() };
    match rooms.recover(recovery, 0, (&disk, &directory)).await {
        Ok((_, recovered)) => Ok(recovered.identity),
        Err(Unborn::Refused(line)) => Err(line),
        Err(Unborn::Stopped) => unreachable!("nobody can tell it to"),
    }
}

/// The listener at which other nodes of the metadata quorum reach this one, and what they are told of it.
pub fn controller_endpoint(config: &Config) -> Option<(Str, Address)> {
    let listener = config.broker.listeners.iter().find(|one| one.listener_type == ListenerType::Controller)?;
    Some((listener.name.clone(), listener.advertised.clone()?))
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
    new_uuid(rng).to_string().into()
}

fn new_uuid(rng: &mut Rng) -> Uuid {
    loop {
        let id = Uuid(rng.bytes16());
        if !id.to_string().starts_with('-') {
            return id;
        }
    }
}

fn claim(config: &Config, rng: &mut Rng) -> Claim {
    // People name it to tools, behind flags too.
    let (new_directory, new_salt) = (new_uuid(rng), rng.next_u64());
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

fn found(log: RecoveredLog, directory: usize) -> FoundLog {
    let RecoveredLog { id, start, end, epochs, producers, hard, is_online, .. } = log;
    FoundLog { id, log: Log::recovered(OffsetRange { start, end }, epochs, producers), hard, is_online, directory }
}

/// An operation that ended, or none if the process is to end; other mail may be left in `mail`. Whoever asks how things are is
/// told that they begin.
async fn next_file(mail: &mut Vec<Mail>, mailbox: &Mailbox) -> Option<(FileOpId, Result<FileDone, FileFault>)> {
    poll_fn(|cx| {
        loop {
            if mail.is_empty() {
                mailbox.take(mail, cx.waker());
            }
            match mail.pop() {
                Some(Mail::File(id, outcome)) => return Poll::Ready(Some((id, outcome))),
                Some(Mail::Ask(ask) | Mail::Count(ask)) => drop(ask.send(Facts::starting())),
                Some(Mail::Stop) => return Poll::Ready(None),
                Some(Mail::Job(..) | Mail::Proved(_)) => unreachable!("nobody asked for any before there is a brain"),
                None => return Poll::Pending,
            }
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

#[cfg(test)]
#[path = "boot_test.rs"]
mod boot_test;
