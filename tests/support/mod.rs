//! What a scenario needs from a cluster, and what many scenarios do with one.

pub mod numbers;
pub mod sasl;
pub mod transaction;

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use kafkio::admin::topics::NewTopic;
use kafkio::admin::{Results, Target};
use kafkio::protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use kafkio::protocol::{ErrorCode, Request};
use kafkio::{Client, ClientBuilder, Record};
#[allow(unused_imports, reason = "not all programs of tests need all of it")]
pub use numbers::{PATIENCE, expect_nothing, next, number, numbered, read, read_numbers};
use tokio::time::{Instant, sleep};

/// The time limit of one scenario.
pub const TIME_LIMIT: Duration = Duration::from_secs(120);

/// The same, for those that are asked to take long.
#[allow(dead_code, reason = "not all programs of tests have scenarios")]
pub fn time_limit() -> Duration {
    if number_of("KAFKIO_CHAOS").is_some() { TIME_LIMIT * 60 } else { TIME_LIMIT }
}

/// The number that the environment has for the name.
#[allow(dead_code, reason = "not all programs of tests have scenarios")]
pub fn number_of(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// What a scenario returns; what it finds wrong is a panic.
pub type Outcome = Result<(), Skipped>;

/// The cluster cannot do what the scenario needs, as this says.
#[derive(Debug)]
pub struct Skipped(pub String);

/// What not every cluster can do.
#[allow(dead_code, reason = "scenarios of admin calls need more of them")]
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// Three brokers.
    ThreeBrokers,
    /// Brokers that may be killed and started, and topics that tools may change.
    Control,
    /// Headers of records: Kafka 0.11.
    Headers,
    /// A check without effect in `CreateTopics`: Kafka 0.10.2, seen as 0.11 here.
    ValidateOnly,
    /// Topics that store older formats than their broker's newest.
    OldFormats,
    /// A count of the bytes that brokers send.
    ByteCount,
    /// At least this version of Kafka.
    Kafka(u16, u16),
    /// Apache Kafka: the in-process cluster does not do this.
    Real,
    /// Checks of who may do what. Clients of [`TestCluster::client`] are `User:ANONYMOUS`. Who is
    /// named in no ACL may do all until the resource has one.
    Authorizer,
    /// [`TestCluster::sasl_bootstrap`].
    Sasl,
    /// [`TestCluster::controllers`].
    Controllers,
    /// Brokers with two log directories each.
    LogDirs,
    /// Kafka's own tools: [`TestCluster::tool`].
    Tools,
    /// Programs that use Kafka's jars: [`TestCluster::java`].
    Java,
    /// [`TestCluster::is_rack_aware`], and three brokers.
    Racks,
}

#[allow(dead_code, reason = "scenarios of admin calls need more of it")]
/// A cluster, real or not, that scenarios run on. Scenarios share it, and have topics of their own.
pub trait TestCluster: Sync {
    /// `host:port` of each broker.
    fn bootstrap(&self) -> Vec<String>;

    /// How many brokers.
    fn brokers(&self) -> usize;

    /// Major and minor version of Kafka.
    fn version(&self) -> (u16, u16);

    /// Whether brokers may be killed and started, and topics changed by other means than kafkio.
    fn is_controlled(&self) -> bool;

    /// Whether this is Apache Kafka.
    fn is_real(&self) -> bool;

    /// `host:port` of each broker where it wants SASL without TLS, if it does: PLAIN for the users
    /// `admin` (who may do all), `alice` and `bob`, whose passwords are their names and `-secret`;
    /// SCRAM for those that a scenario makes.
    fn sasl_bootstrap(&self) -> Option<Vec<String>> {
        None
    }

    /// `host:port` of each controller, where clients may talk to them (KIP-919).
    fn controllers(&self) -> Option<Vec<String>> {
        None
    }

    /// How many log directories each broker has.
    fn log_dirs(&self) -> usize {
        1
    }

    /// Whether [`tool`](Self::tool) works.
    fn has_tools(&self) -> bool {
        false
    }

