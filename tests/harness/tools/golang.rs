//! franz-go, as a Go program of ours.

use std::path::{Path, PathBuf};
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
    Driver::start("franz-go", mortal(&program("go", recipe, &clients().join("go"))))
}

/// The Go program of a folder, built under this name unless that was done for the same `recipe`.
pub fn program(name: &str, recipe: &str, folder: &Path) -> PathBuf {
    let home = install(name, recipe, |home| {
        let mut go = Command::new("go");
        go.current_dir(folder).args(["build", "-mod=readonly", "-o"]).arg(home.join("franz"));
        finish(go.arg("."), "go build");
    });
    home.join("franz")
}
