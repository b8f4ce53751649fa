//! What lasts for too long in silence: no controller is known, or another process has this broker's number. And who votes, which
//! no record tells of by itself. It is looked at once a second.

use ottla_core::types::{Mono, Str, Uuid};
use std::time::Duration;
use tracing::{error, info, warn};

/// What is seen of the metadata quorum in one moment.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Sight {
    /// Somebody is known to lead it, or nobody else has to.
    pub has_controller: bool,
    /// Who votes: the number, and where it is reached if that is known.
    pub voters: Vec<(i32, String)>,
    /// Another set of voters is about to be committed, or not.
    pub is_turning_over: bool,
    /// Those of them that did not answer when they were last tried.
    pub unreached: Vec<(i32, String)>,
}

/// Another process with the number of this broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Other {
    /// The number.
    pub broker: i32,
    /// Where it is reached; no host if that is not known.
    pub at: (Str, u16),
    /// Its life.
    pub incarnation: Uuid,
}

/// What was seen and said so far.
#[derive(Default, Debug)]
pub struct Watch {
    voters: Vec<(i32, String)>,
    orphaned: Lasting,
    /// It was refused since the last look.
    refused_for: Option<Other>,
    doubled: Lasting,
}

/// Something that is said when it has lasted for a while, and seldom again.
#[derive(Default, Debug)]
struct Lasting {
    since: Option<Mono>,
    said: Option<Mono>,
}

impl Lasting {
    /// It is so, or not any more. For how long it has been so, if that is to be said now.
    fn look(&mut self, now: Mono, is_so: bool, patience: Duration) -> Option<Duration> {
        if !is_so {
            *self = Self::default();
            return None;
        }
        let lasted = now.since(*self.since.get_or_insert(now));
        let is_due = lasted >= patience && self.said.is_none_or(|said| now.since(said) >= SAID_AGAIN);
        is_due.then(|| {
            self.said = Some(now);
            lasted
        })
    }

    /// For how long it has been so, if it was said.
    fn told(&self, now: Mono) -> Option<Duration> {
        self.said.and(self.since).map(|since| now.since(since))
    }
}

impl Watch {
    /// The controller refused this broker for the sake of another.
    pub fn refused(&mut self, other: Other) {
        self.refused_for = Some(other);
    }

    /// About a second has passed.
    pub fn look(&mut self, now: Mono, sight: Sight) {
        self.look_at_controller(now, &sight);
        let is_doubled = self.refused_for.is_some();
        // One that was killed is taken for alive until its session is over.
        if self.doubled.look(now, is_doubled, DOUBLED_AFTER).is_some() {
            self.refused_for.as_ref().into_iter().for_each(doubled);
        }
        self.refused_for = None;
        if !sight.is_turning_over && !sight.voters.is_empty() && sight.voters != self.voters {
            let before = std::mem::replace(&mut self.voters, sight.voters);
            let (voters, was) = (listed(&self.voters), listed(&before));
            match before.is_empty() {
                true => info!(target: "ottla::node", voters, "the voters of the metadata quorum are {voters}"),
                false => info!(
                    target: "ottla::node", voters, before = was,
                    "the voters of the metadata quorum are {voters}, before {was}"
                ),
            }
        }
    }

    fn look_at_controller(&mut self, now: Mono, sight: &Sight) {
        if let Some(lasted) = self.orphaned.told(now).filter(|_| sight.has_controller) {
            let seconds = lasted.as_secs();
            info!(target: "ottla::node", seconds, "a controller is known again, after {seconds} s");
        }
        let Some(lasted) = self.orphaned.look(now, !sight.has_controller, ORPHANED_AFTER) else { return };
        let (seconds, voters, unreached) = (lasted.as_secs(), listed(&sight.voters), listed(&sight.unreached));
        let advice = match (voters.is_empty(), unreached.is_empty()) {
            (true, _) => {
                "who votes is not known here: are controller.quorum.voters or .bootstrap.servers right?".into()
            }
            (false, true) => format!("the voters are {voters}: their logs say why they elect nobody"),
            (false, false) => {
                format!("of the voters {voters} these do not answer: {unreached}; start them, or look at the network")
            }
        };
        warn!(
            target: "ottla::node", seconds, voters, unreached,
            "no controller is known for {seconds} s: nothing is created or changed, no leader replaced and no broker started \
             until a majority of the voters is up; {advice}"
        );
    }
}

fn doubled(other: &Other) {
    let Other { broker, at: (host, port), incarnation } = other;
    let at = if host.is_empty() { "at an unknown address".to_owned() } else { format!("at {host}:{port}") };
    let incarnation = incarnation.to_string();
    error!(
        target: "ottla::node", broker, incarnation,
        "another process is broker {broker} of this cluster, {at}, incarnation {incarnation}: this one serves nobody. Stop one of \
         them, or give this one another node.id and a directory of its own"
    );
}

fn listed(voters: &[(i32, String)]) -> String {
    let one = |(id, at): &(i32, String)| if at.is_empty() { id.to_string() } else { format!("{id} at {at}") };
    voters.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Elections take half a second; longer than this is no election.
const ORPHANED_AFTER: Duration = Duration::from_secs(5);
/// A little longer than sessions of brokers last, if nobody has set them.
const DOUBLED_AFTER: Duration = Duration::from_secs(10);
/// So seldom is the same said again.
const SAID_AGAIN: Duration = Duration::from_secs(60);

#[cfg(test)]
#[path = "watch_test.rs"]
mod watch_test;
