//! The cluster, its features and its quorum: see [`admin::cluster`](crate::admin::cluster),
//! [`admin::features`](crate::admin::features) and [`admin::quorum`](crate::admin::quorum).

use super::Client;
use crate::admin::Call;
use crate::admin::cluster::{DescribeApiVersions, DescribeCluster, UnregisterBroker};
use crate::admin::features::{DescribeFeatures, FeatureUpdate, UpdateFeatures};
use crate::admin::quorum::{AddRaftVoter, DescribeQuorum, RemoveRaftVoter, VoterEndpoint};
use crate::wire::Uuid;

impl Client {
    /// Describes the brokers of the cluster.
    pub fn describe_cluster(&self) -> Call<DescribeCluster> {
        self.request(DescribeCluster::new())
    }

    /// Tells which calls a broker knows, and in which versions.
    pub fn api_versions(&self, broker: i32) -> Call<DescribeApiVersions> {
        self.request(DescribeApiVersions::new(broker))
    }

    /// Makes the cluster forget a broker that does not come back. One that is alive is out until
    /// it is started again; one that was never there is `BROKER_ID_NOT_REGISTERED`.
    pub fn unregister_broker(&self, broker: i32) -> Call<UnregisterBroker> {
        self.request(UnregisterBroker::new(broker))
    }

    /// Tells which levels of its features the cluster has and supports.
    pub fn describe_features(&self) -> Call<DescribeFeatures> {
        self.request(DescribeFeatures::new())
    }

    /// Raises or lowers the levels of features. From Kafka 4.0 on all of them change or none: each
    /// has the same result then.
    pub fn update_features(
        &self,
        updates: impl IntoIterator<Item = FeatureUpdate>,
    ) -> Call<UpdateFeatures> {
        self.request(UpdateFeatures::new(updates))
    }

    /// Describes the controllers, and how far each has come.
    pub fn describe_quorum(&self) -> Call<DescribeQuorum> {
        self.request(DescribeQuorum::new())
    }

    /// Gives a controller a vote. It must be running, and be an observer of the quorum by now.
    /// `DUPLICATE_VOTER` where its id votes already.
    pub fn add_raft_voter(
        &self,
        voter: i32,
        directory: Uuid,
        endpoints: impl IntoIterator<Item = VoterEndpoint>,
    ) -> Call<AddRaftVoter> {
        self.request(AddRaftVoter::new(voter, directory, endpoints))
    }

    /// Takes the vote from a controller, alive or not. `VOTER_NOT_FOUND` where there is none of this
    /// id with this directory.
    pub fn remove_raft_voter(&self, voter: i32, directory: Uuid) -> Call<RemoveRaftVoter> {
        self.request(RemoveRaftVoter::new(voter, directory))
    }
}
