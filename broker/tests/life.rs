//! Start and stop of the real process: what it says when it cannot start, and what it leaves behind when it ends.

mod process;

use ottla::disk::Disk;
use ottla::port::Reserved;
use ottla_core::boundary::{FileDone, FileId, FileOp, OpenMode};
use ottla_core::store::{CATALOGUE, owner};
use ottla_core::types::{BrokerId, FileOpId};
use process::{Process, ottla};
use std::ffi::OsStr;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

fn refusal(arguments: &[&str]) -> String {
    let output = ottla().args(arguments).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn sigterm_ends_it_with_zero_and_nothing_is_left() {
    let mut process = Process::start(&[]);
    let directory = process.directory();
    assert!(directory.is_dir(), "{}", directory.display());
    assert_eq!(process.terminate(), Some(0));
    assert!(!directory.exists(), "{} stays behind", directory.display());
}

#[test]
fn it_serves_where_no_line_can_be_logged() {
    let mut command = ottla();
    let full = fs::File::options().write(true).open("/dev/full").expect("the kernel has one");
    command.args(["--port", "0", "--log-level", "info"]).stderr(full);
    let mut process = Process::start_as(command, &[]);
    drop(process.connect());
    assert_eq!(process.terminate(), Some(0));
}

#[test]
fn variables_that_are_not_text_are_none_of_its_business() {
    let nonsense = OsStr::from_bytes(b"\xff");
    let mut command = ottla();
    command.args(["--port", "0"]).env("LESS", nonsense);
    assert_eq!(Process::start_as(command, &[]).terminate(), Some(0));
    let told = ottla().env("OTTLA_NUM_PARTITIONS", nonsense).args(["--ephemeral"]).output().expect("it runs");
    assert_eq!(told.status.code(), Some(2));
    let told = String::from_utf8_lossy(&told.stderr);
    assert!(told.contains("OTTLA_NUM_PARTITIONS: its value must be UTF-8"), "{told}");
}

#[test]
fn a_listener_without_a_host_is_every_interface_of_both_families() {
    let mut command = ottla();
    command.args(["--log-level", "error"]);
    let mut process = Process::start_as(command, &["listeners=PLAINTEXT://:0"]);
    drop(process.connect());
    // A machine without IPv6 has nobody who could come by it.
    if TcpListener::bind("[::1]:0").is_ok() {
        let address = process.address().replace("127.0.0.1", "[::1]");
        drop(TcpStream::connect(address).expect("it accepts"));
    }
    assert_eq!(process.terminate(), Some(0));
}

#[test]
fn it_ends_soon_even_if_its_directory_is_gone() {
    let mut process = Process::start(&[]);
    fs::remove_dir_all(process.directory()).expect("it can be removed");
    let started = Instant::now();
    assert_eq!(process.terminate(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_file_system_without_direct_io_is_written_through_the_page_cache() {
    // The kernel's own files have none, whatever the machine's disks have.
    let (tell, told) = channel();
    let disk = Disk::start(Path::new("/proc/self"), move |_, outcome| drop(tell.send(outcome))).expect("threads");
    let (file, path, mode) = (FileId(1), "comm".to_owned(), OpenMode::Direct);
    disk.submit(FileOpId(1), FileOp::Open { file, path, mode });
    let opened = told.recv().expect("it ends");
    assert!(matches!(opened, Ok(FileDone::Opened { .. })), "{opened:?}");
}

#[test]
fn an_ephemeral_broker_lives_in_memory_where_it_is_told_to() {
    let memory = Path::new("/dev/shm").join(format!("ottla-test-{}", std::process::id()));
    fs::create_dir_all(&memory).expect("it can be made");
    let mut process = Process::start_in(&memory, &[]);
    assert_eq!(fs::read_dir(&memory).expect("it is there").count(), 1, "its data is there");
    drop(process.connect());
    assert_eq!(process.terminate(), Some(0));
    assert_eq!(fs::read_dir(&memory).expect("it is there").count(), 0, "nothing stays");
    fs::remove_dir(&memory).expect("it can be removed");
}

#[test]
fn every_mistake_in_the_settings_is_told_at_once() {
    let told = refusal(&["--set", "num.partitions=none", "--set", "log.retention.ms=soon", "--set", "nothing"]);
    for wanted in ["num.partitions=none", "log.retention.ms=soon", "--set nothing: expected KEY=VALUE"] {
        assert!(told.contains(wanted), "{wanted} is not in\n{told}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let told = refusal(&["--ephemeral", "--port", &port]);
    assert!(told.contains(&format!("127.0.0.1:{port} is in use")), "{told}");
}

/// Fills a directory, is refused it, and says what was told. Everything in it is as it was.
fn refused_directory(name: &str, files: &[(&str, &[u8])]) -> String {
    let directory = std::env::temp_dir().join(format!("ottla-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("it can be made");
    for (file, bytes) in files {
        fs::write(directory.join(file), bytes).expect("it can be written");
    }
    let log_dirs = format!("log.dirs={}", directory.display());
    let told = refusal(&["--port", "0", "--set", &log_dirs]);
    let mut left: Vec<_> =
        fs::read_dir(&directory).expect("it is there").map(|entry| entry.expect("a name").file_name()).collect();
    left.sort();
    assert!(left.iter().eq(files.iter().map(|(file, _)| *file)), "{left:?}");
    for (file, bytes) in files {
        assert!(fs::read(directory.join(file)).expect("it is there") == *bytes, "{file}");
    }
    fs::remove_dir_all(&directory).expect("it can be removed");
    told
}

#[test]
fn a_directory_of_something_else_is_not_touched() {
    let told = refused_directory("foreign", &[("thesis.tex", b"years of work")]);
    assert!(told.contains("thesis.tex"), "{told}");
}

#[test]
fn a_directory_that_lost_its_catalogue_is_not_taken_for_a_new_one() {
    let told =
        refused_directory("lost", &[("journal-0", &[0; 8192]), ("journal-1", b"OTTJ and what was acknowledged")]);
    assert!(told.contains("\"catalogue\" is missing") && told.contains("journal-0, journal-1"), "{told}");
    assert!(told.contains("put the file back"), "{told}");
}

#[test]
fn replicas_without_the_metadata_that_claim_them_are_not_touched() {
    let folder = std::env::temp_dir().join(format!("ottla-parted-{}", std::process::id()));
    let [first, other] = ["first", "other"].map(|name| folder.join(name));
    let reserved = Reserved::any().expect("a port");
    let (address, port) = (reserved.address(), reserved.number().to_string());
    let both = format!("log.dirs={},{}", first.display(), other.display());
    let mut broker = ottla().args(["--port", &port, "--set", &both]).spawn().expect("it starts");
    while std::net::TcpStream::connect(&address).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let server = ["--bootstrap-server", &address];
    let made = ottla().args(["topic", "create", "orders", "--partitions", "4"]).args(server).output().expect("it runs");
    assert!(made.status.success(), "{made:?}");
    let sent = std::process::Command::new("kill").arg(broker.id().to_string()).status().expect("kill runs");
    assert!(sent.success() && broker.wait().expect("it ends").success());
    let replicas = || fs::read_dir(&other).expect("it is there").count();
    let before = replicas();
    let told = refusal(&["--port", &port, "--set", &format!("log.dirs={}", other.display())]);
    assert!(told.contains("has no metadata") && told.contains("name the directory first that always was"), "{told}");
    assert_eq!(replicas(), before, "nothing is deleted");
    fs::remove_dir_all(&folder).expect("it can be removed");
}

/// Settings of a node that is a broker only, with its data here.
fn broker_only(directory: &Path) -> Vec<String> {
    let set = |setting: String| ["--set".to_owned(), setting];
    let settings = [
        format!("log.dirs={}", directory.display()),
        "process.roles=broker".to_owned(),
        "node.id=2".to_owned(),
        "controller.quorum.voters=1@127.0.0.1:1".to_owned(),
        "listeners=PLAINTEXT://127.0.0.1:0".to_owned(),
        "ottla.journal.bytes=4194304".to_owned(),
    ];
    settings.into_iter().flat_map(set).collect()
}

/// Exit code, standard output and error output.
fn run(arguments: &[&str], settings: &[String]) -> (Option<i32>, String, String) {
    let output = ottla().args(arguments).args(settings).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_broker_without_a_vote_needs_a_directory_that_was_formatted() {
    let directory = std::env::temp_dir().join(format!("ottla-format-{}", std::process::id()));
    let settings = broker_only(&directory);
    let (code, _, told) = run(&[], &settings);
    assert!(
        code == Some(2) && told.contains("never formatted") && told.contains("ottla format --cluster-id"),
        "{told}"
    );
    assert_eq!(fs::read_dir(&directory).expect("it is there").count(), 0, "nothing is made in it");

    let format = |more: &[&str]| run(&[&["format", "--cluster-id", "-one"][..], more].concat(), &settings);
    let (code, said, told) = format(&["--json"]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert!(said.contains("\"cluster_id\":\"-one\"") && said.contains("\"is_new\":true"), "{said}");
    let catalogue = fs::read(directory.join(CATALOGUE)).expect("it is made");
    let owner = owner(&catalogue, &ottla_codecs::functions()).expect("a good one");
    assert_eq!((owner.cluster.as_str(), owner.node), ("-one", BrokerId(2)));

    let (code, _, told) = format(&[]);
    assert!(code == Some(1) && told.contains("already") && told.contains("--ignore-formatted"), "{told}");
    let (code, said, _) = format(&["--ignore-formatted"]);
    assert!(code == Some(0) && said.contains("node 2 of cluster -one"), "{said}");
    let (code, _, told) = run(&["format", "-g", "-t", "two"], &settings);
    assert!(code == Some(1) && told.contains("cluster -one") && told.contains("left as it is"), "{told}");
    let other = [&settings[..], &["--set".to_owned(), "node.id=3".to_owned()]].concat();
    let (code, _, told) = run(&["format", "-g", "-t", "-one"], &other);
    assert!(code == Some(1) && told.contains("node 2 of"), "{told}");
    assert!(fs::read(directory.join(CATALOGUE)).expect("it is there") == catalogue, "nothing of that changes it");
    fs::remove_dir_all(&directory).expect("it can be removed");
}

#[test]
fn ids_of_clusters_are_new_and_mistakes_of_formatting_are_told() {
    let id = |more: &[&str]| run(&[&["random-uuid"][..], more].concat(), &[]).1;
    let (one, two) = (id(&[]), id(&[]));
    assert!(one.trim().len() == 22 && !one.starts_with('-') && one != two, "{one} {two}");
    assert!(id(&["--json"]).starts_with("{\"uuid\":\""));
    let (code, _, told) = run(&["format", "--cluster-id", "no id"], &[]);
    assert!(code == Some(2) && told.contains("letters, digits"), "{told}");
    let (code, _, told) = run(&["format", "-t", "one", "--set", "node.id=-1", "--set", "ottla.lanes=0"], &[]);
    assert!(code == Some(1) && told.matches("ottla: ").count() == 2, "{told}");
    let directory = std::env::temp_dir().join(format!("ottla-format-foreign-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("it can be made");
    fs::write(directory.join("thesis.tex"), b"years of work").expect("it can be written");
    let (code, _, told) = run(&["format", "-t", "one"], &broker_only(&directory));
    assert!(code == Some(1) && told.contains("thesis.tex"), "{told}");
    assert_eq!(fs::read_dir(&directory).expect("it is there").count(), 1, "nothing is made in it");
    fs::remove_dir_all(&directory).expect("it can be removed");
}

#[test]
fn help_teaches() {
    for (arguments, wanted) in [
        (&["--help"][..], "ottla server.properties"),
        (&["topic", "create", "--help"], "--partitions"),
        (&["consume", "--help"], "@MILLISECONDS"),
    ] {
        let output = ottla().args(arguments).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(wanted), "{arguments:?}:\n{text}");
    }
}
