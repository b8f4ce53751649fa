//! rustfmt and clippy, as tests, so that one command answers for them too.

use std::process::Command;

#[test]
fn the_code_is_formatted() {
    cargo(&["fmt", "--all", "--check"]);
}

#[test]
fn clippy_has_nothing_to_say() {
    cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]);
}

/// Runs cargo in the workspace as a person would: without the variables that `cargo test` gives to its children, which
/// would make build scripts run again.
fn cargo(args: &[&str]) {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for (name, _) in std::env::vars_os() {
        let inherited = name.to_string_lossy();
        if inherited.starts_with("CARGO_PKG_") || inherited.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let output = command.output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}\n{}{said}", args.join(" "), String::from_utf8_lossy(&output.stdout));
}
