//! What only older versions have a field for, said in the fields of the newest: what is asked of another node goes in that one.

use super::Request;
use super::delete_topics::DeleteTopicState;
use crate::types::Uuid;

impl Request {
    /// The same request as the newest version says it. Only what goes on to the controller needs this.
    #[must_use]
    pub fn in_newest(mut self) -> Self {
        match &mut self {
            Self::DeleteTopics(body) => {
                let by_name = |name| DeleteTopicState { name: Some(name), topic_id: Uuid::ZERO };
                body.topics.extend(body.topic_names.drain(..).map(by_name));
            }
            Self::UpdateFeatures(body) => {
                for update in &mut body.feature_updates {
                    if core::mem::take(&mut update.allow_downgrade) {
                        update.upgrade_type = SAFE_DOWNGRADE;
                    }
                }
            }
            _ => {}
        }
        self
    }
}

/// The kind of change of UpdateFeatures that goes down where nothing is lost by it.
const SAFE_DOWNGRADE: i8 = 2;
