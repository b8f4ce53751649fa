//! Three brokers, three replicas, acks=all.

use std::time::Duration;

use ottla_tests::harness::broker::{Kind, Purpose};
use ottla_tests::harness::cluster::{Cluster, Shape};

use crate::client::Client;
use crate::load::{Led, Load, Took, produce};
use crate::options::Options;
use crate::reads;
use crate::report::Measure;
use crate::rows::per_gigabyte;
use crate::systems::{Running, System};

/// Record bytes of each size before anything counts, for brokers that compile nothing.
const WARM_BYTES: u64 = 32 << 20;

/// What each broker of a cluster is told beside its defaults.
const SETTINGS: [(&str, &str); 1] = [("min.insync.replicas", "2")];

/// Large batches, single records, and one record's way to its consumer.
pub fn replicated(system: &'static System, _: Option<&mut Running>, options: &Options) -> Vec<Measure> {
    let shape = Shape { kind: system.kind, purpose: Purpose::Measure, brokers: 3, voters: 3, turnover: false };
    let mut cluster = Cluster::make(shape, &[&SETTINGS, system.settings].concat());
    cluster.restart_all();
    let mut bench = Bench { cluster, topics: 0, codec: options.codec.clone() };
    let warm = if system.kind == Kind::Kafka { options.warm_bytes } else { WARM_BYTES };
    bench.load(128, warm, 5);
    bench.load(1, warm / 8, 5);
    let big = bench.load(128, options.bytes, 5);
    let busy = bench.load(1, options.bytes / 16, 5);
    let mut alone = bench.load(1, options.bytes / 64, 1);
    let topic = bench.new_topic();
    let mut ways = reads::end_to_end(&bench.led(&topic), &topic, 50_000, Duration::from_micros(100));
    vec![
        Measure { name: "MB/s", value: big.bytes as f64 / 1e6 / big.seconds },
        Measure { name: "s/GB, all brokers", value: per_gigabyte(&big, big.broker.total()) },
        Measure { name: "device bytes a byte, all brokers", value: big.device_bytes as f64 / big.bytes as f64 },
        Measure { name: "requests/s of 1 KiB, 5 in flight", value: busy.requests as f64 / busy.seconds },
        Measure {
            name: "µs CPU a request of 1 KiB, all brokers",
            value: busy.broker.total() * 1e6 / busy.requests as f64,
        },
        Measure { name: "ack p50 µs, 1 in flight", value: alone.latencies.quantile(0.5) },
        Measure { name: "ack p99 µs, 1 in flight", value: alone.latencies.quantile(0.99) },
        Measure { name: "end to end p50 µs", value: ways.quantile(0.5) },
        Measure { name: "end to end p99 µs", value: ways.quantile(0.99) },
    ]
}

struct Bench {
    cluster: Cluster,
    topics: u32,
    codec: String,
}

impl Bench {
    fn new_topic(&mut self) -> String {
        self.topics += 1;
        let topic = format!("bench-{}", self.topics);
        Client::connect(&self.cluster.address(1)).make_topic(&topic, 1, 3);
        self.cluster.wait_until_whole(&[&topic]);
        topic
    }

    fn led(&self, topic: &str) -> Led<'_> {
        let leader = self.cluster.leader(topic, 0).expect("the topic is led");
        Led { cluster: &self.cluster, leader }
    }

    /// Into a topic of its own.
    fn load(&mut self, records: usize, bytes: u64, in_flight: usize) -> Took {
        let topic = self.new_topic();
        let load = Load { bytes, records, record_bytes: 1024, in_flight, codec: self.codec.clone() };
        let took = produce(&self.led(&topic), &topic, &load);
        Client::connect(&self.cluster.address(1)).delete_topic(&topic);
        took
    }
}
