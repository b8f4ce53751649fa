//! The controller: every change of the cluster's metadata is decided here.
//!
//! ```text
//!   ask ── decide ──▶ records ── quorum ──▶ metadata log ──▶ apply (the controller's image, at once)
//!                        │                       └ committed ──▶ committed (everybody's image)
//!                        └──▶ reply, which leaves when the records are committed
//! ```
//!
//! | ask | file | records |
//! |---|---|---|
//! | [`Ask::Bootstrap`] | `brokers.rs` | FeatureLevel |
//! | [`Ask::Register`] | `brokers.rs` | RegisterBroker, BrokerRegistrationChange, PartitionChange |
//! | [`Ask::CreateTopics`], [`Ask::CreateMissing`] | `topics.rs` | Topic, Config, Partition |
//! | [`Ask::DeleteTopics`] | `delete.rs` | RemoveTopic |
//! | [`Ask::CreatePartitions`] | `partitions.rs` | Partition |
//! | [`Ask::AlterConfigs`], [`Ask::IncrementalAlterConfigs`] | `settings.rs` | Config |
//! | [`Ask::AlterPartition`] | `isr.rs` | PartitionChange |
//! | [`Ask::ElectLeaders`], [`Ask::Tend`] | `elect.rs` | PartitionChange |
//! | [`Ask::Reassign`] | `reassign.rs` | PartitionChange |
//! | [`Ask::Heartbeat`], [`Ask::Fence`], [`Ask::Unregister`] | `brokers.rs` | BrokerRegistrationChange, UnregisterBroker, PartitionChange |
//! | [`Ask::AllocateProducerIds`] | `producer_ids.rs` | ProducerIds |

mod assign;
mod brokers;
mod change;
mod delete;
mod directories;
mod elect;
mod isr;
mod late;
mod partitions;
mod placement;
mod producer_ids;
mod reassign;
mod settings;
mod topics;

pub use brokers::{Heartbeat, Registration};
pub use delete::deletions_told;
pub use producer_ids::ProducerIds;
pub use topics::missing;

use crate::metadata::{Delta, Image, MetadataRecord, Unfit, advance};
use crate::msg::Response;
use crate::msg::alter_configs::AlterConfigsRequest;
use crate::msg::alter_partition::AlterPartitionRequest;
use crate::msg::alter_partition_reassignments::AlterPartitionReassignmentsRequest;
use crate::msg::assign_replicas_to_dirs::AssignReplicasToDirsRequest;
use crate::msg::create_partitions::CreatePartitionsRequest;
use crate::msg::create_topics::CreateTopicsRequest;
use crate::msg::delete_topics::DeleteTopicsRequest;
use crate::msg::elect_leaders::ElectLeadersRequest;
use crate::msg::incremental_alter_configs::IncrementalAlterConfigsRequest;
use crate::shard::{self, Cx};
use crate::types::{BrokerEpoch, BrokerId, ErrorCode, Offset, Str};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The controller of the cluster, while the broker it runs on leads the metadata quorum.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Controller {
    /// The image with everything that was decided, committed or not: the next decision builds on it.
    head: Arc<Image>,
    /// The steps to it that are not committed yet, in order.
    pending: VecDeque<Delta>,
}

/// What the controller is asked.
#[derive(Clone, PartialEq, Debug)]
pub enum Ask {
    /// The log is empty: begin a cluster. Ends in [`Reply::Bootstrapped`].
    Bootstrap,
    /// A broker has started. Ends in [`Reply::Registered`].
    Register(Registration),
    /// A broker lives. Ends in a response.
    Heartbeat(Heartbeat),
    /// A broker is gone, if this is its registration still. Ends in [`Reply::Fenced`].
    Fence(BrokerId, BrokerEpoch),
    /// A leader wants another ISR. Ends in a response.
    AlterPartition(AlterPartitionRequest),
    /// Somebody asks for other leaders. Ends in a response.
    ElectLeaders(ElectLeadersRequest),
    /// It is time to look after partitions that are not led as they should be. Ends in [`Reply::Tended`].
    Tend {
        /// Preferred leaders are due, not only partitions without any.
        with_preferred: bool,
    },
    /// Replicas are to be moved. Ends in a response.
    Reassign(AlterPartitionReassignmentsRequest),
    /// A broker tells where its replicas are. Ends in a response.
    Assign(AssignReplicasToDirsRequest),
    /// A broker will not come back. Ends in a response.
    Unregister(BrokerId),
    /// Ends in a response, as do the other requests of clients.
    CreateTopics(CreateTopicsRequest),
    /// Topics that somebody asked for and that do not exist; internal ones get the settings they must have. Ends in
    /// [`Reply::Created`].
    CreateMissing(Vec<Str>),
    /// With the version of the request.
    DeleteTopics(DeleteTopicsRequest, i16),
    /// More partitions for topics.
    CreatePartitions(CreatePartitionsRequest),
    /// All settings of resources at once.
    AlterConfigs(AlterConfigsRequest),
    /// Single settings of resources.
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest),
    /// A broker needs producer ids to give out. Ends in [`Reply::ProducerIds`].
    AllocateProducerIds {
        /// Which broker.
        broker: BrokerId,
        /// Its registration.
        epoch: BrokerEpoch,
    },
}

