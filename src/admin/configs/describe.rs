//! Describes settings: values, and where they come from.

use std::collections::BTreeMap;

use super::{ConfigResource, ConfigResourceKind, check_resources};
use crate::admin::PerItem;
use crate::admin::{Call, codes, setters};
use crate::cluster::{Answers, At, Split, Target};
use crate::error::{Error, Result};
use crate::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse,
};

/// Describes settings: see [`Client::describe_configs`](crate::Client::describe_configs).
#[derive(Clone, Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct DescribeConfigs {
    resources: Vec<ConfigResource>,
    keys: Option<Vec<String>>,
    include_synonyms: bool,
    include_documentation: bool,
}

impl DescribeConfigs {
    /// Describes the settings of these resources. Needs Kafka 0.11 (KIP-133).
    pub fn new(resources: impl IntoIterator<Item = ConfigResource>) -> Self {
        Self {
            resources: resources.into_iter().collect(),
            keys: None,
            include_synonyms: false,
            include_documentation: false,
        }
    }

    /// Only the settings of these names, of which there must be one. Default: all.
    pub fn keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.keys = Some(keys.into_iter().map(Into::into).collect());
        self
    }
}

impl Call<DescribeConfigs> {
    /// Only the settings of these names, of which there must be one. Default: all.
    pub fn keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.operation = self.operation.keys(keys);
        self
    }
}

setters!(DescribeConfigs {
    /// Also where else each value may come from. Default: no. Needs Kafka 1.1 (KIP-226).
    include_synonyms: bool => |this, value| this.include_synonyms = value;
    /// Also what each setting is for. Default: no. Needs Kafka 2.6 (KIP-569).
    include_documentation: bool => |this, value| this.include_documentation = value;
});

codes! {
    /// Where the value of a setting comes from.
    enum ConfigSource {
        /// It was set for this topic.
        Topic = 1,
        /// It was set for this broker at run time.
        DynamicBroker = 2,
        /// It was set for all brokers at run time.
        DynamicBrokerDefault = 3,
        /// It is in the broker's file of settings.
        StaticBroker = 4,
        /// Nobody set it.
        Default = 5,
        /// It was set for this logger of this broker at run time.
        DynamicBrokerLogger = 6,
        /// It was set for this subscription to metrics.
        ClientMetrics = 7,
        /// It was set for this group.
        Group = 8,
    }
}

