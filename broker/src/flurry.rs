//! Lines about partitions: the first few of a kind in a second are said, the others are counted and said as one number. When a
//! broker of thousands of partitions dies, the others can still be read.

use std::fmt::Arguments;
use tracing::{debug, info};

/// What a line says of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// This broker leads it.
    Leads,
    /// This broker follows another.
    Follows,
    /// Nobody leads it.
    Leaderless,
    /// Replicas fell out of sync.
    Shrinks,
    /// Replicas came into sync.
    Grows,
    /// Its reassignment is over.
    Reassigned,
}

/// What programs read of such a line.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Which partition.
    pub log: &'a str,
    /// The reign.
    pub epoch: Option<i32>,
    /// Who is in sync.
    pub isr: Option<&'a str>,
}

/// How many lines of each kind there were in this second, said or not.
#[derive(Default, Debug)]
pub struct Flurry([usize; KINDS.len()]);

impl Flurry {
    /// Says a line, or counts it.
    pub fn say(&mut self, kind: Kind, said: Said<'_>, text: Arguments<'_>) {
        let count = &mut self.0[kind as usize];
        *count += 1;
        let Said { log, epoch, isr } = said;
        match *count <= LINES_MAX {
            true => info!(target: "ottla::node", log, epoch, isr, "{text}"),
            false => debug!(target: "ottla::node", log, epoch, isr, "{text}"),
        }
    }

    /// A second is over: what was counted is said. So many partitions are led by now.
    pub fn sum_up(&mut self, leading: usize) {
        for kind in KINDS {
            let count = std::mem::take(&mut self.0[kind as usize]).saturating_sub(LINES_MAX);
            if count == 0 {
                continue;
            }
            let text = match kind {
                Kind::Leads => format!("leading {count} partitions more, {leading} in all"),
                Kind::Follows => format!("following other brokers in {count} partitions more"),
                Kind::Leaderless => format!("nobody leads {count} partitions more"),
                Kind::Shrinks => format!("replicas fell out of sync of {count} partitions more that are led here"),
                Kind::Grows => format!("replicas came into sync of {count} partitions more that are led here"),
                Kind::Reassigned => format!("the reassignments of {count} partitions more are over"),
            };
            info!(target: "ottla::node", count, "{text}");
        }
    }
}

const KINDS: [Kind; 6] = [Kind::Leads, Kind::Follows, Kind::Leaderless, Kind::Shrinks, Kind::Grows, Kind::Reassigned];
/// So many lines of a kind a second can be read.
const LINES_MAX: usize = 5;

#[cfg(test)]
#[path = "flurry_test.rs"]
mod flurry_test;
