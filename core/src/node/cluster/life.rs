//! Who this node is, and what its directory was like when its process started: by that the controller tells what it may be trusted
//! with.
//!
//! ```text
//!   registered ──▶ kept ──▶ heartbeats, unfenced, leads and follows
//!    (committed)   (on disk)
//! ```
//!
//! A registration is kept before anything is done under it. So the one that a start finds is the last under which anything was
//! stored here: if it is the last that the controller knows, or that one did not come so far, nothing is missing. A directory that
//! is older than it was names an older one, and is found out (KIP-966 asks for a clean shutdown instead).

use crate::quorum::Voter;
use crate::types::{BrokerEpoch, Uuid};

/// One start of the process.
#[derive(Clone, Hash, Debug)]
pub(super) struct Life {
    pub(super) me: Voter,
    /// It registers, and serves clients.
    pub(super) is_broker: bool,
    /// Drawn anew at each start.
    pub(super) incarnation: Uuid,
    /// Whether the directory came back whole.
    pub(super) is_whole: bool,
    /// The last registration that was kept.
    pub(super) registration: Option<BrokerEpoch>,
    /// The one that is being kept.
    pub(super) keeping: Option<BrokerEpoch>,
}
