//! Which topics and partitions a reader reads: by name, by pattern, or chosen one by one; and how
//! that changes. Decisions only; the listing that patterns are matched with is at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use regex_lite::Regex;

use super::{ReaderBuilder, Shared};
use crate::admin::topics::{ListTopics, TopicListing};
use crate::admin::{Operation as _, start};
use crate::cluster::{Cluster, Interest, Metadata, TopicMetadata};
use crate::error::{Error, Result};
use crate::protocol::ErrorCode;
use crate::types::{Start, TopicPartition};

/// A topic is dropped when so many listings in turn do not have it: one broker's view may be old.
const ABSENCES: u8 = 2;

#[derive(Debug, Default)]
pub(super) struct Selection {
    topics: BTreeMap<Arc<str>, Selected>,
    patterns: Patterns,
    /// Taken out by hand, whatever the patterns say.
    removed: BTreeSet<Arc<str>>,
}

/// What is read of one topic.
#[derive(Debug)]
struct Selected {
    /// All partitions but those in `without`; otherwise only those that are `chosen`.
    is_whole: bool,
    is_by_pattern: bool,
    chosen: BTreeSet<i32>,
    without: BTreeSet<i32>,
    /// Its partitions are known: whatever comes now is new, and read from its beginning.
    is_seen: bool,
    /// Asked for since then, and where to begin, if not where the settings say.
    fresh: BTreeMap<i32, Option<Start>>,
    absences: u8,
    _interest: Interest,
}

impl Selection {
    pub(super) fn new(patterns: Patterns) -> Self {
        Self { patterns, ..Self::default() }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.topics.keys()
    }

    /// All partitions of the topic are wanted.
    pub(super) fn add_topic(&mut self, cluster: &Cluster, name: &Arc<str>) {
        self.removed.remove(name);
        let topic = self.topic(cluster, name);
        topic.is_by_pattern = false;
        let again = std::mem::take(&mut topic.without);
        topic.fresh.extend(again.into_iter().map(|id| (id, None)));
        if !topic.is_whole {
            topic.is_whole = true;
            topic.is_seen = false;
        }
    }

    /// Nothing of the topic is wanted; whether anything was, or would have been.
    pub(super) fn remove_topic(&mut self, name: &str) -> bool {
        let matches = self.patterns.accept(name);
        if matches {
            self.removed.insert(name.into());
        }
        self.topics.remove(name).is_some() || matches
    }

    pub(super) fn add_partitions(
        &mut self,
        cluster: &Cluster,
        name: &Arc<str>,
        ids: impl IntoIterator<Item = (i32, Option<Start>)>,
    ) {
        let topic = self.topic(cluster, name);
        for (id, start) in ids {
            topic.without.remove(&id);
            topic.chosen.insert(id);
            topic.fresh.insert(id, start);
        }
    }

