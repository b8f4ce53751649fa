//! franz-go, as a Go program of ours.

use std::process::Command;

use super::{clients, finish, install, mortal};
use crate::harness::driver::Driver;

/// Builds and starts the franz-go client program.
pub fn start() -> Driver {
    let recipe = concat!(
        include_str!("../../e2e/clients/go/go.sum"),
        include_str!("../../e2e/clients/go/main.go"),
        include_str!("../../e2e/clients/go/flood.go")
    );
    let home = install("go", recipe, |home| {
        let mut go = Command::new("go");
        go.current_dir(clients().join("go")).args(["build", "-mod=readonly", "-o"]).arg(home.join("franz"));
        finish(go.arg("."), "go build");
    });
    Driver::start("franz-go", mortal(&home.join("franz")))
}
