//! The configurations that the cluster knows: their types, defaults and legal values, and where a
//! value comes from. Knows no requests.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::state::{Refusal, State, Values};
use crate::protocol::ErrorCode;

/// The configurations of a topic, or of a broker (id as text; empty for all brokers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    Topic(&'a str),
    Broker(&'a str),
}

/// A configuration with its value.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) kind: i8,
    pub(super) read_only: bool,
    /// Name, value and source, the strongest first.
    pub(super) synonyms: Vec<(String, String, i8)>,
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Boolean,
    Int(i32),
    Long(i64),
    /// From 0 to 1.
    Ratio,
    OneOf(&'static [&'static str]),
    /// Of these, or of anything where there are none.
    List(&'static [&'static str]),
}

/// Where a value comes from, in Kafka's numbers.
const DYNAMIC_TOPIC: i8 = 1;
const DYNAMIC_BROKER: i8 = 2;
const DYNAMIC_DEFAULT_BROKER: i8 = 3;
const STATIC_BROKER: i8 = 4;
pub(super) const DEFAULT: i8 = 5;

impl Described {
    pub(super) fn source(&self) -> i8 {
        self.synonyms.first().map_or(DEFAULT, |(.., source)| *source)
    }

    /// Kafka hides what it does not know.
    pub(super) fn is_sensitive(&self) -> bool {
        self.kind == 0
    }
}

impl Kind {
    /// `CONFIG_TYPE` of `DescribeConfigs`.
    fn number(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::OneOf(_) => 2,
            Self::Int(_) => 3,
            Self::Long(_) => 5,
            Self::Ratio => 6,
            Self::List(_) => 7,
        }
    }

    fn check(self, name: &str, value: &str) -> Result<(), String> {
        let wrong = |why: &dyn Display| {
            Err(format!("Invalid value {value} for configuration {name}: {why}"))
        };
        let at_least = |number: Option<i64>, least: i64, what: &str| match number {
            None => wrong(&format_args!("Not a number of type {what}")),
            Some(number) if number < least => {
                wrong(&format_args!("Value must be at least {least}"))
            }
            Some(_) => Ok(()),
        };
        let one_of = |value: &str, legal: &[&str]| {
            if legal.contains(&value) {
                return Ok(());
            }
            let why = format!("String must be one of: {}", legal.join(", "));
            Err(format!("Invalid value {value} for configuration {name}: {why}"))
        };
        match self {
            Self::Boolean if !matches!(value, "true" | "false") => {
                wrong(&"Expected value to be either true or false")
            }
            Self::Int(least) => {
                at_least(value.parse::<i32>().ok().map(Into::into), least.into(), "INT")
            }
            Self::Long(least) => at_least(value.parse().ok(), least, "LONG"),
            Self::Ratio => match value.parse::<f64>() {
                Err(_) => wrong(&"Not a number of type DOUBLE"),
                Ok(..0.0) => wrong(&"Value must be at least 0"),
                Ok(number) if number > 1.0 => wrong(&"Value must be no more than 1"),
                Ok(_) => Ok(()),
            },
            Self::OneOf(legal) => one_of(value, legal),
            Self::List(legal) if !legal.is_empty() => {
                parts(value).try_for_each(|part| one_of(part, legal))
            }
            Self::Boolean | Self::List(_) => Ok(()),
        }
    }
}

/// Checks name and value of a topic's configuration.
pub(super) fn check_config(name: &str, value: &str) -> Result<(), String> {
    match TOPIC_CONFIGS.iter().find(|row| row.0 == name) {
        Some((_, kind, ..)) => kind.check(name, value),
        None => Err(format!("Unknown topic config name: {name}")),
    }
}

/// The parts of a list.
pub(super) fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// The value that a list has before it is appended to; `None` for what is no list.
pub(super) fn list(resource: Resource<'_>, name: &str, values: &Values) -> Option<String> {
    let mut rows = TOPIC_CONFIGS.iter();
    let row = rows.find(|(of_topic, _, _, of_broker)| match resource {
        Resource::Topic(_) => *of_topic == name,
        Resource::Broker(_) => *of_broker == name,
    });
    match row? {
        (_, Kind::List(_), default, _) => {
            Some(values.get(name).map_or(*default, String::as_str).to_owned())
        }
        _ => None,
    }
}

/// What was set for the resource.
pub(super) fn values(state: &State, resource: Resource<'_>) -> Option<Values> {
    match resource {
        Resource::Topic(name) => Some(state.topics.0.get(name)?.configs.clone()),
        Resource::Broker(id) => Some(state.broker_configs.get(id).cloned().unwrap_or_default()),
    }
}