    pub(super) fn remove_partitions(&mut self, name: &str, ids: impl IntoIterator<Item = i32>) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        for id in ids {
            topic.chosen.remove(&id);
            topic.fresh.remove(&id);
            topic.without.insert(id);
        }
        if !topic.is_whole && topic.chosen.is_empty() {
            self.remove_topic(name);
        }
    }

    fn topic(&mut self, cluster: &Cluster, name: &Arc<str>) -> &mut Selected {
        self.topics.entry(name.clone()).or_insert_with(|| Selected {
            is_whole: false,
            is_by_pattern: false,
            chosen: BTreeSet::new(),
            without: BTreeSet::new(),
            is_seen: false,
            fresh: BTreeMap::new(),
            absences: 0,
            _interest: cluster.track(std::slice::from_ref(name)),
        })
    }

    /// All topics there are: takes those that match, and drops those that are gone. `is_first`:
    /// what matches now was there before the reader.
    pub(super) fn listed(&mut self, cluster: &Cluster, topics: &[TopicListing], is_first: bool) {
        let matching = |topic: &&TopicListing| {
            !topic.is_internal
                && self.patterns.accept(&topic.name)
                && !self.removed.contains(topic.name.as_str())
        };
        let names: Vec<Arc<str>> =
            topics.iter().filter(matching).map(|topic| topic.name.as_str().into()).collect();
        for name in &names {
            // Of one that is read by name, there may be chosen partitions.
            if !self.topics.contains_key(name) {
                tracing::info!(topic = %name, "topic matches");
                let topic = self.topic(cluster, name);
                topic.is_whole = true;
                topic.is_by_pattern = true;
                topic.is_seen = !is_first;
            }
        }
        let listed: BTreeSet<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        self.topics.retain(|name, topic| {
            let is_there = !topic.is_by_pattern || listed.contains(&**name);
            topic.absences = if is_there { 0 } else { topic.absences + 1 };
            topic.absences < ABSENCES
        });
    }

    /// Whether a partition is read.
    pub(super) fn wants(&self, name: &str, id: i32) -> bool {
        self.topics.get(name).is_some_and(|topic| topic.wants(id))
    }

    /// The partitions to read of the topics as they are.
    pub(super) fn partitions(&self, metadata: &Metadata) -> Vec<TopicPartition> {
        let topics = self.topics.iter().filter_map(|(name, selected)| {
            let topic = metadata.topics.get(name)?;
            let ids = topic.partitions.iter().map(|partition| partition.id);
            Some(
                ids.filter(|id| selected.wants(*id))
                    .map(|id| TopicPartition::new(name.clone(), id)),
            )
        });
        topics.flatten().collect()
    }

    /// The partitions to read of the topics as they are, and where each begins if it is not read
    /// yet; what is seen here is not new again.
    pub(super) fn take<'a>(
        &mut self,
        metadata: &'a Metadata,
        settings: &ReaderBuilder,
    ) -> Vec<(TopicPartition, Start, &'a TopicMetadata)> {
        let mut wanted = Vec::new();
        for (name, selected) in &mut self.topics {
            let Some(topic) = metadata.topics.get(name) else { continue };
            if topic.error != ErrorCode::NONE || topic.partitions.is_empty() {
                continue;
            }
            let ids = topic.partitions.iter().map(|partition| partition.id);
            for id in ids.filter(|id| selected.wants(*id)) {
                let at = TopicPartition::new(name.clone(), id);
                let start = match selected.fresh.get(&id) {
                    Some(Some(start)) => *start,
                    // Whatever is in a new one was written after the reader began.
                    None if selected.is_seen => Start::Earliest,
                    _ => settings.start_of(&at),
                };
                wanted.push((at, start, &**topic));
            }
            selected.fresh.retain(|id, _| topic.partition(*id).is_none());
            selected.is_seen = true;
        }
        wanted
    }
}

impl Selected {
    fn wants(&self, id: i32) -> bool {
        !self.without.contains(&id) && (self.is_whole || self.chosen.contains(&id))
    }
}

/// Which names of topics match.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    included: Vec<Regex>,
    excluded: Vec<Regex>,
}

impl Patterns {
    /// # Errors
    ///
    /// One of them is no regular expression.
    pub(super) fn new(included: &[String], excluded: &[String]) -> Result<Self> {
        let compile = |setting: &str, patterns: &[String]| -> Result<Vec<Regex>> {
            let patterns = patterns.iter().map(|pattern| {
                // By itself first: "a)|(b" is none, and would become one.
                let whole = || Regex::new(&format!("^(?:{pattern})$"));
                Regex::new(pattern).and_then(|_| whole()).map_err(|error| {
                    Error::config(format!("{setting}: {pattern:?} is no pattern"))
                        .with_source(error)
                })
            });
            patterns.collect()
        };
        Ok(Self {
            included: compile("topics_matching", included)?,
            excluded: compile("excluding", excluded)?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.included.is_empty()
    }

    fn accept(&self, name: &str) -> bool {
        let any = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(name));
        any(&self.included) && !any(&self.excluded)
    }
}

/// All topics of the cluster.
///
/// # Errors
///
/// No broker has told in time.
pub(super) async fn list(cluster: &Cluster, timeout: Duration) -> Result<Vec<TopicListing>> {
    start(cluster.clone(), ListTopics::new().within(timeout)).await
}

/// Matches the patterns again each time that metadata grows old. Does not return.
pub(super) async fn follow(shared: Arc<Shared>) {
    let cluster = &shared.cluster;
    if !shared.has_patterns {
        std::future::pending::<()>().await;
    }
    let config = cluster.config();
    let (mut wait, mut failures) = (config.metadata_max_age, 0);
    loop {
        tokio::time::sleep(wait).await;
        match list(cluster, config.api_timeout).await {
            Ok(topics) => {
                (wait, failures) = (config.metadata_max_age, 0);
                shared.select(|selection| selection.listed(cluster, &topics, false));
            }
            Err(error) => {
                tracing::warn!(%error, "topics cannot be listed");
                failures += 1;
                wait = config.backoff.after(failures).min(config.metadata_max_age);
            }
        }
    }
}
