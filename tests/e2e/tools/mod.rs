//! Programs that the tests need and how they come to be: ours is built, clients are installed into `target/e2e-tools` by their
//! own package managers and kept between runs. What cannot be had fails the test.

pub mod apt;
pub mod golang;
pub mod java;
pub mod node;
pub mod python;

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use serde_json::Value;

use crate::log::say;

/// This package's folder of client programs.
pub fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/clients")
}

/// The workspace's build folder.
pub fn target() -> PathBuf {
    // The folder of this very test binary: <target>/<profile>/deps/<name>.
    let binary = std::env::current_exe().expect("a process knows its program");
    binary.ancestors().nth(3).expect("a test binary lies three folders deep").to_owned()
}

/// Where an installed tool lies.
pub fn home(name: &str) -> PathBuf {
    target().join("e2e-tools").join(name)
}

/// Our broker, built once a run with optimisation and assertions; `OTTLA_E2E_BINARY` names another one.
pub fn ottla() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        if let Some(given) = std::env::var_os("OTTLA_E2E_BINARY") {
            return given.into();
        }
        say("building the broker");
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("build").arg("--target-dir").arg(target());
        command.args(["--profile", "sim", "-p", "ottla", "--bin", "ottla", "--message-format=json-render-diagnostics"]);
        let output = finish(&mut command, "cargo build");
        let mut built = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let path = built.find_map(|message| Some(message.get("executable")?.as_str()?.to_owned()));
        path.expect("cargo names the program it built").into()
    });
    &BINARY
}

/// A command whose process ends with the test thread that starts it, however that ends.
pub fn mortal(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
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
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
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
