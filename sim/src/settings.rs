//! The settings that a run gives to its machines.

use crate::cluster::Shape;
use crate::links::host_of;
use crate::plan::Options;
use ottla_core::config::{Config, Setting};
use ottla_core::quorum::{VoterEndpoint, VoterNode, Voters};
use ottla_core::store::StoreConfig;
use ottla_core::types::{BrokerId, Str, Uuid};

/// The port at which every machine listens for clients and for other brokers.
pub const PORT: u16 = 9092;
/// The port at which a voter listens for other voters and for brokers.
pub const CONTROLLER_PORT: u16 = 9093;

/// The store as the run has it.
pub fn store_config(options: &Options) -> StoreConfig {
    StoreConfig {
        is_durable: !options.relaxed,
        journal_bytes: options.journal_bytes,
        cache_bytes_max: options.cache_bytes,
        behind_bytes: options.behind_bytes,
        group_bytes_max: options.group_bytes,
        bypass_bytes_min: options.group_bytes / 4,
        room_bytes: 4 * options.behind_bytes,
        read_bytes_max: options.read_bytes,
        ahead_bytes_max: options.cache_bytes.max(4 * options.read_bytes),
        index_interval_bytes_min: options.index_interval_bytes,
        index_bytes_max: options.index_bytes,
        ..StoreConfig::default()
    }
}

/// The id of the first data directory of a machine.
pub fn directory_of(machine: usize) -> Uuid {
    Uuid([machine as u8 + 1; 16])
}

/// The voters that the quorum begins with, as the directory of each of them was formatted; nobody else knows any.
pub fn founders(options: &Options, directory: Uuid) -> Voters {
    let founders = if options.shape.turnover { 0..options.shape.voters } else { 0..0 };
    let node = |machine: usize| VoterNode {
        id: BrokerId(machine as i32 + 1),
        directory: directory_of(machine),
        endpoints: vec![VoterEndpoint {
            name: Str::from_static("CONTROLLER"),
            host: Str::from(host_of(machine)),
            port: CONTROLLER_PORT,
        }],
    };
    match founders.clone().any(|machine| directory_of(machine) == directory) {
        true => Voters::new(founders.map(node)),
        false => Voters::default(),
    }
}

/// The settings of a machine's broker. One that is alone tells nobody where it is.
pub fn config(options: &Options, machine: usize) -> Config {
    let mut settings = vec![
        ("node.id", (machine + 1).to_string()),
        ("ottla.lanes", options.lanes.to_string()),
        ("ottla.durability", if options.relaxed { "relaxed" } else { "durable" }.to_owned()),
        ("log.retention.check.interval.ms", "2000".to_owned()),
        ("offsets.topic.num.partitions", "3".to_owned()),
        ("offsets.retention.minutes", "2147483647".to_owned()),
        ("group.initial.rebalance.delay.ms", "100".to_owned()),
        ("log.message.timestamp.after.max.ms", "9223372036854775807".to_owned()),
    ];
    if options.shape.doubled {
        settings.push(("log.dirs", "one,two".to_owned()));
    }
    let own = format!("PLAINTEXT://{}:{PORT}", host_of(machine));
    let controller = |machine: usize| format!("{}:{CONTROLLER_PORT}", host_of(machine));
    let is_voter = options.cluster && (options.shape.turnover || machine < options.shape.voters);
    if options.cluster {
        let voters = (0..options.shape.voters).map(|machine| format!("{}@{}", machine + 1, controller(machine)));
        let Shape { lag_max, session, fetch_bytes, .. } = options.shape;
        settings.push(("replica.lag.time.max.ms", lag_max.as_millis().to_string()));
        // A replica that asks is not behind before it was answered.
        settings.push(("replica.fetch.wait.max.ms", (lag_max / 5).as_millis().min(500).to_string()));
        settings.push(("broker.session.timeout.ms", session.as_millis().to_string()));
        settings.push(("broker.heartbeat.interval.ms", (session / 4).as_millis().to_string()));
        settings.push(("replica.fetch.max.bytes", fetch_bytes.to_string()));
        settings.push(("offsets.topic.replication.factor", options.replicas.to_string()));
        settings.push(("min.insync.replicas", options.shape.replicas_min.to_string()));
        settings.push(("leader.imbalance.check.interval.seconds", "5".to_owned()));
        settings.push(match options.shape.turnover {
            true => {
                let all: Vec<String> = (0..options.machines).map(controller).collect();
                ("controller.quorum.bootstrap.servers", all.join(","))
            }
            false => ("controller.quorum.voters", voters.collect::<Vec<_>>().join(",")),
        });
        let between = options.shape.snapshot_bytes.to_string();
        settings.push(("metadata.log.max.record.bytes.between.snapshots", between));
        settings.push(("controller.listener.names", "CONTROLLER".to_owned()));
        settings.push(("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned()));
    }
    if options.racks() > 0 {
        let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
        settings.push(("broker.rack", options.rack_of(machine)));
        settings.push(("replica.selector.class", selector.to_owned()));
    }
    match machine {
        _ if !options.is_broker(machine) => {
            settings.push(("listeners", format!("CONTROLLER://{}", controller(machine))));
            settings.push(("process.roles", "controller".to_owned()));
        }
        _ if is_voter => settings.push(("listeners", format!("{own},CONTROLLER://{}", controller(machine)))),
        0 if options.machines == 1 => {}
        _ => settings.push(("listeners", own)),
    }
    if options.cluster && !is_voter {
        settings.push(("process.roles", "broker".to_owned()));
    }
    let settings = settings.into_iter().map(|(key, value)| Setting {
        key: Str::from_static(key),
        value: Str::from(value),
        origin: Str::from_static("simulator"),
    });
    let (config, _) = Config::read(settings).unwrap_or_else(|mistakes| panic!("the settings are wrong: {mistakes:?}"));
    config
}
