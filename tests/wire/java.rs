//! Kafka's own classes read our bytes and write the same, name every field alike, and build from our JSON what we read.

use crate::schema::{Family, Struct};
use crate::{codec, families, hex, messages, sample, unhex};
use bytes::Bytes;
use ottla_core::msg::{ApiFacts, ApiKey};
use ottla_core::types::Rng;
use ottla_core::wire::{self, Reader, RequestHead};
use ottla_tests::harness::tools::{apt, finish, install};
use serde_json::Value;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Messages drawn for each kind and version.
const SAMPLES: usize = 12;

#[test]
fn kafkas_own_classes_read_and_write_the_same_bytes() {
    let families = families();
    let mut rng = Rng::new(0x4a61_7661);
    let mut lines = String::new();
    let mut drawn = Vec::new();
    for (family, message, version) in messages(&families) {
        for _ in 0..SAMPLES {
            let sample = sample::draw(family, message, version, &mut rng, 3);
            let class = sample::java_class(family, message);
            writeln!(lines, "parse {class} {version} {}", hex(&sample.bytes)).expect("a string grows");
            writeln!(lines, "build {class} {version} {}", sample.json).expect("a string grows");
            drawn.push((family, message, version, sample));
        }
    }
    let answers = kafka("read", &lines);
    let mut answers = answers.lines();
    for (family, message, version, sample) in &drawn {
        let what = format!("{} {version}: {}\n{}", message.name, hex(&sample.bytes), sample.json);
        let parsed = answers.next().unwrap_or_else(|| panic!("no answer to {what}"));
        let (bytes, json) = parsed.split_once(' ').unwrap_or_else(|| panic!("{parsed}: {what}"));
        assert_eq!(bytes, hex(&sample.bytes), "Kafka writes other bytes: {what}");
        let json: Value = serde_json::from_str(json).unwrap_or_else(|fault| panic!("{fault} in {parsed}: {what}"));
        assert_eq!(json, without_records(&sample.json), "Kafka reads other fields: {what}");
        let built = answers.next().unwrap_or_else(|| panic!("no answer to {what}"));
        assert!(!built.starts_with('!'), "{built}: {what}");
        same(family, message, *version, built);
    }
    assert_eq!(answers.next(), None, "more answers than questions");
}

#[test]
fn values_are_carried_to_other_versions_as_kafkas_own_classes_do() {
    let families = families();
    let mut rng = Rng::new(0x6361_7272);
    let mut lines = String::new();
    let mut drawn = Vec::new();
    for (family, message, version) in messages(&families) {
        for other in message.range.first..=message.range.last {
            // Of size 0 most values are defaults, so that the other version can carry them.
            for size in [0, 0, 2] {
                let sample = sample::draw(family, message, version, &mut rng, size);
                let class = sample::java_class(family, message);
                writeln!(lines, "carry {class} {version}/{other} {}", hex(&sample.bytes)).expect("a string grows");
                drawn.push((family, message, (version, other), sample));
            }
        }
    }
    let answers = kafka("carried", &lines);
    assert_eq!(answers.lines().count(), drawn.len());
    let mut refused = 0;
    for (theirs, (family, message, versions, sample)) in answers.lines().zip(&drawn) {
        let ours = codec::carried(family, message, *versions, &sample.bytes);
        let what = format!("{} {versions:?}: {}: ours {ours:?}, Kafka's {theirs}", message.name, sample.json);
        assert_eq!(ours.is_err(), theirs.starts_with('!'), "{what}");
        refused += usize::from(ours.is_err());
        assert!(ours.is_err() || ours.as_deref().map(hex).as_deref() == Ok(theirs), "{what}");
    }
    assert!(refused > drawn.len() / 50 && refused < drawn.len() * 3 / 4, "{refused} of {} refused", drawn.len());
}

