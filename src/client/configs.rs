//! Settings: see [`admin::configs`](crate::admin::configs).

use std::collections::BTreeMap;

use super::Client;
use crate::admin::Call;
use crate::admin::configs::{
    AlterConfigs, ConfigChanges, ConfigResource, ConfigResourceKind, DescribeConfigs,
    IncrementalAlterConfigs, ListConfigResources,
};

impl Client {
    /// Describes the settings of resources, by their names: values, and where they come from. What
    /// belongs to one broker is asked of it. See [`DescribeConfigs`].
    pub fn describe_configs(
        &self,
        resources: impl IntoIterator<Item = ConfigResource>,
    ) -> Call<DescribeConfigs> {
        self.request(DescribeConfigs::new(resources))
    }

    /// Changes some settings of resources, and leaves the others alone: see
    /// [`IncrementalAlterConfigs`].
    pub fn incremental_alter_configs(
        &self,
        changes: impl IntoIterator<Item = ConfigChanges>,
    ) -> Call<IncrementalAlterConfigs> {
        self.request(IncrementalAlterConfigs::new(changes))
    }

    /// Replaces **all** settings of resources: what is not given goes back to its default, also
    /// what somebody else has just set. For brokers before Kafka 2.3; with newer ones use
    /// [`incremental_alter_configs`](Self::incremental_alter_configs). See [`AlterConfigs`].
    pub fn alter_configs(
        &self,
        configs: impl IntoIterator<Item = (ConfigResource, BTreeMap<String, String>)>,
    ) -> Call<AlterConfigs> {
        self.request(AlterConfigs::new(configs))
    }

    /// Lists the resources of these kinds that have settings; with no kinds, of all. See
    /// [`ListConfigResources`].
    pub fn list_config_resources(
        &self,
        kinds: impl IntoIterator<Item = ConfigResourceKind>,
    ) -> Call<ListConfigResources> {
        self.request(ListConfigResources::new(kinds))
    }
}
