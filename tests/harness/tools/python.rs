//! confluent-kafka and kafka-python, in a virtual environment.

use std::process::Command;

use super::{clients, finish, install, mortal};
use crate::harness::driver::Driver;

/// Starts a Python client program by its name.
pub fn start(program: &str) -> Driver {
    let recipe = include_str!("../../e2e/clients/python/requirements.txt");
    let home = install("python", recipe, |home| {
        finish(Command::new("python3").args(["-m", "venv"]).arg(home), "python3 -m venv");
        let mut pip = Command::new(home.join("bin/pip"));
        finish(pip.args(["install", "--quiet", "-r"]).arg(clients().join("python/requirements.txt")), "pip install");
    });
    let mut command = mortal(&home.join("bin/python"));
    command.arg("-u").arg(clients().join("python").join(format!("{program}.py")));
    Driver::start(program, command)
}
