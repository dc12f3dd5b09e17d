//! Access control entries and quotas, as far as they are kept.

use super::*;
use crate::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, EntityData, EntryData, OpData,
};
use crate::protocol::messages::create_acls::{AclCreation, CreateAclsRequest};
use crate::protocol::messages::delete_acls::{DeleteAclsFilter, DeleteAclsRequest};
use crate::protocol::messages::describe_acls::DescribeAclsRequest;
use crate::protocol::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest,
};

const ANY: i8 = 1;
const MATCH: i8 = 2;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const TOPIC: i8 = 2;

/// Everybody may read it.
fn readable(resource_name: &str, resource_pattern_type: i8) -> AclCreation {
    AclCreation {
        resource_type: TOPIC,
        resource_name: resource_name.to_owned(),
        resource_pattern_type,
        principal: "User:*".to_owned(),
        host: "*".to_owned(),
        operation: 3,
        permission_type: 3,
        ..Default::default()
    }
}

fn asking(name: Option<&str>, pattern_type_filter: i8) -> DescribeAclsRequest {
    DescribeAclsRequest {
        resource_type_filter: ANY,
        resource_name_filter: name.map(str::to_owned),
        pattern_type_filter,
        operation: ANY,
        permission_type: ANY,
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn entries_are_kept() {
    let cluster = start(FakeCluster::builder().authorizer(true)).await;
    let mut broker = Connection::open(&cluster, 0);
    let write = AclCreation { operation: 4, ..readable("orders", LITERAL) };
    let creations = vec![
        readable("orders", LITERAL),
        write,
        readable("orders", LITERAL),
        readable("ord", PREFIXED),
        readable("*", LITERAL),
        readable("", LITERAL),
        readable("orders", MATCH),
        AclCreation { resource_type: 4, ..readable("nope", LITERAL) },
        AclCreation { operation: ANY, ..readable("orders", LITERAL) },
        AclCreation { permission_type: ANY, ..readable("orders", LITERAL) },
    ];
    let request = CreateAclsRequest { creations, ..Default::default() };
    let results = broker.call(3, &request).await.results;
    let codes: Vec<_> = results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [0, 0, 0, 0, 0, 42, 42, 42, 42, 42]);
    for (name, pattern, expected) in [
        (None, ANY, &["*", "ord", "orders", "orders"][..]),
        (None, PREFIXED, &["ord"]),
        (Some("orders"), LITERAL, &["orders", "orders"]),
        (Some("orders"), ANY, &["orders", "orders"]),
        (Some("orders"), MATCH, &["*", "ord", "orders", "orders"]),
        (Some("ordinary"), MATCH, &["*", "ord"]),
    ] {
        let resources = broker.call(3, &asking(name, pattern)).await.resources;
        let mut found: Vec<_> = resources
            .iter()
            .flat_map(|it| it.acls.iter().map(|_| it.resource_name.as_str()))
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{name:?} {pattern}");
    }
    assert_eq!(broker.call(3, &asking(None, 9)).await.error_code, 42);
    let filters = [4, ANY].map(|operation| DeleteAclsFilter {
        resource_type_filter: TOPIC,
        resource_name_filter: Some("orders".to_owned()),
        operation,
        permission_type: ANY,
        ..Default::default()
    });
    let request = DeleteAclsRequest { filters: filters.into(), ..Default::default() };
    let deleted = broker.call(3, &request).await.filter_results;
    let counts: Vec<_> = deleted.iter().map(|result| result.matching_acls.len()).collect();
    assert_eq!(counts, [1, 2]);
    assert_eq!(broker.call(3, &asking(None, ANY)).await.resources.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn there_is_no_authorizer_unless_asked_for() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let disabled = ErrorCode::SECURITY_DISABLED.0;
    assert_eq!(broker.call(3, &asking(None, ANY)).await.error_code, disabled);
    let creations = vec![readable("t", LITERAL)];
    let created = broker.call(3, &CreateAclsRequest { creations, ..Default::default() }).await;
    assert_eq!(only(created.results).error_code, disabled);
    let filters = vec![DeleteAclsFilter::default()];
    let deleted = broker.call(3, &DeleteAclsRequest { filters, ..Default::default() }).await;
    assert_eq!(only(deleted.filter_results).error_code, disabled);
}

fn entity(names: &[(&str, Option<&str>)]) -> Vec<EntityData> {
    let names = names.iter().map(|(kind, name)| EntityData {
        entity_type: (*kind).to_owned(),
        entity_name: name.map(str::to_owned),
        ..Default::default()
    });
    names.collect()
}

async fn alter(
    broker: &mut Connection,
    names: &[(&str, Option<&str>)],
    ops: &[(&str, f64)],
    validate_only: bool,
) -> i16 {
    let ops = ops.iter().map(|(key, value)| OpData {
        key: (*key).to_owned(),
        value: *value,
        remove: value.is_nan(),
        ..Default::default()
    });
    let entry = EntryData { entity: entity(names), ops: ops.collect(), ..Default::default() };
    let request =
        AlterClientQuotasRequest { entries: vec![entry], validate_only, ..Default::default() };
    only(broker.call(1, &request).await.entries).error_code
}

#[tokio::test(start_paused = true)]
async fn quotas_are_kept() {
    let cluster = small().await;
    let mut broker = Connection::open(&cluster, 0);
    let (rate, user, default) = ("producer_byte_rate", ("user", Some("u")), ("user", None));
    let client = ("client-id", Some("c"));
    for (names, ops, expected) in [
        (&[user][..], &[(rate, 5.0), ("request_percentage", 0.5)][..], 0),
        (&[user], &[("request_percentage", f64::NAN)], 0),
        (&[default], &[(rate, 6.0)], 0),
        (&[user, client], &[(rate, 7.0)], 0),
        (&[("ip", Some("127.0.0.1"))], &[("connection_creation_rate", 8.0)], 0),
        (&[user], &[("nope", 1.0)], 42),
        (&[user], &[(rate, 0.0)], 42),
        (&[user], &[(rate, 1.5)], 42),
        (&[user], &[(rate, 1.0), (rate, 2.0)], 42),
        (&[user, user], &[(rate, 1.0)], 42),
        (&[user, ("ip", None)], &[(rate, 1.0)], 42),
        (&[("ip", None)], &[(rate, 1.0)], 42),
        (&[("group", None)], &[(rate, 1.0)], 42),
        (&[("user", Some(""))], &[(rate, 1.0)], 42),
        (&[], &[(rate, 1.0)], 42),
    ] {
        assert_eq!(alter(&mut broker, names, ops, false).await, expected, "{names:?} {ops:?}");
    }
    assert_eq!(alter(&mut broker, &[user], &[(rate, 99.0)], true).await, 0);
    for (components, strict, expected) in [
        (&[][..], false, &[8.0, 6.0, 5.0, 7.0][..]),
        (&[("user", 0, Some("u"))], false, &[5.0, 7.0]),
        (&[("user", 0, Some("u"))], true, &[5.0]),
        (&[("user", 1, None)], false, &[6.0]),
        (&[("user", 2, None), ("client-id", 2, None)], true, &[7.0]),
        (&[], true, &[]),
    ] {
        let found = broker.call(1, &asked(components, strict)).await;
        assert_eq!(found.error_code, 0);
        let mut values: Vec<_> =
            found.entries.unwrap().iter().flat_map(|it| it.values.clone()).collect();
        values.sort_by(|a, b| a.value.total_cmp(&b.value));
        let mut expected = expected.to_vec();
        expected.sort_by(f64::total_cmp);
        assert_eq!(values.iter().map(|it| it.value).collect::<Vec<_>>(), expected);
    }
    for (components, expected) in [
        (&[("user", 0, None)][..], 42),
        (&[("user", 3, None)], 42),
        (&[("user", 1, None), ("user", 2, None)], 42),
        (&[("user", 1, None), ("ip", 2, None)], 42),
        (&[("group", 1, None)], 35),
    ] {
        assert_eq!(broker.call(1, &asked(components, false)).await.error_code, expected);
    }
}

fn asked(components: &[(&str, i8, Option<&str>)], strict: bool) -> DescribeClientQuotasRequest {
    let components = components.iter().map(|(kind, match_type, name)| ComponentData {
        entity_type: (*kind).to_owned(),
        match_type: *match_type,
        r#match: name.map(str::to_owned),
        ..Default::default()
    });
    DescribeClientQuotasRequest { components: components.collect(), strict, ..Default::default() }
}
