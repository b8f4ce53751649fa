//! kafkajs, by npm.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{clients, finish, install, mortal};
use crate::harness::driver::Driver;

/// Starts the kafkajs client program.
pub fn start() -> Driver {
    let recipe = include_str!("../../e2e/clients/node/package-lock.json");
    let home = install("node", recipe, |home| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(clients().join("node").join(file), home.join(file)).expect("the manifest can be copied");
        }
        let mut npm = Command::new("npm");
        finish(npm.args(["ci", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(home), "npm ci");
    });
    let mut command = mortal(Path::new("node"));
    command.env("NODE_PATH", home.join("node_modules")).env("KAFKAJS_NO_PARTITIONER_WARNING", "1");
    command.arg(clients().join("node/kafkajs_client.js"));
    Driver::start("kafkajs", command)
}
