//! DescribeCluster (KIP-700, KIP-919).

use super::{CLUSTER_OPERATIONS, Known};
use crate::msg::describe_cluster::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse};
use crate::types::{ErrorCode, Str};

/// The two kinds of endpoint that a client may believe it talks to.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers DescribeCluster. The endpoint is one of brokers, always.
pub fn describe_cluster(known: &Known<'_>, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    let error = match request.endpoint_type {
        BROKERS => None,
        CONTROLLERS => Some((ErrorCode::MismatchedEndpointType, "this is an endpoint of brokers, not of controllers")),
        _ => Some((ErrorCode::UnsupportedEndpointType, "there is no such type of endpoint")),
    };
    if let Some((error, message)) = error {
        let error = if known.version == 0 { ErrorCode::InvalidRequest } else { error };
        return DescribeClusterResponse {
            error_code: error.code(),
            error_message: Some(Str::from_static(message)),
            ..DescribeClusterResponse::default()
        };
    }
    let brokers = known.image.brokers().filter(|broker| !broker.fenced || request.include_fenced_brokers);
    let brokers = brokers.filter_map(|broker| {
        let endpoint = broker.endpoint(known.listener)?;
        Some(DescribeClusterBroker {
            broker_id: broker.id.0,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: broker.rack.clone(),
            is_fenced: broker.fenced,
        })
    });
    let mut response = DescribeClusterResponse {
        cluster_id: known.cluster_id.clone(),
        controller_id: known.controller(),
        brokers: brokers.collect(),
        ..DescribeClusterResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}
