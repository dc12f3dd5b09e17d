//! The scenarios on the in-process cluster, on loopback TCP: as three brokers of the newest Kafka,
//! and as one broker of older ones.

#![allow(unreachable_pub, reason = "the modules are shared between test programs")]
#![allow(
    clippy::pedantic,
    clippy::cast_possible_truncation,
    clippy::future_not_send,
    clippy::indexing_slicing,
    clippy::type_complexity,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod scenarios;
mod support;

use kafkio::ClientBuilder;
use kafkio::testing::FakeCluster;
use tokio::time::timeout;

use support::{Outcome, TestCluster, time_limit};

struct Fake {
    cluster: FakeCluster,
    version: (u16, u16),
}

impl Fake {
    async fn start(brokers: i32, (major, minor): (u16, u16), patch: &str) -> Self {
        let version = format!("{major}.{minor}{patch}");
        let builder = FakeCluster::builder().brokers(brokers).kafka_version(&version);
        let racks = (0..brokers).map(|id| format!("rack{id}"));
        let builder = builder.authorizer(true).racks(racks).rack_aware(true);
        Self { cluster: builder.start().await.unwrap(), version: (major, minor) }
    }
}

impl TestCluster for Fake {
    fn bootstrap(&self) -> Vec<String> {
        self.cluster.bootstrap()
    }

    fn client(&self) -> ClientBuilder {
        self.cluster.client()
    }

    fn brokers(&self) -> usize {
        self.cluster.brokers().len()
    }

    fn version(&self) -> (u16, u16) {
        self.version
    }

    fn is_controlled(&self) -> bool {
        true
    }

    fn is_real(&self) -> bool {
        false
    }

    fn bytes_sent(&self) -> Option<u64> {
        Some(self.cluster.bytes_sent())
    }

    fn is_rack_aware(&self) -> bool {
        self.version >= (2, 4)
    }

    async fn kill(&self, broker: i32) {
        self.cluster.stop_broker(broker);
    }

    async fn restart(&self, broker: i32) {
        self.cluster.start_broker(broker);
    }

    async fn add_partitions(&self, topic: &str, total: i32) {
        self.cluster.add_partitions(topic, total);
    }
}

async fn run(name: &str, scenario: impl Future<Output = Outcome>) {
    match timeout(time_limit(), scenario).await {
        Ok(Ok(())) => {}
        Ok(Err(skipped)) => println!("{name} was skipped: it {}", skipped.0),
        Err(_) => panic!("{name} is not done after {:?}", time_limit()),
    }
}

macro_rules! tests {
    ($($module:ident: $($name:ident),+;)*) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $name() {
                let cluster = super::cluster().await;
                super::super::run(stringify!($name), crate::scenarios::$module::$name(&cluster)).await;
            })+
        })*
    };
}

mod kafka_4_3 {
    async fn cluster() -> super::Fake {
        super::Fake::start(3, (4, 3), "").await
    }
    crate::scenarios::scenarios!(tests);
}

mod kafka_2_7 {
    async fn cluster() -> super::Fake {
        super::Fake::start(1, (2, 7), "").await
    }
    crate::scenarios::scenarios!(tests);
}

mod kafka_0_11 {
    async fn cluster() -> super::Fake {
        super::Fake::start(1, (0, 11), "").await
    }
    crate::scenarios::scenarios!(tests);
}

mod kafka_0_10_1 {
    async fn cluster() -> super::Fake {
        super::Fake::start(1, (0, 10), ".1").await
    }
    crate::scenarios::scenarios!(tests);
}
