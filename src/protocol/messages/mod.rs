//! Every request and its response, one file a pair, named as in Kafka's schema.

use super::message;

macro_rules! messages {
    ($($module:ident::$request:ident,)*) => {
        $(pub mod $module;)*

        /// The first flexible version of the call, if this crate knows the call.
        #[cfg(feature = "testing")]
        pub(crate) fn flexible_from(key: super::ApiKey) -> Option<i16> {
            $(if key == <$module::$request as super::Request>::KEY {
                return Some(<$module::$request as super::Request>::FLEXIBLE);
            })*
            None
        }

        /// Calls a macro with the list of all requests, for tests that must miss none.
        #[cfg(any(test, fuzzing, kafkio_internals))]
        macro_rules! for_each_request {
            ($callback:ident) => { $callback! { $($module::$request),* } };
        }
        #[cfg(any(test, fuzzing, kafkio_internals))]
        pub(crate) use for_each_request;
    };
}

messages! {
    produce::ProduceRequest,
    fetch::FetchRequest,
    list_offsets::ListOffsetsRequest,
    metadata::MetadataRequest,
    offset_commit::OffsetCommitRequest,
    offset_fetch::OffsetFetchRequest,
    find_coordinator::FindCoordinatorRequest,
    join_group::JoinGroupRequest,
    heartbeat::HeartbeatRequest,
    leave_group::LeaveGroupRequest,
    sync_group::SyncGroupRequest,
    describe_groups::DescribeGroupsRequest,
    list_groups::ListGroupsRequest,
    sasl_handshake::SaslHandshakeRequest,
    api_versions::ApiVersionsRequest,
    create_topics::CreateTopicsRequest,
    delete_topics::DeleteTopicsRequest,
    delete_records::DeleteRecordsRequest,
    init_producer_id::InitProducerIdRequest,
    offset_for_leader_epoch::OffsetForLeaderEpochRequest,
    add_partitions_to_txn::AddPartitionsToTxnRequest,
    add_offsets_to_txn::AddOffsetsToTxnRequest,
    end_txn::EndTxnRequest,
    write_txn_markers::WriteTxnMarkersRequest,
    txn_offset_commit::TxnOffsetCommitRequest,
    describe_acls::DescribeAclsRequest,
    create_acls::CreateAclsRequest,
    delete_acls::DeleteAclsRequest,
    describe_configs::DescribeConfigsRequest,
    alter_configs::AlterConfigsRequest,
    alter_replica_log_dirs::AlterReplicaLogDirsRequest,
    describe_log_dirs::DescribeLogDirsRequest,
    sasl_authenticate::SaslAuthenticateRequest,
    create_partitions::CreatePartitionsRequest,
    create_delegation_token::CreateDelegationTokenRequest,
    renew_delegation_token::RenewDelegationTokenRequest,
    expire_delegation_token::ExpireDelegationTokenRequest,
    describe_delegation_token::DescribeDelegationTokenRequest,
    delete_groups::DeleteGroupsRequest,
    elect_leaders::ElectLeadersRequest,
    incremental_alter_configs::IncrementalAlterConfigsRequest,
    alter_partition_reassignments::AlterPartitionReassignmentsRequest,
    list_partition_reassignments::ListPartitionReassignmentsRequest,
    offset_delete::OffsetDeleteRequest,
    describe_client_quotas::DescribeClientQuotasRequest,
    alter_client_quotas::AlterClientQuotasRequest,
    describe_user_scram_credentials::DescribeUserScramCredentialsRequest,
    alter_user_scram_credentials::AlterUserScramCredentialsRequest,
    describe_quorum::DescribeQuorumRequest,
    update_features::UpdateFeaturesRequest,
    describe_cluster::DescribeClusterRequest,
    describe_producers::DescribeProducersRequest,
    unregister_broker::UnregisterBrokerRequest,
    describe_transactions::DescribeTransactionsRequest,
    list_transactions::ListTransactionsRequest,
    consumer_group_heartbeat::ConsumerGroupHeartbeatRequest,
    consumer_group_describe::ConsumerGroupDescribeRequest,
    get_telemetry_subscriptions::GetTelemetrySubscriptionsRequest,
    push_telemetry::PushTelemetryRequest,
    list_config_resources::ListConfigResourcesRequest,
    describe_topic_partitions::DescribeTopicPartitionsRequest,
    share_group_heartbeat::ShareGroupHeartbeatRequest,
    share_group_describe::ShareGroupDescribeRequest,
    share_fetch::ShareFetchRequest,
    share_acknowledge::ShareAcknowledgeRequest,
    add_raft_voter::AddRaftVoterRequest,
    remove_raft_voter::RemoveRaftVoterRequest,
    streams_group_heartbeat::StreamsGroupHeartbeatRequest,
    streams_group_describe::StreamsGroupDescribeRequest,
    describe_share_group_offsets::DescribeShareGroupOffsetsRequest,
    alter_share_group_offsets::AlterShareGroupOffsetsRequest,
    delete_share_group_offsets::DeleteShareGroupOffsetsRequest,
}
