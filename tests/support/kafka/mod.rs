//! Apache Kafka as a [`TestCluster`]: a version that is fetched and started here, or a cluster that
//! runs already.

mod dist;
mod lab;
mod process;

use std::time::Duration;

use kafkio::Client;
use tokio::time::{Instant, sleep, timeout};

use crate::support::TestCluster;
use dist::cached;
use lab::Lab;
use process::Java;

/// How long a cluster may take to start, and a broker to come back.
const START: Duration = Duration::from_secs(120);

/// From this version on all tools take `--bootstrap-server`.
const TOOLS: (u16, u16) = (3, 0);

/// From this version on brokers may be read from by who is in their rack.
const RACKS: (u16, u16) = (2, 4);

/// Apache Kafka. Dropping it ends the brokers that were started here.
#[derive(Debug)]
pub struct RealKafka {
    addresses: Addresses,
    version: (u16, u16),
    log_dirs: usize,
    tools: Option<Java>,
    lab: Option<Lab>,
}

/// Where a cluster listens: `host:port` of each node.
#[derive(Debug)]
struct Addresses {
    brokers: Vec<String>,
    sasl: Option<Vec<String>>,
    controllers: Option<Vec<String>>,
}

impl RealKafka {
    /// What the environment asks for:
    ///
    /// - `KAFKIO_KAFKA`: a version, or the addresses of a cluster, separated by commas;
    /// - `KAFKIO_KAFKA_NODES`: how many brokers to start; three of Kafka 4 and later and of 2.7, the
    ///   last one here whose brokers leave it to clients to find the controller; else one;
    /// - `KAFKIO_KAFKA_VERSION`: the version of the cluster at the addresses, if it is not new;
    /// - `KAFKIO_KAFKA_SASL`, `KAFKIO_KAFKA_CONTROLLERS`: more addresses of that cluster, see
    ///   [`TestCluster`];
    /// - `KAFKIO_KAFKA_LOG_DIRS`: how many log directories its brokers have;
    /// - `KAFKIO_CACHE`: where the jars are kept; `target/kafka`.
    pub async fn from_env() -> Result<Option<Self>, String> {
        let Some(wanted) = env("KAFKIO_KAFKA") else {
            return Ok(None);
        };
        let kafka = if wanted.contains(':') {
            let version = env("KAFKIO_KAFKA_VERSION").unwrap_or_else(|| "4.3.0".to_owned());
            let split = |list: String| list.split(',').map(|one| one.trim().to_owned()).collect();
            let log_dirs = env("KAFKIO_KAFKA_LOG_DIRS").and_then(|count| count.parse().ok());
            Self {
                addresses: Addresses {
                    brokers: split(wanted),
                    sasl: env("KAFKIO_KAFKA_SASL").map(split),
                    controllers: env("KAFKIO_KAFKA_CONTROLLERS").map(split),
                },
                version: parse_version(&version)?,
                log_dirs: log_dirs.unwrap_or(1),
                tools: cached(&version).map(|jars| Java::new(jars, std::env::temp_dir())),
                lab: None,
            }
        } else {
            let version = parse_version(&wanted)?;
            let nodes = match env("KAFKIO_KAFKA_NODES") {
                Some(nodes) => nodes.parse().map_err(|_| format!("KAFKIO_KAFKA_NODES={nodes}"))?,
                None if version >= (4, 0) || version == (2, 7) => 3,
                None => 1,
            };
            let lab = Lab::start(&wanted, version, nodes).await?;
            Self {
                addresses: lab.addresses(),
                version,
                log_dirs: lab.log_dirs(),
                tools: (version >= TOOLS).then(|| lab.java().clone()),
                lab: Some(lab),
            }
        };
        match kafka.settle().await {
            Ok(()) => Ok(Some(kafka)),
            Err(why) => Err(kafka.with_logs(&why)),
        }
    }

    /// Waits until all brokers are there.
    pub async fn settle(&self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        let mut seen = "nothing".to_owned();
        while Instant::now() < deadline {
            seen = match self.brokers_seen().await {
                Ok(count) if count >= self.brokers() => return Ok(()),
                Ok(count) => format!("{count} brokers"),
                Err(error) => format!("{error:?}"),
            };
            sleep(Duration::from_millis(200)).await;
        }
        Err(format!("expected {} brokers, and saw {seen}", self.brokers()))
    }

