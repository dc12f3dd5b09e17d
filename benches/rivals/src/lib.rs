//! What the programs share: the command line, the meters, the values, the line of JSON. Knows no
//! client.

use std::error::Error;
use std::future::Future;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};

/// What can go wrong; it ends the program.
pub type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Every topic of a race has so many.
pub const PARTITIONS: i32 = 6;

/// Deliveries that may be open at once.
pub const OPEN: usize = 100_000;

/// Records before the clock starts, so that connections, metadata and producer ids are there.
const WARM_UP: usize = 600;

/// What was asked for on the command line.
#[derive(Clone, Debug)]
pub struct Race {
    pub op: Op,
    pub bootstrap: String,
    pub topic: String,
    pub n: usize,
    pub size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Produce,
    Consume,
    ConsumeBatch,
    Latency,
    Roundtrip,
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Outcome {
    wall: Duration,
    cpu: Duration,
    /// Bytes of one value.
    size: usize,
    samples: Vec<Duration>,
}

impl Race {
    /// Reads the command line; ends the program if it is not one.
    pub fn from_args() -> Self {
        Self::parse(std::env::args().skip(1)).unwrap_or_else(|| {
            eprintln!(
                "usage: produce BOOTSTRAP TOPIC N SIZE\n       \
                 consume|consume-batch|latency|roundtrip BOOTSTRAP TOPIC N"
            );
            std::process::exit(2)
        })
    }

    fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        Some(Self {
            op: match args.next()?.as_str() {
                "produce" => Op::Produce,
                "consume" => Op::Consume,
                "consume-batch" => Op::ConsumeBatch,
                "latency" => Op::Latency,
                "roundtrip" => Op::Roundtrip,
                _ => return None,
            },
            bootstrap: args.next()?,
            topic: args.next()?,
            n: args.next()?.parse().ok().filter(|n| *n > 0)?,
            size: match args.next() {
                Some(size) => size.parse().ok()?,
                None => 100,
            },
        })
    }

    /// The client does not have this operation.
    pub fn unsupported(&self) -> ! {
        eprintln!("{:?} is not supported", self.op);
        std::process::exit(3)
    }

