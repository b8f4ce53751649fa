//! What coordinators and the controller have in common: they look, decide, and let a log remember.
//!
//! ```text
//!   ask ──▶ decide ──▶ records ──▶ appended to the shard's own log ──▶ applied ──▶ replies, once the log has committed
//! ```
//!
//! A shard that lost its log's leadership, or whose append failed, is dropped and loaded again from the log; so there is
//! nothing to roll back.

use crate::boundary::Note;
use crate::config::Config;
use crate::types::{Now, Rng};
use alloc::vec::Vec;

/// What every handler may use of the world.
pub struct Cx<'a> {
    /// The clocks, read once for this step.
    pub now: Now,
    /// Every setting.
    pub config: &'a Config,
    /// The node's stream of chance.
    pub rng: &'a mut Rng,
    /// Where facts for people and oracles go.
    pub notes: &'a mut Vec<Note>,
}

/// A decision: what to remember and what to answer. The replies leave when all records are committed; without records,
/// at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict<Record, Reply> {
    /// To be appended as one batch, and applied in this order.
    pub records: Vec<Record>,
    /// The answers that depend on them.
    pub replies: Vec<Reply>,
}

impl<Record, Reply> Verdict<Record, Reply> {
    /// An answer that needs nothing remembered.
    pub fn reply(reply: Reply) -> Self {
        Self { records: Vec::new(), replies: alloc::vec![reply] }
    }
}