    /// Runs one of Kafka's tools on the cluster and gives its output; `None` where there are none.
    /// It is told the `--bootstrap-server`, unless the arguments name another.
    fn tool(&self, main: &str, arguments: &[&str]) -> impl Future<Output = Option<String>> + Send {
        let _ = (main, arguments);
        async { None }
    }

    /// Runs a program in Java, given as source, with the jars of that Kafka; it is told the
    /// `--bootstrap-server`, and its output given. Whatever version: unlike [`tool`](Self::tool).
    fn java(&self, program: &str, arguments: &[&str]) -> impl Future<Output = String> + Send {
        async move { panic!("{program} {arguments:?}: there is no Java here") }
    }

    /// Bytes that the brokers have sent so far, where anybody counts them.
    fn bytes_sent(&self) -> Option<u64> {
        None
    }

    /// Ends a broker at once, as SIGKILL does.
    fn kill(&self, broker: i32) -> impl Future<Output = ()> + Send;

    /// Starts it again; waits until the cluster has it back.
    fn restart(&self, broker: i32) -> impl Future<Output = ()> + Send;

    /// Makes a topic have so many partitions.
    fn add_partitions(&self, topic: &str, total: i32) -> impl Future<Output = ()> + Send;

    /// Whether consumers may be sent to replicas in their rack (KIP-392); those of the brokers are
    /// `rack0`, `rack1` and so on.
    fn is_rack_aware(&self) -> bool {
        false
    }

    /// Begins a client of this cluster.
    fn client(&self) -> ClientBuilder {
        Client::builder(self.bootstrap())
    }

    /// Skips the scenario if the cluster cannot do that.
    fn needs(&self, need: Need) -> Outcome {
        let (has, why) = match need {
            Need::ThreeBrokers => (self.brokers() >= 3, "three brokers"),
            Need::Control => (self.is_controlled(), "a cluster of its own"),
            Need::Headers => (self.version() >= (0, 11), "headers, Kafka 0.11"),
            Need::ValidateOnly => (self.version() >= (0, 11), "validate_only, Kafka 0.10.2"),
            Need::OldFormats => {
                (self.is_real() && self.version() < (3, 0), "Apache Kafka before 3.0")
            }
            Need::ByteCount => (self.bytes_sent().is_some(), "a count of bytes sent"),
            Need::Kafka(major, minor) => {
                (self.version() >= (major, minor), &*format!("Kafka {major}.{minor}"))
            }
            Need::Real => (self.is_real(), "Apache Kafka"),
            // The in-process cluster keeps ACLs, and lets everybody do everything.
            Need::Authorizer => (self.is_real(), "an authorizer"),
            Need::Sasl => (self.sasl_bootstrap().is_some(), "a listener with SASL"),
            Need::Controllers => (self.controllers().is_some(), "controllers that clients reach"),
            Need::LogDirs => (self.log_dirs() >= 2, "two log directories"),
            Need::Tools => (self.has_tools(), "Kafka's tools"),
            Need::Java => (self.is_real() && self.is_controlled(), "Java with Kafka's jars"),
            Need::Racks => (self.is_rack_aware() && self.brokers() >= 3, "brokers in racks"),
        };
        if has { Ok(()) } else { Err(Skipped(format!("needs {why}"))) }
    }
}

/// A client that has logged in as `admin`, `alice` or `bob`: asks for [`Need::Sasl`].
#[allow(dead_code, reason = "scenarios of admin calls need it")]
pub async fn connect_as(cluster: &impl TestCluster, user: &str) -> Client {
    let addresses = cluster.sasl_bootstrap().expect("a listener with SASL");
    let builder = Client::builder(addresses).connector(sasl::LogsIn(user.to_owned()));
    builder.connect().await.expect("a client")
}

/// A file of settings with which Kafka's tools log in (`--command-config`, together with
/// `--bootstrap-server` and [`TestCluster::sasl_bootstrap`]). More is e.g. `tokenauth="true"`.
#[allow(dead_code, reason = "scenarios of admin calls need it")]
pub fn login_file(mechanism: &str, user: &str, password: &str, more: &str) -> String {
    let module =
        if mechanism == "PLAIN" { "plain.PlainLoginModule" } else { "scram.ScramLoginModule" };
    let text = format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism={mechanism}\nsasl.jaas.config=\
         org.apache.kafka.common.security.{module} required username=\"{user}\" \
         password=\"{password}\" {more};\n"
    );
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique("login"));
    std::fs::write(&path, text).expect("a file");
    path.to_string_lossy().into_owned()
}

