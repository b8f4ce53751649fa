//! Programs of the distribution.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::finish;
use crate::harness::log::say;

/// Makes sure that a program is there, installing its package as root if it is not.
pub fn need(program: &str, package: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let found = Command::new("which").arg(program).stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if found {
        return;
    }
    say(&format!("installing {package} with apt"));
    finish(Command::new("apt-get").args(["-qq", "update"]), "apt-get update");
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-y", "install", package]);
    finish(&mut command, "apt-get install");
}
