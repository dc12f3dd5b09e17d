//! Kills brokers, moves leaders and cuts connections, as a seed says.

use std::cell::Cell;
use std::time::Duration;

use kafkio::admin::metadata::TopicMetadata;
use kafkio::admin::replicas::{Election, ElectionType, Reassignment};
use kafkio::{Client, ClientBuilder};
use tokio::time::{Instant, sleep};

use super::proxy::Proxy;
use crate::support::{PATIENCE, TestCluster, eventually, number_of};

/// Troubles one topic of a cluster, whose clients are behind its proxy.
#[derive(Debug)]
pub struct Nemesis<'a, C> {
    pub seed: u64,
    cluster: &'a C,
    topic: &'a str,
    /// Of its own, and not troubled.
    client: Client,
    proxy: Proxy,
    kills: Cell<u32>,
    moves: Cell<u32>,
    begin: Instant,
}

impl<'a, C: TestCluster> Nemesis<'a, C> {
    /// The seed is that of `KAFKIO_CHAOS_SEED`, or another one each time.
    pub async fn new(cluster: &'a C, topic: &'a str) -> Self {
        let seed = number_of("KAFKIO_CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
        println!("KAFKIO_CHAOS_SEED={seed}");
        let client = cluster.client().api_timeout(Duration::from_secs(5)).connect().await.unwrap();
        let (kills, moves) = (Cell::new(0), Cell::new(0));
        let (proxy, begin) = (Proxy::new(is_patient(seed)), Instant::now());
        Self { seed, cluster, topic, client, proxy, kills, moves, begin }
    }

    /// Begins a client that is troubled.
    pub fn client(&self) -> ClientBuilder {
        self.cluster.client().connector(self.proxy.connector())
    }

    /// How long clients wait for what they want. Those who wait for long get it. The others give up what
    /// brokers may have.
    pub fn patience(&self) -> Duration {
        if self.is_patient() { PATIENCE * 2 } else { self.second() * 5 }
    }

    /// Half of the seeds are.
    pub fn is_patient(&self) -> bool {
        is_patient(self.seed)
    }

    /// As long as a second is for brokers that take seconds to start.
    pub fn second(&self) -> Duration {
        Duration::from_millis(if self.cluster.is_real() { 1_000 } else { 60 })
    }

    /// Makes trouble until the work is done. All brokers are there again then, and in sync.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let over = Cell::new(false);
        let mut random = fastrand::Rng::with_seed(self.seed);
        let [kills, moves, cuts] = [random.fork(), random.fork(), random.fork()];
        let work = async {
            let done = work.await;
            over.set(true);
            done
        };
        let (done, ..) = tokio::join!(
            work,
            self.kill(kills, &over),
            self.move_leaders(moves, &over),
            self.cut(cuts, &over)
        );
        self.whole().await;
        done
    }

    /// Never more than one at a time: the next one when all replicas are in sync again.
    async fn kill(&self, mut random: fastrand::Rng, over: &Cell<bool>) {
        while self.pause(1.0 + 2.0 * random.f32(), over).await {
            let Some(topic) = self.look().await else {
                continue;
            };
            let leaders: Vec<_> = topic.partitions.iter().filter_map(|it| it.leader).collect();
            let Some(victim) = random.choice(leaders) else {
                continue;
            };
            self.cluster.kill(victim).await;
            self.kills.set(self.kills.get() + 1);
            // Back before anybody has noticed, or long after there are other leaders.
            self.pause(0.2 + 8.0 * random.f32(), over).await;
            self.cluster.restart(victim).await;
            self.whole().await;
        }
    }

    /// Another order of the replicas, and an election: the first one is preferred.
    async fn move_leaders(&self, mut random: fastrand::Rng, over: &Cell<bool>) {
        while self.pause(2.0 * random.f32(), over).await {
            let Some(topic) = self.look().await else {
                continue;
            };
            let Some(partition) = random.choice(&topic.partitions) else {
                continue;
            };
            let mut replicas = partition.replicas.clone();
            random.shuffle(&mut replicas);
            let order = Reassignment::new(self.topic, partition.id, replicas);
            let at = [(self.topic, partition.id)];
            // Whoever controls may be dead, or the chosen one: then there is no move.
            let _ = self.client.alter_partition_reassignments([order]).await;
            let elected = self.client.elect_leaders(ElectionType::Preferred, at).await;
            if elected.and_then(|it| it.into_only()).is_ok_and(|it| it == Election::Elected) {
                self.moves.set(self.moves.get() + 1);
            }
        }
    }

    async fn cut(&self, mut random: fastrand::Rng, over: &Cell<bool>) {
        while self.pause(random.f32(), over).await {
            self.proxy.cut(&mut random);
        }
    }

    /// Whether the work still goes on after so many seconds.
    async fn pause(&self, seconds: f32, over: &Cell<bool>) -> bool {
        let until = Instant::now() + self.second().mul_f32(seconds);
        while !over.get() && Instant::now() < until {
            sleep(Duration::from_millis(20)).await;
        }
        !over.get()
    }

    async fn look(&self) -> Option<TopicMetadata> {
        let metadata = self.client.metadata([self.topic]).await.ok()?;
        metadata.topic(self.topic).ok().cloned()
    }

    async fn whole(&self) {
        let brokers = self.cluster.brokers();
        eventually("all replicas are in sync", async || {
            let topic = self.look().await?;
            let mut partitions = topic.partitions.iter();
            let is_whole = partitions.all(|it| it.leader.is_some() && it.isr.len() == brokers);
            is_whole.then_some(())
        })
        .await;
    }

    /// What has happened.
    pub fn summary(&self) -> String {
        format!(
            "{} kills, {} moves of leaders, {} of {} connections cut, in {:.1} s; \
             KAFKIO_CHAOS_SEED={}",
            self.kills.get(),
            self.moves.get(),
            self.proxy.cuts(),
            self.proxy.opened(),
            self.begin.elapsed().as_secs_f32(),
            self.seed
        )
    }
}

fn is_patient(seed: u64) -> bool {
    seed % 2 == 0
}
