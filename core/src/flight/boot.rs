//! What a node was booted with, apart from its settings and the logs that were found.

use super::kept::fields;
use super::{Entry, FlightFault};
use crate::boundary::HardState;
use crate::config::{Address, Config, Listener, Setting};
use crate::node::{Boot, FoundLog};
use crate::quorum::Voters;
use crate::record::Functions;
use crate::types::{Now, Str, Uuid};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

/// All of a [`Boot`] but its settings and its logs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Life {
    /// The listeners, with the ports and names that stood in no setting.
    pub listeners: Vec<Listener>,
    /// The address for health and metrics, with its port.
    pub http: Option<Address>,
    /// The source of all chance.
    pub seed: u64,
    /// The id of the cluster.
    pub cluster_id: Str,
    /// The ids of the data directories.
    pub directories: Vec<Uuid>,
    /// Those that may be older copies.
    pub unproved: Vec<Uuid>,
    /// Whom the first was formatted for.
    pub founders: Voters,
    /// How long letters between front and lanes take.
    pub lane_delay_max: Duration,
    /// What one request may cost a step.
    pub request_cost_max: usize,
}

fields! {
    Life { listeners, http, seed, cluster_id, directories, unproved, founders, lane_delay_max, request_cost_max }
    FoundLog { id, log, hard, is_online, directory }
    HardState { vote, registration }
}

impl Life {
    pub(super) fn of(boot: &Boot) -> Self {
        Self {
            listeners: boot.config.broker.listeners.clone(),
            http: boot.config.conn.http.clone(),
            seed: boot.seed,
            cluster_id: boot.cluster_id.clone(),
            directories: boot.directories.clone(),
            unproved: boot.unproved.clone(),
            founders: boot.founders.clone(),
            lane_delay_max: boot.lane_delay_max,
            request_cost_max: boot.request_cost_max,
        }
    }
}

/// What the entries before the first input say, as far as they were read.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    program: Option<Str>,
    settings: Option<Vec<Setting>>,
    life: Option<Life>,
    logs: Vec<FoundLog>,
}

impl Manifest {
    /// Takes the next entry. With the last of them comes the boot, and when it was.
    ///
    /// # Errors
    /// The entry stands where none of its kind may, or the settings are not allowed here.
    pub fn take(&mut self, entry: Entry, functions: &Functions) -> Result<Option<(Boot, Now)>, FlightFault> {
        match entry {
            Entry::Program(program) => self.program = Some(program),
            Entry::Settings(settings) => self.settings = Some(settings),
            Entry::Life(life) => self.life = Some(life),
            Entry::Log(log) => self.logs.push(log),
            Entry::Booted(now) => return Ok(Some((self.boot(functions)?, now))),
            Entry::Input { .. } | Entry::Digest(_) | Entry::Landed(_) => return Err(FlightFault::Place),
        }
        Ok(None)
    }

    /// The version of the program that recorded it.
    pub fn program(&self) -> Option<&Str> {
        self.program.as_ref()
    }

    fn boot(&mut self, functions: &Functions) -> Result<Boot, FlightFault> {
        let (settings, life) = (self.settings.take(), self.life.take());
        let (settings, life) = settings.zip(life).ok_or(FlightFault::Place)?;
        let read = Config::read(settings).map_err(|mistakes| {
            let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            FlightFault::Settings(lines.join("; "))
        });
        let (mut config, _) = read?;
        config.broker.listeners = life.listeners;
        config.conn.http = life.http;
        // What a node cannot do without.
        if life.directories.is_empty() || config.broker.listeners.is_empty() {
            return Err(FlightFault::Place);
        }
        Ok(Boot {
            config,
            functions: *functions,
            seed: life.seed,
            cluster_id: life.cluster_id,
            directories: life.directories,
            unproved: life.unproved,
            founders: life.founders,
            logs: core::mem::take(&mut self.logs),
            lane_delay_max: life.lane_delay_max,
            request_cost_max: life.request_cost_max,
        })
    }
}
