//! A cluster of Apache Kafka on loopback: its folder, ports, settings and processes.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::dist::{jars, write};
use super::process::{Java, Process, kill_leftovers};
use super::{Addresses, RACKS, START};

/// From this version on Kafka needs no `ZooKeeper`.
const KRAFT: (u16, u16) = (3, 3);

/// From this version on controllers may join and leave, and clients may talk to them.
const DYNAMIC_QUORUM: (u16, u16) = (3, 9);

/// From this version on a listener has settings of its own, and replicas move between log
/// directories. Older ones have one directory, and no SASL here.
const OWN_SETTINGS: (u16, u16) = (1, 1);

/// How long a `ZooKeeper` believes in a broker that was killed.
const ZOOKEEPER_SESSION: Duration = Duration::from_secs(3);

/// A running cluster. Dropping it ends its processes; its folder stays for the one who looks.
#[derive(Debug)]
pub struct Lab {
    version: (u16, u16),
    java: Java,
    folder: PathBuf,
    ports: Ports,
    nodes: Mutex<Vec<Option<Process>>>,
    _zookeeper: Option<Process>,
}

#[derive(Debug)]
struct Ports {
    brokers: Vec<u16>,
    sasl: Vec<u16>,
    controllers: Vec<u16>,
    quorum: Vec<u16>,
    zookeeper: u16,
}

impl Lab {
    /// Fetches that version and starts so many nodes of it.
    pub async fn start(name: &str, version: (u16, u16), nodes: usize) -> Result<Self, String> {
        let jars = jars(name, version).await?;
        let runs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka");
        clear(&runs);
        let folder = runs.join(format!("{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        write(&folder.join("log4j.properties"), LOG4J)?;
        let java = Java::new(jars, folder.clone());
        let ports = Ports::find(nodes)?;
        println!("starting {nodes} × Kafka {name} in {}", folder.display());
        let is_kraft = version >= KRAFT;
        let zookeeper =
            if is_kraft { None } else { Some(zookeeper(&java, &folder, &ports).await?) };
        let lab = Self {
            version,
            java,
            folder,
            ports,
            nodes: Mutex::new((0..nodes).map(|_| None).collect()),
            _zookeeper: zookeeper,
        };
        for node in 0..nodes {
            write(&lab.path(node, "properties"), &lab.settings(node))?;
        }
        if is_kraft {
            try_join_all((0..nodes).map(|node| lab.format(node))).await?;
        }
        for node in 0..nodes {
            lab.start_node(node)?;
        }
        for node in 0..nodes {
            lab.listening(node).await.map_err(|why| format!("{why}\n{}", lab.logs()))?;
        }
        Ok(lab)
    }

    /// `host:port` of each node.
    pub fn addresses(&self) -> Addresses {
        let hosts = |ports: &[u16]| ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        Addresses {
            brokers: hosts(&self.ports.brokers),
            sasl: (self.version >= OWN_SETTINGS).then(|| hosts(&self.ports.sasl)),
            controllers: (self.version >= DYNAMIC_QUORUM).then(|| hosts(&self.ports.controllers)),
        }
    }

    /// How many log directories each node has.
    pub fn log_dirs(&self) -> usize {
        if self.version >= OWN_SETTINGS { 2 } else { 1 }
    }

    /// Runs tools of that Kafka.
    pub fn java(&self) -> &Java {
        &self.java
    }

    /// SIGKILL.
    pub fn kill(&self, broker: i32) {
        let node = usize::try_from(broker).expect("ids are from 0");
        let process = self.nodes().get_mut(node).and_then(Option::take);
        drop(process.expect("the broker runs"));
    }

    /// Starts a node that was killed, with the data it had.
    pub async fn restart(&self, broker: i32) -> Result<(), String> {
        let node = usize::try_from(broker).expect("ids are from 0");
        loop {
            if self.version < KRAFT {
                // Until the old session is over, ZooKeeper refuses a second broker of that id.
                sleep(ZOOKEEPER_SESSION * 2).await;
            }
            self.start_node(node)?;
            match self.listening(node).await {
                Ok(()) => return Ok(()),
                Err(why) if self.version < KRAFT => println!("starting again: {why}"),
                Err(why) => return Err(why),
            }
        }
    }

    /// Makes a topic have so many partitions, by Kafka's own tool.
    pub async fn add_partitions(&self, topic: &str, total: i32) -> Result<(), String> {
        let main = if self.version >= (3, 0) {
            "org.apache.kafka.tools.TopicCommand"
        } else {
            "kafka.admin.TopicCommand"
        };
        let bootstrap = self.addresses().brokers.join(",");
        let zookeeper = format!("127.0.0.1:{}", self.ports.zookeeper);
        let (option, address) = if self.version >= (2, 2) {
            ("--bootstrap-server", bootstrap.as_str())
        } else {
            ("--zookeeper", zookeeper.as_str())
        };
        let total = total.to_string();
        let arguments = [option, address, "--alter", "--topic", topic, "--partitions", &total];
        self.java.run(main, &arguments).await.map(drop)
    }

    /// The ends of all logs.
    pub fn logs(&self) -> String {
        let mut all = String::new();
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if path.extension().is_some_and(|extension| extension == "log") {
                let bytes = fs::read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                let lines: Vec<_> = text.lines().collect();
                let tail = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default();
                let _ = writeln!(all, "--- {}\n{}", path.display(), tail.join("\n"));
            }
        }
        all
    }

    fn nodes(&self) -> std::sync::MutexGuard<'_, Vec<Option<Process>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, node: usize, extension: &str) -> PathBuf {
        self.folder.join(format!("node{node}.{extension}"))
    }

