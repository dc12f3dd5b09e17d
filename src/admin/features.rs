//! Features: which versions of what a cluster as a whole has switched on, such as
//! `metadata.version` or `transaction.version` (KIP-584).
//!
//! ```no_run
//! # // The in-process cluster has no features.
//! # async fn example(client: kafkio::Client) -> kafkio::Result<()> {
//! use kafkio::admin::features::FeatureUpdate;
//!
//! let features = client.describe_features().await?;
//! let newest = *features.supported["transaction.version"].end();
//! println!("{:?} of {newest}", features.finalized.get("transaction.version"));
//! let update = FeatureUpdate::upgrade("transaction.version", newest);
//! client.update_features([update]).validate_only(true).await?.into_result()?;
//! # Ok(()) }
//! ```

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::sealed::{Context, Run};
use super::{PerItem, Running, check_once, setters};
use crate::cluster::{Answers, At, Split, Target, check_response};
use crate::error::{Error, Result};
use crate::protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::messages::update_features::{
    FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use crate::transport::api_versions_request;

/// Tells the features of the cluster: see
/// [`Client::describe_features`](crate::Client::describe_features).
#[derive(Clone, Debug, Default)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeFeatures {
    broker: Option<i32>,
}

impl DescribeFeatures {
    /// Asks any broker. Needs Kafka 2.4, and tells something from Kafka 2.7 on.
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(DescribeFeatures {
    /// Which broker to ask: brokers of different releases support different levels. Default: any.
    broker: i32 => |this, value| this.broker = Some(value);
});

/// The features of a cluster, as one broker knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// The levels that the broker could take part in. Level 0, off, is not in the range of a
    /// broker before Kafka 3.9.
    pub supported: BTreeMap<String, RangeInclusive<i16>>,
    /// The levels that the cluster has; a feature that is off is not in it.
    pub finalized: BTreeMap<String, RangeInclusive<i16>>,
    /// Counts the changes of `finalized`; `None` if the broker does not know them.
    pub finalized_epoch: Option<i64>,
}

impl Run for DescribeFeatures {
    type Output = Features;

    #[inline]
    fn run(self, Context { cluster, deadline }: Context) -> Running<Self::Output> {
        Box::pin(async move {
            let request = |at: &At| {
                at.needs::<ApiVersionsRequest>(3, "describing features")?;
                Ok(api_versions_request())
            };
            let read = |response: ApiVersionsResponse| {
                check_response(response.error_code, None)?;
                let supported = response.supported_features.into_iter();
                let finalized = response.finalized_features.into_iter();
                Ok(Features {
                    supported: supported
                        .map(|it| (it.name, it.min_version..=it.max_version))
                        .collect(),
                    finalized: finalized
                        .map(|it| (it.name, it.min_version_level..=it.max_version_level))
                        .collect(),
                    finalized_epoch: Some(response.finalized_features_epoch).filter(|it| *it >= 0),
                })
            };
            let target = self.broker.map_or(Target::Any, Target::Broker);
            cluster.ask(&target, deadline, "describe features", request, read).await
        })
    }
}

/// Another level of a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureUpdate {
    feature: String,
    level: i16,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Upgrade = 1,
    Downgrade = 2,
    UnsafeDowngrade = 3,
}

impl FeatureUpdate {
    /// Raises the level to this one.
    pub fn upgrade(feature: impl Into<String>, level: i16) -> Self {
        Self { feature: feature.into(), level, kind: Kind::Upgrade }
    }

    /// Lowers the level to this one, 0 to turn the feature off, if no metadata are lost by it.
    pub fn downgrade(feature: impl Into<String>, level: i16) -> Self {
        Self { feature: feature.into(), level, kind: Kind::Downgrade }
    }

    /// Lowers the level to this one, 0 to turn the feature off; **metadata that the lower level
    /// lacks are lost**. Needs Kafka 3.3.
    pub fn unsafe_downgrade(feature: impl Into<String>, level: i16) -> Self {
        Self { feature: feature.into(), level, kind: Kind::UnsafeDowngrade }
    }
}

/// Changes the levels of features: see
/// [`Client::update_features`](crate::Client::update_features).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct UpdateFeatures {
    updates: Vec<FeatureUpdate>,
    validate_only: bool,
}

impl UpdateFeatures {
    /// Makes these changes. Needs Kafka 2.7.
    pub fn new(updates: impl IntoIterator<Item = FeatureUpdate>) -> Self {
        Self { updates: updates.into_iter().collect(), validate_only: false }
    }
}

setters!(UpdateFeatures {
    /// Only asks whether the changes could be made. Default: no. Needs Kafka 3.3.
    validate_only: bool => |this, value| this.validate_only = value;
});

impl Split for UpdateFeatures {
    type Item = FeatureUpdate;
    type Key = String;
    type Request = UpdateFeaturesRequest;
    type Value = ();
    const WHAT: &'static str = "update the feature";

    fn key(&self, item: &FeatureUpdate) -> String {
        item.feature.clone()
    }

    fn target(&self, _: &FeatureUpdate) -> Target {
        Target::Controller
    }

    #[inline]
    fn request(&self, items: &[FeatureUpdate], at: &At) -> Result<UpdateFeaturesRequest> {
        let update = |item: &FeatureUpdate| {
            // Version 0 knows one way down.
            let old = at.version == 0 && item.kind == Kind::Downgrade;
            FeatureUpdateKey {
                feature: item.feature.clone(),
                max_version_level: item.level,
                allow_downgrade: old,
                upgrade_type: if old { 1 } else { item.kind as i8 },
                ..Default::default()
            }
        };
        Ok(UpdateFeaturesRequest {
            timeout_ms: at.left_ms,
            feature_updates: items.iter().map(update).collect(),
            validate_only: self.validate_only,
            ..Default::default()
        })
    }

    #[inline]
    fn answers(
        &self,
        items: &[FeatureUpdate],
        response: UpdateFeaturesResponse,
        answers: &mut Answers<String, ()>,
    ) {
        answers.all(response.error_code, response.error_message);
        for result in response.results {
            answers.insert(result.feature, result.error_code, result.error_message, ());
        }
        // From version 2 on all features share one answer.
        if response.error_code == 0 && answers.version >= 2 {
            for item in items {
                answers.insert(item.feature.clone(), 0, None, ());
            }
        }
    }
}

impl PerItem for UpdateFeatures {
    fn items(&self) -> Vec<Self::Item> {
        self.updates.clone()
    }

    fn check(&self) -> Result<()> {
        for FeatureUpdate { feature, level, kind } in &self.updates {
            if feature.is_empty() {
                return Err(Error::config("update features: a name is empty"));
            }
            if *level < 0 || (*level == 0 && *kind == Kind::Upgrade) {
                let text = format!("update the feature {feature}: {level} is no level to reach");
                return Err(Error::config(text));
            }
        }
        check_once("feature", self.updates.iter().map(|update| &update.feature))
    }
}