/// What the controller answers; one for each ask.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Reply {
    /// The cluster has begun.
    Bootstrapped,
    /// The broker is registered and has this epoch; it is unfenced if it runs beside the controller.
    Registered(BrokerEpoch),
    /// The broker is fenced, or has been registered anew since.
    Fenced,
    /// What could be mended is.
    Tended {
        /// Others wait for their turn.
        has_more: bool,
    },
    /// What became of each topic.
    Created(Vec<(Str, ErrorCode)>),
    /// Ids that nobody else has, or why there are none.
    ProducerIds(Result<ProducerIds, ErrorCode>),
    /// The answer to a client.
    Response(Response),
}

/// A decision of the controller.
pub type Verdict = shard::Verdict<MetadataRecord, Reply>;

/// An error with its explanation, for one item of a request.
pub(crate) type Refusal = (ErrorCode, String);

impl Controller {
    /// The controller of a log that is applied to its end.
    pub fn new(image: Arc<Image>) -> Self {
        Self { head: image, pending: VecDeque::new() }
    }

    /// What decisions build on: everything decided so far, committed or not.
    pub fn head(&self) -> &Arc<Image> {
        &self.head
    }

    /// Looks, decides, touches nothing. The records go into the log as one batch, and through [`Controller::apply`]
    /// before the next decision.
    pub fn decide(&self, cx: &mut Cx<'_>, ask: &Ask) -> Verdict {
        if let Some(refused) = late::refused(ask) {
            return Verdict { records: Vec::new(), replies: alloc::vec![Reply::Response(refused)] };
        }
        let mut verdict = self.judge(cx, ask);
        directories::settle(&self.head, &mut verdict.records);
        verdict
    }

    fn judge(&self, cx: &mut Cx<'_>, ask: &Ask) -> Verdict {
        match ask {
            Ask::Bootstrap => brokers::bootstrap(),
            Ask::Register(registration) => brokers::register(&self.head, cx.config, registration),
            Ask::Heartbeat(heartbeat) => brokers::heartbeat(&self.head, cx.config, heartbeat),
            Ask::Fence(broker, epoch) => brokers::fence(&self.head, cx.config, *broker, *epoch),
            Ask::AlterPartition(request) => isr::alter(&self.head, cx.config, request),
            Ask::ElectLeaders(request) => elect::elect(&self.head, cx.config, request),
            Ask::Tend { with_preferred } => elect::tend(&self.head, cx.config, *with_preferred),
            Ask::Reassign(request) => reassign::alter(&self.head, cx.config, request),
            Ask::Assign(request) => assign::assign(&self.head, cx.config, request),
            Ask::Unregister(broker) => brokers::unregister(&self.head, cx.config, *broker),
            Ask::CreateTopics(request) => topics::create(&self.head, cx, request),
            Ask::CreateMissing(names) => topics::create_missing(&self.head, cx, names),
            Ask::DeleteTopics(request, version) => delete::delete(&self.head, cx, request, *version),
            Ask::CreatePartitions(request) => partitions::create(&self.head, cx, request),
            Ask::AlterConfigs(request) => settings::replace(&self.head, cx, request),
            Ask::IncrementalAlterConfigs(request) => settings::alter(&self.head, cx, request),
            Ask::AllocateProducerIds { broker, epoch } => producer_ids::allocate(&self.head, *broker, *epoch),
        }
    }

    /// Takes up a batch of records that was appended to the log at `base`. The error means that `decide` decided what
    /// cannot be.
    pub fn apply(&mut self, base: Offset, records: &[MetadataRecord]) -> Result<(), Unfit> {
        let (head, delta) = advance(&self.head, base, records)?;
        self.head = head;
        self.pending.push_back(delta);
        Ok(())
    }

    /// Everything before `end` is committed. Gives the steps that became public, in order; the image of the last is what
    /// everybody may see from now on.
    pub fn committed(&mut self, end: Offset) -> Vec<Delta> {
        let is_public = |delta: &Delta| delta.after().end() <= end;
        let count = self.pending.iter().take_while(|delta| is_public(delta)).count();
        self.pending.drain(..count).collect()
    }
}

#[cfg(test)]
#[path = "controller_test.rs"]
mod controller_test;
#[cfg(test)]
#[path = "directories_test.rs"]
mod directories_test;
#[cfg(test)]
#[path = "elect_test.rs"]
mod elect_test;
#[cfg(test)]
#[path = "reassign_test.rs"]
mod reassign_test;
#[cfg(test)]
#[path = "replicas_test.rs"]
mod replicas_test;