    /// Writes the first lines of a node's log of metadata.
    async fn format(&self, node: usize) -> Result<(), String> {
        let file = self.path(node, "properties");
        let file = file.to_string_lossy();
        let voters = self.quorum(|node, port| format!("{node}@127.0.0.1:{port}:{}", log_dir(node)));
        let mut arguments = vec!["format", "-t", "a2Fma2lvLXRlc3RzLWthZg", "-c", &file];
        if self.version >= DYNAMIC_QUORUM {
            arguments.extend(["--initial-controllers", &voters]);
        }
        self.java.run("kafka.tools.StorageTool", &arguments).await.map(drop)
    }

    /// The nodes and ports of the controllers, in a list.
    fn quorum(&self, show: impl Fn(usize, u16) -> String) -> String {
        let all = self.ports.quorum.iter().enumerate();
        all.map(|(node, port)| show(node, *port)).collect::<Vec<_>>().join(",")
    }

    fn start_node(&self, node: usize) -> Result<(), String> {
        let file = self.path(node, "properties");
        let log = format!("node{node}.log");
        let process = self.java.start("512m", "kafka.Kafka", &[&file.to_string_lossy()], &log)?;
        if let Some(slot) = self.nodes().get_mut(node) {
            *slot = Some(process);
        }
        Ok(())
    }

    /// Waits until the node listens, or has ended.
    async fn listening(&self, node: usize) -> Result<(), String> {
        let port = self.ports.brokers.get(node).copied().expect("each node has a port");
        let ended = || {
            let mut nodes = self.nodes();
            let end = nodes.get_mut(node)?.as_mut().and_then(Process::ended)?;
            Some(format!("node {node} has ended: {end}"))
        };
        listening(port, ended).await
    }