/// A client with default settings.
pub async fn connect(cluster: &impl TestCluster) -> Client {
    cluster.client().connect().await.expect("a client")
}

/// A name that no other topic has, also not on a cluster that lives longer than this test.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{name}-{}-{}", since.as_millis(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Creates a topic with a unique name, and copies on up to three brokers.
pub async fn topic(cluster: &impl TestCluster, name: &str, partitions: i32) -> String {
    let copies = i16::try_from(cluster.brokers().min(3)).expect("three at most");
    let topic = unique(name);
    create(cluster, NewTopic::new(&topic).partitions(partitions).replication_factor(copies)).await;
    topic
}

/// Creates a topic, and waits for one of that name to be gone if it is being deleted; then for all
/// brokers to know it.
pub async fn create(cluster: &impl TestCluster, topic: NewTopic) {
    let client = connect(cluster).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let created = client.create_topics([topic.clone()]).await.and_then(Results::into_result);
        match created {
            Ok(created) => return known(&client, &created[0].0).await,
            Err(error)
                if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS)
                    && Instant::now() < deadline =>
            {
                sleep(Duration::from_millis(200)).await;
            }
            Err(error) => panic!("{topic:?} cannot be created: {error:?}"),
        }
    }
}

/// Waits until each broker knows the topic and its leaders.
async fn known(client: &Client, topic: &str) {
    let topic = MetadataRequestTopic { name: Some(topic.to_owned()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    for broker in client.describe_cluster().await.unwrap().nodes.into_keys() {
        eventually("the broker knows the topic", async || {
            let response = client.send(Target::Broker(broker), request.clone()).await.unwrap();
            let topic = &response.topics[0];
            let is_led = topic.partitions.iter().all(|partition| partition.error_code == 0);
            (topic.error_code == 0 && is_led).then_some(())
        })
        .await;
    }
}

/// Writes the records with a writer of its own, and waits until they are written.
pub async fn write(client: &Client, topic: &str, records: impl IntoIterator<Item = Record>) {
    let writer = client.writer().topic(topic).build().await.expect("a writer");
    writer.write(records).await.expect("records are written");
    writer.close().await.expect("the writer closes");
}

/// Waits until the work gives something: brokers learn one by one of what was changed.
#[allow(dead_code, reason = "not all programs of tests need it")]
pub async fn eventually<T>(what: &str, mut work: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(done) = work().await {
            return done;
        }
        assert!(Instant::now() < deadline, "not so after {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Asks until the answer is right; tells the last one if it never is.
#[allow(dead_code, reason = "not all programs of tests need it")]
pub async fn until<T: Debug>(
    what: &str,
    mut ask: impl AsyncFnMut() -> T,
    is_right: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if is_right(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "not so after {PATIENCE:?}: {what}: {answer:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Sends a request again while its coordinator is not ready, and gives the answer that has no
/// error.
#[allow(dead_code, reason = "not all programs of tests need it")]
pub async fn coordinated<R: Request<Response: Debug>>(
    client: &Client,
    to: Target,
    request: &R,
    code: impl Fn(&R::Response) -> i16,
) -> R::Response {
    let ask = async || client.send(to.clone(), request.clone()).await.unwrap();
    let is_done = |response: &R::Response| {
        let code = ErrorCode(code(response));
        assert!(code == ErrorCode::NONE || code.is_retriable(), "{}: {response:?}", R::KEY);
        code == ErrorCode::NONE
    };
    until("the coordinator is ready", ask, is_done).await
}

/// The code of the error, if it is one that a broker has told.
#[allow(dead_code, reason = "not all programs of tests need it")]
pub fn code<'a, T: 'a>(result: impl Into<Option<&'a kafkio::Result<T>>>) -> Option<ErrorCode> {
    result.into().expect("it was asked for").as_ref().err().and_then(kafkio::Error::code)
}
