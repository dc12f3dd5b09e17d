//! Runs scenarios one after the other on one cluster, and reports as the standard test runner does.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::time::{Instant, timeout};

use crate::kafka::RealKafka;
use crate::support::{Outcome, time_limit};

/// One entry of the list.
pub struct Scenario {
    /// `file::function`.
    pub name: &'static str,
    /// The function.
    pub run: for<'a> fn(&'a RealKafka) -> LocalBoxFuture<'a, Outcome>,
}

/// Which scenarios the command line asks for; options of the standard runner that make no
/// difference here are accepted.
#[derive(Debug, Default)]
struct Filter {
    wanted: Vec<String>,
    unwanted: Vec<String>,
    is_exact: bool,
    is_list: bool,
}

#[derive(Debug, Default)]
struct Counts {
    passed: usize,
    failed: Vec<&'static str>,
    ignored: usize,
}

/// Runs what the command line asks for on the cluster that the environment names.
pub async fn run(scenarios: Vec<Scenario>) -> ExitCode {
    let filter = Filter::new(std::env::args().skip(1));
    let (chosen, others): (Vec<_>, Vec<_>) =
        scenarios.into_iter().partition(|scenario| filter.takes(scenario.name));
    if filter.is_list {
        chosen.iter().for_each(|scenario| println!("{}: test", scenario.name));
        println!("\n{} tests, 0 benchmarks", chosen.len());
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    println!("\nrunning {} tests", chosen.len());
    let mut counts = Counts::default();
    if chosen.is_empty() {
        return report(&counts, others.len(), start);
    }
    let kafka = match RealKafka::from_env().await {
        Ok(Some(kafka)) => kafka,
        Ok(None) => {
            for scenario in &chosen {
                println!(
                    "test {} ... ignored, needs KAFKIO_KAFKA: see CONTRIBUTING.md",
                    scenario.name
                );
            }
            counts.ignored = chosen.len();
            return report(&counts, others.len(), start);
        }
        Err(why) => {
            eprintln!("no cluster: {why}");
            counts.failed = chosen.iter().map(|scenario| scenario.name).collect();
            return report(&counts, others.len(), start);
        }
    };
    for scenario in &chosen {
        run_one(scenario, &kafka, &mut counts).await;
    }
    report(&counts, others.len(), start)
}

async fn run_one(scenario: &Scenario, kafka: &RealKafka, counts: &mut Counts) {
    let name = scenario.name;
    let begin = Instant::now();
    let work = async {
        if let Err(why) = kafka.settle().await {
            panic!("the scenario before has left the cluster broken: {}", kafka.with_logs(&why));
        }
        match timeout(time_limit(), (scenario.run)(kafka)).await {
            Ok(outcome) => outcome,
            Err(_) => panic!("{name} is not done after {:?}", time_limit()),
        }
    };
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    let took = begin.elapsed().as_secs_f64();
    match outcome {
        Ok(Ok(())) => {
            println!("test {name} ... ok <{took:.1}s>");
            counts.passed += 1;
        }
        Ok(Err(skipped)) => {
            println!("test {name} ... ignored, {}", skipped.0);
            counts.ignored += 1;
        }
        // The panic itself has been printed when it happened.
        Err(_) => {
            println!("test {name} ... FAILED <{took:.1}s>");
            counts.failed.push(name);
        }
    }
}

fn report(counts: &Counts, filtered: usize, start: Instant) -> ExitCode {
    let is_ok = counts.failed.is_empty();
    if !is_ok {
        println!("\nfailures:");
        counts.failed.iter().for_each(|name| println!("    {name}"));
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; {} ignored; 0 measured; {filtered} filtered out; \
         finished in {:.2}s\n",
        if is_ok { "ok" } else { "FAILED" },
        counts.passed,
        counts.failed.len(),
        counts.ignored,
        start.elapsed().as_secs_f64()
    );
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Filter {
    fn new(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut filter = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--exact" => filter.is_exact = true,
                "--list" => filter.is_list = true,
                "--skip" => filter.unwanted.extend(arguments.next()),
                "--test-threads" | "--color" | "--format" | "-Z" => drop(arguments.next()),
                option if option.starts_with('-') => {}
                name => filter.wanted.push(name.to_owned()),
            }
        }
        filter
    }

    fn takes(&self, name: &str) -> bool {
        let matches = |pattern: &String| {
            if self.is_exact { name == pattern } else { name.contains(pattern.as_str()) }
        };
        let is_wanted = self.wanted.is_empty() || self.wanted.iter().any(matches);
        is_wanted && !self.unwanted.iter().any(matches)
    }
}