    fn settings(&self, node: usize) -> String {
        let copies = self.ports.brokers.len().min(3);
        let in_sync = copies.min(2);
        let is_kraft = self.version >= KRAFT;
        let port = |ports: &[u16]| ports.get(node).copied().expect("each node has a port");
        let data = |dir| self.folder.join(format!("data{node}{dir}")).display().to_string();
        let mut listeners = vec![format!("PLAINTEXT://127.0.0.1:{}", port(&self.ports.brokers))];
        let mut log_dirs = data("a");
        let authorizer = if is_kraft {
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        } else if self.version >= (2, 4) {
            "kafka.security.authorizer.AclAuthorizer"
        } else {
            "kafka.security.auth.SimpleAclAuthorizer"
        };
        let mut lines = vec![
            // Old clients cannot say that they do not want topics to be created.
            "auto.create.topics.enable=false".to_owned(),
            "delete.topic.enable=true".to_owned(),
            // Older ones hold topics with one copy to it too.
            format!("min.insync.replicas={}", if self.version >= (4, 0) { in_sync } else { 1 }),
            "unclean.leader.election.enable=false".to_owned(),
            "group.initial.rebalance.delay.ms=0".to_owned(),
            // Compacts, and rolls segments for it, without long waits.
            "log.cleaner.backoff.ms=500".to_owned(),
            "offsets.topic.num.partitions=4".to_owned(),
            format!("offsets.topic.replication.factor={copies}"),
            "transaction.state.log.num.partitions=4".to_owned(),
            format!("transaction.state.log.replication.factor={copies}"),
            format!("transaction.state.log.min.isr={in_sync}"),
            "allow.everyone.if.no.acl.found=true".to_owned(),
            "super.users=User:admin".to_owned(),
            format!("authorizer.class.name={authorizer}"),
        ];
        if self.version >= RACKS {
            lines.extend([
                format!("broker.rack=rack{node}"),
                "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector"
                    .to_owned(),
            ]);
        }
        if self.version >= OWN_SETTINGS {
            listeners.push(format!("SASL://127.0.0.1:{}", port(&self.ports.sasl)));
            log_dirs = format!("{log_dirs},{}", data("b"));
            lines.extend([
                // Brokers are `User:admin`: no ACL keeps them from each other.
                "inter.broker.listener.name=SASL".to_owned(),
                "sasl.mechanism.inter.broker.protocol=PLAIN".to_owned(),
                "listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
                    .to_owned(),
                format!("listener.name.sasl.plain.{PLAIN_LOGIN}"),
                format!("listener.name.sasl.scram-sha-256.{SCRAM_LOGIN}"),
                format!("listener.name.sasl.scram-sha-512.{SCRAM_LOGIN}"),
                format!(
                    "delegation.token.{}.key=kafkio",
                    if self.version >= (2, 8) { "secret" } else { "master" }
                ),
            ]);
        }
        if is_kraft {
            lines.extend([
                format!("node.id={node}"),
                "process.roles=broker,controller".to_owned(),
                // The first is theirs, the other for clients.
                "controller.listener.names=QUORUM,CONTROLLER".to_owned(),
                "sasl.mechanism.controller.protocol=PLAIN".to_owned(),
                "listener.name.quorum.sasl.enabled.mechanisms=PLAIN".to_owned(),
                format!("listener.name.quorum.plain.{PLAIN_LOGIN}"),
                // A dead broker is noticed sooner than by default.
                "broker.session.timeout.ms=6000".to_owned(),
                "broker.heartbeat.interval.ms=1000".to_owned(),
                format!("share.coordinator.state.topic.replication.factor={copies}"),
                format!("share.coordinator.state.topic.min.isr={in_sync}"),
                "share.coordinator.state.topic.num.partitions=2".to_owned(),
                if self.version >= DYNAMIC_QUORUM {
                    let bootstrap = self.quorum(|_, port| format!("127.0.0.1:{port}"));
                    format!("controller.quorum.bootstrap.servers={bootstrap}")
                } else {
                    let voters = self.quorum(|node, port| format!("{node}@127.0.0.1:{port}"));
                    format!("controller.quorum.voters={voters}")
                },
            ]);
        } else {
            lines.extend([
                format!("broker.id={node}"),
                format!("zookeeper.connect=127.0.0.1:{}", self.ports.zookeeper),
                format!("zookeeper.session.timeout.ms={}", ZOOKEEPER_SESSION.as_millis()),
                "zookeeper.connection.timeout.ms=30000".to_owned(),
            ]);
        }
        let controllers = [
            format!("CONTROLLER://127.0.0.1:{}", port(&self.ports.controllers)),
            format!("QUORUM://127.0.0.1:{}", port(&self.ports.quorum)),
        ];
        let mut advertised = listeners.clone();
        if is_kraft {
            listeners.extend_from_slice(&controllers);
        }
        if self.version >= DYNAMIC_QUORUM {
            advertised.extend_from_slice(&controllers);
        }
        if self.version >= OWN_SETTINGS {
            lines.push(
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,\
                 CONTROLLER:PLAINTEXT,QUORUM:SASL_PLAINTEXT"
                    .to_owned(),
            );
        }
        lines.push(format!("listeners={}", listeners.join(",")));
        lines.push(format!("advertised.listeners={}", advertised.join(",")));
        lines.push(format!("log.dirs={log_dirs}"));
        lines.join("\n") + "\n"
    }
}