    /// What a broker tells of the cluster; each is asked, since each learns at its own time.
    async fn brokers_seen(&self) -> kafkio::Result<usize> {
        let mut fewest = usize::MAX;
        for address in &self.addresses.brokers {
            let client = Client::builder([address]).connect_timeout(Duration::from_secs(2));
            let metadata = client.connect().await?.all_metadata().await?;
            fewest = fewest.min(metadata.brokers.len());
        }
        Ok(fewest)
    }

    /// The text, and the ends of the brokers' logs.
    pub fn with_logs(&self, text: &str) -> String {
        let logs = self.lab.as_ref().map(Lab::logs).unwrap_or_default();
        format!("{text}\n{logs}")
    }

    fn lab(&self) -> &Lab {
        self.lab.as_ref().expect("the scenario has asked for control")
    }
}

impl TestCluster for RealKafka {
    fn bootstrap(&self) -> Vec<String> {
        self.addresses.brokers.clone()
    }

    fn brokers(&self) -> usize {
        self.addresses.brokers.len()
    }

    fn version(&self) -> (u16, u16) {
        self.version
    }

    fn is_controlled(&self) -> bool {
        self.lab.is_some()
    }

    fn is_real(&self) -> bool {
        true
    }

    fn sasl_bootstrap(&self) -> Option<Vec<String>> {
        self.addresses.sasl.clone()
    }

    fn controllers(&self) -> Option<Vec<String>> {
        self.addresses.controllers.clone()
    }

    fn log_dirs(&self) -> usize {
        self.log_dirs
    }

    fn is_rack_aware(&self) -> bool {
        self.lab.is_some() && self.version >= RACKS
    }

    fn has_tools(&self) -> bool {
        self.tools.is_some()
    }

    async fn tool(&self, main: &str, arguments: &[&str]) -> Option<String> {
        let bootstrap = self.bootstrap().join(",");
        let mut all = arguments.to_vec();
        if !all.iter().any(|argument| argument.starts_with("--bootstrap-")) {
            all.extend(["--bootstrap-server", &bootstrap]);
        }
        // Tools have moved from one package to the other over the releases.
        let name = main.rsplit('.').next().unwrap_or(main);
        let others = ["org.apache.kafka.tools", "kafka.admin"];
        let others = others.map(|package| format!("{package}.{name}"));
        let tools = self.tools.as_ref()?;
        let mut result = tools.run(main, &all).await;
        for other in others.iter().filter(|other| *other != main) {
            if !result.as_ref().is_err_and(|why| why.contains("ClassNotFoundException")) {
                break;
            }
            result = tools.run(other, &all).await;
        }
        match result {
            Ok(out) => Some(out),
            Err(why) => panic!("{}", self.with_logs(&why)),
        }
    }

    async fn java(&self, program: &str, arguments: &[&str]) -> String {
        let bootstrap = self.bootstrap().join(",");
        let all = [arguments, &["--bootstrap-server", &bootstrap]].concat();
        match self.lab().java().run(program, &all).await {
            Ok(out) => out,
            Err(why) => panic!("{}", self.with_logs(&why)),
        }
    }

    async fn kill(&self, broker: i32) {
        self.lab().kill(broker);
    }

    async fn restart(&self, broker: i32) {
        let started = timeout(START, self.lab().restart(broker)).await;
        let started = started.unwrap_or_else(|_| Err("it did not come back".to_owned()));
        if let Err(why) = started {
            panic!("{}", self.with_logs(&why));
        }
        if let Err(why) = self.settle().await {
            panic!("{}", self.with_logs(&why));
        }
    }

    async fn add_partitions(&self, topic: &str, total: i32) {
        if let Err(why) = self.lab().add_partitions(topic, total).await {
            panic!("{}", self.with_logs(&why));
        }
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `4.3.0` is `(4, 3)`.
fn parse_version(text: &str) -> Result<(u16, u16), String> {
    let mut parts = text.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err(format!("KAFKIO_KAFKA: {text:?} is neither a version nor host:port")),
    }
}
