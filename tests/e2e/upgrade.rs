//! Old next to new: a cluster of an earlier state of this program is exchanged for the present one broker by broker, while
//! somebody writes and brokers die. What they say to each other and what they find on disk has to be understood both ways.

use ottla_tests::harness::broker::{Kind, Purpose};
use ottla_tests::harness::cluster::{Cluster, Shape};
use ottla_tests::harness::log::say;
use ottla_tests::harness::tools;

use crate::moves::{Operated, SETTINGS};
use crate::turnover::under_load;

/// The earlier state. A later one takes its place when rolling upgrades from this one need not work any more, which the changelog
/// then says.
const OLD: &str = "077b2e2";

#[test]
fn a_cluster_is_exchanged_broker_by_broker_while_somebody_writes() {
    let Some(old) = tools::earlier(OLD) else {
        return say("no rolling upgrade is tried: this copy has no history to build the old program from");
    };
    let new = tools::ottla("sim");
    let shape = Shape { kind: Kind::Ottla, purpose: Purpose::Test, brokers: 3, voters: 3, turnover: false };
    let mut operated = Operated::over(Cluster::make_of(&old, shape, &SETTINGS));
    under_load(&mut operated, |operated| {
        let cluster = &mut operated.cluster;
        for node in 1..=3 {
            assert_eq!(cluster.terminate(node), Some(0), "{}", cluster.log(node));
            cluster.exchange(node, &new);
            cluster.restart(node);
            cluster.wait_until_whole(&["t"]);
            // Each of them leads the quorum once with the others behind it, and dies in that.
            for _ in 0..3 {
                let controller = cluster.wait_until(Cluster::controller);
                cluster.kill_9(&[controller]);
                cluster.wait_until(|cluster| cluster.controller().filter(|other| *other != controller));
                cluster.restart(controller);
                cluster.wait_until_whole(&["t"]);
            }
        }
    });
    for node in 1..=3 {
        let log = operated.cluster.whole_log(node);
        assert!(!log.contains("panicked") && !log.contains("INV-"), "{log}");
    }
    operated.run("org.apache.kafka.tools.FeatureCommand", &["upgrade", "--feature", "kraft.version=1"]);
}
