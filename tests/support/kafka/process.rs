//! Java processes that end with this one, however it ends.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The Java of one version of Kafka.
#[derive(Clone, Debug)]
pub struct Java {
    jars: PathBuf,
    folder: PathBuf,
}

/// One running process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Java {
    /// With these jars; logs and settings are in the folder.
    pub fn new(jars: PathBuf, folder: PathBuf) -> Self {
        Self { jars, folder }
    }

    /// Starts a program in the background, with its output in a file.
    pub fn start(
        &self,
        heap: &str,
        main: &str,
        arguments: &[&str],
        log: &str,
    ) -> Result<Process, String> {
        let log = self.folder.join(log);
        let open = || File::options().create(true).append(true).open(&log);
        let (out, err) = match (open(), open()) {
            (Ok(out), Ok(err)) => (out, err),
            (Err(error), _) | (_, Err(error)) => return Err(format!("{}: {error}", log.display())),
        };
        // The kernel ends it even when this process is killed, where there is a tool to say so.
        let mut command = if has_setpriv() {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "java"]);
            command
        } else {
            Command::new("java")
        };
        let child = command
            .args(self.arguments(heap, main, arguments))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|error| format!("java cannot be run: {error}"))?;
        let process = Process { child };
        File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("pids"))
            .and_then(|mut pids| writeln!(pids, "{}", process.child.id()))
            .map_err(|error| format!("pids: {error}"))?;
        Ok(process)
    }

    /// Runs a program to its end, and gives what it has printed.
    pub async fn run(&self, main: &str, arguments: &[&str]) -> Result<String, String> {
        let output = tokio::process::Command::new("java")
            .args(self.arguments("256m", main, arguments))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| format!("java, which Kafka needs, cannot be run: {error}"))?;
        let out = String::from_utf8_lossy(&output.stdout);
        if output.status.success() {
            return Ok(out.into_owned());
        }
        let err = String::from_utf8_lossy(&output.stderr);
        Err(format!("{main} {arguments:?}: {}\n{out}{err}", output.status))
    }

    fn arguments(&self, heap: &str, main: &str, arguments: &[&str]) -> Vec<String> {
        let log4j = self.folder.join("log4j.properties");
        let mut all = vec![
            format!("-Xmx{heap}"),
            "-XX:+UseSerialGC".to_owned(),
            "-XX:TieredStopAtLevel=1".to_owned(),
            "-Djava.awt.headless=true".to_owned(),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned(),
            format!("-Dlog4j.configuration=file:{}", log4j.display()),
            "-Dzookeeper.admin.enableServer=false".to_owned(),
        ];
        // Old versions reach into Java's own packages.
        for package in ["java.lang", "java.nio", "sun.nio.ch"] {
            all.extend(["--add-opens".to_owned(), format!("java.base/{package}=ALL-UNNAMED")]);
        }
        all.extend(["-cp".to_owned(), format!("{}/*", self.jars.display()), main.to_owned()]);
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        all
    }
}

impl Process {
    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Why it has ended, if it has.
    pub fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ends what an earlier run has left in this folder: a process of those numbers counts only if it
/// is a Java that names the folder.
pub fn kill_leftovers(folder: &Path) {
    let pids = fs::read_to_string(folder.join("pids")).unwrap_or_default();
    for pid in pids.lines().filter(|pid| pid.parse::<u32>().is_ok()) {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        if command.contains("java") && command.contains(&*folder.to_string_lossy()) {
            let _ = Command::new("kill").args(["-9", pid]).status();
        }
    }
}

fn has_setpriv() -> bool {
    let probe = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}
