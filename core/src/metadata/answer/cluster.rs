//! DescribeCluster (KIP-700, KIP-919).

use super::{CLUSTER_OPERATIONS, Known};
use crate::config::Address;
use crate::msg::describe_cluster::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse};
use crate::types::{BrokerId, ErrorCode, ListenerType, Str};
use alloc::vec::Vec;

/// The two kinds of endpoint that a client may believe it talks to.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers DescribeCluster with the brokers or the controllers, whichever the listener is for. `voters` are those of the metadata
/// quorum whose address is known.
pub fn describe_cluster(
    known: &Known<'_>,
    voters: &[(BrokerId, Address)],
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let (endpoint_type, mismatch) = match known.listener_type() {
        ListenerType::Broker => (BROKERS, "this is an endpoint of brokers, not of controllers"),
        ListenerType::Controller => (CONTROLLERS, "this is an endpoint of controllers, not of brokers"),
    };
    let error = match request.endpoint_type {
        asked if asked == endpoint_type => None,
        BROKERS | CONTROLLERS => Some((ErrorCode::MismatchedEndpointType, mismatch)),
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
    let (controller_id, brokers) = match known.listener_type() {
        ListenerType::Broker => (known.controller(), brokers(known, request.include_fenced_brokers)),
        ListenerType::Controller => (known.leader.0, controllers(known, voters)),
    };
    let mut response = DescribeClusterResponse {
        endpoint_type: request.endpoint_type,
        cluster_id: known.cluster_id.clone(),
        controller_id,
        brokers,
        ..DescribeClusterResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

fn brokers(known: &Known<'_>, with_fenced: bool) -> Vec<DescribeClusterBroker> {
    let brokers = known.image.brokers().filter(|broker| !broker.fenced || with_fenced);
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
    brokers.collect()
}

/// The voters of the quorum; of a node that tells nobody where it is, itself.
fn controllers(known: &Known<'_>, voters: &[(BrokerId, Address)]) -> Vec<DescribeClusterBroker> {
    let voter = |(id, at): &(BrokerId, Address)| DescribeClusterBroker {
        broker_id: id.0,
        host: at.host.clone(),
        port: i32::from(at.port),
        ..DescribeClusterBroker::default()
    };
    let voters: Vec<_> = voters.iter().map(voter).collect();
    if !voters.is_empty() {
        return voters;
    }
    let own = known.own_listener().and_then(|listener| listener.advertised.as_ref());
    let own = own.map(|at| DescribeClusterBroker {
        broker_id: known.config.broker.id.0,
        host: at.host.clone(),
        port: i32::from(at.port),
        ..DescribeClusterBroker::default()
    });
    own.into_iter().collect()
}
