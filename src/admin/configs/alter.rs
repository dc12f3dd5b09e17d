//! Changes settings: one by one, or as the old call does, all of a resource at once.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use super::{ConfigResource, ConfigResourceKind, check_resources};
use crate::admin::PerItem;
use crate::admin::setters;
use crate::cluster::{Answers, At, Split, Target};
use crate::error::{Error, Result};
use crate::protocol::Request;
use crate::protocol::messages::alter_configs as legacy;
use crate::protocol::messages::alter_configs::AlterConfigsRequest;
use crate::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};

/// Changes of the settings of one resource; its other settings stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "configs are changed by `Client::incremental_alter_configs`"]
pub struct ConfigChanges {
    resource: ConfigResource,
    changes: Vec<(String, Change)>,
}

#[derive(Clone, PartialEq, Eq)]
enum Change {
    Set(String),
    Delete,
    Append(String),
    Subtract(String),
}

impl ConfigChanges {
    /// No changes yet.
    pub fn new(resource: ConfigResource) -> Self {
        Self { resource, changes: Vec::new() }
    }

    /// Gives a setting this value.
    pub fn set(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.change(name, Change::Set(value.into()))
    }

    /// Takes away what was set, so that the default holds again.
    pub fn delete(self, name: impl Into<String>) -> Self {
        self.change(name, Change::Delete)
    }

    /// Adds to a list: one text, or several with commas between them.
    pub fn append(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.change(name, Change::Append(value.into()))
    }

    /// Takes out of a list: one text, or several with commas between them.
    pub fn subtract(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.change(name, Change::Subtract(value.into()))
    }

    fn change(mut self, name: impl Into<String>, change: Change) -> Self {
        self.changes.push((name.into(), change));
        self
    }
}

/// Without the value, which may be a password.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set(_) => "Set",
            Self::Delete => "Delete",
            Self::Append(_) => "Append",
            Self::Subtract(_) => "Subtract",
        })
    }
}

fn check(items: &[ConfigChanges]) -> Result<()> {
    check_resources(items.iter().map(|item| &item.resource))?;
    for item in items {
        let mut seen = HashSet::new();
        for (name, _) in &item.changes {
            if name.is_empty() || !seen.insert(name) {
                let wrong = if name.is_empty() { "without a name" } else { "is named twice" };
                return Err(Error::config(format!("{}: setting {name} {wrong}", item.resource)));
            }
        }
    }
    Ok(())
}

/// What both ways have in common; `resource` says how the request puts one item.
macro_rules! alters {
    ($operation:ident, $request:ident, $what:literal, $resource:ident) => {
        setters!($operation {
            /// Only asks whether the settings could be made. Default: no.
            validate_only: bool => |this, value| this.validate_only = value;
        });

        impl PerItem for $operation {
            fn items(&self) -> Vec<Self::Item> {
                self.items.clone()
            }

            fn check(&self) -> Result<()> {
                check(&self.items)
            }
        }

        impl Split for $operation {
            type Item = ConfigChanges;
            type Key = ConfigResource;
            type Request = $request;
            type Value = ();
            const WHAT: &'static str = $what;

            fn key(&self, item: &ConfigChanges) -> ConfigResource {
                item.resource.clone()
            }

            fn target(&self, item: &ConfigChanges) -> Target {
                item.resource.target()
            }

            fn controller_target(&self, item: &ConfigChanges) -> Target {
                item.resource.controller_target()
            }

            fn request(&self, items: &[ConfigChanges], _: &At) -> Result<Self::Request> {
                Ok($request {
                    resources: items.iter().map($resource).collect(),
                    validate_only: self.validate_only,
                    ..Default::default()
                })
            }

            fn answers(
                &self,
                _: &[ConfigChanges],
                response: <Self::Request as Request>::Response,
                answers: &mut Answers<ConfigResource, ()>,
            ) {
                for result in response.responses {
                    let kind = ConfigResourceKind::from_code(result.resource_type);
                    let resource = ConfigResource::new(kind, result.resource_name);
                    answers.insert(resource, result.error_code, result.error_message, ());
                }
            }
        }
    };
}

/// Changes settings one by one: see
/// [`Client::incremental_alter_configs`](crate::Client::incremental_alter_configs).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct IncrementalAlterConfigs {
    items: Vec<ConfigChanges>,
    validate_only: bool,
}

impl IncrementalAlterConfigs {
    /// Makes these changes, those of one resource together or not at all. Needs Kafka 2.3
    /// (KIP-339).
    pub fn new(changes: impl IntoIterator<Item = ConfigChanges>) -> Self {
        Self { items: changes.into_iter().collect(), validate_only: false }
    }
}

alters!(IncrementalAlterConfigs, IncrementalAlterConfigsRequest, "alter configs of", changed);

fn changed(item: &ConfigChanges) -> AlterConfigsResource {
    let config = |(name, change): &(String, Change)| {
        let (config_operation, value) = match change {
            Change::Set(value) => (0, Some(value.clone())),
            Change::Delete => (1, None),
            Change::Append(value) => (2, Some(value.clone())),
            Change::Subtract(value) => (3, Some(value.clone())),
        };
        AlterableConfig { name: name.clone(), config_operation, value, ..Default::default() }
    };
    AlterConfigsResource {
        resource_type: item.resource.kind.code(),
        resource_name: item.resource.name.clone(),
        configs: item.changes.iter().map(config).collect(),
        ..Default::default()
    }
}

/// Replaces all settings of resources: see [`Client::alter_configs`](crate::Client::alter_configs).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct AlterConfigs {
    items: Vec<ConfigChanges>,
    validate_only: bool,
}

impl AlterConfigs {
    /// Gives each resource these settings, and takes away all others that were set for it. Needs
    /// Kafka 0.11 (KIP-133).
    pub fn new(
        configs: impl IntoIterator<Item = (ConfigResource, BTreeMap<String, String>)>,
    ) -> Self {
        let items = configs.into_iter().map(|(resource, configs)| {
            let changes = configs.into_iter().map(|(name, value)| (name, Change::Set(value)));
            ConfigChanges { resource, changes: changes.collect() }
        });
        Self { items: items.collect(), validate_only: false }
    }
}

alters!(AlterConfigs, AlterConfigsRequest, "replace configs of", replaced);

fn replaced(item: &ConfigChanges) -> legacy::AlterConfigsResource {
    let config = |(name, change): &(String, Change)| legacy::AlterableConfig {
        name: name.clone(),
        value: match change {
            Change::Set(value) => Some(value.clone()),
            _ => None,
        },
        ..Default::default()
    };
    legacy::AlterConfigsResource {
        resource_type: item.resource.kind.code(),
        resource_name: item.resource.name.clone(),
        configs: item.changes.iter().map(config).collect(),
        ..Default::default()
    }
}
