//! What every client asks first: do my topics exist, and what are their ids?

use super::{Cx, Versions};
use crate::model::Model;
use ottla_core::msg::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use ottla_core::msg::{ApiKey, Response};
use ottla_core::types::{ErrorCode, Str};

/// The tag under which the question is asked.
pub const DIRECTORY: u64 = u64::MAX;

/// Asks for the metadata of these topics.
pub fn ask(cx: &mut Cx, topics: &[usize]) {
    let named = |topic: &usize| MetadataRequestTopic {
        name: Some(Str::from(cx.model.topics[*topic].name.as_str())),
        ..Default::default()
    };
    let topics = Some(topics.iter().map(named).collect());
    // Older versions cannot say that a topic shall not be made on the way.
    let allow_auto_topic_creation = cx.versions.of(ApiKey::Metadata) < 4;
    cx.ask(DIRECTORY, MetadataRequest { topics, allow_auto_topic_creation, ..Default::default() });
}

/// Whether the answer says that all these topics are there, with a leader for each partition. Learns their ids.
pub fn answered(model: &mut Model, versions: &Versions, topics: &[usize], body: Response) -> bool {
    let Response::Metadata(MetadataResponse { topics: found, .. }) = body else { return false };
    let mut complete = 0;
    for answer in &found {
        let Some(topic) = answer.name.as_deref().and_then(|name| model.topic_named(name)) else { continue };
        if answer.error_code != ErrorCode::None.code() {
            model.mark("topics not ready");
            continue;
        }
        let known = &model.topics[topic];
        let leads = answer.partitions.iter().filter(|partition| partition.leader_id >= 0).count();
        if leads != known.partitions as usize {
            model.mark("topics not ready");
            continue;
        }
        if versions.of(ApiKey::Metadata) >= 10 {
            match known.id {
                Some(id) if id != answer.topic_id => {
                    let text = format!("{} had id {id} and has {}", known.name, answer.topic_id);
                    model.find("topics", text);
                }
                Some(_) => {}
                None => model.topics[topic].id = Some(answer.topic_id),
            }
        }
        complete += 1;
    }
    complete == topics.len()
}
