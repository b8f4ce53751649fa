//! Programs that the tests need and how they come to be: ours is built, clients are installed into `target/e2e-tools` by their
//! own package managers and kept between runs. What cannot be had fails the test.

pub mod apt;
pub mod golang;
pub mod java;
pub mod node;
pub mod python;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;

use crate::harness::log::say;

/// This package's folder of client programs.
pub fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/clients")
}

/// The workspace's build folder: the one above this program that cargo marked as a cache.
pub fn target() -> PathBuf {
    let program = std::env::current_exe().expect("a process knows its program");
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    target.expect("this program was built by cargo").to_owned()
}

/// Where an installed tool lies.
pub fn home(name: &str) -> PathBuf {
    target().join("e2e-tools").join(name)
}

/// Our broker, built as the profile says; `OTTLA_E2E_BINARY` names another one.
pub fn ottla(profile: &'static str) -> PathBuf {
    std::env::var_os("OTTLA_E2E_BINARY").map_or_else(|| built(profile, "ottla", "ottla"), PathBuf::from)
}

/// A binary of the workspace, built at most once in the life of this process.
pub fn built(profile: &'static str, package: &'static str, binary: &'static str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<(&str, &str), PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let path = built.entry((profile, binary)).or_insert_with(|| {
        say(&format!("building {binary} ({profile})"));
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("build").arg("--target-dir").arg(target());
        command.args([
            "--profile",
            profile,
            "-p",
            package,
            "--bin",
            binary,
            "--message-format=json-render-diagnostics",
        ]);
        let output = finish(&mut command, "cargo build");
        let messages = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut programs = messages.filter_map(|message| Some(message.get("executable")?.as_str()?.to_owned()));
        programs.next().expect("cargo names the program it built").into()
    });
    path.clone()
}

/// Our broker as it was at this commit, built with our assertions; `None` in a copy of the project without its history.
pub fn earlier(commit: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let git = |args: &[&str]| Command::new("git").arg("-C").arg(&root).args(args).output().ok();
    let is_there = git(&["cat-file", "-e", &format!("{commit}^{{commit}}")]).is_some_and(|ran| ran.status.success());
    if !is_there {
        let shallow = git(&["rev-parse", "--is-shallow-repository"]);
        let is_whole = shallow.is_some_and(|ran| ran.status.success() && ran.stdout.starts_with(b"false"));
        assert!(!is_whole, "the history has no commit {commit}");
        return None;
    }
    let home = install(&format!("ottla-{commit}"), commit, |home| {
        let archive = home.join("source.tar");
        let path = archive.to_str().expect("a plain path");
        let made = git(&["archive", "--format=tar", "-o", path, commit]).expect("git runs");
        assert!(made.status.success(), "git archive: {}", String::from_utf8_lossy(&made.stderr));
        finish(Command::new("tar").arg("-C").arg(home).arg("-xf").arg(&archive), "tar");
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(home).args(["build", "--locked", "--profile", "sim", "-p", "ottla", "--bin", "ottla"]);
        finish(build.arg("--target-dir").arg(home.join("target")), "cargo build of the earlier state");
        fs::copy(home.join("target/sim/ottla"), home.join("ottla")).expect("the program was built");
        fs::remove_dir_all(home.join("target")).expect("what is left over can be removed");
    });
    Some(home.join("ottla"))
}

/// A command whose process ends with the test thread that starts it, however that ends.
pub fn mortal(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    // A broker of ours would take them for settings.
    command.env_remove("OTTLA_E2E_BINARY").env_remove("OTTLA_E2E_BROKER");
    command
}

/// Runs a command to its end and gives its standard output; a failure shows everything it wrote.
pub fn finish(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap_or_else(|fault| panic!("{what} does not start: {fault}"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{what}: {}\n{stdout}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}

/// Installs a tool unless that was done for the same `recipe` (the text that says what to install). Returns its folder.
pub fn install(name: &str, recipe: &str, make: impl FnOnce(&Path)) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let home = home(name);
    let mut hasher = DefaultHasher::new();
    recipe.hash(&mut hasher);
    let (seal, wanted) = (home.join("installed"), format!("{:016x}", hasher.finish()));
    if fs::read_to_string(&seal).is_ok_and(|found| found == wanted) {
        return home;
    }
    say(&format!("installing {name}"));
    let started = Instant::now();
    if home.exists() {
        fs::remove_dir_all(&home).expect("the old tool can be removed");
    }
    fs::create_dir_all(&home).expect("the tool's folder can be made");
    make(&home);
    fs::write(seal, wanted).expect("the seal can be written");
    say(&format!("installed {name} in {} s", started.elapsed().as_secs()));
    home
}
