//! `DescribeCluster`: the brokers, or the controllers, of a cluster. Any of them answers (KIP-700).

use super::message;

message! {
    request DescribeClusterRequest(60): 0..=2, flexible 0, to Any, returns DescribeClusterResponse;

    /// Asks for the brokers (endpoint type 1) or the controllers (2).
    struct DescribeClusterRequest {
        include_cluster_authorized_operations: bool [..],
        endpoint_type: i8 [1..] = 1,
        include_fenced_brokers: bool [2..],
    }
}

message! {
    /// The cluster as the node that was asked sees it.
    struct DescribeClusterResponse {
        throttle_time_ms: i32 [..],
        error_code: i16 [..],
        error_message: Option<String> [..],
        endpoint_type: i8 [1..] = 1,
        cluster_id: String [..],
        controller_id: i32 [..] = -1,
        brokers: Vec<DescribeClusterBroker> [..],
        cluster_authorized_operations: i32 [..] = i32::MIN,
    }

    /// One node. A fenced broker is known, but has no part in the cluster.
    struct DescribeClusterBroker {
        broker_id: i32 [..],
        host: String [..],
        port: i32 [..],
        rack: Option<String> [..],
        is_fenced: bool [2..],
    }
}
