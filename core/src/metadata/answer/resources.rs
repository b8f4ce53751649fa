//! ListConfigResources (KIP-1142): what DescribeConfigs can be asked about.

use super::Known;
use crate::metadata::Resource;
use crate::msg::list_config_resources::{ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse};
use crate::types::{ErrorCode, Str};
use alloc::string::ToString;
use alloc::vec::Vec;

/// Answers ListConfigResources. No kind named means every kind that the version knows.
pub fn list_config_resources(known: &Known<'_>, request: &ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    let version_kinds: &[i8] = match known.version {
        // Of client metrics and groups there are none, so none are listed.
        0 => &[Resource::CLIENT_METRICS],
        _ => &[Resource::TOPIC, Resource::BROKER, Resource::BROKER_LOGGER, Resource::CLIENT_METRICS, Resource::GROUP],
    };
    let kinds = if request.resource_types.is_empty() { version_kinds } else { &request.resource_types };
    if kinds.iter().any(|kind| !version_kinds.contains(kind)) {
        let error_code = ErrorCode::UnsupportedVersion.code();
        return ListConfigResourcesResponse { error_code, ..ListConfigResourcesResponse::default() };
    }
    let mut config_resources: Vec<ConfigResource> = Vec::new();
    let mut add = |resource_type, resource_name| {
        config_resources.push(ConfigResource { resource_name, resource_type });
    };
    for kind in [Resource::BROKER_LOGGER, Resource::BROKER].into_iter().filter(|kind| kinds.contains(kind)) {
        known.image.brokers().for_each(|broker| add(kind, Str::from(broker.id.0.to_string())));
    }
    if kinds.contains(&Resource::TOPIC) {
        known.image.topics().for_each(|topic| add(Resource::TOPIC, topic.name.clone()));
    }
    ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() }
}
