//! What clients do, written once and run on the in-process cluster (`tests/fake.rs`) and on Apache
//! Kafka (`tests/kafka.rs`).
//!
//! A scenario is a function in one of these files and a line in the list below.

pub mod admin_cluster;
pub mod admin_configs;
pub mod admin_denied;
pub mod admin_failover;
pub mod admin_groups;
pub mod admin_offsets;
pub mod admin_replicas;
pub mod admin_security;
pub mod admin_share_groups;
pub mod admin_topics;
pub mod admin_transactions;
pub mod chaos;
pub mod codecs;
pub mod conn;
pub mod controllers;
pub mod coordinators;
pub mod errors;
pub mod exactly_once;
pub mod failover;
pub mod fetches;
pub mod foreign;
pub mod order;
pub mod positions;
pub mod producers;
pub mod raw;
pub mod readers;
pub mod streams;
pub mod topics;
pub mod transactions;

/// Gives the list of all scenarios to a macro.
macro_rules! scenarios {
    ($apply:ident) => {
        $apply! {
            admin_configs: described, altered, replaced, of_brokers, of_all_brokers, of_loggers,
                of_groups_and_metrics;
            admin_groups: classic, remove_members, consumer, consumer_by_pattern, offsets, many,
                list_filters, lag, denied;
            admin_offsets: every_spec, leader_epochs;
            admin_replicas: reassignment, wrong_reassignments, preferred_leader, nobody_can_lead,
                log_dirs, log_dir_moves;
            admin_cluster: brokers, api_versions, features, quorum, wrong_voters, voters,
                unregistered;
            admin_topics: created, listed, described_by_name, by_id, partitions_added,
                records_deleted;
            admin_share_groups: share, share_member, streams, too_old;
            admin_transactions: shown, aborted_in_a_partition, fenced, by_hand, too_old;
            admin_security: acls_kept, acls_checked, quotas, scram_users, delegation_tokens,
                no_telemetry;
            admin_denied: cluster_topic_group;
            admin_failover: controller_moved, broker_down;
            fetches: sessions, session_errors, transactions, racks;
            foreign: java_codecs, java_log_append_time, java_old_formats, java_transactions,
                java_partitions, compacted, kcat;
            transactions: interleaved, from_each_offset, nothing_but_markers, open, compressed,
                over_many_fetches, random;
            producers: ids, repeats, out_of_order, epochs, wrapped, unknown, records_deleted,
                leader_killed;
            coordinators: ids, kept_ids, states, not_added, taken_over, epochs, offsets;
            raw: produce_and_fetch, find_coordinator, offset_fetch, telemetry;
            codecs: every_codec, chosen, keys_and_nulls, headers, sizes, timestamps, old_formats;
            conn: topics, looking_creates_nothing, batch_by_batch, message_by_message,
                short_timeouts, waiting_fetch, offsets, acks, wrong_broker;
            order: per_partition, idle_partitions, ticks, idle_broker, idle_readers,
                fetched_once;
            positions: earliest_and_latest, offset, timestamp, seek, position_and_lag,
                log_append_time, out_of_range, chosen_partitions, relative, bounded,
                bounded_by_transactions;
            streams: take_until, forward, ready_chunks, for_each_concurrent, batches,
                isolation, many_writers, sink;
            readers: partition_streams, patterns, changed_at_run_time, nearest_replica, truncated;
            topics: created_late, deleted, recreated, new_partitions, as_futures, as_services,
                offsets_by_time;
            errors: too_large_for_the_writer, too_large_for_the_broker, unknown_topic,
                unknown_partition, nobody_listens, http_answers, tls_answers, peer_closes,
                peer_is_silent;
            controllers: changes, descriptions, configs, data, others, killed;
            exactly_once: ends, fenced, timed_out, failed, offsets, brokers_killed, session;
            failover: leader_killed, broker_restarted, bootstrap_with_dead_brokers;
            chaos: idempotent, transactional;
        }
    };
}
pub(crate) use scenarios;
