//! How connections begin, with brokers of every age and with what is no broker.

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn handshake_says_who_we_are() {
    let (pipes, [mut broker]) = pipes();
    let (connection, ()) = tokio::join!(open(&pipes), async {
        let (header, body) = broker.frame().await;
        assert_eq!((header.api_key, header.api_version), (ApiKey::API_VERSIONS, 4));
        let flexible = ApiVersionsRequest::version(4);
        let request = crate::wire::decode_all::<ApiVersionsRequest>(body, flexible).unwrap();
        assert_eq!(request.client_software_name, "kafkio");
        assert_eq!(request.client_software_version, env!("CARGO_PKG_VERSION"));
        let answer = versions(ErrorCode::NONE);
        broker.send(response::<ApiVersionsRequest>(header.correlation_id, 4, &answer)).await;
    });
    assert_eq!(connection.unwrap().version::<FindCoordinatorRequest>().unwrap(), VERSION);
}

#[tokio::test(start_paused = true)]
async fn old_brokers_answer_in_version_0() {
    // Since 2.4 they say what they speak; before, they say nothing.
    for (speaks, next) in [(Some(2), 2), (None, 0)] {
        let (pipes, [mut broker]) = pipes();
        let (connection, ()) = tokio::join!(open(&pipes), async {
            let (header, _) = broker.frame().await;
            let range = |max_version| ApiVersion { api_key: 18, max_version, ..Default::default() };
            let refusal = ApiVersionsResponse {
                error_code: ErrorCode::UNSUPPORTED_VERSION.0,
                api_keys: speaks.map(range).into_iter().collect(),
                ..Default::default()
            };
            broker.send(response::<ApiVersionsRequest>(header.correlation_id, 0, &refusal)).await;
            let (header, _) = broker.frame().await;
            assert_eq!((header.api_key, header.api_version), (ApiKey::API_VERSIONS, next));
            let answer = versions(ErrorCode::NONE);
            broker.send(response::<ApiVersionsRequest>(header.correlation_id, next, &answer)).await;
        });
        connection.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn refused_handshakes_end() {
    for code in [ErrorCode::UNSUPPORTED_VERSION, ErrorCode::CLUSTER_AUTHORIZATION_FAILED] {
        let (pipes, [mut broker]) = pipes();
        let (connection, ()) = tokio::join!(open(&pipes), async {
            while let Some(Ok(mut frame)) = broker.0.next().await {
                let header = RequestHeader::decode(&mut frame, flexible_from).unwrap();
                let answer = ApiVersionsResponse { error_code: code.0, ..Default::default() };
                let version =
                    if code == ErrorCode::UNSUPPORTED_VERSION { 0 } else { header.api_version };
                let id = header.correlation_id;
                broker.send(response::<ApiVersionsRequest>(id, version, &answer)).await;
            }
        });
        match connection {
            Err(TransportError::Refused { code: c }) => assert_eq!(c, code),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hanging_up_is_met_with_version_0() {
    let (pipes, [mut first, mut second]) = pipes();
    let (connection, ()) = tokio::join!(open(&pipes), async {
        assert_eq!(first.frame().await.0.api_version, 4);
        drop(first);
        let (header, _) = second.frame().await;
        assert_eq!(header.api_version, 0);
        let answer = versions(ErrorCode::NONE);
        second.send(response::<ApiVersionsRequest>(header.correlation_id, 0, &answer)).await;
    });
    connection.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_answers_instead_of_a_broker() {
    let (none, []) = pipes();
    let error = open(&none).await.unwrap_err();
    assert_eq!(error.to_string(), "nothing listens at broker:9092");

    for (bytes, tls) in [(&b"\x15\x03\x03\0\x02\x02\x46"[..], true), (b"HTTP/1.1 400 Bad", false)] {
        let (pipes, [mut other]) = pipes();
        let (error, ()) = tokio::join!(open(&pipes), async {
            other.raw(bytes).await;
            drop(other);
        });
        match error {
            Err(TransportError::Tls) => assert!(tls),
            Err(TransportError::Http) => assert!(!tls),
            other => panic!("{other:?}"),
        }
    }

    let (deaf, [first, second]) = pipes();
    drop((first, second));
    let error = open(&deaf).await.unwrap_err();
    assert!(error.to_string().contains("broker:9092 closed the connection during the handshake"));

    let (silent, [_broker]) = pipes();
    let began = Instant::now();
    let error = open(&silent).await.unwrap_err();
    assert!(matches!(error, TransportError::HandshakeTimeout { .. }), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn connecting_takes_no_longer_than_allowed() {
    #[derive(Debug)]
    struct Never;
    impl Connect for Never {
        fn connect(&self, _host: &str, _port: u16) -> Connecting {
            Box::pin(std::future::pending())
        }
    }
    let error = Connection::open(&Never, "broker", 9092, &config()).await.unwrap_err();
    assert!(matches!(error, TransportError::ConnectTimeout { .. }) && error.is_unsent());
}