/// Sets all of them, if they can be.
pub(super) fn replace(
    state: &mut State,
    resource: Resource<'_>,
    values: Values,
    validate_only: bool,
) -> Result<(), Refusal> {
    match resource {
        Resource::Topic(name) => {
            for (config, value) in &values {
                check_config(config, value).map_err(|text| (ErrorCode::INVALID_CONFIG, text))?;
            }
            let topic = state.topics.0.get_mut(name).ok_or_else(|| {
                let text = format!("The topic '{name}' does not exist.");
                (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, text)
            })?;
            if !validate_only {
                topic.configs = values;
            }
        }
        Resource::Broker(id) => {
            for (config, value) in &values {
                let invalid = |text| (ErrorCode::INVALID_REQUEST, text);
                if FIXED.iter().any(|(fixed, _)| fixed == config) {
                    let text = format!("Cannot update these configs dynamically: [{config}]");
                    return Err(invalid(text));
                }
                if let Some((_, kind, ..)) = TOPIC_CONFIGS.iter().find(|row| row.3 == config) {
                    kind.check(config, value).map_err(invalid)?;
                }
            }
            if !validate_only {
                state.broker_configs.insert(id.to_owned(), values);
            }
        }
    }
    Ok(())
}

/// All configurations of a topic that has these of its own, as that broker sees them.
pub(super) fn describe_topic(state: &State, broker: i32, set: &Values) -> Vec<Described> {
    let rows = TOPIC_CONFIGS.iter().map(|(name, kind, default, synonym)| {
        let set = set.get(*name);
        let mut synonyms: Vec<_> = set
            .map(|value| ((*name).to_owned(), value.clone(), DYNAMIC_TOPIC))
            .into_iter()
            .collect();
        synonyms.extend(broker_synonyms(state, broker, synonym, Some(*default)));
        let value = synonyms.first().map_or(*default, |(_, value, _)| value).to_owned();
        Described {
            name: (*name).to_owned(),
            value: Some(value),
            kind: kind.number(),
            read_only: false,
            synonyms,
        }
    });
    rows.collect()
}

/// All configurations of a broker.
pub(super) fn describe_broker(state: &State, broker: i32) -> Vec<Described> {
    let mut found: BTreeMap<String, Described> = BTreeMap::new();
    let mut add = |name: &str, kind: i8, read_only, synonyms: Vec<(String, String, i8)>| {
        let value = synonyms.first().map(|(_, value, _)| value.clone()).filter(|_| kind != 0);
        let described = Described { name: name.to_owned(), value, kind, read_only, synonyms };
        found.entry(name.to_owned()).or_insert(described);
    };
    for (_, kind, default, name) in TOPIC_CONFIGS.iter().filter(|row| !row.3.is_empty()) {
        add(name, kind.number(), false, broker_synonyms(state, broker, name, Some(default)));
    }
    for (name, kind) in FIXED {
        add(name, *kind, true, broker_synonyms(state, broker, name, None));
    }
    let set = ["", &broker.to_string()].map(|id| state.broker_configs.get(id));
    for name in set.into_iter().flatten().flat_map(BTreeMap::keys) {
        add(name, 0, false, broker_synonyms(state, broker, name, None));
    }
    found.into_values().collect()
}

/// What was set for all brokers.
pub(super) fn describe_all_brokers(state: &State) -> Vec<Described> {
    let set = state.broker_configs.get("").into_iter().flatten();
    let rows = set.map(|(name, value)| {
        let kind = TOPIC_CONFIGS.iter().find(|row| row.3 == name).map_or(0, |row| row.1.number());
        Described {
            name: name.clone(),
            value: Some(value.clone()).filter(|_| kind != 0),
            kind,
            read_only: false,
            synonyms: vec![(name.clone(), value.clone(), DYNAMIC_DEFAULT_BROKER)],
        }
    });
    rows.collect()
}

fn broker_synonyms(
    state: &State,
    broker: i32,
    name: &str,
    default: Option<&str>,
) -> Vec<(String, String, i8)> {
    if name.is_empty() {
        return Vec::new();
    }
    let settings = &state.settings;
    let set = |id: &str| state.broker_configs.get(id)?.get(name).cloned();
    let is_default = |value: &String| default == Some(value);
    let fixed = match name {
        "auto.create.topics.enable" => Some(settings.auto_create_topics.to_string()),
        "broker.rack" => state.brokers.get(&broker).and_then(|it| it.rack.clone()),
        "default.replication.factor" => Some(settings.replication_factor.to_string()),
        "message.max.bytes" => Some(settings.message_max_bytes.to_string()),
        "node.id" => Some(broker.to_string()),
        "num.partitions" => Some(settings.default_partitions.to_string()),
        _ => None,
    };
    let default = default.filter(|_| !NULL_BY_DEFAULT.contains(&name)).map(str::to_owned);
    let found = [
        (set(&broker.to_string()), DYNAMIC_BROKER),
        (set(""), DYNAMIC_DEFAULT_BROKER),
        (fixed.filter(|value| !is_default(value)), STATIC_BROKER),
        (default.clone(), DEFAULT),
    ];
    let found = found.into_iter();
    found.filter_map(|(value, source)| Some((name.to_owned(), value?, source))).collect()
}

