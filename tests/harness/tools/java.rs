//! Java clients and Apache Kafka itself, from Maven Central.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{clients, finish, install, mortal};
use crate::harness::driver::Driver;

/// A folder of jars, and our driver program compiled beside them.
pub struct Jars(PathBuf);

impl Jars {
    /// For `java -cp`.
    pub fn class_path(&self) -> String {
        format!("{0}/lib/*:{0}/classes", self.0.display())
    }
}

/// Apache Kafka 4.3.1: the broker and its command line tools.
pub fn kafka() -> Jars {
    jars("kafka", include_str!("../../e2e/clients/java/kafka.xml"), "Tools")
}

/// The client library 4.4.0.
pub fn clients_4_4() -> Jars {
    jars("clients-4.4", include_str!("../../e2e/clients/java/clients-4.4.xml"), "AdminCalls")
}

/// The client library 3.9, the last one that still speaks to ZooKeeper's brokers.
pub fn clients_3_9() -> Jars {
    jars("clients-3.9", include_str!("../../e2e/clients/java/clients-3.9.xml"), "AdminCalls")
}

/// Starts our driver program on these jars.
pub fn start(name: &str, jars: &Jars) -> Driver {
    let mut command = mortal(Path::new("java"));
    command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    command.arg(format!("-Dlog4j2.configurationFile={}", log_settings().display()));
    command.args(["-cp", &jars.class_path(), "Driver"]);
    Driver::start(name, command)
}

/// How loud Java programs are: warnings, to standard error.
pub fn log_settings() -> PathBuf {
    clients().join("java/log4j2.yaml")
}

/// The jars that the pom of this name asks for, with our driver and one extension of it compiled against them.
fn jars(name: &str, pom: &str, extension: &str) -> Jars {
    let sources = ["Driver".to_owned(), extension.to_owned()].map(|class| clients().join(format!("java/{class}.java")));
    let texts = sources.iter().map(|source| fs::read_to_string(source).expect("our sources are there"));
    let recipe = format!("{pom}{}", texts.collect::<String>());
    let home = install(name, &recipe, |home| {
        let mut mvn = Command::new("mvn");
        mvn.args(["-q", "-B", "-f"])
            .arg(clients().join(format!("java/{name}.xml")))
            .arg("dependency:copy-dependencies");
        finish(mvn.arg("-DincludeScope=runtime").arg(format!("-DoutputDirectory={}/lib", home.display())), "mvn");
        let mut javac = Command::new("javac");
        javac.args(["-nowarn", "-cp", &format!("{}/lib/*", home.display()), "-d"]).arg(home.join("classes"));
        finish(javac.args(sources), "javac");
    });
    Jars(home)
}
