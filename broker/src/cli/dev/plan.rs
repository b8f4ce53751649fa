//! Which brokers there are, where they listen, and what each is set to. Pure but for the ports that are kept for them.

use super::{DevFlags, Done, Mistake};
use crate::flags::Serve;
use crate::port::Reserved;
use crate::settings;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// A cluster on this machine.
#[derive(Debug)]
pub struct Plan {
    home: PathBuf,
    /// Of brokers 1 and following.
    brokers: Vec<u16>,
    /// Of the controllers' listeners, of nodes 1 and following: the voters of the metadata quorum.
    controllers: Vec<u16>,
    is_ephemeral: bool,
    set: Vec<String>,
    /// The ports that the flags left to us; also for a broker that is started again.
    _kept: Vec<Reserved>,
}

impl Plan {
    /// What the flags ask for. The error says that the ports cannot be had.
    pub fn new(flags: &DevFlags, home: &Path) -> Done<Self> {
        let count = usize::from(flags.brokers);
        let voters = voters(count);
        if flags.port > 0 {
            return Ok(Self::of(flags, home, &following(flags.port, flags.brokers, voters)?));
        }
        let kept: Result<Vec<_>, _> = (0..count + voters).map(|_| Reserved::any()).collect();
        let kept = kept.map_err(|fault| Mistake::new(format!("no free ports: {fault}")))?;
        let ports: Vec<u16> = kept.iter().map(Reserved::number).collect();
        Ok(Self { _kept: kept, ..Self::of(flags, home, &ports) })
    }

    /// The same with these ports.
    fn of(flags: &DevFlags, home: &Path, ports: &[u16]) -> Self {
        let (brokers, controllers) = ports.split_at(flags.brokers.into());
        Self {
            home: home.to_owned(),
            brokers: brokers.to_vec(),
            controllers: controllers.to_vec(),
            is_ephemeral: flags.ephemeral,
            set: flags.set.clone(),
            _kept: Vec::new(),
        }
    }

    /// What is wrong with what the flags set, whichever ports it will be.
    pub fn mistakes(flags: &DevFlags, home: &Path) -> Vec<String> {
        let count = usize::from(flags.brokers);
        let ports: Vec<u16> = (1..).take(count + voters(count)).collect();
        let settings =
            Self::of(flags, home, &ports).settings(1).into_iter().map(|(key, value)| format!("{key}={value}"));
        let set = settings.chain(flags.set.iter().cloned()).collect();
        settings::gather(&Serve { set, is_bare: true, ..Serve::default() }).err().unwrap_or_default()
    }

    /// The ids of all nodes.
    pub fn nodes(&self) -> RangeInclusive<usize> {
        1..=self.brokers.len()
    }

    /// The folder of everything.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// `log.dirs` of a node.
    pub fn data(&self, node: usize) -> PathBuf {
        self.home.join(node.to_string())
    }

    /// The settings file of a node.
    pub fn properties_path(&self, node: usize) -> PathBuf {
        self.home.join(format!("{node}.properties"))
    }

    /// What clients are told.
    pub fn bootstrap_servers(&self) -> String {
        let addresses: Vec<String> = self.brokers.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        addresses.join(",")
    }

    /// How many replicas a topic has that does not say.
    pub fn replicas(&self) -> usize {
        self.brokers.len().min(REPLICAS_MAX)
    }

    /// What a node is set to beside what the flags set.
    fn settings(&self, node: usize) -> Vec<(&'static str, String)> {
        let voters: Vec<String> =
            self.controllers.iter().zip(1..).map(|(port, id)| format!("{id}@127.0.0.1:{port}")).collect();
        let broker = format!("PLAINTEXT://127.0.0.1:{}", self.brokers[node - 1]);
        let (roles, listeners) = match self.controllers.get(node - 1) {
            Some(port) => ("broker,controller", format!("{broker},CONTROLLER://127.0.0.1:{port}")),
            None => ("broker", broker),
        };
        let replicas = self.replicas();
        let mut settings = vec![
            ("process.roles", roles.to_owned()),
            ("node.id", node.to_string()),
            ("controller.quorum.voters", voters.join(",")),
            ("controller.listener.names", "CONTROLLER".to_owned()),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned()),
            ("listeners", listeners),
            ("log.dirs", self.data(node).display().to_string()),
            ("default.replication.factor", replicas.to_string()),
            ("offsets.topic.replication.factor", replicas.to_string()),
            ("min.insync.replicas", replicas.saturating_sub(1).max(1).to_string()),
            ("group.initial.rebalance.delay.ms", "0".to_owned()),
            ("ottla.journal.bytes", JOURNAL_BYTES.to_string()),
        ];
        if self.is_ephemeral {
            settings.push(("ottla.durability", "relaxed".to_owned()));
        }
        settings
    }

    /// The settings file of a node, as text.
    pub fn properties(&self, node: usize) -> String {
        let lines = self.settings(node).into_iter().map(|(key, value)| format!("{key}={value}"));
        let lines = lines.chain(self.set.iter().cloned()).map(|line| line.replace('\\', "\\\\") + "\n");
        format!("# Broker {node} of `ottla dev`, which writes this file at each start.\n") + &lines.collect::<String>()
    }
}

/// How many of so many brokers vote in the metadata quorum. Two voters would not outlive either of them.
pub fn voters(brokers: usize) -> usize {
    if brokers < VOTERS { 1 } else { VOTERS }
}

fn following(first: u16, brokers: u16, voters: usize) -> Done<Vec<u16>> {
    let last = u32::from(first) + u32::from(CONTROLLERS_ABOVE) + u32::from(brokers);
    if last > u32::from(u16::MAX) {
        return Err(Mistake::new(format!("--port {first}: there is no port {last}")).then("choose a smaller one"));
    }
    let of_controllers = (first + CONTROLLERS_ABOVE..).take(voters);
    Ok((first..first + brokers).chain(of_controllers).collect())
}

/// How many of the nodes, from the first on, vote in the metadata quorum, if there are so many.
const VOTERS: usize = 3;
/// How many replicas topics have where there are brokers enough.
const REPLICAS_MAX: usize = 3;
/// How far above the broker's port its controller listens.
const CONTROLLERS_ABOVE: u16 = 10_000;
/// Several directories on one disk, for not much data.
const JOURNAL_BYTES: u64 = 32 * 1024 * 1024;

#[cfg(test)]
#[path = "plan_test.rs"]
mod plan_test;