/// Configurations of brokers that only a restart changes, and their types.
const FIXED: &[(&str, i8)] = &[
    ("auto.create.topics.enable", 1),
    ("broker.rack", 2),
    ("default.replication.factor", 3),
    ("node.id", 3),
    ("num.partitions", 3),
];

/// Configurations of brokers that are null until somebody sets them.
const NULL_BY_DEFAULT: [&str; 4] =
    ["log.flush.interval.ms", "log.retention.ms", "log.roll.jitter.ms", "log.roll.ms"];

const NEVER: &str = "9223372036854775807";
const COMPRESSIONS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];

/// Name, legal values, default, and the configuration of brokers that topics take it from.
#[rustfmt::skip]
const TOPIC_CONFIGS: &[(&str, Kind, &str, &str)] = &[
    ("cleanup.policy", Kind::List(&["compact", "delete"]), "delete", "log.cleanup.policy"),
    ("compression.gzip.level", Kind::Int(-1), "-1", "compression.gzip.level"),
    ("compression.lz4.level", Kind::Int(1), "9", "compression.lz4.level"),
    ("compression.type", Kind::OneOf(COMPRESSIONS), "producer", "compression.type"),
    ("compression.zstd.level", Kind::Int(-131_072), "3", "compression.zstd.level"),
    ("delete.retention.ms", Kind::Long(0), "86400000", "log.cleaner.delete.retention.ms"),
    ("file.delete.delay.ms", Kind::Long(0), "60000", "log.segment.delete.delay.ms"),
    ("flush.messages", Kind::Long(1), NEVER, "log.flush.interval.messages"),
    ("flush.ms", Kind::Long(0), NEVER, "log.flush.interval.ms"),
    ("follower.replication.throttled.replicas", Kind::List(&[]), "", ""),
    ("index.interval.bytes", Kind::Int(0), "4096", "log.index.interval.bytes"),
    ("leader.replication.throttled.replicas", Kind::List(&[]), "", ""),
    ("local.retention.bytes", Kind::Long(-2), "-2", "log.local.retention.bytes"),
    ("local.retention.ms", Kind::Long(-2), "-2", "log.local.retention.ms"),
    ("max.compaction.lag.ms", Kind::Long(1), NEVER, "log.cleaner.max.compaction.lag.ms"),
    ("max.message.bytes", Kind::Int(0), "1048588", "message.max.bytes"),
    ("message.timestamp.after.max.ms", Kind::Long(0), "3600000", "log.message.timestamp.after.max.ms"),
    ("message.timestamp.before.max.ms", Kind::Long(0), NEVER, "log.message.timestamp.before.max.ms"),
    ("message.timestamp.type", Kind::OneOf(&["CreateTime", "LogAppendTime"]), "CreateTime", "log.message.timestamp.type"),
    ("min.cleanable.dirty.ratio", Kind::Ratio, "0.5", "log.cleaner.min.cleanable.ratio"),
    ("min.compaction.lag.ms", Kind::Long(0), "0", "log.cleaner.min.compaction.lag.ms"),
    ("min.insync.replicas", Kind::Int(1), "1", "min.insync.replicas"),
    ("preallocate", Kind::Boolean, "false", "log.preallocate"),
    ("remote.log.copy.disable", Kind::Boolean, "false", ""),
    ("remote.log.delete.on.disable", Kind::Boolean, "false", ""),
    ("remote.storage.enable", Kind::Boolean, "false", ""),
    ("retention.bytes", Kind::Long(i64::MIN), "-1", "log.retention.bytes"),
    ("retention.ms", Kind::Long(-1), "604800000", "log.retention.ms"),
    ("segment.bytes", Kind::Int(1_048_576), "1073741824", "log.segment.bytes"),
    ("segment.index.bytes", Kind::Int(4), "10485760", "log.index.size.max.bytes"),
    ("segment.jitter.ms", Kind::Long(0), "0", "log.roll.jitter.ms"),
    ("segment.ms", Kind::Long(1), "604800000", "log.roll.ms"),
    ("unclean.leader.election.enable", Kind::Boolean, "false", "unclean.leader.election.enable"),
];