#[test]
fn versions_and_headers_are_those_of_kafkas_own_classes() {
    let lines: Vec<String> = ApiKey::ALL.iter().map(|api| format!("facts {}", api.code())).collect();
    let answers = kafka("facts", &(lines.join("\n") + "\n"));
    for (theirs, api) in answers.lines().zip(ApiKey::ALL) {
        let ApiFacts { name, first, last, announced_first, on_broker, on_controller, .. } = api.facts();
        let (listeners, theirs) = theirs.split_once(' ').expect("two words and more");
        let (broker, controller) = listeners.split_once(',').expect("two listeners");
        assert!(!on_broker || broker == "true", "{name} is answered on a broker's listener");
        assert!(!on_controller || controller == "true", "{name} is answered on a controller's listener");
        let mut ours = format!("{name} {first} {last} {announced_first}");
        for version in first..=last {
            let (request, response) = header_versions(*api, version);
            write!(ours, " {request}/{response}").expect("a string grows");
        }
        assert_eq!(theirs, ours);
    }
    assert_eq!(answers.lines().count(), ApiKey::ALL.len());
}

/// The versions of the headers that our frames have: each adds a byte for its tagged fields.
fn header_versions(api: ApiKey, version: i16) -> (usize, usize) {
    let (code, number) = (api.code().to_be_bytes(), version.to_be_bytes());
    let bytes = [&code[..], &number, &[0; 4], &[0xff; 2], &[0; 8]].concat();
    let bytes = Bytes::from(bytes);
    let mut request = Reader::new(&bytes, 0);
    let head = RequestHead { api, version, correlation_id: 0, client_id: None };
    assert_eq!(wire::read_request_head(&mut request), Ok(head));
    let zeros = Bytes::from_static(&[0; 12]);
    let mut response = Reader::new(&zeros, 0);
    assert_eq!(wire::read_response_head(&mut response, api, version), Ok(0));
    (1 + 8 - request.remaining(), 8 - response.remaining())
}

/// Kafka's JSON tells only that there are records.
fn without_records(json: &Value) -> Value {
    let mut json = json.clone();
    let mut open = vec![&mut json];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(inner) => open.extend(inner),
            Value::Object(inner) => {
                let records = inner.get_mut("records").filter(|records| records.is_string());
                records.into_iter().for_each(|records| *records = "".into());
                open.extend(inner.values_mut());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
        }
    }
    json
}

fn same(family: &Family, message: &Struct, version: i16, theirs: &str) {
    let ours = codec::again(family, message, version, &unhex(theirs)).map(|bytes| hex(&bytes));
    assert_eq!(ours.as_deref(), Ok(theirs), "{} {version}", message.name);
}

/// Runs the Java program over the lines, kept in a file of this name, and returns its answers.
fn kafka(name: &str, lines: &str) -> String {
    let folder = prepared();
    let asked = folder.join(name);
    fs::write(&asked, lines).expect("the target folder can be written");
    let mut java = Command::new("java");
    java.args(["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp"]).arg(class_path(&folder)).arg("Differential");
    java.stdin(File::open(&asked).expect("just written"));
    finish(&mut java, "Kafka's classes")
}

fn class_path(folder: &Path) -> String {
    format!("{}:{}/lib/*", folder.display(), folder.display())
}

/// The folder with Kafka's jars from Maven Central and the compiled program.
fn prepared() -> PathBuf {
    apt::need("javac", "default-jdk-headless");
    apt::need("mvn", "maven");
    let recipe = concat!(include_str!("java/pom.xml"), include_str!("java/Differential.java"));
    install("wire-java", recipe, |home| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("wire/java");
        let mut mvn = Command::new("mvn");
        mvn.args(["-q", "-B", "-f"]).arg(source.join("pom.xml")).arg("dependency:copy-dependencies");
        finish(mvn.arg(format!("-DoutputDirectory={}/lib", home.display())), "mvn");
        let mut javac = Command::new("javac");
        javac.arg("-d").arg(home).arg("-cp").arg(class_path(home)).arg(source.join("Differential.java"));
        finish(&mut javac, "javac");
    })
}