    /// 1024 pseudo-random values; record `i` takes number `i % 1024`.
    pub fn values(&self) -> Vec<Bytes> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        (0..1024).map(|_| (0..self.size).map(|_| byte()).collect()).collect()
    }

    /// Measures `send`, which writes that many records and awaits all of their deliveries.
    pub async fn produce<F: Future<Output = Result<()>>>(
        &self,
        send: impl Fn(usize) -> F,
    ) -> Result<Outcome> {
        send(WARM_UP).await?;
        let clock = Clock::start();
        send(self.n).await?;
        Ok(clock.stop(self.size))
    }

    /// Measures `read`, which reads the topic to its end and gives records and bytes of values.
    pub async fn consume(
        &self,
        read: impl Future<Output = Result<(usize, usize)>>,
    ) -> Result<Outcome> {
        let clock = Clock::start();
        let (records, bytes) = read.await?;
        let outcome = clock.stop(bytes / records.max(1));
        if records < self.n || bytes % records != 0 {
            return Err(format!("read {records} records of {bytes} bytes").into());
        }
        Ok(outcome)
    }

    /// Measures single records, each awaited before the next.
    pub async fn latency(&self, mut send: impl AsyncFnMut(Bytes) -> Result<()>) -> Result<Outcome> {
        let values = self.values();
        let mut values = values.iter().cycle().cloned();
        for value in values.by_ref().take((self.n / 4).max(24)) {
            send(value).await?;
        }
        let mut samples = Vec::with_capacity(self.n);
        let clock = Clock::start();
        for value in values.take(self.n) {
            let began = Instant::now();
            send(value).await?;
            samples.push(began.elapsed());
        }
        Ok(Outcome { samples, ..clock.stop(self.size) })
    }

    /// Measures the way from `send` to [`Trip::seen`]: warm-up records until the consumer sees
    /// them, then one record each 2 ms.
    pub async fn roundtrip(
        &self,
        trip: &Trip,
        mut send: impl AsyncFnMut(Bytes) -> Result<()>,
    ) -> Result<Outcome> {
        let limit = Duration::from_secs(30);
        let began = Instant::now();
        while trip.counts().0 == 0 {
            if began.elapsed() > limit {
                return Err("the consumer sees nothing".into());
            }
            send(trip.value(self.size, false)).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut tick = tokio::time::interval(Duration::from_millis(2));
        for _ in 0..self.n / 4 {
            tick.tick().await;
            send(trip.value(self.size, false)).await?;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        tick.reset();
        let clock = Clock::start();
        for _ in 0..self.n {
            tick.tick().await;
            send(trip.value(self.size, true)).await?;
        }
        let began = Instant::now();
        while trip.counts().1 < self.n {
            if began.elapsed() > limit {
                return Err("records are missing".into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let outcome = clock.stop(self.size);
        Ok(Outcome { samples: trip.take(), ..outcome })
    }

    /// Prints the line of JSON, and ends the program without waiting for the client.
    pub fn report(&self, client: &str, version: &str, mut outcome: Outcome) -> ! {
        outcome.samples.sort_unstable();
        let percentile = |p: usize| {
            let at = outcome.samples.len().saturating_sub(1) * p / 100;
            let micros = outcome.samples.get(at).map(|sample| sample.as_secs_f64() * 1e6);
            micros.map_or_else(|| "null".to_owned(), |micros| format!("{micros:.1}"))
        };
        let op = match self.op {
            Op::Produce => "produce",
            Op::Consume => "consume",
            Op::ConsumeBatch => "consume-batch",
            Op::Latency => "latency",
            Op::Roundtrip => "roundtrip",
        };
        let (wall, cpu) = (outcome.wall.as_secs_f64(), outcome.cpu.as_secs_f64());
        let count = self.n as f64;
        println!(
            r#"{{"client":"{client}","version":"{version}","op":"{op}","n":{},"size":{},"wall_s":{wall:.6},"cpu_s":{cpu:.6},"us_cpu_per_msg":{:.4},"msgs_per_s":{:.1},"max_rss_mb":{:.1},"p50_us":{},"p99_us":{}}}"#,
            self.n,
            outcome.size,
            cpu * 1e6 / count,
            count / wall,
            max_rss_mb(),
            percentile(50),
            percentile(99),
        );
        std::process::exit(0)
    }
}

/// Wall time and CPU time, user and system, of all threads of this process.
struct Clock {
    wall: Instant,
    cpu: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_time() }
    }

    fn stop(self, size: usize) -> Outcome {
        let (wall, cpu) = (self.wall.elapsed(), cpu_time() - self.cpu);
        Outcome { wall, cpu, size, samples: Vec::new() }
    }
}

pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds)
        + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

/// `VmHWM`: what `getrusage` gives survives exec, and would show the size of the calling program.
fn max_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) / 1024.0
}

/// Values that tell how long they were under way: 8 bytes that name the process, then the time
/// since the start in nanoseconds, 0 for warm-up.
#[derive(Debug)]
pub struct Trip {
    name: [u8; 8],
    start: Instant,
    seen: Mutex<(usize, Vec<Duration>)>,
}

impl Default for Trip {
    fn default() -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let name = u64::try_from(now.as_nanos()).unwrap_or_default().to_be_bytes();
        Self { name, start: Instant::now(), seen: Mutex::default() }
    }
}

impl Trip {
    /// For each value that the consumer receives.
    pub fn seen(&self, value: &[u8]) {
        let now = self.start.elapsed();
        let Some((name, rest)) = value.split_first_chunk::<8>() else {
            return;
        };
        let Some((sent, _)) = rest.split_first_chunk::<8>() else {
            return;
        };
        if *name != self.name {
            return;
        }
        let mut seen = self.seen.lock().expect("no panic under the lock");
        match u64::from_be_bytes(*sent) {
            0 => seen.0 += 1,
            sent => seen.1.push(now.saturating_sub(Duration::from_nanos(sent))),
        }
    }

    fn value(&self, size: usize, timed: bool) -> Bytes {
        let nanos = if timed { self.start.elapsed().as_nanos() } else { 0 };
        let mut value = self.name.to_vec();
        value.extend(u64::try_from(nanos).unwrap_or_default().to_be_bytes());
        value.resize(size.max(16), 0);
        value.into()
    }

    fn counts(&self) -> (usize, usize) {
        let seen = self.seen.lock().expect("no panic under the lock");
        (seen.0, seen.1.len())
    }

    fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.seen.lock().expect("no panic under the lock").1)
    }
}