codes! {
    /// What values a setting takes.
    enum ConfigType {
        /// `true` or `false`.
        Boolean = 1,
        /// Text.
        String = 2,
        /// A number of 32 bits.
        Int = 3,
        /// A number of 16 bits.
        Short = 4,
        /// A number of 64 bits.
        Long = 5,
        /// A number with a fraction.
        Double = 6,
        /// Texts with commas between them: such a setting can be appended to and subtracted from.
        List = 7,
        /// The name of a Java class.
        Class = 8,
        /// A secret; its value is never told.
        Password = 9,
    }
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` if it has none, or is sensitive.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed at run time.
    pub is_read_only: bool,
    /// Whether the value is a secret, or may be one.
    pub is_sensitive: bool,
    /// What values it takes, from Kafka 2.6 on.
    pub kind: Option<ConfigType>,
    /// Where the value may come from, this one and others, the strongest first; if asked for.
    pub synonyms: Vec<ConfigSynonym>,
    /// What it is for, if asked for and known.
    pub documentation: Option<String>,
}

/// A value that another setting, or another source, has for the same thing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigSynonym {
    /// Its name there: `log.retention.ms` of a broker for `retention.ms` of a topic.
    pub name: String,
    /// Its value there; `None` if it is sensitive.
    pub value: Option<String>,
    /// Where that is.
    pub source: ConfigSource,
}

impl ConfigEntry {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            value: None,
            source: ConfigSource::Default,
            is_read_only: false,
            is_sensitive: false,
            kind: None,
            synonyms: Vec::new(),
            documentation: None,
        }
    }

    /// Whether nobody set it.
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }

    fn from_wire(kind: ConfigResourceKind, config: DescribeConfigsResourceResult) -> Self {
        // Version 0 only says whether somebody set it.
        let source = match (config.config_source, kind) {
            (-1, _) if config.is_default => ConfigSource::Default,
            (-1, ConfigResourceKind::Topic) => ConfigSource::Topic,
            (-1, ConfigResourceKind::Broker) => ConfigSource::StaticBroker,
            (code, _) => ConfigSource::from_code(code),
        };
        let synonyms = config.synonyms.into_iter().map(|synonym| ConfigSynonym {
            name: synonym.name,
            value: synonym.value,
            source: ConfigSource::from_code(synonym.source),
        });
        Self {
            value: config.value,
            source,
            is_read_only: config.read_only,
            is_sensitive: config.is_sensitive,
            kind: Some(config.config_type).filter(|code| *code > 0).map(ConfigType::from_code),
            synonyms: synonyms.collect(),
            documentation: config.documentation.filter(|text| !text.is_empty()),
            ..Self::new(config.name)
        }
    }
}

impl PerItem for DescribeConfigs {
    fn items(&self) -> Vec<Self::Item> {
        self.resources.clone()
    }

    fn check(&self) -> Result<()> {
        // To brokers, no names mean all.
        if self.keys.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::config("keys: there are none"));
        }
        check_resources(&self.resources)
    }
}

impl Split for DescribeConfigs {
    type Item = ConfigResource;
    type Key = ConfigResource;
    type Request = DescribeConfigsRequest;
    type Value = BTreeMap<String, ConfigEntry>;
    const WHAT: &'static str = "describe configs of";

    fn key(&self, resource: &ConfigResource) -> ConfigResource {
        resource.clone()
    }

    fn target(&self, resource: &ConfigResource) -> Target {
        resource.target()
    }

    #[inline]
    fn request(&self, resources: &[ConfigResource], _: &At) -> Result<DescribeConfigsRequest> {
        let resource = |resource: &ConfigResource| DescribeConfigsResource {
            resource_type: resource.kind.code(),
            resource_name: resource.name.clone(),
            configuration_keys: self.keys.clone(),
            ..Default::default()
        };
        Ok(DescribeConfigsRequest {
            resources: resources.iter().map(resource).collect(),
            include_synonyms: self.include_synonyms,
            include_documentation: self.include_documentation,
            ..Default::default()
        })
    }

    #[inline]
    fn answers(
        &self,
        _: &[ConfigResource],
        response: DescribeConfigsResponse,
        answers: &mut Answers<ConfigResource, Self::Value>,
    ) {
        for result in response.results {
            let kind = ConfigResourceKind::from_code(result.resource_type);
            let entries = result.configs.into_iter().map(|config| {
                let entry = ConfigEntry::from_wire(kind, config);
                (entry.name.clone(), entry)
            });
            let resource = ConfigResource::new(kind, result.resource_name);
            answers.insert(resource, result.error_code, result.error_message, entries.collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_broker_tells_the_source_by_half() {
        let source = |kind, is_default, config_source| {
            let config =
                DescribeConfigsResourceResult { is_default, config_source, ..Default::default() };
            ConfigEntry::from_wire(kind, config).source
        };
        assert_eq!(source(ConfigResourceKind::Topic, true, -1), ConfigSource::Default);
        assert_eq!(source(ConfigResourceKind::Topic, false, -1), ConfigSource::Topic);
        assert_eq!(source(ConfigResourceKind::Broker, false, -1), ConfigSource::StaticBroker);
        assert_eq!(source(ConfigResourceKind::Topic, false, 3), ConfigSource::DynamicBrokerDefault);
        assert_eq!(source(ConfigResourceKind::Topic, false, 99), ConfigSource::Other(99));
    }
}
