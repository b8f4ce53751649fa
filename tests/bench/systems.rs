//! Who is measured, and with which settings.

use ottla_tests::harness::broker::{Broker, Kind, Purpose};

use crate::client::Client;
use crate::load::{self, Load};

/// One broker with its settings.
pub struct System {
    /// As the command line and the table call it.
    pub name: &'static str,
    /// Which program.
    pub kind: Kind,
    /// Its settings by Kafka's names; for the floor, its mode.
    pub settings: &'static [(&'static str, &'static str)],
}

/// Kafka's defaults are the yardstick, so nothing is tuned: only what a single broker needs, and files that go when they should.
static SYSTEMS: [System; 7] = [
    System { name: "ottla", kind: Kind::Ottla, settings: &[] },
    System { name: "ottla-relaxed", kind: Kind::Ottla, settings: &[("ottla.durability", "relaxed")] },
    System { name: "floor", kind: Kind::Floor, settings: &[("mode", "buffered")] },
    System { name: "floor-direct", kind: Kind::Floor, settings: &[("mode", "direct")] },
    System { name: "floor-durable", kind: Kind::Floor, settings: &[("mode", "durable")] },
    System { name: "kafka", kind: Kind::Kafka, settings: &[("log.segment.delete.delay.ms", "1000")] },
    System {
        name: "kafka-flush",
        kind: Kind::Kafka,
        settings: &[("log.segment.delete.delay.ms", "1000"), ("log.flush.interval.messages", "1")],
    },
];

/// The system of this name.
pub fn named(name: &str) -> Option<&'static System> {
    SYSTEMS.iter().find(|system| system.name == name)
}

impl System {
    /// A broker with an empty folder that does not run yet.
    pub fn make(&self) -> Broker {
        Broker::make(self.kind, Purpose::Measure, self.settings)
    }

    /// Starts a broker with an empty folder.
    pub fn start(&'static self) -> Running {
        let mut broker = self.make();
        broker.restart();
        Running { system: self, broker, topics: 0 }
    }
}

/// A started broker.
pub struct Running {
    /// What it is.
    pub system: &'static System,
    /// Its process.
    pub broker: Broker,
    topics: u32,
}

impl Running {
    /// Makes a topic of a new name.
    pub fn new_topic(&mut self, partitions: i32) -> String {
        self.topics += 1;
        let topic = format!("bench-{}", self.topics);
        Client::connect(&self.broker.address()).create_topic(&topic, partitions);
        topic
    }

    /// Removes a topic, so that the disk does not fill up.
    pub fn remove_topic(&self, topic: &str) {
        Client::connect(&self.broker.address()).delete_topic(topic);
    }

    /// Lets a broker that compiles itself while it runs do so: big batches, small ones, single records.
    pub fn warm(&mut self, bytes: u64) {
        let bytes = if self.system.kind == Kind::Kafka { bytes } else { bytes.min(32 << 20) };
        for records in [128, 16, 1] {
            let topic = self.new_topic(1);
            let share = if records == 1 { bytes / 8 } else { bytes };
            let load = Load { bytes: share, records, record_bytes: 1024, in_flight: 5, codec: "none".into() };
            load::produce(&self.broker, &topic, &load);
            self.remove_topic(&topic);
        }
    }
}
