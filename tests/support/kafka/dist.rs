//! The jars of a version of Kafka, fetched once by Maven and kept.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tokio::process::Command;

/// The folder with the jars of that version.
pub async fn jars(version: &str, (major, minor): (u16, u16)) -> Result<PathBuf, String> {
    if let Some(libs) = cached(version) {
        return Ok(libs);
    }
    let folder = cache().join(version);
    let (libs, done) = (folder.join("libs"), folder.join("done"));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let pom = folder.join("pom.xml");
    write(&pom, &project(version, (major, minor)))?;
    println!("fetching Kafka {version}");
    let mut tries = 2;
    loop {
        tries -= 1;
        let output = Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(&pom)
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", libs.display()))
            .output()
            .await
            .map_err(|error| format!("mvn, which fetches Kafka, cannot be run: {error}"))?;
        if output.status.success() {
            write(&done, "")?;
            return Ok(libs);
        }
        if tries == 0 {
            let text = String::from_utf8_lossy(&output.stdout);
            return Err(format!("mvn cannot fetch Kafka {version}:\n{text}"));
        }
    }
}

/// The folder with the jars of that version, if they have been fetched.
pub fn cached(version: &str) -> Option<PathBuf> {
    let folder = cache().join(version);
    folder.join("done").exists().then(|| folder.join("libs"))
}

fn cache() -> PathBuf {
    std::env::var_os("KAFKIO_CACHE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kafka"), PathBuf::from)
}

/// A project that needs nothing but a broker.
fn project(version: &str, number: (u16, u16)) -> String {
    let scala = match number {
        (2, 8..) | (3.., _) => "2.13",
        (2, _) => "2.12",
        _ => "2.11",
    };
    let mut dependencies = String::new();
    let mut add = |group: &str, artifact: &str, version: &str| {
        write!(
            dependencies,
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>"
        )
        .expect("a string takes it");
    };
    add("org.apache.kafka", &format!("kafka_{scala}"), version);
    add("org.slf4j", "slf4j-simple", "1.7.36");
    if number >= (1, 0) {
        add("org.apache.kafka", "kafka-tools", version);
    } else {
        // Java 9 and later do not bring it any more.
        add("javax.xml.bind", "jaxb-api", "2.3.1");
    }
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>kafkio</groupId><artifactId>kafka</artifactId><version>1</version>\
         <packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"
    )
}

/// Writes a file, with its name in the error.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