/// Who logs in at PLAIN listeners, and as whom the broker itself does.
const PLAIN_LOGIN: &str = "sasl.jaas.config=\
    org.apache.kafka.common.security.plain.PlainLoginModule required \
    username=\"admin\" password=\"admin-secret\" user_admin=\"admin-secret\" \
    user_alice=\"alice-secret\" user_bob=\"bob-secret\";";

const SCRAM_LOGIN: &str = "sasl.jaas.config=\
    org.apache.kafka.common.security.scram.ScramLoginModule required;";

/// The id of a node's first log directory: 16 bytes in Base64.
fn log_dir(node: usize) -> String {
    format!("a2Fma2lvLWRpci0w{node:05}w")
}

impl Ports {
    /// Below the ports that the system hands out by itself: a broker that is down must find its
    /// port free when it comes back.
    fn find(nodes: usize) -> Result<Self, String> {
        let count = u16::try_from(4 * nodes + 1).map_err(|error| error.to_string())?;
        for _ in 0..100 {
            let base = fastrand::u16(15_000..32_000);
            let bound: Result<Vec<_>, _> = (base..base + count)
                .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
                .collect();
            if bound.is_ok() {
                let mut ports = base..base + count;
                return Ok(Self {
                    brokers: ports.by_ref().take(nodes).collect(),
                    sasl: ports.by_ref().take(nodes).collect(),
                    controllers: ports.by_ref().take(nodes).collect(),
                    quorum: ports.by_ref().take(nodes).collect(),
                    zookeeper: base + count - 1,
                });
            }
        }
        Err("no free ports on 127.0.0.1".to_owned())
    }
}

async fn zookeeper(java: &Java, folder: &Path, ports: &Ports) -> Result<Process, String> {
    let file = folder.join("zookeeper.properties");
    let settings = format!(
        "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n\
         admin.enableServer=false\ntickTime=500\n",
        folder.join("zookeeper").display(),
        ports.zookeeper
    );
    write(&file, &settings)?;
    let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
    let mut process = java.start("256m", main, &[&file.to_string_lossy()], "zookeeper.log")?;
    listening(ports.zookeeper, || process.ended().map(|end| format!("ZooKeeper has ended: {end}")))
        .await?;
    Ok(process)
}

/// Waits until somebody listens there, or the one who should has ended.
async fn listening(port: u16, mut ended: impl FnMut() -> Option<String>) -> Result<(), String> {
    let wait = async {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            if let Some(why) = ended() {
                return Err(why);
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    let timed_out = |_| Err(format!("nobody listens on {port} after {START:?}"));
    timeout(START, wait).await.unwrap_or_else(timed_out)
}

/// Removes what runs that have ended have left, processes included.
fn clear(runs: &Path) {
    for run in fs::read_dir(runs).into_iter().flatten().flatten() {
        let name = run.file_name().to_string_lossy().into_owned();
        let owner = name.split('-').next().unwrap_or_default().to_owned();
        if !Path::new("/proc").join(owner).exists() {
            kill_leftovers(&run.path());
            let _ = fs::remove_dir_all(run.path());
        }
    }
}

const LOG4J: &str = "log4j.rootLogger=WARN, A
log4j.appender.A=org.apache.log4j.ConsoleAppender
log4j.appender.A.layout=org.apache.log4j.PatternLayout
log4j.appender.A.layout.ConversionPattern=%d %p %c %m%n
";
